"""
A one-shot answer, and who waits for whom.

Owns the parking and waking of whoever waits for an answer. Refuses to know what is asked or of whom.
The rule that keeps it honest: settling, giving up and running out of time are each one synchronous step,
so of any two of them the first decides and the second is refused. This module and `workers` are the only ones
in the project that park and wake tasks by `trio.lowlevel`.
"""

from __future__ import annotations

import math
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import trio

from zcp_actors.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from zcp_actors.actors.host import Host
    from zcp_actors.actors.ref import Ref
    from zcp_actors.actors.timers import Timers

T = TypeVar("T")

checkpoint = trio.lowlevel.checkpoint

_OPEN, _SET, _FAILED, _ABANDONED = range(4)

GIVEN_UP = "this reply was abandoned: its answer was refused while nobody waited, and cannot be waited for again"


class Reply(Generic[T]):
    """An answer that comes once. The first settlement wins; later ones are refused, never applied.

    Any number of tasks may wait. When the last of them gives up (cancelled, or out of time) the reply is abandoned:
    nothing can arrive late, and whoever was to answer can see that nobody wants it any more.
    """

    __slots__ = ("_debtor", "_listeners", "_state", "_tasks", "_trace", "_value")

    def __init__(self) -> None:
        self._state = _OPEN
        self._value: Any = None
        # A lone waiting task, the usual case, is kept bare; a list only when there are several.
        self._tasks: trio.lowlevel.Task | list[trio.lowlevel.Task | None] | None = None
        self._listeners: list[Callable[[Reply[T]], None]] | None = None
        # The usual listener is the host that owes the answer: a slot of its own saves it a list and a closure.
        self._debtor: Host | None = None
        # The way of an error to here; there is none unless this has failed.
        self._trace: TracebackType | None

    def __repr__(self) -> str:
        return f"<Reply {('open', 'set', 'failed', 'abandoned')[self._state]}>"

    @property
    def open(self) -> bool:
        """Neither settled nor abandoned: an answer would still be taken."""
        return self._state == _OPEN

    @property
    def settled(self) -> bool:
        """An answer, or an error, was given."""
        return self._state in (_SET, _FAILED)

    @property
    def abandoned(self) -> bool:
        """Whoever waited has given up."""
        return self._state == _ABANDONED

    def set(self, value: T) -> bool:
        """Answer. False when it came too late: already settled, or abandoned."""
        return self._settle(_SET, value)

    def fail(self, error: BaseException) -> bool:
        """Answer with an error, raised at whoever waits. False when it came too late."""
        return self._settle(_FAILED, error)

    def follow(self, other: Reply[T]) -> None:
        """Answer with whatever `other` is answered; if we are abandoned first, `other` loses a waiter's interest."""
        other.then(self._copy)
        self.then(other._lose_follower)

    def then(self, listener: Callable[[Reply[T]], None]) -> None:
        """Call `listener(self)` once, synchronously, when this is settled or abandoned: at once if it already is."""
        if self._state != _OPEN:
            listener(self)
        elif self._listeners is None:
            self._listeners = [listener]
        else:
            self._listeners.append(listener)

    @property
    def error(self) -> BaseException | None:
        """What it was failed with. To look at it here leaves alone the way that it has come, unlike raising it does."""
        return self._value if self._state == _FAILED else None

    def result(self) -> T:
        """The answer, without waiting. Raises the error it was failed with, or `UsageError` while there is none."""
        if self._state == _SET:
            return cast("T", self._value)
        if self._state == _FAILED:
            raise self._value.with_traceback(self._trace)
        msg = f"{self!r} has no answer: only a settled reply has a result"
        raise UsageError(msg)

    async def wait(self, deadline: float = math.inf, timers: Timers | None = None) -> T:
        """Wait for the answer; a checkpoint in any case.

        `deadline` (a time of trio's clock) counts when `timers` are given: then `trio.TooSlowError` after it.
        Raises the error the reply was failed with. On cancel, this waiter has given up.
        """
        if self._state == _OPEN:
            task = trio.lowlevel.current_task()
            first = self._enter(task)
            leave = self._first_gave_up if first else partial(self._gave_up, task)
            if timers is None or deadline == math.inf:
                await trio.lowlevel.wait_task_rescheduled(leave)
            else:
                timer = timers.at(deadline, self._first_expired if first else partial(self._expire, task))
                try:
                    await trio.lowlevel.wait_task_rescheduled(leave)
                finally:
                    timer.disarm()
        elif self._state == _ABANDONED:
            raise UsageError(GIVEN_UP)
        else:
            await trio.lowlevel.checkpoint()
        if self._state == _SET:
            return cast("T", self._value)
        if self._state == _FAILED:
            # Many may be failed with one error. Each trace begins anew, or it would hold the frames of all of them.
            raise self._value.with_traceback(self._trace)
        raise trio.TooSlowError

    def _enter(self, task: trio.lowlevel.Task) -> bool:
        """Count this task among those that wait. Tells whether it is the first that ever did."""
        if self._tasks is None:
            self._tasks = task
            return True
        if isinstance(self._tasks, list):
            self._tasks.append(task)
        else:
            self._tasks = [self._tasks, task]
        return False

    def _first_gave_up(self, _: object) -> trio.lowlevel.Abort:
        # Whoever came first stands first as long as it waits; so it needs no note of which task it is.
        first = self._first()
        assert first is not None
        return self._gave_up(first, _)

    def _first_expired(self) -> None:
        first = self._first()
        if first is not None:
            self._expire(first)

    def _first(self) -> trio.lowlevel.Task | None:
        return self._tasks[0] if isinstance(self._tasks, list) else self._tasks

    def _gave_up(self, task: trio.lowlevel.Task, _: object) -> trio.lowlevel.Abort:
        # Runs in the canceller's step, so no answer can slip in between.
        self._leave(task)
        return trio.lowlevel.Abort.SUCCEEDED

    def _leave(self, task: trio.lowlevel.Task) -> None:
        waiting = self._tasks
        if isinstance(waiting, list):
            at = waiting.index(task)
            # The first leaves its place empty: its timer, disarmed only when it runs, must not take another's wait.
            waiting[at : at + 1] = [None] if at == 0 else []
            if any(waiting):
                return
        # Who follows waits as well; and whoever comes next is not the first, as above.
        self._tasks = [None] if self._followed() else None
        if self._tasks is None:
            self._finish(_ABANDONED, None)

    def _followed(self) -> bool:
        return any(
            getattr(each, "__func__", None) is Reply._copy and getattr(each, "__self__").open  # noqa: B009
            for each in self._listeners or ()
        )

    def _expire(self, task: trio.lowlevel.Task) -> None:
        waiting = self._tasks
        if waiting is task or (isinstance(waiting, list) and task in waiting):
            self._leave(task)
            trio.lowlevel.reschedule(task)

    def _settle(self, state: int, value: Any) -> bool:
        if self._state != _OPEN:
            return False
        tasks, self._tasks = self._tasks, None
        if state == _FAILED:
            self._trace = value.__traceback__
        self._finish(state, value)
        if type(tasks) is list:
            for task in tasks:
                if task is not None:
                    trio.lowlevel.reschedule(task)
        elif tasks is not None:
            trio.lowlevel.reschedule(tasks)  # type: ignore[arg-type]
        return True

    def _finish(self, state: int, value: Any) -> None:
        self._state, self._value = state, value
        if self._debtor is not None:
            self._debtor._paid(self)
        if self._listeners is not None:
            listeners, self._listeners = self._listeners, None
            for listener in listeners:
                listener(self)

    def _copy(self, other: Reply[T]) -> None:
        if other._state != _ABANDONED:
            self._settle(other._state, other._value)
        else:
            # It had been given up before we followed it, or we have been and cannot be told any more.
            self._settle(_FAILED, UsageError(GIVEN_UP))

    def _lose_follower(self, follower: Reply[T]) -> None:
        # A follower that took our answer has lost nothing.
        if follower._state != _ABANDONED or self._state != _OPEN:
            return
        assert self._listeners is not None
        self._listeners.remove(follower._copy)
        waiting = any(self._tasks) if isinstance(self._tasks, list) else self._tasks is not None
        if not waiting and not self._followed():
            self._tasks = None
            self._finish(_ABANDONED, None)


