"""
The mail of one task actor: a bounded trio memory channel for data, a lane for control beside it.

Owns what waits. Refuses to know who handles it.
The rule that keeps it honest: nothing is ever dropped here. The receiving end of a trio channel forgets its buffer when
it is closed, so the mailbox is closed at the sending end and drained by the actor; what is left then is handed to the
caller of `drain` to settle.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Context

    from zcp_actors.actors.ref import Ref
    from zcp_actors.actors.reply import Reply


class Envelope:
    """A message under way, with what must travel with it."""

    __slots__ = ("askers", "at", "context", "deadline", "message", "reply")

    def __init__(
        self,
        message: Any,
        at: float,
        context: Context | None = None,
        *,
        reply: Reply[Any] | None = None,
        askers: tuple[Ref[Any], ...] = (),
        deadline: float | None = None,
    ) -> None:
        self.message = message
        self.at = at
        """When it was posted."""
        self.context = context
        """The sender's context (trace parent, principal): start work on its behalf in a copy of it."""
        self.reply = reply
        self.askers = askers
        self.deadline = deadline
        """When the asker stops waiting; None for a message that nobody waits on."""


_WAKE = Envelope(None, 0.0)


class Mailbox:
    """At most `size` envelopes, in order; and control, which overtakes them.

    Control is bounded by what causes it: one entry per timer key and per watch.
    """

    __slots__ = ("_held", "_inbox", "_outbox", "_parked", "_sent", "_taken", "control", "peak", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._outbox, self._inbox = trio.open_memory_channel[Envelope](size)
        self._held: Envelope | None = None
        self.control: deque[Envelope] = deque()
        self.peak = 0
        self._sent = self._taken = 0
        self._parked = False

    @property
    def depth(self) -> int:
        """Envelopes waiting."""
        return self._inbox.statistics().current_buffer_used + (self._held is not None)

    @property
    def oldest(self) -> float | None:
        """When the envelope that waits longest was posted."""
        if self._held is not None:
            return self._held.at
        # trio shows how many wait, not what; without this peek every message would pay for a second queue.
        state = getattr(self._inbox, "_state", None)
        waiting = getattr(state, "data", None)
        return waiting[0].at if waiting else None

    def post(self, envelope: Envelope) -> bool:
        """Add it now; False when the mailbox is closed. Raises `trio.WouldBlock` when it is full."""
        try:
            self._outbox.send_nowait(envelope)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return False
        self._sent += 1
        if self._sent - self._taken > self.peak:
            self.peak = min(self._sent - self._taken, self.size)
        return True

    async def put(self, envelope: Envelope) -> bool:
        """Add it when there is room; False when the mailbox is, or becomes, closed. On cancel it was not added."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            added = self.post(envelope)
        except trio.WouldBlock:
            return await self._put_later(envelope)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return added

    async def _put_later(self, envelope: Envelope) -> bool:
        try:
            await self._outbox.send(envelope)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return False
        self._sent += 1
        return True

    def post_control(self, envelope: Envelope) -> None:
        """Add it to the lane that is looked at before every message."""
        self.control.append(envelope)
        self.wake()

    def wake(self) -> None:
        """Make the actor look at its control lane, if it waits for mail: else it will look anyway."""
        if self._parked and self._inbox.statistics().tasks_waiting_receive:
            self._outbox.send_nowait(_WAKE)

    async def take(self) -> Envelope | None:
        """The next envelope; None for a mere wake. Raises `trio.EndOfChannel` when closed and empty."""
        if self._held is not None:
            return self._take_held()
        self._parked = True
        try:
            envelope = await self._inbox.receive()
        finally:
            self._parked = False
        if envelope is _WAKE:
            return None
        self._taken += 1
        return envelope

    def take_now(self) -> Envelope | None:
        """The next envelope, or None when nothing waits."""
        if self._held is not None:
            return self._take_held()
        try:
            envelope = self._inbox.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return None
        if envelope is _WAKE:
            return None
        self._taken += 1
        return envelope

    def give_back(self, envelope: Envelope) -> None:
        """Put an envelope that was taken, and not begun, before all others: the next to take one gets it."""
        self._held = envelope
        self._taken -= 1

    def _take_held(self) -> Envelope | None:
        envelope, self._held = self._held, None
        self._taken += 1
        return envelope

    def close(self) -> None:
        """Refuse new mail; what is queued stays. Senders waiting for room are told."""
        self._outbox.close()

    def drain(self) -> Iterator[Envelope]:
        """Close, and hand over everything that will not be handled any more."""
        self.close()
        if self._held is not None:
            yield self._held
            self._held = None
        while True:
            try:
                envelope = self._inbox.receive_nowait()
            except (trio.WouldBlock, trio.EndOfChannel):
                break
            if envelope is not _WAKE:
                yield envelope
        self._inbox.close()
