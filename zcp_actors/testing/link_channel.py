"""
A connection that is joined at once, seen as one that a link opens and reads: so that tests can lose it and get another.

Owns what comes before it is read, and its loss until it is seen. Refuses to know what it carries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import ConnectionLost
from zcp_actors.testing.carried import Carried

if TYPE_CHECKING:
    from zcp_actors.ports import Session

MAX_EARLY = 1000
"""Messages held before the link reads: it reads in the same round of the scheduler, so a handful is usual."""


class LinkChannel(Carried):
    """A `ports.Channel` around a connection; as a `ports.Session` it takes what the connection brings."""

    def __init__(self) -> None:
        self._early: list[tuple[str, Any]] = []
        self._session: Session | None = None
        self._lost = trio.Event()
        self._error: Exception | None = None

    # As a connection
    def post(self, message: Any, call: int | str | None = None) -> None:
        """See `ports.Connection`."""
        self.connection.post(message, call)

    def hang_up(self) -> None:
        """Nothing: whoever opened the channel closes it."""

    async def read(self, session: Session) -> None:
        """See `ports.Channel`."""
        self._session = session
        early, self._early = self._early, []
        for what, thing in early:
            getattr(session, what)(thing)
        await self._lost.wait()
        raise self._error or ConnectionLost("the server closed the connection")

    # As a session
    def feed(self, message: Any) -> None:
        """See `ports.Session`, as for all of these."""
        self._pass("feed", message)

    def refuse(self, error: Any) -> None:
        self._pass("refuse", error)

    def _pass(self, what: str, thing: Any) -> None:
        if self._session is not None:
            getattr(self._session, what)(thing)
        elif len(self._early) >= MAX_EARLY:
            self.lost(ConnectionLost(f"{MAX_EARLY} messages came before the connection was read"))
        else:
            self._early.append((what, thing))

    def lost(self, error: Exception | None) -> None:
        self._error = self._error or error
        self._lost.set()
