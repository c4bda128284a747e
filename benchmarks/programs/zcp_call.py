"""`zero-context-protocol-sdk` in process: a function call that never yields, so that nothing else runs meanwhile."""

import asyncio

from zcp import FastZCP, stdio_client, stdio_server

from benchmarks.worker import many_at_once, one_after_another, together_on_asyncio, words, work


def echo_app(tools=1):
    app = FastZCP("Echo")
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["text", "n"],
        "additionalProperties": False,
    }

    for number in range(tools):

        @app.tool(name=f"tool_{number}" if number else "echo", description="Echo.", input_schema=schema)
        async def echo(text: str, n: int) -> str:
            return text

    return app


async def main(tools="1"):
    client = stdio_client(stdio_server(echo_app(int(tools))))
    await client.initialize()
    await client.initialized()

    async def call():
        result = await client.call_tool("echo", {"text": "hello", "n": 1})
        assert not result.get("isError")

    await work({"one": one_after_another(call), "hundred": many_at_once(call, together_on_asyncio)})


if __name__ == "__main__":
    asyncio.run(main(*words()))
