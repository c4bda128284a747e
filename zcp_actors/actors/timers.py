"""
One heap of deadlines for a whole runtime, and the one task that watches it.

Owns when things fire. Refuses to know what fires: a timer is a time and a synchronous callback.
The rule that keeps it honest: a disarmed timer never fires, and never makes virtual time pass.
Times are those of `trio.current_time()`.
"""

from __future__ import annotations

import heapq
import math
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, TypeAlias

import trio

from zcp_actors.actors.reply import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

BURST = 500
"""Timers fired between two checkpoints: at a few microseconds each, well under the 5 ms that latency can spare."""

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


class Timers:
    """The deadline heap. Entries leave it lazily; beyond a few, those disarmed never make up more than half of it."""

    __slots__ = ("_context", "_heap", "_nap", "_serial", "_stale", "_virtual")

    def __init__(self, context: Context | None = None) -> None:
        self._heap: list[_Entry] = []
        self._serial = 0
        self._stale = 0
        self._nap: trio.CancelScope | None = None
        self._virtual = False
        self._context = copy_context() if context is None else context

    def __len__(self) -> int:
        return len(self._heap) - self._stale

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
            self._serial += 1
            heapq.heappush(self._heap, (deadline, self._serial, timer))
            nap = self._nap
            if nap is not None and deadline < nap.deadline:
                nap.deadline = deadline
        return timer

    def after(self, delay: float, callback: Callable[[], object]) -> Timer:
        """The same, `delay` seconds from now."""
        return self.at(trio.current_time() + delay, callback)

    def _disarmed(self, timer: Timer) -> None:
        if timer.deadline == math.inf:
            return
        self._stale += 1
        heap = self._heap
        if self._stale > FEW and self._stale * 2 > len(heap):
            self._heap = heap = [entry for entry in heap if entry[2]._callback is not None] if len(self) else []
            heapq.heapify(heap)
            self._stale = 0
        if self._virtual and self._nap is not None and self._nap.deadline == timer.deadline:
            # A virtual clock would jump to a deadline that nobody has any more. Real time passes anyway: there the
            # sleeper may wake once for nothing, which is cheaper than telling it of every answer that came in time.
            self._nap.deadline = self._next()

    def _next(self) -> float:
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
            await self._fire_due()

    async def _fire_due(self) -> None:
        now = trio.current_time()
        fired = 0
        while self._next() <= now:
            _, _, timer = heapq.heappop(self._heap)
            callback, timer._callback = timer._callback, None
            if callback is not None:
                self._context.copy().run(callback)
            fired += 1
            if fired % BURST == 0:
                await checkpoint()
