"""
How often each principal may ask about tasks.

Owns one bucket of tokens for each principal. Refuses to know what is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from zcp_actors.errors import Overloaded
from zcp_actors.tasks.limits import BURST_SECONDS

if TYPE_CHECKING:
    from zcp_actors.tasks.limits import TaskLimits

MAX_BUCKETS = 10_000
"""Principals that are remembered; a bucket that is full again says nothing and is dropped first."""


@attrs.define
class Bucket:
    """What is left, and when that was."""

    tokens: float
    at: float


class Polls:
    """Counts polls. `now` is any clock in seconds that never goes back."""

    def __init__(self, limits: TaskLimits) -> None:
        self._limits = limits
        self._buckets: dict[str, Bucket] = {}

    def count(self, principal: str, now: float) -> None:
        """One more poll. Raises `Overloaded` when they come too fast."""
        rate = self._limits.polls_per_second if principal else self._limits.anonymous_polls_per_second
        full = rate * BURST_SECONDS
        bucket = self._buckets.get(principal)
        if bucket is None:
            self._make_room(now)
            bucket = self._buckets[principal] = Bucket(full, now)
        bucket.tokens = min(full, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1.0:
            raise Overloaded(f"more than {rate:g} requests about tasks a second: respect the poll interval")
        bucket.tokens -= 1.0

    def _make_room(self, now: float) -> None:
        if len(self._buckets) >= MAX_BUCKETS:
            self._buckets = {name: each for name, each in self._buckets.items() if now - each.at < BURST_SECONDS}
        if len(self._buckets) >= MAX_BUCKETS:
            raise Overloaded(f"{MAX_BUCKETS} principals ask about tasks at once; try again in {BURST_SECONDS:g} s")
