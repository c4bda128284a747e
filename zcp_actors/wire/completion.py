"""
Completion: suggestions for an argument while somebody types it.

Owns the question and its answer.
"""

from __future__ import annotations

from typing import Literal

import attrs

from zcp_actors.wire.identity import BaseMetadata
from zcp_actors.wire.model import Model
from zcp_actors.wire.params import RequestParams
from zcp_actors.wire.results import Result


@attrs.frozen(kw_only=True, eq=False, repr=False)
class PromptReference(BaseMetadata):
    """A prompt, by name."""

    type: Literal["ref/prompt"] = "ref/prompt"


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ResourceTemplateReference(Model):
    """A resource template, by its URI template."""

    type: Literal["ref/resource"] = "ref/resource"
    uri: str


CompletionReference = PromptReference | ResourceTemplateReference


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CompletionArgument(Model):
    """The argument's name, and what is typed so far."""

    name: str
    value: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CompletionContext(Model):
    """What is already known of the other arguments."""

    arguments: dict[str, str] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CompleteRequestParams(RequestParams):
    """Suggest values for this argument of that thing."""

    ref: CompletionReference
    argument: CompletionArgument
    context: CompletionContext | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Completion(Model):
    """At most 100 values; `total` and `has_more` speak of those that were left out."""

    values: list[str]
    total: int | None = None
    has_more: bool | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CompleteResult(Result):
    """The suggestions."""

    completion: Completion
