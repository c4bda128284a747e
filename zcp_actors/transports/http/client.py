"""
The client's end of streamable HTTP: each message is a request of its own, and each has its own fate.

Owns what is in flight, by id, and the reading of replies into messages. Refuses to know eras: a manner for each knows
what goes into headers, what a lost stream means and how to take a request back (`client_stateful`, `client_stateless`).
The rule: whatever happens to one exchange is told to the session about that request, and to nobody else.
Source: MCP basic/transports (2025-11-25) and basic/transports/streamable-http (2026-07-28).
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

import attrs
import trio

from zcp_actors.errors import (
    ConnectionLost,
    InvalidMessage,
    InvalidResult,
    MessageTooLarge,
    StartFailed,
    UnexpectedStatus,
    ZCPError,
)
from zcp_actors.transports.http.client_address import shown
from zcp_actors.transports.http.client_request import ask, origin
from zcp_actors.transports.http.sse import EventParser
from zcp_actors.wire import ErrorResponse, Notification, Request, Response, decode, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from zcp_actors.ports import Session
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.transports.http.client_cursor import Cursor
    from zcp_actors.transports.http.client_factory import HTTPClient
    from zcp_actors.transports.http.client_request import Reply
    from zcp_actors.transports.http.sse import Event
    from zcp_actors.wire import Message, RequestId

    Tap = Callable[[str, bytes], None]

HIGH_WATER = 512
"""Requests in flight before `room` waits: each holds a socket, and processes commonly may open 1 024 files."""

ERROR_ROOM = 1024 * 1024
"""Bytes read of a reply with an error status: an error object with its data, but no results."""

EVENT_STREAM = "text/event-stream"
JSON = "application/json"
CANCELLED = "notifications/cancelled"
OK = 200

log = logging.getLogger("zcp_actors.transports")


@attrs.define(eq=False)
class Exchange:
    """One request of ours on its way to its response."""

    request: Request
    body: bytes
    scope: trio.CancelScope = attrs.Factory(trio.CancelScope)
    sent: trio.Event = attrs.Factory(trio.Event)
    """Set when the request has left us: a cancel that overtook it would find nothing."""
    posted: bool = False
    """It is on the wire, or was: the server may know of it."""
    answered: bool = False
    on_reply: Callable[[Response | ErrorResponse], Message | None] | None = None
    """Sees the response first; what it returns is what the session gets."""


class Manner(Protocol):
    """How one era uses HTTP."""

    @property
    def id(self) -> str | None:
        """What the server calls the session in which all of it goes on; None without one."""

    async def converse(self, exchange: Exchange) -> None:
        """Carry a request to its response. Raises `ZCPError` for this request alone."""

    def notify(self, message: Message, body: bytes) -> None:
        """Carry what wants no response. Never waits."""

    async def leave(self) -> None:
        """Say goodbye, where that is said. Bounded by itself."""


class HTTPChannel:
    """An open way to one server. Made by `HTTPWay`."""

    transport = "tcp"
    always_replies = True
    stamp: Any = None

    def __init__(
        self,
        client: HTTPClient,
        url: str,
        nursery: trio.Nursery,
        *,
        max_message: int,
        manner_of: Callable[[HTTPChannel, Any], Manner],
        tap: Tap | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.client, self.url, self.max_message = client, url, max_message
        self._headers = headers
        self.shown = shown(url)
        _, host, port = origin(url)
        self._facts = {"transport": "tcp", "protocol": "http", "address": host, "port": port}
        self._nursery, self._manner_of, self._tap = nursery, manner_of, tap
        self._dialect: Any = None
        self.manner: Manner | None = None
        self.exchanges: dict[RequestId, Exchange] = {}
        self._session: ClientSession | None = None
        self._reading = trio.Event()
        self._progress = trio.lowlevel.ParkingLot()
        self._met = False
        self._parsed: dict[str, Any] = {}
        self._strangers, self._announce = 0, 1
        self.closed = False

    @property
    def dialect(self) -> Any:
        """What is spoken; setting it chooses the manner."""
        return self._dialect

    @dialect.setter
    def dialect(self, dialect: Any) -> None:
        if dialect is not self._dialect:
            self._dialect = dialect
            self.manner = self._manner_of(self, dialect)

    @property
    def facts(self) -> dict[str, Any]:
        """See `ports.Connection`."""
        id = None if self.manner is None else self.manner.id
        return self._facts if id is None else {**self._facts, "session": id}

    @property
    def session(self) -> ClientSession:
        """Who is fed."""
        assert self._session is not None
        return self._session

    # -------------------------------------------------------------------------------------------- from the session
    def post(self, message: Message, call: int | str | None = None) -> None:
        """See `ports.Connection`. Raises `NotJSON` for what no wire carries."""
        if self.closed:
            raise ConnectionLost(f"the client of {self.shown} was closed")
        assert self.manner is not None
        body = encode(message, self._dialect)
        if type(message) is Request:
            exchange = Exchange(message, body)
            self.exchanges[message.id] = exchange
            # What traces HTTP draws the exchange within the request that it carries.
            spans = None if self._session is None else self._session.spans
            if spans is None:
                self.start(self._run, exchange, self.manner)
            else:
                spans.around(message.id).run(self.start, self._run, exchange, self.manner)
        else:
            self.manner.notify(message, body)

    def start(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """Run it beside, until the channel closes."""
        self._nursery.start_soon(work, *arguments)

    @property
    def full(self) -> bool:
        """See `ports.Connection`."""
        return len(self.exchanges) >= HIGH_WATER

    async def room(self) -> None:
        """See `ports.Connection`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self.full and not self.closed:
            await self._progress.park()

    def hang_up(self) -> None:
        """Closing the channel says it."""

    async def read(self, session: Session) -> None:
        """See `ports.Channel`. There is no connection that could be lost as a whole: it ends with its cancel."""
        self._session = cast("ClientSession", session)  # links open ways, and they have no other
        self._reading.set()
        await trio.sleep_forever()

    def close(self) -> None:
        """Post nothing more; whoever waits for room learns it."""
        self.closed = True
        self._progress.unpark_all()

    async def _run(self, exchange: Exchange, manner: Manner) -> None:
        id = exchange.request.id
        try:
            with exchange.scope:
                await self._reading.wait()
                try:
                    await manner.converse(exchange)
                except ZCPError as error:
                    if not exchange.answered:
                        self.session.failed(id, error)
        finally:
            if self.exchanges.get(id) is exchange:
                del self.exchanges[id]
            self._progress.unpark_all()

    # -------------------------------------------------------------------------------------------- for the manners
    def taken_back(self, message: Message) -> Exchange | None:
        """The exchange that this message cancels, if it is a cancel and that is still in flight."""
        if not isinstance(message, Notification) or message.method != CANCELLED:
            return None
        id: Any = getattr(message.params, "request_id", None)
        return self.exchanges.get(id)

    @asynccontextmanager
    async def ask(
        self, method: str, headers: Mapping[str, str | bytes], body: bytes | None = None, sent: trio.Event | None = None
    ) -> AsyncIterator[Reply]:
        """One HTTP request to the server; see `client_request.ask`."""
        if self._tap is not None and body is not None:
            self._tap("out", body)
        if self._headers is not None:
            headers = {**self._headers, **headers}
        try:
            async with ask(self.client, method, self.url, headers, body=body, sent=sent, parsed=self._parsed) as reply:
                self._met = True
                yield reply
        except StartFailed as error:
            if self._met:
                raise ConnectionLost(str(error)) from error
            raise

    async def hear(self, reply: Reply, exchange: Exchange | None, cursor: Cursor) -> None:
        """Read a reply to its end, or to the exchange's response.

        Raises `UnexpectedStatus` for a reply that carries no message, `ConnectionLost`, `MessageTooLarge`,
        `InvalidResult`.
        """
        if reply.status != OK:
            await self._refused(reply, exchange)
        elif reply.media_type == EVENT_STREAM:
            await self._stream(reply, exchange, cursor)
        elif reply.media_type == JSON:
            self._whole(await reply.body(self.max_message), exchange)
        else:
            raise UnexpectedStatus(
                reply.url, reply.status, f"with {reply.media_type or 'no content type'}, not a message"
            )

    async def _stream(self, reply: Reply, exchange: Exchange | None, cursor: Cursor) -> None:
        parser = EventParser(self.max_message)

        def take(piece: bytes) -> bool:
            for event in parser.feed(piece):
                cursor.note(event)
                self._event(event, exchange)
            return exchange is None or not exchange.answered

        await reply.pour(take)

    def _event(self, event: Event, exchange: Exchange | None) -> None:
        if event.type != "message" or not event.data:
            return
        try:
            message = self.decode(event.data)
        except InvalidMessage as error:
            if exchange is not None and error.id == exchange.request.id and error.kind == "response":
                exchange.answered = True
            self.session.refuse(error)
        else:
            self._pass(message, exchange)

    def _whole(self, body: bytes, exchange: Exchange | None) -> None:
        """A reply that is one message."""
        if exchange is None:
            return
        try:
            message = self.decode(body)
        except InvalidMessage as error:
            raise InvalidResult(f"{exchange.request.method}: the server's reply cannot be read: {error}") from error
        self._pass(message, exchange)
        if not exchange.answered:
            raise InvalidResult(f"{exchange.request.method}: the server replied with something else than a response")

    def decode(self, data: bytes) -> Message:
        """One message. Raises `InvalidMessage`."""
        if self._tap is not None:
            self._tap("in", data)
        return decode(data, max_bytes=self.max_message)

    def _pass(self, message: Message, exchange: Exchange | None) -> None:
        """Give a message to the session; a response only if it is the one that this stream is for."""
        if exchange is None or not isinstance(message, Response | ErrorResponse):
            self.session.feed(message)
            return
        if message.id is None:
            message = attrs.evolve(message, id=exchange.request.id)
        if message.id != exchange.request.id or type(message.id) is not type(exchange.request.id):
            self._strangers += 1
            if self._strangers >= self._announce:
                # The 1st, 10th, 100th, …: as for what is no message.
                self._announce *= 10
                log.warning(
                    "%s answers request %.100r on the stream of another (no. %d); dropped",
                    self.shown,
                    message.id,
                    self._strangers,
                )
            return
        exchange.answered = True
        passed = message if exchange.on_reply is None else exchange.on_reply(message)
        if passed is not None:
            self.session.feed(passed)

    async def _refused(self, reply: Reply, exchange: Exchange | None) -> None:
        """An error status: with an error object it is the response, else it is all there is."""
        error = await self._error_of(reply) if exchange is not None and reply.media_type == JSON else None
        if error is None or exchange is None:
            raise UnexpectedStatus(reply.url, reply.status)
        self._pass(attrs.evolve(error, id=exchange.request.id), exchange)

    async def _error_of(self, reply: Reply) -> ErrorResponse | None:
        try:
            message = self.decode(await reply.body(ERROR_ROOM))
        except (InvalidMessage, MessageTooLarge):
            return None
        return message if isinstance(message, ErrorResponse) else None
