"""
What a 2025-11-25 client does over HTTP: POST, GET and DELETE of one session.

Owns the heads and statuses of that era, the beginning of a session and of a stream, and the taking up of a broken one.
Refuses to know how messages are routed (`stateful`) and how sessions end by silence (`table`).
Source: MCP 2025-11-25 basic/transports, Streamable HTTP; WHATWG HTML, server-sent events (`id`, `retry`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from zcp_actors.errors import HTTPRefused, InvalidMessage
from zcp_actors.protocol.serving import in_use
from zcp_actors.transports.http.exchange import EVENTS, Exchange, written
from zcp_actors.transports.http.headers import LAST_EVENT, SESSION, VERSION
from zcp_actors.transports.http.replay import event_id
from zcp_actors.transports.http.stateful import STANDALONE
from zcp_actors.transports.http.streams import notice
from zcp_actors.transports.http.writer import Writer
from zcp_actors.wire import ErrorResponse, Request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zcp_actors.transports.http.service import Service
    from zcp_actors.transports.http.stateful import Route, SessionConnection
    from zcp_actors.transports.http.streams import Event, Stream
    from zcp_actors.wire import Message

MISSED = "some events of this stream were not kept: what came between the last one you read and the next one is lost"

GONE = "the stream of this Last-Event-ID is not kept any more: what was on it is lost"


@attrs.frozen
class Conversation:
    """One request of HTTP in this era, and whose it is."""

    service: Service
    exchange: Exchange
    principal: str

    # -------------------------------------------------------------------------------------------- POST
    async def post(self, message: Message) -> None:
        """Serve one message. Raises `RPCError`."""
        self._check_version()
        if isinstance(message, Request) and message.method == "initialize" and self._session_id() is None:
            await self._initialize(message)
            return
        connection = self._session()
        if isinstance(message, Request):
            await self._request(connection, message)
            return
        connection.session.feed(message)
        connection.settle()
        await self.exchange.empty(202)

    async def _initialize(self, request: Request) -> None:
        connection = self.service.table.begin(self.principal)
        route = connection.open(request.id)
        connection.session.feed(request)
        if isinstance(route.reply, ErrorResponse):
            error = route.reply
            self.service.table.end(connection)
            await self.exchange.error(400, error)
            return
        await self._respond(connection, route, ((SESSION, connection.id),))

    async def _request(self, connection: SessionConnection, request: Request) -> None:
        if request.id in connection.routes:
            raise in_use(request.id)
        route = connection.open(request.id)
        connection.session.feed(request)
        await self._respond(connection, route)

    async def _respond(
        self, connection: SessionConnection, route: Route, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """JSON for a reply that comes at once, the stream for everything else."""
        stream = route.stream
        reader = stream.attach()
        known = False
        try:
            await stream.glance()
            if not await self._replied(route, headers):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch, nursery.cancel_scope)
                    await stream.wait(reader, self.service.config.prime_seconds)
                    if not await self._replied(route, headers):
                        known = True
                        await self._write(connection, (route.number, stream, reader), headers)
                    nursery.cancel_scope.cancel("the response is complete")
        finally:
            connection.touch()
            if known:
                connection.left(route.number, stream, reader)
            else:
                connection.forget(route)

    async def _replied(self, route: Route, headers: tuple[tuple[str, str], ...]) -> bool:
        """Respond with the reply, if it is there and all there is to say."""
        if route.reply is None or route.stream.unread != 1:
            return False
        (event,) = route.stream.take()
        await self.exchange.json(200, event.data, headers)
        return True

    async def _watch(self, responding: trio.CancelScope) -> None:
        """A client that leaves has cancelled nothing but this response."""
        await self.exchange.left()
        responding.cancel("the client has left")

    async def _write(
        self,
        connection: SessionConnection,
        reading: tuple[int, Stream, object],
        headers: tuple[tuple[str, str], ...] = (),
        *,
        prologue: bytes = b"",
    ) -> None:
        """Write a stream from where it stands: first an id to come back with, and when."""
        number, stream, reader = reading
        config = self.service.config
        first = prologue or written(b"", event_id(number, stream.handed_to), config.retry_ms)
        writer = Writer(
            self.exchange,
            stream,
            reader,
            config.keepalive_seconds,
            write=partial(self._numbered, connection, number),
            prologue=b"" if stream.ended and not stream.unread else first,
            epilogue=b"retry: %d\n\n" % config.retry_ms,
            until=trio.current_time() + config.poll_seconds if config.poll_seconds is not None else float("inf"),
            headers=headers,
        )
        await writer.run()
        if stream.reader in (reader, None):  # not one that another took the place of
            stream.awaited = True

    def _numbered(self, connection: SessionConnection, number: int, event: Event) -> bytes:
        connection.note(number)
        return written(event.data, event_id(number, event.number) if event.number else None)

    def refuse(self, error: InvalidMessage) -> None:
        """Bytes came that are no message. An answer that cannot be read ends the question it belongs to."""
        id = self.exchange.headers.get(SESSION)
        connection = self.service.table.find(self.principal, id) if id is not None else None
        if connection is not None and error.kind == "response":
            connection.session.refuse(error)

    # -------------------------------------------------------------------------------------------- GET, DELETE
    async def get(self) -> None:
        """Open the stream for what belongs to no call, or take up a broken one. Raises `HTTPRefused`."""
        self.exchange.require_accept(EVENTS)
        self._check_version()
        connection = self._session()
        last = self.exchange.headers.one(LAST_EVENT)
        number, prologue = (STANDALONE, b"") if last is None else self._take_up(connection, last)
        stream = connection.standalone() if number == STANDALONE else connection.replay.streams[number]
        reader = stream.attach()
        connection.touch()
        if number == STANDALONE:
            connection.session.reached()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, nursery.cancel_scope)
                await self._write(connection, (number, stream, reader), prologue=prologue)
                nursery.cancel_scope.cancel("the response is complete")
        finally:
            connection.touch()
            connection.left(number, stream, reader)

    def _take_up(self, connection: SessionConnection, last: str) -> tuple[int, bytes]:
        """The number of the stream to go on with, and what its client must know before."""
        found = connection.replay.find(last)
        if found is None:
            raise HTTPRefused(400, f"{LAST_EVENT} {last!r:.100} is not an id of this server")
        number, event = found
        stream = connection.replay.streams.get(number)
        if stream is None and number != STANDALONE:
            raise HTTPRefused(410, GONE)
        prologue = written(b"", last, self.service.config.retry_ms)
        if stream is not None and not stream.rewind(event):
            prologue += written(notice(MISSED))
        return number, prologue

    async def delete(self) -> None:
        """End the session. Raises `HTTPRefused`."""
        self._check_version()
        self.service.table.end(self._session())
        await self.exchange.empty(204)

    # -------------------------------------------------------------------------------------------- heads
    def _session_id(self) -> str | None:
        return self.exchange.headers.one(SESSION)

    def _session(self) -> SessionConnection:
        id = self._session_id()
        if id is None:
            raise HTTPRefused(400, "Mcp-Session-Id is missing: begin with initialize, then send the id it was given")
        connection = self.service.table.find(self.principal, id)
        if connection is None:
            self.service.check_open()
            raise HTTPRefused(404, "there is no session of this Mcp-Session-Id (any more): begin a new one")
        connection.touch()
        return connection

    def _check_version(self) -> None:
        """Absent is fine: it is newer than the oldest clients. Source: Protocol Version Header."""
        version = self.exchange.headers.one(VERSION)
        if version is not None and version not in self.service.versions:
            raise unknown_version(version, self.service.versions)


def unknown_version(version: str, known: Iterable[str]) -> HTTPRefused:
    """The refusal of a version that is not served. Source: Protocol Version Header."""
    return HTTPRefused(400, f"MCP-Protocol-Version {version!r:.100} is not served here; these are: {', '.join(known)}")
