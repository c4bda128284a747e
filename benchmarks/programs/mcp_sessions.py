"""Many sessions of `mcp`. Words: mode, how many."""

import asyncio

from mcp.client import Client

from benchmarks.programs.mcp_call import echo_server
from benchmarks.programs.sessions import Sessions
from benchmarks.worker import together_on_asyncio, words


async def main(mode, count):
    server = echo_server()

    async def opener():
        ready, done = asyncio.Event(), asyncio.Event()
        held = []

        async def session():
            async with Client(server, mode=mode) as client:
                held.append(client)
                ready.set()
                await done.wait()

        task = asyncio.create_task(session())
        await ready.wait()

        async def call():
            await held[0].call_tool("echo", {"text": "hello", "n": 1})

        async def close():
            done.set()
            await task

        return call, close

    await Sessions(opener, int(count), together_on_asyncio).work()


if __name__ == "__main__":
    asyncio.run(main(*words()))
