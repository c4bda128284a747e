"""
Sessions over websockets inside the ASGI application, beside its endpoint for HTTP.

Owns the judgement of an upgrade, the turning of ASGI's events into frames, and the number of connections. Refuses to
know messages, and pings: ASGI has none, the server that runs the application sends them (`serve_http` does).
The rule: whoever may not come in is answered before the upgrade, with the status that HTTP would give.
Source: the ASGI specification, websocket scope and its extension for HTTP responses; RFC 6455, 7.4.1.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.errors import HTTPRefused, NoRuntime
from zcp_actors.transports.http.exchange import JSON, path_of, raw
from zcp_actors.transports.http.headers import Headers
from zcp_actors.transports.http.identity import principal_of
from zcp_actors.transports.http.service import RETRY_AFTER, SHUTTING_DOWN
from zcp_actors.transports.websocket import GOING_AWAY, SUBPROTOCOL, TOO_BIG, WebsocketConnection
from zcp_actors.wire import ErrorResponse, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcp_actors.transports.http.app import HTTPApp
    from zcp_actors.transports.http.exchange import Receive, Scope, Send
    from zcp_actors.transports.http.service import Service

log = logging.getLogger("zcp_actors.http")

REFUSES_WITH_HTTP = "websocket.http.response"
"""The extension by which an upgrade is refused with a whole response; without it every refusal is the server's 403."""

UNAVAILABLE = 503

NOT_ALLOWED, TRY_AGAIN_LATER = 1008, 1013


@attrs.frozen
class Goodbye:
    """Why a websocket is closed."""

    code: int
    reason: str = ""


class SocketClosed(Exception):
    """No more frames come: `reason` says why, as the exception of `trio_websocket` does."""

    def __init__(self, reason: Goodbye) -> None:
        super().__init__(f"closed with code {reason.code}")
        self.reason = reason


class EventFrames:
    """An ASGI websocket as frames, see `transports.websocket.Frames`. One task receives at a time."""

    def __init__(self, receive: Receive, send: Send, max_message: int) -> None:
        self._receive, self._send, self._max = receive, send, max_message
        self._left = False
        self._fault: Goodbye | None = None
        self._patience = trio.CancelScope()

    async def accept(self, subprotocol: str | None) -> None:
        """Let the client in. Raises what the server raises when it is gone."""
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": []})

    async def get_message(self) -> str | bytes:
        """The next whole message. Raises `SocketClosed` when there will be none, and for one that is too big."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            self._left = True
            raise SocketClosed(Goodbye(event.get("code", 1005), event.get("reason") or ""))
        text: str | None = event.get("text")
        if text is None:
            data: bytes = event.get("bytes") or b""
            return data
        if exceeds(text, self._max):
            self._fault = Goodbye(TOO_BIG, f"a message may have {self._max} bytes")
            raise SocketClosed(self._fault)
        return text

    async def send_message(self, message: str) -> None:
        """Send one text. Raises what the server raises when it cannot be sent; some drop it without a word."""
        await self._send({"type": "websocket.send", "text": message})

    async def ping(self) -> None:
        """Nothing: it is the server that asks, and ends what does not answer."""
        await trio.lowlevel.checkpoint()

    async def aclose(self, code: int = 1000, reason: str | None = None) -> None:
        """Say goodbye and wait for the answer: a socket closed on unread frames would be reset, the goodbye lost."""
        if self._left:
            return
        said = self._fault or Goodbye(code, reason or "")
        with suppress(Exception):  # what a server raises for a client that is gone is its own
            await self._send({"type": "websocket.close", "code": said.code, "reason": short(said.reason)})
            with self._patience:
                while (await self._receive())["type"] != "websocket.disconnect":
                    pass
        self._left = True

    def cut(self) -> None:
        """Wait for no answer to a goodbye."""
        self._patience.cancel("the server ends now")


class VisitorConnection(WebsocketConnection):
    """The server's end: it closes with 1001 when it is the server that goes."""

    def __init__(self, frames: EventFrames, peer: str, service: Service) -> None:
        super().__init__(frames, peer, service.config.max_message)
        self._service = service

    def hang_up(self) -> None:
        """See `ports.Connection`."""
        if self._service.draining:
            self.farewell = SHUTTING_DOWN, GOING_AWAY
        super().hang_up()


