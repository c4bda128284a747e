"""
A server of ours and nothing else: raw bytes into its pipes, its lines counted by id.

Owns the process and the counting. Refuses to know our client: what it sends may be anything.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from contextlib import asynccontextmanager
from subprocess import PIPE

import trio
from interop.stage import STATE_KEY, program
from oracle_tap import refused_lines
from programs.hostile_frames import META

V2025, V2026 = "2025-11-25", "2026-07-28"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"


class Pipes:
    """A server's pipes: raw bytes in, parsed lines out, counted by id."""

    def __init__(self, process, era, capabilities):
        self.process, self.era, self.capabilities = process, era, capabilities
        self.meta = {"_meta": {**META, CAPABILITIES: capabilities}} if era == V2026 else {}
        self.replies = defaultdict(list)
        self.others = []
        self.lines = []
        """All that crossed, as ("out" or "in", line)."""
        self.deaf = None
        """Set to an event, nothing is read until that is set."""
        self._news = trio.Event()

    async def listen(self):
        rest = b""
        async for chunk in self.process.stdout:
            if self.deaf is not None:
                await self.deaf.wait()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self.lines.append(("in", line))
                message = json.loads(line)
                if "method" in message:
                    self.others.append(message)
                else:
                    id = message.get("id")
                    self.replies[(type(id).__name__, id)].append(message)
            self._news.set()
            self._news = trio.Event()
        assert rest == b"", "the server's last line has no end"

    async def write(self, **members):
        await self.send(json.dumps({"jsonrpc": "2.0", **members}).encode())

    async def send(self, *lines):
        self.lines += [("out", line) for line in lines]
        await self.process.stdin.send_all(b"".join(line + b"\n" for line in lines))

    def to(self, id):
        """The replies under this id; `1` and `"1"` are different ids."""
        return self.replies[(type(id).__name__, id)]

    async def reply(self, id, number=1):
        while len(self.to(id)) < number:
            await self._news.wait()
        return self.to(id)[number - 1]

    async def request(self, id, method, **params):
        await self.write(id=id, method=method, params={**params, **self.meta})
        return await self.reply(id)

    async def question(self, number=1):
        """Wait for the server's request or notification of this number; 2025-11-25 asks by them."""
        while len(self.others) < number:
            await self._news.wait()
        return self.others[number - 1]

    async def call(self, id, tool, **arguments):
        return (await self.request(id, "tools/call", name=tool, arguments=arguments))["result"]

    async def introduce(self):
        if self.era == V2026:
            assert "result" in await self.request("hello", "server/discover")
            return
        info = {"name": "fuzz", "version": "0"}
        await self.request(
            "hello", "initialize", protocolVersion=V2025, capabilities=self.capabilities, clientInfo=info
        )
        await self.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')


@asynccontextmanager
async def served(era, *, capabilities=None, patience=30):
    """A server that has been introduced to; at the end its input is closed, and it must leave well."""
    environment = {**os.environ, **STATE_KEY}
    with trio.fail_after(patience):
        async with trio.open_nursery() as nursery:
            process = await trio.lowlevel.open_process(
                program("zcp_server.py"), stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
            )
            try:
                pipes = Pipes(process, era, capabilities or {})
                nursery.start_soon(drain, process.stderr)
                nursery.start_soon(pipes.listen)
                await pipes.introduce()
                yield pipes
                await process.stdin.aclose()
                assert await process.wait() == 0
            finally:
                if process.returncode is None:
                    process.kill()
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
                        await process.wait()
                nursery.cancel_scope.cancel()
        await process.stdout.aclose()
        await process.stderr.aclose()
        assert refused_lines(pipes.lines, era)[:5] == []


async def drain(stream):
    async for _ in stream:
        pass
