"""
The work of following a task: polling it, fetching its result, bringing it answers, cancelling it.

Owns the jobs, one kind for each, and how long they go on when a connection breaks under them.
Refuses to judge what is heard: they hand it to the watch.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import trio

from zcp_actors.actors import Job, StandingJob
from zcp_actors.errors import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    InvalidResult,
    RequestCancelled,
    RequestTimeout,
    RPCError,
    TransportError,
    ZCPError,
)
from zcp_actors.sessions.followed_task import NOTHING
from zcp_actors.sessions.task_wire import STATEFUL, STATELESS, shaped

if TYPE_CHECKING:
    from zcp_actors.actors import Exit
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.sessions.followed_task import FollowedTask
    from zcp_actors.sessions.task_watch import TaskWatch

log = logging.getLogger("zcp_actors.sessions")

MAX_FAILURES = 10
"""Failures in a row that a task is followed over: with the pauses between them a bit more than a minute. Time in which
a supervisor brings the connection back does not count."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
"""Seconds after a failure, doubled each time."""

FINAL = frozenset({INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_CAPABILITY})
"""Errors that another attempt does not change: the task is not there, or the server does not serve tasks."""


class Retries:
    """How often a request about a task has failed in a row."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self.count = 0

    async def after(self, error: ZCPError) -> None:
        """Wait until another attempt makes sense. Raises the error when none does."""
        passing = isinstance(error, RequestTimeout | TransportError) or (
            isinstance(error, RPCError) and error.code not in FINAL
        )
        self.count += 1
        if not passing or self.count > MAX_FAILURES:
            raise error
        await trio.sleep(min(FIRST_PAUSE * (1 << (self.count - 1)), LONGEST_PAUSE))
        await self._session.ready(math.inf)


class AboutTask:
    """What the jobs about one task have in common; each has the two as slots."""

    __slots__ = ()

    watch: TaskWatch
    task: FollowedTask

    @property
    def name(self) -> str:
        """The last part of its path."""
        return f"{type(self).__name__.lower()}-task-{self.task.number}"

    def describe(self) -> str:
        """What an observer reads of it; no contents."""
        return f"{self.task.target or 'task'} · {self.task.view.status}"


class TaskJob(AboutTask, Job):
    """Something that is done about one task."""

    __slots__ = ("task", "watch")

    def __init__(self, watch: TaskWatch, task: FollowedTask) -> None:
        self.watch, self.task = watch, task


class Following(AboutTask, StandingJob):
    """Poll a task when it is due, over as many connections as it takes. Until it has ended, another one follows."""

    __slots__ = ("task", "watch")

    def __init__(self, watch: TaskWatch, task: FollowedTask) -> None:
        self.watch, self.task = watch, task

    async def run(self) -> None:
        """Poll, unless it was heard of meanwhile."""
        retries = Retries(self.watch.session)
        try:
            while not self.task.over and self.task.due <= trio.current_time():
                try:
                    await self.watch.poll(self.task)
                except ZCPError as error:
                    await retries.after(error)
        except ZCPError as error:
            self.watch.lose(self.task, error)
        self.watch.forget(self.task)

    def heed(self) -> None:
        """The task is over, or due earlier than it was."""
        if not self.task.over:
            self.due_by(self.task.due)
        elif self.stands:
            self.leave()
            self.watch.forget(self.task)

    def ended(self, exit: Exit) -> None:
        """The next one takes its place, or it is followed no more."""
        self.task.following = None
        if exit.kind == "normal" and self.watch.follows(self.task):
            self.watch.go_on(self.task)


class Fetching(TaskJob):
    """2025-11-25: wait for a task's result. While it waits, the server may ask its questions on the same way."""

    __slots__ = ("_again", "_scope")

    def __init__(self, watch: TaskWatch, task: FollowedTask) -> None:
        super().__init__(watch, task)
        self._scope: trio.CancelScope | None = None
        self._again = False

    async def run(self) -> None:
        """Ask, again after a lost connection, until there is an outcome."""
        retries = Retries(self.watch.session)
        try:
            while self.task.outcome is NOTHING and self.task.blocks:
                try:
                    await self._fetch()
                except ZCPError as error:
                    await retries.after(error)
        except ZCPError as error:
            self.watch.lose(self.task, error)

    async def _fetch(self) -> None:
        session, task = self.watch.session, self.task
        had_ended, self._again = task.view.ended, False
        try:
            with trio.move_on_after(session.timeouts.idle if had_ended else math.inf) as self._scope:
                raw = await STATEFUL.result(session, task.id)
        except RPCError as error:
            await self.watch.judge(task, error, had_ended=had_ended)
            return
        if self._scope.cancelled_caught and self._again:
            return
        if self._scope.cancelled_caught:
            raise RequestTimeout("tasks/result", session.timeouts.idle, "idle")
        try:
            result = shaped(task.origin.method, raw)
        except InvalidResult:
            await self.watch.poll(task)
            if task.view.status != "cancelled":
                raise  # only a task that was cancelled has no result, whatever its server then answers
        else:
            self.watch.fetched(task, result)

    def again(self) -> None:
        """What was asked is void: ask once more."""
        if self._scope is not None:
            self._again = True
            self._scope.cancel("the server has forgotten the session")

    def hurry(self) -> None:
        """The task has ended: the server has no reason to wait any more."""
        if self._scope is not None:
            limit = trio.current_time() + self.watch.session.timeouts.idle
            self._scope.deadline = min(self._scope.deadline, limit)

    def ended(self, exit: Exit) -> None:
        """Somebody else may fetch. Where it was cut off, nobody may wait for what it would have brought."""
        self.task.fetching = None
        if exit.kind == "cancelled" and self.watch.session.me.status == "running":
            self.task.settle(RequestCancelled(self.task.origin.method, "the task's time to live is over"))


class Updating(TaskJob):
    """2026-07-28: bring a task the answers that are ready."""

    __slots__ = ()

    async def run(self) -> None:
        """All that is ready at once; what becomes ready meanwhile goes with the next."""
        questions = self.task.questions
        assert questions is not None
        retries = Retries(self.watch.session)
        try:
            while questions.ready and not self.task.over:
                batch = dict(questions.ready)
                try:
                    await STATELESS.update(self.watch.session, self.task.id, batch)
                except ZCPError as error:
                    await retries.after(error)
                else:
                    retries.count = 0
                    for key in batch:
                        questions.ready.pop(key, None)
        except ZCPError as error:
            await self._refused(error)

    async def _refused(self, error: ZCPError) -> None:
        """The server does not take the answers. That is no wonder when the task has ended meanwhile."""
        try:
            await self.watch.poll(self.task)
        except ZCPError as worse:
            log.info("%s: %s", self.watch.session.name, worse)
        if not self.task.over:
            self.watch.fail(self.task, error)

    def ended(self, exit: Exit) -> None:
        """The next answer begins another."""
        self.task.updating = None


class Cancelling(TaskJob):
    """Tell a server that nobody wants its task any more."""

    __slots__ = ("reason",)

    def __init__(self, watch: TaskWatch, task: FollowedTask, reason: str) -> None:
        super().__init__(watch, task)
        self.reason = reason

    async def run(self) -> None:
        """Once."""
        try:
            await self.watch.cancel(self.task, self.reason)
        except ZCPError as error:
            log.info("%s was not told to cancel a task: %s", self.watch.session.name, error)
