"""
The dialect of 2026-07-28: no handshake, no requests from the server, every request says who asks and what they can.

Owns its tables, with the rows of the tasks extension among them. Refuses to know the other revision, and whether an
extension was declared.
Source: 2026-07-28 schema. An absent `resultType` is read as complete and always written; an unknown one is invalid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from zcp_actors.wire import tasks_extension
from zcp_actors.wire.completion import CompleteRequestParams, CompleteResult
from zcp_actors.wire.converter import Writer
from zcp_actors.wire.dialect import Dialect, all_of, demand
from zcp_actors.wire.elicitation import ElicitResult
from zcp_actors.wire.input_required import InputRequiredResult
from zcp_actors.wire.lifecycle import DiscoverResult
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, PROTOCOL_VERSION, V2026_07_28
from zcp_actors.wire.mismatch import Mismatch
from zcp_actors.wire.notifications import (
    CancelledNotificationParams,
    LoggingMessageNotificationParams,
    ProgressNotificationParams,
)
from zcp_actors.wire.params import NotificationParams, PaginatedRequestParams, RequestParams
from zcp_actors.wire.prompts import GetPromptRequestParams, GetPromptResult, ListPromptsResult
from zcp_actors.wire.resource_requests import (
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceRequestParams,
    ReadResourceResult,
    ResourceUpdatedNotificationParams,
)
from zcp_actors.wire.results import CacheableResult, Result
from zcp_actors.wire.roots import ListRootsResult
from zcp_actors.wire.sampling import CreateMessageResult
from zcp_actors.wire.subscriptions import (
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)
from zcp_actors.wire.tool_calls import CallToolRequestParams, CallToolResult
from zcp_actors.wire.tools import ListToolsResult
from zcp_actors.wire.zcp_native import CreateTaskRequestParams

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.wire.model import Model

DEFAULT_TTL_MS: Final = 0
"""Said of a result that does not say how long it keeps: stale at once, the one answer that is never wrong."""
DEFAULT_CACHE_SCOPE: Final = "private"
"""Said of a result that does not say for whom it keeps: for nobody else."""


def _results(others: dict[str, type[Model]]) -> Callable[[dict[str, Any]], type[Model] | None]:
    def choose(raw: dict[str, Any]) -> type[Model] | None:
        kind = raw.get("resultType", "complete")
        if kind == "complete":
            return None
        if isinstance(kind, str) and kind in others:
            if kind == "input_required" and not raw.keys() & {"inputRequests", "requestState"}:
                raise Mismatch("expected inputRequests or requestState with this resultType")
            return others[kind]
        allowed = ", ".join(repr(name) for name in ("complete", *others))
        raise Mismatch(f"expected one of {allowed}, got {kind!r:.40}", ("resultType",))

    return choose


_CLIENT_REQUESTS: Final[dict[str, tuple[type[Model], type[Model]]]] = {
    "server/discover": (RequestParams, DiscoverResult),
    "tools/list": (PaginatedRequestParams, ListToolsResult),
    "tools/call": (CallToolRequestParams, CallToolResult),
    "resources/list": (PaginatedRequestParams, ListResourcesResult),
    "resources/templates/list": (PaginatedRequestParams, ListResourceTemplatesResult),
    "resources/read": (ReadResourceRequestParams, ReadResourceResult),
    "prompts/list": (PaginatedRequestParams, ListPromptsResult),
    "prompts/get": (GetPromptRequestParams, GetPromptResult),
    "completion/complete": (CompleteRequestParams, CompleteResult),
    "subscriptions/listen": (SubscriptionsListenRequestParams, SubscriptionsListenResult),
    **tasks_extension.CLIENT_REQUESTS,
    "tasks/create": (CreateTaskRequestParams, tasks_extension.CreateTaskResult),
}
_QUESTIONS: Final[dict[str, type[Model]]] = {"input_required": InputRequiredResult}
_ALTERNATIVES: Final = {
    **{method: _results({}) for method in _CLIENT_REQUESTS},
    "prompts/get": _results(_QUESTIONS),
    "resources/read": _results(_QUESTIONS),
    "tools/call": _results({**_QUESTIONS, "task": tasks_extension.CreateTaskResult}),
    "tasks/create": _results({"task": tasks_extension.CreateTaskResult}),
}


def _complete(wire: dict[str, Any]) -> None:
    wire.setdefault("resultType", "complete")


def _cacheable(wire: dict[str, Any]) -> None:
    wire.setdefault("resultType", "complete")
    wire.setdefault("ttlMs", DEFAULT_TTL_MS)
    wire.setdefault("cacheScope", DEFAULT_CACHE_SCOPE)


def _untyped(wire: dict[str, Any]) -> None:
    """Answers to questions travel inside params: they are no results and have no result type."""
    wire.pop("resultType", None)


DIALECT: Final = Dialect(
    version=V2026_07_28,
    client_requests=_CLIENT_REQUESTS,
    server_requests={},
    client_notifications={"notifications/cancelled": CancelledNotificationParams},
    server_notifications={
        "notifications/cancelled": CancelledNotificationParams,
        "notifications/progress": ProgressNotificationParams,
        "notifications/message": LoggingMessageNotificationParams,
        "notifications/tools/list_changed": NotificationParams,
        "notifications/prompts/list_changed": NotificationParams,
        "notifications/resources/list_changed": NotificationParams,
        "notifications/resources/updated": ResourceUpdatedNotificationParams,
        "notifications/subscriptions/acknowledged": SubscriptionsAcknowledgedNotificationParams,
        **tasks_extension.SERVER_NOTIFICATIONS,
    },
    demands={
        "*": all_of(demand(PROTOCOL_VERSION, str, "_meta"), demand(CLIENT_CAPABILITIES, dict, "_meta")),
        "notifications/cancelled": demand("requestId", object),
    },
    alternatives=_ALTERNATIVES,
    writer=Writer(
        V2026_07_28,
        {
            Result: _complete,
            CacheableResult: _cacheable,
            CreateMessageResult: _untyped,
            ElicitResult: _untyped,
            ListRootsResult: _untyped,
        },
    ),
)
