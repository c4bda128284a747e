"""
Requests and questions, as the MCP conventions draw them.

Owns the spans of both sides of a request, of what a caller wants over several rounds, and of the wait for an answer;
and the choice of what each is a part of. Refuses to know messages: it is given facts.
Source: semantic-conventions-genai docs/gen-ai/mcp.md, with the error rules of its pull request 404.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import attrs
from opentelemetry import context as otel
from opentelemetry.trace import NonRecordingSpan, SpanKind

from zcp_actors.telemetry import conventions as names
from zcp_actors.telemetry import propagation
from zcp_actors.telemetry.drawing import linked
from zcp_actors.telemetry.metrics import keyed
from zcp_actors.telemetry.shape import NO_WIRE, Numbered, Shape, shape
from zcp_actors.telemetry.span import Followed
from zcp_actors.telemetry.tasks import GAP, UNTRUSTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext

    from zcp_actors.telemetry.drawing import Drawing
    from zcp_actors.telemetry.metrics import Metrics
    from zcp_actors.telemetry.tasks import Tasks

POLL: Final = "tasks/get"

MOST_POLLED: Final = 4096
"""Tasks whose last seen status is remembered; a poll of one that was forgotten counts as a change."""


@attrs.define(eq=False)
class Asked(Followed):
    """One side of a request. Its duration is measured."""

    shape: Shape = attrs.field(kw_only=True)
    polls: Polls | None = attrs.field(kw_only=True)

    def _end(self, outcome: str, facts: dict[str, Any], at: int) -> None:
        if self.subject == "request":
            self.drawing.open_traces.closed(self.at)
        if self.polls is not None and not self.polls.is_worth(self, outcome, facts):
            return  # a span that is never ended is never exported
        ended = self.close(outcome, facts, at)
        metrics = self.drawing.metrics
        if metrics.live:
            name = "mcp.client.operation.duration" if self.subject == "request" else "mcp.server.operation.duration"
            metrics.seconds(name, ended - self.began, self._measured(metrics))
        if outcome == "cancelled":
            told = {names.CANCEL_TARGET: metrics.named(self.attributes[names.METHOD])}
            reason = self.attributes.get(names.CANCEL_REASON)
            metrics.cancellations[keyed({**told, names.CANCEL_REASON: reason or "caller"})] += 1

    def _measured(self, metrics: Metrics) -> dict[str, Any]:
        if self.more:
            return metrics.measured(self.attributes)
        if self.shape.measured is None:
            self.shape.measured = metrics.measured(self.attributes)
        return self.shape.measured


@attrs.define(eq=False)
class Unseen(Followed):
    """One side of a request that nobody draws and nobody counts: only what it is part of goes on."""

    def tell(self, **facts: Any) -> None:
        """See `ports.Span`."""

    def end(self, outcome: str = "completed", **facts: Any) -> None:
        """See `ports.Span`."""
        if not self.ended:
            self.ended = True
            if self.subject == "request":
                self.drawing.open_traces.closed(self.at)


@attrs.define(eq=False)
class Wanting(Followed):
    """What a caller wants of a peer, over all requests that it takes: what the peer asks meanwhile goes on in it."""

    def _end(self, outcome: str, facts: dict[str, Any], at: int) -> None:
        self.drawing.open_traces.closed(self.at)
        self.close(outcome, facts, at)


@attrs.define(eq=False)
class Waiting(Followed):
    """The wait for an answer, at the side that asks."""

    path: str = ""
    within_state: bool = False
    waits: dict[str, Waiting] = attrs.Factory(dict)
    """Where it is found by its path while it lasts."""

    def _end(self, outcome: str, facts: dict[str, Any], at: int) -> None:
        metrics, method = self.drawing.metrics, self.attributes[names.INPUT_METHOD]
        metrics.waiting.pop(self.path, None)
        self.waits.pop(self.path, None)
        metrics.pending[keyed({names.INPUT_METHOD: method, names.SIDE: "asking"})] -= 1
        # A status of a task ends a gap before the next one begins; what waits in it must not stick out.
        ended = self.close(outcome, facts, at - GAP if self.within_state else at)
        told = metrics.bounded(answered(method, self.attributes))
        metrics.seconds("zcp.input_request.wait.duration", ended - self.began, told)


def answered(method: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """How an input request ended, for a metric."""
    ends: dict[str, Any] = {key: attributes[key] for key in (names.INPUT_ACTION, names.ERROR_TYPE) if key in attributes}
    return {names.INPUT_METHOD: method, **ends}


def inside(under: Followed | None) -> Context | None:
    """Where what is a part of it is begun."""
    return None if under is None else under.inside


class Polls:
    """Which polls of tasks are worth a span: those that see something new, and those that fail."""

    def __init__(self, drawing: Drawing, trace: str) -> None:
        self._drawing, self._trace = drawing, trace
        self._seen: OrderedDict[tuple[Any, ...], str] = OrderedDict()

    def is_worth(self, asked: Asked, outcome: str, facts: dict[str, Any]) -> bool:
        """Whether this poll is drawn; it is counted in any case."""
        status, task = facts.get("status"), asked.attributes.get(names.TASK_ID)
        place = asked.subject, facts.get("peer"), task
        changed = self._seen.get(place) != status
        self._seen[place] = status or ""
        self._seen.move_to_end(place)
        if len(self._seen) > MOST_POLLED:
            self._seen.popitem(last=False)
        if asked.subject == "call":
            told = {names.TASK_STATUS: status or names.OTHER, names.POLL_CHANGED: changed}
            self._drawing.metrics.polls[keyed(told)] += 1
        return outcome != "completed" or self._trace == "all" or (self._trace == "changed" and changed)


class Requests:
    """Begins what `ports.Recorder.begin` is asked for."""

    def __init__(self, drawing: Drawing, polls: str, tasks: Tasks) -> None:
        self._drawing, self._tasks = drawing, tasks
        self._waits: dict[str, Waiting] = {}
        self._polls = Polls(drawing, polls)
        # One for each recorder: what a metric tells apart is that recorder's.
        self._shape = lru_cache(names.KEPT)(shape)
        self.home = self.around()
        """What was current around the runtime: it is about none of its requests."""

    def around(self) -> SpanContext:
        """What is current now."""
        return propagation.span_of(otel.get_current())

    def waiting(self, path: str) -> Waiting | None:
        """The wait for an answer that is under way there."""
        return self._waits.get(path)

    # -------------------------------------------------------------------------------------------- asking
    def inner(
        self,
        subject: str,
        under: Followed | None,
        facts: dict[str, Any],
        *,
        method: str,
        target: str,
        meta: Mapping[str, Any] | None,
    ) -> Followed:
        """Begin what a caller wants, the wait for a task, or the way to a peer."""
        name, parent = names.span_name(method, target), self._ambient(inside(under), facts, meta)
        attributes = {**(names.about(method, target) if method else {}), **self._drawing.attributes(facts)}
        if subject == "following":
            name = f"wait_for task {names.cut(target)}".rstrip()
            attributes.pop(names.METHOD, None)
        elif subject == "opening":
            name = "session.open"
        wanting = self._drawing.start_as(Wanting, name, parent, attributes, subject=subject)
        self._drawing.open_traces.opened(wanting.at)
        return wanting

    def _ambient(self, around: Context | None, facts: dict[str, Any], meta: Mapping[str, Any] | None) -> Context:
        """What the program is doing; where it traces by other means, what it wrote into the `_meta` itself."""
        about = facts.pop("about", None) if facts else None
        if around is not None:
            return around
        current = otel.get_current()
        if current and propagation.span_of(current).is_valid:
            return current
        if meta and "traceparent" in meta and propagation.span_of(said := propagation.extracted(meta)).is_valid:
            return said
        return about.inside if isinstance(about, Followed) else current

    # -------------------------------------------------------------------------------------------- both
    def side(
        self,
        subject: str,
        under: Followed | None,
        facts: dict[str, Any],
        *,
        method: str,
        target: str,
        id: Any,
        version: str,
        transport: str,
        meta: Mapping[str, Any] | None,
        principal: str,
        arguments: Any,
    ) -> Followed:
        """Begin one side of a request: the one that asks, or the one that answers a "call"."""
        drawing, asks = self._drawing, subject == "request"
        links: list[Link] = []
        waited = after = taken_back = around = None
        if facts:
            waited, after = facts.pop("waited", None), facts.get("after")
        if under is not None:
            taken_back = under if method == names.CANCELLING else None
            around = under.inside if taken_back is None else under.beside
        if asks:
            kind, parent = SpanKind.CLIENT, self._ambient(around, facts, meta)
        else:
            kind = SpanKind.SERVER
            parent, links = self._caller(around, facts, propagation.extracted(meta, drawing.said), transport, principal)
        if taken_back is not None and propagation.span_of(parent).span_id == taken_back.at.span_id:
            links = [*links, *linked(taken_back.at, "cancels")]
        # In the order of `WHERE_NAMES`; most have only the first two.
        where = (facts.pop("protocol", None), facts.pop("address", None), facts.pop("port", None)) if facts else ()
        usual = self._shape(method, target[: names.URI_LENGTH], version, transport, *where)
        attributes: Mapping[str, Any] = usual.attributes if id is None else Numbered(usual.attributes, id)
        if arguments is not None and drawing.content:
            facts["arguments"] = arguments
        if facts:
            attributes = {**attributes, **drawing.attributes(facts)}
        began = drawing.clock.now()
        span = drawing.tracer.start_span(usual.name, parent, kind, attributes, links, began)
        at = span.get_span_context()
        if waited:
            self._draw_waits(after, waited, at)
        if asks:
            drawing.open_traces.opened(at)
        if type(span) is NonRecordingSpan and not drawing.metrics.live:
            return Unseen(drawing, span, at, parent, began, attributes, subject)
        polls = self._polls if method == POLL else None
        return Asked(drawing, span, at, parent, began, attributes, subject, shape=usual, polls=polls)

    # -------------------------------------------------------------------------------------------- answering
    def _caller(
        self, around: Context | None, facts: dict[str, Any], said: Context, transport: str, principal: str
    ) -> tuple[Context, list[Link]]:
        """What a peer's request is part of, and what it is only linked to."""
        trust = self._drawing.trust
        trusted = transport in propagation.TRUSTED if trust is None else propagation.trusts(trust, transport, principal)
        links = [] if transport == NO_WIRE or facts.pop("outbound", False) else self._surroundings()
        if "address" in facts:
            facts["peer_address"], facts["peer_port"] = facts.pop("address"), facts.pop("port", None)
        if not facts and trusted and said:
            return said, links
        after = facts.pop("after", None)
        parent = said
        if not trusted or after is not None or not said:
            parent, links = self._doubtful(said, around, after, links, trusted=trusted)
        if "task" in facts and (task := self._tasks.named(facts["task"])) is not None:
            links += linked(task.at, "task")
        return parent, links

    def _doubtful(
        self, said: Context, around: Context | None, after: Any, links: list[Link], *, trusted: bool
    ) -> tuple[Context, list[Link]]:
        """What a peer's request is part of that goes on elsewhere, or whose word is not enough."""
        span, before = propagation.span_of(said), propagation.read_mark(after)
        parent = self._believed(said, span, trusted=trusted)
        if before is not None:
            links += linked(before[0], "continues")
            if parent is None or span.trace_id != before[0].trace_id:
                # The rounds of one call are one trace, whatever its client says of each.
                parent = propagation.remote(before[0], parent or propagation.NOTHING)
        if parent is None:
            parent = around
        if (
            span.is_valid
            and parent is not said
            and (parent is None or propagation.span_of(parent).span_id != span.span_id)
        ):
            links += linked(span, "caller")
        found = otel.Context() if parent is None else parent
        return (found if trusted else otel.set_value(UNTRUSTED, True, found)), links

    def _believed(self, said: Context, span: SpanContext, *, trusted: bool) -> Context | None:
        if not span.is_valid:
            return said if trusted and said else None
        if trusted:
            return said
        own = self._drawing.open_traces.own(span)
        return None if own is None else propagation.remote(own)

    def _surroundings(self) -> list[Link]:
        """The span of the transport itself, where something else draws one."""
        around = self.around()
        return [] if around == self.home else linked(around, "transport")

    # -------------------------------------------------------------------------------------------- waiting
    def question(
        self, path: str, under: Followed | None, facts: dict[str, Any], *, method: str, meta: Mapping[str, Any] | None
    ) -> Followed:
        """Begin the wait for an answer."""
        attributes = {names.INPUT_METHOD: method, **self._drawing.attributes(facts)}
        parent, metrics = self._ambient(inside(under), facts, meta), self._drawing.metrics
        within = under is not None and under.subject == "task"
        waiting = self._drawing.start_as(
            Waiting,
            f"wait_for {method}",
            parent,
            attributes,
            subject="question",
            path=path,
            within_state=within,
            waits=self._waits,
        )
        metrics.pending[keyed({names.INPUT_METHOD: method, names.SIDE: "asking"})] += 1
        metrics.waiting[path] = (method, waiting.began)
        self._waits[path] = waiting
        return waiting

    def _draw_waits(self, mark: Any, waited: dict[str, tuple[str, str]], answered_by: SpanContext) -> None:
        """Draw, after the fact, the waits between two rounds of a call: key -> (method, action)."""
        before = propagation.read_mark(mark)
        if before is None:
            return
        leg, asked = before
        now, links = self._drawing.clock.now(), linked(answered_by, "answered_by")
        for key, (method, action) in waited.items():
            told = {names.INPUT_METHOD: method, **self._drawing.attributes({"key": key, "action": action})}
            told[names.RETROACTIVE] = True
            self._drawing.drawn(f"wait_for {method}", propagation.remote(leg), asked, now, told, links=links)
            self._drawing.metrics.seconds("zcp.input_request.wait.duration", now - asked, answered(method, told))
