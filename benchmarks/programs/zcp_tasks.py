"""Tasks of `zcp` in process. Words: how many ended tasks there are already."""

import asyncio

from zcp import FastZCP, stdio_client, stdio_server

from benchmarks.worker import many_at_once, now, one_after_another, timed_by_itself, together_on_asyncio, words, work

LATE = 3_600_000
app = FastZCP("Tasks")
schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


@app.tool(name="echo", description="e", input_schema=schema, execution={"taskSupport": "optional"})
async def echo(text: str) -> str:
    return text


async def main(retained):
    client = stdio_client(stdio_server(app))
    await client.initialize()

    async def made(ttl):
        return (await client.call_tool_as_task("echo", {"text": "hello"}, ttl=ttl))["task"]["taskId"]

    for _ in range(int(retained)):
        await made(LATE)

    async def whole():
        await client.get_task_result(await made(2000))

    async def create():
        start = now()
        task = await made(2000)
        took = now() - start
        await client.get_task_result(task)
        return took

    await work(
        {
            "create": timed_by_itself(create),
            "whole": one_after_another(whole),
            "hundred": many_at_once(whole, together_on_asyncio),
        }
    )


if __name__ == "__main__":
    asyncio.run(main(*words()))
