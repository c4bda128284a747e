"""
A span under way, as the layers hold it (`ports.Span`).

Owns the one end of a span and what that end says: cancelled is never a success, a caller's fault is none of ours.
Refuses to raise: an SDK's processor may fail, what is recorded may not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from opentelemetry import context as otel
from opentelemetry.trace import StatusCode

from zcp_actors.telemetry import conventions as names
from zcp_actors.telemetry import propagation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Context

    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import SpanContext

    from zcp_actors.telemetry.drawing import Drawing


@attrs.define(eq=False)
class Followed:
    """One thing that is followed: its span, and what is begun within it."""

    drawing: Drawing
    span: OtelSpan
    at: SpanContext
    """What links and children name it by."""
    parent: otel.Context
    began: int
    attributes: Mapping[str, Any]
    """What the span was begun with, and told: metrics need them, and a span does not give them back."""
    subject: str = ""
    ended: bool = False
    more: bool = False
    """More attributes were told than it was begun with."""
    _context: otel.Context | None = None

    @property
    def context(self) -> otel.Context:
        """What is begun in here is a child of the span. Made when it is needed: most spans have no children here."""
        if self._context is None:
            self._context = propagation.about(self.span, self.parent)
        return self._context

    @property
    def inside(self) -> otel.Context:
        """What is a part of it is begun in here."""
        return self.context

    @property
    def beside(self) -> otel.Context:
        """What takes it back is begun in here: where it was begun itself, or within it where that is no span's.

        Jaeger takes the first link for the parent where it does not have the parent, which may still be under way: who
        takes something back must not be below what is linked to it.
        """
        return self.parent if propagation.span_of(self.parent).is_valid else self.context

    def tell(self, **facts: Any) -> None:
        """See `ports.Span`."""
        if not self.ended:  # an exporter may be reading the attributes
            self.drawing.guarded(self._tell, facts)

    def _tell(self, facts: Mapping[str, Any]) -> None:
        self._add(self.drawing.attributes(facts))

    def _add(self, told: dict[str, Any]) -> None:
        self.more = True
        self.span.set_attributes(told)
        # What it was begun with is the span's as well, and may be that of other spans.
        self.attributes = {**self.attributes, **told}

    def carried(self, meta: Mapping[str, Any] | None) -> dict[str, Any]:
        """See `ports.Span`."""
        try:
            told = propagation.injected(meta, self.at, self.parent)
            if "traceparent" in told:
                self.drawing.said = told["traceparent"], self.at
            return told
        except Exception as error:  # noqa: BLE001 - see `Drawing.guarded`
            self.drawing.failed(error)
            return dict(meta or {})

    def within(self, base: Context) -> Context:
        """See `ports.Span`."""
        copy = base.copy()
        copy.run(otel.attach, self.context)
        return copy

    def mark(self) -> dict[str, Any]:
        """See `ports.Span`."""
        return self.drawing.guarded(propagation.marked, self.at, self.drawing.clock.now()) or {}

    def end(
        self, outcome: str = "completed", *, by: Any = None, at: float | None = None, result: Any = None, **facts: Any
    ) -> None:
        """See `ports.Span`. `at` is a time of the runtime's clock, `result` a content."""
        if self.ended:
            return
        self.ended, drawing = True, self.drawing
        try:
            if by is not None:
                drawing.link(self, by, "cancelled_by")
            if result is not None and drawing.content:
                facts["result"] = result
            self._end(outcome, facts, drawing.clock.now() if at is None else drawing.clock.at(at))
        except Exception as error:  # noqa: BLE001 - see `Drawing.guarded`
            drawing.failed(error)

    def _end(self, outcome: str, facts: dict[str, Any], at: int) -> None:
        self.close(outcome, facts, at)

    def close(self, outcome: str, facts: dict[str, Any], at: int) -> int:
        """End the span at this time, or when it began, if that is later; returns when that was."""
        if facts or outcome != "completed":
            self._judge(outcome, facts)
        at = max(at, self.began)
        self.span.end(at)
        return at

    def _judge(self, outcome: str, facts: dict[str, Any]) -> None:
        told = self.drawing.attributes(facts)
        if outcome != "completed" or "code" in facts:
            told |= verdict(self.subject, outcome, facts)
        if told:
            self._add(told)
        if names.ERROR_TYPE in told and outcome != "cancelled":  # a cancellation was somebody's wish, and no error
            self.span.set_status(StatusCode.ERROR, self.drawing.description(facts))


def verdict(subject: str, outcome: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What an outcome means for `error.type` and its companions."""
    code = facts.get("code")
    told: dict[str, Any] = {} if code is None else {names.STATUS_CODE: str(code)}
    if outcome == "cancelled":
        told[names.ERROR_TYPE] = names.CANCELLED
    elif outcome == "timed out":
        told[names.ERROR_TYPE] = names.TIMEOUT
    elif outcome == "tool error":
        told[names.ERROR_TYPE] = names.TOOL_ERROR
    elif code is not None:
        if not (subject == "call" and code in names.CALLERS_FAULTS):
            told[names.ERROR_TYPE] = str(code)
    elif outcome in ("failed", "lost", "refused"):
        told[names.ERROR_TYPE] = facts.get("error") or names.OTHER
    elif outcome in ("input_required", "task"):
        told[names.RESULT_TYPE] = outcome
    return told
