"""
An app whose tasks live in one file that several such processes share, and whose handlers log what they do.

`task_server.py stdio|http STORE LOG [LEASE [TOOL,TOOL… [APP]]]`: only the named tools are served. The log has one line
of JSON for each deed: `{"what", "name", "n", "pid", "at"}`, `at` by the clock that all processes share. A gate
of a name is a file `LOG.NAME`. Over HTTP the first line of output is the URL, and clients say who they are in their
Authorization header; over stdio it is "ann".
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path

import attrs
import trio

from zcp_actors import Context, FastZCP, HTTPConfig, open_runtime, serve_http, serve_stdio
from zcp_actors.sessions import ServerHandle
from zcp_actors.tasks import SqliteTaskStore

POLL = 0.01
"""Seconds between two looks for a gate."""


@attrs.frozen
class Word:
    word: str


class Log:
    """Lines that every process appends to, each in one write."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(self, what: str, name: str, n: int = 0) -> int:
        line = {"what": what, "name": name, "n": n, "pid": os.getpid(), "at": time.monotonic()}
        os.write(self._file, json.dumps(line).encode() + b"\n")
        return n

    async def gate(self, name: str) -> None:
        while not Path(f"{self.path}.{name}").exists():  # noqa: ASYNC110, ASYNC240 - another process opens it
            await trio.sleep(POLL)


class Works:
    """The handlers, which all log to one file."""

    def __init__(self, log: Log) -> None:
        self.log = log

    async def quick(self, name: str) -> str:
        self.log.add("done", name)
        return name

    async def wait(self, name: str, ctx: Context, last: bool = True) -> str:
        """An effect, a gate, and the last effect."""
        self.log.add("begun", name)
        try:
            await ctx.once("before", lambda: self.log.add("before", name))
            self.log.add("waits", name)
            await self.log.gate(name)
            if last:
                await ctx.once("after", lambda: self.log.add("after", name))
        except BaseException:
            self.log.add("cut short", name)  # by its cancel, or by being told that it may not go on
            raise
        self.log.add("done", name)
        return f"{name} through"

    async def ask(self, name: str, count: int, ctx: Context) -> str:
        """Questions, each with an effect behind it that takes a moment."""
        self.log.add("begun", name)
        words = []
        for n in range(count):
            answer = await ctx.elicit(f"{name} {n}", Word, key=f"question-{n}")
            self.log.add("got", name, n)
            words.append(answer.data.word)

            async def effect(n: int = n) -> int:
                self.log.add("effect", name, n)
                await trio.sleep(0.001)
                return n

            await ctx.once(f"effect-{n}", effect)
        self.log.add("done", name)
        return " ".join(words)

    async def press(self, name: str, ctx: Context) -> str:
        """An effect that lasts until its gate is opened."""

        async def effect() -> str:
            self.log.add("effect", name)
            await self.log.gate(name)
            self.log.add("effect over", name)
            return f"{name} pressed"

        try:
            return await ctx.once("press", effect)
        except BaseException:
            self.log.add("cut short", name)
            raise

    async def brittle(self, name: str) -> str:
        """What is not run again."""
        self.log.add("begun", name)
        await trio.sleep_forever()
        return name


def made(log: Log, tools: list[str] | None = None, name: str = "Works") -> FastZCP:
    app, works = FastZCP(name), Works(log)
    for tool in (works.quick, works.wait, works.ask, works.press):
        if tools is None or tool.__name__ in tools:
            app.add_tool(tool, task="required")
    if tools is None or "brittle" in tools:
        app.add_tool(works.brittle, task="required", on_restart="fail")
    return app


async def who(scope) -> str:
    return dict(scope["headers"]).get(b"authorization", b"").decode()


async def main(way: str, store: str, log: str, lease: str = "10", *served: str) -> None:
    tools, *name = served or ("",)
    app = made(Log(log), tools.split(",") if tools else None, *name)
    async with SqliteTaskStore(store, lease=float(lease)) as kept, open_runtime() as runtime:
        handle = ServerHandle(app, principal="ann", task_store=kept)
        await handle.recover(runtime)
        if way == "stdio":
            await serve_stdio(runtime, handle)
            return
        async with trio.open_nursery() as nursery:

            async def serve(task_status):
                config = HTTPConfig(authenticate=who)
                await serve_http(runtime, handle, port=0, config=config, task_status=task_status)

            (url,) = await nursery.start(serve)
            sys.stdout.write(f"{url}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, format=f"%(asctime)s {os.getpid()} %(levelname)s %(name)s: %(message)s")
    trio.run(main, *sys.argv[1:])
