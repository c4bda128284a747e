"""
What changed in the file, told to whoever watches: this process's own writes at once, those of others soon after.

Owns the place in the change sequence up to which watchers have heard. Own and foreign changes have their numbers from
the same sequence, so they are told in the one order in which they were made. What came since the last look is read from
the file, unless this process wrote all of it: then the numbers leave no gap, and the records are known.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from zcp_actors.errors import UsageError
from zcp_actors.tasks import task_tables as tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from sqlite3 import Connection

    from zcp_actors.protocol.tasks import Place, Task
    from zcp_actors.tasks.audience import Audience

POLL_SECONDS = 0.1
"""Between two looks at whether others wrote, while somebody watches: 250 ms are promised, and a look costs some
microseconds."""


class ChangeFeed:
    """A `Chore` of the writer: reads in the writer's thread; the audience comes, goes and hears in trio's."""

    def __init__(self, audience: Audience, file: Path) -> None:
        self._audience, self._file = audience, file
        self._seen: int | None = None
        """The last change that was told; None until somebody watches."""
        self._version: int | None = None
        self._own: dict[int, Task] = {}
        """What this process wrote since the last look, as the file has it, by the number of the change."""
        self.pause: float | None = None

    def begin(self) -> None:
        """Somebody watches: what is written after the next `look` is told."""
        self._seen = self._version = None
        self.pause = POLL_SECONDS

    def end(self) -> None:
        """Nobody watches."""
        self.pause = None

    def look(self, connection: Connection) -> None:
        """A work of the writer: what is before it is known. Should it fail, so did all that was to be told."""
        if self._seen is None:
            self._seen, _, _ = tables.counts(connection)

    def wrote(self, change: int, task: Task) -> None:
        """In the writer's thread, when the disk has it: this process made this change."""
        self._own[change] = task

    def __call__(self, connection: Connection, wrote: bool, /) -> Callable[[], None] | None:  # noqa: FBT001 - see Chore
        """See `Chore`. What could not be read now is read with the next look."""
        own, self._own = self._own, {}
        if self.pause is None:
            return None
        news: list[tuple[int, Place, Task | None]] = []
        with suppress(sqlite3.Error):
            (version,) = connection.execute("PRAGMA data_version").fetchone()  # of others' writes: ours do not move it
            if wrote or version != self._version:
                news = self._read(connection, own)
                self._version = version
        return partial(self._tell, news) if news else None

    def _read(self, connection: Connection, own: dict[int, Task]) -> list[tuple[int, Place, Task | None]]:
        connection.execute("BEGIN")
        try:
            newest, _, _ = tables.counts(connection)
            seen = newest if self._seen is None else self._seen
            if all(change in own for change in range(seen + 1, newest + 1)):
                self._seen = newest
                last = {own[change].place: change for change in range(seen + 1, newest + 1)}
                return [(change, place, own[change]) for place, change in sorted(last.items(), key=itemgetter(1))]
            apps = self._audience.apps if newest != seen else ()  # handles are no news
            news = [told for app in apps for told in self._news_of(connection, app, seen)]
        finally:
            connection.execute("COMMIT")
        self._seen = newest
        return sorted(news, key=lambda told: told[0])

    def _news_of(self, connection: Connection, app: str, seen: int) -> list[tuple[int, Place, Task | None]]:
        news: list[tuple[int, Place, Task | None]] = []
        for change, number, place in tables.changed(connection, app, seen):
            # Whoever asks for a task of an unknown format is told so; there is nobody to tell here.
            with suppress(UsageError):
                task = None if number is None else tables.read_number(connection, number, self._file)
                news.append((change, place, task))
        return news

    def _tell(self, news: list[tuple[int, Place, Task | None]]) -> None:
        for _, place, task in news:
            self._audience.tell(place, task)
