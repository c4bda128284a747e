"""
Where a stream of events was read up to, and when to ask for the rest.

Owns the patience with a server that ends streams. Refuses to read and to wait.
Source: 2025-11-25 basic/transports, "Resumability and Redelivery": the last id is sent back, `retry` is respected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from zcp_actors.errors import ConnectionLost

if TYPE_CHECKING:
    from zcp_actors.transports.http.sse import Event

RETRY_SECONDS = 1.0
"""Before asking again, where the server does not say; browsers take a few seconds, but a caller waits here."""

SHORTEST_RETRY = 0.05
"""A server that says less is asked no more often than twenty times a second."""

LARGEST_GROWTH = 16
"""Times the usual pause, after several connections that brought nothing."""

MAX_BARREN = 12
"""Connections in a row that bring no event before the stream is given up: about two minutes at the usual pause."""


@attrs.define
class Cursor:
    """One stream's position."""

    last_id: str | None = None
    retry: float | None = None
    barren: int = 0
    """Connections since the last event."""

    def note(self, event: Event) -> None:
        """An event came. Only events, not connections, show that the stream is alive."""
        self.barren = 0
        if event.id is not None:
            self.last_id = event.id
        if event.retry is not None:
            self.retry = event.retry

    def pause(self) -> float:
        """Seconds to wait before the next connection. Raises `ConnectionLost` when there shall be none."""
        if self.barren >= MAX_BARREN:
            raise ConnectionLost(f"the stream was taken up {MAX_BARREN} times, and nothing came")
        usual = RETRY_SECONDS if self.retry is None else max(self.retry, SHORTEST_RETRY)
        growth = min(1 << self.barren, LARGEST_GROWTH)
        self.barren += 1
        return usual * growth
