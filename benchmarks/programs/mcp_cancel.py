"""The cancelling of a call of `mcp`. Words: mode, trio or asyncio."""

import anyio
import anyio.lowlevel
from mcp.client import Client
from mcp.server.mcpserver import MCPServer

from benchmarks.worker import now, timed_by_itself, words, work

server = MCPServer("Holding", log_level="ERROR")
stopped_at = 0
started = None


@server.tool()
async def hold() -> str:
    global stopped_at
    try:
        started.set()
        await anyio.sleep_forever()
    finally:
        stopped_at = now()
    return "never"


async def cancelled(client):
    global started
    started = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(client.call_tool, "hold")
        await started.wait()
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        start = now()
        group.cancel_scope.cancel()
    returned = now()
    while stopped_at < start:
        await anyio.lowlevel.checkpoint()
    return stopped_at - start, returned - start


async def main(mode):
    async with Client(server, mode=mode) as client:

        async def stop():
            return (await cancelled(client))[0]

        async def returned():
            return (await cancelled(client))[1]

        await work({"stop": timed_by_itself(stop), "return": timed_by_itself(returned)})


if __name__ == "__main__":
    mode, backend = words()
    anyio.run(main, mode, backend=backend)
