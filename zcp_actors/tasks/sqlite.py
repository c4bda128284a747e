"""
Tasks in a SQLite file, for one process or for several.

Owns the door: what is asked in trio's thread becomes a work of the writer, and what was written is heard of. Refuses to
know what may be written (`task_rules`), statements (`task_tables`), threads and commits (`writer`).
The rule that keeps it honest: nothing here remembers a task; whatever is answered comes out of the file.

What it costs: a write, of whatever kind, is told when the disk has it (`synchronous=FULL`), and shares that wait with
all that came meanwhile. A read waits for the commit under way, and for no disk of its own. Cancelling does not stop a
work that is queued; where its result would belong to nobody, it is undone.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

import trio

from zcp_actors.errors import Overloaded, StartFailed, UsageError
from zcp_actors.protocol.tasks import stored
from zcp_actors.sessions.state_keys import key_file
from zcp_actors.tasks import audience
from zcp_actors.tasks import task_tables as tables
from zcp_actors.tasks.audience import LEASE_SECONDS, MAX_HANDLES, Audience
from zcp_actors.tasks.change_feed import ChangeFeed
from zcp_actors.tasks.lease_keeper import LeaseKeeper, SqliteKeeping
from zcp_actors.tasks.task_json import encoded, to_json
from zcp_actors.tasks.task_rules import SWEEP_BATCH, TaskRules, nameable
from zcp_actors.tasks.writer import Writer
from zcp_actors.wire.model import replaced

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path
    from sqlite3 import Connection
    from types import TracebackType

    from zcp_actors.actors import Reply
    from zcp_actors.protocol.tasks import Lease, Place, Task

T = TypeVar("T")

MAX_TASKS = 1_000_000
"""Tasks of one file, the retained ones too: with a usual result some gigabytes."""

NAME = "task store"


def default_task_file(app_name: str, environ: Mapping[str, str]) -> Path:
    """Where a served app keeps its tasks: beside its key file."""
    return key_file(app_name, environ).with_name("tasks.sqlite3")


class SqliteTaskStore:
    """`ports.TaskStore` in a SQLite file: `async with SqliteTaskStore(path) as store`.

    `where` is the file, opened and closed with this store, or a `Writer` that somebody else opens and closes.
    `lease` is in seconds. `now` gives seconds of the epoch, is the same for all processes of the file, and is called in
    the writer's thread, too. What returned, or settled, is on the disk.

    Opening raises `StartFailed`. Every method raises `Overloaded` when the disk does not keep up, `UsageError` when the
    store is not open or a task was written by a newer version, and `sqlite3.Error` for a disk that fails; then nothing
    was written, and the store goes on.
    """

    durable = True

    def __init__(
        self,
        where: str | os.PathLike[str] | Writer,
        *,
        lease: float = LEASE_SECONDS,
        max_tasks: int = MAX_TASKS,
        max_handles: int = MAX_HANDLES,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._owns_writer = not isinstance(where, Writer)
        self.writer = where if isinstance(where, Writer) else Writer(where)
        self.lease = lease
        self._now = now
        self._file = self.writer.path
        self._rules = TaskRules(self._file, lease, now, max_tasks=max_tasks, max_handles=max_handles)
        self._audience = Audience()
        self._feed = ChangeFeed(self._audience, self._file)
        self._keeper = LeaseKeeper(lease, now)
        self._kept: set[str] = set()
        self._opened = self._open = False
        self._leave: list[Callable[[], None]] = []

    def now(self) -> float:
        """See `ports.TaskStore`."""
        return self._now()

    async def __aenter__(self) -> Self:
        if self._opened:
            raise audience.opened_before(NAME)
        self._opened = True
        if self._owns_writer:
            await self.writer.__aenter__()
        try:
            await self.writer.run(lambda connection: tables.prepare(connection, self._file))
        except BaseException as error:
            await self.__aexit__(None, None, None)
            if isinstance(error, sqlite3.Error):
                raise StartFailed(f"the task store {self._file} cannot be opened: {error}") from error
            raise
        # The leases first: who hears that a task is another's now may ask whether it is still ours.
        self._leave = [self.writer.attend(self._keeper), self.writer.attend(self._feed)]
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file when what is queued has been done. Leases that were not let go lapse in their time."""
        self._open = False
        if self._owns_writer:
            await self.writer.__aexit__(kind, error, trace)
        for leave in self._leave:
            leave()

    # ---- one task
    async def create(self, task: Task, owner: str, *, max_open: int, entries: Mapping[str, Any] | None = None) -> Lease:
        """See `ports.TaskStore`. Raises `Overloaded`; `UsageError` for a place that is taken. On cancel: no task."""
        ours: list[Lease] = []
        changes: list[int] = []
        texts = _texts(entries)

        def create(connection: Connection) -> Lease:
            lease, change = self._rules.create(connection, task, owner, max_open, texts)
            ours.append(lease)
            changes.append(change)
            return lease

        def kept(lease: Lease) -> None:
            self._keeper.took([lease])
            self._feed.wrote(changes[-1], replaced(task, revision=1))

        try:
            return await self._submit(create, kept=kept).wait()
        except trio.Cancelled:
            self._undo(lambda connection: self._rules.take_back(connection, ours))
            raise

    async def read(self, place: Place) -> Task | None:
        """See `ports.TaskStore`. On cancel: nothing."""
        if not nameable(place):
            self._check()
            await trio.lowlevel.checkpoint()
            return None
        return await self._read(lambda connection: tables.read(connection, place, self._now(), self._file))

    async def read_all(self, places: Sequence[Place]) -> list[Task | None]:
        """See `ports.TaskStore`: in one work. On cancel: nothing."""
        asked = [place if nameable(place) else None for place in places]

        def read(connection: Connection) -> list[Task | None]:
            now = self._now()
            return [None if each is None else tables.read(connection, each, now, self._file) for each in asked]

        return await self._read(read)

    def write(self, task: Task, lease: Lease | None = None, entries: Mapping[str, Any] | None = None) -> Reply[bool]:
        """See `ports.TaskStore`. What has ended is never replaced. Raises `NotJSON`, and as every method."""
        texts, record = _texts(entries), to_json(task)
        changes: list[int] = []

        def write(connection: Connection) -> bool:
            change = self._rules.write(connection, task, record, lease, texts)
            if change is not None:
                changes.append(change)
            return change is not None

        def kept(done: bool) -> None:  # noqa: FBT001 - what the work returned
            if done:
                self._feed.wrote(changes[-1], stored(task))

        return self._submit(write, kept=kept)

    async def entries(self, place: Place) -> dict[str, Any]:
        """See `ports.TaskStore`. On cancel: nothing."""

        def entries(connection: Connection) -> dict[str, Any]:
            found = tables.find(connection, place, self._now()) if nameable(place) else None
            return {} if found is None else tables.entries(connection, found.number)

        return await self._read(entries)

    # ---- many tasks
    async def page(self, app: str, principal: str, after: tuple[float, str] | None, limit: int) -> list[Task]:
        """See `ports.TaskStore`. On cancel: nothing."""
        created, id = after or (-math.inf, "")
        asked = {"app": app, "principal": principal, "created": created, "id": id, "limit": limit}
        return await self._read(lambda connection: tables.page(connection, asked | {"now": self._now()}, self._file))

    async def claim(
        self, app: str, owner: str, targets: Collection[tuple[str, str]], limit: int
    ) -> list[tuple[Task, Lease]]:
        """See `ports.TaskStore`. Tasks of an unknown format are left to their writers. On cancel: none is claimed."""
        ours: list[Lease] = []
        wanted = audience.sought(targets)

        def claim(connection: Connection) -> list[tuple[Task, Lease]]:
            claimed = self._rules.claim(connection, app, owner, wanted, limit)
            ours.extend(lease for _, lease in claimed)
            return claimed

        def kept(claimed: list[tuple[Task, Lease]]) -> None:
            self._keeper.took(lease for _, lease in claimed)

        try:
            return await self._submit(claim, kept=kept).wait()
        except trio.Cancelled:
            self._undo(lambda connection: tables.let_go(connection, ours))
            raise

    async def let_go(self, leases: Collection[Lease]) -> None:
        """See `ports.TaskStore`. Leases that are not held are passed over. On cancel: let go all the same."""
        given = tuple(leases)
        await self._submit(lambda connection: tables.let_go(connection, given)).wait()

    def keep(self, owner: str, lost: Callable[[Collection[Place]], None]) -> SqliteKeeping:
        """See `ports.TaskStore`, and `lease_keeper` for what a renewal that comes late does.

        Until the first renewal `until` is now; whoever creates, or claims, a task is told after it. `lost` is called in
        trio's thread. Raises `UsageError` for an owner who is kept already.
        """
        self._check()
        if owner in self._kept:
            raise audience.kept_already(owner)
        keeping = SqliteKeeping(owner, lost, self._now())
        self._keeper.begin(keeping)
        self._wake(lambda _: None, lambda: self._keeper.end(keeping))
        self._kept.add(owner)
        keeping.on_close = lambda: self._stop_keeping(keeping)
        return keeping

    async def sweep(self, app: str) -> int:
        """See `ports.TaskStore`. On cancel: some may have been removed."""
        swept = batch = await self._sweep(app)
        while batch == SWEEP_BATCH:
            batch = await self._sweep(app)
            swept += batch
        return swept

    def watch(self, app: str, heard: Callable[[Place, Task | None], None]) -> Callable[[], None]:
        """See `ports.TaskStore`. What others write is heard of once a method that is called after this has returned.

        `heard` is called in trio's thread, outside of every task, and must not raise.
        """
        self._check()
        if not self._audience:
            self._feed.begin()
            self._wake(self._feed.look, self._feed.end)
        return self._audience.add(app, heard, self._feed.end)

    # ---- handles
    async def save_handle(self, host: str, handle: Mapping[str, Any]) -> None:
        """See `ports.TaskStore`. Raises `Overloaded` for a full table, and `NotJSON`. On cancel: saved all the same."""
        kept = audience.checked_handle(handle)
        text = encoded(kept)
        await self._submit(lambda connection: self._rules.save_handle(connection, host, kept["id"], text)).wait()

    async def handles(self, host: str) -> list[dict[str, Any]]:
        """See `ports.TaskStore`. On cancel: nothing."""
        return [json.loads(text) for text in await self._read(lambda connection: tables.handles(connection, host))]

    def drop_handle(self, host: str, id: str) -> Reply[None]:
        """See `ports.TaskStore`."""
        return self._submit(lambda connection: tables.drop_handle(connection, host, id), hurries=False)

    # ---- in trio's thread
    def _check(self) -> None:
        if not self._open:
            raise audience.not_open(NAME)

    def _submit(
        self,
        work: Callable[[Connection], T],
        *,
        reads: bool = False,
        hurries: bool = True,
        kept: Callable[[T], None] | None = None,
    ) -> Reply[T]:
        self._check()
        return self.writer.submit(work, reads=reads, hurries=hurries, kept=kept)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await self._submit(work, reads=True).wait()

    def _wake(self, work: Callable[[Connection], None], otherwise: Callable[[], None]) -> None:
        """Have the writer's thread look at its chores after this work."""
        try:
            self._submit(work, reads=True)
        except BaseException:
            otherwise()
            raise

    def _undo(self, work: Callable[[Connection], None]) -> None:
        """Works are done in order: this one comes after the one whose waiter left, and knows what that one did."""
        with suppress(Overloaded, UsageError):
            self._submit(work)

    def _stop_keeping(self, keeping: SqliteKeeping) -> None:
        self._kept.discard(keeping.owner)
        self._keeper.end(keeping)

    async def _sweep(self, app: str) -> int:
        reply = self._submit(lambda connection: self._rules.sweep(connection, app), kept=self._keeper.removed)
        return len(await reply.wait())


def _texts(entries: Mapping[str, Any] | None) -> dict[str, str | None]:
    """Journal entries as JSON texts; None stays None. Raises `NotJSON`."""
    checked = audience.checked_entries(entries or {})
    return {key: None if value is None else encoded(value) for key, value in checked.items()}
