"""
One SQLite file, written by one thread of its own.

Owns the connection, the thread and the grouping of writes: what waits while one commit is on its way to the disk shares
the next. Refuses to know tables; stores bring their work as functions of the connection, and their chores, which are
done after each group and while nothing is queued.
The rule that keeps it honest: nobody is told that a write is done before the disk has it (`synchronous=FULL`), under
the name by which it will be looked for. Works that only read cost no such wait: those at the head of a group are told
before the writes behind them begin.

The thread is not one of trio's: those are lent to users' plain functions, and when all are busy a write must not wait.
A waiter that is cancelled leaves; its work is done all the same, in its place, and nobody hears of the result.
"""

from __future__ import annotations

import logging
import math
import os
import sqlite3
import stat
import threading
import time
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import attrs
import trio

from zcp_actors.actors import Reply
from zcp_actors.errors import Overloaded, StartFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

T = TypeVar("T")

log = logging.getLogger("zcp_actors.tasks")

_making = threading.Lock()
"""Two writers of one process must not meet between the making of a file and the closing of what made it."""

MAX_GROUP = 256
"""Works of one commit: by then the disk's own latency is shared out, and the first has waited some milliseconds."""

MAX_QUEUED = 10_000
"""Works that may wait: seconds of a slow disk. Beyond that the disk does not keep up, and callers should hear of it."""

PATIENCE_SECONDS = 0.05
"""How long works that do not hurry wait for one that does: some commits' time, and less than a look at what others
wrote."""

LOCK_SECONDS = 10.0
"""How long a commit waits for another process that has the file; one that holds it longer is stuck."""

OPEN_SECONDS = 0.01
"""Between two attempts to open a file that another process is making, which takes some milliseconds."""

CLOSE_SECONDS = 10.0
"""How long closing waits for what is queued: as long as one commit may wait for another process."""


class Chore(Protocol):
    """What a store does in the writer's thread besides its works, outside of their transactions."""

    pause: float | None
    """Seconds without any work after which it is called all the same; None when it waits for works."""

    def __call__(self, connection: sqlite3.Connection, wrote: bool, /) -> Callable[[], None] | None:  # noqa: FBT001 - a fact, not a choice
        """Called after each commit; did it write? What is returned is called in trio's thread.

        That is before anybody hears that this commit is done.
        """


@attrs.define(eq=False)
class Order:
    """One piece of work and who waits for it."""

    work: Callable[[sqlite3.Connection], Any]
    reply: Reply[Any]
    reads: bool = False
    hurries: bool = True
    kept: Callable[[Any], None] | None = None
    outcome: Any = None
    failed: bool = False

    def settle(self) -> None:
        """Tell the waiter, in its own thread. One that left hears nothing."""
        if self.failed:
            self.reply.fail(self.outcome)
        else:
            self.reply.set(self.outcome)


