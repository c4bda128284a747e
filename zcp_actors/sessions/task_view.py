"""
A task as its requestor sees it, in one shape for both generations of the protocol.

Owns the snapshot and the reading of every message that tells of a task. Refuses to know where the message came from.
The shape is the ZCP guide's: `view["task"]["status"]`; the same facts are attributes of the view.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs

from zcp_actors.wire import Model, tasks_extension, v2025_11_25

ENDED = frozenset({"completed", "failed", "cancelled"})
"""The statuses that stand."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TaskView(Model):
    """One look at a task: by attribute, or as the guide has it, `view["task"]["taskId"]`."""

    task: v2025_11_25.Task
    """The same facts, as a model of the wire."""

    @property
    def task_id(self) -> str:
        """What names it at its server."""
        return self.task.task_id

    @property
    def status(self) -> str:
        """Where it is: "working", "input_required", "completed", "failed" or "cancelled"."""
        return self.task.status

    @property
    def status_message(self) -> str | None:
        """What it says it is doing, or why it ended."""
        return self.task.status_message

    @property
    def created_at(self) -> str:
        """When it was made, in ISO 8601, by the server's clock."""
        return self.task.created_at

    @property
    def last_updated_at(self) -> str:
        """When it last changed, in ISO 8601, by the server's clock."""
        return self.task.last_updated_at

    @property
    def ttl(self) -> int | None:
        """Milliseconds from its creation after which the server may forget it; None is for ever."""
        return self.task.ttl

    @property
    def poll_interval(self) -> int | None:
        """Milliseconds that the server wishes between two polls."""
        return self.task.poll_interval

    @property
    def ended(self) -> bool:
        """Its status is one that stands."""
        return self.task.status in ENDED

    def older_than(self, other: TaskView) -> bool:
        """By what the server says of both; False where that cannot be compared."""
        try:
            return datetime.fromisoformat(self.last_updated_at) < datetime.fromisoformat(other.last_updated_at)
        except (ValueError, TypeError):
            return False


def seconds(milliseconds: int | None, most: float) -> float | None:
    """What a server says of a time, as a clock can take it: any number of digits may come."""
    return None if milliseconds is None else min(milliseconds, int(most * 1000)) / 1000


def view_of(told: Any) -> TaskView:
    """The snapshot that a message of either generation holds: a task, or a result or notification around one."""
    task = getattr(told, "task", told)
    newer = isinstance(task, tasks_extension.Task)
    return TaskView(
        task=v2025_11_25.Task(
            task_id=task.task_id,
            status=task.status,
            status_message=task.status_message,
            created_at=task.created_at,
            last_updated_at=task.last_updated_at,
            ttl=task.ttl_ms if newer else task.ttl,
            poll_interval=task.poll_interval_ms if newer else task.poll_interval,
        )
    )


def ended_view(id: str, status: Any, ttl: int | None) -> TaskView:
    """A task that was never one: the server answered at once."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return TaskView(task=v2025_11_25.Task(task_id=id, status=status, created_at=now, last_updated_at=now, ttl=ttl))


def kept_view(id: str, created_at: str, ttl: int | None) -> TaskView:
    """A task that an earlier process knew; what became of it since is not known yet."""
    task = v2025_11_25.Task(task_id=id, status="working", created_at=created_at, last_updated_at=created_at, ttl=ttl)
    return TaskView(task=task)


def with_status(view: TaskView, status: Any) -> TaskView:
    """The same task, ended as its result shows."""
    return TaskView(task=attrs.evolve(view.task, status=status))
