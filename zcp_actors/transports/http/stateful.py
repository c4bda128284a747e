"""
2025-11-25 over HTTP: a session over many requests, and the streams on which its messages travel.

Owns the routing of a session's messages: what belongs to a call goes on the stream of the request that asked, the rest
on the stream of the GET, each message on one stream. Refuses to know HTTP's heads and statuses (`conversation` does).
The rules: a client that is gone has cancelled nothing, its messages wait; an id in flight has one stream, and a request
that repeats it gets an error of its own. Source: MCP 2025-11-25 basic/transports, Streamable HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import INTERNAL_ERROR, ConnectionLost
from zcp_actors.transports.http.replay import REPLAY_BYTES, Replay
from zcp_actors.transports.http.streams import HARD_LIMIT_BYTES, Stream, key_of
from zcp_actors.wire import ErrorResponse, Request, Response, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.actors.timers import Timer
    from zcp_actors.sessions.server import ServerSession
    from zcp_actors.wire import Message, RequestId

STANDALONE = 0
"""The number of the stream for what belongs to no call."""

TRIM_EVERY = 64
"""Events handed out between two looks at what may be let go."""


TOO_MUCH = "more waits to be read by this client than the server keeps"


class Route:
    """The stream of one POSTed request, until its reply."""

    __slots__ = ("forgotten", "number", "reply", "stream")

    def __init__(self, number: int, stream: Stream) -> None:
        self.number, self.stream = number, stream
        self.reply: Response | ErrorResponse | None = None
        self.forgotten = False
        """Its client left before it was told an id of an event: nobody can ask for the rest."""


class SessionConnection:
    """The connection of one session: see `ports.Connection`."""

    transport = "tcp"
    full = False

    __slots__ = (
        "__weakref__",
        "_ended",
        "_handed",
        "dialect",
        "id",
        "principal",
        "replay",
        "routes",
        "session",
        "stamp",
        "timer",
        "touched",
    )

    def __init__(self, id: str, principal: str, ended: Callable[[SessionConnection], None]) -> None:
        self.id, self.principal, self._ended = id, principal, ended
        self.dialect: Any = None
        self.stamp: Any = None
        self.session: ServerSession
        self.replay = Replay()
        self.routes: dict[RequestId, Route] = {}
        """The requests in flight, by their ids."""
        self.timer: Timer | None = None
        self.touched = trio.current_time()
        self._handed = 0

    @property
    def facts(self) -> dict[str, Any]:
        """See `ports.Connection`."""
        return {"transport": "tcp", "protocol": "http", "session": self.id}

    # -------------------------------------------------------------------------------------------- from the session
    def post(self, message: Message, call: int | str | None = None) -> None:
        """See `ports.Connection`. A message is never lost to the session because a client does not read."""
        data = encode(message, self.dialect, self.stamp)
        route = self.routes.get(call) if call is not None else None
        if isinstance(message, Response | ErrorResponse) and route is not None:
            self._reply(route, message, data)
            return
        stream = self.standalone() if route is None else route.stream
        if not self._put(stream, data, message) and isinstance(message, Request):
            self.session.feed(ErrorResponse(message.id, INTERNAL_ERROR, f"not asked: {TOO_MUCH}"))

    def _put(self, stream: Stream, data: bytes, message: Message) -> bool:
        if self.replay.spent + len(data) > REPLAY_BYTES:
            self.replay.trim()
        if key_of(message) is None and not self.replay.shrink(HARD_LIMIT_BYTES - len(data)):
            return False
        try:
            stream.put(data, key_of(message))
        except ConnectionLost:
            return False
        return True

    def _reply(self, route: Route, reply: Response | ErrorResponse, data: bytes) -> None:
        """The last message of a call's stream. One that cannot be kept is told to be lost."""
        assert reply.id is not None
        del self.routes[reply.id]
        if not self._put(route.stream, data, reply):
            reply = ErrorResponse(reply.id, INTERNAL_ERROR, f"the reply was lost: {TOO_MUCH}")
            route.stream.clear()
            route.stream.put(encode(reply, self.dialect))
        route.reply = reply
        route.stream.end()
        if route.forgotten:
            self.replay.close(route.number)

    async def room(self) -> None:
        """There is room: each call has its own."""
        await trio.lowlevel.checkpoint()

    async def room_for(self, call: RequestId) -> None:
        """Wait while the reader of this call's stream is behind, but not for ever."""
        route = self.routes.get(call)
        await (self.room() if route is None else route.stream.room())

    def release(self, call: RequestId) -> None:
        """Let the connection that waits for this call go; its stream goes on, and waits for the client."""
        route = self.routes.get(call)
        if route is not None:
            route.stream.detach()

    @property
    def reachable(self) -> bool:
        """The client has the stream for what belongs to no call open."""
        stream = self.replay.streams.get(STANDALONE)
        return stream is not None and stream.reader is not None

    def reads(self, call: RequestId) -> bool:
        """A client is connected that reads the stream of this call."""
        route = self.routes.get(call)
        return self.reachable if route is None else route.stream.reader is not None

    @property
    def owes(self) -> bool:
        """There is a reply for a client that was let go, and told to come back for it."""
        return any(
            stream.awaited and stream.reader is None and stream.ended and stream.unread > 0
            for stream in self.replay.streams.values()
        )

    def hang_up(self) -> None:
        """The session has ended, and so do its streams. Whoever still waits for a reply is told."""
        for id, route in list(self.routes.items()):
            error = ErrorResponse(id, INTERNAL_ERROR, "the session ended before this request was answered")
            self._reply(route, error, encode(error))
        for stream in self.replay.streams.values():
            stream.end()
        self._ended(self)

    # -------------------------------------------------------------------------------------------- for the requests
    def open(self, id: RequestId) -> Route:
        """The stream of a request that is about to be fed. Its id is not in flight."""
        route = self.routes[id] = Route(*self.replay.open())
        return route

    def standalone(self) -> Stream:
        """The stream for what belongs to no call."""
        stream = self.replay.streams.get(STANDALONE)
        return stream if stream is not None else self.replay.open(STANDALONE)[1]

    def settle(self) -> None:
        """Requests that were cancelled get no reply: their streams end here."""
        for id, route in list(self.routes.items()):
            if not self.session.serves(id):
                del self.routes[id]
                route.stream.end()

    def note(self, number: int) -> None:
        """An event was handed out."""
        self._handed += 1
        if self._handed % TRIM_EVERY == 0 or self.replay.spent > REPLAY_BYTES:
            self.replay.trim()

    def forget(self, route: Route) -> None:
        """Nobody can ask for the rest of this stream: it was answered in one piece, or its client left too early."""
        if route.stream.ended:
            self.replay.close(route.number)
        else:
            route.forgotten = True
            route.stream.detach()

    def left(self, number: int, stream: Stream, reader: object) -> None:
        """A reader has left. What was read to its end is kept for a while."""
        stream.detach(reader)
        if stream.ended and not stream.unread:
            self.replay.finished(number)
        self.replay.trim()

    def touch(self) -> None:
        """Something happened in this session."""
        self.touched = trio.current_time()

    @property
    def busy(self) -> bool:
        """A call is open, or a stream is being read."""
        return self.session.busy or any(stream.reader is not None for stream in self.replay.streams.values())
