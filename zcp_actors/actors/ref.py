"""
The only handle anyone has on an actor.

Owns the address (a name below a parent), the recorded end, and who is told of it.
Refuses to know what is behind it, a task or a cell: it holds a `Host` while there is one, and nothing after.
The rule that keeps it honest: every verb works at any time, before, during and after the actor's life.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from zcp_actors.actors.exit import Exit
from zcp_actors.actors.reply import checkpoint
from zcp_actors.errors import ActorStopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.actors.host import Host
    from zcp_actors.actors.runtime import Runtime

M_contra = TypeVar("M_contra", contravariant=True)

STOPPED = Exit("stopped")
ASK_TIMEOUT = 5.0
"""Seconds an ask waits unless told otherwise: OTP's default, long for a loop that never blocks, short for a person."""


class Ref(Generic[M_contra]):
    """The address of an actor: hashable, cheap to keep, safe to keep after the actor is gone.

    It survives restarts: mail sent while the actor is being restarted waits for the next incarnation.
    """

    __slots__ = ("_host", "_parent", "_runtime", "_watchers", "exit", "name")

    def __init__(self, name: str, parent: Ref[Any] | None, runtime: Runtime) -> None:
        self.name = name
        self.exit: Exit | None = None
        """How it ended; None while it lives."""
        self._parent = parent
        self._runtime = runtime
        self._host: Host | None = None
        self._watchers: dict[object, Callable[[Exit], object]] | None = None

    def __repr__(self) -> str:
        return f"<Ref {self.path} {'alive' if self.exit is None else self.exit}>"

    @property
    def path(self) -> str:
        """The names from the root down, joined by slashes."""
        return self.name if self._parent is None else f"{self._parent.path}/{self.name}"

    @property
    def alive(self) -> bool:
        """Not ended. It may be starting, restarting or stopping."""
        return self.exit is None

    @property
    def status(self) -> str:
        """One of starting, running, restarting, stopping, ended."""
        return "ended" if self._host is None else self._host._status()

    def tell(self, message: M_contra) -> None:
        """Deliver without waiting. Raises `MailboxFull`; a message to the dead becomes a dead letter."""
        if self._host is None:
            self._runtime.dead_letters.add(self, message)
        else:
            self._host._tell(message)

    async def send(self, message: M_contra) -> None:
        """Deliver, waiting for room: this is where backpressure is felt. On cancel, nothing was delivered."""
        if self._host is None:
            self._runtime.dead_letters.add(self, message)
            await checkpoint()
        else:
            await self._host._send(message)

    async def ask(self, message: M_contra, *, timeout: float = ASK_TIMEOUT) -> Any:
        """Deliver and wait for the answer, both within `timeout` seconds (`math.inf`: no limit).

        Raises `ActorStopped` when the actor is or becomes unable to answer, `AskTimeout`, and `AskCycle` naming the
        path when the actor is itself waiting for us. On cancel or timeout, an ask not yet begun is skipped.
        """
        if self._host is None:
            raise ActorStopped(self.path, self.exit or STOPPED)
        return await self._host._ask(message, timeout)

    def stop(self) -> None:
        """Close the mailbox: what is queued is still handled, then the actor ends. It is not restarted.

        What it has not handled within its `grace` is cancelled.
        """
        if self._host is not None:
            self._host._stop(STOPPED)

    def cancel(self, reason: str = "") -> None:
        """Interrupt it: whatever it is doing is cancelled, what is queued is not begun."""
        if self._host is not None:
            self._host._cancel(reason)

    async def stopped(self) -> Exit:
        """Wait for the end, however long ago it was."""
        if self.exit is None:
            event = trio.Event()
            self._watch(event, lambda _: event.set())
            try:
                await event.wait()
            finally:
                self._unwatch(event)
        else:
            await checkpoint()
        assert self.exit is not None
        return self.exit

    async def _past(self) -> None:
        """Wait while it is stopping: until it has ended, or waits for its restart."""
        if self._host is not None:
            await self._host._past()

    def _watch(self, token: object, callback: Callable[[Exit], object]) -> None:
        """Call `callback(exit)` in the step in which the actor ends: now, if it has."""
        if self.exit is not None:
            callback(self.exit)
        elif self._watchers is None:
            self._watchers = {token: callback}
        else:
            self._watchers[token] = callback

    def _unwatch(self, token: object) -> None:
        if self._watchers is not None:
            self._watchers.pop(token, None)

    def _end(self, exit: Exit) -> None:
        self.exit, self._host = exit, None
        watchers, self._watchers = self._watchers, None
        for callback in (watchers or {}).values():
            callback(exit)
