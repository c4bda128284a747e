"""
The intents and outcomes of `ctx.once` in a file, so that a process that dies in between is found out by the next.

Owns one table. Refuses to know threads and commits: the writer has those, and may serve other stores of the same file.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import trio

from zcp_actors.errors import Overloaded, UsageError
from zcp_actors.tasks.once_memory import ENTRY_SECONDS, SWEEP_EVERY, Scope, full, uncertain, written_outcome
from zcp_actors.tasks.writer import Writer

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Callable
    from types import TracebackType

MAX_ENTRIES = 1_000_000
"""Entries of one file: ten a second for a day, some hundred megabytes."""

TABLE = """
CREATE TABLE IF NOT EXISTS once (
    app TEXT NOT NULL, principal TEXT NOT NULL, call TEXT NOT NULL, key TEXT NOT NULL,
    outcome TEXT, expires REAL NOT NULL,
    PRIMARY KEY (app, principal, call, key)
) WITHOUT ROWID
"""
INDEX = "CREATE INDEX IF NOT EXISTS once_expires ON once (expires)"
PLACE = "app = ? AND principal = ? AND call = ? AND key = ?"
READ = f"SELECT outcome FROM once WHERE {PLACE} AND expires > ?"  # noqa: S608 - a constant of this module
WRITE = "INSERT OR REPLACE INTO once VALUES (?, ?, ?, ?, ?, ?)"
TAKE_BACK = f"DELETE FROM once WHERE {PLACE} AND outcome IS NULL"  # noqa: S608 - a constant of this module


class SqliteOnceStore:
    """`ports.OnceStore` in a SQLite file: `async with SqliteOnceStore(path) as store`.

    `where` is the file, opened and closed with this store, or a `Writer` that somebody else opens and closes.
    An entry lives `seconds` after its last write by the clock `now`; at most `max_entries` live at once.
    What returned is on the disk. Opening raises `StartFailed`; every method raises `Overloaded` when the disk does not
    keep up, `UsageError` when the store is not open, and `sqlite3.Error` for a disk that fails.
    """

    def __init__(
        self,
        where: str | os.PathLike[str] | Writer,
        *,
        seconds: float = ENTRY_SECONDS,
        max_entries: int = MAX_ENTRIES,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._owns_writer = not isinstance(where, Writer)
        self.writer = where if isinstance(where, Writer) else Writer(where)
        self._seconds, self._max_entries, self._now = seconds, max_entries, now
        self._room = 0
        """Intents until the next sweep; the writer's thread alone touches it."""

    async def __aenter__(self) -> Self:
        if self._owns_writer:
            await self.writer.__aenter__()
        try:
            await self.writer.run(_make_table)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owns_writer:
            await self.writer.__aexit__(kind, error, trace)

    async def begin(self, scope: Scope, key: str) -> tuple[bool, Any]:
        """See `ports.OnceStore`. Raises `OnceUncertain`; `Overloaded` when the table is full. On cancel: no intent."""
        ours: list[bool] = []
        try:
            return await self.writer.run(lambda connection: self._begin(connection, (*scope, key), ours))
        except trio.Cancelled:
            # Works are done in order: when this one is, it is known whether the intent was ours to take back.
            with suppress(Overloaded, UsageError):
                self.writer.submit(lambda connection: _write(connection, TAKE_BACK, (*scope, key)) if ours else None)
            raise

    async def finish(self, scope: Scope, key: str, outcome: Any) -> None:
        """See `ports.OnceStore`. Raises `StateTooLarge`; the intent then stands. On cancel: recorded all the same."""
        row = (*scope, key, written_outcome(key, outcome), self._now() + self._seconds)
        await self.writer.run(lambda connection: _write(connection, WRITE, row))

    async def forget(self, scope: Scope, key: str) -> None:
        """See `ports.OnceStore`. A recorded outcome stands. On cancel: it is forgotten all the same."""
        await self.writer.run(lambda connection: _write(connection, TAKE_BACK, (*scope, key)))

    # ---- in the writer's thread
    def _begin(self, connection: sqlite3.Connection, place: tuple[str, ...], ours: list[bool]) -> tuple[bool, Any]:
        now = self._now()
        found = connection.execute(READ, (*place, now)).fetchone()
        if found is None:
            self._make_room(connection, now)
            connection.execute(WRITE, (*place, None, now + self._seconds))
            ours.append(True)
            return False, None
        if found[0] is None:
            raise uncertain(place[-1])
        return True, json.loads(found[0])

    def _make_room(self, connection: sqlite3.Connection, now: float) -> None:
        """Count only at every sweep; in between, each intent takes one of the places that were free then."""
        if self._room <= 0:
            connection.execute("DELETE FROM once WHERE expires <= ?", (now,))
            (count,) = connection.execute("SELECT count(*) FROM once").fetchone()
            self._room = min(self._max_entries - count, SWEEP_EVERY)
        if self._room <= 0:
            raise full(self._max_entries)
        self._room -= 1


def _write(connection: sqlite3.Connection, statement: str, row: tuple[Any, ...]) -> None:
    connection.execute(statement, row)


def _make_table(connection: sqlite3.Connection) -> None:
    connection.execute(TABLE)
    connection.execute(INDEX)
