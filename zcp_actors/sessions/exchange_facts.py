"""
What messages tell a recorder: what they are about, and how they ended. Never what they contain, but for the contents of
tool calls, which a recorder keeps to itself unless its host wants them shown.

Owns the reading of models and of plain JSON alike: what comes off a wire is hostile, so every fact is checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcp_actors.wire import CallToolRequestParams, CallToolResult, ErrorResponse, Model, RequestParams
from zcp_actors.wire.model import attributes_by_wire, replaced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zcp_actors.ports import Connection, Span
    from zcp_actors.wire import RequestId, Response

ACTIONS = frozenset({"accept", "decline", "cancel"})
STATUSES = frozenset({"working", "input_required", "completed", "failed", "cancelled"})
"""Words of a result that are told; a peer may write any, and whoever counts by them has to know how many there are."""

MAX_METHOD = 128
"""Characters of a method that are told; the longest of any revision has 37."""


def request_facts(
    id: RequestId, method: str, params: Any, connection: Connection | None, version: str
) -> dict[str, Any]:
    """What a request is about, and what its `_meta` says."""
    facts: dict[str, Any] = {
        "method": method,
        "id": id,
        "version": version,
        "meta": meta_of(params),
        **way_facts(connection),
    }
    if isinstance(params, CallToolRequestParams):
        facts["target"], facts["arguments"] = params.name, params.arguments
        return facts
    facts["method"], facts["arguments"] = method[:MAX_METHOD], value_of(params, "arguments")
    facts["target"] = text_of(params, "name") or text_of(params, "uri") or text_of(params, "kind")
    if task := text_of(params, "taskId"):
        facts["task"] = task
    return facts


def way_facts(connection: Any) -> dict[str, Any]:
    """What is known of the way that a message takes."""
    facts = getattr(connection, "facts", None)
    return {"transport": getattr(connection, "transport", "")} if facts is None else facts


def value_of(params: Any, wire_name: str) -> Any:
    """The value under a wire name, of a model or of plain JSON; None where there is none."""
    if isinstance(params, Model):
        # By attribute: a model's mapping makes plain copies, and this is asked of every message.
        cls: Any = type(params)
        attribute = attributes_by_wire(cls).get(wire_name)
        return params.extra.get(wire_name) if attribute is None else getattr(params, attribute)
    return params.get(wire_name) if isinstance(params, dict) else None


def text_of(params: Any, wire_name: str) -> str:
    """The same where it is text, else an empty one."""
    value = value_of(params, wire_name)
    return value if isinstance(value, str) else ""


def meta_of(params: Any) -> Mapping[str, Any] | None:
    """The `_meta`; None where there is none, or it is no object."""
    found = params.meta if isinstance(params, RequestParams) else value_of(params, "_meta")
    return found if isinstance(found, dict) else None


def reply_facts(reply: Response | ErrorResponse) -> tuple[str, dict[str, Any]]:
    """How a request ended, in one word, and what else its reply tells."""
    if isinstance(reply, ErrorResponse):
        return "failed", {"code": reply.code, "message": reply.message}
    return result_facts(reply.result)


def result_facts(result: Any) -> tuple[str, dict[str, Any]]:
    """The same of a result, a model or plain JSON."""
    facts: dict[str, Any] = {"result": result}
    if isinstance(result, CallToolResult):
        return ("tool error" if result.is_error else "completed"), facts
    for name, known in (("action", ACTIONS), ("status", STATUSES)):
        if (told := text_of(result, name)) in known:
            facts[name] = told
    if value_of(result, "isError") is True:
        return "tool error", facts
    kind = text_of(result, "resultType")
    if kind in ("input_required", "task"):
        return kind, facts
    return ("task" if value_of(result, "task") is not None else "completed"), facts


def carrying(params: Any, span: Span) -> Any:
    """A copy of these params that says what their request is part of."""
    if isinstance(params, Model):
        return replaced(params, meta=span.carried(meta_of(params)))
    carried = span.carried(meta_of(params))
    return {**(params or {}), "_meta": carried} if carried else params
