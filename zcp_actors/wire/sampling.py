"""
Sampling: a server asks the client's model.

Owns the question and the answer. `content` keeps what came: one block, or a list of them. Refuses to call a model.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from zcp_actors.wire.content import SamplingMessageContentBlock, TextContent
from zcp_actors.wire.model import Model
from zcp_actors.wire.params import TaskAugmentedRequestParams, WithMeta
from zcp_actors.wire.resources import Role
from zcp_actors.wire.results import Result
from zcp_actors.wire.tools import Tool

SamplingContent = SamplingMessageContentBlock | list[SamplingMessageContentBlock]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SamplingMessage(WithMeta):
    """One message of a conversation with a model."""

    role: Role
    content: SamplingContent


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ModelHint(Model):
    """Part of a model's name."""

    name: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ModelPreferences(Model):
    """What matters to the server in the choice of a model; each priority from 0 to 1."""

    hints: list[ModelHint] | None = None
    cost_priority: float | None = None
    speed_priority: float | None = None
    intelligence_priority: float | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ToolChoice(Model):
    """Whether the model may, must or must not use tools; absent means auto."""

    mode: Literal["auto", "none", "required"] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CreateMessageRequestParams(TaskAugmentedRequestParams):
    """Ask the model this. `max_tokens` is a limit the client must respect."""

    messages: list[SamplingMessage]
    max_tokens: int
    system_prompt: str | None = None
    model_preferences: ModelPreferences | None = None
    include_context: Literal["allServers", "none", "thisServer"] | None = None
    temperature: float | None = None
    stop_sequences: list[str] | None = None
    metadata: dict[str, Any] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CreateMessageResult(Result):
    """What the model said, which model it was, and why it stopped."""

    role: Role
    content: SamplingContent
    model: str
    stop_reason: str | None = None

    @property
    def text(self) -> str:
        """The text of the message: its text blocks, joined; empty when it holds none."""
        blocks = self.content if isinstance(self.content, list) else [self.content]
        return "".join(block.text for block in blocks if isinstance(block, TextContent))
