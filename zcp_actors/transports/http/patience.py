"""
A socket whose peer must make progress.

Owns the deadline of a write that does not get on, and the end of a connection from outside. Refuses to know what is
written. The rule: it gives up on its own, because those who write hold it in shields.
"""

from __future__ import annotations

import trio

from zcp_actors.transports.http.config import STALL_SECONDS

SLICE = 64 * 1024
"""Bytes that must leave within the deadline: 2 KiB/s is slow, nothing at all is gone."""


class PatientStream(trio.abc.HalfCloseableStream):
    """The stream of one connection. A reader that stands still for `stall` seconds is taken for gone."""

    def __init__(self, stream: trio.SocketStream, stall: float = STALL_SECONDS) -> None:
        self._stream, self._stall = stream, stall

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
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def abort(self) -> None:
        """End it now; whoever reads or writes is told."""
        self._stream.socket.close()
