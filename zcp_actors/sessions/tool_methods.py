"""
A client's tools: listing them, calling them, and checking what comes back against what was listed.

Owns the methods; what is remembered is `ListedTools`'. Refuses to judge arguments: the server does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from zcp_actors.protocol.asking import CREATED
from zcp_actors.sessions.task_call import TaskCall
from zcp_actors.sessions.task_methods import TaskMethods
from zcp_actors.wire import PaginatedRequestParams, TaskMetadata, from_wire, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zcp_actors.sessions.task_handle import TaskHandle
    from zcp_actors.sessions.timeouts import Timeouts
    from zcp_actors.wire import CallToolResult, ListToolsResult


class ToolMethods(TaskMethods):
    """See `ZCPClientSession`."""

    async def list_tools(
        self,
        *,
        cursor: str | None = None,
        profile: str | None = None,
        groups: list[str] | None = None,
        exclude_groups: list[str] | None = None,
        stages: list[str] | None = None,
    ) -> ListToolsResult:
        """One page of tools; `next_cursor` of the result asks for the next.

        The filters are for servers that know them.
        """
        filters = {"profile": profile, "groups": groups, "excludeGroups": exclude_groups, "stages": stages}
        extra = {name: value for name, value in filters.items() if value is not None}
        result: ListToolsResult = await self._ask("tools/list", PaginatedRequestParams(cursor=cursor, extra=extra))
        self._listed.remember(result)
        return result

    @overload
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        profile: str | None = None,
        meta: Mapping[str, Any] | None = None,
        task: None = None,
        timeouts: Timeouts | None = None,
        on_progress: Callable[[Any], Any] | None = None,
    ) -> CallToolResult: ...
    @overload
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        profile: str | None = None,
        meta: Mapping[str, Any] | None = None,
        task: Mapping[str, Any],
        timeouts: Timeouts | None = None,
        on_progress: Callable[[Any], Any] | None = None,
    ) -> TaskHandle: ...
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        profile: str | None = None,
        meta: Mapping[str, Any] | None = None,
        task: Mapping[str, Any] | None = None,
        timeouts: Timeouts | None = None,
        on_progress: Callable[[Any], Any] | None = None,
    ) -> CallToolResult | TaskHandle:
        """Call a tool. A tool's own failure is a result with `is_error`; a protocol error raises `RPCError`.

        A call that becomes a task, because the server decides so or lists the tool as one that demands it, is waited
        for all the same, however long it takes: the client's timeouts are then those of each request about the task.
        `timeouts` given here bound the whole. With `task` (`{"ttl": ...}`) it is `call_tool_as_task`.
        `profile` is for servers that know it. `on_progress` is called with each progress report. Raises `NotJSON` for
        arguments that no wire carries, `InvalidResult` when structured content does not match the schema that the
        server listed, `RequestCancelled` when the task was cancelled by somebody else.
        """
        if task is not None:
            wishes = from_wire(TaskMetadata, plain(task, "task"))
            return await self.call_tool_as_task(
                name,
                arguments,
                ttl=wishes.ttl,
                poll_interval=wishes.poll_interval,
                profile=profile,
                meta=meta,
                on_progress=on_progress,
            )
        listed = self._listed
        demanded = listed.task_support(name) == "required" and self._runs_tools_as_tasks
        params = self._call(name, arguments, profile, meta, TaskMetadata() if demanded else None)
        session = self._open_session()
        limited = None if timeouts is None else TaskCall(session, timeouts)
        told = await session.request("tools/call", params, timeouts, on_progress, own_meta=True)
        if isinstance(told, CREATED):
            result: CallToolResult = await (limited or TaskCall(session, None)).complete(told, params)
            return result
        listed.check(name, told)
        return told  # type: ignore[no-any-return]  # the dialect's result of this method
