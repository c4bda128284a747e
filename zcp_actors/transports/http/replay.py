"""
The streams of one session of 2025-11-25, as far back as they can be taken up again.

Owns the numbering of streams, the ids of events, and the bounds of what is kept for clients that come back.
Refuses to know connections and messages. The rule: an id leads to its own stream and nowhere else, and what is not kept
any more is told, never passed over. Source: MCP 2025-11-25 basic/transports, Resumability and Redelivery.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from zcp_actors.transports.http.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

REPLAY_BYTES = 256 * 1024
"""What was sent and is kept for clients that lost it; a connection's buffers, where losses happen, are smaller."""

REPLAY_EVENTS = 512
"""The same in events: small ones cost more than their bytes."""

REPLAY_STREAMS = 32
"""Finished streams that can still be read again: a client that comes back does so within seconds."""

MAX_STREAMS = 512
"""Streams of one session that are kept: calls in flight are, answers that nobody came for make room."""

_ID: Final = re.compile(r"(\d{1,12})-(\d{1,12})")


def event_id(stream: int, event: int) -> str:
    """The id of an event: unique in its session, and its stream can be told from it."""
    return f"{stream}-{event}"


class Replay:
    """The streams of a session, oldest first."""

    __slots__ = ("_finished", "_last", "spent", "streams")

    def __init__(self) -> None:
        self.streams: dict[int, Stream] = {}
        self.spent = 0
        """Bytes in all of them, sent or not."""
        self._finished: dict[int, None] = {}
        self._last = 0

    def open(self, number: int | None = None) -> tuple[int, Stream]:
        """A new stream, and its number."""
        if len(self.streams) >= MAX_STREAMS:
            self._make_room()
        if number is None:
            self._last = number = self._last + 1
        stream = self.streams[number] = Stream(keeps=True, spend=self._spend)
        return number, stream

    def _make_room(self) -> bool:
        """Let go of the oldest answer that nobody came for. False when there is none."""
        deserted = (number for number, each in self.streams.items() if each.ended and each.reader is None)
        oldest = next(deserted, None)
        if oldest is not None:
            self.close(oldest)
        return oldest is not None

    def shrink(self, limit: int) -> bool:
        """Let go of answers that nobody came for until the rest is within `limit` bytes. False when it is not then."""
        while self.spent > limit and self._make_room():
            pass
        return self.spent <= limit

    def _spend(self, size: int) -> None:
        self.spent += size

    def find(self, id: str) -> tuple[int, int] | None:
        """The numbers of stream and event in an id. None for what is no id of ours."""
        match = _ID.fullmatch(id)
        return (int(match[1]), int(match[2])) if match is not None and match.group().isascii() else None

    def finished(self, number: int) -> None:
        """This stream was handed out to its end; it is kept as long as there is room."""
        if number in self.streams:
            self._finished[number] = None
        while len(self._finished) > REPLAY_STREAMS:
            self.close(next(iter(self._finished)))

    def close(self, number: int) -> None:
        """Forget a stream and all that is in it."""
        self._finished.pop(number, None)
        stream = self.streams.pop(number, None)
        if stream is not None:
            stream.clear()
            stream.end()

    def trim(self) -> None:
        """Let go of the oldest that was sent until the rest is within bounds. What was not sent is never let go."""
        sent = sum(stream.kept for stream in self.streams.values())
        for stream in self._with_sent():
            while stream.kept and (self.spent > REPLAY_BYTES or sent > REPLAY_EVENTS):
                stream.trim()
                sent -= 1

    def _with_sent(self) -> Iterator[Stream]:
        return (stream for stream in list(self.streams.values()) if stream.kept)
