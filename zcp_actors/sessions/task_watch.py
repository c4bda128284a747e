"""
The tasks of one server that its session follows: those it created, took up again, or was asked to answer.

Owns the table, and what is done when a task is heard of, from whatever side: a poll, a notification, a result.
A task is followed until it has ended, whether somebody waits for it or not: its questions reach whoever answers them,
and its end is known. Refuses to know what a task is for. What a poll costs is the server's to say, by its interval.
"""

from __future__ import annotations

import logging
import secrets
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import (
    INVALID_PARAMS,
    InvalidResult,
    Overloaded,
    RequestCancelled,
    RPCError,
    SessionClosed,
    ZCPError,
)
from zcp_actors.sessions.followed_task import LOWEST_POLL, NOTHING, FollowedTask
from zcp_actors.sessions.kept_handles import forget
from zcp_actors.sessions.task_following import Cancelling, Fetching, Following, Updating
from zcp_actors.sessions.task_questions import TaskQuestions
from zcp_actors.sessions.task_view import TaskView, ended_view, seconds, view_of, with_status
from zcp_actors.sessions.task_wire import Heard, wire_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextvars import Context

    from zcp_actors.actors import Job
    from zcp_actors.protocol.asking import Sent
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.sessions.listed_tools import ListedTools
    from zcp_actors.sessions.listening import Listener

log = logging.getLogger("zcp_actors.sessions")

MAX_TASKS = 4096
"""Tasks of one server that are followed, or whose result is kept. Each is polled, so a host with more asks its server
thousands of times a second; some 5 KiB each."""

LONGEST_KEPT = 30 * 24 * 3600.0
"""Seconds that the end of a task is remembered at most; a task that is to be kept for ever is, until room is needed."""

MAX_STRANGERS = 64
"""Tasks told of and not followed that are remembered, by a number each: as many as are made in one breath. One that is
forgotten, or mistaken for another, costs the wait for a poll, or a poll."""

NOTICES = frozenset({"notifications/tasks/status", "notifications/tasks"})


