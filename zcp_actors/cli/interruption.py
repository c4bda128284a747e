"""
Ctrl-C, pressed twice.

Owns what the second one does. Refuses to touch the first: trio turns it into `KeyboardInterrupt`, and all unwinds.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@contextmanager
def second_ctrl_c_kills() -> Iterator[None]:
    """The first Ctrl-C unwinds; another one ends this process at once, as a tool that never yields makes necessary.

    Open it inside of the loop, whose handler it stands before. Children do not outlive us: the guardian sees to it.
    """
    first = signal.getsignal(signal.SIGINT)
    if not callable(first):
        yield
        return

    def interrupted(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        first(number, frame)

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, first)
