"""
One request of HTTP and its one response, over ASGI.

Owns the reading of the body within its limits, the watch for the client's leaving, and the three shapes of a response:
nothing, one JSON object, a stream of events. Refuses to know sessions and eras.
Source: the ASGI specification, HTTP scope; MCP basic/transports of both revisions; WHATWG HTML, server-sent events.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import trio

from zcp_actors.errors import HTTPRefused
from zcp_actors.transports.http.headers import Headers
from zcp_actors.wire import ErrorResponse, decode, encode
from zcp_actors.wire.salvage import EDGE, too_large

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence

    from zcp_actors.wire import Message

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"

DRAINED = 4
"""Times the limit that is read of a body that is too large: a client that still sends would see a reset, no reason."""

KNOWN_ACCEPTS: Final = 64
"""`Accept` headers that were read already: a client sends the same one every time, and there are few clients."""

STREAM_HEADERS: Final = [
    (b"content-type", EVENTS.encode()),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]

KEEPALIVE: Final = b": keep-alive\n\n"


class Exchange:
    """One request, and what is sent back. `started` tells that the head of the response is on its way."""

    __slots__ = ("_receive", "_send", "headers", "method", "page", "scope", "started")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.method: str = scope["method"]
        self.headers = Headers(scope["headers"])
        self.started = False
        self.page: Sequence[tuple[bytes, bytes]] = ()
        """What every response says to a page that was allowed; see `pages`."""

    # -------------------------------------------------------------------------------------------- the request
    def require_content(self) -> None:
        """Raises `HTTPRefused`: 415 for a body that is not plain JSON."""
        kind = self.headers.get("content-type") or ""
        if kind != JSON and (kind := kind.partition(";")[0].strip().lower()) != JSON:
            raise HTTPRefused(415, f"Content-Type must be {JSON}, not {kind!r:.200}", headers=[("Accept", JSON)])
        if (self.headers.get("content-encoding") or "identity").lower() != "identity":
            raise HTTPRefused(415, "a compressed body is not read; send it as it is")

    def require_accept(self, *kinds: str) -> None:
        """Raises `HTTPRefused`: 406 when the client does not take every one of these."""
        if not takes(self.headers.get("accept"), kinds):
            raise HTTPRefused(406, f"Accept must list {' and '.join(kinds)}")

    async def body(self, limit: int, seconds: float) -> bytes:
        """The whole body. Raises `MessageTooLarge` beyond `limit`, `HTTPRefused` (408) when it is not there in time.

        Raises `ClientLeft` when the client left before its end.
        """
        with trio.CancelScope(deadline=trio.current_time() + seconds):
            return await self._body(limit)
        raise HTTPRefused(408, f"the body did not come within {seconds:g} s", headers=[("Connection", "close")])

    async def _body(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size, head, tail = 0, b"", b""
        while True:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                raise ClientLeft
            part = event.get("body", b"")
            size += len(part)
            if size <= limit:
                parts.append(part)
            elif parts or not head:
                whole = b"".join((*parts, part))
                head, tail, parts = whole[:EDGE], whole[-EDGE:], []
            else:
                tail = (tail + part)[-EDGE:]
            if not event.get("more_body", False) or size > DRAINED * limit:
                break
        if size > limit:
            raise too_large(size, limit, head, tail)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def message(self, limit: int, seconds: float) -> Message:
        """The message in the body. Raises `InvalidMessage`, and as `body` does."""
        return decode(await self.body(limit, seconds), max_bytes=limit)

    async def left(self) -> None:
        """Wait until the client has left, or has its whole response."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    # -------------------------------------------------------------------------------------------- the response
    async def empty(self, status: int, headers: Iterable[tuple[str, str]] = ()) -> None:
        """A response without a body."""
        await self._respond(status, b"", [(b"content-length", b"0"), *raw(headers)])

    async def json(self, status: int, body: bytes, headers: Iterable[tuple[str, str]] = ()) -> None:
        """A response of one JSON object."""
        length = str(len(body)).encode()
        head = [(b"content-type", JSON.encode()), (b"content-length", length), *raw(headers)]
        await self._respond(status, body, head)

    async def error(
        self,
        status: int,
        error: ErrorResponse,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """A JSON-RPC error as the response."""
        await self.json(status, encode(error), headers)

    async def begin_events(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Begin a stream of events."""
        self.started = True
        head = [*STREAM_HEADERS, *raw(headers), *self.page]
        await self._send({"type": "http.response.start", "status": 200, "headers": head})

    async def events(self, data: bytes) -> None:
        """Send some events, or comments, in their written form."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end_events(self) -> None:
        """End the stream."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _respond(self, status: int, body: bytes, head: list[tuple[bytes, bytes]]) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": [*head, *self.page]})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


class ClientLeft(Exception):
    """The client left before its request was there: nobody is to be answered."""


def path_of(scope: Scope) -> str:
    """The path below the mount, without a slash at its end."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if root and path.startswith(f"{root}/"):
        path = path[len(root) :]
    return path.rstrip("/")


@lru_cache(maxsize=KNOWN_ACCEPTS)
def takes(header: str | None, kinds: tuple[str, ...]) -> bool:
    """Whether a client with this `Accept` header takes every one of these media types."""
    accepted = frozenset(accepts(header))
    return all(accepted & {kind, f"{kind.partition('/')[0]}/*", "*/*"} for kind in kinds)


def accepts(header: str | None) -> Iterable[str]:
    """The media types of an `Accept` header that are wanted at all. None accepts everything (RFC 9110, 12.5.1)."""
    for each in (header if header is not None else "*/*").lower().split(","):
        kind, *parameters = (part.strip() for part in each.split(";"))
        if not any(part.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for part in parameters):
            yield kind


def written(data: bytes, id: str | None = None, retry: int | None = None) -> bytes:
    """One event in its written form. JSON of ours has no line ends, so it is one field."""
    head = b"" if id is None else b"id: %s\n" % id.encode()
    if retry is not None:
        head += b"retry: %d\n" % retry
    return b"%sdata: %s\n\n" % (head, data)


def raw(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI takes them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
