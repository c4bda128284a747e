"""
Where a session's tasks get what deciding about them needs: the time, names that nobody can guess, and their expiry.

Owns the timers of the tasks whose receiver this session is, and the record of what became of them. Refuses to decide:
that is `protocol.client_tasks`. Who answers the question of a task is the desk's, as of every other question.
The rule that keeps it honest: a timer lives exactly as long as its task is kept.

To know as the host of a server that uses tasks (MCP 2025-11-25 asks receivers to say so): a server may keep 1000 tasks
here, for 25 hours at most. They are bound to its session, so no other server can find them, and end with it.
"""

from __future__ import annotations

import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.protocol.stateful_client import StatefulClient

if TYPE_CHECKING:
    from zcp_actors.actors import Timer
    from zcp_actors.protocol.asking import Incoming
    from zcp_actors.protocol.client_tasks import ClientTasks
    from zcp_actors.protocol.effects import Effect, Entrust, Tracked
    from zcp_actors.protocol.tasks import Task
    from zcp_actors.sessions.client import ClientSession

NAME_BYTES = 24
"""192 bits of chance in a task's id. The specification wants ids that cannot be guessed; 128 bits cannot."""


class Receiver:
    """The host of the tasks that one server has given us."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self._timers: dict[str, Timer] = {}
        self._epoch: float | None = None

    def _now(self) -> float:
        """Seconds of the epoch, by a clock that never goes back, and stands where virtual time does."""
        now = trio.current_time()
        if self._epoch is None:
            self._epoch = time.time() - now
        return self._epoch + now

    def entrusted(self, entrust: Entrust) -> list[Effect]:
        """The server wants a task of us, or something of one."""
        automaton = self.session.automaton
        assert isinstance(automaton, StatefulClient)
        if entrust.request.method == "tasks/result":
            self._audit(automaton.tasks, entrust.params.task_id)
        return automaton.entrusted(entrust, secrets.token_urlsafe(NAME_BYTES), self._now())

    def _audit(self, tasks: ClientTasks, id: str) -> None:
        """The specification wants it on record who fetches results."""
        row, recorder = tasks.rows.get(id), self.session.runtime.recorder
        if row is not None and recorder.enabled:
            path, status = self._path(row.number), row.task.status.value
            recorder.transition("task request", path, status, "result asked for", id=id, backend=self.session.name)

    def answered(self, question: Incoming, outcome: Any) -> list[Effect]:
        """The pending request of a task has ended."""
        automaton = self.session.automaton
        # Another session may have begun meanwhile, in another era even; the task was then forgotten with the old one.
        return automaton.tasks.answered(question, outcome, self._now()) if isinstance(automaton, StatefulClient) else []

    def track(self, tracked: Tracked) -> None:
        """A task has begun, changed, or is forgotten."""
        old, new = tracked.old, tracked.new
        if old is None and new is not None:
            self._begin(new)
        if new is None and old is not None and (timer := self._timers.pop(old.id, None)) is not None:
            timer.disarm()
        if self.session.runtime.recorder.enabled:
            self._record(tracked)

    def _record(self, tracked: Tracked) -> None:
        """Say what an audit needs: whose task, for what, how it ended; no contents. What ends is told of once."""
        old, new = tracked.old, tracked.new
        task = new or old
        if task is None or (new is None and task.ended):
            return
        status = "cancelled" if new is None else new.status.value
        facts: dict[str, Any] = {"id": task.id, "method": task.origin.method, "target": "", "ttl": task.ttl}
        facts |= {"backend": self.session.name, "reason": tracked.reason or task.message or ""}
        facts["by"] = "receiver" if new is None else "requestor" if status == "cancelled" else "task"
        recorder = self.session.runtime.recorder
        recorder.transition(
            "task", self._path(tracked.number), "" if old is None else old.status.value, status, **facts
        )

    def _path(self, number: int) -> str:
        return f"{self.session.me.path}/task-{number}"

    def _begin(self, task: Task) -> None:
        automaton = self.session.automaton
        if isinstance(automaton, StatefulClient) and task.ttl is not None:
            expire = partial(self._expire, automaton.tasks, task.id)
            self._timers[task.id] = self.session.runtime.timers.after(task.ttl, expire)

    def _expire(self, tasks: ClientTasks, name: str) -> None:
        self.session.perform(tasks.expire(name))

    def close(self) -> None:
        """The session has ended: no timer of its tasks may outlive it."""
        for timer in self._timers.values():
            timer.disarm()
        self._timers.clear()
