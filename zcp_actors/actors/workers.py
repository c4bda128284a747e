"""
Tasks that run one job after another.

Owns parked tasks and the waking of them: a job costs one reschedule, no spawn, no scope of its own.
Refuses to know what a job does; what escapes from one is a bug of the runtime and ends it, loudly.
Jobs that come by the thousand begin a few in each turn of the scheduler, so that short ones share the same workers.
The rule that keeps it honest: a job is bound to its worker from the step it begins to the step it ends, and only then
does cancelling the job touch the worker's scope. A cancel that comes late finds no worker.

Like every task of the runtime a worker is protected from Ctrl-C: it would be raised in the middle of a step, and be
taken for the error of whatever ran there. trio raises it in the program's main task instead, which ends the runtime.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

from zcp_actors.actors.exit import Exit
from zcp_actors.errors import TooManyChildren

if TYPE_CHECKING:
    from contextvars import Context

    from zcp_actors.actors.host import Host

MAX_PARKED = 64
"""Idle workers kept: enough for the calls that come at once between two polls, 64 tasks are some 200 kB."""
MAX_BEGINNING = MAX_PARKED
"""Jobs that begin in one turn of the scheduler. What comes on top waits for the next turn, and finds workers that the
short ones have left: of thousands that come at once none starts a task for itself, unless jobs wait for something."""
MAX_RUNNING = 100_000
"""Jobs at once: at two to four kB each, what a machine of ordinary size can still end in seconds."""

_QUEUED, _RUNNING, _ENDED = range(3)
_NORMAL = Exit("normal")


class Job:
    """Something to run in a task of its own, as long as it runs. Subclass it with `__slots__`; submit it once."""

    __slots__ = ("_parent", "_phase", "_reason", "_serial", "_worker")

    _parent: Host
    _phase: int
    _reason: str | None
    _serial: int
    _worker: _Worker | None

    async def run(self) -> None:
        """The work. Nothing may escape but `trio.Cancelled`: turn errors into answers here."""
        raise NotImplementedError

    def ended(self, exit: Exit) -> None:
        """Called in the step in which the job ends: normal, or cancelled (also when it never began)."""

    @property
    def name(self) -> str:
        """The last part of the path; asked for only when somebody looks."""
        return f"{type(self).__name__.lower()}-{self._serial}"

    @property
    def path(self) -> str:
        """Where the job stands in the tree."""
        return f"{self._parent.me.path}/{self.name}"

    @property
    def status(self) -> str:
        """One of starting (submitted), running, stopping (cancelled, not yet ended), ended."""
        if self._phase == _RUNNING and self._reason is not None:
            return "stopping"
        return ("starting", "running", "ended")[self._phase]

    def describe(self) -> str:
        """A few words for `runtime.tree()`. Show no payloads."""
        return ""

    def _describe(self) -> str:
        return self.describe()

    def cancel(self, reason: str = "") -> bool:
        """Cancel it, now or before it begins. Idempotent; False when it has ended, or was cancelled before."""
        if self._phase == _ENDED or self._reason is not None:
            return False
        self._reason = reason
        if self._worker is not None:
            self._worker.scope.cancel(reason or None)
        return True


class _Worker:
    __slots__ = ("job", "parked", "scope", "task")

    def __init__(self, job: Job, parked: list[_Worker]) -> None:
        self.job: Job | None = job
        self.parked = parked
        self.scope: trio.CancelScope
        self.task: trio.lowlevel.Task

    def leave(self, _: object) -> trio.lowlevel.Abort:
        """Cancelled while it was parked: it is given no job any more."""
        self.parked.remove(self)
        return trio.lowlevel.Abort.SUCCEEDED


class Workers:
    """The workers of one runtime. `home` is the parent of jobs that name none."""

    def __init__(self, context: Context, *, max_parked: int = MAX_PARKED, max_running: int = MAX_RUNNING) -> None:
        self.max_parked, self.max_running = max_parked, max_running
        self.running = 0
        """Jobs submitted and not yet ended."""
        self.submitted = 0
        """Jobs ever submitted."""
        self.spawned = 0
        """Tasks ever started for them."""
        self.home: Host
        self._context = context
        self._nursery: trio.Nursery
        self._parked: list[_Worker] = []
        self._beginning = 0
        """Workers that have been given a job and have not begun it."""
        self._waiting: deque[Job] = deque()
        self._contexts: deque[Context | None] = deque()
        """Those of the waiting jobs; None for one that was given none, and gets its copy when it begins."""

    @property
    def parked(self) -> int:
        """Workers waiting for a job."""
        return len(self._parked)

    def submit(self, job: Job, parent: Host | None = None, context: Context | None = None) -> None:
        """Run `job` in a copy of `context`, by default the one the runtime was opened in.

        Raises `TooManyChildren` at the limit, `ActorStopped` when the parent is ending.
        """
        if self.running >= self.max_running:
            msg = f"{self.running} jobs are running, max_running: raise it, or wait for some to end"
            raise TooManyChildren(msg)
        host = self.home if parent is None else parent
        job._phase, job._reason, job._worker, job._parent = _QUEUED, None, None, host
        job._serial = self.submitted
        host._adopt_job(job)
        self.running += 1
        self.submitted += 1
        if self._beginning < MAX_BEGINNING and not self._waiting:
            self._give(job, (self._context if context is None else context).copy())
            return
        if not self._waiting:
            self._context.copy().run(self._nursery.start_soon, self._begin_waiting)
        self._waiting.append(job)
        self._contexts.append(None if context is None else context.copy())

    @trio.lowlevel.enable_ki_protection
    async def _begin_waiting(self) -> None:
        """Begin what waits, in order, some in each turn; all at once when the runtime is cut off."""
        try:
            while self._waiting:
                await trio.lowlevel.checkpoint()
                while self._waiting and self._beginning < MAX_BEGINNING:
                    self._give_next()
        finally:
            while self._waiting:
                self._give_next()

    def _give_next(self) -> None:
        own = self._contexts.popleft()
        self._give(self._waiting.popleft(), self._context.copy() if own is None else own)

    def _give(self, job: Job, own: Context) -> None:
        self._beginning += 1
        if self._parked:
            worker = self._parked.pop()
            worker.job = job
            # trio runs every step of a task in `task.context`, so this is where the job will live.
            worker.task.context = own
            trio.lowlevel.reschedule(worker.task)
        else:
            self.spawned += 1
            own.run(self._nursery.start_soon, self._work, _Worker(job, self._parked))

    @trio.lowlevel.enable_ki_protection
    async def _work(self, worker: _Worker) -> None:
        """Run jobs until there are enough other workers to wait for the next."""
        worker.task = trio.lowlevel.current_task()
        while worker.job is not None:
            # One scope serves many jobs: it is left, and another entered, only after it was cancelled.
            with trio.CancelScope() as worker.scope:
                while (job := worker.job) is not None:
                    self._beginning -= 1
                    if job._reason is None:
                        await self._run(job, worker)
                    else:
                        self._finish(job, worker, Exit("cancelled", reason=job._reason))
                    job = None  # it is over, and may hold a large request while this worker is parked
                    if worker.scope.cancel_called:
                        break
                    if not self._park(worker):
                        return
                    await trio.lowlevel.wait_task_rescheduled(worker.leave)
            if not self._park(worker):
                return
            await trio.lowlevel.wait_task_rescheduled(worker.leave)

    async def _run(self, job: Job, worker: _Worker) -> None:
        job._phase, job._worker = _RUNNING, worker
        exit = _NORMAL
        try:
            await job.run()
        except Exception as error:
            exit = Exit("failed", error)
            raise
        except BaseException:
            exit = Exit("cancelled", reason=job._reason or "")
            raise
        finally:
            self._finish(job, worker, exit)

    def _finish(self, job: Job, worker: _Worker, exit: Exit) -> None:
        job._phase, job._worker, worker.job = _ENDED, None, None
        self.running -= 1
        try:
            job.ended(exit)
        finally:
            job._parent._release_job(job)

    def _park(self, worker: _Worker) -> bool:
        """Be one of those who wait for the next job. False when enough others do already."""
        if len(self._parked) >= self.max_parked:
            return False
        self._parked.append(worker)
        worker.task.context = self._context  # let go of what the last job's context held
        return True
