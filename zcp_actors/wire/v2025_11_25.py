"""
The dialect of 2025-11-25: a handshake, requests in both directions, and tasks the requestor asks for.

Owns its tables and the shapes of its tasks. Refuses to know the other revision.
A request sent with `task` is answered by a `CreateTaskResult`; whether that was wanted is the session's to know.
Source: 2025-11-25 schema; basic/utilities/tasks.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import attrs

from zcp_actors.wire.completion import CompleteRequestParams, CompleteResult
from zcp_actors.wire.content import ToolResultContent
from zcp_actors.wire.converter import Writer
from zcp_actors.wire.dialect import Dialect, demand
from zcp_actors.wire.elicitation import ElicitationCompleteNotificationParams, ElicitRequestParams, ElicitResult
from zcp_actors.wire.lifecycle import InitializeRequestParams, InitializeResult
from zcp_actors.wire.meta_keys import V2025_11_25
from zcp_actors.wire.model import Model, spoken
from zcp_actors.wire.notifications import (
    CancelledNotificationParams,
    LoggingMessageNotificationParams,
    ProgressNotificationParams,
    SetLevelRequestParams,
)
from zcp_actors.wire.params import NotificationParams, PaginatedRequestParams, RequestParams
from zcp_actors.wire.prompts import GetPromptRequestParams, GetPromptResult, ListPromptsResult
from zcp_actors.wire.resource_requests import (
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceRequestParams,
    ReadResourceResult,
    ResourceUpdatedNotificationParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)
from zcp_actors.wire.results import EmptyResult, PaginatedResult, Result
from zcp_actors.wire.roots import ListRootsResult
from zcp_actors.wire.sampling import CreateMessageRequestParams, CreateMessageResult
from zcp_actors.wire.tool_calls import CallToolRequestParams, CallToolResult
from zcp_actors.wire.tools import ListToolsResult, Tool
from zcp_actors.wire.zcp_native import CreateTaskRequestParams

TaskStatus = Literal["working", "input_required", "completed", "failed", "cancelled"]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Task(Model):
    """A task, as its receiver tells of it.

    Times are ISO 8601; `ttl` and `poll_interval` are milliseconds, and a `ttl` of None is for ever.
    """

    task_id: str
    status: TaskStatus
    status_message: str | None = None
    created_at: str
    last_updated_at: str
    ttl: int | None = spoken()
    poll_interval: int | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RelatedTaskMetadata(Model):
    """The value of the related-task key of `_meta`."""

    task_id: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CreateTaskResult(Result):
    """The request has become this task."""

    task: Task


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TaskResult(Task):
    """A result that is a task."""

    meta: dict[str, Any] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class GetTaskResult(TaskResult):
    """The task as it is now."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CancelTaskResult(TaskResult):
    """The task as it is after the cancel: cancelled."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class GetTaskRequestParams(RequestParams):
    """Which task."""

    task_id: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class GetTaskPayloadRequestParams(RequestParams):
    """Which task's result."""

    task_id: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CancelTaskRequestParams(RequestParams):
    """Which task to cancel."""

    task_id: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class GetTaskPayloadResult(Result):
    """Exactly what the task's own request would have got: in `extra`, to be read by that request's method."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ListTasksResult(PaginatedResult):
    """One page of tasks."""

    tasks: list[Task]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TaskStatusNotificationParams(TaskResult):
    """A task changed; this is all of it."""


_TASK_REQUESTS: Final[dict[str, tuple[type[Model], type[Model]]]] = {
    "tasks/get": (GetTaskRequestParams, GetTaskResult),
    "tasks/result": (GetTaskPayloadRequestParams, GetTaskPayloadResult),
    "tasks/cancel": (CancelTaskRequestParams, CancelTaskResult),
    "tasks/list": (PaginatedRequestParams, ListTasksResult),
}
_COMMON_NOTIFICATIONS: Final = {
    "notifications/cancelled": CancelledNotificationParams,
    "notifications/progress": ProgressNotificationParams,
    "notifications/tasks/status": TaskStatusNotificationParams,
}


def _task(raw: dict[str, Any]) -> type[Model] | None:
    return CreateTaskResult if "task" in raw and "content" not in raw and "action" not in raw else None


def _elicitation_id(raw: dict[str, Any]) -> None:
    if raw.get("mode") == "url":
        demand("elicitationId", str)(raw)


def _objects_only(wire: dict[str, Any]) -> None:
    """2026-07-28 allows any JSON where this revision knows objects; its clients would refuse the whole result."""
    if not isinstance(wire.get("structuredContent", {}), dict):
        del wire["structuredContent"]


def _object_schema_only(wire: dict[str, Any]) -> None:
    """One tool with another output schema would make clients of this revision refuse the whole list."""
    schema = wire.get("outputSchema")
    if schema is not None and schema.get("type") != "object":
        del wire["outputSchema"]


DIALECT: Final = Dialect(
    version=V2025_11_25,
    client_requests={
        "initialize": (InitializeRequestParams, InitializeResult),
        "ping": (RequestParams, EmptyResult),
        "tools/list": (PaginatedRequestParams, ListToolsResult),
        "tools/call": (CallToolRequestParams, CallToolResult),
        "resources/list": (PaginatedRequestParams, ListResourcesResult),
        "resources/templates/list": (PaginatedRequestParams, ListResourceTemplatesResult),
        "resources/read": (ReadResourceRequestParams, ReadResourceResult),
        "resources/subscribe": (SubscribeRequestParams, EmptyResult),
        "resources/unsubscribe": (UnsubscribeRequestParams, EmptyResult),
        "prompts/list": (PaginatedRequestParams, ListPromptsResult),
        "prompts/get": (GetPromptRequestParams, GetPromptResult),
        "completion/complete": (CompleteRequestParams, CompleteResult),
        "logging/setLevel": (SetLevelRequestParams, EmptyResult),
        **_TASK_REQUESTS,
        "tasks/create": (CreateTaskRequestParams, CreateTaskResult),
    },
    server_requests={
        "ping": (RequestParams, EmptyResult),
        "sampling/createMessage": (CreateMessageRequestParams, CreateMessageResult),
        "elicitation/create": (ElicitRequestParams, ElicitResult),  # type: ignore[dict-item]  # a union, told apart by `mode`
        "roots/list": (RequestParams, ListRootsResult),
        **_TASK_REQUESTS,
    },
    client_notifications={
        "notifications/initialized": NotificationParams,
        "notifications/roots/list_changed": NotificationParams,
        **_COMMON_NOTIFICATIONS,
    },
    server_notifications={
        "notifications/message": LoggingMessageNotificationParams,
        "notifications/tools/list_changed": NotificationParams,
        "notifications/prompts/list_changed": NotificationParams,
        "notifications/resources/list_changed": NotificationParams,
        "notifications/resources/updated": ResourceUpdatedNotificationParams,
        "notifications/elicitation/complete": ElicitationCompleteNotificationParams,
        **_COMMON_NOTIFICATIONS,
    },
    demands={"elicitation/create": _elicitation_id},
    alternatives={"tools/call": _task, "sampling/createMessage": _task, "elicitation/create": _task},
    writer=Writer(
        V2025_11_25,
        {CallToolResult: _objects_only, ToolResultContent: _objects_only, Tool: _object_schema_only},
    ),
)
