"""
Agreeing with a server on the era, and introducing ourselves.

Owns the order of asking: `server/discover`, then `initialize` where the older era is meant. Refuses to judge: what an
answer means is `protocol.dialect`'s. Source: 2026-07-28 basic/lifecycle, backward compatibility with the handshake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.errors import (
    ConnectionLost,
    RequestTimeout,
    RPCError,
    SessionClosed,
    StartFailed,
    UnsupportedVersion,
    ZCPError,
)
from zcp_actors.protocol.dialect import SILENCE_SECONDS, Era, after_discover, after_initialize, make_client, names_ours
from zcp_actors.sessions.timeouts import Timeouts
from zcp_actors.wire import RequestParams
from zcp_actors.wire.meta_keys import SERVER_INFO

if TYPE_CHECKING:
    from zcp_actors.ports import Connection
    from zcp_actors.protocol.asking import Client
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.wire import Implementation

HANDSHAKE = Timeouts(idle=60.0, total=60.0)
"""A server may compile or download something at its start; after a minute it is not coming."""


@attrs.frozen
class Introduction:
    """What a server said of itself."""

    era: Era
    version: str
    result: Any
    """The `DiscoverResult` or `InitializeResult`."""

    @property
    def server_info(self) -> Any:
        """Name and version of the server, as a plain dict or model; None where it did not say."""
        info = getattr(self.result, "server_info", None)
        return info if info is not None else (getattr(self.result, "meta", None) or {}).get(SERVER_INFO)


async def introduce(
    session: ClientSession, connection: Connection, me: Implementation, era: Era | None
) -> Introduction:
    """Agree on an era over this connection; afterwards requests may go out.

    Raises `UnsupportedVersion`, `RPCError`, `RequestTimeout`, `TransportError` (`ConnectionLost` also when the server
    ends because it was asked something it does not know: try again with the stateful era).
    """
    if era is Era.STATEFUL:
        return await _initialize(session, connection, me, 1)
    automaton = make_client(Era.STATELESS, me, session.providers.capabilities())
    session.attach(connection, automaton)
    patient = era is not None or getattr(connection, "always_replies", False)
    outcome = await _discover(session, patient=patient)
    if names_ours(outcome):
        outcome = await _discover(session, patient=patient)
    agreed = _agreed(outcome, era, patient=patient)
    if agreed is Era.STATELESS:
        return _opened(session, automaton, outcome)
    try:
        return await _initialize(session, connection, me, automaton.next_id())
    except RPCError:
        # One that was silent may only have been slow to start. It has heard our first question by now, and a server of
        # both eras that was asked in the newer way refuses to go on in the older.
        late = await _discovered_late(session, connection, me) if isinstance(outcome, RequestTimeout) else None
        if late is None:
            raise
        return late


def _opened(session: ClientSession, automaton: Client, discovered: Any) -> Introduction:
    introduction = Introduction(Era.STATELESS, automaton.dialect.version, discovered)
    session.opened(introduction)
    return introduction


async def _discovered_late(session: ClientSession, connection: Connection, me: Implementation) -> Introduction | None:
    """Ask in the newer way once more, of a server that answers by now. None when it does not speak it."""
    assert session.automaton is not None
    automaton = make_client(Era.STATELESS, me, session.providers.capabilities(), session.automaton.next_id())
    session.attach(connection, automaton)
    outcome = await _discover(session, patient=True)
    if isinstance(outcome, Exception) or after_discover(outcome) is not Era.STATELESS:
        return None
    return _opened(session, automaton, outcome)


def _agreed(outcome: Any, era: Era | None, *, patient: bool) -> Era:
    tells_nothing = isinstance(outcome, ConnectionLost | StartFailed | SessionClosed) or names_ours(outcome)
    if tells_nothing or (patient and isinstance(outcome, RequestTimeout)):
        raise outcome
    if era is not None and isinstance(outcome, Exception):
        raise outcome
    agreed = after_discover(outcome)
    if era is not None and agreed is not era:
        raise UnsupportedVersion(era.value, outcome.supported_versions)
    return agreed


async def _discover(session: ClientSession, *, patient: bool) -> Any:
    limits = HANDSHAKE if patient else Timeouts(SILENCE_SECONDS, SILENCE_SECONDS)
    try:
        return await session.exchange("server/discover", RequestParams(), limits)
    except (ZCPError, RequestTimeout) as error:
        return error


async def _initialize(
    session: ClientSession, connection: Connection, me: Implementation, first_id: int
) -> Introduction:
    automaton: Any = make_client(Era.STATEFUL, me, session.providers.capabilities(tasks=True), first_id)
    session.attach(connection, automaton)
    result = await session.exchange("initialize", automaton.handshake(), HANDSHAKE)
    version = after_initialize(result.protocol_version)
    introduction = Introduction(Era.STATEFUL, version, result)
    session.perform(automaton.initialized())
    session.opened(introduction)
    return introduction
