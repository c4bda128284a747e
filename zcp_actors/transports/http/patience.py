"""
A socket whose peer must make progress.

Owns the deadline of a write that does not get on, that of a silence where something is expected, that of the next
request, and the end of a connection from outside. Refuses to know what is written.
The rule: it gives up on its own, because those who write hold it in shields.
"""

from __future__ import annotations

import math
import os

import trio

from zcp_actors.transports.http.config import STALL_SECONDS

SLICE = 64 * 1024
"""Bytes that must leave within the deadline: 2 KiB/s is slow, nothing at all is gone."""

MOMENT = 0.01
"""Seconds of sleep with which an idle loop costs nothing, and which nobody notices at a connection's end."""


class PatientStream(trio.abc.HalfCloseableStream):
    """The stream of one connection. A reader that stands still for `stall` seconds is taken for gone."""

    def __init__(self, stream: trio.SocketStream, stall: float = STALL_SECONDS) -> None:
        self._stream, self._stall = stream, stall
        self._silence, self._end, self._next = math.inf, math.inf, math.inf
        self._holding, self._held = False, b""
        self._midway = False
        """Some of a write has left, and not all of it: nothing else may leave after that."""
        self._hearing = trio.CancelScope()
        self._over = trio.Event()

    @property
    def socket(self) -> trio.socket.SocketType:
        """The socket beneath."""
        return self._stream.socket

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Raises `trio.BrokenResourceError` also for a peer that does not read, and after a write that was cut short.

        No checkpoint where the system has room for it all: whoever writes reads next, or waits for what to write.
        """
        if self._midway:
            raise trio.BrokenResourceError("another task writes to this connection, or a write was cut short")
        if self._holding:
            self._held += data
            return
        if self._held:
            data, self._held = self._held + data, b""
        if data and (sent := self._send_now(data)) < len(data):
            await self._send_slowly(memoryview(data)[sent:])

    def hold(self) -> None:
        """What is sent until `release` leaves together with what is sent after it, if only nothing."""
        self._holding = True

    def release(self) -> None:
        """See `hold`."""
        self._holding = False

    def _send_now(self, data: bytes | bytearray | memoryview) -> int:
        """Send what there is room for, without waiting; how much that was. An error is met by the one who waits."""
        try:
            return os.write(self._stream.socket.fileno(), data)
        except OSError:
            return 0

    async def _send_slowly(self, view: memoryview) -> None:
        self._midway = True
        for start in range(0, len(view), SLICE):
            with trio.move_on_after(self._stall) as scope:
                try:
                    await self._stream.send_all(view[start : start + SLICE])
                except trio.BusyResourceError:
                    raise trio.BrokenResourceError("another task writes to this connection, or closes it") from None
            if scope.cancelled_caught:
                self.abort()
                raise trio.BrokenResourceError(f"the peer has not read for {self._stall:g} s")
        self._midway = False  # an error or a cancel leaves it as it is: there is a hole in what was sent

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Raises `trio.BrokenResourceError` also for a peer that says nothing for too long."""
        data = b""
        with trio.CancelScope(deadline=self._last_moment()) as self._hearing:
            data = await self._stream.receive_some(max_bytes)
        if self._hearing.cancelled_caught:
            self.abort()
            raise trio.BrokenResourceError("the peer was not heard of in time")
        if not data:
            self._over.set()
        return data

    def _last_moment(self) -> float:
        return min(trio.current_time() + self._silence, self._end, self._next)

    def expect(self, silence: float) -> None:
        """From now on a peer that is read, and sends nothing for so many seconds, is gone."""
        self._silence = silence
        self._hearing.deadline = self._last_moment()

    def end_within(self, seconds: float) -> None:
        """Read for so many seconds more, whatever comes."""
        self._end = min(self._end, trio.current_time() + seconds)
        self._hearing.deadline = self._last_moment()

    def ask_within(self, seconds: float) -> None:
        """A peer that has not asked for anything then is gone, whatever it sent."""
        self._next = trio.current_time() + seconds
        self._hearing.deadline = self._last_moment()

    def asked(self) -> None:
        """It has."""
        self._next = math.inf
        self._hearing.deadline = self._last_moment()

    @property
    def idle(self) -> bool:
        """Nothing is being asked."""
        return self._next < math.inf

    async def rest(self, seconds: float) -> None:
        """Sleep, but hardly longer than something can still be read; a moment in any case: it stands in a loop."""
        await trio.sleep(min(seconds, MOMENT))
        with trio.move_on_after(seconds):
            await self._over.wait()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        self._over.set()
        await self._stream.aclose()

    def abort(self) -> None:
        """End it now; whoever reads or writes is told."""
        self._over.set()
        self._stream.socket.close()
