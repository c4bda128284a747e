"""
An actor that owns a nursery: its children live and die inside it.

Owns who is started, started again, and in which order all end. Refuses to know what the children do.
The rule that keeps it honest: what follows an end is decided in the step of that end, so a supervisor never naps in its
loop and is never blind; waiting (back-off, grace) is left to timers and to tasks of its own.
"""

from __future__ import annotations

import logging
import math
import random
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import trio

from zcp_actors.actors.actor import Actor
from zcp_actors.actors.cell import host_below
from zcp_actors.actors.ending import WAVE, end_hosted
from zcp_actors.actors.exit import Exit
from zcp_actors.actors.host import log
from zcp_actors.actors.regroup import Regroup
from zcp_actors.actors.reply import checkpoint
from zcp_actors.actors.seat import Seat
from zcp_actors.actors.strategy import Budget, Child, Limit, Strategy
from zcp_actors.errors import ActorStopped, RestartLimitReached, TransportError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zcp_actors.actors.cell import Cell
    from zcp_actors.actors.ref import Ref
    from zcp_actors.actors.timers import Timer

M = TypeVar("M")

_STOPPED = Exit("stopped", reason="its supervisor ended")


class Supervisor(Actor[M]):
    """Subclass it to declare children and a strategy; `receive` is free for messages of your own.

    Children that are declared or awaited (`start`) stop one after the other, last started first, each with its grace.
    Those of `start_soon` and hosted cells have no order among themselves: they stop first, all at once, in waves.
    """

    kind = "supervisor"
    strategy: ClassVar[Strategy] = Strategy.ONE_FOR_ONE
    limit: Limit = Limit()
    max_children: int = 100_000
    grace = math.inf
    """The children's graces bound its ending, and `open_runtime(grace=)` bounds all: a bound here would cut theirs."""
    own_grace: float = 5.0
    """Seconds its own `receive` may take when it is asked to stop, before that is interrupted and its children stop."""
    jitter: Callable[[], float] = staticmethod(random.random)
    """Where back-off takes its random numbers from, 0.0 to 1.0."""

    _declared: Sequence[Child] = ()
    _nursery: trio.Nursery | None = None
    _patience: trio.CancelScope | None = None
    _ending = False

    def __init__(self, children: Iterable[Child] = ()) -> None:
        self._declared = tuple(children)

    async def receive(self, message: M) -> Any:
        """Nothing by default."""

    def on_child_exit(self, ref: Ref[Any], exit: Exit) -> None:
        """A child, or a cell further down, ended for good. Synchronous; what is raised here ends this supervisor."""

    # Starting
    async def start(self, child: Child) -> Ref[Any]:
        """Start a child and wait until it has begun; ordered after those started before.

        Raises what its `on_start` raises (it is then not restarted), `NameTaken`, `TooManyChildren`, and
        `ActorStopped` when this supervisor is ending. On cancel the child is cancelled too.
        """
        seat = self._admit(child)
        self._ordered[seat] = None
        seat.awaited = True
        self._launch(seat)
        try:
            await seat.started.wait()
        except trio.Cancelled:
            seat._cancel("its starter was cancelled")
            raise
        return seat.me

    def start_soon(self, child: Child) -> Ref[Any]:
        """Start a child without waiting; a failing `on_start` is an end like any other. For hot paths."""
        seat = self._admit(child)
        self._launch(seat)
        return seat.me

    def host(self, cell: Cell[Any], name: str) -> Ref[Any]:
        """Give a cell an address below this supervisor."""
        return host_below(self.seat, cell, name)

    @property
    def ready(self) -> bool:
        """Its nursery is open: children can be started."""
        return self._nursery is not None and not self._ending

    def _admit(self, child: Child) -> Seat:
        if self._nursery is None:
            raise UsageError(f"the supervisor of {child.name!r} has not begun: wait for it with `runtime.begun`")
        if self._ending or self.seat._status() not in ("starting", "running"):
            raise ActorStopped(self.me.path, self.seat.fate or _STOPPED)
        seat = Seat(self.seat._new_ref(child.name), child, self)
        self.seat._adopt(seat)
        return seat

    def _launch(self, seat: Seat) -> None:
        # Not in the caller's context: an actor must not inherit the trace or the principal of whoever started it.
        assert self._nursery is not None
        self.runtime.context.copy().run(partial(self._nursery.start_soon, seat.live, name=seat.me.path))

    # Its own life
    async def _live(self, seat: Seat) -> None:
        self._prepare()
        error: Exception | None = None
        try:
            async with trio.open_nursery() as self._nursery:
                try:
                    await super()._live(seat)
                except Exception as caught:
                    error = caught
                await self._end_children()
        finally:
            # Where all was cut, a child may have failed meanwhile, and wait for a restart that cannot come.
            self._ending = True
            self._bury_waiting()
        if (error := self._failure or error) is not None:
            raise error

    def _prepare(self) -> None:
        self._budget = Budget(self.limit)
        self._ordered: dict[Seat, None] = {}
        self._retries: dict[Seat, Timer] = {}
        self._failure: Exception | None = None
        self._ending = False
        self._patience = trio.CancelScope()
        """Around whatever waits for children to end by themselves."""
        self._regroup = Regroup(self)

    async def _begin(self, seat: Seat) -> None:
        for child in self._declared:
            await self.start(child)

    # When a child ends
    def incarnation_ended(self, seat: Seat, exit: Exit) -> None:
        """Decide, in this step, whether there will be another incarnation."""
        if self._ending or seat.fate is not None or seat.awaited:
            self._bury(seat, exit)
        elif seat in self._regroup.leaving:
            seat.waiting_for_restart(exit)
        elif not seat.restart.wants(exit):
            self._bury(seat, exit)
        else:
            self._again(seat, exit)

    def _bury(self, seat: Seat, exit: Exit) -> None:
        self._ordered.pop(seat, None)
        timer = self._retries.pop(seat, None)
        if timer is not None:
            timer.disarm()
        seat.end(exit)

    def _again(self, seat: Seat, exit: Exit) -> None:
        free = exit.kind == "normal" or self._regroup.covers(seat)
        attempt = 1 if free else self._budget.spend(trio.current_time())
        if attempt is None:
            self._give_up(seat, exit)
            return
        delay = self.limit.delay(attempt, self.jitter())
        seat.restarts += 1
        seat.waiting_for_restart(exit)
        strategy, kind = self.strategy.name.lower(), seat.actor.kind
        facts = {"kind": kind, "strategy": strategy, "incarnation": seat.restarts}
        self.runtime.recorder.restart(seat.me.path, exit, delay, attempt, **facts)
        level = logging.DEBUG if exit.kind == "normal" else logging.WARNING
        # The loss of a connection is told by its message; a traceback would point at code that did its work.
        trace = None if isinstance(exit.error, TransportError) else exit.error
        log.log(level, "%s ended (%s), restart %d in %.2f s", seat.me.path, exit, attempt, delay, exc_info=trace)
        if self.strategy is Strategy.ONE_FOR_ONE:
            self._retries[seat] = self.runtime.timers.after(delay, partial(self._retry, seat))
        else:
            self._regroup.ask(seat, delay)

    def _retry(self, seat: Seat) -> None:
        self._retries.pop(seat, None)
        if seat.me.alive and not self._ending:
            self._revive(seat)

    def _revive(self, seat: Seat) -> bool:
        try:
            seat.renew()
        except Exception as error:
            seat.last_exit = exit = Exit("failed", error)
            self.incarnation_ended(seat, exit)
            return False
        self._launch(seat)
        return True

    def _give_up(self, seat: Seat, exit: Exit) -> None:
        limit = self.limit
        self._bury(seat, exit)
        error = RestartLimitReached(
            f"{self.me.path} gives up: more than {limit.restarts} restarts within {limit.within:g} s; "
            f"the last to end was {seat.me.path} ({exit})"
        )
        error.__cause__ = exit.error
        self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error
            self.seat.scope.cancel("restart limit reached")

    def _saw_end(self, ref: Ref[Any], exit: Exit) -> bool:
        try:
            self.on_child_exit(ref, exit)
        except Exception as error:
            self._fail(error)
        return True

    def _interrupt_later(self, seat: Seat) -> Timer | None:
        # Its scope is around its own loop, and not around its children.
        timer = super()._interrupt_later(seat)
        return timer or seat.runtime.timers.after(self.own_grace, partial(seat.scope.cancel, "grace ran out"))

    def _hurry(self, reason: str) -> None:
        if self._patience is not None:
            self._patience.cancel(reason or None)

    # The end of all children. Who was asked to stop is interrupted by its own seat when its grace has run out.
    async def _end_children(self) -> None:
        self._ending = True
        self.seat._move("stopping")
        self.seat.accepting = False
        self._regroup.scope.cancel("supervisor ended")
        self._bury_waiting()
        fate, patience = self.seat.fate, self._patience
        exit = fate if fate is not None and fate.kind == "cancelled" else _STOPPED
        assert patience is not None
        with patience:
            if exit is not _STOPPED:
                patience.cancel(exit.reason or None)
            await end_hosted(self.seat, exit)
            await self._stop_crowd()
            await self._stop_in_order()
        # Patience may have run out at any point of that, so all of it once more, without waiting.
        await self._cut((self.seat.fate or exit).reason)
        await self.seat._end_hosted(self.seat.fate or exit)

    def _bury_waiting(self) -> None:
        for seat in self._seats():
            if seat._status() == "restarting":
                self._bury(seat, seat.last_exit or _STOPPED)

    def _seats(self) -> list[Seat]:
        """Seats below this one, last started first."""
        children = self.seat._children or {}
        return [child for child in reversed(children.values()) if isinstance(child, Seat)]

    async def _stop_crowd(self) -> None:
        crowd = [seat for seat in self._seats() if seat not in self._ordered]
        for index, seat in enumerate(crowd, 1):
            seat._stop(_STOPPED)
            if index % WAVE == 0:
                await checkpoint()
        began = trio.current_time()
        # Those with the shortest grace first, so that nobody is waited for longer than its own; its last words go on.
        for seat in sorted(crowd, key=lambda each: each.grace):
            with trio.move_on_at(began + seat.grace):
                await seat.gone.wait()

    async def _stop_in_order(self) -> None:
        for seat in reversed(list(self._ordered)):
            seat._stop(_STOPPED)
            await seat.gone.wait()

    async def _cut(self, reason: str) -> None:
        """Cancel whatever still lives, in waves; the nursery waits for its last words."""
        for index, seat in enumerate(self._seats(), 1):
            seat._cancel(reason or "its supervisor ended")
            if index % WAVE == 0:
                await checkpoint()
        for seat in self._seats():
            await seat.gone.wait()
