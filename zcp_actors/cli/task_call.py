"""
`zcp-actors call --task`: a tool that runs as a task, told of while it runs, cancelled by Ctrl-C.

Owns the lines about its status, and what an interruption means: the server is asked to end the task before we leave.
Refuses to print results and to answer questions.
"""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import RequestCancelled, RequestTimeout, ZCPError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from zcp_actors.cli.bars import Bars
    from zcp_actors.sessions import TaskHandle, ZCPClientSession

CANCEL_SECONDS = 2.0
"""For a server to be told that nobody waits for its task any more: a person who pressed Ctrl-C wants to leave."""

LAST_LINE_SECONDS = 0.5
"""For the line that says how it ended, which may be learned a moment after the result."""


async def call_as_task(
    client: ZCPClientSession, tool: str, arguments: Mapping[str, Any], bars: Bars, limit: float | None
) -> Any:
    """Run the tool as a task, and return its result. After `limit` seconds, or Ctrl-C, the task is cancelled.

    Raises `RequestTimeout`, `KeyboardInterrupt`, and what `call_tool_as_task` and `TaskHandle.result` raise.
    """
    with trio.move_on_after(math.inf if limit is None else limit) as patience:
        # No wish for how long it is kept: whoever waits for it does not want it forgotten before it has ended.
        handle = await client.call_tool_as_task(tool, arguments, ttl=None, on_progress=bars.listener(tool))
        try:
            return await _watched(handle, tool, bars)
        finally:
            if patience.cancel_called:
                await _end(handle, "its caller does not wait any longer")
    assert limit is not None
    raise RequestTimeout("tools/call", limit, "total")


async def _watched(handle: TaskHandle, tool: str, bars: Bars) -> Any:
    interrupted: list[int] = []
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_hear, signals, interrupted, handle, nursery.cancel_scope)
            try:
                result = await _told(handle, tool, bars)
            except* RequestCancelled:
                if not interrupted:
                    raise
            else:
                nursery.cancel_scope.cancel("the task has ended")
                return result
    raise KeyboardInterrupt


async def _told(handle: TaskHandle, tool: str, bars: Bars) -> Any:
    """The result, and a line for every change up to the last one."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tell, handle, tool, bars)
        result = await handle.result()
        nursery.cancel_scope.deadline = trio.current_time() + LAST_LINE_SECONDS
    return result


async def _hear(
    signals: AsyncIterator[int], interrupted: list[int], handle: TaskHandle, watching: trio.CancelScope
) -> None:
    async for number in signals:
        interrupted.append(number)
        await _end(handle, "interrupted at the terminal")
        watching.cancel("interrupted")


async def _end(handle: TaskHandle, reason: str) -> None:
    """Tell the server; one that does not hear it will see us leave."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CANCEL_SECONDS):
        try:
            await handle.cancel(reason)
        except ZCPError:
            return


async def _tell(handle: TaskHandle, tool: str, bars: Bars) -> None:
    """A line for every change; what goes wrong is told by whoever waits for the result."""
    try:
        async for view in handle:
            bars.say(f"{tool}: {view.status}" + (f", {view.status_message}" if view.status_message else ""))
    except ZCPError:
        return
