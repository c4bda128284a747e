"""
One field of a form: a JSON Schema reduced to what the protocol lets a client draw.

Owns the table of allowed keywords. Refuses to know types and forms.
The rule: a keyword that only decorates is dropped; a keyword that constrains, and that the protocol lacks, is an error,
for the person would be told that a valid answer is wrong.
Source: MCP 2025-11-25 and 2026-07-28, `PrimitiveSchemaDefinition` and the five enum schemas.
"""

from __future__ import annotations

from typing import Any

import attrs

from zcp_actors.errors import SchemaError

ALLOWED = (
    "allowed are strings (formats email, uri, date, date-time), numbers, integers, booleans, "
    "one of several strings (Literal, Enum) and lists of those"
)
FORMATS = ("email", "uri", "date", "date-time")

_TEXTS = ("title", "description", "default")
_KEPT = {
    "string": ("minLength", "maxLength", "format"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "boolean": (),
    "array": ("minItems", "maxItems"),
}
_CHOICES = ("enum", "oneOf", "enumNames")
_DECORATION = ("$schema", "$id", "$comment", "examples", "deprecated", "readOnly", "writeOnly", "uniqueItems")


@attrs.frozen
class FormField:
    """The reduced schema, and whether null was allowed, which in a form means that the field may be left out."""

    schema: dict[str, Any]
    optional: bool


def form_field(schema: Any, place: str, definitions: dict[str, Any] | None = None) -> FormField:
    """Reduce one property. `definitions` resolves its references. Raises `SchemaError` naming `place`."""
    if not isinstance(schema, dict):
        raise _refusal(place, f"{schema!r:.80} is no field")
    resolved = _resolved(schema, place, definitions or {})
    plain, optional = _without_null(resolved, place, definitions or {})
    if optional and plain.get("default", ...) is None:
        plain = {key: value for key, value in plain.items() if key != "default"}
    return FormField(_reduced(_as_choice(plain), place), optional)


def _refusal(place: str, why: str) -> SchemaError:
    return SchemaError(f"{place}: {why}; {ALLOWED}")


def _resolved(schema: dict[str, Any], place: str, definitions: dict[str, Any]) -> dict[str, Any]:
    target = schema.get("$ref")
    if target is None:
        return schema
    definition = definitions.get(str(target).rpartition("/")[2])
    if not isinstance(definition, dict) or "$ref" in definition:
        raise _refusal(place, f"$ref {target!r:.80} leads nowhere")
    return {**definition, **{key: value for key, value in schema.items() if key != "$ref"}}


def _without_null(schema: dict[str, Any], place: str, definitions: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds = [one for one in kind if one != "null"]
        if len(kinds) != 1:
            raise _refusal(place, f"several types {kind!r:.80}")
        return {**schema, "type": kinds[0]}, len(kinds) < len(kind)
    branches = schema.get("anyOf")
    if branches is None:
        return schema, False
    real = [branch for branch in branches if branch != {"type": "null"}]
    if len(real) != 1 or not isinstance(real[0], dict):
        raise _refusal(place, "a choice between several types")
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**_resolved(real[0], place, definitions), **rest}, len(real) < len(branches)


def _as_choice(schema: dict[str, Any]) -> dict[str, Any]:
    """Other spellings of what forms have: `const`, choices without a type, exclusive bounds of integers."""
    result = dict(schema)
    if "const" in result:
        result["enum"] = [result.pop("const")]
    choices = result.get("enum") or [one.get("const") for one in result.get("oneOf", ()) if isinstance(one, dict)]
    if "type" not in result and choices and all(isinstance(choice, str) for choice in choices):
        result["type"] = "string"
    if result.get("type") == "integer":
        for exclusive, bound, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
            if isinstance(result.get(exclusive), int):
                result[bound] = result.pop(exclusive) + step
    return result


def _reduced(schema: dict[str, Any], place: str) -> dict[str, Any]:
    kind = schema.get("type")
    if kind not in _KEPT:
        raise _refusal(place, f"type {kind!r:.80}")
    allowed = (*_TEXTS, *_KEPT[kind], *(_CHOICES if kind == "string" else ()))
    result = {"type": kind, **{word: schema[word] for word in allowed if word in schema}}
    dropped = [word for word in schema if word not in (*result, *_DECORATION, "items")]
    if dropped:
        raise _refusal(place, f"forms have no {dropped[0]!r}")
    if result.get("format", "email") not in FORMATS:
        raise _refusal(place, f"format {result['format']!r:.80}")
    if kind == "array":
        result["items"] = _items(schema.get("items"), place)
    _check_choices(result, place)
    return result


def _items(items: Any, place: str) -> dict[str, Any]:
    """The items of a multiple choice: `enum`, or `anyOf` of constants with titles (`oneOf` in a single choice)."""
    if not isinstance(items, dict):
        raise _refusal(place, "a list of anything")
    titled = items.get("anyOf", items.get("oneOf"))
    if titled is not None:
        _check_choices({"oneOf": titled}, place)
        return {"anyOf": titled}
    if not isinstance(items.get("enum"), list):
        raise _refusal(place, "a list of free values")
    _check_choices(items, place)
    return {"type": "string", "enum": items["enum"]}


def _check_choices(schema: dict[str, Any], place: str) -> None:
    choices = schema.get("enum", [])
    titled = schema.get("oneOf", [])
    if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
        raise _refusal(place, f"choices that are no strings ({choices!r:.80})")
    for one in titled:
        if not isinstance(one, dict) or not isinstance(one.get("const"), str) or not isinstance(one.get("title"), str):
            raise _refusal(place, "oneOf and anyOf are for choices that have a const and a title")
