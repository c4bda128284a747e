"""
What an author says of tasks, settled: the policy of each tool and kind, and what is declared because of them.

Owns the meaning of the keywords `task`, `task_after`, `on_restart` and `task_ttl`, and their defaults. Refuses to run
anything: `ports.Tasks` does. The rule: a combination that would never come true is refused, not passed over.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, get_args

from zcp_actors.errors import SchemaError
from zcp_actors.protocol.tasks import OnRestart, TaskPolicy
from zcp_actors.wire import ServerTasksCapability, ServerTasksRequestsCapability, TasksToolsCapability, zcp_native
from zcp_actors.wire.meta_keys import TASKS_EXTENSION

if TYPE_CHECKING:
    from collections.abc import Collection

    from zcp_actors.app.options import TaskSupport, ToolOptions

TASK_AFTER = 1.0
"""Seconds after which a call of an optional tool becomes a task, where the server decides.

A second is about what a person waits without a thought, and far above what a quick tool takes: those are answered in
one round trip, and only the others cost a row in a store and polls.
"""

FORBIDDEN = TaskPolicy()
"""What holds for a tool whose author says nothing of tasks."""


def tool_policy(where: str, support: TaskSupport | None, options: ToolOptions) -> TaskPolicy:
    """Read what is said of a tool. Raises `SchemaError` for what can have no effect, and for numbers that are none."""
    if support not in ("optional", "required"):
        _refuse_without_tasks(where, options)
        return FORBIDDEN
    after = options.get("task_after")
    if support == "required" and after is not None and after != 0:
        raise SchemaError(
            f"{where}: task_after={after!r} with task='required', whose calls are tasks at once; "
            "leave it out, or say task='optional'"
        )
    return TaskPolicy(
        support=support,
        after=0.0 if support == "required" else _after(where, after),
        on_restart=_on_restart(where, options.get("on_restart")),
        ttl=_ttl(where, options.get("task_ttl")),
    )


def kind_policy(where: str, on_restart: OnRestart | None, task_ttl: float | None) -> TaskPolicy:
    """Read what is said of a kind, which runs as a task or not at all. Raises `SchemaError`."""
    return TaskPolicy(
        support="required", after=0.0, on_restart=_on_restart(where, on_restart), ttl=_ttl(where, task_ttl)
    )


def declared(kinds: Collection[str], *, tools: bool) -> dict[str, Any]:
    """The fields of `ServerCapabilities` for an app with these kinds, and with tools that may be tasks or without.

    `tasks` is what 2025-11-25 knows, without `list`, which is the session's to promise; `extensions` is what 2026-07-28
    knows; the kinds are told to both.
    """
    if not kinds and not tools:
        return {}
    requests = ServerTasksRequestsCapability(tools=TasksToolsCapability(call={})) if tools else None
    create = {zcp_native.TASKS: {"create": {"kinds": sorted(kinds)}}} if kinds else None
    return {
        "tasks": ServerTasksCapability(cancel={}, requests=requests),
        "extensions": {TASKS_EXTENSION: {}},
        "experimental": create,
    }


def _refuse_without_tasks(where: str, options: ToolOptions) -> None:
    said = {name: options.get(name) for name in ("task_after", "on_restart", "task_ttl")}
    if vain := [name for name, value in said.items() if value is not None]:
        raise SchemaError(f"{where}: {vain[0]}= is about tasks, which it does not allow; say task='optional' as well")


def _after(where: str, after: float | None) -> float | None:
    if after is None:
        return TASK_AFTER
    if not _is_number(after) or not after >= 0:
        raise SchemaError(f"{where}: task_after is seconds, 0 or more, math.inf for never; not {after!r}")
    return None if after == math.inf else float(after)


def _ttl(where: str, ttl: float | None) -> float | None:
    if ttl is None:
        return None
    if not _is_number(ttl) or not 0 < ttl < math.inf:
        raise SchemaError(f"{where}: task_ttl is seconds, more than 0; not {ttl!r}")
    return float(ttl)


def _on_restart(where: str, said: OnRestart | None) -> OnRestart:
    if said is not None and said not in get_args(OnRestart):
        raise SchemaError(f"{where}: on_restart is 'resume' or 'fail', not {said!r}")
    return said or "resume"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
