"""
Tools: what a server can do for a model.

Owns the tool and its listing. JSON Schemas stay the plain dicts they are. Refuses to call: `tool_calls` has that.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from zcp_actors.wire.identity import Listed
from zcp_actors.wire.meta_keys import V2025_11_25
from zcp_actors.wire.model import Model, only
from zcp_actors.wire.results import CacheablePage


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ToolAnnotations(Model):
    """Hints of the server on its own tool: never to be trusted further than the server is."""

    title: str | None = None
    read_only_hint: bool | None = None
    destructive_hint: bool | None = None
    idempotent_hint: bool | None = None
    open_world_hint: bool | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ToolExecution(Model):
    """How a tool runs (2025-11-25); absent `task_support` means forbidden."""

    task_support: Literal["forbidden", "optional", "required"] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Tool(Listed):
    """A tool, as it is listed."""

    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    annotations: ToolAnnotations | None = None
    execution: ToolExecution | None = only(V2025_11_25)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ListToolsResult(CacheablePage):
    """One page of tools."""

    tools: list[Tool]
