"""
The way to a server behind a websocket.

Owns the opening: name, connection, TLS, upgrade, under deadlines. Refuses to know messages.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import attrs
import trio

from zcp_actors.errors import StartFailed
from zcp_actors.transports.http.client_address import authorized, checked_headers, checked_url, identity, name_of
from zcp_actors.transports.websocket import RECEIVE_BYTES, SUBPROTOCOL, WebsocketConnection
from zcp_actors.transports.websocket_reader import Limited, Reader
from zcp_actors.wire import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from zcp_actors.ports import Session
    from zcp_actors.transports.websocket import Tap

OPEN_SECONDS = 10.0
"""For connection, TLS and upgrade: two lost packets of the handshake are made good in seven."""

UPGRADE_ROOM = 1024 * 1024
"""Bytes of a server's answer to the upgrade: a page that says no, and the first messages of one that says yes."""

SECURE = "wss"

AS_THEY_ARE = "%/?:@!$&'()*+,;=~[]"
"""What stands in a path and a query as it is, beside letters, digits and "_.-"; the rest is written as its bytes."""


class WebsocketChannel(WebsocketConnection):
    """The client's end."""

    async def read(self, session: Session) -> None:
        """See `ports.Channel`."""
        raise await self.converse(session)


def _checked(url: str) -> str:
    return checked_url(url, ("ws", SECURE))


@attrs.frozen
class WebsocketWay:
    """The way to a server behind a `ws` or `wss` URL."""

    url: str = attrs.field(converter=_checked, repr=name_of)
    headers: Mapping[str, str] | None = attrs.field(default=None, converter=checked_headers, repr=False)
    ssl_context: ssl.SSLContext | None = None
    """For `wss`; None takes the system's certificates."""
    max_message: int = MAX_BYTES
    tap: Tap | None = None
    at_once = False

    @property
    def name(self) -> str:
        """Host and path."""
        return name_of(self.url)

    @property
    def identity(self) -> str:
        """The URL, without what may be secret in it."""
        return identity(self.url)

    @asynccontextmanager
    async def open(self, runtime: Any) -> AsyncIterator[WebsocketChannel]:
        """See `ports.Way`. The upgrade is done when the block begins."""
        stream = await self._connected()
        try:
            async with trio.open_nursery() as nursery:
                reader = Reader(nursery)
                try:
                    frames = await self._upgraded(reader, stream)
                    yield WebsocketChannel(frames, self.name, self.max_message, self.tap)
                finally:
                    reader.stop()
        finally:
            await trio.aclose_forcefully(stream)

    async def _connected(self) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
        parts = urlsplit(self.url)
        host, secure = parts.hostname or "", parts.scheme.lower() == SECURE
        try:
            with trio.fail_after(OPEN_SECONDS):
                stream = await trio.open_tcp_stream(host, parts.port or (443 if secure else 80))
                return await self._secured(stream, host) if secure else stream
        except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            cause = error.__cause__ if isinstance(error, trio.BrokenResourceError) else None
            why = str(cause or error) or f"{OPEN_SECONDS:g} s have passed"
            raise StartFailed(f"{self.name} cannot be reached: {why}") from error

    async def _secured(self, stream: trio.SocketStream, host: str) -> trio.SSLStream[trio.SocketStream]:
        context = self.ssl_context or ssl.create_default_context()
        secured = trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)
        try:
            await secured.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return secured

    async def _upgraded(self, reader: Reader, stream: Any) -> Any:
        from trio_websocket import wrap_client_stream

        parts = urlsplit(self.url)
        resource = quote(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", safe=AS_THEY_ARE)
        headers = [(name.encode(), value.encode()) for name, value in authorized(self.headers, self.url).items()]
        nursery: Any = reader  # it starts tasks, and that is all that is asked of it
        limited: Any = Limited(stream, UPGRADE_ROOM)
        wrap: Any = partial(
            wrap_client_stream,
            nursery,
            limited,
            parts.netloc.rpartition("@")[2],
            resource,
            subprotocols=[SUBPROTOCOL],
            extra_headers=headers,
            max_message_size=self.max_message,
            receive_buffer_size=RECEIVE_BYTES,
        )
        with trio.move_on_after(OPEN_SECONDS):
            frames = await reader.first(wrap)
            if frames is not None:
                limited.opened()
                return frames
        raise StartFailed(f"{self.name} did not open a websocket: {refusal(reader.failure)}") from reader.failure

    def join(self, runtime: Any, session: Any) -> Any:
        """Never asked for: this way is opened."""
        raise NotImplementedError


def refusal(failure: Exception | None) -> str:
    """Why there is no websocket."""
    if failure is None:
        return "it ended the connection, or is silent"
    status = getattr(failure, "status_code", None)
    if status:
        return f"it answered with HTTP status {status}"
    first: BaseException = failure
    while first.__context__ is not None:
        first = first.__context__
    return f"its answer is no upgrade: {first!r:.200}"
