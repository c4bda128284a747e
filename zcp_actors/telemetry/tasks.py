"""
Tasks: one span for each, one below it for every visit of a status.

Owns the tiling: a status ends one gap before the next begins, so that the bars sum up to the task. What ends the task
ends its span; a terminal status has none of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from opentelemetry import context as otel
from opentelemetry.trace import StatusCode

from zcp_actors.telemetry import conventions as names
from zcp_actors.telemetry import propagation
from zcp_actors.telemetry.drawing import linked
from zcp_actors.telemetry.metrics import keyed
from zcp_actors.telemetry.span import Followed

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link

    from zcp_actors.telemetry.drawing import Drawing

OPEN: Final = frozenset({"queued", "working", "input_required"})
ENDED: Final = frozenset({"completed", "failed", "cancelled"})
"""Whatever else a task moves to means that this process has no more to do with it."""

GAP: Final = 1000
"""Nanoseconds between two bars that follow each other: Jaeger's critical path passes over bars that touch."""

UNTRUSTED: Final = otel.create_key("zcp-untrusted-caller")
"""Set in the context of what an untrusted caller asked for: its tasks get traces of their own."""

LONG_SECONDS: Final = 3600.0
"""A task that is kept longer than this has a trace of its own: nobody wants a request's trace to grow for days. It is
how long a task is kept when nobody says otherwise, so somebody meant this one to last."""


@attrs.define(eq=False)
class Task(Followed):
    """One task. What its handler begins is a child of the task; what it waits for, of its status."""

    status: str = ""
    since: int = 0
    state: Followed | None = None

    @property
    def inside(self) -> Context:
        """See `Followed`."""
        return self.context if self.state is None else self.state.context


class Tasks:
    """The tasks that have not ended, by path."""

    def __init__(self, drawing: Drawing, long_seconds: float) -> None:
        self._drawing, self._long = drawing, long_seconds
        self._open: dict[str, Task] = {}
        self._by_id: dict[str, Task] = {}

    def following(self, path: str) -> Task | None:
        """The task at this path."""
        return self._open.get(path)

    def named(self, id: str) -> Task | None:
        """The task of this id."""
        return self._by_id.get(id)

    def moved(self, path: str, old: str, new: str, facts: dict[str, Any]) -> None:
        """A task is there, goes on, or ends."""
        task = self._open.get(path)
        if task is None:
            if new in OPEN:
                task = self._open[path] = self._begun(path, old, facts)
                self._by_id[task.attributes[names.TASK_ID]] = task
                self._enter(task, old, new, task.began)
            elif new in ENDED:
                # What an earlier process left, and nobody will go on with.
                task = self._begun(path, old, facts)
                self._end(task, new, facts, task.began)
            return
        now = max(self._drawing.clock.now(), task.since + 2 * GAP)
        self._leave(task, now - GAP, error_of(new, facts))
        if new in OPEN:
            self._enter(task, old, new, now)
        else:
            self._forget(path, task)
            self._end(task, new, facts, now)

    def _forget(self, path: str, task: Task) -> None:
        del self._open[path]
        self._by_id.pop(task.attributes[names.TASK_ID], None)

    def _begun(self, path: str, old: str, facts: dict[str, Any]) -> Task:
        method, target = facts.get("method", ""), facts.get("target", "")
        told = {name: value for name, value in names.about(method, target).items() if name != names.METHOD}
        told[names.TASK_ID] = names.cut(str(facts.get("id", path)))
        resumed = bool(old) or bool(facts.get("resumed"))
        if resumed:
            told[names.RESUMED] = True
        parent, links = self._creator(facts, resumed=resumed)
        name = f"task {names.cut(target)}" if target else "task"
        return self._drawing.start_as(Task, name, parent, told, links=links, subject="task")

    def _creator(self, facts: dict[str, Any], *, resumed: bool) -> tuple[Context, list[Link]]:
        """What it is a part of, or only linked to: what asked for it, here or in a process that is gone."""
        under = facts.get("under")
        if resumed:
            return otel.Context(), linked(propagation.span_of(propagation.extracted(facts.get("meta"))), "resumes")
        current = under.context if isinstance(under, Followed) else otel.get_current()
        ttl = facts.get("ttl", 0.0)
        if ttl is None or ttl > self._long or otel.get_value(UNTRUSTED, current):
            return otel.Context(), linked(propagation.span_of(current), "created_by")
        return current, []

    def _enter(self, task: Task, old: str, new: str, at: int) -> None:
        told: dict[str, Any] = {names.TASK_STATUS: new, names.TASK_PREVIOUS: old}
        told |= {name: task.attributes[name] for name in (names.TASK_ID, names.TOOL) if name in task.attributes}
        task.status, task.since = new, at
        task.state = self._drawing.start(f"task.{new}", task.context, told, at=at, subject="task")
        self._drawing.metrics.tasks[self._key(task)] += 1

    def _leave(self, task: Task, at: int, error: str) -> None:
        if task.state is not None:
            task.state.ended = True
            task.state.span.end(at)
        metrics, key = self._drawing.metrics, self._key(task)
        metrics.tasks[key] -= 1
        told = {names.ERROR_TYPE: error} if error else {}
        metrics.seconds("zcp.task.state.duration", at - task.since, metrics.bounded({**dict(key), **told}))

    def _end(self, task: Task, status: str, facts: dict[str, Any], at: int) -> None:
        told: dict[str, Any] = {}
        if status in ENDED:
            told[names.TASK_STATUS] = status
        else:
            told |= {names.TASK_STATUS: task.status, names.TASK_LEFT: True}
        if status == "cancelled":
            told |= self._cancelled(task, facts)
        elif error := error_of(status, facts):
            told[names.ERROR_TYPE] = error
            task.span.set_status(StatusCode.ERROR, self._drawing.description({"message": facts.get("reason")}))
        if self._drawing.content and facts.get("reason"):
            told[names.TASK_REASON] = names.clean(str(facts["reason"]))
        task.span.set_attributes(told)
        task.attributes = {**task.attributes, **told}
        task.ended = True
        task.span.end(at)

    def _cancelled(self, task: Task, facts: dict[str, Any]) -> dict[str, Any]:
        by = self._drawing.metrics.named(str(facts.get("by") or "requestor"))
        canceller = propagation.span_of(otel.get_current())
        if canceller.span_id not in (task.at.span_id, task.state.at.span_id if task.state else 0):
            self._drawing.link(task, canceller, "cancelled_by")
        counted = {names.CANCEL_TARGET: "task", names.CANCEL_REASON: by}
        self._drawing.metrics.cancellations[keyed(counted)] += 1
        return {names.ERROR_TYPE: names.CANCELLED, names.CANCEL_REASON: by}

    def _key(self, task: Task) -> Any:
        tool = task.attributes.get(names.TOOL) or task.attributes.get(names.TASK_KIND)
        told = {names.TASK_STATUS: task.status}
        return keyed({**told, names.TOOL: self._drawing.metrics.named(tool)} if tool else told)

    def close(self) -> None:
        """The runtime ends: what has not ended is shown as far as it came."""
        for path, task in list(self._open.items()):
            self.moved(path, task.status, "left", {})


def error_of(status: str, facts: dict[str, Any]) -> str:
    """What ended a task that is in this status now; empty where that is none of the ways to fail."""
    if status == "cancelled":
        return names.CANCELLED
    if facts.get("reports_error"):
        return names.TOOL_ERROR
    return str(facts.get("code") or facts.get("error") or names.OTHER) if status == "failed" else ""
