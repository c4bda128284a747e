"""
Actors with a task: for code that waits on I/O or that we do not own.

Owns the receive loop. Refuses to know its supervisor and its own place in the tree; those are the `Seat`'s.
The rule that keeps it honest: control first, then one message, and a checkpoint at least every `BATCH` messages.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import trio

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from contextvars import Context

    from zcp_actors.actors.cell import Cell
    from zcp_actors.actors.exit import Exit
    from zcp_actors.actors.mailbox import Envelope
    from zcp_actors.actors.ref import Ref
    from zcp_actors.actors.runtime import Runtime
    from zcp_actors.actors.seat import Seat
    from zcp_actors.actors.timers import Timer
    from zcp_actors.actors.workers import Job

M = TypeVar("M")

BATCH = 32
"""Messages handled per wake: a received message costs a trip through the scheduler, a drained one a thirteenth."""


class Actor(Generic[M]):
    """Subclass it, override `receive`. One message at a time; what it returns is the answer to an ask."""

    kind: ClassVar[str] = "actor"
    max_children: int = 100_000
    """Cells hosted below it: what ends in about two seconds of waves."""
    mailbox_size: int = 64
    """Messages that wait: a burst between two polls. Beyond that, `tell` refuses and `send` waits."""
    last_words: float = 1.0
    """Seconds that what is hosted below may take to end, and then `on_stop`. Both are shielded, hence bounded."""
    grace: float = 5.0
    """Seconds between being asked to stop, by whomever, and being cancelled."""

    me: Ref[M]
    """Its own reference, from before `on_start`."""
    seat: Seat
    """Its place in the tree."""

    def around(self) -> AbstractAsyncContextManager[Any]:
        """What one incarnation lives in (a process, a connection): entered before `on_start`, left before `on_stop`.

        It is entered and left in the actor's own task, so it may hold nurseries and scopes. What it raises is raised by
        the incarnation: an error in the background ends the actor. Override it with an `@asynccontextmanager`.
        """
        return nullcontext()

    async def on_start(self) -> None:
        """Prepare. What is raised here is raised at whoever awaits the start."""

    async def receive(self, message: M) -> Any:
        """Handle one message; what it returns answers an ask. Return a `Reply` to answer later."""
        raise NotImplementedError

    async def on_stop(self, exit: Exit) -> None:
        """Last words. Shielded, and cancelled after `last_words` seconds. Said at the end of every incarnation."""

    def describe(self) -> str:
        """A few words for `runtime.tree()`. Show no payloads."""
        return ""

    @property
    def runtime(self) -> Runtime:
        """The runtime all this lives in."""
        return self.me._runtime

    @property
    def envelope(self) -> Envelope | None:
        """The message being handled, with its sender's context, its askers and its deadline."""
        return self.seat.handling

    @property
    def timers(self) -> dict[object, Timer]:
        """The armed timers of this actor, by key."""
        return self.seat.timers

    def start_timer(self, key: object, delay: float, message: M) -> None:
        """Receive `message` after `delay` seconds, before any mail. The same key again replaces the timer.

        A replaced or stopped timer never delivers, not even when it was already due; all end with the incarnation, so
        in its last words this does nothing.
        """
        self.seat.start_timer(key, delay, message)

    def stop_timer(self, key: object) -> None:
        """Forget the timer of that key, if there is one."""
        self.seat.stop_timer(key)

    def watch(self, ref: Ref[Any], message: M) -> None:
        """Receive `message`, before any mail, when `ref` ends: now, if it has. Forgotten with the incarnation."""
        self.seat.watch(ref, message)

    def host(self, cell: Cell[Any], name: str) -> Ref[Any]:
        """Host a cell below this actor; it ends with this actor."""
        from zcp_actors.actors.cell import host_below

        return host_below(self.seat, cell, name)

    def submit(self, job: Job, context: Context | None = None) -> None:
        """Run a job below this actor; it is cancelled when this actor ends."""
        self.runtime.workers.submit(job, self.seat, context)

    def stop(self) -> None:
        """End by own decision, with `Exit("normal")`, when the mail that waits is handled.

        Under `Restart.ALWAYS` this asks for a new incarnation after the present message, which gets the mail.
        """
        self.seat.retire()

    async def _live(self, seat: Seat) -> None:
        """One incarnation, between making it and its last words."""
        with seat.scope:
            async with self.around():
                await self.on_start()
                await self._begin(seat)
                seat.begun()
                await self._serve(seat)

    async def _begin(self, seat: Seat) -> None:
        """What a kind of actor does after `on_start`."""

    async def _serve(self, seat: Seat) -> None:
        while await seat.attend():
            try:
                envelope = await seat.mailbox.take()
            except trio.EndOfChannel:
                break
            await self._batch(seat, envelope)

    async def _batch(self, seat: Seat, envelope: Envelope | None) -> None:
        for left in reversed(range(BATCH)):
            # A handler that never waits must not outrun a cancel or a stop for 32 messages.
            if (seat.mailbox.control or seat.ending) and not await seat.attend(envelope):
                break
            if envelope is not None:
                await seat.handle(envelope)
            # What is taken here is handled in the next round, so that the last round takes nothing.
            envelope = seat.mailbox.take_now() if left else None
            if envelope is None:
                break

    def _saw_end(self, ref: Ref[Any], exit: Exit) -> bool:
        """Whether the end of a child is this actor's to know; else it is passed on upwards."""
        return False

    def _interrupt_later(self, seat: Seat) -> Timer | None:
        """It was asked to stop: see to it that it does not take for ever."""
        if seat.grace == math.inf:
            return None
        return seat.runtime.timers.after(seat.grace, partial(seat._cancel, "grace ran out"))

    def _hurry(self, reason: str) -> None:
        """The scope was cancelled: let go of whatever waits outside of it."""
