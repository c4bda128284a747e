"""
The task that writes one response: one JSON object when that is all there is, a stream of events otherwise.

Owns the decision between the two, the comments on a silent stream, and the end. Refuses to know sessions and eras;
how an event is numbered and what begins a stream is told by whoever calls.
The rule: a stream's reader holds nothing while it sends, so a client that does not read delays nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from zcp_actors.transports.http.exchange import KEEPALIVE, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.transports.http.exchange import Exchange
    from zcp_actors.transports.http.streams import Event, Stream


def unnumbered(event: Event) -> bytes:
    """An event as 2026-07-28 has it: nothing can be resumed."""
    return written(event.data)


@attrs.define
class Writer:
    """Writes what a stream carries to an exchange."""

    exchange: Exchange
    stream: Stream
    reader: object
    keepalive: float
    write: Callable[[Event], bytes] = unnumbered
    prologue: bytes = b""
    """What begins a stream of events."""
    epilogue: bytes = b""
    """What ends one that is let go before its end."""
    until: float = float("inf")
    """When to let it go, a time of trio's clock."""
    headers: tuple[tuple[str, str], ...] = ()

    async def run(self) -> None:
        """Write until it is over for this reader."""
        await self.exchange.begin_events(self.headers)
        if self.prologue:
            await self.exchange.events(self.prologue)
        while not self.stream.over(self.reader) and trio.current_time() < self.until:
            left = self.until - trio.current_time()
            await self.stream.wait(self.reader, min(self.keepalive, left))
            await self._write_what_waits(silent=left > self.keepalive)
        if not self.stream.ended and self.epilogue:
            await self.exchange.events(self.epilogue)
        await self.exchange.end_events()

    async def _write_what_waits(self, *, silent: bool) -> None:
        taken = self.stream.take() if self.stream.reader is self.reader else []
        if taken:
            await self.exchange.events(b"".join(map(self.write, taken)))
        elif silent and not self.stream.over(self.reader):
            await self.exchange.events(KEEPALIVE)
