"""
A client's tasks: starting them, looking at them, taking their results, ending them.

Owns the public methods, with the ZCP guide's names and milliseconds, and what is refused before it is sent.
Refuses to know generations: the session's watch follows tasks in either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import CapabilityMissing, InvalidResult
from zcp_actors.protocol.asking import CREATED
from zcp_actors.protocol.dialect import Era
from zcp_actors.sessions.followed_task import origin_of
from zcp_actors.sessions.kept_handles import keep
from zcp_actors.sessions.opening import Opening
from zcp_actors.sessions.task_handle import TaskHandle
from zcp_actors.wire import (
    CallToolRequestParams,
    CreateTaskRequestParams,
    PaginatedRequestParams,
    TaskMetadata,
    from_wire,
    plain,
    v2025_11_25,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zcp_actors.sessions.task_view import TaskView
    from zcp_actors.wire import Model

NEEDED: dict[str, Any] = {"tasks": {"requests": {"tools": {"call": {}}}}}


class TaskMethods(Opening):
    """See `ZCPClientSession`."""

    async def call_tool_as_task(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        ttl: int | None = None,
        poll_interval: int | None = None,
        profile: str | None = None,
        meta: Mapping[str, Any] | None = None,
        on_progress: Callable[[Any], Any] | None = None,
    ) -> TaskHandle:
        """Call a tool and return as soon as it is a task of the server's.

        `ttl` and `poll_interval`, in milliseconds, are wishes: how long the server shall keep the task, how often it
        will be asked about; a server of 2026-07-28 decides by itself, also whether the call becomes a task at all. When
        it does not, this returns with the result, and the handle is that of a task which has ended.
        Raises as `call_tool`, `CapabilityMissing` where the server, or the tool as it is listed, runs no tasks
        (2025-11-25), and `Overloaded`. On cancel a task that may have begun is cancelled.
        """
        task = from_wire(TaskMetadata, {"ttl": ttl} if ttl is not None else {})
        if poll_interval is not None:
            task = from_wire(TaskMetadata, {**task, "pollInterval": poll_interval})
        params = self._call(name, arguments, profile, meta, task)
        return await self._start("tools/call", params, task, on_progress)

    async def create_task(
        self, kind: str, input: Mapping[str, Any] | None = None, *, task: Mapping[str, Any] | None = None
    ) -> TaskHandle:
        """Start a task of this kind, where the server has kinds of tasks (`tasks/create`, an addition of ZCP).

        `task` holds wishes: `{"ttl": ..., "pollInterval": ...}`, in milliseconds. Raises as any request does.
        """
        wishes = from_wire(TaskMetadata, plain(task or {}, "task"))
        params = CreateTaskRequestParams(
            kind=kind, input=plain(input or {}, "input"), task=None if task is None else wishes
        )
        return await self._start("tasks/create", params, wishes, None)

    def _call(
        self,
        name: str,
        arguments: Mapping[str, Any] | None,
        profile: str | None,
        meta: Mapping[str, Any] | None,
        task: TaskMetadata | None,
    ) -> CallToolRequestParams:
        if task is not None:
            self._ensure_tasks(name)
        return CallToolRequestParams(
            name=name,
            arguments=plain(arguments or {}, "arguments"),
            meta={} if meta is None else plain(meta, "meta"),
            task=task if task is not None and self._asks_for_tasks else None,
            extra={} if profile is None else {"profile": profile},
        )

    @property
    def _asks_for_tasks(self) -> bool:
        """It is the requestor who decides what becomes a task."""
        return self.introduction.era is Era.STATEFUL

    @property
    def _runs_tools_as_tasks(self) -> bool:
        """A server of 2025-11-25 declared so."""
        tasks = getattr(self.server_capabilities, "tasks", None)
        requests = getattr(tasks, "requests", None)
        return getattr(getattr(requests, "tools", None), "call", None) is not None

    def _ensure_tasks(self, name: str) -> None:
        if not self._asks_for_tasks:
            return
        if not self._runs_tools_as_tasks:
            raise CapabilityMissing(f"{self.name} did not declare task-augmented tool calls", NEEDED)
        if self._listed.task_support(name) == "forbidden":
            raise CapabilityMissing(f"{self.name} lists {name!r} as a tool that never runs as a task", NEEDED)

    async def _start(
        self, method: str, params: Model, wishes: TaskMetadata, on_progress: Callable[[Any], Any] | None
    ) -> TaskHandle:
        session = self._open_session()
        session.tasks.ensure_room()
        told = await session.request(method, params, on_progress=on_progress)
        origin = origin_of(method, params)
        if not isinstance(told, CREATED):
            if self._asks_for_tasks:
                raise InvalidResult(f"{method}: the server did not make the task that it was asked for")
            return TaskHandle(session.tasks, session.tasks.done(told, origin, wishes.ttl))
        wished = None if wishes.poll_interval is None else wishes.poll_interval / 1000
        task = await session.tasks.made(told, origin, wished=wished)
        await keep(session, task)
        return TaskHandle(session.tasks, task)

    # -------------------------------------------------------------------------------------------- by id
    async def get_task(self, task_id: str) -> TaskView:
        """What a task is now. A task that asks for something gets its answers from our providers, from now on.

        Raises `RPCError` (-32602) for one that is not there.
        """
        return await self._open_session().tasks.get(task_id)

    async def get_task_result(self, task_id: str) -> Any:
        """Wait for a task's result, as `TaskHandle.result`; afterwards only the server remembers the task."""
        return await self._open_session().tasks.result_of(task_id)

    async def cancel_task(self, task_id: str, reason: str = "the caller does not want the task any more") -> TaskView:
        """Ask the server to end a task, as `TaskHandle.cancel`. Raises `RPCError` (-32602) for one it has not."""
        session = self._open_session()
        return await session.tasks.cancel_of(task_id, reason)

    async def list_tasks(self, *, cursor: str | None = None) -> v2025_11_25.ListTasksResult:
        """One page of the server's tasks, as far as they are ours. `next_cursor` of the result asks for the next.

        Where the server has no list (2026-07-28, and servers that cannot tell their clients apart) these are the tasks
        that this session follows, on one page.
        """
        declared = getattr(self.server_capabilities, "tasks", None) if self._asks_for_tasks else None
        if getattr(declared, "list", None) is not None:
            listed: v2025_11_25.ListTasksResult = await self._ask("tasks/list", PaginatedRequestParams(cursor=cursor))
            return listed
        await trio.lowlevel.checkpoint()
        return v2025_11_25.ListTasksResult(tasks=[each.view.task for each in self._open_session().tasks.tasks.values()])
