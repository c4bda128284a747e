"""Serve a few tools over HTTP at a free port until a signal; the first line of output is the URL."""

from __future__ import annotations

import sys
from functools import partial

import trio

from zcp_actors import Context, FastZCP, open_runtime
from zcp_actors.transports.http.serve import serve_http

app = FastZCP("Counter")


@app.tool
async def nap(seconds: float, ctx: Context) -> str:
    await ctx.progress(1)
    await trio.sleep(seconds)
    return "slept"


@app.tool
async def ask(ctx: Context) -> str:
    return (await ctx.elicit("Sure?", {"type": "object", "properties": {}})).action


async def main(grace: float) -> None:
    async with open_runtime(grace=1) as runtime, trio.open_nursery() as nursery:
        (url,) = await nursery.start(partial(serve_http, runtime, app, port=0, grace=grace))
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main, float(sys.argv[1]))
