"""
Prompts: messages a server prepares for a person to choose.

Owns the prompt, how it is listed and how it is filled in.
"""

from __future__ import annotations

import attrs

from zcp_actors.wire.content import ContentBlock
from zcp_actors.wire.identity import BaseMetadata, Listed
from zcp_actors.wire.input_required import InputResponseRequestParams
from zcp_actors.wire.model import Model
from zcp_actors.wire.resources import Role
from zcp_actors.wire.results import CacheablePage, Result


@attrs.frozen(kw_only=True, eq=False, repr=False)
class PromptArgument(BaseMetadata):
    """A blank in a prompt."""

    description: str | None = None
    required: bool | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Prompt(Listed):
    """A prompt, as it is listed."""

    arguments: list[PromptArgument] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ListPromptsResult(CacheablePage):
    """One page of prompts."""

    prompts: list[Prompt]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class GetPromptRequestParams(InputResponseRequestParams):
    """Fill this prompt in."""

    name: str
    arguments: dict[str, str] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class PromptMessage(Model):
    """One message of a prompt."""

    role: Role
    content: ContentBlock


@attrs.frozen(kw_only=True, eq=False, repr=False)
class GetPromptResult(Result):
    """A prompt, filled in."""

    messages: list[PromptMessage]
    description: str | None = None
