"""
What every part of a recorder needs: the tracer, the clock, the numbers, the policy, and the guard.

Owns the beginning of spans, and the rule that no failure of an SDK, a processor or a propagator reaches who reports.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from opentelemetry import context as otel
from opentelemetry.trace import Link, SpanKind

from zcp_actors.telemetry import conventions as names
from zcp_actors.telemetry import propagation
from zcp_actors.telemetry.span import Followed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.trace import SpanContext, Tracer

    from zcp_actors.telemetry.clock import Clock
    from zcp_actors.telemetry.metrics import Metrics
    from zcp_actors.telemetry.propagation import Trust

T = TypeVar("T")
F = TypeVar("F", bound=Followed)

log = logging.getLogger("zcp_actors.telemetry")

ATTRIBUTES = {
    "id": names.REQUEST_ID,
    "version": names.PROTOCOL_VERSION,
    "session": names.SESSION_ID,
    "protocol": names.PROTOCOL_NAME,
    "address": names.SERVER_ADDRESS,
    "port": names.SERVER_PORT,
    "peer_address": names.CLIENT_ADDRESS,
    "peer_port": names.CLIENT_PORT,
    "key": names.INPUT_KEY,
    "action": names.INPUT_ACTION,
    "mode": names.INPUT_MODE,
    "decided_by": names.INPUT_BY,
    "backend": names.BACKEND,
    "rounds": names.MRTR_ROUNDS,
    "cancelled_for": names.CANCEL_REASON,
    "task": names.TASK_ID,
    "status": names.TASK_STATUS,
    "kind": names.ACTOR_KIND,
    "strategy": names.STRATEGY,
    "depth": names.MAILBOX_DEPTH,
    "limit": names.TIMEOUT_KIND,
    "input_status": names.INPUT_STATUS,
}
"""What a fact is called as an attribute. Others are none: they steer, or they may hold what somebody said."""

CONTENT = {"arguments": names.ARGUMENTS, "result": names.RESULT}
"""Facts that are shown only where the host wants contents."""

TEXTS = frozenset({"id", "key", "task", "backend"})
"""Facts whose attribute is a text whatever they are; names of a peer's choosing are cut."""


@attrs.define(eq=False)
class Drawing:
    """One recorder's means."""

    tracer: Tracer
    clock: Clock
    metrics: Metrics
    trust: Trust = None
    content: bool = False
    open_traces: propagation.OpenTraces = attrs.Factory(propagation.OpenTraces)
    said: propagation.Said = None
    """What was carried last: where no wire is between, it is heard in the same step."""

    def guarded(self, function: Callable[..., T], *arguments: Any) -> T | None:
        """Call it; None when it fails. The first failure of a kind is logged, all are counted."""
        try:
            return function(*arguments)
        except Exception as error:  # noqa: BLE001 - whoever reports must not fail with who draws
            self.failed(error)
            return None

    def failed(self, error: Exception) -> None:
        """What `guarded` does with a failure; what happens in every request guards itself."""
        kind = ((names.ERROR_TYPE, type(error).__name__),)
        self.metrics.failures[kind] += 1
        if self.metrics.failures[kind] == 1:
            log.warning("telemetry failed, and goes on; later failures of this kind are only counted", exc_info=error)

    def start(
        self,
        name: str,
        parent: otel.Context,
        attributes: Mapping[str, Any],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
        at: int | None = None,
        subject: str = "",
    ) -> Followed:
        """Begin a span now, or `at`."""
        return self.start_as(Followed, name, parent, attributes, kind=kind, links=links, at=at, subject=subject)

    def start_as(
        self,
        cls: type[F],
        name: str,
        parent: otel.Context,
        attributes: Mapping[str, Any],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
        at: int | None = None,
        subject: str = "",
        **more: Any,
    ) -> F:
        """The same as an object of this class, which takes `more` besides."""
        began = self.clock.now() if at is None else at
        span = self.tracer.start_span(name, parent, kind, attributes, links, began)
        return cls(self, span, span.get_span_context(), parent, began, attributes, subject, **more)

    def drawn(
        self, name: str, parent: otel.Context, began: int, ended: int, attributes: Mapping[str, Any], **options: Any
    ) -> Followed:
        """A span of what is over already."""
        followed = self.start(name, parent, attributes, at=began, **options)
        followed.ended = True
        followed.span.end(max(ended, began))
        return followed

    def attributes(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The facts that are attributes, under their names."""
        told: dict[str, Any] = {}
        for fact, value in facts.items():
            name = ATTRIBUTES.get(fact)
            if name is None:
                if self.content and fact in CONTENT:
                    told[CONTENT[fact]] = shown(value)
            elif value is not None and value != "":
                told[name] = names.cut(str(value)) if fact in TEXTS else plain(value)
        return told

    def description(self, facts: Mapping[str, Any]) -> str | None:
        """The words of an error, which may quote what was said: only where the host wants contents."""
        message = facts.get("message")
        return names.clean(message) if self.content and isinstance(message, str) else None

    def link(self, of: Followed, to: Any, type: str) -> None:
        """Link a span that has begun to what a `Followed`, or a span's context, names.

        Not one without a parent to a part of its own trace, which is below it already: Jaeger takes such a link for
        its parent, and shows neither of the two, nor anything below them.
        """
        at: SpanContext = to.at if isinstance(to, Followed) else to
        if at.is_valid and (at.trace_id != of.at.trace_id or propagation.span_of(of.parent).is_valid):
            of.span.add_link(at, {names.LINK_TYPE: type})


def plain(value: Any) -> Any:
    """A value as an attribute holds it."""
    return names.clean(value) if isinstance(value, str) else value


def shown(content: Any) -> str:
    """Contents as an attribute holds them."""
    if isinstance(content, str):
        return names.clean(content)
    return json.dumps(content, default=lambda model: model.to_dict() if hasattr(model, "to_dict") else str(model))


def linked(to: SpanContext, type: str) -> list[Link]:
    """A link for a span that begins; none to what is nothing."""
    return [Link(to, {names.LINK_TYPE: type})] if to.is_valid else []