class Visitors:
    """The websockets of one application: who comes in, and that they are not too many."""

    def __init__(self, app: HTTPApp) -> None:
        self._app = app
        self._open: dict[EventFrames, None] = {}

    @property
    def full(self) -> bool:
        """No more are let in for now."""
        return len(self._open) >= self._app.config.max_websockets

    def cut(self) -> None:
        """The server ends now: nobody is waited for."""
        for frames in self._open:
            frames.cut()

    async def visit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI websocket, from the upgrade to its end."""
        if (await receive())["type"] != "websocket.connect":
            return
        try:
            await self._serve(scope, EventFrames(receive, send, self._app.config.max_message))
        except HTTPRefused as error:
            await refuse(scope, send, error)
        except NoRuntime as error:
            await refuse(scope, send, HTTPRefused(UNAVAILABLE, str(error)))

    async def _serve(self, scope: Scope, frames: EventFrames) -> None:
        """Raises `HTTPRefused` and `NoRuntime` as long as nothing is accepted."""
        self._judge(scope)
        service = self._app.service
        with service.request(), self._place(frames):
            principal = await principal_of(self._app.config.authenticate, scope)
            service.check_open()
            connection = VisitorConnection(frames, peer_of(scope), service)
            with service.hosting(connection, None, principal) as session:
                try:
                    await frames.accept(SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None)
                except Exception as error:  # noqa: BLE001 - the server's own, for a client that is gone
                    log.debug("a websocket was not opened: %s", error)
                    return
                await connection.converse(session, wait_for_room=True)

    def _judge(self, scope: Scope) -> None:
        headers = Headers(scope["headers"])
        self._app.doorkeeper.check(headers.get("host"), headers.get("origin"))
        path, ours = path_of(scope), self._app.config.websocket_endpoint
        if path != ours.rstrip("/"):
            raise HTTPRefused(404, f"no websocket is served at {path!r:.200}; it is {ours}")

    @contextmanager
    def _place(self, frames: EventFrames) -> Iterator[None]:
        if self.full:
            raise HTTPRefused(UNAVAILABLE, f"{len(self._open)} websockets are open, the limit", headers=RETRY_AFTER)
        self._open[frames] = None
        try:
            yield
        finally:
            del self._open[frames]


async def refuse(scope: Scope, send: Send, error: HTTPRefused) -> None:
    """Answer an upgrade that is not granted: as the endpoint would, where the server can do that."""
    if REFUSES_WITH_HTTP not in (scope.get("extensions") or {}):
        code = TRY_AGAIN_LATER if error.status == UNAVAILABLE else NOT_ALLOWED
        await send({"type": "websocket.close", "code": code, "reason": short(error.message)})
        return
    body = encode(ErrorResponse(None, error.code, error.message, error.data))
    head = [
        (b"content-type", JSON.encode()),
        (b"content-length", b"%d" % len(body)),
        *raw(error.headers),
    ]
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": head})
    await send({"type": "websocket.http.response.body", "body": body})


def peer_of(scope: Scope) -> str:
    """Who is at the other end, for people."""
    client: Any = scope.get("client") or ("a client", "")
    return f"{client[0]}:{client[1]}".rstrip(":")


def exceeds(text: str, limit: int) -> bool:
    """Its UTF-8 has more bytes than that. It is only written out where the number of characters leaves it open."""
    if text.isascii() or len(text) > limit:
        return len(text) > limit
    return len(text.encode("utf-8", "surrogatepass")) > limit


def short(reason: str) -> str:
    """A closing reason has 123 bytes at most (RFC 6455, 5.5)."""
    return reason.encode()[:123].decode(errors="ignore")
