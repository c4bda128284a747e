"""`fastmcp` in process."""

import asyncio
import logging

from fastmcp import Client, FastMCP

from benchmarks.worker import many_at_once, one_after_another, together_on_asyncio, work

logging.disable(logging.WARNING)
server = FastMCP("Echo")


@server.tool
async def echo(text: str, n: int) -> str:
    return text


async def main():
    async with Client(server) as client:

        async def call():
            result = await client.call_tool("echo", {"text": "hello", "n": 1})
            assert result.data == "hello"

        await work({"one": one_after_another(call), "hundred": many_at_once(call, together_on_asyncio)})


if __name__ == "__main__":
    asyncio.run(main())
