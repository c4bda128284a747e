"""
The time of spans: the wall's, moved on by the runtime's clock.

Owns the anchor between the two. A span measured by the wall alone would jump with it; and where the runtime's time is
virtual, so are durations.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

NANOSECONDS = 1_000_000_000

LARGEST_DRIFT = 1 * NANOSECONDS
"""How far the two may drift apart before the anchor is set anew: a machine that slept stopped only one of them."""


CHECK_SECONDS = 1.0
"""How often that is looked at: spans of a second after waking may show the time of falling asleep."""


class Clock:
    """Nanoseconds of the epoch. `now()` is good for any thread; `at(...)` takes a time of the runtime's clock."""

    def __init__(self, wall: Callable[[], int] = time.time_ns, *, virtual: bool | None = None) -> None:
        """`virtual`: the runtime's time passes otherwise than the wall's; None finds that out."""
        self._wall, self._virtual = wall, virtual
        self._runs: Any = None
        self._offset = self._last = 0
        self._check = 0.0
        self._follows = True

    def now(self) -> int:
        """The time of this step."""
        try:
            runs = trio.lowlevel.current_clock()
        except RuntimeError:  # asked from another thread: a reader of metrics
            return self._wall() if self._follows else self._last
        seconds = runs.current_time()  # as `trio.current_time()` does it, which looks for the clock again
        if runs is not self._runs or seconds > self._check:
            return self._at(runs, seconds)
        self._last = told = self._offset + round(seconds * NANOSECONDS)
        return told

    def at(self, seconds: float) -> int:
        """A time of the runtime's clock, as the wall had it."""
        return self._at(trio.lowlevel.current_clock(), seconds)

    def _at(self, runs: Any, seconds: float) -> int:
        if runs is not self._runs:
            self._anchor(runs)
        elif seconds > self._check and self._follows:
            self._follow(runs)
        self._last = told = self._offset + round(seconds * NANOSECONDS)
        return told

    def _follow(self, runs: Any) -> None:
        now = trio.current_time()
        self._check = now + CHECK_SECONDS
        if abs(self._wall() - self._told(now)) > LARGEST_DRIFT:
            self._anchor(runs)

    def _told(self, seconds: float) -> int:
        return self._offset + round(seconds * NANOSECONDS)

    def _anchor(self, runs: Any) -> None:
        # Each run of trio counts from a number of its own.
        self._runs, self._check = runs, 0.0
        self._follows = not (_is_virtual(runs) if self._virtual is None else self._virtual)
        self._offset = self._wall() - round(trio.current_time() * NANOSECONDS)
        self._last = self._wall()


def _is_virtual(clock: Any) -> bool:
    """Trio's own clock is the only one that is known to pass as the wall's does."""
    return not type(clock).__module__.startswith("trio._core._run")
