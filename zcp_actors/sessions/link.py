"""
The actor that keeps a client session connected: it opens the way, introduces us, reads, and fails when the way does.

Owns one connection at a time, in its own task. Refuses to know what travels. A supervisor above it brings the next one.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.actors import Actor
from zcp_actors.errors import ConnectionLost, InvalidResult, RequestTimeout, RPCError, UnexpectedStatus, ZCPError
from zcp_actors.protocol.dialect import Era
from zcp_actors.sessions.handshake import introduce

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from zcp_actors.ports import Channel, Way
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.wire import Implementation

REMEMBERED = 1024
"""Servers whose era is remembered; one line each, and a host knows a few dozen."""

_eras: dict[str, Era] = {}
"""The era that a server was found to speak, by the identity of the way to it."""


def remember(identity: str | None, era: Era) -> None:
    """Next time, ask this server for this era first."""
    if identity is not None:
        if len(_eras) >= REMEMBERED:
            del _eras[next(iter(_eras))]
        _eras[identity] = era


class Link(Actor[Any]):
    """One connection after another for one session."""

    kind = "link"
    last_words = 1.0
    grace = 10.0
    """A child process may take its own grace twice before it is gone (`Command.grace`)."""

    def __init__(
        self,
        session: ClientSession,
        way: Way,
        me: Implementation,
        era: Era | None,
        *,
        supervised: bool,
    ) -> None:
        self._session, self._way, self._me, self._era = session, way, me, era
        self._supervised = supervised
        self._serving = False
        self._drop: ConnectionLost | None = None

    def describe(self) -> str:
        """What an observer reads."""
        return f"connection to {self._way.name}"

    async def receive(self, message: Any) -> None:
        """It is told nothing."""

    @asynccontextmanager
    async def around(self) -> AsyncIterator[None]:
        """The life of one connection: from its opening to its loss, or to our leaving."""
        error: Exception | None = None
        try:
            async with self._connected():
                yield
        except Exception as caught:  # noqa: BLE001 - whatever ended the connection is told, then raised
            error = lone(caught)
            raise error from error.__cause__
        finally:
            self._session.lost(error, final=not self._supervised)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        """A connection whose server has introduced itself. One that ends at our first question is tried once more."""
        known = _eras.get(self._way.identity) if self._way.identity and self._era is None else None
        tries: list[Era | None] = [self._era] if self._era is not None else [None, Era.STATEFUL]
        for each, more in attempts(known, tries):
            self._serving, self._drop = False, None
            async with self._way.open(self.runtime) as channel, trio.open_nursery() as nursery:
                nursery.start_soon(self._read, channel)
                if await self._introduce(channel, each, more):
                    self._serving = True
                    if self._drop is not None:
                        raise self._drop
                    yield
                    nursery.cancel_scope.cancel("the link ends")
                    return
                nursery.cancel_scope.cancel("the server ended at server/discover")

    async def _read(self, channel: Channel) -> None:
        """Feed the session. While we are introduced, a loss is the handshake's outcome; later it is our failure."""
        try:
            await channel.read(self._session)
        except ConnectionLost as error:
            self._drop = error
            self._session.lost(error, final=False)
            if self._serving:
                raise

    async def _introduce(self, channel: Channel, era: Era | None, more: tuple[type[Exception], ...]) -> bool:
        """Agree with the server. False when that failed by one of `more`: then it is asked another way."""
        session = self._session
        if session.resume(channel):
            return True
        try:
            introduction = await introduce(session, channel, self._me, era)
        except ZCPError as error:
            if isinstance(error, (ConnectionLost, *more)):
                _eras.pop(self._way.identity or "", None)
            if not isinstance(error, more):
                raise
            return False
        if self._era is None:
            remember(self._way.identity, introduction.era)
        return True


def attempts(known: Era | None, tries: list[Era | None]) -> Iterator[tuple[Era | None, tuple[type[Exception], ...]]]:
    """How to ask, one way after the other, and which failure of each leads to the next.

    The era that a server is remembered for is a hint: a server that denies it has become another.
    """
    if known is not None:
        denials = (RPCError, RequestTimeout, InvalidResult, UnexpectedStatus)
        yield known, (*denials, ConnectionLost) if known is Era.STATELESS else denials
    for era in tries:
        yield era, () if era is tries[-1] else (ConnectionLost,)


def lone(error: Exception) -> Exception:
    """The one error inside the groups that nurseries make."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, ExceptionGroup):
        own = [each for each in error.exceptions if isinstance(each, ZCPError)]
        return own[0] if own else error
    return error
