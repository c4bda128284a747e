"""
`x-mcp-header` in a tool's input schema: parameters whose values are repeated in headers over HTTP.

Owns the rules of the annotation, for both ends: a client leaves a tool out that breaks them, so its author hears of it
before. Refuses to know headers and values.
Source: 2026-07-28 basic/transports/streamable-http, "Custom Headers from Tool Parameters".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ANNOTATION: Final = "x-mcp-header"

PRIMITIVE: Final = frozenset({"string", "integer", "boolean"})
DATA_KEYWORDS: Final = frozenset({"default", "examples", "enum", "const"})
"""What stands under these is no schema."""
MAP_KEYWORDS: Final = frozenset({"$defs", "definitions", "patternProperties", "dependentSchemas"})
"""What stands under these are names, and only then schemas."""

TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""What may be the name of a header. Source: RFC 9110, 5.6.2."""


class BadAnnotation(Exception):
    """Why a tool's annotations break the rules. No program sees it: one end drops the tool, the other refuses it."""


def header_annotations(schema: Any) -> dict[str, tuple[str, ...]]:
    """The name of each annotation, and the path of property names it is reached by. Raises `BadAnnotation`."""
    found: dict[str, tuple[str, ...]] = {}
    taken: set[str] = set()
    for name, path, kind in _annotated(schema):
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            raise BadAnnotation(f"{ANNOTATION} {name!r:.100} is not an HTTP token")
        if path is None or not path:
            raise BadAnnotation(f"{ANNOTATION} {name!r:.100} is not on a parameter reached by properties alone")
        if not isinstance(kind, str) or kind not in PRIMITIVE:
            raise BadAnnotation(
                f"{ANNOTATION} {name!r:.100} is on type {kind!r:.100}; allowed are string, integer and boolean"
            )
        if name.lower() in taken:
            raise BadAnnotation(f"{ANNOTATION} {name!r:.100} stands twice")
        taken.add(name.lower())
        found[name] = path
    return found


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
