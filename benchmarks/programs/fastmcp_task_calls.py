"""Tasks of `fastmcp` in process, on its queue in memory."""

import asyncio
import logging

from fastmcp import Client, FastMCP
from fastmcp_tasks import TasksExtension, call_tool_task

from benchmarks.worker import many_at_once, now, one_after_another, timed_by_itself, together_on_asyncio, work

logging.disable(logging.ERROR)
server = FastMCP("Tasks")
server.add_extension(TasksExtension(url="memory://", concurrency=100))
started = asyncio.Event()
stopped_at = 0


@server.tool(task=True)
async def echo(text: str) -> str:
    return text


@server.tool(task=True)
async def hold() -> str:
    global stopped_at
    try:
        started.set()
        await asyncio.sleep(3600)
    finally:
        stopped_at = now()
    return "never"


async def main():
    async with Client(server) as client:

        async def whole():
            task = await call_tool_task(client, "echo", {"text": "hello"})
            assert (await task.result()).data == "hello"

        async def create():
            start = now()
            task = await call_tool_task(client, "echo", {"text": "hello"})
            took = now() - start
            await task.result()
            return took

        async def cancel():
            started.clear()
            task = await call_tool_task(client, "hold", {})
            await started.wait()
            await asyncio.sleep(0.001)
            start = now()
            await task.cancel()
            while stopped_at < start:
                await asyncio.sleep(0)
            return stopped_at - start

        await work(
            {
                "create": timed_by_itself(create),
                "whole": one_after_another(whole),
                "cancel": timed_by_itself(cancel),
                "hundred": many_at_once(whole, together_on_asyncio),
            }
        )


if __name__ == "__main__":
    asyncio.run(main())
