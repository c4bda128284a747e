"""
Any instance of a definition of the specification's JSON Schemas, as a Hypothesis strategy.

Owns the small part of JSON Schema those files use. The schemas in `schemas/` are the published ones without their
descriptions.
"""

from __future__ import annotations

import base64
import json
import pathlib
from functools import cache
from typing import Any

import jsonschema_rs
from hypothesis import strategies as st

FOLDER = pathlib.Path(__file__).parent / "schemas"
V2025, V2026, EXTENSION = "2025-11-25", "2026-07-28", "tasks-extension"

RESULT_TYPES = {"InputRequiredResult": "input_required", "CreateTaskResult": "task"}
"""The schema types it as any string; only these values make sense."""

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
integers = st.integers(-(2**53) + 1, 2**53 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | integers | floats | text
any_json = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=6
)
unknown_fields = st.dictionaries(text.map("x-{}".format), any_json, max_size=2)
published_json = st.recursive(
    st.booleans() | integers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
"""`JSONValue` as the schema file has it: without null and fractions, which its TypeScript source allows."""
OPEN = {
    "JSONValue": published_json,
    "JSONObject": st.dictionaries(text, published_json, max_size=3),
    "JSONArray": st.lists(published_json, max_size=3),
    "MetaObject": st.dictionaries(text.map("example.com/{}".format), any_json, max_size=2),
}
FORMATS = {
    "uri": st.sampled_from(["https://example.com/a?b=c", "file:///tmp/x", "note://ä/1"]),
    "uri-template": st.sampled_from(["file:///{path}", "note://{+id}"]),
    "byte": st.binary(max_size=6).map(lambda raw: base64.b64encode(raw).decode()),
}


@cache
def schema(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text())


def definitions(name: str) -> dict[str, Any]:
    return schema(name)["$defs"]


@cache
def validator(name: str, definition: str) -> Any:
    whole = {key: value for key, value in schema(name).items() if key != "$id"}
    return jsonschema_rs.Draft202012Validator({**whole, "$ref": f"#/$defs/{definition}"})


@cache
def instances(name: str, definition: str) -> st.SearchStrategy[Any]:
    """Instances of one definition of the schema file `name`."""
    if definition in OPEN:
        return OPEN[definition]
    return st.deferred(lambda: _of(definitions(name)[definition], name, definition))


def _of(shape: dict[str, Any], name: str, owner: str) -> st.SearchStrategy[Any]:
    if "$ref" in shape:
        return instances(name, shape["$ref"].rsplit("/", 1)[-1])
    if "allOf" in shape:
        return st.tuples(*(_of(part, name, owner) for part in shape["allOf"])).map(_merged)
    for word in ("anyOf", "oneOf"):
        if word in shape:
            return st.one_of(*(_of(part, name, owner) for part in shape[word]))
    if "const" in shape:
        return st.just(shape["const"])
    if "enum" in shape:
        return st.sampled_from(shape["enum"])
    if isinstance(shape.get("type"), list):
        return st.one_of(*(_of({**shape, "type": kind}, name, owner) for kind in shape["type"]))
    return _typed(shape, name, owner)


def _typed(shape: dict[str, Any], name: str, owner: str) -> st.SearchStrategy[Any]:
    kind = shape.get("type")
    least, most = shape.get("minimum"), shape.get("maximum")
    if kind == "object" or "properties" in shape:
        return _object(shape, name, owner)
    if kind == "array":
        return st.lists(_of(shape["items"], name, owner), max_size=3)
    if kind == "integer":
        return st.integers(least if least is not None else -(2**53) + 1, most if most is not None else 2**53 - 1)
    if kind == "number":
        return st.floats(least, most, allow_nan=False, allow_infinity=False)
    return {"string": FORMATS.get(shape.get("format", ""), text), "boolean": st.booleans(), "null": st.none()}.get(
        kind, any_json
    )


def _object(shape: dict[str, Any], name: str, owner: str) -> st.SearchStrategy[dict[str, Any]]:
    fields = {key: _of(value, name, owner) for key, value in shape.get("properties", {}).items()}
    if "resultType" in fields and "const" not in shape["properties"]["resultType"]:
        fields["resultType"] = st.just(RESULT_TYPES.get(owner, "complete"))
    required = set(shape.get("required", []))
    fixed = st.fixed_dictionaries(
        {key: field for key, field in fields.items() if key in required},
        optional={key: field for key, field in fields.items() if key not in required},
    )
    more = shape.get("additionalProperties")
    if isinstance(more, dict) and more:
        others = st.dictionaries(text.map("x-{}".format), _of(more, name, owner), max_size=2)
    elif fields.keys() & {"jsonrpc", "code"}:
        others = st.just({})  # the envelope is not extensible, so nothing of it is kept
    else:
        others = unknown_fields
    return st.builds(lambda some, rest: {**rest, **some}, fixed, others)


def _merged(parts: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    whole = {key: value for part in parts for key, value in part.items()}
    return {key: value for key, value in whole.items() if not key.startswith("x-")} if "jsonrpc" in whole else whole
