"""
A pair of pipes as a session's connection sees it: lines in, lines out.

Owns the reading and writing that a child's pipes and our own standard streams have in common.
Refuses to know whose pipes they are, and how they end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zcp_actors.transports.inlet import Inlet
    from zcp_actors.transports.outbox import Outbox


class Pipe:
    """Lines from a peer and to it. The subclass opens the two ends and closes them."""

    _inlet: Inlet
    _outbox: Outbox

    def lines(self) -> Inlet:
        """Return the lines from the peer, for one task at a time: `async for`, or `receive` for a batch.

        An item is the line's bytes, or `InvalidMessage` for one that cannot be accepted.
        They end when the peer closes its output, has exited, or reads no more.
        """
        return self._inlet

    def post(self, line: bytes) -> None:
        """Queue one line, without its newline. Never waits. Raises `ConnectionLost`."""
        self._outbox.post(line)

    def heard(self) -> None:
        """Lines have come: the next one that is posted may leave at once."""
        self._outbox.heard()

    @property
    def full(self) -> bool:
        """More than the high-water mark is queued."""
        return self._outbox.full

    async def room(self) -> None:
        """Wait until less than the high-water mark is queued. Raises `ConnectionLost`."""
        await self._outbox.room()

    async def flushed(self) -> None:
        """Wait until everything posted has been handed to the system. Raises `ConnectionLost`."""
        await self._outbox.flushed()
