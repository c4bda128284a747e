"""
What an author says about one value beyond its type: description, bounds, format, examples.

Owns `Field` and the reading of `Annotated` metadata, ours and that of others.
Refuses to import others' classes: `annotated_types`, pydantic's `FieldInfo` and `typing.Doc` are known
by their attributes.
The rule: metadata that says nothing we understand is ignored, since `Annotated` belongs to everybody.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.schemas.plain import plain_default

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class _Missing(enum.Enum):
    MISSING = "no value"


MISSING: Any = _Missing.MISSING
"""No value was given; None is a value."""


@attrs.frozen(kw_only=True)
class Field:
    """Put into `Annotated[T, Field(...)]`, or into the `metadata` of an attrs or dataclass field under any key.

    `ge`, `le`, `gt`, `lt` bound numbers; lengths count characters, items or members, whatever the type has.
    `pattern` is an ECMA-262 regular expression that is searched, not anchored (JSON Schema 2020-12 validation 6.3.3).
    `format` is an annotation, except in forms, where it is checked. `default` is used when
    the caller leaves the value out.
    """

    description: str | None = None
    title: str | None = None
    ge: float | None = None
    le: float | None = None
    gt: float | None = None
    lt: float | None = None
    multiple_of: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    format: str | None = None
    examples: Sequence[Any] | None = None
    default: Any = MISSING

    def __hash__(self) -> int:
        # Hints within hints are looked up by their hash, and examples or a default may be a list.
        return hash((self.description, self.title, self.format, self.pattern))


_BOUNDS = {
    "ge": "minimum",
    "le": "maximum",
    "gt": "exclusiveMinimum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_TEXTS = {"title": "title", "description": "description", "documentation": "description", "format": "format"}
_LENGTHS = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}


def annotated(schema: dict[str, Any], metadata: Iterable[Any]) -> dict[str, Any]:
    """The schema with everything that the metadata of an `Annotated` says about it."""
    result = dict(schema)
    for item in metadata:
        if isinstance(item, str):
            result["description"] = item
        elif not isinstance(item, type):
            _read(item, result)
    return result


def default_of(metadata: Iterable[Any]) -> Any:
    """The default that a `Field` in the metadata gives, or `MISSING`."""
    found = [item.default for item in metadata if isinstance(item, Field) and item.default is not MISSING]
    return found[-1] if found else MISSING


def _read(item: Any, result: dict[str, Any]) -> None:
    for name, keyword in _TEXTS.items():
        if isinstance(text := getattr(item, name, None), str):
            result[keyword] = text
    for name, keyword in _BOUNDS.items():
        if isinstance(bound := getattr(item, name, None), (int, float)):
            result[keyword] = bound
    _read_lengths(item, result)
    _read_pattern(item, result)
    if isinstance(item, Field) and item.default is not MISSING:
        result["default"] = plain_default(item.default)
    if isinstance(examples := getattr(item, "examples", None), (list, tuple)):
        result["examples"] = [plain_default(example) for example in examples]
    for nested in getattr(item, "metadata", None) or ():  # pydantic's FieldInfo keeps its bounds there
        _read(nested, result)


def _read_lengths(item: Any, result: dict[str, Any]) -> None:
    for kind in kinds(result):
        for name, keyword in zip(("min_length", "max_length"), _LENGTHS.get(kind, ()), strict=False):
            if isinstance(bound := getattr(item, name, None), int) and (bound or name == "max_length"):
                result[keyword] = bound


def _read_pattern(item: Any, result: dict[str, Any]) -> None:
    pattern = getattr(item, "pattern", None)
    if isinstance(pattern, re.Pattern):
        pattern = pattern.pattern
    if isinstance(pattern, str):
        result["pattern"] = pattern


def kinds(schema: dict[str, Any]) -> list[str]:
    """The JSON types a schema speaks of, through `anyOf`."""
    kind = schema.get("type")
    if kind is None:
        return [kind for branch in schema.get("anyOf", ()) for kind in kinds(branch)]
    return list(kind) if isinstance(kind, list) else [kind]
