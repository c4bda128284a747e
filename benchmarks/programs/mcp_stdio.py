"""`mcp` to `mcp` over stdio. Words: mode."""

import asyncio
import sys

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from benchmarks.worker import many_at_once, one_after_another, together_on_asyncio, words, work


async def main(mode):
    server = StdioServerParameters(command=sys.executable, args=[__file__.replace("_stdio.py", "_stdio_server.py")])
    server.env = {"PYTHONPATH": ":".join(sys.path)}
    async with Client(stdio_client(server), mode=mode) as client:

        async def call():
            result = await client.call_tool("echo", {"text": "hello", "n": 1})
            assert result.structured_content == {"result": "hello"}

        measures = {"one": one_after_another(call), "hundred": many_at_once(call, together_on_asyncio)}
        await work(measures, era=client.protocol_version)


if __name__ == "__main__":
    asyncio.run(main(*words()))
