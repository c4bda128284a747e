"""
An app with one tool for each role that the judge of tasks knows.

Run as a program it is served over HTTP to clients that say who they are, by a name in their Authorization header; the
first line of output is the URL. Else: `zcp-actors serve task_app.py:app`.
"""

from __future__ import annotations

import sys

import attrs
import trio

from zcp_actors import Context, FastZCP, HTTPConfig, open_runtime, serve_http
from zcp_actors.errors import RPCError
from zcp_actors.tasks import TaskLimits

app = FastZCP("Kitchen", task_limits=TaskLimits(page_size=20, max_open=150, max_open_anonymous=150))
running: set[object] = set()


@attrs.frozen
class Form:
    answer: str


@app.tool(task="optional")
async def quick(text: str) -> str:
    return text


@app.tool(task="optional")
async def slow(seconds: float, ctx: Context) -> str:
    running.add(mark := object())
    try:
        await ctx.progress(0.5, message="stirring")
        await trio.sleep(seconds)
    finally:
        running.discard(mark)
    return "cooked"


@app.tool
async def running_now() -> str:
    return str(len(running))


@app.tool(task="optional")
async def asks(ctx: Context) -> str:
    answer = await ctx.elicit("Shall we?", Form)
    return f"{answer.action} {answer.content}"


@app.tool(task="optional")
async def samples(ctx: Context) -> str:
    return (await ctx.sample("Say something", max_tokens=10)).text


@app.tool(task="optional")
async def fails() -> str:
    msg = "the oven is cold"
    raise ValueError(msg)


@app.tool(task="optional")
async def raises() -> str:
    raise RPCError(-32050, "no such dish", {"dish": "soup"})


@app.tool
async def forbidden() -> str:
    return "forbidden"


@app.tool(task="required")
async def required() -> str:
    return "required"


@app.tool(task="optional")
async def reports(ctx: Context) -> str:
    for step in (1, 2, 3):
        await trio.sleep(0.1)
        await ctx.progress(step, 3, f"step {step}")
    return "reported"


async def who(scope) -> str:
    return dict(scope["headers"]).get(b"authorization", b"").decode()


async def main() -> None:
    config = HTTPConfig(authenticate=who)
    async with open_runtime() as runtime, trio.open_nursery() as nursery:

        async def serve(task_status):
            await serve_http(runtime, app, port=0, config=config, task_status=task_status)

        (url,) = await nursery.start(serve)
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main)
