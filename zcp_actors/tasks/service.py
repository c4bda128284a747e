"""
Whoever runs the tasks of one app in one runtime.

Owns the tasks that run here and their turn, and the store's life. Refuses to know how requests are answered (`requests`
does), how a task is made (`creating`), how a question reaches a peer (`asking`), what a task decides (`cell`), and
which session is told of which task (`origin`).
"""

from __future__ import annotations

import logging
import math
import os
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.actors import Reply, Restart
from zcp_actors.errors import CallEnding, Overloaded
from zcp_actors.protocol import tasks
from zcp_actors.protocol.tasks import Place
from zcp_actors.sessions.handle import ALWAYS_REPLAY, ALWAYS_REPLAY_VARIABLE
from zcp_actors.tasks.cell import TaskCell
from zcp_actors.tasks.creating import Requestor
from zcp_actors.tasks.following import Followers
from zcp_actors.tasks.keeper import TaskKeeper
from zcp_actors.tasks.limits import TaskLimits
from zcp_actors.tasks.memory import MemoryTaskStore
from zcp_actors.tasks.origin import SessionFollows
from zcp_actors.tasks.polls import Polls
from zcp_actors.tasks.requests import serve
from zcp_actors.tasks.sqlite import SqliteTaskStore, default_task_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from zcp_actors.actors import Ref
    from zcp_actors.ports import App, Keeping, TaskStore
    from zcp_actors.protocol.serving import Served
    from zcp_actors.protocol.tasks import Lease, Task
    from zcp_actors.sessions.server import ServerSession
    from zcp_actors.tasks.asking import Bringing

log = logging.getLogger("zcp_actors.tasks")

MAX_ATTEMPTS = 100
"""Each one that fails means that somebody else's succeeded, and a task has fewer events than that at a time."""

ID_BYTES = 24
"""Bytes of chance in an id: 192 bits, so that knowing one says nothing about another."""


def default_store(app: App, *, served: bool) -> TaskStore:
    """Where an app's tasks are kept when nobody says where."""
    if served:
        return SqliteTaskStore(default_task_file(app.name, os.environ))
    return MemoryTaskStore()


