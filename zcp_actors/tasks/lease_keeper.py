"""
The leases of the owners in this process, renewed in the writer's thread, whatever trio's thread is busy with.

Owns when a renewal is due, and what it finds. Refuses to know what a task is. One renewal renews all leases of an
owner: they are held while the owner's own row says so, however many there are.

The rule that keeps it honest: a claim and a renewal are transactions that exclude each other, and a claim changes the
owner and the fence of the row. So a renewal that comes too late may extend a lease that lapsed and that nobody took:
its fence is still the newest, nobody else ever held it. It cannot bring back one that was taken: that row is another
owner's now. Every renewal compares what this process thinks it holds with what the file says, and tells what is gone.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from zcp_actors.protocol.tasks import Place
from zcp_actors.tasks import task_tables as tables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from sqlite3 import Connection

    from zcp_actors.protocol.tasks import Lease

RENEWALS = 3
"""Renewals in the life of a lease: two may fail, or be late, before it lapses."""

LOOKS = 12
"""Looks at the clock in the life of a lease. It is the store's clock that counts, and that one may jump."""


class SqliteKeeping:
    """`ports.Keeping`. Read in trio's thread, renewed in the writer's."""

    def __init__(self, owner: str, lost: Callable[[Collection[Place]], None], until: float) -> None:
        self.owner, self.lost, self.until = owner, lost, until
        self.held: dict[Place, int] = {}
        """Place to fence, as far as this process knows."""
        self.renewed: tuple[float, float] | None = None
        """The store's time and the machine's, at the last renewal."""
        self.on_close: Callable[[], None] | None = None

    def close(self) -> None:
        """See `ports.Keeping`: the leases lapse at `until`. More than once does nothing more."""
        if self.on_close is not None:
            on_close, self.on_close = self.on_close, None
            on_close()

    def tell(self, places: list[Place]) -> None:
        """In trio's thread: these are not ours any more."""
        if self.on_close is not None:
            self.lost(places)


class LeaseKeeper:
    """A `Chore` of the writer: renews what is due, in the writer's thread. Owners come and go in trio's."""

    def __init__(self, lease: float, now: Callable[[], float]) -> None:
        self._lease, self._now = lease, now
        self._keepings: dict[str, SqliteKeeping] = {}
        """Replaced and never changed, because two threads read it."""
        self.pause: float | None = None

    def begin(self, keeping: SqliteKeeping) -> None:
        """Keep the leases of one more owner, from the next commit on."""
        self._keepings = self._keepings | {keeping.owner: keeping}
        self.pause = self._lease / LOOKS

    def end(self, keeping: SqliteKeeping) -> None:
        """Renew no more."""
        self._keepings = {owner: other for owner, other in self._keepings.items() if other is not keeping}
        self.pause = self._lease / LOOKS if self._keepings else None

    def took(self, leases: Iterable[Lease]) -> None:
        """These are held now, the disk has it."""
        for lease in leases:
            keeping = self._keepings.get(lease.owner)
            if keeping is not None:
                keeping.held[lease.place] = lease.fence

    def removed(self, places: Iterable[Place]) -> None:
        """We removed these ourselves: nobody took them."""
        for place in places:
            for keeping in self._keepings.values():
                keeping.held.pop(place, None)

    def __call__(self, connection: Connection, wrote: bool, /) -> Callable[[], None] | None:  # noqa: FBT001 - see Chore
        """See `Chore`. A renewal that fails is tried again with the next look, and `until` stays what it was."""
        news: list[Callable[[], None]] = []
        for keeping in self._keepings.values():
            if self._due(keeping):
                with suppress(sqlite3.Error):
                    gone = self._renew(connection, keeping)
                    if gone:
                        news.append(partial(keeping.tell, gone))
        return partial(_all, news) if news else None

    def _due(self, keeping: SqliteKeeping) -> bool:
        """By the store's clock, which may jump back, or by the machine's."""
        if keeping.renewed is None:
            return True
        then, machine_then = keeping.renewed
        passed, machine_passed = self._now() - then, time.monotonic() - machine_then
        return passed < 0 or max(passed, machine_passed) >= self._lease / RENEWALS

    def _renew(self, connection: Connection, keeping: SqliteKeeping) -> list[Place]:
        """The places that were lost since the last renewal."""
        with transaction(connection):
            now = self._now()  # after the wait for other processes, and before whatever takes time
            held = {Place(*place): fence for *place, fence in connection.execute(tables.OWNED, (keeping.owner,))}
            connection.execute("DELETE FROM task_owners WHERE until <= ? AND owner <> ?", (now, keeping.owner))
            if held:
                row = (keeping.owner, now + self._lease)
                connection.execute("INSERT OR REPLACE INTO task_owners VALUES (?, ?)", row)
            gone = [place for place, fence in keeping.held.items() if held.get(place) != fence]
            lost = [place for place in gone if _taken(connection, place, keeping.held[place])]
        keeping.held = held
        keeping.renewed = (now, time.monotonic())
        keeping.until = now + self._lease
        return lost


class transaction:  # noqa: N801 - it reads as a statement
    """`with transaction(connection):` commits, or undoes what was done."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _taken(connection: Connection, place: Place, fence: int) -> bool:
    """Not ended, or let go, by ourselves: somebody took it, or removed it."""
    query = "SELECT fence FROM tasks WHERE app = ? AND principal = ? AND id = ?"
    row = connection.execute(query, place).fetchone()
    return row is None or row[0] != fence


def _all(news: list[Callable[[], None]]) -> None:
    for tell in news:
        tell()
