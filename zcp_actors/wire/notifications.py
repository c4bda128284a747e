"""
Notifications that belong to no one feature: cancelled, progress, log messages; and the level of the log.

Owns their params. Refuses to know which request they speak of beyond its id or token.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from zcp_actors.wire.params import NotificationParams, RequestParams

LoggingLevel = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
"""RFC 5424, from the least to the most serious."""

ProgressToken = int | str


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CancelledNotificationParams(NotificationParams):
    """Stop working on my request. 2026-07-28 demands `request_id`."""

    request_id: int | str | None = None
    reason: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ProgressNotificationParams(NotificationParams):
    """How far the request with this token is; `progress` only rises, `total` may be unknown."""

    progress_token: ProgressToken
    progress: float
    total: float | None = None
    message: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class LoggingMessageNotificationParams(NotificationParams):
    """One line of the server's log; `data` is any JSON, null included."""

    level: LoggingLevel
    data: Any
    logger: str | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class SetLevelRequestParams(RequestParams):
    """From this level up, please (2025-11-25)."""

    level: LoggingLevel
