"""
How many things end without stopping the world.

Owns the waves: trio runs everything that is runnable between two polls, so a hundred thousand endings asked for in one
step are one step. Refuses to know why they end.
The rule that keeps it honest: never more than `WAVE` endings are asked for without a checkpoint between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcp_actors.actors.exit import Exit
from zcp_actors.actors.reply import checkpoint

if TYPE_CHECKING:
    from zcp_actors.actors.host import Host
    from zcp_actors.actors.workers import Job

WAVE = 500
"""Endings asked for between two checkpoints: measured to keep the loop's stall in tens of milliseconds at 100 000."""


def end_hosted_soon(host: Host, exit: Exit) -> None:
    """End the cells and jobs below `host`: now when they are few, else in waves by a task of the runtime's own."""
    if len(host._children or ()) + len(host._jobs or ()) <= WAVE:
        for job in _jobs(host):
            job.cancel(_why(host, exit))
        for child in _children(host):
            _end(child, exit)
    else:
        host.runtime._spawn(end_hosted, host, exit)


async def end_hosted(host: Host, exit: Exit) -> None:
    """End the jobs, then the cells below `host`, newest first, in waves. Does not wait for the last of them."""
    asked = 0
    for job in _jobs(host):
        job.cancel(_why(host, exit))
        asked += 1
        if asked % WAVE == 0:
            await checkpoint()
    for child in _children(host):
        _end(child, exit)
        asked += 1
        if asked % WAVE == 0:
            await checkpoint()


def _jobs(host: Host) -> list[Job]:
    return list(reversed(host._jobs or {}))


def _children(host: Host) -> list[Host]:
    return [child for child in reversed((host._children or {}).values()) if child._kind() == "cell"]


def _end(child: Host, exit: Exit) -> None:
    if exit.kind == "cancelled":
        child._cancel(exit.reason)
    else:
        child._stop(Exit("stopped", reason=exit.reason or "its parent ended"))


def _why(host: Host, exit: Exit) -> str:
    return exit.reason or f"{host.me.path} ended"
