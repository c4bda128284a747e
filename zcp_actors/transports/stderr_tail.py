"""
The last words of a child process.

Owns the reading of its standard error, which must always be read or the child stops in a write.
The rule: bounded whatever the child writes, and harmless to print.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from zcp_actors.transports.inlet import CHUNK, DRAIN_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)

TAIL_LINES = 20
"""Lines kept: a traceback's end, short enough to be read in an error."""

TAIL_CHARACTERS = 500
"""Characters kept of each kept line."""

LINE_BYTES = 8 * 1024
"""The longest line a callback is given; the rest of a longer one is dropped."""


class StderrTail:
    """Reads the non-blocking pipe `fd`, which it does not own, for as long as `run` runs.

    `on_line` gets every line as text, in order, in the reading task. If it raises, that is logged, and it is not called
    again: the server still lives, and its pipe must be read.
    """

    def __init__(self, fd: int, on_line: Callable[[str], None] | None = None) -> None:
        self._fd, self._on_line = fd, on_line
        self._tail: deque[bytes] = deque(maxlen=TAIL_LINES)
        self._partial = b""
        self._writer_gone = False
        self._drained = 0
        self.complete = trio.Event()
        """Set when all that the child wrote has been read: at the end of the pipe, or once drained after its exit."""

    def lines(self) -> tuple[str, ...]:
        """Return the last lines, oldest first, without control characters (so no terminal escapes)."""
        tail = [*self._tail, self._partial] if self._partial else [*self._tail]
        return tuple(_printable(line) for line in tail[-TAIL_LINES:])

    def drain(self) -> None:
        """The child is gone: `complete` is set once what is readable now has been read."""
        self._writer_gone = True
        trio.lowlevel.notify_closing(self._fd)

    async def run(self) -> None:
        """Read until the end of the pipe, or a cancel."""
        while True:
            with suppress(trio.ClosedResourceError):
                await trio.lowlevel.wait_readable(self._fd)
            try:
                while chunk := os.read(self._fd, CHUNK):
                    self._feed(chunk)
                    await trio.lowlevel.checkpoint()
            except BlockingIOError:
                if self._writer_gone:
                    self.complete.set()
                continue
            self._emit(self._partial)
            self._partial = b""
            self.complete.set()
            return

    def _feed(self, chunk: bytes) -> None:
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = self._partial + lines[0]
            self._partial = rest[:LINE_BYTES]
        else:
            self._partial = (self._partial + rest)[:LINE_BYTES]
        for line in lines if self._on_line else lines[-TAIL_LINES:]:
            self._emit(line)
        self._drained += len(chunk) if self._writer_gone else 0
        if self._drained >= DRAIN_BYTES:
            self.complete.set()

    def _emit(self, line: bytes) -> None:
        if not line:
            return
        self._tail.append(line[: 4 * TAIL_CHARACTERS])
        if self._on_line is not None:
            try:
                self._on_line(line[:LINE_BYTES].decode(errors="replace").rstrip("\r"))
            except Exception:  # noqa: BLE001  # it is the host's code, and may raise anything
                _log.exception("on_stderr raised and is not called again for this server")
                self._on_line = None


def _printable(line: bytes) -> str:
    text = line.decode(errors="replace").rstrip()[:TAIL_CHARACTERS]
    return "".join(c if c.isprintable() else " " if c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
