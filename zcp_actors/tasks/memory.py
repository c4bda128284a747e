"""
Tasks for as long as this process lives.

Owns the rules of `ports.TaskStore` over one `Shelf`: revisions, leases, limits, expiry. Refuses to forget a task that
has not expired: a full store turns new ones away. What it acknowledged is gone with the process; `sqlite` keeps it.
The rule that keeps it honest: every change is one synchronous step, and watchers hear of it in that step. Records are
shared with whoever reads them, so nobody changes what is inside one.
"""

from __future__ import annotations

import json
import math
import time
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import trio

from zcp_actors.actors import Reply
from zcp_actors.protocol.tasks import Lease, Place, Task, stored
from zcp_actors.tasks import audience
from zcp_actors.tasks.audience import LEASE_SECONDS, MAX_HANDLES, Audience
from zcp_actors.tasks.shelf import Row, Shelf
from zcp_actors.wire.model import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from types import TracebackType

MAX_TASKS = 50_000
"""Tasks of one process, the retained ones too: with a usual result some hundred megabytes."""

NAME = "memory task store"


class MemoryTaskStore:
    """`ports.TaskStore` in this process: `async with MemoryTaskStore() as store`. Closing it forgets everything.

    `lease` is in seconds. `now` gives seconds of the epoch; by default the wall clock at opening plus what has passed
    since by trio's clock, so that virtual time is time. Every method raises `UsageError` when the store is not open.
    """

    durable = False
    lease: float

    def __init__(
        self,
        *,
        lease: float = LEASE_SECONDS,
        max_tasks: int = MAX_TASKS,
        max_handles: int = MAX_HANDLES,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.lease = lease
        self._max_tasks, self._max_handles, self._given_now = max_tasks, max_handles, now
        self._opened: float | None = None
        self._open = False
        self._shelf = Shelf()
        self._kept: dict[str, float] = {}
        """Owner to the time until which all its leases are held, whatever their rows say."""
        self._audience = Audience()
        self._handles: dict[tuple[str, str], dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._shelf)

    def now(self) -> float:
        """See `ports.TaskStore`."""
        if self._given_now is not None:
            return self._given_now()
        if self._opened is None:
            raise audience.not_open(NAME)
        return self._opened + trio.current_time()

    async def __aenter__(self) -> Self:
        if self._opened is not None:
            raise audience.opened_before(NAME)
        self._opened, self._open = time.time() - trio.current_time(), True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        self._shelf, self._audience = Shelf(), Audience()
        self._handles.clear()

    # ---- one task
    async def create(self, task: Task, owner: str, *, max_open: int, entries: Mapping[str, Any] | None = None) -> Lease:
        """See `ports.TaskStore`. Raises `Overloaded`; `UsageError` for a place that is taken. On cancel: no task."""
        texts = {key: json.dumps(value) for key, value in audience.checked_entries(entries or {}).items()}
        await self._step()
        now = self.now()
        place = task.place
        if self._is_full(place.app, place.principal, max_open, now):
            raise audience.too_many_open(max_open, place.app)
        if self._shelf.get(place) is not None:
            raise audience.exists_already(place)
        self._make_room()
        kept = replaced(task, revision=1)
        self._shelf.add(Row(kept, owner, 1, now + self.lease, texts))
        self._audience.tell(place, kept)
        return Lease(place, owner, 1)

    async def read(self, place: Place) -> Task | None:
        """See `ports.TaskStore`. On cancel: nothing."""
        await self._step()
        row = self._living(place, self.now())
        return None if row is None else row.task

    async def read_all(self, places: Sequence[Place]) -> list[Task | None]:
        """See `ports.TaskStore`. On cancel: nothing."""
        return [await self.read(place) for place in places]

    def write(self, task: Task, lease: Lease | None = None, entries: Mapping[str, Any] | None = None) -> Reply[bool]:
        """See `ports.TaskStore`. The reply is settled, and watchers have heard, when this returns. Raises `NotJSON`.

        What has ended is never replaced.
        """
        self._check()
        written = audience.checked_entries(entries or {})
        now = self.now()
        row = self._living(task.place, now)
        allowed = row is not None and not row.task.ended and row.task.revision == task.revision
        reply: Reply[bool] = Reply()
        if row is None or not allowed or (lease is not None and not self._holds(row, lease, now)):
            reply.set(False)
            return reply
        self._shelf.replace(row, stored(task))
        for key, value in written.items():
            if value is None:
                row.entries.pop(key, None)
            else:
                row.entries[key] = json.dumps(value)
        reply.set(True)
        self._audience.tell(row.task.place, row.task)
        return reply

    async def entries(self, place: Place) -> dict[str, Any]:
        """See `ports.TaskStore`. On cancel: nothing."""
        await self._step()
        row = self._living(place, self.now())
        return {} if row is None else {key: json.loads(value) for key, value in row.entries.items()}

    # ---- many tasks
    async def page(self, app: str, principal: str, after: tuple[float, str] | None, limit: int) -> list[Task]:
        """See `ports.TaskStore`. On cancel: nothing."""
        await self._step()
        now = self.now()
        living = (row.task for row in self._shelf.after(app, principal, after) if row.living(now))
        return list(islice(living, limit))

    async def claim(
        self, app: str, owner: str, targets: Collection[tuple[str, str]], limit: int
    ) -> list[tuple[Task, Lease]]:
        """See `ports.TaskStore`. On cancel: none is claimed."""
        await self._step()
        wanted, now = audience.sought(targets), self.now()
        free = (
            row
            for row in self._shelf.open(app)
            if (row.task.origin.method, row.task.origin.target) in wanted
            and row.living(now)
            and not self._held(row, now)
            and not row.task.ended  # a watcher may have ended it since this began
        )
        return [self._claimed(row, owner) for row in islice(free, limit)]

    async def let_go(self, leases: Collection[Lease]) -> None:
        """See `ports.TaskStore`. Leases that are not held are passed over. On cancel: let go all the same."""
        self._check()
        for lease in leases:
            row = self._shelf.get(lease.place)
            if row is not None and (row.owner, row.fence) == (lease.owner, lease.fence):
                row.owner = None
        await trio.lowlevel.checkpoint_if_cancelled()

    def keep(self, owner: str, lost: Callable[[Collection[Place]], None]) -> MemoryKeeping:
        """See `ports.TaskStore`. Nothing can come between: `lost` is never called.

        Raises `UsageError` for an owner who is kept already.
        """
        self._check()
        if self._kept.get(owner) == math.inf:
            raise audience.kept_already(owner)
        self._kept[owner] = math.inf
        return MemoryKeeping(self, owner)

    def stop_keeping(self, owner: str) -> float:
        """Let the leases of this owner lapse when their time is over, which is returned."""
        now = self.now()
        self._kept = {other: until for other, until in self._kept.items() if until > now}
        self._kept[owner] = now + self.lease
        return now + self.lease

    async def sweep(self, app: str) -> int:
        """See `ports.TaskStore`. On cancel: nothing."""
        await self._step()
        return self._sweep(app)

    def watch(self, app: str, heard: Callable[[Place, Task | None], None]) -> Callable[[], None]:
        """See `ports.TaskStore`. What `heard` raises is raised at whoever wrote."""
        self._check()
        return self._audience.add(app, heard)

    # ---- handles
    async def save_handle(self, host: str, handle: Mapping[str, Any]) -> None:
        """See `ports.TaskStore`. Raises `Overloaded` when the table is full, `NotJSON`. On cancel: not saved."""
        kept = audience.checked_handle(handle)
        await self._step()
        key = (host, kept["id"])
        if key not in self._handles and len(self._handles) >= self._max_handles:
            raise audience.too_many_kept("task handles", self._max_handles, "max_handles")
        self._handles[key] = kept

    async def handles(self, host: str) -> list[dict[str, Any]]:
        """See `ports.TaskStore`. On cancel: nothing."""
        await self._step()
        return [audience.checked_handle(handle) for (of, _), handle in self._handles.items() if of == host]

    def drop_handle(self, host: str, id: str) -> Reply[None]:
        """See `ports.TaskStore`. The reply is settled when this returns."""
        self._check()
        self._handles.pop((host, id), None)
        reply: Reply[None] = Reply()
        reply.set(None)
        return reply

    # ---- steps
    def _check(self) -> None:
        if not self._open:
            raise audience.not_open(NAME)

    async def _step(self) -> None:
        """Whoever is cancelled has done nothing. Nobody else is waited for, so nobody is given way to."""
        self._check()
        await trio.lowlevel.checkpoint_if_cancelled()

    def _living(self, place: Place, now: float) -> Row | None:
        row = self._shelf.get(place)
        return row if row is not None and row.living(now) else None

    def _held(self, row: Row, now: float) -> bool:
        """Somebody holds its lease."""
        return row.owner is not None and max(row.until, self._kept.get(row.owner, 0.0)) > now

    def _holds(self, row: Row, lease: Lease, now: float) -> bool:
        return (row.owner, row.fence) == (lease.owner, lease.fence) and self._held(row, now)

    def _claimed(self, row: Row, owner: str) -> tuple[Task, Lease]:
        row.owner, row.fence, row.until = owner, row.fence + 1, self.now() + self.lease
        self._shelf.replace(row, stored(row.task))
        self._audience.tell(row.task.place, row.task)
        return row.task, Lease(row.task.place, owner, row.fence)

    def _is_full(self, app: str, principal: str, max_open: int, now: float) -> bool:
        """What has expired and is not swept yet does not count; it is looked for only where it matters."""
        if self._shelf.count_open(app, principal) < max_open:
            return False
        return sum(row.living(now) for row in self._shelf.open_of(app, principal)) >= max_open

    def _make_room(self) -> None:
        if len(self._shelf) >= self._max_tasks:
            for app in self._shelf.apps:
                self._sweep(app)
        if len(self._shelf) >= self._max_tasks:
            raise audience.too_many_kept("tasks", self._max_tasks, "max_tasks")

    def _sweep(self, app: str) -> int:
        swept = 0
        for place in self._shelf.expired(app, self.now()):
            self._shelf.remove(place)
            self._audience.tell(place, None)
            swept += 1
        return swept


class MemoryKeeping:
    """`ports.Keeping`: leases of one owner that do not lapse."""

    def __init__(self, store: MemoryTaskStore, owner: str) -> None:
        self._store, self._owner = store, owner
        self.until = math.inf

    def close(self) -> None:
        """See `ports.Keeping`: the leases lapse `lease` seconds later. More than once does nothing more."""
        if self.until == math.inf:
            self.until = self._store.stop_keeping(self._owner)
