"""
Subscriptions of 2026-07-28: one long request that asks for news.

Owns the request, its acknowledgement and its end. The subscription's id is the request's id and stands in `_meta`.
"""

from __future__ import annotations

import attrs

from zcp_actors.wire.model import Model
from zcp_actors.wire.params import NotificationParams, RequestParams
from zcp_actors.wire.results import Result


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SubscriptionFilter(Model):
    """Which news. `task_ids` belongs to the tasks extension."""

    tools_list_changed: bool | None = None
    prompts_list_changed: bool | None = None
    resources_list_changed: bool | None = None
    resource_subscriptions: list[str] | None = None
    task_ids: list[str] | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SubscriptionsListenRequestParams(RequestParams):
    """Tell me this news until I hang up."""

    notifications: SubscriptionFilter


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SubscriptionsAcknowledgedNotificationParams(NotificationParams):
    """First message of a subscription: what of it was agreed to."""

    notifications: SubscriptionFilter


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SubscriptionsListenResult(Result):
    """The server ended the subscription in good order."""
