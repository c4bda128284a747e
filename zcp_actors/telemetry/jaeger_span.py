"""
A span of the OpenTelemetry SDK in Jaeger's own JSON model (`model/json` of Jaeger, which its UI reads from a file).

Owns the translation of one span and of one resource. Refuses to know files and traces. The rule that keeps it honest:
times are cut to microseconds at both ends, never rounded as a length, so what fitted into its parent still does.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Link

SERVICE_NAME = "service.name"

SAFE_INTEGER = 2**53 - 1
"""The greatest whole number that a browser reads exactly; Jaeger writes what is beyond it as text."""


def to_jaeger(span: ReadableSpan, process: str) -> dict[str, Any]:
    """Return the span as Jaeger's JSON, belonging to the process of this id. `span` has ended."""
    context = span.context
    start, end = (span.start_time or 0) // 1000, (span.end_time or span.start_time or 0) // 1000
    return {
        "traceID": f"{context.trace_id:032x}",
        "spanID": f"{context.span_id:016x}",
        "flags": int(context.trace_flags) & 1,
        "operationName": span.name,
        "references": _references(span),
        "startTime": start,
        "duration": max(0, end - start),
        "tags": _tags_of(span),
        "logs": [_log(event) for event in span.events],
        "processID": process,
        "warnings": _warnings(span),
    }


def process_of(resource: Resource) -> dict[str, Any]:
    """Return the resource as a process of Jaeger's JSON."""
    attributes = dict(resource.attributes)
    return {"serviceName": str(attributes.pop(SERVICE_NAME, "unknown_service")), "tags": tags(attributes)}


def tags(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return attributes as typed tags; what has no type of its own there becomes text."""
    return [tag(key, value) for key, value in attributes.items()]


def tag(key: str, value: Any) -> dict[str, Any]:
    """Return one typed tag."""
    kind, shown = _typed(value)
    return {"key": key, "type": kind, "value": shown}


def _typed(value: Any) -> tuple[str, Any]:
    match value:
        case bool():
            return "bool", value
        case int():
            return "int64", value if abs(value) <= SAFE_INTEGER else str(value)
        case float():
            return ("float64", value) if math.isfinite(value) else ("string", str(value))
        case str():
            return "string", value
        case bytes():
            return "binary", base64.b64encode(value).decode()
        case Mapping() | Sequence():
            return "string", json.dumps(value, ensure_ascii=False, default=_plain)
        case _:
            return "string", str(value)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _references(span: ReadableSpan) -> list[dict[str, str]]:
    parent = [] if span.parent is None else [_reference("CHILD_OF", span.parent)]
    return parent + [_reference("FOLLOWS_FROM", link.context) for link in span.links]


def _reference(kind: str, context: Any) -> dict[str, str]:
    return {"refType": kind, "traceID": f"{context.trace_id:032x}", "spanID": f"{context.span_id:016x}"}


def _tags_of(span: ReadableSpan) -> list[dict[str, Any]]:
    found = tags(span.attributes or {})
    found.append(tag("span.kind", span.kind.name.lower()))
    if span.instrumentation_scope is not None:
        found.append(tag("otel.scope.name", span.instrumentation_scope.name))
        if span.instrumentation_scope.version:
            found.append(tag("otel.scope.version", span.instrumentation_scope.version))
    for number, link in enumerate(span.links, 1):
        found += _tags_of_link(number, link)
    return found + _status(span)


def _tags_of_link(number: int, link: Link) -> list[dict[str, Any]]:
    """Jaeger's references carry nothing, so what a link says stands among the tags, by the link's number from 1."""
    return [tag(f"link.{number}.{key}", value) for key, value in (link.attributes or {}).items()]


def _status(span: ReadableSpan) -> list[dict[str, Any]]:
    status = span.status
    if status.status_code.name == "UNSET":
        return []
    found = [tag("otel.status_code", status.status_code.name)]
    if status.status_code.name == "ERROR":
        found.append(tag("error", value=True))
        if status.description:
            found.append(tag("otel.status_description", status.description))
    return found


def _log(event: Event) -> dict[str, Any]:
    return {"timestamp": event.timestamp // 1000, "fields": [tag("event", event.name), *tags(event.attributes or {})]}


def _warnings(span: ReadableSpan) -> list[str] | None:
    """What the SDK's limits cut off."""
    lost = {"attributes": span.dropped_attributes, "events": span.dropped_events, "links": span.dropped_links}
    return [f"{count} {what} are not here: a limit of the SDK" for what, count in lost.items() if count] or None
