"""
A client's tools: listing them, calling them, and checking what comes back against what was listed.

Owns the methods; what is remembered is `ListedTools`'. Refuses to judge arguments: the server does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcp_actors.errors import CapabilityMissing
from zcp_actors.sessions.opening import Opening
from zcp_actors.wire import CallToolRequestParams, PaginatedRequestParams, TaskMetadata, from_wire, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zcp_actors.sessions.timeouts import Timeouts
    from zcp_actors.wire import CallToolResult, ListToolsResult


class ToolMethods(Opening):
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
    ) -> CallToolResult:
        """Call a tool. A tool's own failure is a result with `is_error`; a protocol error raises `RPCError`.

        `profile` is for servers that know it.
        `on_progress` is called with each progress report. Raises `NotJSON` for arguments that no wire carries, and
        `InvalidResult` when structured content does not match the schema that the server listed.
        """
        if task is not None:
            self._ensure_tasks()
        params = CallToolRequestParams(
            name=name,
            arguments=plain(arguments or {}, "arguments"),
            meta=None if meta is None else plain(meta, "meta"),
            task=None if task is None else from_wire(TaskMetadata, dict(task)),
            extra={} if profile is None else {"profile": profile},
        )
        result: CallToolResult = await self._open_session().request(
            "tools/call", params, timeouts=timeouts, on_progress=on_progress
        )
        self._listed.check(name, result)
        return result

    def _ensure_tasks(self) -> None:
        tasks = getattr(self.server_capabilities, "tasks", None)
        if tasks is None:
            raise CapabilityMissing(
                f"{self.name} did not declare task-augmented tool calls",
                {"tasks": {"requests": {"tools": {"call": {}}}}},
            )
