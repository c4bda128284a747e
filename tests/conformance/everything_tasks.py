"""
The tools of the everything-server that may run as tasks.

Owns their names, arguments and outcomes, which the conformance suite prescribes. Refuses to know what a task is: each
handler is one straight line, and asks as it would in a call. When one becomes a task is said where it is added.
"""

from __future__ import annotations

from typing import Any, Final

import trio

from zcp_actors import Context
from zcp_actors.errors import RPCError, ToolError

FAILING_SECONDS: Final = 0.5
"""What `failing_job` works before it fails: half of what the suite speaks of, and seen at work by its first poll."""

ESCALATING_SECONDS: Final = 0.5
"""What `test_tool_with_task` works after its question: longer than a call may take that does not become a task."""

SHORT_CALL: Final = 0.1
"""Seconds that a call may take before it becomes a task: the suite wants `slow_compute` to be one that takes 1 s."""

CONFIRM_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"confirm": {"type": "boolean"}},
    "required": ["confirm"],
}

NAME_FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}


async def greet(name: str) -> str:
    """Greet somebody, at once."""
    return f"Hello, {name}!"


async def slow_compute(seconds: float, label: str = "") -> str:
    """Take a while."""
    await trio.sleep(seconds)
    return f"Computed {label} for {seconds:g} s"


async def failing_job() -> str:
    """Work, and fail at what it does."""
    await trio.sleep(FAILING_SECONDS)
    raise ToolError("the job failed, as it always does")


async def protocol_error_job() -> str:
    """Fail in a way that is no result."""
    raise RPCError(-32603, "the job ended with an error of the protocol, as it always does")


async def confirm_delete(filename: str, ctx: Context) -> str:
    """Ask before a file is deleted."""
    answer = await ctx.elicit(f"Delete {filename}?", CONFIRM_FORM)
    agreed = answer.accepted and answer["data"]["confirm"]
    return f"{filename} was {'deleted' if agreed else 'kept'}"


async def multi_input(ctx: Context) -> str:
    """Ask two people at once."""
    names: dict[str, str] = {}

    async def ask(who: str) -> None:
        answer = await ctx.elicit(f"What is the name of the {who}?", NAME_FORM, key=who)
        names[who] = str((answer.content or {}).get("name", answer.action))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "author")
        nursery.start_soon(ask, "reader")
    return f"{names['author']} writes for {names['reader']}"


async def test_tool_with_task(ctx: Context) -> str:
    """Ask in the call, and work as a task."""
    answer = await ctx.elicit("What is your name?", NAME_FORM, key="user_name")
    await trio.sleep(ESCALATING_SECONDS)
    return f"This took a while, {(answer.content or {}).get('name', answer.action)}."


TASK_TOOLS: Final[tuple[tuple[Any, dict[str, Any]], ...]] = (
    (greet, {}),
    (slow_compute, {"task": "optional", "task_after": SHORT_CALL}),
    (failing_job, {"task": "required"}),
    (protocol_error_job, {"task": "optional", "task_after": 0.0}),
    (confirm_delete, {"task": "optional", "task_after": 0.0}),
    (multi_input, {"task": "optional", "task_after": 0.0}),
    (test_tool_with_task, {"task": "optional", "task_after": SHORT_CALL}),
)
"""In the order they are listed in, each with what `add_tool` is told of it."""
