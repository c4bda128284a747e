"""Many sessions of `zcp`: records, no connections. Words: how many."""

import asyncio

from zcp import stdio_client, stdio_server

from benchmarks.programs.sessions import Sessions
from benchmarks.programs.zcp_call import echo_app
from benchmarks.worker import together_on_asyncio, words


async def main(count):
    app = echo_app()

    async def opener():
        client = stdio_client(stdio_server(app))
        await client.initialize()
        await client.initialized()

        async def call():
            await client.call_tool("echo", {"text": "hello", "n": 1})

        async def close():
            pass

        return call, close

    await Sessions(opener, int(count), together_on_asyncio).work()


if __name__ == "__main__":
    asyncio.run(main(*words()))
