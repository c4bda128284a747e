"""Our echo server over HTTP and websocket. Words: the path of the URL to print."""

from functools import partial

import trio

from benchmarks.programs.ours_call import echo_app
from benchmarks.worker import words
from zcp_actors import open_runtime, serve_http


async def main(path="mcp"):
    async with open_runtime(grace=1) as runtime, trio.open_nursery() as nursery:
        (url,) = await nursery.start(partial(serve_http, runtime, echo_app(), port=0, grace=1))
        print(url if path == "mcp" else url.replace("http:", "ws:").replace("/mcp", "/ws"), flush=True)


if __name__ == "__main__":
    trio.run(main, *words())
