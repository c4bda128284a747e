"""
How a requestor speaks of tasks: the requests of either generation, and what their answers say.

Owns the two manners, one class each with the same methods. Refuses to remember tasks, or to try twice.
Sources: MCP 2025-11-25 basic/utilities/tasks; SEP-2663 (tasks extension of 2026-07-28).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.errors import INTERNAL_ERROR, InvalidParams, InvalidResult, RequestTimeout, RPCError
from zcp_actors.protocol.stateless_client import StatelessClient
from zcp_actors.sessions.followed_task import NOTHING
from zcp_actors.sessions.task_view import view_of
from zcp_actors.sessions.timeouts import NO_TIMEOUTS
from zcp_actors.wire import CallToolResult, Model, Result, from_wire, tasks_extension, v2025_11_25
from zcp_actors.wire.meta_keys import RELATED_TASK
from zcp_actors.wire.model import replaced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.sessions.task_view import TaskView


@attrs.frozen
class Heard:
    """What a message said of a task."""

    view: TaskView
    asked: Mapping[str, Any] | None = None
    """2026-07-28: every question that is open, by key."""
    outcome: Any = NOTHING
    """2026-07-28: how it ended, a result model or an exception."""


class StatefulWire:
    """2025-11-25: a result is fetched, by a request that waits; questions come as requests."""

    fetches = True

    async def get(self, session: ClientSession, id: str) -> Any:
        """What the task is now."""
        return about(id, await ask(session, "tasks/get", v2025_11_25.GetTaskRequestParams(task_id=id)))

    async def cancel(self, session: ClientSession, id: str) -> Any:
        """End it; the answer tells of it."""
        return about(id, await ask(session, "tasks/cancel", v2025_11_25.CancelTaskRequestParams(task_id=id)))

    async def result(self, session: ClientSession, id: str) -> Any:
        """Its outcome, however long that takes."""
        params = v2025_11_25.GetTaskPayloadRequestParams(task_id=id)
        return await session.request("tasks/result", params, timeouts=NO_TIMEOUTS)

    def heard(self, told: Any, method: str) -> Heard:
        """Read what came."""
        return Heard(view_of(told))


class StatelessWire:
    """2026-07-28: one answer tells everything; answers are sent as updates."""

    fetches = False

    async def get(self, session: ClientSession, id: str) -> Any:
        """What the task is now."""
        return about(id, await ask(session, "tasks/get", tasks_extension.GetTaskRequestParams(task_id=id)))

    async def cancel(self, session: ClientSession, id: str) -> Any:
        """Wish for its end; None, for the answer tells nothing."""
        await ask(session, "tasks/cancel", tasks_extension.CancelTaskRequestParams(task_id=id))

    async def update(self, session: ClientSession, id: str, answers: dict[str, Any]) -> None:
        """Bring answers, all or some."""
        params = tasks_extension.UpdateTaskRequestParams(task_id=id, input_responses=answers)
        await ask(session, "tasks/update", params)

    def heard(self, told: Any, method: str) -> Heard:
        """Read what came. Raises `InvalidResult` when it ended and does not say how."""
        view = view_of(told)
        if not isinstance(told, tasks_extension.DetailedTask):
            return Heard(view)
        if view.status == "input_required":
            return Heard(view, asked=told.input_requests or {})
        if view.status == "completed":
            if told.result is None:
                raise InvalidResult(f"task {view.task_id!r:.200} is completed and has no result")
            return Heard(view, outcome=shaped(method, told.result))
        if view.status == "failed":
            return Heard(view, outcome=failure(told))
        return Heard(view, asked={})


STATEFUL, STATELESS = StatefulWire(), StatelessWire()


def wire_of(session: ClientSession) -> StatefulWire | StatelessWire:
    """The manner of the revision in use."""
    return STATELESS if isinstance(session.automaton, StatelessClient) else STATEFUL


async def ask(session: ClientSession, method: str, params: Model) -> Any:
    """Ask what the server can answer by itself: a person who is asked something meanwhile stops no clock of this."""
    limit = session.timeouts.first
    with trio.move_on_after(limit):
        return await session.request(method, params)
    raise RequestTimeout(method, limit, "idle")


def about(id: str, told: Any) -> Any:
    """What was told, when it is about this task. Raises `InvalidResult`."""
    if told.task_id != id:
        raise InvalidResult(f"the server was asked about task {id!r:.200} and tells of {told.task_id!r:.200}")
    return told


def failure(told: tasks_extension.DetailedTask) -> RPCError:
    """The error that a failed task ended with."""
    if told.error is None:
        return RPCError(INTERNAL_ERROR, told.status_message or "the task failed, and does not say why")
    return RPCError(told.error.code, told.error.message, told.error.data)


def shaped(method: str, raw: Any) -> Any:
    """A task's result as its own request would have got it. Raises `InvalidResult`."""
    if type(raw) is CallToolResult and method == "tools/call":
        return _untied(raw)
    wire = raw.to_dict() if isinstance(raw, Model) else raw
    tool = method == "tools/call" or (not method and isinstance(wire.get("content"), list))
    kind: Any = CallToolResult if tool else Result
    try:
        return _untied(raw if type(raw) is kind else from_wire(kind, wire))
    except InvalidParams as error:
        raise InvalidResult(f"the task's result is not that of {method or 'any request'}: {error.message}") from None


def _untied(result: Any) -> Any:
    """Without what tied it to its task on the way."""
    if result.meta is None:
        return result
    meta = {name: value for name, value in (result.meta or {}).items() if name != RELATED_TASK}
    return replaced(result, meta=meta or None)
