"""
Elicitation: a server asks the client's person.

Owns the question in its two modes and the answer. Refuses to judge an answer against the form.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from zcp_actors.wire.form_schemas import ElicitRequestedSchema
from zcp_actors.wire.meta_keys import V2025_11_25
from zcp_actors.wire.model import only
from zcp_actors.wire.params import NotificationParams, TaskAugmentedRequestParams
from zcp_actors.wire.results import Result


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ElicitRequestFormParams(TaskAugmentedRequestParams):
    """Let the person fill in a form. A message without `mode` is this one."""

    mode: Literal["form"] = "form"
    message: str
    requested_schema: dict[str, Any] | ElicitRequestedSchema
    """A plain dict after decoding; either when made here."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ElicitRequestURLParams(TaskAugmentedRequestParams):
    """Let the person visit a page. 2025-11-25 demands `elicitation_id`, 2026-07-28 has none."""

    mode: Literal["url"] = "url"
    message: str
    url: str
    elicitation_id: str | None = only(V2025_11_25)


ElicitRequestParams = ElicitRequestFormParams | ElicitRequestURLParams


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ElicitResult(Result):
    """What the person did, and what they filled in if they accepted a form."""

    action: Literal["accept", "cancel", "decline"]
    content: dict[str, Any] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ElicitationCompleteNotificationParams(NotificationParams):
    """The page was visited and is done with (2025-11-25)."""

    elicitation_id: str
