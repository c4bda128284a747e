"""
The actor below which an app's tasks live.

Owns the opening and closing of the store, the leases, and the two things that happen by the clock: taking up what
nobody runs, and forgetting what has expired. Refuses to know what a task is about.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.actors import Actor, Job
from zcp_actors.tasks.cell import LAPSED
from zcp_actors.tasks.creating import adopt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zcp_actors.tasks.service import TaskService

log = logging.getLogger("zcp_actors.tasks")

SWEEP_SECONDS = 30.0
"""Between two looks for what has expired and nobody follows; what somebody asks for is judged by its own time."""

CLAIM_LIMIT = 64
"""Tasks taken up in one go: what can begin in a few milliseconds; the next go follows at once when there are more."""

LOOKS = 12
"""Looks at the leases in the life of one: a handler that lost its own goes on for a twelfth of it at most, and asks and
does nothing that is recorded meanwhile."""

UNWIND_SECONDS = 5.0
"""For the handlers to unwind: one that takes longer keeps its lease until that lapses, and no other's."""

LET_GO_SECONDS = 5.0
"""For the leases to be given back: a slow disk's commit and some."""


class Clockwork(Job):
    """Does something again and again. What fails is logged, and tried again in its time."""

    __slots__ = ("_act", "_label", "_seconds")

    def __init__(self, label: str, seconds: float, act: Any) -> None:
        self._label, self._seconds, self._act = label, seconds, act

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self._label

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self._act()
            except Exception:
                log.exception("%s failed; it is tried again in %g s", self._label, self._seconds)
            await trio.sleep(self._seconds)


class Sweep(Job):
    """Removes what has expired, once. What fails is logged: the next look will do it."""

    __slots__ = ("_keeper",)

    name = "expiring"

    def __init__(self, keeper: TaskKeeper) -> None:
        self._keeper = keeper

    async def run(self) -> None:
        """Remove it."""
        self._keeper.sweeping = False
        try:
            await self._keeper.sweep()
        except Exception:
            log.exception("what has expired cannot be removed; it is tried again in %g s", SWEEP_SECONDS)


class TaskKeeper(Actor[Any]):
    """Started by its service with the first task, or when an app begins to be served."""

    kind = "task keeper"

    def __init__(self, service: TaskService) -> None:
        self._service = service
        self._clockworks: list[Clockwork] = []
        self.sweeping = False
        """A `Sweep` will begin soon."""

    def describe(self) -> str:
        """What an observer reads."""
        return f"{len(self._service.cells)} tasks · {type(self._service.store).__name__}"

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        """Open the store, keep the leases, hear of writes."""
        service = self._service
        async with AsyncExitStack() as stack:
            if service.owns_store:
                await stack.enter_async_context(service.store)
            keeping = service.store.keep(service.owner, service.leases_lost)
            stack.callback(keeping.close)
            stack.callback(service.store.watch(service.app.name, service.heard))
            service.opened(self, keeping)
            stack.callback(service.closed)
            try:
                yield
            finally:
                await self._wind_up()

    async def _wind_up(self) -> None:
        """End what runs here, without a word about it in the store, and let others take it up."""
        for job in self._clockworks:
            job.cancel("the server is shutting down")
        service = self._service
        leases = {cell.lease for cell in service.cells.values()} | service.strays
        with trio.CancelScope(shield=True, deadline=trio.current_time() + UNWIND_SECONDS):
            await service.end_all("the server is shutting down")
        free = [lease for lease in leases if lease.place not in service.cells]  # what unwinds still may act still
        if free:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + LET_GO_SECONDS):
                await service.store.let_go(free)

    async def on_start(self) -> None:
        """Begin to look after what others left."""
        service = self._service
        self._clockworks = [Clockwork("sweeping", SWEEP_SECONDS, self.sweep)]
        if service.store.durable:
            self._clockworks.append(Clockwork("adopting", service.store.lease / 3, self._adopt))
            self._clockworks.append(Clockwork("lease-watch", service.store.lease / LOOKS, self._watch_leases))
        for job in self._clockworks:
            self.submit(job)

    async def receive(self, message: Any) -> None:
        """Nothing is told to it."""

    async def _adopt(self) -> None:
        service = self._service
        await self._let_strays_go()
        while service.has_room and service.held_until > service.store.now():
            targets = service.app.task_targets()
            claimed = await service.store.claim(service.app.name, service.owner, targets, CLAIM_LIMIT)
            service.strays.update(lease for _, lease in claimed)
            for task, lease in claimed:
                if task.place not in service.cells:  # else an earlier run of ours is still unwinding
                    await adopt(service, task, lease)
                    service.strays.discard(lease)
            if len(claimed) < CLAIM_LIMIT:
                return

    async def _let_strays_go(self) -> None:
        """Whatever is renewed as ours and runs nowhere would never end."""
        service = self._service
        strays = tuple(lease for lease in service.strays if lease.place not in service.cells)
        if strays:
            await service.store.let_go(strays)
            service.strays.difference_update(strays)

    async def _watch_leases(self) -> None:
        """Nobody acts for a task after its lease has lapsed, though nobody else has taken it yet."""
        service = self._service
        if service.held_until <= service.store.now():
            for cell in tuple(service.cells.values()):
                cell.lost(LAPSED)

    async def sweep(self) -> None:
        """Remove what has expired."""
        await self._service.store.sweep(self._service.app.name)

    def forget_expired(self) -> None:
        """`sweep` soon, outside of its turn; once for all that expires until it begins."""
        if not self.sweeping:
            self.submit(Sweep(self))
            self.sweeping = True
