"""
The tables of tasks in a SQLite file, and every statement on them.

Owns the schema and its number, the change sequence and the counts. Refuses to know threads, clocks and the rules of
leases. Each function runs inside a transaction of its caller.

A task is four things, so that none is written again for the sake of another: its row, with what may change; its
origin, written once; its journal, a row for each entry; and, when it is gone, a row that tells other processes so.
No statement looks at more rows than it returns, changes or counts up to a limit: the indexes see to it, and a test.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from zcp_actors.errors import StartFailed
from zcp_actors.protocol.tasks import Place, Task
from zcp_actors.tasks.task_json import FORMAT, damaged, from_json, origin_to_json, to_json, unknown_format

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from sqlite3 import Connection

    from zcp_actors.protocol.tasks import Lease

SCHEMA = 1
"""`user_version` of the file. A file of a lower number is brought up to this one when it is opened (0 is empty); one of
a higher number is refused."""

TABLES = """
CREATE TABLE IF NOT EXISTS tasks (
    number INTEGER PRIMARY KEY, app TEXT NOT NULL, principal TEXT NOT NULL, id TEXT NOT NULL,
    method TEXT NOT NULL, target TEXT NOT NULL, created REAL NOT NULL, expires REAL, ended INTEGER NOT NULL,
    revision INTEGER NOT NULL, change INTEGER NOT NULL, owner TEXT, fence INTEGER NOT NULL, until REAL NOT NULL,
    format INTEGER NOT NULL, record TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS tasks_place ON tasks (app, principal, id);
CREATE INDEX IF NOT EXISTS tasks_age ON tasks (app, principal, created, id);
CREATE INDEX IF NOT EXISTS tasks_change ON tasks (app, change);
CREATE INDEX IF NOT EXISTS tasks_open ON tasks (app, principal) WHERE NOT ended;
CREATE INDEX IF NOT EXISTS tasks_expires ON tasks (app, expires) WHERE expires IS NOT NULL;
CREATE INDEX IF NOT EXISTS tasks_owner ON tasks (owner) WHERE owner IS NOT NULL;
CREATE TABLE IF NOT EXISTS task_origins (task INTEGER PRIMARY KEY, origin TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS task_entries (
    number INTEGER PRIMARY KEY, task INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS task_entries_key ON task_entries (task, key);
CREATE TABLE IF NOT EXISTS task_owners (owner TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS task_removals (
    change INTEGER PRIMARY KEY, app TEXT NOT NULL, principal TEXT NOT NULL, id TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS task_removals_app ON task_removals (app, change);
CREATE INDEX IF NOT EXISTS task_removals_at ON task_removals (at);
CREATE TABLE IF NOT EXISTS task_handles (
    number INTEGER PRIMARY KEY, host TEXT NOT NULL, id TEXT NOT NULL, handle TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS task_handles_id ON task_handles (host, id);
CREATE TABLE IF NOT EXISTS task_counts (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    changes INTEGER NOT NULL, tasks INTEGER NOT NULL, handles INTEGER NOT NULL);
INSERT OR IGNORE INTO task_counts VALUES (1, 0, 0, 0);
"""

HELD = """(owner IS NOT NULL AND (until > :now OR EXISTS (
    SELECT 1 FROM task_owners WHERE task_owners.owner = tasks.owner AND task_owners.until > :now)))"""
"""Somebody holds the lease: the row says so, or its owner is kept."""

FIND = f"""SELECT number, revision, ended, expires, owner, fence, {HELD}, format FROM tasks
    WHERE app = :app AND principal = :principal AND id = :id"""  # noqa: S608 - a constant of this module
READ = "SELECT app, principal, id, revision, format, record, origin FROM tasks JOIN task_origins ON task = tasks.number"
READ_PLACE = f"{READ} WHERE app = ? AND principal = ? AND id = ? AND (expires IS NULL OR expires > ?)"
READ_NUMBER = f"{READ} WHERE tasks.number = ?"
PAGE = f"""{READ} WHERE app = :app AND principal = :principal AND (created, id) > (:created, :id)
    AND (expires IS NULL OR expires > :now) ORDER BY created, id LIMIT :limit"""
COUNT_OPEN = """SELECT count(*) FROM (SELECT 1 FROM tasks INDEXED BY tasks_open
    WHERE app = ? AND principal = ? AND NOT ended AND (expires IS NULL OR expires > ?) LIMIT ?)"""
CREATE = """INSERT INTO tasks (app, principal, id, method, target, created, expires, ended, revision, change,
    owner, fence, until, format, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, 1, ?, ?, ?)"""
REPLACE = """UPDATE tasks SET expires = ?, ended = ?, revision = revision + 1, change = ?,
    owner = CASE WHEN ? THEN NULL ELSE owner END, format = ?, record = ? WHERE number = ?"""
ENTER = """INSERT INTO task_entries (task, key, value) VALUES (?, ?, ?)
    ON CONFLICT (task, key) DO UPDATE SET value = excluded.value"""
FREE = f"""SELECT number, method, target FROM tasks INDEXED BY tasks_open
    WHERE app = :app AND NOT ended AND format <= {FORMAT}
    AND (expires IS NULL OR expires > :now) AND NOT {HELD} ORDER BY number"""  # noqa: S608 - a constant of this module
TAKE = """UPDATE tasks SET owner = ?, fence = fence + 1, until = ?, revision = revision + 1, change = ?
    WHERE number = ?"""
LET_GO = """UPDATE tasks SET owner = NULL
    WHERE app = ? AND principal = ? AND id = ? AND owner = ? AND fence = ?"""
OWNED = "SELECT app, principal, id, fence FROM tasks WHERE owner = ?"
EXPIRED = "SELECT number, app, principal, id FROM tasks WHERE app = ? AND expires <= ? ORDER BY expires LIMIT ?"
APPS = """WITH RECURSIVE apps (app) AS (SELECT min(app) FROM tasks UNION ALL
    SELECT (SELECT min(app) FROM tasks WHERE app > apps.app) FROM apps WHERE apps.app IS NOT NULL)
    SELECT app FROM apps WHERE app IS NOT NULL"""
CHANGED = """SELECT change, number, principal, id FROM tasks WHERE app = :app AND change > :seen
    UNION ALL SELECT change, NULL, principal, id FROM task_removals WHERE app = :app AND change > :seen ORDER BY 1"""


class Found(NamedTuple):
    """What decides whether a row may be written."""

    number: int
    revision: int
    ended: bool
    expires: float | None
    owner: str | None
    fence: int
    held: bool
    format: int


def prepare(connection: Connection, file: Path) -> None:
    """Make the tables. Raises `StartFailed` for a file of a newer version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA:
        raise StartFailed(
            f"the task store {file} has schema {version}, this version knows up to {SCHEMA}: a newer version made it; "
            "run that version, or give this one a file of its own"
        )
    for statement in TABLES.split(";"):
        connection.execute(statement)
    if version != SCHEMA:
        connection.execute(f"PRAGMA user_version={SCHEMA}")


# ---- one task
def find(connection: Connection, place: Place, now: float) -> Found | None:
    """The row of a task that has not expired."""
    named = {"app": place.app, "principal": place.principal, "id": place.id, "now": now}
    row = connection.execute(FIND, named).fetchone()
    found = None if row is None else Found(*row)
    return found if found is not None and (found.expires is None or found.expires > now) else None


def read(connection: Connection, place: Place, now: float, file: Path) -> Task | None:
    """A task that has not expired."""
    row = connection.execute(READ_PLACE, (*place, now)).fetchone()
    return None if row is None else task_of(row, file)


def read_number(connection: Connection, number: int, file: Path) -> Task:
    """The task of a row that is there."""
    return task_of(connection.execute(READ_NUMBER, (number,)).fetchone(), file)


def task_of(row: tuple[Any, ...], file: Path) -> Task:
    """A row of `READ` as a task. Raises `UsageError` for a format that nobody here knows, and for a damaged text."""
    app, principal, id, revision, format, record, origin = row
    place = Place(app, principal, id)
    if format > FORMAT:
        raise unknown_format(format, place, file)
    try:
        return from_json(place, revision, record, origin)
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(place, file, error) from error


def exists(connection: Connection, place: Place) -> bool:
    """The place is taken, if only by a task that has expired."""
    query = "SELECT 1 FROM tasks WHERE app = ? AND principal = ? AND id = ?"
    return connection.execute(query, place).fetchone() is not None


def insert(connection: Connection, task: Task, owner: str | None, until: float) -> tuple[int, int]:
    """A new row, of revision and fence 1; its number, and that of the change."""
    place, origin, change = task.place, task.origin, next_change(connection, tasks=1)
    row = (*place, origin.method, origin.target, task.created, task.expires, task.ended, change, owner, until)
    number = connection.execute(CREATE, (*row, FORMAT, to_json(task))).lastrowid
    connection.execute("INSERT INTO task_origins VALUES (?, ?)", (number, origin_to_json(task)))
    assert number is not None  # it was inserted
    return number, change


def replace(connection: Connection, number: int, task: Task, record: str) -> int:
    """The next record of a row; its lease ends with the task. The number of the change."""
    change = next_change(connection)
    connection.execute(REPLACE, (task.expires, task.ended, change, task.ended, FORMAT, record, number))
    return change


def enter(connection: Connection, number: int, entries: Mapping[str, str | None]) -> None:
    """Journal entries as JSON texts; None removes one."""
    for key, value in entries.items():
        if value is None:
            connection.execute("DELETE FROM task_entries WHERE task = ? AND key = ?", (number, key))
        else:
            connection.execute(ENTER, (number, key, value))


def entries(connection: Connection, number: int) -> dict[str, Any]:
    """The journal of a row."""
    rows = connection.execute("SELECT key, value FROM task_entries WHERE task = ? ORDER BY number", (number,))
    return {key: json.loads(value) for key, value in rows}


# ---- many tasks
def page(connection: Connection, asked: Mapping[str, Any], file: Path) -> list[Task]:
    """Tasks by (created, id); `asked` fills in `PAGE`."""
    return [task_of(row, file) for row in connection.execute(PAGE, asked)]


def count_open(connection: Connection, app: str, principal: str, now: float, limit: int) -> int:
    """How many of these have not ended; nobody looks beyond the limit."""
    (count,) = connection.execute(COUNT_OPEN, (app, principal, now, limit)).fetchone()
    return int(count)


def free(connection: Connection, app: str, now: float) -> Iterator[tuple[int, tuple[str, str]]]:
    """The tasks of an app that have not ended and that nobody runs: their numbers and targets."""
    for number, method, target in connection.execute(FREE, {"app": app, "now": now}).fetchall():
        yield number, (method, target)


def take(connection: Connection, number: int, owner: str, until: float) -> int:
    """Give a row to an owner, with the next fence, which is returned."""
    connection.execute(TAKE, (owner, until, next_change(connection), number))
    (fence,) = connection.execute("SELECT fence FROM tasks WHERE number = ?", (number,)).fetchone()
    return int(fence)


def let_go(connection: Connection, leases: Iterable[Lease]) -> None:
    """Take these leases off the rows that have them."""
    connection.executemany(LET_GO, [(*lease.place, lease.owner, lease.fence) for lease in leases])


def expired(connection: Connection, app: str, now: float, limit: int) -> list[tuple[int, Place]]:
    """The numbers and places of what has expired, the oldest first."""
    rows = connection.execute(EXPIRED, (app, now, limit))
    return [(number, Place(*place)) for number, *place in rows]


def apps(connection: Connection) -> list[str]:
    """Every app that has a task in the file."""
    return [app for (app,) in connection.execute(APPS)]


def remove(connection: Connection, rows: Iterable[tuple[int, Place]], now: float) -> None:
    """Forget tasks and all that belongs to them; others hear of it."""
    for number, place in rows:
        change = next_change(connection, tasks=-1)
        connection.execute("DELETE FROM tasks WHERE number = ?", (number,))
        connection.execute("DELETE FROM task_origins WHERE task = ?", (number,))
        connection.execute("DELETE FROM task_entries WHERE task = ?", (number,))
        connection.execute("INSERT INTO task_removals VALUES (?, ?, ?, ?, ?)", (change, *place, now))


def forget_removals(connection: Connection, before: float) -> None:
    """Others have heard of these."""
    connection.execute("DELETE FROM task_removals WHERE at <= ?", (before,))


# ---- handles
def save_handle(connection: Connection, host: str, id: str, text: str, limit: int) -> bool:
    """Put a handle into the table, or in the place of the one of that name. False when the table is full."""
    changed = connection.execute("UPDATE task_handles SET handle = ? WHERE host = ? AND id = ?", (text, host, id))
    if changed.rowcount == 0:
        if counts(connection)[2] >= limit:
            return False
        connection.execute("INSERT INTO task_handles (host, id, handle) VALUES (?, ?, ?)", (host, id, text))
        connection.execute("UPDATE task_counts SET handles = handles + 1")
    return True


def handles(connection: Connection, host: str) -> list[str]:
    """The handles of a host, oldest first."""
    rows = connection.execute("SELECT handle FROM task_handles WHERE host = ? ORDER BY number", (host,))
    return [text for (text,) in rows]


def drop_handle(connection: Connection, host: str, id: str) -> None:
    """Forget one, if it is there."""
    gone = connection.execute("DELETE FROM task_handles WHERE host = ? AND id = ?", (host, id)).rowcount
    connection.execute("UPDATE task_counts SET handles = handles - ? WHERE ?", (gone, gone))


# ---- counts and changes
def counts(connection: Connection) -> tuple[int, int, int]:
    """The newest change, the number of tasks, the number of handles."""
    changes, tasks, handles = connection.execute("SELECT changes, tasks, handles FROM task_counts").fetchone()
    return changes, tasks, handles


def next_change(connection: Connection, tasks: int = 0) -> int:
    """The number of a change that is being made; no two have the same, in no process."""
    connection.execute("UPDATE task_counts SET changes = changes + 1, tasks = tasks + ?", (tasks,))
    return counts(connection)[0]


def changed(connection: Connection, app: str, seen: int) -> list[tuple[int, int | None, Place]]:
    """What changed after `seen`: change, the row's number or None where it is gone, and place."""
    rows = connection.execute(CHANGED, {"app": app, "seen": seen})
    return [(change, number, Place(app, principal, id)) for change, number, principal, id in rows]
