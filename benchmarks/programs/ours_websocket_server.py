"""Our echo server on a websocket of its own."""

from functools import partial

import trio

from benchmarks.programs.ours_call import echo_app
from zcp_actors import open_runtime, serve_websocket


async def main():
    async with open_runtime(grace=1) as runtime, trio.open_nursery() as nursery:
        (url,) = await nursery.start(partial(serve_websocket, runtime, echo_app(), port=0, grace=1))
        print(url, flush=True)


if __name__ == "__main__":
    trio.run(main)
