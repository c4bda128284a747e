"""
The time of spans: the wall's, moved on by the runtime's clock.

Owns the anchor between the two. A span measured by the wall alone would jump with it; and where the runtime's time is
virtual, so are durations.
"""

from __future__ import annotations

import math
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
        self._follows = True
        self.let_go()

    def let_go(self) -> None:
        """Follow the clock of whichever run asks next."""
        self._seconds: Callable[[], float] = self._found
        self._check = -math.inf
        """From when on the anchor is to be looked at."""

    def now(self) -> int:
        """The time of this step."""
        try:
            seconds = self._seconds()
        except RuntimeError:  # asked from another thread, a reader of metrics, while nothing runs
            return self._wall() if self._follows else self._last
        if seconds > self._check:
            self._look(seconds)
        self._last = told = self._offset + round(seconds * NANOSECONDS)
        return told

    def at(self, seconds: float) -> int:
        """A time of the runtime's clock, as the wall had it."""
        if seconds > self._check:
            self._look(seconds)
        self._last = told = self._offset + round(seconds * NANOSECONDS)
        return told

    def _found(self) -> float:
        runs = trio.lowlevel.current_clock()
        self._seconds, self._check = runs.current_time, 0.0
        if runs is not self._runs:
            self._runs = runs
            self._anchor()
        return self._seconds()

    def _look(self, seconds: float) -> None:
        if self._check < 0.0:
            self._found()
        if seconds > self._check:
            self._check = seconds + CHECK_SECONDS if self._follows else math.inf
            if self._follows and abs(self._wall() - self._told()) > LARGEST_DRIFT:
                self._anchor()

    def _told(self) -> int:
        return self._offset + round(self._seconds() * NANOSECONDS)

    def _anchor(self) -> None:
        # Each run of trio counts from a number of its own.
        self._follows = not (_is_virtual(self._runs) if self._virtual is None else self._virtual)
        self._offset = self._wall() - round(self._seconds() * NANOSECONDS)
        self._last = self._wall()


def _is_virtual(clock: Any) -> bool:
    """Trio's own clock is the only one that is known to pass as the wall's does."""
    return not type(clock).__module__.startswith("trio._core._run")
