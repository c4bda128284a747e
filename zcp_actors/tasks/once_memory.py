"""
The intents and outcomes of `ctx.once`, for as long as this process lives.

Owns one bounded table. Refuses to forget an outcome that a round could still ask for: a full table turns new side
effects away, because forgetting an old one would repeat it. Survives a lost reply, not a lost process: `once_sqlite`
does.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.errors import OnceUncertain, Overloaded, StateTooLarge
from zcp_actors.wire import plain

if TYPE_CHECKING:
    from collections.abc import Callable

Scope = tuple[str, str, str]

ENTRY_SECONDS = 24 * 3600.0
"""A day, the life of a sealed state: whoever could ask for an entry again holds a state sealed before it was made.
A durable task may be recovered later than that; give its store more."""

MAX_ENTRIES = 100_000
"""Entries of one table: with a usual outcome some 50 MB, and more side effects than one process has in a day."""

MAX_OUTCOME_BYTES = 256 * 1024
"""The limit of a whole sealed state: an outcome beyond it could not travel to the next round either."""

SWEEP_EVERY = 256
"""Intents between two sweeps of what has expired: rare enough to cost nothing, often enough to keep the table small."""


@attrs.define
class Entry:
    """An intent; with `outcome`, the JSON text of what came of it."""

    expires: float
    outcome: str | None = None


class MemoryOnceStore:
    """`ports.OnceStore` in this process. Safe for many calls of one trio run.

    An entry lives `seconds` after its last write by the clock `now`; at most `max_entries` live at once.
    """

    def __init__(
        self,
        *,
        seconds: float = ENTRY_SECONDS,
        max_entries: int = MAX_ENTRIES,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._seconds, self._max_entries, self._now = seconds, max_entries, now
        self._entries: dict[tuple[Scope, str], Entry] = {}
        self._begun = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def begin(self, scope: Scope, key: str) -> tuple[bool, Any]:
        """See `ports.OnceStore`. Raises `OnceUncertain`; `Overloaded` when the table is full. On cancel: no intent."""
        await trio.lowlevel.checkpoint()
        entry = self._living(scope, key)
        if entry is None:
            self._make_room()
            self._entries[scope, key] = Entry(self._now() + self._seconds)
            return False, None
        if entry.outcome is None:
            raise uncertain(key)
        return True, json.loads(entry.outcome)

    async def finish(self, scope: Scope, key: str, outcome: Any) -> None:
        """See `ports.OnceStore`. Raises `StateTooLarge`; the intent then stands. On cancel: recorded all the same."""
        self._entries[scope, key] = Entry(self._now() + self._seconds, written_outcome(key, outcome))
        await trio.lowlevel.checkpoint()

    async def forget(self, scope: Scope, key: str) -> None:
        """See `ports.OnceStore`. A recorded outcome stands. On cancel: it is forgotten all the same."""
        entry = self._living(scope, key)
        if entry is not None and entry.outcome is None:
            del self._entries[scope, key]
        await trio.lowlevel.checkpoint()

    def _living(self, scope: Scope, key: str) -> Entry | None:
        entry = self._entries.get((scope, key))
        return entry if entry is not None and entry.expires > self._now() else None

    def _make_room(self) -> None:
        self._begun += 1
        if self._begun % SWEEP_EVERY == 0 or len(self._entries) >= self._max_entries:
            now = self._now()
            self._entries = {place: entry for place, entry in self._entries.items() if entry.expires > now}
        if len(self._entries) >= self._max_entries:
            raise full(self._max_entries)


def uncertain(key: str) -> OnceUncertain:
    """What is raised for an intent that has no outcome."""
    return OnceUncertain(
        f"the once block {key!r} was begun and has no outcome: its side effect may or may not have happened. "
        "Find out, or pass retry_unfinished=True where doing it twice does no harm"
    )


def full(limit: int) -> Overloaded:
    """What is raised when no more intents can be kept."""
    return Overloaded(f"the once store holds {limit} entries, its limit: raise max_entries, or wait for some to expire")


def written_outcome(key: str, outcome: Any) -> str:
    """An outcome as the text that is kept. Raises `StateTooLarge`, and `NotJSON` for what is no JSON."""
    text = json.dumps(plain(outcome, "once"), separators=(",", ":"))
    if len(text) > MAX_OUTCOME_BYTES:
        raise StateTooLarge(
            f"the once block {key!r} returned {len(text)} bytes of JSON; at most {MAX_OUTCOME_BYTES} are kept: "
            "return a reference to the thing instead"
        )
    return text
