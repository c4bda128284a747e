"""
What providers return, turned into the results of the wire.

Owns the shapes that a host's callables may return: models, mappings of the wire's shape, the guide's shorter forms.
Refuses to invent: what cannot be read is an error that names the provider and what it should have returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from zcp_actors import schemas
from zcp_actors.errors import RPCError, UsageError
from zcp_actors.protocol.capabilities import ELICITATION, SAMPLING
from zcp_actors.sessions.asked import content_blocks
from zcp_actors.sessions.spelling import wire_spelling
from zcp_actors.wire import (
    CreateMessageResult,
    ElicitResult,
    ListRootsResult,
    Model,
    from_wire,
    plain,
)

ACTIONS = ("accept", "decline", "cancel")

STATUSES = {"accepted": "accept", "declined": "decline", "cancelled": "cancel", "canceled": "cancel"} | {
    action: action for action in ACTIONS
}
"""The guide's `status` of an elicitation's result, as the wire's action."""


def read_return(method: str, params: Any, returned: Any) -> Model:
    """The result that answers this question. Raises `UsageError` when the provider returned something unusable."""
    try:
        if method == SAMPLING:
            return sampled(returned)
        return elicited(params, returned) if method == ELICITATION else rooted(returned)
    except (RPCError, TypeError, KeyError, ValueError, AttributeError) as error:
        raise UsageError(
            f"the provider for {method} returned {type(returned).__name__}, which is no answer: {error}"
        ) from error


def sampled(returned: Any) -> CreateMessageResult:
    """A model's message: a text, a content block, or a mapping whose `content` may be a text.

    The model may be unnamed.
    """
    if isinstance(returned, CreateMessageResult):
        return returned
    blocks = isinstance(returned, list | tuple) and len(returned) > 0
    block = isinstance(returned, Model | Mapping) and "type" in returned and "content" not in returned
    if isinstance(returned, str) or blocks or block:
        returned = {"content": returned}
    if not isinstance(returned, Mapping | Model):
        raise TypeError("expected a text, a content block or a mapping with 'content'")
    found = {name: value for name, value in plain(dict(returned), "sampling").items() if value is not None}
    if "content" in found:
        found["content"] = content_blocks(found["content"])
    said = wire_spelling(CreateMessageResult, {"role": "assistant", "model": "unknown", **found})
    return from_wire(CreateMessageResult, said)


def elicited(params: Any, returned: Any) -> ElicitResult:
    """A person's answer: `ElicitResult`, its mapping, `{"accepted": …, "data" or "fields": {…}}`, a bool, or None."""
    action, content = _read_action(params, returned)
    if action not in ACTIONS:
        raise UsageError(f"an elicitation's action is one of {', '.join(ACTIONS)}, not {action!r}")
    if action != "accept" or getattr(params, "mode", None) == "url":
        return ElicitResult(action=action)
    return ElicitResult(action="accept", content=checked_content(params.requested_schema, content))


def _read_action(params: Any, returned: Any) -> tuple[Any, Mapping[str, Any]]:
    if returned is None or isinstance(returned, bool):
        return ("accept" if returned else "cancel" if returned is None else "decline"), {}
    if isinstance(returned, ElicitResult):
        return returned.action, returned.content or {}
    found = dict(returned) if isinstance(returned, Mapping | Model) else schemas.unstructure(returned)
    if not isinstance(found, Mapping):
        raise TypeError("expected a bool, or a mapping of the fields")
    if "action" in found and "action" not in _fields(params):
        return found["action"], _content(found.get("content") or {})
    if "accepted" in found and "accepted" not in _fields(params):
        if not isinstance(accepted := found["accepted"], bool | None):
            raise UsageError(f"'accepted' is True or False, not {accepted!r:.80}")
        given = found.get("data", found.get("fields", found.get("content"))) or {}
        return ("accept" if accepted else "decline"), _content(given)
    if found.get("status") in STATUSES and "status" not in _fields(params):
        return STATUSES[found["status"]], _content(found.get("data") or {})
    if getattr(params, "mode", None) == "url" or not found.keys() & _fields(params).keys():
        # A refusal in a shape that nobody knows must never pass for consent.
        raise UsageError("it takes explicit consent: return a bool, or 'action' or 'accepted' beside the fields")
    return "accept", found


def _content(given: Any) -> Mapping[str, Any]:
    if not isinstance(given, Mapping | Model):
        raise TypeError(f"the accepted fields are a mapping by name, not {type(given).__name__}")
    return dict(given)


def _fields(params: Any) -> Mapping[str, Any]:
    schema = getattr(params, "requested_schema", None)
    return (schema["properties"] if schema is not None and "properties" in schema else None) or {}


def checked_content(schema: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """Accepted content with defaults filled in and undeclared fields dropped. Raises `schemas.Mismatch`."""
    form = dict(schema)
    filled = schemas.apply_defaults(form, plain(dict(content), "content"))
    schemas.check_form(form, filled)
    return filled


def rooted(returned: Any) -> ListRootsResult:
    """The host's folders: a `ListRootsResult`, or a list of roots, mappings, `file://` URIs, or absolute paths."""
    if isinstance(returned, ListRootsResult):
        return returned
    if isinstance(returned, Mapping):
        returned = returned["roots"]
    if not isinstance(returned, Iterable) or isinstance(returned, str):
        raise UsageError(f"expected a list of roots, got {type(returned).__name__}")
    roots = [_root(root) for root in returned]
    for root in roots:
        if not str(root.get("uri", "")).startswith("file://"):
            raise UsageError(f"a root's uri must start with file://, not {root.get('uri')!r}")
    return from_wire(ListRootsResult, {"roots": roots})


def _root(given: Any) -> dict[str, Any]:
    if isinstance(given, PurePath) and given.is_absolute():
        return {"uri": given.as_uri()}
    if not isinstance(given, Mapping | Model):
        given = {"uri": given}
    found: dict[str, Any] = plain(dict(given), "roots")
    return found
