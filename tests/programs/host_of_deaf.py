"""
A host that connects to a deaf server by the whole stack, says the pids of its family, and waits to be killed.

`host_of_deaf.py <words of the server's command>`
"""

from __future__ import annotations

import json
import sys

import trio

from zcp_actors import Command, open_runtime, stdio_client


async def main() -> None:
    async with open_runtime() as runtime:
        backend = await runtime.connect(stdio_client(Command(sys.argv[1:])))
        pids = await backend.call_tool("pids")
        with trio.move_on_after(0.2):
            await backend.call_tool("silence")  # killed hosts have calls in flight
        print(json.dumps(json.loads(pids.content[0].text)), flush=True)  # noqa: T201
        await backend.call_tool("silence")


trio.run(main)
