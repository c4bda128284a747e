"""An app whose tool notes in a file that it has begun, and goes on when another file is there: served by tests."""

from __future__ import annotations

import trio

from zcp_actors import FastZCP
from zcp_actors.tasks import TaskLimits

app = FastZCP("lasting", task_limits=TaskLimits(poll=0.05))


@app.tool(task="optional", task_after=0)
async def last(begun: str, gate: str) -> str:
    """Last until the gate is open."""
    async with await trio.open_file(begun, "a", encoding="utf-8") as file:
        await file.write("begun\n")
    while True:
        if await trio.Path(gate).exists():
            return "lasted"
        await trio.sleep(0.01)
