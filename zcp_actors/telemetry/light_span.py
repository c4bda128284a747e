"""
Spans of the SDK that are made at a third of its cost.

Owns one difference to the SDK's own span: what nobody asks of most spans in the program's time (attributes bounded and
cleaned, lists of events and links) is made when somebody asks, which is an exporter in its thread; and what is exported
is the span itself, which nobody can change any more, in place of a copy.
Refuses to know better: everything else is the SDK's, by inheritance, and a tracer of another kind, or of an SDK whose
spans have other parts than the known ones, is left as it is.
"""

# ruff: noqa: SLF001 - a span of the SDK can only be made, and ended, with what the SDK keeps to itself

from __future__ import annotations

from operator import attrgetter
from threading import RLock
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Span, SynchronousMultiSpanProcessor, Tracer, _Span
from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, DEFAULT_OFF, DEFAULT_ON
from opentelemetry.trace import (
    DEFAULT_TRACE_STATE,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from zcp_actors.telemetry.giving_way import Exporting
from zcp_actors.telemetry.propagation import SPAN_KEY, valid_span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link
    from opentelemetry.util.types import AttributeValue

TRACER_PARTS: Final = frozenset({
    "_instrumentation_scope", "_span_limits", "_tracer_config", "_tracer_metrics", "id_generator",
    "instrumentation_info", "resource", "sampler", "span_processor",
})  # fmt: skip
SPAN_PARTS: Final = frozenset({
    "_attributes", "_context", "_end_time", "_events", "_instrumentation_info", "_instrumentation_scope", "_kind",
    "_limits", "_links", "_lock", "_name", "_parent", "_record_end_metrics", "_record_exception", "_resource",
    "_sampler", "_set_status_on_exception", "_span_processor", "_start_time", "_status", "_trace_config",
})  # fmt: skip
"""What a tracer and a span of the SDK hold; `LightSpan` has it at once, as a default, or when it is asked for."""

RULES: Final = {
    id(ALWAYS_ON): (True, True, True),
    id(ALWAYS_OFF): (False, False, False),
    id(DEFAULT_ON): (True, True, False),
    id(DEFAULT_OFF): (False, True, False),
}
"""What the SDK's constant samplers decide of a span with no parent, with a sampled one, and with one that is not; they
add nothing to it. Others are asked."""

COMMON: Final = {
    "_instrumentation_info": "instrumentation_info",
    "_instrumentation_scope": "_instrumentation_scope",
    "_limits": "_span_limits",
    "_sampler": "sampler",
    "_span_processor": "span_processor",
}
"""What all spans of a tracer have in common, and where the tracer has it."""

SAMPLED, RANDOM = int(TraceFlags.SAMPLED), int(TraceFlags.RANDOM_TRACE_ID)
FLAGS: Final = tuple(map(TraceFlags, range(4)))
"""By their bits: sampled, and of a random trace id."""

UNSET: Final = Status(StatusCode.UNSET)

CHANGING: Final = RLock()
"""Held while a span changes, or makes a part that two threads may ask for at once; an exporter asks for most. One for
all of them: it is held for some steps, and a lock is as large as all that most spans are told."""


class LightSpan(Span):
    """One span. A `LightTracer` makes it, of a class of its own, and sets what is no default."""

    # Places of its own: most spans need no dict then.
    __slots__ = (
        "_attributes", "_context", "_end_time", "_events", "_kind", "_links", "_name", "_parent", "_resource",
        "_start_time", "_status", "_told",
    )  # fmt: skip

    _told: Mapping[str, AttributeValue] | None
    """The attributes it began with, until they are made. Nobody writes to them."""
    _lock: Any = CHANGING
    _exporting: Exporting
    _trace_config = None
    _record_end_metrics = None
    _record_exception = True
    _set_status_on_exception = True

    # What processors ask of every span, and who they are, without a call of Python.
    context = property(attrgetter("_context"))
    _processors: Any = property(attrgetter("_span_processor._span_processors"))

    def __getattr__(self, name: str) -> Any:
        # Called for what is not there yet.
        make = LATE.get(name)
        if make is None:
            raise AttributeError(f"{type(self).__name__} has no {name}")
        with CHANGING:
            try:
                return object.__getattribute__(self, name)
            except AttributeError:
                value = make(self)
                setattr(self, name, value)
                return value

    def get_span_context(self) -> SpanContext:
        """See `opentelemetry.trace.Span`."""
        return self._context  # type: ignore[return-value]

    def end(self, end_time: int | None = None) -> None:
        """See `opentelemetry.trace.Span`."""
        with CHANGING:
            ended = self._end_time is not None
            if not ended:
                self._end_time = time_ns() if end_time is None else end_time
        if ended:
            super().end(end_time)  # which says what is wrong with that
            return
        if self._told is None:
            cast("BoundedAttributes", self._attributes)._immutable = True
        for processor in self._processors:
            processor._on_ending(self)
        processors = self._processors
        for processor in processors:
            processor.on_end(self)
        self._exporting.give_way(processors)

    def _bounded(self) -> BoundedAttributes:
        limits, told, self._told = self._limits, self._told, None
        return BoundedAttributes(
            limits.max_span_attributes,
            told,
            immutable=self._end_time is not None,
            max_value_len=limits.max_span_attribute_length,
        )


LATE: Final[dict[str, Callable[[Any], Any]]] = {
    "_attributes": LightSpan._bounded,
    "_events": LightSpan._new_events,
    "_links": lambda span: span._new_links(()),
}
"""How what is not made at once is made."""


class LightTracer:
    """A tracer of the SDK, as far as a recorder needs one. It decides, numbers and reports spans as that one does."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer, self._ids, self._sampler = tracer, tracer.id_generator, tracer.sampler
        self._rule = RULES.get(id(tracer.sampler))
        self._sound = type(tracer.id_generator) is RandomIdGenerator  # others may give ids that are none
        # What all its spans have in common is their class's.
        common = {name: getattr(tracer, of) for name, of in COMMON.items()}
        if type(tracer.span_processor) is not SynchronousMultiSpanProcessor:
            common["_processors"] = (tracer.span_processor,)
        common["_exporting"] = Exporting()
        self._spans: Any = type("LightSpan", (LightSpan,), common)

    def start_span(  # noqa: PLR0917 - the API's own
        self,
        name: str,
        context: Context,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        links: Sequence[Link],
        start_time: int,
    ) -> trace.Span:
        """See `opentelemetry.trace.Tracer`. Nobody writes to the attributes any more."""
        tracer, ids = self._tracer, self._ids
        state: TraceState | None = None
        around: Any = context.get(SPAN_KEY)
        parent = None if around is None else around.get_span_context()
        if not tracer._tracer_config.is_enabled or (parent is not None and type(parent) is not SpanContext):
            return tracer.start_span(name, context, kind, attributes, links, start_time)
        if parent is not None and parent.is_valid:
            # By position: each property of a span's context costs a call.
            trace_id, _, _, flags, state, _ = parent
            rank, random = 1 if flags & SAMPLED else 2, flags & RANDOM
        else:
            parent, trace_id, rank, random = None, ids.generate_trace_id(), 0, RANDOM if ids.is_trace_id_random() else 0
        if self._rule is not None:
            sampled = recording = self._rule[rank]
        else:
            judged: Any = self._sampler.should_sample(context, trace_id, name, kind, attributes, links)
            sampled, recording, state = judged.decision.is_sampled(), judged.decision.is_recording(), judged.trace_state
            attributes = dict(judged.attributes or ())
        span_id, flags = ids.generate_span_id(), FLAGS[sampled | random]
        if self._sound:
            at = valid_span((trace_id, span_id, False, flags, DEFAULT_TRACE_STATE if state is None else state, True))
        else:
            at = SpanContext(trace_id, span_id, False, flags, state)
        if not recording:
            return NonRecordingSpan(at)
        span: LightSpan = object.__new__(self._spans)  # past the SDK's way, which makes all parts
        span._name, span._context, span._parent, span._kind = name, at, parent, kind
        span._told, span._start_time, span._resource = attributes, start_time, tracer.resource
        span._end_time, span._status = None, UNSET
        if links:
            span._links = span._new_links(links)
        for processor in span._processors:
            processor.on_start(span, parent_context=context)
        return span


def light(tracer: trace.Tracer) -> trace.Tracer:
    """The same tracer at a lower price, if it is one of the SDK's whose parts are the known ones; else itself."""
    if type(tracer) is not Tracer or set(vars(tracer)) != TRACER_PARTS:
        return tracer
    if type(tracer._tracer_metrics) is not NoOpTracerMetrics:
        return tracer
    nothing = SpanContext(0, 0, is_remote=False)
    known = set(vars(_Span("", nothing, resource=tracer.resource))) == SPAN_PARTS
    return cast("trace.Tracer", LightTracer(tracer)) if known else tracer
