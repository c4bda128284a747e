"""
Tasks as the extension of 2026-07-28 has them: the server decides, `tasks/get` tells everything, answers are updates.

Owns the projection of a record to that generation's models, and who may be given a task. Refuses to know the other
generation. Source: SEP-2663, tasks extension.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcp_actors.errors import CapabilityMissing
from zcp_actors.protocol.capabilities import EMBEDDED
from zcp_actors.protocol.task_wishes import PLAIN, Wish, iso, milliseconds, wished
from zcp_actors.protocol.tasks import Status, Task, TaskPolicy
from zcp_actors.wire import CallToolResult, Model, Notification, from_wire, tasks_extension
from zcp_actors.wire.meta_keys import SUBSCRIPTION_ID, TASKS_EXTENSION

if TYPE_CHECKING:
    from zcp_actors.protocol.serving import Served
    from zcp_actors.wire import ClientCapabilities, RequestId

NEEDED: dict[str, Any] = {"extensions": {TASKS_EXTENSION: {}}}
"""What a client must declare on the very request that is to become a task, or that speaks of one."""


def wish(call: Served, policy: TaskPolicy) -> Wish:
    """What becomes of this call; a `task` member of its params says nothing here. Raises `CapabilityMissing`."""
    if call.method == "tasks/create":
        admit(call)
        return wished(getattr(call.params, "task", None), 0.0)
    if policy.support == "required":
        admit(call)
        return Wish(0.0)
    if policy.support == "forbidden" or policy.after is None or not declared(call.capabilities):
        return PLAIN
    return Wish(policy.after)


def admit(call: Served) -> None:
    """Raises `CapabilityMissing` when this request did not declare the extension, whatever others did."""
    if not declared(call.capabilities):
        raise CapabilityMissing(f"{call.method} {call.target}".strip() + " needs a client with tasks", NEEDED)


def declared(capabilities: ClientCapabilities | None) -> bool:
    """Did this request declare the extension?"""
    return capabilities is not None and TASKS_EXTENSION in (capabilities.extensions or {})


def status(task: Task) -> str:
    """The word of this generation."""
    return "working" if task.status is Status.QUEUED else task.status.value


def _fields(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "status": status(task),
        "status_message": task.message,
        "created_at": iso(task.created),
        "last_updated_at": iso(task.updated),
        "ttl_ms": milliseconds(task.ttl),
        "poll_interval_ms": milliseconds(task.poll),
    }


def visible(task: Task) -> tuple[Any, ...]:
    """What a client is told of when it changes."""
    return status(task), task.message, tuple(task.questions)


def created(task: Task) -> Model:
    """The answer to the request that became this task."""
    return tasks_extension.CreateTaskResult(**_fields(task))


def _detailed(task: Task) -> dict[str, Any]:
    fields = _fields(task)
    outcome = task.outcome or {}
    if task.questions:
        fields["input_requests"] = {
            key: from_wire(EMBEDDED[each.method], {"method": each.method, "params": each.params})
            for key, each in task.questions.items()
        }
    if "error" in outcome:
        fields["error"] = from_wire(tasks_extension.RPCErrorObject, outcome["error"])
    if "result" in outcome:
        raw = outcome["result"]
        fields["result"] = from_wire(CallToolResult, raw) if task.origin.method == "tools/call" else raw
    return fields


def shown(task: Task) -> Model:
    """The answer to `tasks/get`."""
    return tasks_extension.GetTaskResult(**_detailed(task))


def cancelled(_: Task, *, ended_before: bool) -> Model:  # noqa: ARG001 - the other generation needs it
    """The answer to `tasks/cancel`, whatever became of it."""
    return tasks_extension.CancelTaskResult()


def updated() -> Model:
    """The answer to `tasks/update`."""
    return tasks_extension.UpdateTaskResult()


def notice(task: Task, subscription: RequestId) -> Notification:
    """It changed: what `tasks/get` would say now, for one listen stream."""
    params = tasks_extension.TaskStatusNotificationParams(**_detailed(task), meta={SUBSCRIPTION_ID: subscription})
    return Notification("notifications/tasks", params)
