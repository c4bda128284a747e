"""
Restarting several children together: one_for_all and rest_for_one.

Owns the order (stop the group in reverse, wait, start it in order) and that one regrouping runs at a time.
Refuses to decide whether to restart at all; the supervisor has spent its budget before it asks.
The rule that keeps it honest: it runs in a task of its own, so its supervisor hears of other ends meanwhile.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.actors.exit import Exit
from zcp_actors.actors.strategy import Restart, Strategy

if TYPE_CHECKING:
    from collections.abc import Container

    from zcp_actors.actors.seat import Seat
    from zcp_actors.actors.supervisor import Supervisor

_REGROUPED = Exit("stopped", reason="restarted together with a sibling that failed")


class Regroup:
    """The regroupings of one supervisor, one after the other."""

    __slots__ = ("_asked", "_busy", "_dismissing", "_supervisor", "leaving", "scope")

    def __init__(self, supervisor: Supervisor[Any]) -> None:
        self._supervisor = supervisor
        self._asked: dict[Seat, float] = {}
        """Those that wait for a regrouping to come, with their delays."""
        self._busy = False
        self._dismissing: frozenset[Seat] = frozenset()
        """The group that is being ended now."""
        self.leaving: set[Seat] = set()
        """Those whose end was asked for here: it is neither news nor a failure."""
        self.scope = trio.CancelScope()
        """Around the task that regroups, or regrouped last."""

    def ask(self, seat: Seat, delay: float) -> None:
        """Restart the group of `seat`, which has ended, in `delay` seconds: after a regrouping that runs now."""
        self._asked[seat] = delay
        if not self._busy:
            self._busy, self.scope = True, trio.CancelScope()
            nursery = self._supervisor._nursery
            assert nursery is not None
            nursery.start_soon(self._run)

    def covers(self, seat: Seat) -> bool:
        """Whether it would have been restarted anyway, with a sibling that failed just before."""
        if seat in self._dismissing:
            return True
        if self._supervisor.strategy is Strategy.ONE_FOR_ALL:
            return bool(self._asked)
        elder = takewhile(lambda each: each is not seat, reversed(self._supervisor._seats()))
        return any(each in self._asked for each in elder)

    async def _run(self) -> None:
        with self.scope:
            while self._asked:
                asked, self._asked = self._asked, {}
                if group := self._group(asked):
                    await self._regroup(group, max(asked.values()))
            self._busy = False

    async def _regroup(self, group: list[Seat], delay: float) -> None:
        self._dismissing = frozenset(group)
        for each in reversed(group):
            await self._dismiss(each)
        self._dismissing = frozenset()
        # Who failed meanwhile begins again here. A request that outlived that would pay for each failure to come.
        for each in group:
            self._asked.pop(each, None)
        await trio.sleep(delay)
        for each in group:
            if each._status() == "restarting":
                if not self._supervisor._revive(each):
                    return
                await each.gone_or_started()
                if each._status() == "restarting":
                    return  # it has asked for the next regrouping; one that has ended for good is not waited for

    def _group(self, asked: Container[Seat]) -> list[Seat]:
        """The eldest that asked and whoever is restarted with it, which all others that asked are."""
        seats = list(reversed(self._supervisor._seats()))
        first = next((at for at, seat in enumerate(seats) if seat in asked and seat._status() == "restarting"), None)
        if first is None:
            return []
        return seats[first:] if self._supervisor.strategy is Strategy.REST_FOR_ONE else seats

    async def _dismiss(self, seat: Seat) -> None:
        """End one member, in its grace or by cancelling it; its mail waits unless it is never restarted."""
        if seat._status() in ("restarting", "ended"):
            return
        if seat.restart is Restart.NEVER:
            seat._stop(_REGROUPED)
        elif seat.fate is None:
            self.leaving.add(seat)
            seat.leave(_REGROUPED)
        with trio.move_on_after(seat.grace):
            await seat.gone.wait()
        if not seat.gone.is_set():
            seat.scope.cancel("grace ran out")
            await seat.gone.wait()
        self.leaving.discard(seat)
