"""
Jaeger's JSON model, said once more, independently of what writes it.

After `model/json/model.go` of Jaeger (structs Trace, Span, Reference, Process, Log, KeyValue) and `types/trace.tsx` of
its UI, which reads `data` of an uploaded file.
"""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs

ID = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
TRACE_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
MICROSECONDS = {"type": "integer", "minimum": 0}
WARNINGS = {"type": ["array", "null"], "items": {"type": "string"}}


def _tag(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"properties": {"key": {"type": "string"}, "type": {"const": kind}, "value": value}}


TAGS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["key", "type", "value"],
        "additionalProperties": False,
        "properties": {"key": True, "type": True, "value": True},
        "oneOf": [
            _tag("string", {"type": "string"}),
            _tag("bool", {"type": "boolean"}),
            _tag("int64", {"type": ["integer", "string"], "pattern": "^-?[0-9]+$"}),
            _tag("float64", {"type": "number"}),
            _tag("binary", {"type": "string"}),
        ],
    },
}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


REFERENCE = _object(refType={"enum": ["CHILD_OF", "FOLLOWS_FROM"]}, traceID=TRACE_ID, spanID=ID)
SPAN = _object(
    traceID=TRACE_ID,
    spanID=ID,
    flags={"enum": [0, 1]},
    operationName={"type": "string"},
    references={"type": "array", "items": REFERENCE},
    startTime=MICROSECONDS,
    duration=MICROSECONDS,
    tags=TAGS,
    logs={"type": "array", "items": _object(timestamp=MICROSECONDS, fields=TAGS)},
    processID={"type": "string"},
    warnings=WARNINGS,
)
TRACE = _object(
    traceID=TRACE_ID,
    spans={"type": "array", "minItems": 1, "items": SPAN},
    processes={"type": "object", "additionalProperties": _object(serviceName={"type": "string"}, tags=TAGS)},
    warnings=WARNINGS,
)
DOCUMENT = _object(
    data={"type": "array", "items": TRACE},
    total={"type": "integer"},
    limit={"type": "integer"},
    offset={"type": "integer"},
    errors={"type": "null"},
)

YEAR_2020, YEAR_2100 = 1_577_836_800_000_000, 4_102_444_800_000_000
"""In microseconds: a time in another unit is outside of them."""


def checked(text: str | bytes, *, real_times: bool = True) -> list[dict[str, Any]]:
    """The traces of a document, after a look at its shape and at what a schema cannot say."""
    document = json.loads(text, parse_constant=_refused)
    jsonschema_rs.validator_for(DOCUMENT).validate(document)
    traces: list[dict[str, Any]] = document["data"]
    assert len({trace["traceID"] for trace in traces}) == len(traces), "a trace stands there twice"
    for trace in traces:
        _check(trace, real_times=real_times)
    return traces


def _refused(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def _check(trace: dict[str, Any], *, real_times: bool) -> None:
    spans = trace["spans"]
    assert len({span["spanID"] for span in spans}) == len(spans), "a span stands there twice"
    assert {span["traceID"] for span in spans} == {trace["traceID"]}
    assert {span["processID"] for span in spans} == set(trace["processes"])
    for span in spans:
        assert not real_times or YEAR_2020 < span["startTime"] < YEAR_2100
        assert sum(reference["refType"] == "CHILD_OF" for reference in span["references"]) <= 1
        assert not any(re.fullmatch("0+", reference["spanID"]) for reference in span["references"])
    assert not unseen(spans), "the UI would not show a span"


def unseen(spans: list[dict[str, Any]]) -> list[str]:
    """The names of the spans that the UI would not show.

    It takes the first reference, of either kind, whose span is there for the parent (`transform-trace-data.ts` of
    Jaeger UI 2.20), and shows what stands below a span that has none: a ring of parents is nowhere.
    """
    known = {span["spanID"] for span in spans}
    parents = {
        span["spanID"]: next((other["spanID"] for other in span["references"] if other["spanID"] in known), None)
        for span in spans
    }
    found = []
    for span in spans:
        above: set[str] = set()
        id: str | None = span["spanID"]
        while id is not None and id not in above:
            above.add(id)
            id = parents[id]
        if id is not None:
            found.append(span["operationName"])
    return found


def tags_of(span: dict[str, Any]) -> dict[str, Any]:
    """The tags by key."""
    return {tag["key"]: tag["value"] for tag in span["tags"]}
