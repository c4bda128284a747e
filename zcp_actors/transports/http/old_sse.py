"""
The client's end of HTTP+SSE, the transport before streamable HTTP: one stream for all that comes, POSTs for what goes.

Owns the stream and where it says that messages go. Refuses to serve: there is no server's end of this one.
The rule: the stream is the connection. When it ends, everything in flight is lost; a POST that fails ends its own
request. Source: MCP 2024-11-05 basic/transports, "HTTP with SSE".
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.errors import ConnectionLost, InvalidMessage, MessageTooLarge, StartFailed, UnexpectedStatus
from zcp_actors.transports.http.client import CANCELLED, EVENT_STREAM, JSON, OK, HTTPChannel
from zcp_actors.transports.http.client_address import shown
from zcp_actors.transports.http.client_request import ask, within
from zcp_actors.transports.http.client_stateful import StatefulManner
from zcp_actors.transports.http.client_way import URLWay
from zcp_actors.transports.http.sse import EventParser
from zcp_actors.wire import Notification

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zcp_actors.ports import Session
    from zcp_actors.transports.http.client import Exchange
    from zcp_actors.transports.http.client_factory import HTTPClient
    from zcp_actors.transports.http.client_request import Reply
    from zcp_actors.transports.http.sse import Event
    from zcp_actors.wire import Message

ENDPOINT_SECONDS = 30.0
"""For the stream's head, and for its first event, which says where messages go: a server that has started sends both at
once."""

MAX_EARLY = 64
"""Events that may come before the session reads: a server has nothing to say before it is asked, but some greet."""

ACCEPTED_BELOW = 300

log = logging.getLogger("zcp_actors.transports")


class OldManner(StatefulManner):
    """Requests are POSTed like everything else; their responses come by the stream."""

    async def converse(self, exchange: Exchange) -> None:
        """See `Manner`."""
        if exchange.request.method != "initialize":
            await self._introduced.wait()
        await self._carry(exchange)

    async def _carry(self, exchange: Exchange) -> None:
        headers = {**self._headers(), "content-type": JSON}
        exchange.posted = True
        async with self._channel.ask("POST", headers, exchange.body, exchange.sent) as reply:
            if reply.status >= ACCEPTED_BELOW:
                raise UnexpectedStatus(reply.url, reply.status, f"to {exchange.request.method}")

    def notify(self, message: Message, body: bytes) -> None:
        """See `Manner`. A request that was accepted is not in flight here any more, and can be cancelled still."""
        is_cancel = isinstance(message, Notification) and message.method == CANCELLED
        if is_cancel and self._channel.taken_back(message) is None:
            self._later(message, body)
        else:
            super().notify(message, body)

    async def _begin_standing(self) -> None:
        """The one stream stands already."""


class OldChannel(HTTPChannel):
    """The stream, and where to POST."""

    def __init__(self, client: HTTPClient, url: str, nursery: trio.Nursery, **options: Any) -> None:
        super().__init__(client, url, nursery, **options)
        self._stream_url = url
        self.found, self._ended = trio.Event(), trio.Event()
        self.lost: ConnectionLost | None = None
        self._early: list[Event] = []

    async def read(self, session: Session) -> None:
        """See `ports.Channel`."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(super().read, session)
            await self._reading.wait()
            early, self._early = self._early, []
            for event in early:
                self._hear(event)
            await self._ended.wait()
            nursery.cancel_scope.cancel("the stream ended")
        assert self.lost is not None
        raise ConnectionLost(str(self.lost)) from self.lost

    async def follow(self, reply: Reply) -> None:
        """Read the stream to its end."""
        parser = EventParser(self.max_message)

        def take(piece: bytes) -> bool:
            for event in parser.feed(piece):
                self._hear(event)
            return True

        try:
            await reply.pour(take)
            self.lost = ConnectionLost(f"{self.shown} ended its stream")
        except (ConnectionLost, MessageTooLarge) as error:
            self.lost = ConnectionLost(f"the stream of {self.shown} was lost: {error}")
        finally:
            self._ended.set()
            self.found.set()

    def _hear(self, event: Event) -> None:
        if event.type == "endpoint" and event.data is not None and not self.found.is_set():
            self._find(event.data)
        elif event.type != "message" or not event.data or not self.found.is_set():
            return
        elif self._session is None or self._early:
            self._keep(event)
        else:
            try:
                self.session.feed(self.decode(event.data))
            except InvalidMessage as error:
                self.session.refuse(error)

    def _keep(self, event: Event) -> None:
        if len(self._early) < MAX_EARLY:
            self._early.append(event)
        else:
            log.warning("%s says more than %d things before it is asked; dropped", self.shown, MAX_EARLY)

    def _find(self, data: bytes) -> None:
        self.url = within(self._stream_url, data.decode("utf-8", "replace").strip(), "wants messages sent to")
        self.found.set()


@attrs.frozen
class OldSSEWay(URLWay):
    """The way to a server of the old HTTP+SSE transport; `url` is that of its stream."""

    @asynccontextmanager
    async def open(self, runtime: Any) -> AsyncIterator[OldChannel]:
        """See `ports.Way`. The stream stands when the block begins."""
        async with self.lent_client() as client, self._stream(client) as reply, trio.open_nursery() as nursery:
            channel = OldChannel(
                client,
                self.target,
                nursery,
                max_message=self.max_message,
                manner_of=lambda channel, _: OldManner(channel),
                tap=self.tap,
                headers=self.beside,
            )
            nursery.start_soon(channel.follow, reply)
            try:
                await _place(channel)
                yield channel
            finally:
                channel.close()
                nursery.cancel_scope.cancel("the client is closed")

    @asynccontextmanager
    async def _stream(self, client: HTTPClient) -> AsyncIterator[Reply]:
        headers = {**(self.beside or {}), "accept": EVENT_STREAM, "cache-control": "no-store"}
        async with AsyncExitStack() as stack:
            with trio.move_on_after(ENDPOINT_SECONDS) as waiting:
                reply = await stack.enter_async_context(ask(client, "GET", self.target, headers))
            if waiting.cancelled_caught:
                raise StartFailed(f"{shown(self.url)} did not answer within {ENDPOINT_SECONDS:g} s")
            if reply.status != OK or reply.media_type != EVENT_STREAM:
                raise StartFailed(
                    f"{shown(self.url)} answered with HTTP status {reply.status} and {reply.media_type or 'nothing'}, "
                    f"not with a stream of events; for streamable HTTP use streamable_http_client(url)"
                )
            yield reply


async def _place(channel: OldChannel) -> None:
    """Wait until the server has said where messages go. Raises `StartFailed`."""
    with trio.move_on_after(ENDPOINT_SECONDS) as waiting:
        await channel.found.wait()
    if waiting.cancelled_caught or channel.lost is not None:
        raise StartFailed(f"the server did not say where messages go: {channel.lost or 'it was silent'}")
