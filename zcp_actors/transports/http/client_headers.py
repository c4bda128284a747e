"""
What a request of 2026-07-28 says of itself in HTTP headers.

Owns the names of the headers, the form of their values, and the rules for `x-mcp-header` in a tool's input schema.
Refuses to send: it turns messages and schemas into plain text.
Source: 2026-07-28 basic/transports/streamable-http, "Request Metadata": standard headers, custom headers from tool
parameters, value encoding.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcp_actors.wire import Message

VERSION_HEADER: Final = "mcp-protocol-version"
METHOD_HEADER: Final = "mcp-method"
NAME_HEADER: Final = "mcp-name"
PARAM_PREFIX: Final = "mcp-param-"
ANNOTATION: Final = "x-mcp-header"

NAMED_BY: Final = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "task_id",
    "tasks/update": "task_id",
    "tasks/cancel": "task_id",
}
"""Method -> the field of its params that `Mcp-Name` repeats."""

PRIMITIVE: Final = frozenset({"string", "integer", "boolean"})
DATA_KEYWORDS: Final = frozenset({"default", "examples", "enum", "const"})
"""What stands under these is no schema."""
MAP_KEYWORDS: Final = frozenset({"$defs", "definitions", "patternProperties", "dependentSchemas"})
"""What stands under these are names, and only then schemas."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PLAIN: Final = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_ENCODED: Final = re.compile(r"=\?base64\?.*\?=", re.DOTALL)


def encoded(value: str) -> str:
    """The value as a header carries it: as it is where that is safe, else in base64 between the marks."""
    if _PLAIN.fullmatch(value) and not _ENCODED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'surrogatepass')).decode('ascii')}?="


def standard_headers(message: Message, version: str) -> dict[str, str]:
    """The headers that every request of this era carries."""
    method = getattr(message, "method", "")
    headers = {VERSION_HEADER: version, METHOD_HEADER: method}
    field = NAMED_BY.get(method)
    name = None if field is None else getattr(getattr(message, "params", None), field, None)
    return headers if name is None else {**headers, NAME_HEADER: encoded(str(name))}


@attrs.frozen
class Annotation:
    """One parameter that is repeated in a header."""

    header: str
    path: tuple[str, ...]

    def value(self, arguments: Any) -> str | None:
        """The header's value for these arguments, or None where it must be left out."""
        found = arguments
        for step in self.path:
            found = found.get(step) if isinstance(found, dict) else None
        return written(found)


def written(value: Any) -> str | None:
    """A primitive as text; None for null and for what no schema of an annotation allows."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int | str):
        return encoded(str(value))
    return None


class BadAnnotation(Exception):
    """Why a tool's annotations break the rules; the tool is then left out. Never leaves this layer."""


def annotated(schema: Any) -> tuple[Annotation, ...]:
    """The annotated parameters of an input schema. Raises `BadAnnotation`."""
    found: dict[str, Annotation] = {}
    for name, path, kind in _annotated(schema):
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise BadAnnotation(f"{ANNOTATION} {name!r} is not an HTTP token")
        if path is None or not path:
            raise BadAnnotation(f"{ANNOTATION} {name!r} is not on a parameter reached by properties alone")
        if not isinstance(kind, str) or kind not in PRIMITIVE:
            raise BadAnnotation(f"{ANNOTATION} {name!r} is on type {kind!r}; allowed are string, integer and boolean")
        if name.lower() in found:
            raise BadAnnotation(f"{ANNOTATION} {name!r} stands twice")
        found[name.lower()] = Annotation(PARAM_PREFIX + name, path)
    return tuple(found.values())


def _annotated(schema: Any) -> Iterator[tuple[Any, tuple[str, ...] | None, Any]]:
    """Each annotation with its path, None where that is not by `properties` alone, and the type it stands on."""
    waiting: list[tuple[Any, tuple[str, ...] | None]] = [(schema, ())]
    while waiting:
        at, path = waiting.pop()
        if isinstance(at, list):
            waiting += [(each, None) for each in at]
        if not isinstance(at, dict):
            continue
        if ANNOTATION in at:
            yield at[ANNOTATION], path, at.get("type")
        for keyword, value in at.items():
            if keyword == "properties" and isinstance(value, dict):
                waiting += [(each, None if path is None else (*path, name)) for name, each in value.items()]
            elif keyword in MAP_KEYWORDS and isinstance(value, dict):
                waiting += [(each, None) for each in value.values()]
            elif keyword not in DATA_KEYWORDS:
                waiting.append((value, None))
