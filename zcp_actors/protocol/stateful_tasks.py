"""
Tasks as 2025-11-25 has them: the requestor asks for one, `tasks/result` blocks, questions are requests.

Owns the projection of a record to that generation's models, and who may ask for a task. Refuses to know the other
generation. Source: MCP 2025-11-25 basic/utilities/tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcp_actors.errors import INTERNAL_ERROR, METHOD_NOT_FOUND, InvalidParams, RPCError
from zcp_actors.protocol.task_wishes import PLAIN, Wish, iso, milliseconds, wished
from zcp_actors.protocol.tasks import Status, Task, TaskPolicy
from zcp_actors.wire import CallToolResult, Model, Notification, ProgressNotificationParams, from_wire, v2025_11_25
from zcp_actors.wire.meta_keys import RELATED_TASK, V2025_11_25
from zcp_actors.wire.model import replaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcp_actors.protocol.serving import Served


def wish(call: Served, policy: TaskPolicy) -> Wish:
    """What this call asks for. Raises -32601 for what the tool does not allow, `InvalidParams`."""
    asked = getattr(call.params, "task", None)
    if call.method == "tasks/create":
        return wished(asked, 0.0)
    if asked is None or call.version != V2025_11_25:
        if policy.support == "required":
            raise RPCError(METHOD_NOT_FOUND, f"tool {call.target!r} runs as a task only: call it with params.task")
        return PLAIN
    if policy.support == "forbidden":
        raise RPCError(METHOD_NOT_FOUND, f"tool {call.target!r} cannot run as a task: call it without params.task")
    return wished(asked, 0.0)


def admit(call: Served) -> None:
    """Every client of this generation may speak of its tasks."""


def status(task: Task) -> str:
    """The word of this generation: a tool's own failure is one of the task, too."""
    if task.status is Status.QUEUED:
        return "working"
    return "failed" if task.reports_error else task.status.value


def _fields(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "status": status(task),
        "status_message": task.message,
        "created_at": iso(task.created),
        "last_updated_at": iso(task.updated),
        "ttl": milliseconds(task.ttl),
        "poll_interval": milliseconds(task.poll),
    }


def visible(task: Task) -> tuple[Any, ...]:
    """What a client is told of when it changes."""
    return status(task), task.message


def created(task: Task) -> Model:
    """The answer to the request that became this task."""
    return v2025_11_25.CreateTaskResult(task=v2025_11_25.Task(**_fields(task)), meta=related(task.id))


def shown(task: Task) -> Model:
    """The answer to `tasks/get`."""
    return v2025_11_25.GetTaskResult(**_fields(task))


def cancelled(task: Task, *, ended_before: bool) -> Model:
    """The answer to `tasks/cancel`. Raises `InvalidParams` for a task that had ended."""
    if ended_before:
        raise InvalidParams(f"task {task.id!r:.200} cannot be cancelled: it is {status(task)} already")
    return v2025_11_25.CancelTaskResult(**_fields(task))


def listed(page: Sequence[Task], cursor: str | None) -> Model:
    """The answer to `tasks/list`."""
    return v2025_11_25.ListTasksResult(tasks=[v2025_11_25.Task(**_fields(each)) for each in page], next_cursor=cursor)


def payload(task: Task) -> Model:
    """The answer to `tasks/result` of a task that has ended: what its own request would have got.

    Raises the very error that it would have got.
    """
    if task.outcome is None:
        raise RPCError(INTERNAL_ERROR, f"the task was cancelled: {task.message}")
    if "error" in task.outcome:
        raise RPCError(**task.outcome["error"])
    raw = task.outcome["result"]
    kind = CallToolResult if task.origin.method == "tools/call" else v2025_11_25.GetTaskPayloadResult
    model: Model = from_wire(kind, raw)
    return replaced(model, meta={**(getattr(model, "meta", None) or {}), **related(task.id)})


def notice(task: Task) -> Notification:
    """It changed."""
    return Notification("notifications/tasks/status", v2025_11_25.TaskStatusNotificationParams(**_fields(task)))


def progress(task: Task, token: int | str, progress: float, total: float | None, message: str | None) -> Notification:
    """It is so far, under the token of the request that became it."""
    params = ProgressNotificationParams(
        progress_token=token, progress=progress, total=total, message=message, meta=related(task.id)
    )
    return Notification("notifications/progress", params)


def related(id: str) -> dict[str, Any]:
    """The `_meta` of every message that belongs to a task."""
    return {RELATED_TASK: {"taskId": id}}
