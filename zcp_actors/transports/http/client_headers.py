"""
What a request of 2026-07-28 says of itself in HTTP headers.

Owns the names of the headers and the form of their values. Refuses to send: it turns messages and schemas into plain
text. Which parameters are repeated is settled by `protocol.header_annotation`.
Source: 2026-07-28 basic/transports/streamable-http, "Request Metadata": standard headers, custom headers from tool
parameters, value encoding.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from zcp_actors.protocol.header_annotation import header_annotations

if TYPE_CHECKING:
    from zcp_actors.wire import Message

VERSION_HEADER: Final = "mcp-protocol-version"
METHOD_HEADER: Final = "mcp-method"
NAME_HEADER: Final = "mcp-name"
PARAM_PREFIX: Final = "mcp-param-"

NAMED_BY: Final = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "task_id",
    "tasks/update": "task_id",
    "tasks/cancel": "task_id",
}
"""Method -> the field of its params that `Mcp-Name` repeats."""

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


def annotated(schema: Any) -> tuple[Annotation, ...]:
    """The annotated parameters of an input schema. Raises `BadAnnotation`; the tool is then left out."""
    return tuple(Annotation(PARAM_PREFIX + name, path) for name, path in header_annotations(schema).items())
