"""
A socket whose peer must make progress.

Owns the deadline of a write that does not get on, that of a silence where something is expected, and the end of a
connection from outside. Refuses to know what is written.
The rule: it gives up on its own, because those who write hold it in shields.
"""

from __future__ import annotations

import math

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
        self._silence, self._end = math.inf, math.inf
        self._hearing = trio.CancelScope()
        self._over = trio.Event()

    @property
    def socket(self) -> trio.socket.SocketType:
        """The socket beneath."""
        return self._stream.socket

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Raises `trio.BrokenResourceError` also for a peer that does not read."""
        view = memoryview(data)
        for start in range(0, max(len(view), 1), SLICE):
            with trio.move_on_after(self._stall) as scope:
                await self._stream.send_all(view[start : start + SLICE])
            if scope.cancelled_caught:
                self.abort()
                raise trio.BrokenResourceError(f"the peer has not read for {self._stall:g} s")

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
        return min(trio.current_time() + self._silence, self._end)

    def expect(self, silence: float) -> None:
        """From now on a peer that is read, and sends nothing for so many seconds, is gone."""
        self._silence = silence
        self._hearing.deadline = self._last_moment()

    def end_within(self, seconds: float) -> None:
        """Read for so many seconds more, whatever comes."""
        self._end = min(self._end, trio.current_time() + seconds)
        self._hearing.deadline = self._last_moment()

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
