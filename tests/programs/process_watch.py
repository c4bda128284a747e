"""What tests of processes ask the system: who lives, and wait for the end of those who are not their children."""

from __future__ import annotations

import os
import time

import trio

from zcp_actors.transports import guardian_program


def lives(pid: int) -> bool:
    """Tell whether a process is there and more than a zombie (whose new parent may be slow to collect it)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    fact = guardian_program.stat(pid)
    return fact is None or fact[0] not in "ZX"


def group_lives(group: int) -> bool:
    return guardian_program.living(group)


async def gone(*pids: int) -> float:
    """Wait until none of the processes lives; return the seconds that took."""
    began = time.monotonic()
    while any(lives(pid) for pid in pids):  # noqa: ASYNC110  # nothing tells of the end of another's child
        await trio.sleep(0.01)
    return time.monotonic() - began
