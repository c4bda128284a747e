"""
The sessions of 2025-11-25, by who they belong to and their id.

Owns their number, their ids and their end by silence. Refuses to know what is said in them.
The rules: an id is found only together with its principal, so somebody else's id is no id; a session with anything open
is never silent. Source: MCP 2025-11-25 basic/transports, Session Management; basic/security_best_practices.
"""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING

import trio

from zcp_actors.errors import HTTPRefused
from zcp_actors.protocol.dialect import Era
from zcp_actors.transports.http.stateful import SessionConnection

if TYPE_CHECKING:
    from zcp_actors.sessions.server import ServerSession
    from zcp_actors.transports.http.service import Service

ID_BYTES = 24
"""192 bits of chance: not to be guessed, whoever tries how often."""

CROWDED = "sessions are open, the limit; DELETE those that are not needed, or wait until they expire"


class SessionTable:
    """All of them. Every step is synchronous, so an id never leads to a session that has ended."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._by_key: dict[tuple[str, str], SessionConnection] = {}
        self._sessions: dict[ServerSession, SessionConnection] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def __contains__(self, session: ServerSession) -> bool:
        return session in self._sessions

    @property
    def owing(self) -> bool:
        """Some client has yet to come back for its reply."""
        return any(connection.owes for connection in self._by_key.values())

    def find(self, principal: str, id: str) -> SessionConnection | None:
        """The session of this id, if it is this principal's."""
        return self._by_key.get((principal, id))

    def begin(self, principal: str) -> SessionConnection:
        """A new session. Raises `HTTPRefused` (503) when there are too many."""
        limit = self._service.config.max_sessions
        if len(self._by_key) >= limit:
            raise HTTPRefused(503, f"{limit} {CROWDED}", headers=(("Retry-After", "10"),))
        connection = SessionConnection(secrets.token_urlsafe(ID_BYTES), principal, partial(self._ended))
        connection.session = self._service.host(connection, Era.STATEFUL, principal)
        self._by_key[principal, connection.id] = connection
        self._sessions[connection.session] = connection
        self._watch(connection, self._service.config.idle_seconds)
        return connection

    def end(self, connection: SessionConnection) -> None:
        """End a session now: its calls are cancelled, its streams end, its id is unknown."""
        self._by_key.pop((connection.principal, connection.id), None)
        connection.session.me.stop()

    def _ended(self, connection: SessionConnection) -> None:
        """The session hung up."""
        self._by_key.pop((connection.principal, connection.id), None)
        self._sessions.pop(connection.session, None)
        if connection.timer is not None:
            connection.timer.disarm()
        self._service.ended(connection.session)

    def _watch(self, connection: SessionConnection, seconds: float) -> None:
        connection.timer = self._service.runtime.timers.after(seconds, partial(self._look, connection))

    def _look(self, connection: SessionConnection) -> None:
        """One timer per session, armed again for what is left: a request costs no timer."""
        idle = self._service.config.idle_seconds
        if connection.busy:
            connection.touch()
        left = connection.touched + idle - trio.current_time()
        if left > 0:
            self._watch(connection, left)
        else:
            self.end(connection)
