"""
The names of the conventions, and their rule about errors.

Owns strings and numbers. The names of MCP and of generative AI are those of OpenTelemetry's semantic conventions
(`semantic-conventions-genai`, docs/gen-ai/mcp.md, status Development); what those do not know has the namespace `zcp`.
Own constants, because the published ones are marked as moved.
"""

from __future__ import annotations

from typing import Any, Final

METHOD: Final = "mcp.method.name"
PROTOCOL_VERSION: Final = "mcp.protocol.version"
SESSION_ID: Final = "mcp.session.id"
RESOURCE_URI: Final = "mcp.resource.uri"
REQUEST_ID: Final = "jsonrpc.request.id"
STATUS_CODE: Final = "rpc.response.status_code"
ERROR_TYPE: Final = "error.type"
TOOL: Final = "gen_ai.tool.name"
PROMPT: Final = "gen_ai.prompt.name"
OPERATION: Final = "gen_ai.operation.name"
EXECUTE_TOOL: Final = "execute_tool"
ARGUMENTS: Final = "gen_ai.tool.call.arguments"
RESULT: Final = "gen_ai.tool.call.result"
TRANSPORT: Final = "network.transport"
PROTOCOL_NAME: Final = "network.protocol.name"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
CLIENT_ADDRESS: Final = "client.address"
CLIENT_PORT: Final = "client.port"

ACTOR_KIND: Final = "zcp.actor.kind"
ACTOR_PATH: Final = "zcp.actor.path"
ACTOR_INCARNATION: Final = "zcp.actor.incarnation"
BACKEND: Final = "zcp.backend"
CLOSE_REASON: Final = "zcp.close.reason"
CANCEL_REASON: Final = "zcp.cancel.reason"
CANCEL_TARGET: Final = "zcp.cancel.target"
INPUT_ACTION: Final = "zcp.input_request.action"
INPUT_BY: Final = "zcp.input_request.decided_by"
INPUT_KEY: Final = "zcp.input_request.key"
INPUT_METHOD: Final = "zcp.input_request.method"
INPUT_MODE: Final = "zcp.input_request.mode"
INPUT_STATUS: Final = "zcp.input_request.status"
LINK_TYPE: Final = "zcp.link.type"
MAILBOX_DEPTH: Final = "zcp.mailbox.depth"
MRTR_ROUNDS: Final = "zcp.mrtr.rounds"
RESULT_TYPE: Final = "zcp.result.type"
RESUMED: Final = "zcp.resumed"
RETROACTIVE: Final = "zcp.retroactive"
RESTARTS: Final = "zcp.supervisor.restarts_in_window"
STRATEGY: Final = "zcp.supervisor.strategy"
TASK_ID: Final = "zcp.task.id"
TASK_KIND: Final = "zcp.task.kind"
TASK_PREVIOUS: Final = "zcp.task.status.previous"
TASK_LEFT: Final = "zcp.task.left"
TASK_REASON: Final = "zcp.task.reason"
TASK_STATUS: Final = "zcp.task.status"
POLL_CHANGED: Final = "zcp.task.poll.changed"
TIMEOUT_KIND: Final = "zcp.timeout.kind"
SIDE: Final = "zcp.side"

CANCELLING: Final = "notifications/cancelled"
CANCELLED: Final = "cancelled"
TIMEOUT: Final = "timeout"
TOOL_ERROR: Final = "tool_error"
OTHER: Final = "_OTHER"

BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""Bounds in seconds that the conventions give for operations and sessions."""
LONG_BUCKETS: Final = (*BUCKETS, 600, 1800, 3600, 14400, 43200, 86400)
"""The same up to a day, for what waits for people."""

CALLERS_FAULTS: Final = frozenset({-32700, -32600, -32601, -32602, -32002})
"""Codes that are no error of the side that answers with them, only of the side that asked."""

TARGETS: Final = {"tools/call": TOOL, "prompts/get": PROMPT, "tasks/create": TASK_KIND}
"""Methods whose target is part of the span's name, and the attribute that holds it."""

URI_LENGTH: Final = 1024
"""Characters of a resource's URI that are shown: longer ones carry what they name."""

NAME_LENGTH: Final = 128
"""Characters of a peer's name for something that become part of a span's; the specification's limit for tools."""


KEPT: Final = 1000
"""Requests whose words are kept made: a server lists fewer targets, and each is a few hundred bytes."""


def clean(text: str) -> str:
    """The same text without halves of characters: an exporter that cannot encode one loses all spans of its batch."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def cut(name: str) -> str:
    """A name that somebody chose, short enough to be shown."""
    name = clean(name)
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


def span_name(method: str, target: str) -> str:
    """`{method} {target}` where the target is of low cardinality, else the method."""
    return f"{method} {cut(target)}" if target and method in TARGETS else method


def about(method: str, target: str) -> dict[str, Any]:
    """What the conventions say of a request by its method and target."""
    if method in TARGETS:
        attributes: dict[str, Any] = {METHOD: method}
        if target:
            attributes[TARGETS[method]] = cut(target)
        if method == "tools/call":
            attributes[OPERATION] = EXECUTE_TOOL
        return attributes
    attributes = {METHOD: cut(method)}
    if target and method.startswith("resources/"):
        attributes[RESOURCE_URI] = clean(target[:URI_LENGTH])
    return attributes
