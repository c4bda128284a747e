"""
The deadlines of a whole runtime, and the one task that watches them.

Owns when things fire. Refuses to know what fires: a timer is a time and a synchronous callback.
Most deadlines are far away and never reached: these lie in slices of time, where coming and going costs no sorting and
leaves nothing behind. When its slice begins, what is left of it moves into the heap.
The rule that keeps it honest: a disarmed timer never fires, and never makes virtual time pass.
Times are those of `trio.current_time()`.
"""

from __future__ import annotations

import heapq
import math
from contextvars import Context, copy_context
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

import trio

from zcp_actors.actors.reply import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BURST = 500
"""Timers fired between two checkpoints: at a few microseconds each, well under the 5 ms that latency can spare."""

SLICE = 8.0
"""Seconds of a slice. Timeouts of requests are longer, so that few are ever sorted; and what a person may take, a day,
is some ten thousand slices, which can be looked through for the next in less than a millisecond."""

FEW = 64
"""Disarmed entries that are not worth sweeping, some 10 KiB: a nearly empty heap is not rebuilt at every call."""


class Timer:
    """A callback that is due at `deadline`, unless it is disarmed before."""

    __slots__ = ("_callback", "_timers", "deadline")

    def __init__(self, timers: Timers, deadline: float, callback: Callable[[], object]) -> None:
        self._timers = timers
        self.deadline = deadline
        self._callback: Callable[[], object] | None = callback

    @property
    def armed(self) -> bool:
        """Neither fired nor disarmed."""
        return self._callback is not None

    def disarm(self) -> None:
        """Forget it. Idempotent, and harmless after it fired. O(log n) amortised."""
        if self._callback is not None:
            self._callback = None
            self._timers._disarmed(self)


_Entry: TypeAlias = "tuple[float, int, Timer]"


class Slice(dict["Timer", None]):
    """Timers that are armed and far away, as a set in the order they were armed."""

    __slots__ = ("first",)

    first: float
    """When one of them can be due at the earliest."""


class Timers:
    """The heap of near deadlines, and the slices of far ones.

    Entries leave the heap lazily; beyond a few, those disarmed never make up more than half of it.
    """

    __slots__ = ("_begun", "_context", "_heap", "_nap", "_serial", "_slices", "_stale", "_virtual")

    def __init__(self, context: Context | None = None) -> None:
        self._heap: list[_Entry] = []
        self._slices: dict[float, Slice] = {}
        self._begun = -math.inf
        """The last slice that has moved into the heap, as all before it."""
        self._serial = 0
        self._stale = 0
        self._nap: trio.CancelScope | None = None
        self._virtual = False
        self._context = copy_context() if context is None else context

    def __len__(self) -> int:
        return len(self._heap) - self._stale + sum(map(len, self._slices.values()))

    def __iter__(self) -> Iterator[Timer]:
        """Those that are armed, in no order."""
        yield from (timer for _, _, timer in self._heap if timer.armed)
        for each in self._slices.values():
            yield from each

    @property
    def stale(self) -> int:
        """Entries that are disarmed and not yet swept out of the heap: at most half of it, or `FEW`."""
        return self._stale

    def at(self, deadline: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` at `deadline`, in a fresh context. Equal deadlines fire in the order they were armed.

        What it raises is a bug of the runtime's user and ends the runtime: wrap what may fail.
        """
        timer = Timer(self, deadline, callback)
        if deadline < math.inf:
            number = deadline // SLICE
            # Minus infinity, for what is over since ever, is in no slice: its number compares as false.
            if number > self._begun:
                self._put_aside(timer, number)
            else:
                self._push(timer)
            nap = self._nap
            if nap is not None and deadline < nap.deadline:
                nap.deadline = deadline
        return timer

    def _push(self, timer: Timer) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (timer.deadline, self._serial, timer))

    def _put_aside(self, timer: Timer, number: float) -> None:
        far = self._slices.get(number)
        if far is None:
            far = self._slices[number] = Slice()
            far.first = timer.deadline
        elif timer.deadline < far.first:
            far.first = timer.deadline
        far[timer] = None

    def after(self, delay: float, callback: Callable[[], object]) -> Timer:
        """The same, `delay` seconds from now."""
        return self.at(trio.current_time() + delay, callback)

    def _disarmed(self, timer: Timer) -> None:
        deadline = timer.deadline
        number = deadline // SLICE
        far = self._slices.get(number)
        if far is not None and timer in far:
            del far[timer]
            if not far:
                del self._slices[number]
            elif self._virtual and not any(each.deadline == far.first for each in far):
                far.first = min(each.deadline for each in far)
        elif deadline < math.inf:
            self._stale += 1
            if self._stale > FEW and self._stale * 2 > len(self._heap):
                self._sweep()
        if self._virtual and self._nap is not None and self._nap.deadline == deadline:
            # A virtual clock would jump to a deadline that nobody has any more. Real time passes anyway: there the
            # sleeper may wake once for nothing, which is cheaper than telling it of every answer that came in time.
            self._nap.deadline = self._next()

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2]._callback is not None]
        heapq.heapify(self._heap)
        self._stale = 0

    def _next(self) -> float:
        return min(self._next_in_heap(), min((each.first for each in self._slices.values()), default=math.inf))

    def _next_in_heap(self) -> float:
        heap = self._heap
        while heap and heap[0][2]._callback is None:
            heapq.heappop(heap)
            self._stale -= 1
        return heap[0][0] if heap else math.inf

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Fire what is due, for ever. Cancel it to end it."""
        self._virtual = hasattr(trio.lowlevel.current_clock(), "autojump_threshold")
        while True:
            with trio.CancelScope(deadline=self._next()) as self._nap:
                await trio.sleep_forever()
            self._nap = None
            now = trio.current_time()
            await self._begin_slices(now)
            await self._fire_due(now)

    async def _begin_slices(self, now: float) -> None:
        current = now // SLICE
        for number in sorted(each for each in self._slices if each <= current):
            # More may come to it, and others leave it, while it moves.
            while far := self._slices.get(number):
                for timer in list(islice(far, BURST)):
                    del far[timer]
                    self._push(timer)
                if not far:
                    del self._slices[number]
                elif len(far) >= BURST:
                    await checkpoint()
        self._begun = max(self._begun, current)

    async def _fire_due(self, now: float) -> None:
        fired = 0
        while self._next_in_heap() <= now:
            _, _, timer = heapq.heappop(self._heap)
            callback, timer._callback = timer._callback, None
            if callback is not None:
                self._context.copy().run(callback)
            fired += 1
            if fired % BURST == 0:
                await checkpoint()
