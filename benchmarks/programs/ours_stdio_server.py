"""Our echo server over stdio."""

import trio

from benchmarks.programs.ours_call import echo_app
from zcp_actors import open_runtime, serve_stdio


async def main():
    async with open_runtime(grace=1) as runtime:
        await serve_stdio(runtime, echo_app())


if __name__ == "__main__":
    trio.run(main)
