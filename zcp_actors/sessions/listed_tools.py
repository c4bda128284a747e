"""
What a client remembers of the tools that its server listed.

Owns the output schemas, against which results are checked, and what a tool said of running as a task.
Refuses to ask: what was never listed is not known.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from zcp_actors import schemas
from zcp_actors.errors import InvalidResult, SchemaError
from zcp_actors.wire import NULL

if TYPE_CHECKING:
    from zcp_actors.wire import CallToolResult, ListToolsResult, Tool

log = logging.getLogger("zcp_actors.sessions")

MAX_REMEMBERED = 10_000
"""Tools kept of one server: far above what a model can be shown, and names are the server's to invent."""


class ListedTools:
    """The tools of one server, as last listed."""

    def __init__(self, server: str) -> None:
        self._server = server
        self.validators: dict[str, schemas.Validator] = {}
        self._task_support: dict[str, str] = {}

    def remember(self, listed: ListToolsResult) -> None:
        """A page of tools came."""
        for tool in listed.tools:
            self._remember_schema(tool)
            self._remember_support(tool)

    def _remember_schema(self, tool: Tool) -> None:
        self.validators.pop(tool.name, None)
        if tool.output_schema is None or len(self.validators) >= MAX_REMEMBERED:
            return
        try:
            self.validators[tool.name] = schemas.compile(tool.output_schema)
        except SchemaError as error:
            log.warning("%s lists an output schema that cannot be checked, of %s: %s", self._server, tool.name, error)

    def _remember_support(self, tool: Tool) -> None:
        self._task_support.pop(tool.name, None)
        if len(self._task_support) < MAX_REMEMBERED:
            stated = tool.execution.task_support if tool.execution is not None else None
            self._task_support[tool.name] = stated or "forbidden"

    def task_support(self, name: str) -> str | None:
        """Whether it is "forbidden", "optional" or "required"; None for a tool that was not listed."""
        return self._task_support.get(name)

    def check(self, name: str, result: CallToolResult) -> None:
        """Raises `InvalidResult` when the server breaks the schema it listed for this tool."""
        validator = self.validators.get(name)
        if validator is None or result.is_error:
            return
        if result.structured_content is None:
            raise InvalidResult(f"tool {name!r} has an output schema, but its result has no structuredContent")
        try:
            validator.check(
                None if result.structured_content is NULL else result.structured_content, "structuredContent"
            )
        except schemas.Mismatch as error:
            raise InvalidResult(f"tool {name!r} broke the output schema it is listed with: {error}") from None
