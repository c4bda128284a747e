"""
How resources are listed, read and watched.

Owns the params and results. Refuses to know the things themselves: `resources` has those.
"""

from __future__ import annotations

import attrs

from zcp_actors.wire.input_required import InputResponseRequestParams
from zcp_actors.wire.params import NotificationParams, RequestParams
from zcp_actors.wire.resources import AnyResourceContents, Resource, ResourceTemplate
from zcp_actors.wire.results import CacheablePage, CacheableResult


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ListResourcesResult(CacheablePage):
    """One page of resources."""

    resources: list[Resource]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ListResourceTemplatesResult(CacheablePage):
    """One page of resource templates."""

    resource_templates: list[ResourceTemplate]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ResourceRequestParams(RequestParams):
    """Params that name one resource."""

    uri: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ReadResourceRequestParams(InputResponseRequestParams):
    """Read this resource."""

    uri: str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ReadResourceResult(CacheableResult):
    """What the resource contains; a directory may give many."""

    contents: list[AnyResourceContents]


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SubscribeRequestParams(ResourceRequestParams):
    """Tell me when this resource changes (2025-11-25)."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class UnsubscribeRequestParams(ResourceRequestParams):
    """Stop telling me (2025-11-25)."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ResourceUpdatedNotificationParams(NotificationParams):
    """This resource, or one below it, changed."""

    uri: str
