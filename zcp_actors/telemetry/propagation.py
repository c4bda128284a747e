"""
What travels: trace context and baggage in the `_meta` of a request, and whom to believe when it arrives.

Owns the three reserved keys, the bounds on them, and the judgement of a caller. A peer's `_meta` is hostile until it is
read: what does not fit is left out, and never an error of the request.
The rule that keeps it honest: from a caller that is not trusted nothing becomes a parent, and no flag, state or baggage
is taken over; at most a link remembers what it said. What goes on in a trace that this process itself has a request
open in is taken from anybody: nobody else can know its number.
Source: MCP 2026-07-28 basic (`traceparent`, `tracestate`, `baggage` in `_meta`); W3C Trace Context and Baggage.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from opentelemetry.baggage import get_all
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace import (
    DEFAULT_TRACE_STATE,
    INVALID_SPAN,
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    Span,
    SpanContext,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

LONGEST: Final = {"traceparent": 512, "tracestate": 8192, "baggage": 8192}
"""Characters of each key that are read; W3C asks for 512 of a tracestate and for 8192 of baggage."""

MORE: Final = LONGEST.keys() - {"traceparent"}
"""Those that most requests do not have."""

TRUSTED: Final = frozenset({"memory", "pipe"})
"""Transports whose other end is this process, its parent or its child: the same trust already holds."""

MOST_TRACES: Final = 65_536
"""Traces with an open request that are known; as many as requests may be in flight."""

Trust = bool | Callable[[str, str], bool] | None
"""Whose context becomes a parent: everybody's, nobody's, or what a function of (transport, principal) says."""

Said = tuple[str, SpanContext] | None
"""A traceparent of our own, and the span it names: that very text need not be read."""

NOTHING: Final = Context()
"""A context that is about nothing."""

SPAN_KEY: Final = next(iter(set_span_in_context(INVALID_SPAN, NOTHING)))
"""Where a context holds its span: the API tells by two calls what one look finds."""

valid_span: Callable[[tuple[int, int, bool, TraceFlags, TraceState, bool]], SpanContext]
valid_span = partial(tuple.__new__, SpanContext)
"""A span's context of what it holds, in its order; the last is that it is valid. The API's own way takes 40 steps."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.ASCII)
_LENGTH = 55
"""Characters of a traceparent of version 00; later ones may have more."""
_FLAGS = tuple(map(TraceFlags, range(256)))
_FLAGS_TEXT = tuple(f"{flags:02x}" for flags in range(256))
_BAGGAGE = W3CBaggagePropagator()


def trusts(trust: Trust, transport: str, principal: str) -> bool:
    """Whether the caller's context becomes a parent. None trusts what is no network."""
    if trust is None:
        return transport in TRUSTED
    return trust if isinstance(trust, bool) else bool(trust(transport, principal))


def carrier(meta: Any) -> dict[str, str]:
    """The reserved keys of a `_meta`, those that are text of a bearable length."""
    if not meta or not (type(meta) is dict or isinstance(meta, Mapping)):
        return {}
    found = {}
    for key, longest in LONGEST.items():
        text = meta.get(key)
        if type(text) is str and 0 < len(text) <= longest:
            found[key] = text
    return found


def extracted(meta: Any, said: Said = None) -> Context:
    """What a `_meta` says its request is part of; an empty context where it says nothing that can be read."""
    if said is not None and type(meta) is dict and meta.get("traceparent") is said[0] and MORE.isdisjoint(meta):
        trace_id, span_id, _, flags, _, _ = said[1]
        return Context(
            {SPAN_KEY: NonRecordingSpan(valid_span((trace_id, span_id, True, flags, DEFAULT_TRACE_STATE, True)))}
        )
    told = carrier(meta)
    if not told:
        return NOTHING
    span = parsed(told, said) if "traceparent" in told else None
    found = NOTHING if span is None else remote(span)
    if "baggage" in told:
        with contextlib.suppress(Exception):  # a peer's text shall not be able to fail its request by way of us
            found = _BAGGAGE.extract(told, found)
    return found


