"""
Task records in memory, and what finds them without looking at all of them.

Owns the rows and their indexes: by principal and age, by what has not ended, by expiry. Refuses to know clocks, leases'
rules and who asks.
The rule that keeps it honest: every index is changed in the same step as the row, here and nowhere else.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import attrs

from zcp_actors.protocol.tasks import Place, Task

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.define(eq=False)
class Row:
    """One task, who runs it while it has not ended, and its journal as JSON texts."""

    task: Task
    owner: str | None
    fence: int
    until: float
    """The lease is held until then, and longer while its owner is kept."""
    entries: dict[str, str] = attrs.Factory(dict)

    def living(self, now: float) -> bool:
        """It has not expired."""
        expires = self.task.expires
        return expires is None or expires > now


class Shelf:
    """The rows of all apps, by place."""

    def __init__(self) -> None:
        self._rows: dict[Place, Row] = {}
        self._ages: dict[tuple[str, str], list[tuple[float, str]]] = {}
        """(app, principal) to (created, id), in order. The creation of a task never changes."""
        self._open: dict[str, dict[Place, Row]] = {}
        self._open_of: dict[tuple[str, str], dict[str, Row]] = {}
        self._expiries: dict[str, list[tuple[float, Place]]] = {}
        """App to a heap. An expiry that a write moved stays in it, and is told apart by the row."""

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, place: Place) -> Row | None:
        """The row of this place."""
        return self._rows.get(place)

    def add(self, row: Row) -> None:
        """Keep a row whose place is free."""
        place = row.task.place
        self._rows[place] = row
        insort(self._ages.setdefault(place[:2], []), (row.task.created, place.id))
        self._note_expiry(row)
        if not row.task.ended:
            self._open.setdefault(place.app, {})[place] = row
            self._open_of.setdefault(place[:2], {})[place.id] = row

    def replace(self, row: Row, task: Task) -> None:
        """Give a row that has not ended its next record."""
        before, row.task = row.task, task
        if task.ended:
            self._close(task.place)
        if task.expires != before.expires:
            self._note_expiry(row)

    def remove(self, place: Place) -> None:
        """Forget a row that is there."""
        row = self._rows.pop(place)
        ages = self._ages[place[:2]]
        del ages[bisect_left(ages, (row.task.created, place.id))]
        if not ages:
            del self._ages[place[:2]]
        if not row.task.ended:
            self._close(place)

    def open(self, app: str) -> Iterator[Row]:
        """The rows of an app that have not ended, oldest first."""
        yield from tuple(self._open.get(app, {}).values())

    def count_open(self, app: str, principal: str) -> int:
        """How many rows of one principal have not ended, those that have expired included."""
        return len(self._open_of.get((app, principal), ()))

    def open_of(self, app: str, principal: str) -> Iterator[Row]:
        """The rows of one principal that have not ended."""
        yield from self._open_of.get((app, principal), {}).values()

    def after(self, app: str, principal: str, position: tuple[float, str] | None) -> Iterator[Row]:
        """The rows of one principal that come after a position, by (created, id)."""
        ages = self._ages.get((app, principal), [])
        start = 0 if position is None else bisect_right(ages, position)
        for index in range(start, len(ages)):
            yield self._rows[Place(app, principal, ages[index][1])]

    def expired(self, app: str, now: float) -> Iterator[Place]:
        """The places of an app whose time is over; each is given once and is to be removed."""
        heap = self._expiries.get(app, [])
        while heap and heap[0][0] <= now:
            expires, place = heappop(heap)
            row = self._rows.get(place)
            if row is not None and row.task.expires == expires:
                yield place
        if not heap:
            self._expiries.pop(app, None)

    @property
    def apps(self) -> tuple[str, ...]:
        """The apps that have something to expire."""
        return tuple(self._expiries)

    def _close(self, place: Place) -> None:
        del self._open[place.app][place]
        if not self._open[place.app]:
            del self._open[place.app]
        del self._open_of[place[:2]][place.id]
        if not self._open_of[place[:2]]:
            del self._open_of[place[:2]]

    def _note_expiry(self, row: Row) -> None:
        if row.task.expires is not None:
            heappush(self._expiries.setdefault(row.task.place.app, []), (row.task.expires, row.task.place))