class Announcement(Reply[T]):
    """A reply to nobody in particular: it is never abandoned, so it can be waited for whoever gave up before.

    For waits without a deadline: the timer of one who gave up could take the wait of one who came later.
    """

    __slots__ = ()

    def _finish(self, state: int, value: Any) -> None:
        if state != _ABANDONED:
            super()._finish(state, value)


def settle(reply: Reply[Any], outcome: Any) -> None:
    """Give an outcome, a value or an exception, to whoever waits for it."""
    reply._settle(_FAILED if isinstance(outcome, BaseException) else _SET, outcome)


class Turn:
    """The message that an actor's task is now handling, as far as asks need to know."""

    __slots__ = ("askers", "task")

    def __init__(self, me: Ref[Any]) -> None:
        self.task = trio.lowlevel.current_task()
        # Whatever its task waits for, also before the first message and in its last words, the actor waits as well.
        self.askers: tuple[Ref[Any], ...] = (me,)


_turn: ContextVar[Turn | None] = ContextVar("zcp_actors_turn", default=None)


def begin_turns(me: Ref[Any]) -> Turn:
    """Make the running task that of the actor `me`; the returned turn is the actor's to update with every message."""
    turn = Turn(me)
    _turn.set(turn)
    return turn


def askers() -> tuple[Ref[Any], ...]:
    """The actors that wait, each for the next, for the step now running in this very task.

    A task started by a handler inherits the context but not the chain: nobody need be waiting for it.
    """
    turn = _turn.get()
    return turn.askers if turn is not None and turn.task is trio.lowlevel.current_task() else ()