class TaskService:
    """`ports.Tasks` for one app. Everything it runs is below one actor, which begins with the first task."""

    def __init__(
        self,
        app: App,
        runtime: Any,
        store: TaskStore,
        *,
        owns_store: bool,
        limits: TaskLimits | None = None,
        always_replay: bool = False,
    ) -> None:
        """`owns_store`: the store is opened and closed with the service; else somebody else has opened it."""
        self.app, self.runtime, self.store, self.owns_store = app, runtime, store, owns_store
        self.limits = limits or TaskLimits()
        self.always_replay = always_replay
        self.owner = secrets.token_urlsafe(16)
        """The name under which this service holds leases."""
        self.followers = Followers()
        self.sessions = SessionFollows(self.followers)
        self.asking: dict[tuple[Place, str], Bringing] = {}
        """Questions that are on their way to some peer, and who brings them."""
        self.polls, self.requestor = Polls(self.limits), Requestor()
        self.cells: dict[Place, TaskCell] = {}
        self.keeping: Keeping | None = None
        self.strays: set[Lease] = set()
        """Leases that the store may count as ours, and nobody runs their tasks here."""
        self._turn: OrderedDict[TaskCell, None] = OrderedDict()
        """Who waits for capacity, in the order they came."""
        self._running = 0
        self._numbers = 0
        self._keeper: Ref[Any] | None = None
        self._seat: TaskKeeper | None = None
        self._emptied: Reply[None] | None = None

    @classmethod
    def of(
        cls, app: App, runtime: Any, store: TaskStore | None, *, served: bool, limits: TaskLimits | None = None
    ) -> TaskService:
        """The one of this app in this runtime, made when first asked for.

        `store` is one that somebody else has opened. None: a file in the state directory for an app that is `served`
        to other processes, else memory; an app that is both has two.
        """
        place = app, served if store is None else store
        service: TaskService | None = runtime.task_services.get(place)
        if service is None:
            replay = ALWAYS_REPLAY.get() or bool(os.environ.get(ALWAYS_REPLAY_VARIABLE))
            service = runtime.task_services[place] = cls(
                app,
                runtime,
                default_store(app, served=served) if store is None else store,
                owns_store=store is None,
                limits=limits,
                always_replay=replay,
            )
        return service

    # -------------------------------------------------------------------------------------------- its life
    async def ready(self) -> None:
        """Begin, if nobody did before. Raises what opening the store raises."""
        if self._keeper is None or not self._keeper.alive:
            if self._keeper is not None and self.owns_store:  # a store is opened once
                self.store = default_store(self.app, served=self.store.durable)
            name = f"{self.app.name.replace('/', '-')[:64]}-tasks"
            self._keeper = self.runtime.start_soon(lambda: TaskKeeper(self), self._free(name), restart=Restart.NEVER)
        if self._seat is None:
            await self.runtime.begun(self._keeper)

    def _free(self, name: str) -> str:
        return name if self.runtime.is_free(name) else f"{name}-{secrets.token_hex(4)}"

    async def recover(self) -> None:
        """See `ports.Tasks`."""
        await self.ready()

    def opened(self, keeper: TaskKeeper, keeping: Keeping) -> None:
        """The store is open, and the leases are kept."""
        self._seat, self.keeping = keeper, keeping

    def closed(self) -> None:
        """The service has ended."""
        self._seat, self.keeping = None, None

    @property
    def path(self) -> str:
        """Its place in the tree."""
        return self._keeper.path if self._keeper is not None else self.app.name

    @property
    def held_until(self) -> float:
        """When the leases lapse if nobody renews them, by the store's clock."""
        return self.keeping.until if self.keeping is not None else -math.inf

    def leases_lost(self, places: Collection[Place]) -> None:
        """Others have taken these tasks over, or may have."""
        for place in places:
            if (cell := self.cells.get(place)) is not None:
                cell.lost()

    # -------------------------------------------------------------------------------------------- running
    def new_place(self, principal: str) -> Place:
        """A name that nobody can guess."""
        return Place(self.app.name, principal, secrets.token_urlsafe(ID_BYTES))

    @property
    def has_room(self) -> bool:
        """A task that comes now can begin at once."""
        return self._running < self.limits.max_running and not self._turn

    def host(self, task: Task, lease: Lease, served: Served, **facts: Any) -> TaskCell:
        """Give a task its place here; `facts` are a recorder's. Raises `CallEnding` when the service has ended."""
        if self._seat is None:
            raise CallEnding("the server is shutting down")
        cell = TaskCell(self, task, lease, served)
        self._numbers += 1
        self._seat.host(cell, f"task-{self._numbers}")
        self.cells[task.place] = cell
        cell.watch_expiry()
        cell.followed(**facts)
        return cell

    def schedule(self, cell: TaskCell) -> None:
        """Let a task begin, now or in its turn."""
        if self._running < self.limits.max_running:
            self._running += 1
            cell.begin()
        else:
            self._turn[cell] = None

    def joins(self) -> None:
        """A call that runs already goes on as a task."""
        self._running += 1

    def ended(self, cell: TaskCell) -> None:
        """A task is not run here any more."""
        if self.cells.get(cell.place) is not cell:
            return
        del self.cells[cell.place]
        if not self.cells and self._emptied is not None:
            self._emptied.set(None)
        if cell in self._turn:
            del self._turn[cell]
            return
        self._running -= 1
        while self._turn and self._running < self.limits.max_running and self._seat is not None:
            self._running += 1
            self._turn.popitem(last=False)[0].begin()

    def forget_expired(self) -> None:
        """The time of a task that runs here is over: do not wait for the next look at all of them."""
        if self._seat is not None:
            self._seat.forget_expired()

    async def end_all(self, reason: str) -> None:
        """Let go of every task, and wait until its handler has unwound."""
        self._seat = None  # nothing begins any more
        self._emptied = Reply()
        for cell in tuple(self.cells.values()):
            cell.gone(reason)
        if self.cells:
            await self._emptied.wait()

    # -------------------------------------------------------------------------------------------- what is known
    async def find(self, place: Place) -> Task | None:
        """The newest record that is stored; None for what is not there.

        What others write is heard of soon, and no sooner: where they may, the store is asked for what is run here, too,
        so that whoever was told of a change by one process is told nothing older by another.
        """
        await self.ready()
        cell = self.cells.get(place)
        if cell is None or cell.leaving or self.store.durable:
            return await self.store.read(place)  # type: ignore[no-any-return]
        await trio.lowlevel.checkpoint_if_cancelled()
        expires = cell.saved.expires
        return cell.saved if expires is None or self.store.now() < expires else None

    async def find_all(self, places: Sequence[Place]) -> list[Task | None]:
        """`find` for several, asked for at once, so that they share the store's time."""
        if not self.store.durable:
            return [await self.find(place) for place in places]
        await self.ready()
        return await self.store.read_all(places)

    async def answer(self, place: Place, outcomes: Mapping[str, dict[str, Any]]) -> None:
        """Take answers, by key; what nobody asks any more is passed over. Stored when this returns."""

        def answered(task: Task) -> Task:
            for key, outcome in outcomes.items():
                task = tasks.answer(task, key, outcome, self.store.now())
            return task

        cell = self.cells.get(place)
        if cell is not None:
            for key, outcome in outcomes.items():
                cell.answered(key, outcome)
        if cell is None or not await cell.settled():
            await self._write(place, answered)

    async def cancel(self, place: Place, reason: str) -> tuple[Task | None, bool]:
        """Cancel a task, whoever runs it. The record as it is then, and whether it had ended before."""
        cell = self.cells.get(place)
        if cell is not None:
            cancelled = cell.cancel(reason, "requestor")
            if await cell.settled():
                return cell.saved, not cancelled
        before, task = await self._write(place, lambda task: tasks.cancel(task, reason, self.store.now()))
        return task, task is before

    async def _write(self, place: Place, change: Callable[[Task], Task]) -> tuple[Task | None, Task | None]:
        """Change a record that is not run here: what it was and what it is; the very same where nothing changed."""
        for _ in range(MAX_ATTEMPTS):
            task = await self.store.read(place)
            changed = None if task is None else change(task)
            if changed is task:
                return task, task
            if await self.store.write(changed).wait():
                return task, changed
        raise Overloaded(f"this task was written to by others {MAX_ATTEMPTS} times in a row; try again")

    def heard(self, place: Place, task: Task | None) -> None:
        """A task was written, by whichever process, or removed."""
        if (cell := self.cells.get(place)) is not None:
            cell.heard(task)
        self.followers.heard(place, task)

    def moved(
        self, path: str, task: Task, old: str, *, by: str = "", reason: str | None = "", left: bool = False, **more: Any
    ) -> None:
        """Tell the recorder; no contents. `left`: it is not run here any more, whatever its status."""
        recorder = self.runtime.recorder
        if recorder.enabled:
            facts: dict[str, Any] = {"id": task.id, "method": task.origin.method, "target": task.origin.target}
            facts |= {"principal": task.place.principal, "by": by or "task", "reason": reason or ""}
            facts |= {"reports_error": task.reports_error, "ttl": task.ttl, **more}
            if "error" in (task.outcome or {}):
                facts["code"] = (task.outcome or {})["error"].get("code")
            recorder.transition("task", path, old, "left" if left else task.status.value, **facts)

    def audit(self, task: Task, what: str, principal: str) -> None:
        """Tell the recorder that a task's result, or its cancellation, was asked for."""
        recorder = self.runtime.recorder
        if recorder.enabled:
            status = task.status.value
            recorder.transition(
                "task request", f"{self.path}/{task.origin.target}", status, what, id=task.id, principal=principal
            )

    # -------------------------------------------------------------------------------------------- sessions
    async def handle(self, context: Any, method: str, params: Any) -> Any:
        """See `ports.Tasks`."""
        return await serve(self, context, method, params)

    def left(self, session: ServerSession) -> None:
        """See `ports.Tasks`."""
        self.sessions.left(session)

    def awaited_by(self, session: ServerSession) -> bool:
        """See `ports.Tasks`."""
        return session in self.sessions

    def reached(self, session: ServerSession) -> None:
        """See `ports.Tasks`: ask the client what its tasks need."""
        self.sessions.reached(session)
