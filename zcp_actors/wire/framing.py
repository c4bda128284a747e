"""
Lines out of a stream of bytes.

Owns the splitting at newlines and the limit on a line. Refuses to know what a line says, except for the id of one that
is too long. The rule: every byte is looked at once and never more than `max_bytes` of them are kept, however the stream
is cut. Source: MCP transports, stdio: messages are delimited by newlines and contain none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcp_actors.wire.codec import MAX_BYTES
from zcp_actors.wire.salvage import EDGE, from_edges, too_large

if TYPE_CHECKING:
    from zcp_actors.errors import InvalidMessage


class Lines:
    """A line splitter. `feed` it what was read; `end` it when there is no more."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._limit = max_bytes
        self._buffer = bytearray()
        self._searched = 0
        self._skipped = 0
        """Bytes dropped of an overlong line."""
        self._head: bytes | None = None
        """The beginning of the overlong line that is being dropped; None outside of one."""
        self._reported = False

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes | InvalidMessage]:
        """The lines that `data` completes, without their ends; blank ones are left out.

        An overlong line is one `MessageTooLarge`: at once if its id stands at its beginning, else when its end has
        come.
        """
        found: list[bytes | InvalidMessage] = []
        buffer = self._buffer
        buffer += data
        start = 0
        while (end := buffer.find(b"\n", self._searched)) >= 0:
            self._line(start, end, found)
            start = self._searched = end + 1
        del buffer[:start]
        self._searched = len(buffer)
        if self._head is not None or len(buffer) > self._limit + 1:
            self._overlong(found)
        return found

    def end(self) -> list[bytes | InvalidMessage]:
        """What is left when the stream ended: a last line without its newline, if there is one."""
        found: list[bytes | InvalidMessage] = []
        self._line(0, len(self._buffer), found)
        self._buffer.clear()
        self._searched = 0
        return found

    def _line(self, start: int, end: int, found: list[bytes | InvalidMessage]) -> None:
        stop = end - 1 if end > start and self._buffer[end - 1] == _CR else end
        size = self._skipped + stop - start
        if size > self._limit:
            if not self._reported:
                head = self._head if self._head is not None else bytes(self._buffer[start : start + EDGE])
                found.append(too_large(size, self._limit, head, bytes(self._buffer[max(start, stop - EDGE) : stop])))
        elif line := bytes(self._buffer[start:stop]).strip(b" \t\r"):
            found.append(line)
        self._skipped, self._head, self._reported = 0, None, False

    def _overlong(self, found: list[bytes | InvalidMessage]) -> None:
        """Drop all but the last bytes of the line that is too long, and report it if it has said whose it is."""
        if self._head is None:
            self._head = bytes(self._buffer[:EDGE])
            if from_edges(self._head, b"")[1] is not None:
                found.append(too_large(len(self._buffer), self._limit, self._head, b""))
                self._reported = True
        surplus = max(0, len(self._buffer) - EDGE)
        del self._buffer[:surplus]
        self._skipped += surplus
        self._searched = len(self._buffer)


_CR = 13
