"""
The lines that wait to be written to one peer, and the one task that writes them.

Owns a file descriptor's writing side. Refuses to know what a line means and who reads it.
The rules: `post` is one synchronous step; what is queued leaves in one write; the queue is bounded; after the first
failure nothing is accepted any more, so a peer never sees a line with a hole before it.
One line may leave in the step that posts it, without waking the writer: when nothing waits before it, and the peer has
been heard since the last such line. So an answer is not delayed, and a hundred answers are still one write.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import trio

from zcp_actors.errors import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Callable

HIGH_WATER_BYTES = 1024 * 1024
"""`room` waits above this: sixteen full pipes, enough that the writer never starves while senders wake."""

HIGH_WATER_LINES = 1024
"""`room` waits above this: small messages cost memory by their number."""

HARD_LIMIT_BYTES = 64 * 1024 * 1024
"""A peer this far behind does not read: four messages of the default maximum."""

HARD_LIMIT_LINES = 100_000
"""As above for small messages: about 20 MB of objects."""

BATCH_BYTES = 256 * 1024
"""The most that is joined for one write: it bounds the copy, so a long queue does not stall the loop."""


AT_ONCE_BYTES = 4096
"""The longest line that leaves in the step that posts it: an empty pipe takes it whole, and so does a socket."""


def _ignore() -> None:
    pass


class Outbox:
    """Writes lines to `fd`, which it does not own: whoever opened it closes it, after `shut`.

    `peer` names the reader in errors. `pollable` fds must be non-blocking; others are written in a worker thread.
    `on_lost` is called once, in the step in which writing failed (not on `shut`).
    """

    def __init__(self, fd: int, peer: str, *, pollable: bool = True, on_lost: Callable[[], None] = _ignore) -> None:
        self._fd, self._peer, self._pollable, self._on_lost = fd, peer, pollable, on_lost
        self._queue: list[bytes] = []
        self._bytes = 0
        self._lines = 0
        self._lost: ConnectionLost | None = None
        self._at_once = False
        self._work = trio.lowlevel.ParkingLot()
        self._progress = trio.lowlevel.ParkingLot()

    @property
    def lost(self) -> ConnectionLost | None:
        """Why nothing can be written any more, or None."""
        return self._lost

    @property
    def queued(self) -> int:
        """Bytes accepted and not yet written."""
        return self._bytes

    def post(self, line: bytes) -> None:
        """Queue one line, given without its newline (and containing none). Never waits.

        Raises `ConnectionLost` when the peer is gone, or so far behind that it must be taken for gone.
        """
        self._require_peer()
        if self._at_once:
            self._at_once = False
            if not self._lines and len(line) < AT_ONCE_BYTES:
                left = self._write_now(line)
                if left is None:
                    return
                line = left
        self._queue.append(line)
        self._bytes += len(line) + 1
        self._lines += 1
        if self._bytes > HARD_LIMIT_BYTES or self._lines > HARD_LIMIT_LINES:
            raise self._overflow()
        if len(self._queue) == 1:
            self._work.unpark()

    def heard(self) -> None:
        """The peer has said something, so it is awake: the next line may leave at once."""
        self._at_once = self._pollable

    @property
    def full(self) -> bool:
        """More than the high-water mark is queued."""
        return self._bytes >= HIGH_WATER_BYTES or self._lines >= HIGH_WATER_LINES

    async def room(self) -> None:
        """Wait until less than the high-water mark is queued. Yields only if it must wait.

        Raises `ConnectionLost`. Cancelling it changes nothing.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._lost is None and self.full:
            await self._progress.park()
        self._require_peer()

    async def flushed(self) -> None:
        """Wait until everything posted before and meanwhile has been handed to the system. Raises `ConnectionLost`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._lost is None and self._bytes:
            await self._progress.park()
        self._require_peer()

    async def run(self) -> None:
        """Write what is posted, until `shut`, the first failure, or a cancel. Runs once, in a task of its own."""
        try:
            while self._lost is None:
                if not self._queue:
                    await self._work.park()
                    continue
                batch, lines = self._take()
                await self._write(batch)
                self._bytes -= len(batch)
                self._lines -= lines
                self._progress.unpark_all()
        except (OSError, trio.ClosedResourceError) as error:
            self.lose(ConnectionLost(f"{self._peer} reads no more: {error}"))
        finally:
            self.shut()

    def lose(self, error: ConnectionLost) -> None:
        """The reader is gone: raise this in whoever posts or waits. Only the first call counts."""
        if self._lost is None:
            self._end(error)
            self._on_lost()

    def shut(self) -> None:
        """Accept nothing more and forget what is queued. Call it before closing the fd."""
        if self._lost is None:
            self._end(ConnectionLost(f"the connection to {self._peer} was closed"))

    def _write_now(self, line: bytes) -> bytes | None:
        """Write what the system takes of this line; return the rest, or None. An error is the writer's to meet."""
        try:
            written = os.write(self._fd, line + b"\n")
        except OSError:
            return line
        return line[written:] if written <= len(line) else None

    def _take(self) -> tuple[bytes, int]:
        size = count = 0
        while count < len(self._queue) and size < BATCH_BYTES:
            size += len(self._queue[count]) + 1
            count += 1
        batch = b"\n".join([*self._queue[:count], b""])
        del self._queue[:count]
        return batch, count

    async def _write(self, batch: bytes) -> None:
        view = memoryview(batch)
        while view and self._lost is None:
            if not self._pollable:
                view = view[await trio.to_thread.run_sync(os.write, self._fd, view) :]
                continue
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._fd)

    def _require_peer(self) -> None:
        if self._lost is not None:
            raise ConnectionLost(str(self._lost))

    def _overflow(self) -> ConnectionLost:
        error = ConnectionLost(
            f"{self._peer} does not read: {self._lines} messages ({self._bytes} bytes) wait to be written; "
            f"the limits are {HARD_LIMIT_LINES} and {HARD_LIMIT_BYTES}. Senders that await room() never get here"
        )
        self.lose(error)
        return ConnectionLost(str(error))

    def _end(self, error: ConnectionLost) -> None:
        self._lost = error
        self._queue.clear()
        self._bytes = self._lines = 0
        self._work.unpark_all()
        self._progress.unpark_all()
        if self._pollable:
            # Nothing is closed yet: this wakes the writer, which may wait for a pipe that nobody will ever empty.
            trio.lowlevel.notify_closing(self._fd)
