"""
The call of a tool and its result.

Owns the two shapes. Refuses to validate arguments: the schema is the tool's, and its check is somebody else's.
"""

from __future__ import annotations

from typing import Any

import attrs

from zcp_actors.wire.content import ContentBlock
from zcp_actors.wire.input_required import InputResponseRequestParams
from zcp_actors.wire.meta_keys import V2025_11_25
from zcp_actors.wire.model import nullable, only
from zcp_actors.wire.params import TaskMetadata
from zcp_actors.wire.results import Result


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CallToolRequestParams(InputResponseRequestParams):
    """Call this tool with these arguments."""

    name: str
    arguments: dict[str, Any] | None = None
    task: TaskMetadata | None = only(V2025_11_25)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CallToolResult(Result):
    """What the tool gave back, for a model (`content`) and for programs (`structured_content`)."""

    content: list[ContentBlock]
    structured_content: Any = nullable()
    """An object in 2025-11-25, any JSON in 2026-07-28; `NULL` is JSON's null, None is absent."""
    is_error: bool | None = None
