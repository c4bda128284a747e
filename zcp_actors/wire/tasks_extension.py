"""
The tasks extension of 2026-07-28: tasks the server decides on, flat results, questions and answers inside them.

Owns its shapes and its rows for the dialect's tables. Refuses to know the tasks of 2025-11-25, whose names are nearly
the same. Source: SEP-2663, tasks-extension schema; where its examples contradict its prose, the prose.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import attrs

from zcp_actors.wire.input_required import InputRequests
from zcp_actors.wire.model import Model, nullable
from zcp_actors.wire.params import RequestParams, WithMeta
from zcp_actors.wire.results import EmptyResult

TaskStatus = Literal["working", "input_required", "completed", "failed", "cancelled"]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RPCErrorObject(Model):
    """A JSON-RPC error, kept as a task's end."""

    code: int
    message: str
    data: Any = nullable()


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Task(WithMeta):
    """A task in brief; as such no result, so it has no result type. Times are ISO 8601; `ttl_ms` None is for ever."""

    task_id: str
    status: TaskStatus
    status_message: str | None = None
    created_at: str
    last_updated_at: str
    ttl_ms: int | None
    poll_interval_ms: int | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CreateTaskResult(Task):
    """The server made a task of the call. Only for a client that declared the extension on this request."""

    result_type: Literal["task"] = "task"


@attrs.frozen(kw_only=True, eq=False, repr=False)
class DetailedTask(Task):
    """A task with what its status brings along: questions, a result, or an error."""

    input_requests: InputRequests | None = None
    result: Model | dict[str, Any] | None = None
    """Exactly what the call would have got; a plain dict after decoding."""
    error: RPCErrorObject | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class GetTaskResult(DetailedTask):
    """The task as it is now."""

    result_type: Literal["complete"] = "complete"


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TaskStatusNotificationParams(DetailedTask):
    """A task changed; this is what `tasks/get` would say."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class GetTaskRequestParams(RequestParams):
    """Which task."""

    task_id: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CancelTaskRequestParams(RequestParams):
    """Which task to cancel."""

    task_id: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class UpdateTaskRequestParams(RequestParams):
    """Answers for a task, all or some."""

    task_id: str
    input_responses: dict[str, Any]
    """Read one by one, each as what its question asks for: what answers no question is passed over, whatever it is."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class UpdateTaskResult(EmptyResult):
    """The answers were taken."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CancelTaskResult(EmptyResult):
    """The wish to cancel was taken. The task may still end otherwise."""


CLIENT_REQUESTS: Final = {
    "tasks/get": (GetTaskRequestParams, GetTaskResult),
    "tasks/update": (UpdateTaskRequestParams, UpdateTaskResult),
    "tasks/cancel": (CancelTaskRequestParams, CancelTaskResult),
}
SERVER_NOTIFICATIONS: Final = {"notifications/tasks": TaskStatusNotificationParams}
