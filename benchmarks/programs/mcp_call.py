"""`mcp` in process. Words: mode (legacy or auto), how many tools."""

import asyncio

from mcp.client import Client
from mcp.server.mcpserver import MCPServer

from benchmarks.worker import many_at_once, one_after_another, together_on_asyncio, words, work


def echo_server(tools=1):
    server = MCPServer("Echo", log_level="ERROR")

    @server.tool()
    async def echo(text: str, n: int) -> str:
        return text

    for number in range(1, tools):
        server.add_tool(echo, name=f"tool_{number}")
    return server


async def main(mode, tools="1"):
    async with Client(echo_server(int(tools)), mode=mode) as client:

        async def call():
            result = await client.call_tool("echo", {"text": "hello", "n": 1})
            assert result.structured_content == {"result": "hello"}

        measures = {"one": one_after_another(call), "hundred": many_at_once(call, together_on_asyncio)}
        await work(measures, era=client.protocol_version)


if __name__ == "__main__":
    asyncio.run(main(*words()))
