"""
The output schema of a tool, from its return annotation.

Owns when a result is structured content and when it must be wrapped. Refuses to know content classes:
the caller names them.
The rule: structured content is an object (MCP 2025-11-25 and 2026-07-28, server/tools, "Output Schema"),
so whatever is not an object travels as `{"result": ...}`.
"""

from __future__ import annotations

import inspect
import typing
from collections import abc
from typing import Any

from zcp_actors.schemas.derive import ANYTHING, is_union, peeled, schema_of

WRAPPED = "result"
"""The member that carries a result which is no object itself."""

_LISTS = (list, tuple, abc.Sequence, abc.Iterable)

_NOTHING = (*ANYTHING, type(None), typing.NoReturn, typing.Never)


def output_schema(
    annotation: Any, *, content: tuple[type, ...] = (), place: str = "the return type"
) -> tuple[dict[str, Any] | None, bool]:
    """The schema of structured content and whether the result is wrapped; (None, False) where there is none.

    `content` are the classes that mean "content blocks, no schema", also inside of lists, tuples and unions.
    Raises `SchemaError` for an annotation without a schema.
    """
    if annotation is inspect.Signature.empty or _is_content(annotation, content):
        return None, False
    schema = schema_of(annotation, place=place, output=True)
    if schema.get("type") == "object":
        return schema, False
    return _wrapped(schema), True


def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    inner = dict(schema)
    definitions = {"$defs": inner.pop("$defs")} if "$defs" in inner else {}
    return {"type": "object", "properties": {WRAPPED: inner}, "required": [WRAPPED], **definitions}


def _is_content(annotation: Any, content: tuple[type, ...]) -> bool:
    hint = peeled(annotation)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _is_content(arguments[0], content)
    if not isinstance(hint, abc.Mapping) and hint in _NOTHING:
        return True
    if isinstance(origin or hint, type) and issubclass(origin or hint, content):
        return True
    if content and (origin or hint) in _LISTS and not [each for each in arguments if each not in (*ANYTHING, Ellipsis)]:
        return True  # a list of whatever: most likely of blocks, and a schema of it would promise nothing
    return _holds_content(hint, origin, arguments, content)


def _holds_content(hint: Any, origin: Any, arguments: tuple[Any, ...], content: tuple[type, ...]) -> bool:
    """A list of blocks, a union with a block in it, a tuple that has one: all are content."""
    if not (is_union(hint) or origin in (list, tuple) or (isinstance(origin, type) and hasattr(origin, "__iter__"))):
        return False
    inner = [argument for argument in arguments if argument not in (type(None), *ANYTHING, Ellipsis)]
    return any(_is_content(argument, content) for argument in inner)
