"""
The lines that come from one peer.

Owns a file descriptor's reading side and its end. Refuses to know what a line means and who wrote it.
The rule: a line that cannot be accepted is an item like any other; only the end of the input ends the lines.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from zcp_actors.wire.framing import Lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcp_actors.errors import InvalidMessage

CHUNK = 64 * 1024
"""Bytes per read: what a pipe holds on Linux, so a larger one would seldom be filled."""

DRAIN_BYTES = 1024 * 1024
"""The most that is read after the writer's end: the largest pipe an unprivileged process may have on Linux.

All that the writer left is within it; what comes later is a stranger's, who may write for ever.
"""


class Inlet:
    """Reads lines from `fd`, which it does not own: whoever opened it closes it, after `end`.

    One task at a time may read. fds that are not `pollable` are read in a worker thread.
    """

    def __init__(self, fd: int, max_message: int, *, pollable: bool = True) -> None:
        self._fd, self._pollable = fd, pollable
        self._lines = Lines(max_message)
        self._ended = False
        self._left: int | None = None
        self._batch: Iterator[bytes | InvalidMessage] = iter(())

    async def receive(self) -> list[bytes | InvalidMessage]:
        """Return the lines that one read brought, without their newlines; an empty list is the end.

        Cancelling it loses nothing.
        """
        while not self._ended:
            chunk = await self._read()
            if not chunk:
                self._ended = True
                return self._lines.end()
            if items := self._lines.feed(chunk):
                return items
        return []

    def __aiter__(self) -> Inlet:
        return self

    async def __anext__(self) -> bytes | InvalidMessage:
        for item in self._batch:
            return item
        self._batch = iter(await self.receive())
        for item in self._batch:
            return item
        raise StopAsyncIteration

    def drain(self) -> None:
        """The writer is gone: hand over what is readable now, then end, though others hold the pipe open."""
        if self._left is None and not self._ended:
            self._left = DRAIN_BYTES
            self._wake()

    def end(self) -> None:
        """End now, whatever is unread. Call it before closing the fd."""
        if not self._ended:
            self._ended = True
            self._lines.end()  # half a line is no item now
            self._wake()

    async def discard(self) -> None:
        """End the lines; read and drop what still comes, so that a writer that is to leave is not stuck in a write."""
        self.end()
        await trio.lowlevel.checkpoint()
        with suppress(trio.ClosedResourceError, OSError):
            while True:
                await trio.lowlevel.wait_readable(self._fd)
                with suppress(BlockingIOError):
                    if not os.read(self._fd, CHUNK):
                        return

    def _wake(self) -> None:
        if self._pollable:
            # Nothing is closed: this is trio's way to wake a task that waits for the fd, without a scope per read.
            trio.lowlevel.notify_closing(self._fd)

    async def _read(self) -> bytes:
        if not self._pollable:
            return await trio.to_thread.run_sync(os.read, self._fd, CHUNK)
        while not self._ended:
            try:
                if self._left is None:
                    await trio.lowlevel.wait_readable(self._fd)
                else:
                    await trio.lowlevel.checkpoint()
                return self._take()
            except trio.ClosedResourceError:
                continue  # woken by `drain` or `end`
            except BlockingIOError:
                if self._left is not None:
                    return b""
            except OSError:
                # A terminal that was hung up says EIO where a pipe says end of file.
                return b""
        return b""

    def _take(self) -> bytes:
        if self._ended or self._left == 0:
            return b""
        if self._left is None:
            return os.read(self._fd, CHUNK)
        chunk = os.read(self._fd, min(CHUNK, self._left))
        self._left -= len(chunk)
        return chunk
