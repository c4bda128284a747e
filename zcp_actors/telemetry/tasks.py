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
from zcp_actors.telemetry.requests import GAP, UNTRUSTED
from zcp_actors.telemetry.span import Followed

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link

    from zcp_actors.telemetry.drawing import Drawing

TERMINAL: Final = frozenset({"completed", "failed", "cancelled"})

LONG_SECONDS: Final = 900.0
"""A task that may live longer than this has a trace of its own: nobody wants a request's trace to grow for hours."""


@attrs.define(eq=False)
class Drawn:
    """One task."""

    whole: Followed
    status: str
    since: int
    state: Followed


class Tasks:
    """The tasks that have not ended, by path."""

    def __init__(self, drawing: Drawing, long_seconds: float) -> None:
        self._drawing, self._long = drawing, long_seconds
        self._open: dict[str, Drawn] = {}

    def following(self, path: str) -> Followed | None:
        """What its work is a part of: its status now."""
        drawn = self._open.get(path)
        return None if drawn is None else drawn.state

    def moved(self, path: str, old: str, new: str, facts: dict[str, Any]) -> None:
        """A task is there, goes on, or ends."""
        drawn = self._open.get(path)
        if drawn is None:
            if new not in TERMINAL:
                self._open[path] = self._begun(path, old, new, facts)
            return
        now = max(self._drawing.clock.now(), drawn.since + 2 * GAP)
        self._leave(drawn, now - GAP)
        if new in TERMINAL:
            del self._open[path]
            self._end(drawn, new, facts, now)
        else:
            drawn.status, drawn.since, drawn.state = new, now, self._state(drawn.whole, drawn.status, new, now)
            self._drawing.metrics.tasks[self._key(drawn)] += 1

    def _begun(self, path: str, old: str, new: str, facts: dict[str, Any]) -> Drawn:
        method, target = facts.get("method", ""), facts.get("target", "")
        told = {k: v for k, v in names.about(method, target).items() if k != names.METHOD}
        told |= {names.TASK_ID: names.cut(str(facts.get("id", path))), **({names.RESUMED: True} if old else {})}
        parent, links = self._creator(facts)
        whole = self._drawing.start(f"task {names.cut(target)}".rstrip(), parent, told, links=links, subject="task")
        state = self._state(whole, old, new, whole.began)
        drawn = Drawn(whole, new, whole.began, state)
        self._drawing.metrics.tasks[self._key(drawn)] += 1
        return drawn

    def _creator(self, facts: dict[str, Any]) -> tuple[Context, list[Link]]:
        """What it is a part of, or only linked to: what asked for it, here or in a process that is gone."""
        before = propagation.read_mark(facts.get("trace"))
        current = otel.get_current() if before is None else propagation.remote(before[0])
        creator = propagation.span_of(current)
        ttl = facts.get("ttl", 0.0)
        alone = ttl is None or ttl > self._long or before is not None or otel.get_value(UNTRUSTED, current)
        if alone:
            return otel.Context(), linked(creator, "created_by" if before is None else "resumes")
        return current, []

    def _state(self, whole: Followed, old: str, new: str, at: int) -> Followed:
        told: dict[str, Any] = {
            key: whole.attributes[key] for key in (names.TASK_ID, names.TOOL) if key in whole.attributes
        }
        told |= {names.TASK_STATUS: new, names.TASK_PREVIOUS: old}
        return self._drawing.start(f"task.{new}", whole.context, told, at=at, subject="task")

    def _leave(self, drawn: Drawn, at: int) -> None:
        drawn.state.ended = True
        drawn.state.span.end(at)
        metrics, key = self._drawing.metrics, self._key(drawn)
        metrics.tasks[key] -= 1
        metrics.seconds("zcp.task.state.duration", at - drawn.since, dict(key))

    def _end(self, drawn: Drawn, status: str, facts: dict[str, Any], at: int) -> None:
        whole = drawn.whole
        told = {names.TASK_STATUS: status}
        if status == "cancelled":
            told |= {names.ERROR_TYPE: names.CANCELLED, names.CANCEL_REASON: str(facts.get("by") or "requestor")}
            canceller = propagation.span_of(otel.get_current())
            if canceller.span_id not in (whole.at.span_id, drawn.state.at.span_id):
                self._drawing.link(whole.span, canceller, "cancelled_by")
            target = {names.CANCEL_TARGET: "task", names.CANCEL_REASON: told[names.CANCEL_REASON]}
            self._drawing.metrics.cancellations[keyed(target)] += 1
        elif status == "failed" or facts.get("tool_error"):
            kind = names.TOOL_ERROR if facts.get("tool_error") else str(facts.get("code") or facts.get("error") or "")
            told[names.ERROR_TYPE] = kind or names.OTHER
            whole.span.set_status(StatusCode.ERROR, self._drawing.description({"message": facts.get("reason")}))
        if self._drawing.content and facts.get("reason"):
            told[names.TASK_REASON] = str(facts["reason"])
        whole.attributes.update(told)
        whole.span.set_attributes(told)
        whole.ended = True
        whole.span.end(at)

    def _key(self, drawn: Drawn) -> Any:
        tool = drawn.whole.attributes.get(names.TOOL) or drawn.whole.attributes.get(names.TASK_KIND)
        told = {names.TASK_STATUS: drawn.status}
        return keyed({**told, names.TOOL: self._drawing.metrics.named(tool)} if tool else told)

    def close(self) -> None:
        """The runtime ends: what has not ended is shown as far as it came."""
        for drawn in list(self._open.values()):
            now = max(self._drawing.clock.now(), drawn.since + 2 * GAP)
            self._leave(drawn, now - GAP)
            drawn.whole.span.set_attributes({names.TASK_STATUS: drawn.status})
            drawn.whole.span.end(now)
        self._open.clear()
