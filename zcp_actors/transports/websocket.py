"""
A session over a websocket, at either end: one message a text frame, in order.

Owns what waits to be sent, the turning of frames into messages and back, and the pulse that shows whether the other end
is there. Refuses to know how the socket was opened, and what messages mean. The rules: a binary frame ends the
connection with 1003, a message beyond the limit with 1009; who does not read, or answers no ping, is gone.
Source: MCP basic/transports, custom transports; RFC 6455, 5.5 and 7.4.1. Nothing is compressed, so nothing can unpack.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import trio

from zcp_actors.errors import ConnectionLost, InvalidMessage
from zcp_actors.transports.outbox import HARD_LIMIT_BYTES, HARD_LIMIT_LINES, HIGH_WATER_BYTES, HIGH_WATER_LINES
from zcp_actors.wire import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.ports import Session
    from zcp_actors.wire import Message

    Tap = Callable[[str, bytes], None]

SUBPROTOCOL = "mcp"
"""What both ends call what they speak; an end that names none is spoken to all the same."""

PING_SECONDS = 20.0
"""Between two pings: under the 30 s after which the more impatient of common proxies cut a silent connection."""

PONG_SECONDS = 20.0
"""For an answer to a ping. Nothing that lives, or reads at all, needs as long."""

CLOSE_SECONDS = 2.0
"""For the closing handshake; a peer that is gone must not hold a program that leaves."""

RECEIVE_BYTES = 64 * 1024
"""Read at once: a long message comes in sixteen times fewer steps than by the usual 4 KiB."""

GOING_AWAY, NOT_TEXT, TOO_BIG = 1001, 1003, 1009


class Frames(Protocol):
    """The part of a websocket that is used here, by the names of `trio_websocket`."""

    async def get_message(self) -> str | bytes:
        """The next whole message. Raises anything when there will be none."""

    async def send_message(self, message: str) -> None:
        """Send one text. Raises anything when it cannot be sent."""

    async def ping(self) -> None:
        """Ask for a pong, and wait for it."""

    async def aclose(self, code: int = 1000, reason: str | None = None) -> None:
        """Say goodbye and wait for the answer."""


class WebsocketConnection:
    """Messages as text frames. `converse` is its life, in the task of whoever opened the socket."""

    transport = "tcp"
    facts = {"transport": "tcp", "protocol": "websocket"}  # noqa: RUF012 - never written to
    always_replies = False

    def __init__(self, frames: Frames, peer: str, max_message: int, tap: Tap | None = None) -> None:
        self._frames, self._peer, self._max, self._tap = frames, peer, max_message, tap
        self.dialect: Any = None
        self.stamp: Any = None
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._lost: ConnectionLost | None = None
        self._code, self._reason = 1000, ""
        self.farewell = "this side has ended", 1000
        """What the closing says after `hang_up`: words and code."""
        self._leaving = False
        self._life = trio.CancelScope()
        self._work, self._progress = trio.lowlevel.ParkingLot(), trio.lowlevel.ParkingLot()

    # -------------------------------------------------------------------------------------------- from the session
    def post(self, message: Message, call: int | str | None = None) -> None:
        """See `ports.Connection`. Raises `NotJSON` for what no wire carries."""
        text = encode(message, self.dialect, self.stamp)
        if self._lost is not None or self._leaving:
            raise ConnectionLost(str(self._lost or f"the websocket to {self._peer} is being closed"))
        self._queue.append(text)
        self._bytes += len(text)
        if self._bytes > HARD_LIMIT_BYTES or len(self._queue) > HARD_LIMIT_LINES:
            self._lose(f"{self._peer} does not read: {len(self._queue)} messages ({self._bytes} bytes) wait for it")
            raise ConnectionLost(str(self._lost))
        if self._tap is not None:
            self._tap("out", text)
        self._work.unpark()

    @property
    def full(self) -> bool:
        """See `ports.Connection`."""
        return self._bytes >= HIGH_WATER_BYTES or len(self._queue) >= HIGH_WATER_LINES

    async def room(self) -> None:
        """See `ports.Connection`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._lost is None and self.full:
            await self._progress.park()

    def go_away(self, why: str) -> None:
        """Close the socket, saying so: this program is going."""
        self._lose(why, GOING_AWAY)

    async def flushed(self) -> None:
        """Wait until everything posted has been handed to the system, or never will be."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._lost is None and self._bytes:
            await self._progress.park()

    def hang_up(self) -> None:
        """See `ports.Connection`: the socket is closed when what waits has been sent, or cannot be."""
        self._leaving = True
        self._life.deadline = min(self._life.deadline, trio.current_time() + CLOSE_SECONDS)
        self._work.unpark()

    # -------------------------------------------------------------------------------------------- its life
    async def converse(self, session: Session, *, wait_for_room: bool = False) -> ConnectionLost:
        """Feed the session until the connection ends; returns why. The socket is closed then.

        `wait_for_room` reads no more than can be answered: for the serving side only.
        """
        try:
            with self._life:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._pulse)
                    await self._read(session, wait_for_room=wait_for_room)
        finally:
            self._lose("it was closed here")
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await self._frames.aclose(self._code, self._reason or None)
        assert self._lost is not None
        return self._lost

    def _lose(self, why: str, code: int = 1000) -> None:
        """Nothing goes out or comes in any more. Only the first call counts."""
        if self._lost is not None:
            return
        self._lost = ConnectionLost(f"the websocket to {self._peer} ended: {why}")
        self._code, self._reason = code, why if code != 1000 else ""  # noqa: PLR2004 - 1000 needs no reason
        self._queue.clear()
        self._bytes = 0
        self._progress.unpark_all()
        self._life.cancel("the websocket ended")

    async def _read(self, session: Session, *, wait_for_room: bool) -> None:
        while self._lost is None:
            if wait_for_room:
                await self.room()
            try:
                text = await self._frames.get_message()
            except Exception as error:  # noqa: BLE001 - the socket's own exceptions, whatever socket it is
                self._lose(ended_because(error))
                return
            if isinstance(text, bytes):
                self._lose("binary frames are not accepted", NOT_TEXT)
                return
            self._feed(session, text)

    def _feed(self, session: Session, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        if self._tap is not None:
            self._tap("in", data)
        try:
            session.feed(decode(data, max_bytes=self._max))
        except InvalidMessage as error:
            session.refuse(error)

    async def _write(self) -> None:
        while self._lost is None:
            if not self._queue:
                if self._leaving:
                    self._lose(*self.farewell)
                await self._work.park()
                continue
            text = self._queue[0]
            try:
                await self._frames.send_message(text.decode())
            except Exception as error:  # noqa: BLE001 - as above
                self._lose(ended_because(error))
                return
            if self._queue:
                self._queue.popleft()
                self._bytes -= len(text)
            self._progress.unpark_all()

    async def _pulse(self) -> None:
        """Ask from time to time whether anybody is there."""
        while True:
            await trio.sleep(PING_SECONDS)
            try:
                with trio.fail_after(PONG_SECONDS):
                    await self._frames.ping()
            except trio.TooSlowError:
                self._lose(f"no answer to a ping within {PONG_SECONDS:g} s", GOING_AWAY)
            except Exception as error:  # noqa: BLE001 - as above
                self._lose(ended_because(error))


def ended_because(error: Exception) -> str:
    """What a socket's exception says: a closing code with its reason, or what broke."""
    reason = getattr(error, "reason", None)
    code = getattr(reason, "code", None)
    if code is None:
        return str(error) or type(error).__name__
    said = getattr(reason, "reason", None)
    return f"closed with code {code}{f' ({said})' if said else ''}"
