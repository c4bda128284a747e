"""
What a question needs the client to have declared, and what a client must refuse because it did not declare it.

Owns the rules that tie `sampling`, `elicitation` and `roots` to their capabilities, one table for both sides and both
eras.
Sources: MCP 2025-11-25 and 2026-07-28, client/sampling, client/elicitation, client/roots; `elicitation: {}` means
form only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zcp_actors.errors import INVALID_PARAMS, METHOD_NOT_FOUND, CapabilityMissing, InvalidParams, RPCError
from zcp_actors.wire import (
    CreateMessageRequest,
    CreateMessageResult,
    ElicitRequest,
    ElicitResult,
    ListRootsRequest,
    ListRootsResult,
    ToolResultContent,
    ToolUseContent,
    from_wire,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcp_actors.wire import ClientCapabilities

SAMPLING, ELICITATION, ROOTS = "sampling/createMessage", "elicitation/create", "roots/list"
QUESTIONS = frozenset({SAMPLING, ELICITATION, ROOTS})
"""The methods by which a server asks a client; the only ones an `inputRequests` map may hold."""

ASKING = frozenset({"tools/call", "prompts/get", "resources/read"})
"""2026-07-28: the only methods whose result may be `input_required`."""

EMBEDDED: Any = {ELICITATION: ElicitRequest, SAMPLING: CreateMessageRequest, ROOTS: ListRootsRequest}
"""The shape of a question inside an `input_required` result, by its method."""
ANSWERS: Any = {ELICITATION: ElicitResult, SAMPLING: CreateMessageResult, ROOTS: ListRootsResult}
"""The shape of its answer, wherever it travels."""


def answer_of(method: str, key: str, given: Any) -> Any:
    """What a client gave under the key of a question, as its answer. Raises `InvalidParams` when it is none."""
    shape = ANSWERS[method]
    try:
        return given if isinstance(given, shape) else from_wire(shape, given)
    except InvalidParams as error:
        place = f"params.inputResponses[{key!r:.200}]"
        raise InvalidParams(f"{place} must answer {method}: {error.message}") from None


def required(method: str, params: Any) -> dict[str, Any]:
    """The capability that this question needs, in the shape of `ClientCapabilities`."""
    if method == ELICITATION:
        return {"elicitation": {"url" if getattr(params, "mode", None) == "url" else "form": {}}}
    if method == SAMPLING:
        tools = getattr(params, "tools", None) is not None or getattr(params, "tool_choice", None) is not None
        return {"sampling": {"tools": {}} if tools else {}}
    return {"roots": {}}


def declared(capabilities: ClientCapabilities | None, method: str, params: Any) -> bool:
    """Does this client allow this question?"""
    if capabilities is None:
        return False
    if method == ELICITATION:
        modes = capabilities.elicitation
        if modes is None:
            return False
        if getattr(params, "mode", None) == "url":
            return _offers(modes, "url")
        return _offers(modes, "form") or not _offers(modes, "url")
    if method == SAMPLING:
        return capabilities.sampling is not None and (
            _offers(capabilities.sampling, "tools") or "tools" not in required(method, params)["sampling"]
        )
    return capabilities.roots is not None


def _offers(capability: Any, mode: str) -> bool:
    """Of a model, or of the mapping that a program may have put in its place."""
    return mode in capability if isinstance(capability, dict) else getattr(capability, mode) is not None


def runs_as_task(capabilities: ClientCapabilities, method: str) -> bool:
    """2025-11-25: does this client run a question of this method as a task, when it is sent as one?"""
    requests = None if capabilities.tasks is None else capabilities.tasks.requests
    if requests is None:
        return False
    if method == SAMPLING:
        return requests.sampling is not None and requests.sampling.create_message is not None
    return method == ELICITATION and requests.elicitation is not None and requests.elicitation.create is not None


def serves_tasks(capabilities: ClientCapabilities, method: str) -> bool:
    """2025-11-25: does this client serve this method of tasks?"""
    declared = capabilities.tasks
    if declared is None:
        return False
    if method in ("tasks/list", "tasks/cancel"):
        return (declared.list if method == "tasks/list" else declared.cancel) is not None
    return True


def ensure_declared(capabilities: ClientCapabilities | None, method: str, params: Any) -> None:
    """For the asking server: raises `CapabilityMissing`, which names what the client would have to declare."""
    if not declared(capabilities, method, params):
        needed = required(method, params)
        name = " ".join([method, *(f"({mode})" for mode in needed.get("elicitation", ()))])
        raise CapabilityMissing(f"the client did not declare what {name} needs: {json.dumps(needed)}", needed)


def unmatched_tools(messages: Sequence[Any]) -> str | None:
    """What is wrong with the tool uses and results of a conversation, or None.

    Source: client/sampling of either revision, "Tool Use and Result Balance" and "Tool Result Messages".
    """
    open_uses: set[str] = set()
    for number, message in enumerate(messages):
        blocks = message.content if isinstance(message.content, list) else [message.content]
        results = {block.tool_use_id for block in blocks if isinstance(block, ToolResultContent)}
        if results and not all(isinstance(block, ToolResultContent) for block in blocks):
            return f"message {number} mixes tool results with other content"
        if results != open_uses:
            return f"message {number} must hold the results of {sorted(open_uses)}, not of {sorted(results)}"
        open_uses = {block.id for block in blocks if isinstance(block, ToolUseContent)}
    return f"no results of {sorted(open_uses)} follow" if open_uses else None


def refusal(capabilities: ClientCapabilities, method: str, params: Any) -> RPCError | None:
    """For the asked client: the error that answers a question it never declared, or None when the question is fine."""
    if declared(capabilities, method, params):
        fault = unmatched_tools(params.messages) if method == SAMPLING else None
        return None if fault is None else RPCError(INVALID_PARAMS, f"params.messages: {fault}")
    if method == ELICITATION and capabilities.elicitation is not None:
        return RPCError(INVALID_PARAMS, f"this client does not support elicitation mode {params.mode or 'form'!r}")
    if method == SAMPLING and capabilities.sampling is not None:
        return RPCError(
            INVALID_PARAMS, "this client does not support tools in sampling (sampling.tools is not declared)"
        )
    return RPCError(METHOD_NOT_FOUND, f"this client does not serve {method}: it has no provider for it")
