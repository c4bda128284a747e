"""
What hypercorn's websockets leave open, closed: compression, messages without an end, clients that are not there.

Owns the change of one hypercorn stream before the application sees it. Refuses to know the application.
The rules: nothing is compressed, so nothing can unpack; of a message that is too big nothing is kept, and its sender
has seconds to leave; neither the application's leaving nor the client's waits for the other.
Written against hypercorn 0.17 and 0.18. A later one without these parts refuses websockets rather than serve them bare.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.protocol.ws_stream import FrameTooLargeError, WebsocketBuffer

from zcp_actors.transports.http.hypercorn_http import is_of_the_peer, joined
from zcp_actors.transports.websocket import CLOSE_SECONDS, PING_SECONDS, PONG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.transports.http.app import HTTPApp
    from zcp_actors.transports.http.exchange import Receive
    from zcp_actors.transports.http.patience import PatientStream

log = logging.getLogger("zcp_actors.http")

LEFT = "websocket.disconnect"


class Attended(ASGIWrapper):
    """The application, as hypercorn calls it for the requests of one connection."""

    def __init__(self, app: HTTPApp, stream: PatientStream) -> None:
        super().__init__(app)  # type: ignore[arg-type]
        self._stream = stream

    async def __call__(self, scope: Any, receive: Any, send: Any, *workers: Any) -> None:
        self._stream.asked()
        if scope["type"] != "websocket":
            if scope["http_version"] != "2":  # there a head that waits for its body would wait for room for the body
                send = joined(send, self._stream)
            try:
                await super().__call__(scope, receive, send, *workers)
            except Exception as error:
                if not is_of_the_peer(error):
                    raise
                log.debug("a response could not be sent", exc_info=True)
            return
        events = self._attend(receive, send.__self__)
        try:
            await super().__call__(scope, events.receive, send, *workers)
        finally:
            events.end()

    def _attend(self, receive: Receive, socket: Any) -> Events:
        """Change hypercorn's part of a websocket; returns what its events come through from now on."""
        socket.handshake.extensions = None
        socket.buffer = ForgetfulBuffer(socket.buffer.max_length, self._too_big)
        self._stream.expect(PING_SECONDS + PONG_SECONDS)
        events = Events(receive, socket.app_put)
        socket.app_put = events.put
        return events

    def _too_big(self) -> None:
        self._stream.end_within(CLOSE_SECONDS)


class ForgetfulBuffer(WebsocketBuffer):
    """A message in parts. hypercorn's own goes on to collect one that it has refused, for as long as parts come."""

    def __init__(self, limit: int, on_too_big: Callable[[], None]) -> None:
        super().__init__(limit)
        self._on_too_big: Callable[[], None] | None = on_too_big

    def extend(self, event: Any) -> None:
        """Raises `FrameTooLargeError`, from then on for everything."""
        if self._on_too_big is not None and self.length + len(event.data) <= self.max_length:
            super().extend(event)
            return
        told, self._on_too_big = self._on_too_big, None
        self.value = None
        if told is not None:
            told()
        raise FrameTooLargeError


class Events:
    """What waits for the application, with room for the last event when there is none for others.

    Whoever writes to a client that left tells so through the same queue, and could wait for its reader for ever, while
    that reader waits for the writer.
    """

    def __init__(self, receive: Receive, put: Any) -> None:
        self._receive, self._put = receive, put
        self._left: Any = None
        self._waiting, self._putting = trio.CancelScope(), trio.CancelScope()
        self._ended = False

    async def put(self, event: Any) -> None:
        """Hypercorn has something for the application. Its one reading task waits here while there is no room."""
        if event["type"] != LEFT:
            with trio.CancelScope() as self._putting:
                if not self._ended:
                    await self._put(event)
            return
        with suppress(trio.WouldBlock, trio.BrokenResourceError):
            self._put.__self__.send_nowait(event)
            return
        self._left = event
        self._waiting.cancel("the client has left")

    async def receive(self) -> Any:
        """The next event. Those before the last may be missing when they were too many."""
        if self._left is None:
            with trio.CancelScope() as self._waiting:
                return await self._receive()
        await trio.lowlevel.checkpoint()
        return self._left

    def end(self) -> None:
        """The application takes nothing any more: nobody shall wait for it to."""
        self._ended = True
        self._putting.cancel("the application has left")


def context_of(shared: Any, stream: PatientStream) -> Any:
    """Hypercorn's context for one connection: who sleeps there between pings wakes when the connection is over."""
    mine = copy(shared)
    mine.sleep = stream.rest
    return mine
