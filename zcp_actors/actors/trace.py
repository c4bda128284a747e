"""
Watching messages go by.

Owns what was seen and not yet read. Refuses to slow anybody down: it is bounded, drops the oldest and counts them.
The rule that keeps it honest: while nobody traces, a message costs one look at an empty tuple.
"""

from __future__ import annotations

from collections import deque
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

import attrs
import trio

if TYPE_CHECKING:
    from zcp_actors.actors.exit import Exit
    from zcp_actors.actors.ref import Ref

KEPT = 1000
"""Records that wait to be read: a screenful many times over, and no burden if the reader stalls."""


@attrs.frozen
class Record:
    """One thing that was seen: a message coming in, being done with, or the end of an actor or of one of its lives."""

    kind: Literal["in", "out", "exit"]
    path: str
    at: float
    message: Any = None
    answer: Any = None
    """What `receive` returned; for "out"."""
    exit: Exit | None = None
    """How it ended; for "exit"."""


class Trace:
    """Records of the actors whose path matches a pattern (`fnmatch`; a star matches slashes too). Iterate over it."""

    def __init__(self, pattern: str, kept: int = KEPT) -> None:
        self.pattern = pattern
        self.dropped = 0
        """Records that were never read because newer ones came."""
        self._records: deque[Record] = deque(maxlen=kept)
        self._news = trio.Event()
        self._closed = False

    def note(self, kind: Literal["in", "out", "exit"], ref: Ref[Any], facts: dict[str, Any]) -> None:
        """Add a record, if the pattern matches."""
        path = ref.path
        if not fnmatchcase(path, self.pattern):
            return
        if len(self._records) == self._records.maxlen:
            self.dropped += 1
        self._records.append(Record(kind, path, trio.current_time(), **facts))
        self._news.set()

    def close(self) -> None:
        """No more records: the iteration ends after those that wait."""
        self._closed = True
        self._news.set()

    def taken(self) -> list[Record]:
        """Take what was seen so far, without waiting."""
        records = list(self._records)
        self._records.clear()
        return records

    def __aiter__(self) -> Trace:
        return self

    async def __anext__(self) -> Record:
        while not self._records:
            if self._closed:
                raise StopAsyncIteration
            if self._news.is_set():
                self._news = trio.Event()
            await self._news.wait()
        return self._records.popleft()