class TaskWatch:
    """What one session knows of its server's tasks."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self.tasks: dict[str, FollowedTask] = {}
        self.live: dict[str, None] = {}
        """Ids of those that have not ended."""
        self.listener: Listener | None = None
        self.listed: ListedTools | None = None
        """What the server promised of its tools' results."""
        self._strangers: deque[int] | None = None
        """Hashes of ids that were told of before they were followed: a task may change before its maker has run on."""
        self._closed: ZCPError | None = None
        """What ended the session."""
        self._begun = 0

    def __len__(self) -> int:
        return len(self.tasks)

    def _number(self) -> int:
        self._begun += 1
        return self._begun

    # -------------------------------------------------------------------------------------------- the table
    def ensure_room(self) -> None:
        """Make room for one more, at the cost of the oldest result that nobody took. Raises `Overloaded`."""
        if len(self.tasks) < MAX_TASKS:
            return
        oldest = next((task for task in self.tasks.values() if task.over and not task.waiting), None)
        if oldest is None:
            raise Overloaded(f"{MAX_TASKS} tasks of {self.session.name} are followed already; wait for some to end")
        self.drop(oldest)

    def begin(self, told: Any, origin: Sent, *, wished: float | None = None, saved: str = "") -> FollowedTask:
        """Follow the task that this message tells of, from now on. One that is followed already stays the same.

        `saved` names its kept handle, when that is all that is known of it: it is asked about at once. Raises
        `Overloaded`, `InvalidResult` for one without a name, and what ended the session.
        """
        view = view_of(told)
        if not view.task_id:
            raise InvalidResult("the server made a task whose id is empty")
        followed = self.tasks.get(view.task_id)
        if followed is not None:
            return followed
        # In the newer generation, that it has ended does not say how: a look at it does.
        known = not saved and (not view.ended or wire_of(self.session).fetches)
        if not known:
            view = with_status(view, "working")
        return self._follow(FollowedTask(view, origin, self._number(), wished, known=known, saved=saved))

    def _follow(self, task: FollowedTask) -> FollowedTask:
        if self._closed is not None:
            raise self._closed
        self.ensure_room()
        self.tasks[task.id] = task
        if task.view.ended:
            self._ended(task)
            return task
        soon = not task.known or task.view.status == "input_required" or hash(task.id) in (self._strangers or ())
        task.due = trio.current_time() + (0.0 if soon else task.interval(told=False))
        if self.session.spans is not None:
            task.span = self.session.spans.follows(task.id, task.origin.method, task.target)
        self.go_on(task)
        self.live[task.id] = None
        self._retune()
        return task

    def follows(self, task: FollowedTask) -> bool:
        """There is more to hear of it, and it was not dropped while something was heard."""
        return self.tasks.get(task.id) is task and not task.over and self.session.me.status == "running"

    def go_on(self, task: FollowedTask) -> None:
        """Poll it when it is due."""
        task.following = Following(self, task)
        task.following.stand(self.session, task.due, self._context(task))

    def _work(self, task: FollowedTask, job: Job) -> None:
        """Let a job ask something about this task."""
        self.session.submit(job, self._context(task))

    def _context(self, task: FollowedTask) -> Context | None:
        return None if task.span is None else task.span.within(self.session.runtime.context)

    def done(self, outcome: Any, origin: Sent, ttl: int | None) -> FollowedTask:
        """The server answered at once: a task that has ended, under a name of ours. Raises `Overloaded`."""
        self.ensure_room()
        view = ended_view(f"local-{secrets.token_urlsafe(16)}", "completed", ttl)
        task = FollowedTask(view, origin, self._number(), local=True, outcome=outcome)
        self.tasks[task.id] = task
        self._ended(task)
        return task

    def drop(self, task: FollowedTask) -> None:
        """Nobody needs it any more. Handles that are still there keep what they know."""
        self._remove(task)
        if not task.over:
            task.leave(RequestCancelled(task.origin.method or f"task {task.id}", "the task is followed no more"))
        self._withdraw(task, "nobody waits for the task any more")
        for job in (task.following, task.fetching):
            if job is not None:
                job.cancel("nobody waits for the task any more")
        if task.timer is not None:
            task.timer.disarm()

    def _remove(self, task: FollowedTask, error: ZCPError | None = None) -> None:
        if self.tasks.get(task.id) is task:
            del self.tasks[task.id]
            self._not_live(task, error)

    def _not_live(self, task: FollowedTask, error: ZCPError | None = None) -> None:
        if task.span is not None:
            outcome, facts = _left(task, error)
            task.span.end(outcome, status=task.view.status, **facts)
        if self.session.automaton is not None:
            self.session.automaton.task_ended(task.id)
        if self.live.pop(task.id, self) is None and not self.live:
            self._retune()

    def reconnected(self) -> None:
        """The connection is there again; what happened meanwhile is to be asked."""
        self.ask_again(self.live)

    def renewed(self) -> None:
        """The server forgot the session: what it was asked there, it need not answer."""
        for id in self.live:
            fetching = self.tasks[id].fetching
            if fetching is not None:
                fetching.again()
        self.ask_again(self.live)

    def ask_again(self, ids: Iterable[str]) -> None:
        """The server begins to tell of these tasks, or has ceased to: nobody told what happened in between."""
        for id in ids:
            if id in self.live:
                self.tasks[id].wake(trio.current_time())

    def close(self, error: ZCPError) -> None:
        """The session has ended: nothing more will be heard. The tasks may well go on."""
        self._closed = error
        for task in list(self.tasks.values()):
            if task.timer is not None:
                task.timer.disarm()
            task.lose(error)
            self._not_live(task, error)
        self.tasks.clear()
        self.live.clear()

    # -------------------------------------------------------------------------------------------- what is heard
    def notified(self, params: Any) -> None:
        """The server tells of a task by itself."""
        task = self.tasks.get(params.task_id)
        if task is None:
            if self._strangers is None:
                self._strangers = deque(maxlen=MAX_STRANGERS)
            self._strangers.append(hash(params.task_id))
            return
        if task.over:
            return
        try:
            heard = wire_of(self.session).heard(params, task.origin.method)
        except ZCPError as error:
            self.lose(task, error)
        else:
            self.hear(task, heard, certain=False)

    async def poll(self, task: FollowedTask) -> None:
        """Ask what it is now. Raises as a request does, and `InvalidResult` for an answer that cannot be one."""
        before, wire = task.news, wire_of(self.session)
        told = await wire.get(self.session, task.id)
        if task.news == before or view_of(told).ended:
            self.hear(task, wire.heard(told, task.origin.method), certain=True)
        else:
            # It was told of while this was on its way, and nobody can say which is the newer.
            task.due = trio.current_time() + LOWEST_POLL

    def hear(self, task: FollowedTask, heard: Heard, *, certain: bool) -> None:
        """Something was said of it; `certain` when nothing newer can have been."""
        tells = self.listener is not None and self.listener.tells_of(task.id)
        quiet = task.fetching is not None and not task.readers
        news = task.take(heard.view, certain=certain)
        task.due = trio.current_time() + task.interval(told=tells or quiet)
        if not news:
            return
        if task.view.ended:
            self._ended(task, heard.outcome)
        elif heard.asked is not None:
            self._asked(task, heard.asked)
        elif task.view.status == "input_required":
            self.want(task)  # 2025-11-25: its questions come when its result is asked for

    def _ended(self, task: FollowedTask, outcome: Any = NOTHING) -> None:
        self._withdraw(task, "the task has ended")
        self._not_live(task)
        if task.view.status == "cancelled":
            reason = task.cancel_reason or task.view.status_message or "by the server"
            outcome = RequestCancelled(task.origin.method or f"task {task.id}", reason)
        if outcome is not NOTHING:
            task.settle(outcome)
        elif task.outcome is NOTHING and task.waiting:
            task.blocks = True
            self.want(task)
        if task.fetching is not None:
            task.fetching.hurry()
        kept = seconds(task.view.ttl, LONGEST_KEPT)
        if kept is not None:
            task.timer = self.session.runtime.timers.after(kept, partial(self._expire, task))

    def _expire(self, task: FollowedTask) -> None:
        self.drop(task)
        forget(self.session, task)

    async def cancel(self, task: FollowedTask, reason: str) -> TaskView:
        """Have its server end it; one that has ended stays as it is. Raises as a request does."""
        if task.over:
            await trio.lowlevel.checkpoint()
            return task.view
        task.cancel_reason, task.ending = task.cancel_reason or reason, True
        if task.questions is not None:
            task.questions.withdraw_all(f"the task is cancelled: {reason}")
        before, wire = task.news, wire_of(self.session)
        try:
            told = await wire.cancel(self.session, task.id)
        except trio.Cancelled:
            self._not_ending(task)
            raise
        except ZCPError as error:
            await self._not_cancelled(task, error)
            return task.view
        if told is None and not task.over:  # else it was told of while this was on its way
            await self.poll(task)
        elif told is not None:
            self.hear(task, wire.heard(told, task.origin.method), certain=task.news == before)
        return task.view

    async def _not_cancelled(self, task: FollowedTask, error: ZCPError) -> None:
        """A task that has ended is not an error: whoever cancels wants it to end. Raises the error for any other."""
        try:
            if isinstance(error, RPCError):
                await self.poll(task)
        except RPCError as worse:
            raise error from worse
        finally:
            self._not_ending(task)
        if not task.view.ended:
            raise error

    def _not_ending(self, task: FollowedTask) -> None:
        """Nobody knows that it will end: until it does, it gets its answers."""
        task.ending = False
        task.wake(trio.current_time())

    # -------------------------------------------------------------------------------------------- questions
    def _asked(self, task: FollowedTask, asked: Any) -> None:
        if task.outcome is not NOTHING or task.ending:
            return  # it was given up here; its cancellation is on the way
        if task.questions is None:
            if not asked:
                return
            task.questions = TaskQuestions(
                self.session, task, lambda: self._answered(task), lambda error: self.fail(task, error)
            )
        try:
            task.questions.heard(asked)
        except ZCPError as error:
            self.fail(task, error)

    def _answered(self, task: FollowedTask) -> None:
        if task.updating is None and not task.over and self.session.me.status == "running":
            task.updating = Updating(self, task)
            self._work(task, task.updating)

    def _withdraw(self, task: FollowedTask, reason: str) -> None:
        if task.questions is not None:
            task.questions.withdraw_all(reason)
        self.session.desk.end_task(task.id, reason)

    # -------------------------------------------------------------------------------------------- outcomes
    def want(self, task: FollowedTask) -> None:
        """Somebody needs its result: where it does not come by itself, fetch it."""
        if not wire_of(self.session).fetches or task.local or task.outcome is not NOTHING:
            return
        if self._closed is not None:
            task.settle(self._closed)
        elif task.fetching is None and task.lost is None and (task.blocks or task.view.ended):
            task.blocks = True
            self.tasks.setdefault(task.id, task)
            task.fetching = Fetching(self, task)
            self._work(task, task.fetching)

    def fetched(self, task: FollowedTask, result: Any) -> None:
        """Its result is here, which says as well how it ended."""
        task.settle(result)
        status = "failed" if getattr(result, "is_error", False) else "completed"
        if not task.view.ended:
            self.hear(task, Heard(with_status(task.view, status)), certain=True)

    async def judge(self, task: FollowedTask, error: RPCError, *, had_ended: bool) -> None:
        """`tasks/result` was answered with an error: that of the task, or one of the asking. Raises as `poll` does.

        `had_ended`: the task was known to have ended when it was asked for.
        """
        try:
            await self.poll(task)
        except RPCError as worse:
            raise error from worse
        if not task.view.ended:
            task.blocks = False  # its server does not wait; it is asked again when the task has ended
        elif had_ended or task.view.status == "failed":
            task.settle(error)
        # Else it completed just now, and the error was one of the asking: it is asked again.

    def fail(self, task: FollowedTask, error: ZCPError) -> None:
        """It asks what nobody answers: whoever waits is told, its server is told to end it."""
        if task.settle(error):
            self._withdraw(task, "another question of the task has no answer")
            if not task.over and self.session.me.status == "running":
                self._work(task, Cancelling(self, task, f"a question of the task has no answer: {error}"))

    def lose(self, task: FollowedTask, error: ZCPError) -> None:
        """It can be followed no more."""
        self._withdraw(task, "the task is followed no more")
        task.lose(error)
        self._remove(task, error)
        if task.fetching is not None:
            task.fetching.cancel("the task is followed no more")

    def is_gone(self, task: FollowedTask) -> bool:
        """There is nothing to come back for."""
        unknown = isinstance(task.lost, RPCError) and task.lost.code == INVALID_PARAMS
        return unknown or task.view.status == "cancelled"

    def forget(self, task: FollowedTask) -> None:
        """Let go of its handle, if there is nothing to come back for."""
        if self.is_gone(task):
            forget(self.session, task)

    def _retune(self) -> None:
        """Let the server tell of the tasks that are followed, where it can."""
        if self.listener is not None:
            self.listener.retune()


def _left(task: FollowedTask, error: ZCPError | None) -> tuple[str, dict[str, Any]]:
    """How the following of a task ended, for a recorder: that nobody wants to know more is no failure."""
    if task.view.ended:
        return task.view.status, {}
    if error is None or isinstance(error, SessionClosed):
        return "cancelled", {"cancelled_for": "caller" if error is None else "session"}
    return "lost", {"error": type(error).__name__}
