"""An app whose tool notes in a file that it has begun, and goes on when another file is there; served by tests."""

from __future__ import annotations

import trio

from zcp_actors import Context, FastZCP
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


@app.tool(task="optional", task_after=0)
async def confirm(what: str, ctx: Context) -> str:
    """Ask whether it is so."""
    assert ctx.task is not None
    await ctx.task.update_status(f"asking about {what}")
    answer = await ctx.elicit(f"{what}?", {"type": "object", "properties": {"sure": {"type": "boolean"}}})
    return f"{what}: {'sure' if (answer.content or {}).get('sure') else 'not sure'}"


@app.tool
def plain() -> str:
    """Be no task."""
    return "plain"
