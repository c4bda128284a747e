"""
Jobs that wait for their time without a worker.

Owns the place in the tree of something that is done later, and the timer that gives it a worker then. Refuses to know
what is done. The rule that keeps it honest: whoever looks finds a job that stands like any other, and whoever ends its
parent ends it; only while it has something to do does it hold a task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from zcp_actors.actors.exit import Exit
from zcp_actors.actors.workers import _ENDED, _QUEUED, Job
from zcp_actors.errors import TooManyChildren

if TYPE_CHECKING:
    from contextvars import Context

    from zcp_actors.actors.host import Host
    from zcp_actors.actors.timers import Timer

AGAIN_SECONDS = 1.0
"""A runtime that runs as many jobs as it may is asked again then: some of them will have ended."""


class StandingJob(Job):
    """A job that begins when it is due. Subclass it with `__slots__`; let it `stand` once, instead of submitting it."""

    __slots__ = ("_context", "_timer")

    _context: Context | None
    _timer: Timer | None

    def stand(self, parent: Host, due: float, context: Context | None = None) -> None:
        """Take the place below `parent`, and begin at this time of trio's clock, at once if it is over.

        Raises `TooManyChildren` and `ActorStopped` as `Workers.submit` does.
        """
        self._phase, self._reason, self._worker, self._parent = _QUEUED, None, None, parent
        self._context, self._timer, self._serial = context, None, parent.runtime.workers.submitted
        if due <= trio.current_time():
            parent.runtime.workers.submit(self, parent, context)
        else:
            parent._adopt_job(self)
            self._timer = parent.runtime.timers.at(due, self._begin)

    @property
    def stands(self) -> bool:
        """It has neither begun nor ended."""
        return self._timer is not None

    @property
    def status(self) -> str:
        """As that of any job; one that stands is running, for all that an observer cares."""
        return "running" if self._timer is not None else super().status

    def due_by(self, due: float) -> None:
        """Begin not later than at this time, and not in this step: it may bring that nothing is left to do.

        Nothing where it has begun, or ended.
        """
        if self._timer is not None and due < self._timer.deadline:
            self._timer.disarm()
            self._timer = self._parent.runtime.timers.at(due, self._begin)

    def leave(self) -> None:
        """End without having begun, as it wished. Nothing where it has begun."""
        self._end(Exit("normal"))

    def cancel(self, reason: str = "") -> bool:
        """See `Job.cancel`. One that stands has ended when this returns."""
        return self._end(Exit("cancelled", reason=reason)) or super().cancel(reason)

    def _end(self, exit: Exit) -> bool:
        if self._timer is None:
            return False
        self._timer.disarm()
        self._timer, self._phase = None, _ENDED
        try:
            self.ended(exit)
        finally:
            self._parent._release_job(self)
        return True

    def _begin(self) -> None:
        parent = self._parent
        if not parent._accepts():
            return  # it is ending, and ends this in its turn
        self._timer = None
        parent._release_job(self)
        try:
            parent.runtime.workers.submit(self, parent, self._context)
        except TooManyChildren:
            self.stand(parent, trio.current_time() + AGAIN_SECONDS, self._context)
