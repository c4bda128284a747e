"""
Messages that reached nobody.

Owns the last few and the count of all. Refuses asks: an ask that cannot be answered is an error at the asker, never a
dead letter. The rule that keeps it honest: the ring is bounded, and the log hears of the 1st, 10th, 100th, ... only.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcp_actors.actors.ref import Ref

log = logging.getLogger("zcp_actors.actors")

KEPT = 1000
"""Dead letters kept for inspection: what a person can still look through."""


@attrs.frozen
class DeadLetter:
    """A message and the actor that was gone, or full, when it came."""

    ref: Ref[Any]
    message: Any


class DeadLetters:
    """A ring of the newest dead letters; `count` is of all there ever were."""

    def __init__(self, kept: int = KEPT) -> None:
        self._ring: deque[DeadLetter] = deque(maxlen=kept)
        self._announce = 1
        self.count = 0

    def __len__(self) -> int:
        return len(self._ring)

    def __iter__(self) -> Iterator[DeadLetter]:
        return iter(tuple(self._ring))

    def add(self, ref: Ref[Any], message: Any) -> None:
        """Keep it, forgetting the oldest when the ring is full."""
        self.count += 1
        self._ring.append(DeadLetter(ref, message))
        if self.count >= self._announce:
            self._announce *= 10
            log.warning("dead letter no. %d: %s to %s", self.count, type(message).__name__, ref.path)

    def clear(self) -> None:
        """Forget those kept; the count stays."""
        self._ring.clear()