def parsed(told: Mapping[str, str], said: Said = None) -> SpanContext | None:
    """The span that a traceparent names; None for one that is malformed. Half the cost of the API's own reading."""
    text, state = told["traceparent"], None
    if "tracestate" in told:
        with contextlib.suppress(Exception):
            state = TraceState.from_header([told["tracestate"]])
    if said is not None and text is said[0]:
        return SpanContext(said[1].trace_id, said[1].span_id, True, said[1].trace_flags, state)
    if _TRACEPARENT.fullmatch(text) is None:
        return None
    if text.startswith("ff") or (len(text) > _LENGTH and text.startswith("00")):
        return None
    span = SpanContext(int(text[3:35], 16), int(text[36:52], 16), True, _FLAGS[int(text[53:55], 16)], state)
    return span if span.is_valid else None


def injected(meta: Mapping[str, Any] | None, span: SpanContext, context: Context = NOTHING) -> dict[str, Any]:
    """A copy of this `_meta` that says what its request is part of; what it said of that before is replaced.

    That is a span, and the baggage of a context.
    """
    told: dict[str, Any] = dict(meta) if meta else {}
    trace_id, span_id, _, flags, state, is_valid = span  # by position: each property costs a call
    if is_valid:
        told["traceparent"] = f"00-{trace_id:032x}-{span_id:016x}-{_FLAGS_TEXT[flags]}"
        told.pop("tracestate", None)
        if state is not DEFAULT_TRACE_STATE and state:
            told["tracestate"] = state.to_header()
    if context and get_all(context):
        _BAGGAGE.inject(told, context)
    return told


def span_of(context: Context) -> SpanContext:
    """The span that a context is about; an invalid one where it is about none."""
    span: Any = context.get(SPAN_KEY)
    told: SpanContext = INVALID_SPAN_CONTEXT if span is None else span.get_span_context()
    return told


def about(span: Span, base: Context) -> Context:
    """A context about a span; else it is as this one."""
    return Context({**base, SPAN_KEY: span})


def remote(span: SpanContext, base: Context = NOTHING) -> Context:
    """A context about a span of elsewhere, or of earlier."""
    return about(NonRecordingSpan(span), base)


def marked(span: SpanContext, at: int) -> dict[str, Any]:
    """A span and a moment as plain JSON."""
    told = injected(None, span)
    return {**told, "at": at} if told else {}


def read_mark(mark: Any) -> tuple[SpanContext, int] | None:
    """What `marked` wrote; None for what it did not write."""
    if mark is None:
        return None
    span = span_of(extracted(mark))
    at = mark.get("at") if isinstance(mark, Mapping) else None
    return (span, at) if span.is_valid and type(at) is int else None


class OpenTraces:
    """The traces that this process has requests open in: an answer's questions go on there, whoever asks them."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[int, SpanContext]] = {}

    def opened(self, span: SpanContext) -> None:
        """A request of ours is on its way."""
        trace_id = span[0]
        found = self._open.get(trace_id)
        if found is not None:
            self._open[trace_id] = (found[0] + 1, found[1])
        elif len(self._open) < MOST_TRACES:
            self._open[trace_id] = (1, span)

    def closed(self, span: SpanContext) -> None:
        """It has ended."""
        found = self._open.pop(span[0], None)
        if found is not None and found[0] > 1:
            self._open[span[0]] = (found[0] - 1, found[1])

    def own(self, said: SpanContext) -> SpanContext | None:
        """The span a peer names, with our own flags and state, if it is of one of these traces."""
        found = self._open.get(said.trace_id)
        if found is None:
            return None
        ours = found[1]
        return SpanContext(said.trace_id, said.span_id, True, ours.trace_flags, ours.trace_state)
