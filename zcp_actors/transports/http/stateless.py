"""
2026-07-28 over HTTP: every POST is an exchange of its own, with a session and a connection of its own.

Owns the checks of one request's headers, the status that an error has, and the life of the exchange: what closes the
response cancels the call. Refuses to keep anything between two requests, so equal ids of two POSTs can never cross.
Source: MCP 2026-07-28 basic/transports, Streamable HTTP; basic/utilities/cancellation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio

from zcp_actors.errors import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    OVERLOADED,
    PARSE_ERROR,
    UNSUPPORTED_VERSION,
    ConnectionLost,
    HTTPRefused,
    UnsupportedVersion,
)
from zcp_actors.protocol.dialect import Era
from zcp_actors.transports.http.headers import VERSION, check_params, check_standard
from zcp_actors.transports.http.streams import Stream, key_of
from zcp_actors.transports.http.writer import Writer
from zcp_actors.wire import ErrorResponse, Notification, Request, Response, encode
from zcp_actors.wire.meta_keys import PROTOCOL_VERSION

if TYPE_CHECKING:
    from zcp_actors.sessions.server import ServerSession
    from zcp_actors.transports.http.exchange import Exchange
    from zcp_actors.transports.http.service import Service
    from zcp_actors.wire import Message

STATUS: Final = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    MISSING_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400,
    METHOD_NOT_FOUND: 404,
    OVERLOADED: 503,
}
"""The status of a reply that is an error, by its code; any other code is an answer like every other, 200."""

LISTEN: Final = "subscriptions/listen"


class Posted:
    """The connection of one exchange: see `ports.Connection`. Its session serves one request."""

    __slots__ = ("dialect", "reply", "stamp", "stream")

    transport = "tcp"
    facts = {"transport": "tcp", "protocol": "http"}  # noqa: RUF012 - never written to
    full = False

    def __init__(self) -> None:
        self.dialect: Any = None
        self.stamp: Any = None
        self.stream = Stream()
        self.reply: Response | ErrorResponse | None = None
        """The last word, once it was posted."""

    def post(self, message: Message, call: int | str | None = None) -> None:
        """See `ports.Connection`."""
        self.stream.put(encode(message, self.dialect, self.stamp), key_of(message))
        if isinstance(message, Response | ErrorResponse):
            self.reply = message
            self.stream.end()

    async def room(self) -> None:
        """Wait while the client is behind, but not for ever: then reports give way to newer ones."""
        await self.stream.room()

    def hang_up(self) -> None:
        """The session has ended."""
        self.stream.end()


async def answer(service: Service, exchange: Exchange, message: Message, principal: str) -> None:
    """Answer one POST. Raises `RPCError` for a request that is not let in."""
    _check_headers(service, exchange, message)
    if isinstance(message, Notification):
        await exchange.empty(202)
        return
    if not isinstance(message, Request):
        raise HTTPRefused(400, "a client of 2026-07-28 sends no responses")
    posted = Posted()
    with service.hosting(posted, Era.STATELESS, principal) as session:
        reader = posted.stream.attach()
        session.feed(message)
        await posted.stream.glance()
        if not await _replied(exchange, posted):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch, exchange, session, nursery.cancel_scope)
                await _respond(service, exchange, posted, reader)
                nursery.cancel_scope.cancel("the response is complete")
    if posted.reply is None and not exchange.started:
        raise HTTPRefused(503, "the server ended before this request was answered")


def _check_headers(service: Service, exchange: Exchange, message: Message) -> None:
    """Raises the mismatch of headers and body, `UnsupportedVersion` for a version that only a header tells of."""
    if not isinstance(message, Request | Notification):
        return
    params = message.params
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get(PROTOCOL_VERSION) if isinstance(meta, dict) else None
    told = exchange.headers.one(VERSION)
    if version is None and told is not None and told not in service.versions:
        raise UnsupportedVersion(told, service.versions)
    check_standard(exchange.headers, message.method, params, version)
    if message.method == "tools/call" and isinstance(params, dict):
        check_params(exchange.headers, service.mirrored(params.get("name")), params.get("arguments"))


async def _watch(exchange: Exchange, session: ServerSession, responding: trio.CancelScope) -> None:
    """A client that leaves has cancelled its request, and nothing more is sent for it."""
    await exchange.left()
    session.lost(ConnectionLost("the client closed the response stream"))
    responding.cancel("the client has left")


async def _replied(exchange: Exchange, posted: Posted) -> bool:
    """Respond with the reply, if it is there and all there is to say."""
    if posted.reply is None or posted.stream.unread != 1:
        return False
    status = STATUS.get(posted.reply.code, 200) if isinstance(posted.reply, ErrorResponse) else 200
    (event,) = posted.stream.take()
    await exchange.json(status, event.data)
    return True


async def _respond(service: Service, exchange: Exchange, posted: Posted, reader: object) -> None:
    """JSON when the reply is all there is to say, events when there is more, or when it takes long."""
    stream = posted.stream
    await stream.wait(reader, service.config.keepalive_seconds)
    if not await _replied(exchange, posted) and not stream.over(reader):
        await Writer(exchange, stream, reader, service.config.keepalive_seconds).run()
