"""
What a server's list of tools says about headers, remembered for the calls that follow.

Owns the table of annotated tools. Refuses to know how lists and calls travel.
Source: 2026-07-28 basic/transports/streamable-http, "Schema Extension": a tool that breaks the rules is left out of the
list, and the others stay usable.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from zcp_actors.protocol.header_annotation import BadAnnotation
from zcp_actors.transports.http.client_headers import annotated

if TYPE_CHECKING:
    from zcp_actors.transports.http.client_headers import Annotation

MAX_ANNOTATED = 10_000
"""Tools with headers of one server that are remembered: no host offers a model more tools, annotated or not."""

log = logging.getLogger("zcp_actors.transports")


class AnnotatedTools:
    """The tools of one server whose calls repeat parameters in headers."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._known: dict[str, tuple[Annotation, ...]] = {}

    def admit(self, result: Any) -> Any:
        """A page of `tools/list`, without the tools that break the rules; the others are remembered."""
        tools = result.get("tools") if isinstance(result, dict) else None
        if not isinstance(tools, list):
            return result
        return {**result, "tools": [tool for tool in tools if self._admits(tool)]}

    def _admits(self, tool: Any) -> bool:
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            return True  # not a tool at all: its reader says so
        name = tool["name"]
        self._known.pop(name, None)
        try:
            found = annotated(tool.get("inputSchema"))
        except BadAnnotation as error:
            log.warning("%s: tool %r is left out: %s", self._server, name[:200], error)
            return False
        if found and len(self._known) < MAX_ANNOTATED:
            self._known[name] = found
        return True

    def headers(self, message: Any) -> dict[str, str]:
        """The headers that repeat this call's parameters."""
        known = self._known.get(getattr(message.params, "name", ""), ()) if message.method == "tools/call" else ()
        values = ((each.header, each.value(message.params.arguments)) for each in known)
        return {header: value for header, value in values if value is not None}
