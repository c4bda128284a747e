"""
What the headers of a request say about its body, and whether that is true.

Owns the reading of header values, the `=?base64?...?=` form, the search for `x-mcp-header` in a tool's schema, and the
comparison. Refuses to know where headers and body come from.
The rule: a header that stands for a part of the body equals it, or the request is refused; those in between have acted
on the header alone. Source: MCP 2026-07-28 basic/transports, Streamable HTTP, Request Metadata and Server Validation.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from zcp_actors.errors import HEADER_MISMATCH, RPCError
from zcp_actors.protocol.header_annotation import ANNOTATION, TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

VERSION: Final = "mcp-protocol-version"
METHOD: Final = "mcp-method"
NAME: Final = "mcp-name"
PARAM: Final = "mcp-param-"
SESSION: Final = "mcp-session-id"
LAST_EVENT: Final = "last-event-id"

NAMED: Final = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""Methods whose `Mcp-Name` must be there, and the parameter that it repeats."""

MAY_BE_NAMED: Final = {"tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId"}
"""The tasks extension demands it as well, but common clients leave it out: only a wrong one is refused."""

MAX_DEPTH: Final = 32
"""Levels of a schema that are searched for annotations: deeper than any form that a person designed."""

_OPENING, _CLOSING = "=?base64?", "?="
_PLAIN: Final = re.compile(r"[\t\x20-\x7e]*")
_INTEGER: Final = re.compile(r"-?\d{1,17}(\.0{1,17})?")


class Headers:
    """The headers of one request, as ASGI gives them: names in lower case, values as bytes."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name.lower().decode("latin-1"), []).append(value.decode("latin-1").strip(" \t"))
        self._values = values

    def get(self, name: str) -> str | None:
        """The value of a header that is meant to stand once; of several, all in one, as HTTP has it."""
        values = self._values.get(name)
        return None if values is None else ", ".join(values)

    def one(self, name: str) -> str | None:
        """The value of a header that decides something. Raises the mismatch when it stands twice."""
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise mismatch(f"header {name} appears {len(values)} times")
        return values[0]


def mismatch(text: str) -> RPCError:
    """The refusal of a request whose headers and body disagree."""
    return RPCError(HEADER_MISMATCH, f"header mismatch: {text}")


def decode_value(name: str, text: str) -> str:
    """What a header's value stands for. Raises the mismatch for one that no client may send."""
    if _PLAIN.fullmatch(text) is None:
        raise mismatch(f"{name} contains characters that a header cannot carry; the base64 form is for those")
    if not (text.startswith(_OPENING) and text.endswith(_CLOSING) and len(text) >= len(_OPENING) + len(_CLOSING)):
        return text
    try:
        return base64.b64decode(text[len(_OPENING) : -len(_CLOSING)], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise mismatch(f"{name} is not the base64 form of UTF-8 text") from None


def check_standard(headers: Headers, method: str, params: Any, version: Any) -> None:
    """`MCP-Protocol-Version`, `Mcp-Method` and `Mcp-Name` against the body. `version` is that of its `_meta`."""
    _check(headers, VERSION, version if isinstance(version, str) else None, required=True)
    _check(headers, METHOD, method, required=True)
    named = NAMED.get(method) or MAY_BE_NAMED.get(method)
    if named is not None:
        value = params.get(named) if isinstance(params, dict) else None
        _check(headers, NAME, value if isinstance(value, str) else None, required=method in NAMED)


def _check(headers: Headers, name: str, expected: str | None, *, required: bool) -> None:
    """A body without a usable value is refused for what it lacks, where its shape is judged."""
    text = headers.one(name)
    if text is None:
        if required:
            raise mismatch(f"{name} is missing")
        return
    value = decode_value(name, text) if name == NAME else text
    if expected is not None and value != expected:
        raise mismatch(f"{name} is {value!r:.200}, the body says {expected!r:.200}")


@attrs.frozen
class Mirrored:
    """A parameter whose value travels in a header as well."""

    header: str
    path: tuple[str, ...]
    """The names that lead to it in the arguments."""


def mirrored(schema: Mapping[str, Any] | None) -> list[Mirrored]:
    """The annotated parameters of a tool's input schema that can be reached by names alone."""
    return list(_mirrored(schema, ()))


def _mirrored(schema: Any, path: tuple[str, ...]) -> Iterator[Mirrored]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or len(path) >= MAX_DEPTH:
        return
    for name, each in properties.items():
        suffix = each.get(ANNOTATION) if isinstance(each, dict) else None
        if isinstance(suffix, str) and TOKEN.fullmatch(suffix):
            yield Mirrored(PARAM + suffix.lower(), (*path, name))
        yield from _mirrored(each, (*path, name))


def check_params(headers: Headers, found: Iterable[Mirrored], arguments: Any) -> None:
    """Every `Mcp-Param-*` that the tool's schema asks for, against the arguments of the call."""
    for each in found:
        value = _at(arguments, each.path)
        text = headers.one(each.header)
        if value is None:
            if text is not None:
                raise mismatch(f"{each.header} is there, {'.'.join(each.path)} is not in the arguments")
        elif text is None:
            raise mismatch(f"{each.header} is missing, {'.'.join(each.path)} is in the arguments")
        elif not _says(decode_value(each.header, text), value):
            raise mismatch(f"{each.header} is not the value of {'.'.join(each.path)} in the arguments")


def _at(arguments: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(arguments, dict):
            return None
        arguments = arguments.get(name)
    return arguments


def _says(text: str, value: Any) -> bool:
    """Does this text stand for this value? Numbers are compared as numbers: 42.0 is 42."""
    if isinstance(value, bool):
        return text == ("true" if value else "false")
    if isinstance(value, int | float):
        return _INTEGER.fullmatch(text) is not None and int(text.partition(".")[0]) == value
    return text == value if isinstance(value, str) else False
