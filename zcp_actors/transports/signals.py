"""
Signals that end a served process.

Owns what becomes of one that comes at the very moment in which serving ends for another reason: trio hands it back to
whoever handled signals before, and by default that kills the process half way. Refuses to decide what a signal means.
"""

from __future__ import annotations

import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import FrameType

ENDING: Final = (signal.SIGTERM, signal.SIGINT)
"""What process managers and terminals send to end a program."""


BACK_SECONDS = 1.0
"""What trio may take to hand a signal back: one turn of its loop."""


@asynccontextmanager
async def noted(caught: list[signal.Signals]) -> AsyncIterator[None]:
    """Append to `caught` each signal that no receiver of trio took. Open the receiver inside.

    Raises `ValueError` outside of the main thread.
    """

    def note(number: int, _: FrameType | None) -> None:
        caught.append(signal.Signals(number))

    before = {number: signal.signal(number, note) for number in ENDING}
    try:
        yield
        await _handed_back()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _handed_back() -> None:
    """Wait until trio has handed back what was on its way to the receiver: its queue keeps the order."""
    done = trio.Event()
    trio.lowlevel.current_trio_token().run_sync_soon(done.set, idempotent=True)
    with trio.CancelScope(shield=True, deadline=trio.current_time() + BACK_SECONDS):
        await done.wait()
