"""
Content: the blocks that tools, prompts and models exchange.

Owns the blocks and which of them may stand where. Refuses to know who sends them.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from zcp_actors.wire.model import nullable
from zcp_actors.wire.params import WithMeta
from zcp_actors.wire.resources import Annotations, AnyResourceContents, Resource


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TextContent(WithMeta):
    """Text."""

    type: Literal["text"] = "text"
    text: str
    annotations: Annotations | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ImageContent(WithMeta):
    """A picture; `data` is base64."""

    type: Literal["image"] = "image"
    data: str
    mime_type: str
    annotations: Annotations | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class AudioContent(WithMeta):
    """Sound; `data` is base64."""

    type: Literal["audio"] = "audio"
    data: str
    mime_type: str
    annotations: Annotations | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ResourceLink(Resource):
    """A resource the reader may fetch. It need not be in `resources/list`."""

    type: Literal["resource_link"] = "resource_link"


@attrs.frozen(kw_only=True, eq=False, repr=False)
class EmbeddedResource(WithMeta):
    """A resource's contents, in place."""

    type: Literal["resource"] = "resource"
    resource: AnyResourceContents
    annotations: Annotations | None = None


ContentBlock = TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ToolUseContent(WithMeta):
    """A model asks for a tool."""

    type: Literal["tool_use"] = "tool_use"
    id: str
    name: str
    input: dict[str, Any]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ToolResultContent(WithMeta):
    """What the tool that a model asked for gave back."""

    type: Literal["tool_result"] = "tool_result"
    tool_use_id: str
    content: list[ContentBlock]
    structured_content: Any = nullable()
    """An object in 2025-11-25, any JSON in 2026-07-28; `NULL` is JSON's null, None is absent."""
    is_error: bool | None = None


SamplingMessageContentBlock = TextContent | ImageContent | AudioContent | ToolUseContent | ToolResultContent
