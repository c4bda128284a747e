"""
What may be written into a file of tasks.

Owns the rules of `ports.TaskStore`: revisions, leases, limits, expiry. Refuses to know statements, and who waits.
The rule that keeps it honest: each method runs inside one transaction that excludes every other writer, so nobody comes
between the look at the row and what is written for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcp_actors.protocol.tasks import Lease, Place, Task
from zcp_actors.tasks import audience
from zcp_actors.tasks import task_tables as tables
from zcp_actors.tasks.task_json import FORMAT, unknown_format

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from sqlite3 import Connection

SWEEP_BATCH = 256
"""Expired tasks of one transaction: some milliseconds, for which other writes wait."""

REMOVAL_SECONDS = 600.0
"""How long a removal is told to other processes: far longer than one may stall and still hold anything."""


class TaskRules:
    """The rules of one file. `lease` is in seconds; `now` gives seconds of the epoch."""

    def __init__(self, file: Path, lease: float, now: Callable[[], float], *, max_tasks: int, max_handles: int) -> None:
        self._file, self._lease, self._now = file, lease, now
        self._max_tasks, self._max_handles = max_tasks, max_handles

    def create(
        self, connection: Connection, task: Task, owner: str, max_open: int, texts: Mapping[str, str | None]
    ) -> tuple[Lease, int]:
        """Keep a new task and its journal; its lease, and the number of the change.

        Raises `Overloaded`, and `UsageError` for a place that is taken.
        """
        now, place = self._now(), task.place
        if tables.count_open(connection, place.app, place.principal, now, max_open) >= max_open:
            raise audience.too_many_open(max_open, place.app)
        if tables.exists(connection, place):
            raise audience.exists_already(place)
        self._make_room(connection, now)
        number, change = tables.insert(connection, task, None if task.ended else owner, now + self._lease)
        tables.enter(connection, number, texts)
        return Lease(place, owner, 1), change

    def _make_room(self, connection: Connection, now: float) -> None:
        for app in tables.apps(connection) if self._full(connection) else ():
            tables.remove(connection, tables.expired(connection, app, now, SWEEP_BATCH), now)
        if self._full(connection):
            raise audience.too_many_kept("tasks", self._max_tasks, "max_tasks")

    def _full(self, connection: Connection) -> bool:
        return tables.counts(connection)[1] >= self._max_tasks

    def take_back(self, connection: Connection, leases: list[Lease]) -> None:
        """Forget a task that was just created: nobody knows of it."""
        now = self._now()
        for lease in leases:
            found = tables.find(connection, lease.place, now)
            if found is not None and (found.owner, found.fence, found.revision) == (lease.owner, lease.fence, 1):
                tables.remove(connection, [(found.number, lease.place)], now)

    def write(
        self, connection: Connection, task: Task, record: str, lease: Lease | None, texts: Mapping[str, str | None]
    ) -> int | None:
        """Replace a record, if `task` was made from it and the lease, where one is given, is held.

        The number of the change; None where there was none.
        """
        found = tables.find(connection, task.place, self._now()) if nameable(task.place) else None
        if found is None or found.ended or found.revision != task.revision:
            return None
        if lease is not None and not (found.held and (found.owner, found.fence) == (lease.owner, lease.fence)):
            return None
        if found.format > FORMAT:
            raise unknown_format(found.format, task.place, self._file)
        change = tables.replace(connection, found.number, task, record)
        tables.enter(connection, found.number, texts)
        return change

    def claim(
        self, connection: Connection, app: str, owner: str, wanted: frozenset[tuple[str, str]], limit: int
    ) -> list[tuple[Task, Lease]]:
        """Take what nobody runs and `wanted` names; rows of an unknown format are passed over."""
        now = self._now()
        numbers = [number for number, target in tables.free(connection, app, now) if target in wanted][:limit]
        claimed = []
        for number in numbers:
            fence = tables.take(connection, number, owner, now + self._lease)
            task = tables.read_number(connection, number, self._file)
            claimed.append((task, Lease(task.place, owner, fence)))
        return claimed

    def save_handle(self, connection: Connection, host: str, id: str, text: str) -> None:
        """Keep a handle. Raises `Overloaded`."""
        if not tables.save_handle(connection, host, id, text, self._max_handles):
            raise audience.too_many_kept("task handles", self._max_handles, "max_handles")

    def sweep(self, connection: Connection, app: str) -> list[Place]:
        """Forget a batch of what has expired, and the removals that everybody has heard of."""
        now = self._now()
        tables.forget_removals(connection, now - REMOVAL_SECONDS)
        rows = tables.expired(connection, app, now, SWEEP_BATCH)
        tables.remove(connection, rows, now)
        return [place for _, place in rows]


def nameable(place: Place) -> bool:
    """A text with half a character in it names nothing that a file can hold."""
    try:
        "".join(place).encode()
    except UnicodeEncodeError:
        return False
    return True
