"""
How long a request may take.

Owns the two clocks of a request and what stops them: progress resets the idle one, a person who is asked stops both.
Refuses to act: it says when to look again, or which limit was reached. Source: 2026-07-28 basic/lifecycle, Timeouts.
"""

from __future__ import annotations

import math
from typing import Any

import attrs

from zcp_actors.errors import UsageError


def _limit(_: object, field: attrs.Attribute[float], given: Any) -> None:
    if not isinstance(given, int | float) or not given >= 0:
        raise UsageError(f"Timeouts.{field.name} is a number of seconds, math.inf for no limit; not {given!r:.80}")


@attrs.frozen
class Timeouts:
    """Limits of one request, in seconds; `math.inf` for none. Raises `UsageError` for what is no such number.

    Time in which this side owes the server an answer does not count as idle; time in which a person is asked counts for
    neither, and is bounded by `Policy.max_human_wait` instead.
    """

    idle: float = attrs.field(default=60.0, validator=_limit)
    """Without a sign of life of the peer: no result, no progress."""
    total: float = attrs.field(default=600.0, validator=_limit)
    """In all, however much progress is reported."""

    @property
    def first(self) -> float:
        """When a limit can be reached at the earliest."""
        return min(self.idle, self.total)


NO_TIMEOUTS = Timeouts(math.inf, math.inf)
"""For what lives as long as its connection: `subscriptions/listen`, and waiting for a task's result."""


class Stopwatch:
    """Sums the time during which at least one of something is open."""

    __slots__ = ("_open", "_since", "_sum")

    def __init__(self) -> None:
        self._open, self._since, self._sum = 0, 0.0, 0.0

    def begin(self, now: float) -> None:
        """One more is open."""
        if self._open == 0:
            self._since = now
        self._open += 1

    def end(self, now: float) -> None:
        """One less is open."""
        self._open -= 1
        if self._open == 0:
            self._sum += now - self._since

    @property
    def running(self) -> bool:
        """At least one is open."""
        return self._open > 0

    def read(self, now: float) -> float:
        """Seconds so far."""
        return self._sum + (now - self._since if self._open else 0.0)


class Patience:
    """The clocks of one request."""

    __slots__ = ("_began", "_heard", "_human_at_begin", "_owed_at_heard", "_timeouts")

    def __init__(
        self, timeouts: Timeouts, now: float, human: Stopwatch | None = None, owed: Stopwatch | None = None
    ) -> None:
        """Without stopwatches, where nothing was ever asked: those that are made later begin at zero."""
        self._timeouts = timeouts
        self._began = self._heard = now
        self._human_at_begin = 0.0 if human is None else human.read(now)
        self._owed_at_heard = 0.0 if owed is None else owed.read(now)

    def heard(self, now: float, owed: Stopwatch) -> None:
        """The peer gave a sign of life for this request."""
        self._heard, self._owed_at_heard = now, owed.read(now)

    def left(self, now: float, human: Stopwatch, owed: Stopwatch) -> tuple[float, str]:
        """Seconds until a limit could be reached, and which; not above zero when it is reached."""
        total = self._timeouts.total - (now - self._began - (human.read(now) - self._human_at_begin))
        idle = self._timeouts.idle - (now - self._heard - (owed.read(now) - self._owed_at_heard))
        return (total, "total") if total <= idle else (idle, "idle")

    def limit(self, kind: str) -> float:
        """The limit of this name, in seconds."""
        return self._timeouts.total if kind == "total" else self._timeouts.idle
