"""
The JSON-RPC 2.0 envelope: four kinds of message, and nothing about their contents.

Owns the envelope's types. Refuses to know methods, dialects, bytes (`codec` has those) and sessions.
`params` and `result` are a model in process, or the plain JSON object that came off a wire; a dialect turns one into
the other. Source: JSON-RPC 2.0; MCP 2025-11-25 and 2026-07-28, "basic", Messages: ids are strings or integers and never
null, and they keep their type: `1` is not `"1"`. Members that JSON-RPC does not know are read past: an envelope is made
anew for each hop, and what is to travel on stands in `params` and `result`, whose unknown fields are kept.

Nobody changes an envelope. It is not frozen because every message needs one, and frozen it costs three times as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from zcp_actors.wire.model import Model

RequestId = int | str


@attrs.define
class Request:
    """A request that wants exactly one reply."""

    id: RequestId
    method: str
    params: Model | dict[str, Any] | None = None


@attrs.define
class Notification:
    """A message that wants no reply."""

    method: str
    params: Model | dict[str, Any] | None = None


@attrs.define
class Response:
    """The reply of a request that went well."""

    id: RequestId
    result: Model | dict[str, Any]


@attrs.define
class ErrorResponse:
    """The reply of a request that failed. `id` is None when the request's id could not be read."""

    id: RequestId | None
    code: int
    message: str
    data: Any = None


Message = Request | Notification | Response | ErrorResponse
