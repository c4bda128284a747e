"""
The way to an app in this process as bytes: one message a line, through a pipe that can misbehave.

Owns two pipes of bytes, cut into slices, ended too early, or with bytes changed. Refuses to know messages beyond their
encoding: framing and refusal are those of the real line transport. Nothing waits here: what is written arrives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.errors import ConnectionLost, InvalidMessage
from zcp_actors.sessions import ServerHandle, ZCPClientSession
from zcp_actors.wire import decode, encode
from zcp_actors.wire.codec import MAX_BYTES
from zcp_actors.wire.framing import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zcp_actors.ports import App, Session
    from zcp_actors.testing.faults import Sender
    from zcp_actors.wire import Message


@attrs.frozen
class ByteFaults:
    """What happens to the bytes of one sender."""

    slice: int | None = None
    """They arrive in pieces of so many bytes, whatever the messages are."""
    truncate: int | None = None
    """After so many bytes the connection breaks, wherever that is in a message."""
    change: Callable[[bytes], bytes] | None = None
    """Every line, with its newline, passes through this first."""


class ByteEnd:
    """One end of the pipe: a session posts here; what arrives is fed to it."""

    transport = "pipe"
    full = False

    def __init__(self, faults: ByteFaults, max_message: int) -> None:
        self.dialect: Any = None
        self.stamp: Any = None
        self.session: Session
        self.other: ByteEnd
        self._faults = faults
        self._max = max_message
        self._lines = Lines(max_message)
        self._written = 0
        self._open = True

    def post(self, message: Message, call: int | str | None = None) -> None:
        """See `ports.Connection`."""
        if not self._open:
            raise ConnectionLost("the pipe is closed")
        line = encode(message, self.dialect, self.stamp) + b"\n"
        for piece in self._pieces(line if self._faults.change is None else self._faults.change(line)):
            self.other.arrived(piece)
        if self._written == self._faults.truncate:
            self._break()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        limit = self._faults.truncate
        data = data if limit is None else data[: limit - self._written]
        self._written += len(data)
        size = self._faults.slice or len(data) or 1
        return (data[start : start + size] for start in range(0, len(data), size))

    def arrived(self, data: bytes) -> None:
        """Bytes of the other end: whole lines are messages."""
        for line in self._lines.feed(data) if self._open else ():
            self._read(line)

    def _read(self, line: bytes | InvalidMessage) -> None:
        try:
            if isinstance(line, InvalidMessage):
                raise line
            message = decode(line, max_bytes=self._max)
        except InvalidMessage as error:
            self.session.refuse(error)
        else:
            self.session.feed(message)

    def _break(self) -> None:
        self._open = False
        self.other.ended(None)
        self.session.lost(ConnectionLost("the pipe broke"))

    def ended(self, error: Exception | None) -> None:
        """The other end is gone: half a line may be left."""
        if self._open:
            for line in self._lines.end():
                self._read(line)
            self._open = False
            self.session.lost(error)

    async def room(self) -> None:
        """There is always room."""
        await trio.lowlevel.checkpoint()

    def hang_up(self) -> None:
        """See `ports.Connection`."""
        if self._open:
            self._open = False
            self.other.ended(None)


@attrs.frozen
class ByteWay:
    """The way to an app in this process, by lines of bytes: see `ports.Way`."""

    handle: ServerHandle
    faults: dict[Sender, ByteFaults]
    max_message: int = MAX_BYTES
    identity: str | None = None
    at_once = True

    @property
    def name(self) -> str:
        """The app's name."""
        return self.handle.app.name

    def join(self, runtime: Any, session: Session) -> ByteEnd:
        """A pipe with the client at one end and a new session of the app at the other."""
        near = ByteEnd(self.faults.get("client", ByteFaults()), self.max_message)
        far = ByteEnd(self.faults.get("server", ByteFaults()), self.max_message)
        near.other, far.other, near.session = far, near, session
        far.session = self.handle.host(runtime, far)
        return near

    def open(self, runtime: Any) -> Any:
        """Never asked for: it is joined."""
        raise NotImplementedError


def byte_client(
    target: App | ServerHandle,
    *,
    client: ByteFaults | None = None,
    server: ByteFaults | None = None,
    max_message: int = MAX_BYTES,
    **options: Any,
) -> ZCPClientSession:
    """An unopened client of an app in this process, over lines of bytes, with faults in what either side sends."""
    handle = target if isinstance(target, ServerHandle) else ServerHandle(target)
    faults: dict[Sender, ByteFaults] = {"client": client or ByteFaults(), "server": server or ByteFaults()}
    return ZCPClientSession(ByteWay(handle, faults, max_message), **options)
