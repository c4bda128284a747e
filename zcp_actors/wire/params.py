"""
What the params of requests and notifications have in common.

Owns the base shapes. Refuses to know any one method. `meta` is always the raw `_meta` object: its keys are in
`meta_keys`.
"""

from __future__ import annotations

from typing import Any

import attrs

from zcp_actors.wire.meta_keys import V2025_11_25
from zcp_actors.wire.model import Model, only


@attrs.frozen(kw_only=True, eq=False, repr=False)
class WithMeta(Model):
    """A shape that can carry `_meta`."""

    meta: dict[str, Any] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RequestParams(WithMeta):
    """Params of a request that has none of its own."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class PaginatedRequestParams(RequestParams):
    """Params of a list request. `cursor` is opaque: it came from a page, it goes back as it is."""

    cursor: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TaskMetadata(Model):
    """2025-11-25: what a requestor wants of the task its request becomes, in milliseconds."""

    ttl: int | None = None
    poll_interval: int | None = None
    """How often it means to ask; an addition of ZCP, which others pass over."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class TaskAugmentedRequestParams(RequestParams):
    """Params of a request that can run as a task (2025-11-25)."""

    task: TaskMetadata | None = only(V2025_11_25)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class NotificationParams(WithMeta):
    """Params of a notification that has none of its own."""
