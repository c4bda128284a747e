"""
One task of a server, as its requestor follows it: what is known of it, who waits for it, who reads its changes.

Owns the rules of hearing: a terminal status stands, older news does not undo newer, an outcome comes once.
Refuses to ask the server anything, and to know what a question is.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import attrs
import trio

from zcp_actors.actors import Reply, settle
from zcp_actors.protocol.asking import Sent
from zcp_actors.sessions.task_view import seconds
from zcp_actors.wire import RequestParams

if TYPE_CHECKING:
    from zcp_actors.actors import Timer
    from zcp_actors.errors import ZCPError
    from zcp_actors.ports import Span
    from zcp_actors.sessions.task_following import Fetching, Following, Updating
    from zcp_actors.sessions.task_questions import TaskQuestions
    from zcp_actors.sessions.task_view import TaskView
    from zcp_actors.wire import Model

NOTHING: Final = object()
"""No outcome yet: None may be one."""

MAX_UNREAD = 1000
"""Changes kept for a reader that does not come to read: it then misses the oldest, never the last."""

USUAL_POLL, LOWEST_POLL = 1.0, 0.05
"""Seconds between two polls where the server says nothing, and at least: twenty a second are the end of patience."""

HIGHEST_POLL = 3600.0
"""Seconds between two polls at most, whatever the server says: an end is heard of within the hour."""

SLOWER, LONGEST_SLOWED = 10, 60.0
"""While the server tells of changes by itself, polls are a safety net: ten times as rare, but once a minute still."""


class Changes:
    """One reader of a task's changes: `async for view in Changes(task)`."""

    def __init__(self, task: FollowedTask) -> None:
        self._unread: deque[TaskView] = deque([task.view] if task.known else [], maxlen=MAX_UNREAD)
        self._over = (task.known and task.view.ended) or task.lost is not None
        self._error = None if self._over and task.lost is None else task.lost
        self._news = trio.Event()
        task.read_by(self)
        if task.fetching is not None:  # it was polled less often while nobody looked
            task.wake(trio.current_time() + task.interval(told=False))

    def __aiter__(self) -> Changes:
        """It is its own iterator."""
        return self

    async def __anext__(self) -> TaskView:
        """The next change. Raises what ended the following of the task, where that was not the task's own end."""
        await trio.lowlevel.checkpoint()
        while not self._unread:
            if self._error is not None:
                raise self._error
            if self._over:
                raise StopAsyncIteration
            self._news = trio.Event()
            await self._news.wait()
        return self._unread.popleft()

    def add(self, view: TaskView) -> None:
        """It changed."""
        self._unread.append(view)
        self._over = view.ended
        self._news.set()

    def fail(self, error: ZCPError) -> None:
        """It will not be heard of any more."""
        if not self._over:
            self._over, self._error = True, error
            self._news.set()


def origin_of(method: str = "", params: Model | None = None) -> Sent:
    """The request that made a task, as policy sees it; of some tasks only the id is known."""
    return Sent(None, method, RequestParams() if params is None else params, "", settled=True)


@attrs.define(eq=False)
class FollowedTask:
    """What a session knows of one task."""

    view: TaskView
    origin: Sent
    """The request that made it, for policy and for people; its method is "" where that is not known."""
    number: int
    wished: float | None = None
    """Seconds between two polls that the caller asked for; the server's word comes first."""
    local: bool = False
    """The server answered at once: there is no such task there."""
    known: bool = True
    """It has been heard of in this process."""
    due: float = -math.inf
    """When it is polled next, in seconds of the runtime's clock."""
    news: int = 0
    """How often it was heard of."""
    outcome: Any = NOTHING
    """A result model or an exception; first come, first served."""
    lost: ZCPError | None = None
    """Why it is followed no more, although it has not ended."""
    cancel_reason: str = ""
    ending: bool = False
    """Its server was told to end it: what it still asks is not answered."""
    saved: str = ""
    """The name of its handle in the runtime's task store."""
    blocks: bool = True
    """Its server lets `tasks/result` wait."""
    waiting: dict[Reply[Any], None] = attrs.Factory(dict)
    following: Following | None = None
    fetching: Fetching | None = None
    updating: Updating | None = None
    questions: TaskQuestions | None = None
    timer: Timer | None = None
    span: Span | None = None
    """How a recorder follows the wait for it."""
    id: str = attrs.field(init=False)
    """What names it at its server."""
    _readers: WeakSet[Changes] | None = None

    def __attrs_post_init__(self) -> None:
        self.id = self.view.task_id

    @property
    def over(self) -> bool:
        """There is nothing more to hear of it."""
        return self.view.ended or self.lost is not None

    @property
    def target(self) -> str:
        """The tool's name, or the kind; "" where that is not known."""
        params = self.origin.params
        return str(getattr(params, "name", "") or getattr(params, "kind", ""))

    # -------------------------------------------------------------------------------------------- hearing
    @property
    def readers(self) -> list[Changes]:
        """Who reads its changes and is still there."""
        return [] if self._readers is None else list(self._readers)

    def read_by(self, reader: Changes) -> None:
        """One more reads its changes, as long as anybody holds it."""
        if self._readers is None:
            self._readers = WeakSet()
        self._readers.add(reader)

    def take(self, view: TaskView, *, certain: bool) -> bool:
        """Somebody told of it. `certain`: nothing else was heard since this was asked for, so it is the newest.

        False when it was not news: the task had ended, or the telling was overtaken by another.
        """
        old = self.view
        if self.over or (not certain and not view.ended and view.older_than(old)):
            return False
        changed = not self.known or (view.status, view.status_message) != (old.status, old.status_message)
        self.view, self.known = view, True
        self.news += 1
        if changed:
            for reader in self.readers:
                reader.add(view)
        if view.ended:
            self.wake()
        return True

    def settle(self, outcome: Any) -> bool:
        """Its outcome is known. False when it was before."""
        if self.outcome is not NOTHING:
            return False
        self.outcome = outcome
        for reply in list(self.waiting):
            settle(reply, outcome)
        return True

    def lose(self, error: ZCPError) -> None:
        """It will not be heard of any more."""
        if self.lost is None and not self.view.ended:
            self.lost = error
        self.leave(error)
        self.wake()

    def leave(self, error: ZCPError) -> None:
        """Nobody here follows it any more, though it may go on: whoever still waits is told."""
        for reader in self.readers:
            reader.fail(error)
        self.settle(error)

    async def wait(self) -> Any:
        """Its outcome; raised where it is an exception."""
        if self.outcome is not NOTHING:
            await trio.lowlevel.checkpoint()
            if isinstance(self.outcome, Exception):
                raise self.outcome
            return self.outcome
        mine: Reply[Any] = Reply()
        self.waiting[mine] = None
        try:
            return await mine.wait()
        finally:
            self.waiting.pop(mine, None)

    # -------------------------------------------------------------------------------------------- polling
    def interval(self, *, told: bool) -> float:
        """Seconds between two polls; `told` when its server tells of changes unasked."""
        stated = seconds(self.view.poll_interval, HIGHEST_POLL)
        wanted = stated if stated is not None else self.wished if self.wished is not None else USUAL_POLL
        usual = min(max(wanted, LOWEST_POLL), HIGHEST_POLL)
        return max(usual, min(usual * SLOWER, LONGEST_SLOWED)) if told else usual

    def wake(self, at: float | None = None) -> None:
        """Look again; poll not later than at this time."""
        if at is not None:
            self.due = min(self.due, at)
        if self.following is not None:
            self.following.heed()
