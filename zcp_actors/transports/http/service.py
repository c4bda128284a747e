"""
One app being served over HTTP in one runtime.

Owns the sessions' place in the tree, what all of them share, the count of what is being answered, and the graceful end.
Refuses to know ASGI servers and sockets. The rule: whatever is served is below one cell, so it ends with it.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.actors import Cell, Job
from zcp_actors.errors import ActorStopped, HTTPRefused, TooManyChildren, ZCPError
from zcp_actors.protocol.dialect import Era
from zcp_actors.transports.http.headers import mirrored
from zcp_actors.transports.http.table import SessionTable
from zcp_actors.wire.meta_keys import STATEFUL_VERSIONS, V2026_07_28

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcp_actors.ports import Connection
    from zcp_actors.sessions.handle import ServerHandle
    from zcp_actors.sessions.server import ServerSession
    from zcp_actors.transports.http.config import HTTPConfig
    from zcp_actors.transports.http.headers import Mirrored

FLUSH_SECONDS = 1.0
"""What the last words need to leave: the next-to-last packets are acknowledged by then, or will not be."""

GRACE_SECONDS = 10.0
"""For the whole end, last words and all: what process managers commonly give before they kill."""

TELLING_SHARE = 0.1
"""The part of a grace period that is kept for the last words, if `FLUSH_SECONDS` is not less: waiting is the rest."""

RETRY_AFTER = (("Retry-After", "1"),)

SHUTTING_DOWN = "the server is shutting down"

log = logging.getLogger("zcp_actors.http")

_numbers = count(1)


def patience_of(grace: float) -> float:
    """Seconds of a grace period that calls in flight get: the rest is kept for the last words."""
    return grace - min(FLUSH_SECONDS, grace * TELLING_SHARE)


class Door(Cell[None]):
    """The place in the tree below which everything lives that came in over HTTP."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    def describe(self) -> str:
        """What an observer reads."""
        service = self._service
        return (
            f"serves {service.handle.app.name} over HTTP · {len(service.table)} sessions · {service.requests} requests"
        )


class Recovering(Job):
    """Takes up the tasks that an earlier process left, where nobody can be told that this failed but the log."""

    __slots__ = ("_handle", "_runtime")

    def __init__(self, handle: ServerHandle, runtime: Any) -> None:
        self._handle, self._runtime = handle, runtime

    async def run(self) -> None:
        """Once. Requests about tasks try again."""
        try:
            await self._handle.recover(self._runtime)
        except ZCPError as error:
            log.error("tasks that an earlier process left cannot be taken up: %s", error)  # noqa: TRY400 - it says why


class Service:
    """Made once the runtime is there; see `HTTPApp`."""

    def __init__(self, runtime: Any, handle: ServerHandle, config: HTTPConfig) -> None:
        """Raises as `state_keys` does."""
        self.runtime, self.handle, self.config = runtime, handle, config
        self.requests = 0
        """Requests of HTTP being answered."""
        self.draining = False
        self._state = handle.call_state(runtime)
        self._hosted: dict[ServerSession, None] = {}
        self._answered = trio.lowlevel.ParkingLot()
        """Who waits for the end of requests, from `drain` on."""
        self._schemas: dict[str, tuple[Any, list[Mirrored]]] = {}
        self.door = runtime.host(Door(self), f"http-{next(_numbers)}")
        self.table = SessionTable(self)

    @property
    def versions(self) -> tuple[str, ...]:
        """What may stand in `MCP-Protocol-Version`."""
        newer, older = (V2026_07_28,), STATEFUL_VERSIONS
        return {Era.STATEFUL: older, Era.STATELESS: newer, None: (*newer, *older)}[self.handle.era]

    def mirrored(self, tool: Any) -> list[Mirrored]:
        """The parameters of a tool that its callers repeat in headers, where the app knows its tools' schemas."""
        tools: Any = getattr(self.handle.app, "tools", None) or {}
        entry = tools.get(tool) if isinstance(tool, str) else None
        if entry is None:
            return []
        schema = entry.model.input_schema
        known = self._schemas.get(tool)
        if known is None or known[0] is not schema:
            self._schemas = {name: each for name, each in self._schemas.items() if name in tools}
            known = self._schemas[tool] = (schema, mirrored(schema))
        return known[1]

    def recover_soon(self) -> None:
        """Take up what an earlier process left, without anybody waiting."""
        self.runtime.submit(Recovering(self.handle, self.runtime), parent=self.door)

    # -------------------------------------------------------------------------------------------- requests
    def check_open(self) -> None:
        """Raises `HTTPRefused` (503) when nothing new is taken any more."""
        if self.draining:
            raise HTTPRefused(503, SHUTTING_DOWN, headers=RETRY_AFTER)

    @contextmanager
    def request(self) -> Iterator[None]:
        """One more request of HTTP. Raises `HTTPRefused` (503) when there are too many."""
        if self.requests >= self.config.max_requests:
            raise HTTPRefused(503, f"{self.requests} requests are being answered, the limit", headers=RETRY_AFTER)
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            if self.draining:
                self._answered.unpark_all()

    def host(self, connection: Connection, era: Era | None, principal: str) -> ServerSession:
        """A session at this connection; no `era`: the handle's. Raises `HTTPRefused` when there can be no more."""
        try:
            session = self.handle.host(
                self.runtime, connection, self.door, era=era, principal=principal, state=self._state
            )
        except (ActorStopped, TooManyChildren) as error:
            raise HTTPRefused(503, f"no session can begin now: {error}", headers=RETRY_AFTER) from error
        self._hosted[session] = None
        return session

    def ended(self, session: ServerSession) -> None:
        """A session that was hosted here is over, or soon will be."""
        self._hosted.pop(session, None)
        session.me.stop()

    @contextmanager
    def hosting(self, connection: Connection, era: Era | None, principal: str) -> Iterator[ServerSession]:
        """A session for the time of the block."""
        session = self.host(connection, era, principal)
        try:
            yield session
        finally:
            self.ended(session)

    # -------------------------------------------------------------------------------------------- the end
    async def drain(self, grace: float = GRACE_SECONDS, *, reachable: bool = True) -> None:
        """Take no more, let what is in flight end, tell the rest, and close every session, all within `grace` seconds.

        Meanwhile clients of 2025-11-25 may answer what they were asked, and come back for a reply where they were told
        to; where the server is not `reachable` any more, nobody who would have to come back is waited for.
        A cancel skips the waiting, not the telling. Afterwards nothing is served here any more.
        """
        self.draining = True
        try:
            for session in self._without_calls():
                if session not in self.table:
                    self.ended(session)
            with trio.move_on_after(patience_of(grace)):
                await self._idle()
                while reachable and self.table.owing:
                    await self._answered.park()
        finally:
            for session in list(self._hosted):
                session.say_goodbye(SHUTTING_DOWN)
                self.ended(session)
        with trio.move_on_after(FLUSH_SECONDS):
            while self.requests:
                await self._answered.park()
        self.close()

    def close(self) -> None:
        """End every session now, without another word."""
        self.draining = True
        self.door.stop()

    def _without_calls(self) -> list[ServerSession]:
        return [session for session in self._hosted if not session.serving]

    async def _idle(self) -> None:
        """Wait until no call is being served by anybody."""
        await trio.lowlevel.checkpoint()
        while serving := [session for session in self._hosted if session.serving]:
            for session in serving:
                await session.idle()
            await trio.lowlevel.checkpoint()