class Writer:
    """`async with Writer(path) as writer`: then `await writer.run(work)`, from any number of tasks.

    The file is made with mode 0600, in WAL mode. Raises `StartFailed` when it cannot be opened, or others may read it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._orders: SimpleQueue[Order | None] = SimpleQueue()
        self._chores: tuple[Chore, ...] = ()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._ended = trio.Event()
        self._file: tuple[int, int] | None = None
        """What the path named when it was opened."""
        self.commits = 0
        """Commits so far that wrote something; fewer than works when they came together."""

    async def __aenter__(self) -> Self:
        if self._thread is not None:
            raise UsageError(f"the writer of {self.path} was opened before: make another one")
        reply: Reply[None] = Reply()
        token = trio.lowlevel.current_trio_token()
        self._thread = threading.Thread(
            target=self._live, args=(Order(_nothing, reply), token), name=f"writer of {self.path.name}", daemon=True
        )
        self._thread.start()
        try:
            await reply.wait()
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file when what is queued has been done; `CLOSE_SECONDS` at most, cancelled or not."""
        self._close()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
            await self._ended.wait()

    def _close(self) -> None:
        self._closing = True
        self._orders.put(None)

    @property
    def open(self) -> bool:
        """It takes works."""
        return self._thread is not None and not self._closing

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the thread, inside a transaction; return what it returned once the disk has it.

        What it raises is raised here, and undone. On cancel the work is done nevertheless.
        Raises `Overloaded` when too much waits already, `UsageError` when the writer is not open, `sqlite3.Error`.
        """
        return await self.submit(work).wait()

    def submit(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        reads: bool = False,
        hurries: bool = True,
        kept: Callable[[T], None] | None = None,
    ) -> Reply[T]:
        """`run` without the waiting. Works are done in the order in which they are submitted.

        A work that only `reads` waits for no disk, nor for another process that writes. One that does not hurry waits
        a moment for others, so that it need not have a commit of its own. `kept` is called in the thread
        with what the work returned, when the disk has it: before the chores, whoever else has left.
        """
        if not self.open:
            raise UsageError(f"the writer of {self.path} is not open: use it inside `async with`")
        if self._orders.qsize() >= MAX_QUEUED:
            raise Overloaded(f"{MAX_QUEUED} writes wait for {self.path} already: its disk does not keep up")
        reply: Reply[T] = Reply()
        self._orders.put(Order(work, reply, reads, hurries, kept))
        return reply

    def attend(self, chore: Chore) -> Callable[[], None]:
        """Do this chore, too, until the returned function is called. A work makes the thread look at its pause."""
        self._chores = (*self._chores, chore)

        def leave() -> None:
            self._chores = tuple(other for other in self._chores if other is not chore)

        return leave

    # ---- in the thread
    def _live(self, opening: Order, token: trio.lowlevel.TrioToken) -> None:
        try:
            connection = self._open()
            self._file = _identity(self.path)
        except (OSError, sqlite3.Error, StartFailed) as error:
            opening.failed, opening.outcome = True, _start_failed(self.path, error)
            _tell(token, [opening])
            return
        try:
            _tell(token, [opening])
            while self._take(connection, token):
                pass
        finally:
            connection.close()
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(self._ended.set)

    def _open(self) -> sqlite3.Connection:
        """Several processes may find no file at once: SQLite lets one of them make it, and does not let others wait."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(self.path)
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return _connected(self.path)
            except sqlite3.OperationalError as error:
                if (
                    error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY
                    or time.monotonic() >= deadline
                    or self._closing
                ):
                    raise
            time.sleep(OPEN_SECONDS)

    def _take(self, connection: sqlite3.Connection, token: trio.lowlevel.TrioToken) -> bool:
        """Do what is queued in one commit, and the chores. False when the writer is to close."""
        group, going_on = self._gather()
        reads = list(takewhile(lambda order: order.reads, group))
        writes = group[len(reads) :]
        if reads:
            self._commit(connection, reads)
            _tell(token, reads)
        wrote = bool(writes) and self._commit(connection, writes)
        _tell(token, writes, self._see_to_chores(connection, wrote))
        return going_on

    def _see_to_chores(self, connection: sqlite3.Connection, wrote: bool) -> list[Callable[[], None]]:  # noqa: FBT001 - see Chore
        news = []
        for chore in self._chores:
            try:
                tell = chore(connection, wrote)
            except Exception:
                log.exception("%r failed beside %s; it is tried again", chore, self.path)  # the works must go on
                tell = None
            if tell is not None:
                news.append(tell)
        return news

    def _gather(self) -> tuple[list[Order], bool]:
        pauses = [chore.pause for chore in self._chores if chore.pause is not None]
        group: list[Order] = []
        hurries, until = False, math.inf
        try:
            order = self._orders.get(timeout=min(pauses, default=None))
            while order is not None and len(group) < MAX_GROUP - 1:
                group.append(order)
                hurries = hurries or order.hurries
                if hurries:
                    order = self._orders.get_nowait()
                    continue
                # One limit for the group: works that trickle in must not keep the chores, and so the leases, waiting.
                until = min(until, time.monotonic() + PATIENCE_SECONDS)
                order = self._orders.get(timeout=max(until - time.monotonic(), 0.0))
        except Empty:
            return group, True
        return (group, False) if order is None else ([*group, order], True)

    def _commit(self, connection: sqlite3.Connection, group: list[Order]) -> bool:
        """Do these works in one transaction. Did it write?"""
        changes = connection.total_changes
        try:
            self._ensure_there()
            connection.execute("BEGIN" if all(order.reads for order in group) else "BEGIN IMMEDIATE")
            for order in group:
                _do(connection, order)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised at whoever brought the works
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            for order in group:
                order.failed, order.outcome = True, error
            self._read_alone(connection, group)
            return False
        for order in group:
            if order.kept is not None and not order.failed:
                order.kept(order.outcome)
        wrote = connection.total_changes != changes
        self.commits += wrote
        return wrote

    def _read_alone(self, connection: sqlite3.Connection, group: list[Order]) -> None:
        """A disk that takes no writes may well be read: those that came behind the writes need not fail with them."""
        reads = [order for order in group if order.reads]
        if reads and len(reads) < len(group):
            for order in reads:
                order.failed = False
            self._commit(connection, reads)

    def _ensure_there(self) -> None:
        """What is written to a file without a name dies with this process, so nobody may be told that it is kept."""
        if _identity(self.path) != self._file:
            raise sqlite3.OperationalError(
                f"the store {self.path} was deleted, or replaced, while in use: put it back, or restart the server"
            )


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_private(path: Path) -> None:
    """Make the file if it is not there; refuse one that others can reach.

    A file that is there is looked at and never opened: closing any descriptor of it would drop every lock that SQLite
    holds on it for this process, and the next process to leave would take the log of our commits with it.
    """
    with _making:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise StartFailed(f"the store {path} is not a regular file")
    if os.name == "posix" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StartFailed(f"others can reach {path}; if none has: chmod 600 {path}; else delete it")


def _do(connection: sqlite3.Connection, order: Order) -> None:
    """One work, which fails alone. Of one that only reads there is nothing to undo."""
    if not order.reads:
        connection.execute("SAVEPOINT one")
    try:
        order.outcome = order.work(connection)
    except Exception as error:
        if not connection.in_transaction:
            raise  # SQLite gave the whole transaction up: a full disk, say
        if not order.reads:
            connection.execute("ROLLBACK TO one")
        order.failed, order.outcome = True, error
    if not order.reads:
        connection.execute("RELEASE one")


def _tell(token: trio.lowlevel.TrioToken, group: list[Order], news: Sequence[Callable[[], None]] = ()) -> None:
    """First what the chores found, then to each whose work it was; all in one step of trio's thread."""
    if group or news:
        with suppress(trio.RunFinishedError):  # the program ended meanwhile; the disk has it
            token.run_sync_soon(_settle, group, news)


def _settle(group: list[Order], news: Sequence[Callable[[], None]]) -> None:
    for tell in news:
        tell()
    for order in group:
        order.settle()


def _nothing(_: sqlite3.Connection) -> None: ...


def _start_failed(path: Path, error: Exception) -> StartFailed:
    return error if isinstance(error, StartFailed) else StartFailed(f"the store {path} cannot be opened: {error}")
