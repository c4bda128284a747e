"""
The way to a server behind an URL.

Owns the opening and the closing: when it is closed, streams are closed first, then the session, then the connections.
Refuses to know messages.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs
import trio

from zcp_actors.errors import StartFailed, ZCPError
from zcp_actors.protocol.dialect import Era
from zcp_actors.transports.http.client import HTTPChannel
from zcp_actors.transports.http.client_address import authorized, bare, checked_headers, checked_url, identity, name_of
from zcp_actors.transports.http.client_factory import make_http_client
from zcp_actors.transports.http.client_stateful import StatefulManner
from zcp_actors.transports.http.client_stateless import StatelessManner
from zcp_actors.wire import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from zcp_actors.transports.http.client import Manner, Tap
    from zcp_actors.transports.http.client_factory import HTTPClient

CLOSE_SECONDS = 2.0
"""To close all connections; a peer that is gone must not hold a program that leaves."""


def manner_of(channel: HTTPChannel, dialect: Any) -> Manner:
    """How this dialect uses HTTP."""
    return StatelessManner(channel) if dialect.version == Era.STATELESS.value else StatefulManner(channel)


@attrs.frozen
class URLWay:
    """What every way over HTTP has: where to, with which client, and what of it is ours to close."""

    url: str = attrs.field(converter=checked_url, repr=name_of)
    http_client: HTTPClient | None = None
    """Used, and not closed: it belongs to whoever made it. None: one is made for each opening."""
    make: Callable[..., HTTPClient] = make_http_client
    headers: Mapping[str, str] | None = attrs.field(default=None, converter=checked_headers, repr=False)
    auth: Any = attrs.field(default=None, repr=False)
    max_message: int = MAX_BYTES
    tap: Tap | None = None
    at_once = False

    @property
    def name(self) -> str:
        """Host and path."""
        return name_of(self.url)

    @property
    def identity(self) -> str | None:
        """The URL, without what may be secret in it. None for an app in this process: others are at the same URL."""
        return identity(self.url) if self.make is make_http_client else None

    @property
    def target(self) -> str:
        """The URL that requests go to: its credentials go apart, in a header."""
        return bare(self.url)

    @property
    def beside(self) -> Mapping[str, str] | None:
        """The headers that a client which was passed does not know, to be sent beside its own."""
        if self.http_client is None:
            return None
        headers = self._sent_along(getattr(self.http_client, "auth", None))
        return {name.lower(): value for name, value in headers.items()} or None

    def _sent_along(self, auth: Any) -> Mapping[str, str]:
        """With authentication of its own a client keeps the URL's credentials to itself."""
        return authorized(self.headers, self.url) if auth is None else self.headers or {}

    @asynccontextmanager
    async def lent_client(self) -> AsyncIterator[HTTPClient]:
        """The HTTP client for one opening; one that was made for it is closed with the block, within a deadline."""
        client = self.http_client or self._made()
        try:
            yield client
        finally:
            if client is not self.http_client:
                with trio.move_on_after(CLOSE_SECONDS, shield=True):
                    await client.aclose()

    def _made(self) -> HTTPClient:
        try:
            return self.make(headers=self._sent_along(self.auth), auth=self.auth)
        except ZCPError:
            raise
        except Exception as error:
            raise StartFailed(
                f"no HTTP client could be made for {self.name}: {error} (if that is about a proxy, see HTTP_PROXY, "
                f"HTTPS_PROXY and ALL_PROXY; NO_PROXY={urlsplit(self.url).hostname} leaves it out)"
            ) from error

    def join(self, runtime: Any, session: Any) -> Any:
        """Never asked for: this way is opened."""
        raise NotImplementedError


@attrs.frozen
class HTTPWay(URLWay):
    """The way to a streamable HTTP server."""

    @asynccontextmanager
    async def open(self, runtime: Any) -> AsyncIterator[HTTPChannel]:
        """See `ports.Way`. Nothing is sent yet."""
        channel: HTTPChannel | None = None
        async with self.lent_client() as client:
            try:
                async with trio.open_nursery() as nursery:
                    channel = HTTPChannel(
                        client,
                        self.target,
                        nursery,
                        max_message=self.max_message,
                        manner_of=manner_of,
                        tap=self.tap,
                        headers=self.beside,
                    )
                    try:
                        yield channel
                    finally:
                        channel.close()
                        nursery.cancel_scope.cancel("the client is closed")
            finally:
                if channel is not None and channel.manner is not None:
                    await channel.manner.leave()
