"""
Two sessions in one process, joined without a wire: objects travel, not bytes.

Owns both ends of the joint and the freshness of what crosses it: nothing that can be changed is seen by both sides.
Refuses to know what the messages mean. What is made fresh where it comes from, or is read and not kept where it goes,
crosses as it is; every other model is copied here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.errors import ConnectionLost
from zcp_actors.wire import (
    CallToolRequestParams,
    CallToolResult,
    DiscoverResult,
    InitializeResult,
    Request,
    Response,
    copied,
    decode,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.ports import Session
    from zcp_actors.sessions.handle import ServerHandle
    from zcp_actors.wire import Message

    Tap = Callable[[str, Message], None]

FRESH_ALREADY = (CallToolRequestParams, CallToolResult, InitializeResult, DiscoverResult)
"""What the handler's border has copied, the hot path; and what an app made for this one client (`ports.App`)."""


class MemoryEnd:
    """One end of the joint: what is posted here, the other end's session is fed in the same step."""

    transport = "memory"
    full = False
    """Never: see `room`."""

    def __init__(self, side: str, *, strict: bool, tap: Tap | None) -> None:
        self.side, self.strict, self._tap = side, strict, tap
        self.dialect: Any = None
        self.stamp: Any = None
        self.receiver: Session | None = None
        """The session at the other end; None when either end has hung up."""
        self._other: MemoryEnd | None = None

    def post(self, message: Message, call: int | str | None = None) -> None:
        """See `ports.Connection`."""
        if self.receiver is None:
            raise ConnectionLost("the other end of this in-process connection has closed")
        if self._tap is not None:
            self._tap(self.side, message)
        self.receiver.feed(decode(encode(message, self.dialect)) if self.strict else fresh(message))

    async def room(self) -> None:
        """There is always room: who receives has handled the message before `post` returns."""
        await trio.lowlevel.checkpoint()

    def hang_up(self) -> None:
        """See `ports.Connection`."""
        receiver, self.receiver = self.receiver, None
        if self._other is not None:
            self._other.receiver = None
        if receiver is not None:
            receiver.lost(None)


def fresh(message: Message) -> Message:
    """A message whose contents nobody else holds."""
    if isinstance(message, Request) and not isinstance(message.params, FRESH_ALREADY):
        if message.method == "server/discover":
            return message  # answered by the automaton, which keeps nothing that a handler could change
        return Request(message.id, message.method, copied(message.params))
    if isinstance(message, Response) and not isinstance(message.result, FRESH_ALREADY):
        return Response(message.id, copied(message.result))
    return message


def join(
    client: Session, serve: Callable[[MemoryEnd], Session], *, strict: bool = False, tap: Tap | None = None
) -> MemoryEnd:
    """Join a client session to the session that `serve` makes for its end; returns the client's end.

    `strict` also encodes and decodes; `tap` sees (side, message) of all that crosses.
    """
    near, far = MemoryEnd("client", strict=strict, tap=tap), MemoryEnd("server", strict=strict, tap=tap)
    near._other, far._other = far, near  # noqa: SLF001 - two ends of one thing
    far.receiver = client
    near.receiver = serve(far)
    return near


@attrs.frozen
class MemoryWay:
    """The way to an app in this process."""

    handle: ServerHandle
    strict: bool = False
    tap: Tap | None = None
    identity: str | None = None
    at_once = True

    @property
    def name(self) -> str:
        """The app's name."""
        return self.handle.app.name

    def join(self, runtime: Any, session: Session) -> MemoryEnd:
        """See `ports.Way`."""
        return join(session, lambda end: self.handle.host(runtime, end), strict=self.strict, tap=self.tap)

    def open(self, runtime: Any) -> Any:
        """Never asked for: `join` gives a channel at once."""
        raise NotImplementedError
