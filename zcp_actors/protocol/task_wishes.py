"""
What becomes of a call that could be a task, and what both generations say of times.

Owns the answer to "now, as a task at once, or as a task when it takes long", and the limits of what a requestor may
wish. Refuses to know an era: `stateful_tasks` and `stateless_tasks` answer for theirs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.errors import InvalidParams

if TYPE_CHECKING:
    from zcp_actors.wire import Model

SHORTEST_POLL, LONGEST_POLL = 0.01, 3600.0
"""Seconds between two polls that a requestor may wish for: a busy loop's, and an hour."""

MOST_MILLISECONDS = 2**53
"""What a longer wish counts as: the largest whole number that every JSON parser reads alike, and a float holds."""

RECENT = 1024
"""Times that are remembered as texts, for each is written several times: the last two of some hundred tasks at work."""


@attrs.frozen
class Wish:
    """How a call is to be served."""

    after: float | None = None
    """Seconds until it becomes a task, 0 before it begins; None: it stays a call."""
    ttl: float | None = None
    """Seconds that the requestor wants it kept, or None where it did not say."""
    poll: float | None = None
    """Seconds between two polls that the requestor wants, or None."""


PLAIN = Wish()


def wished(given: Model | None, after: float) -> Wish:
    """A task, with what its requestor said of it. Raises `InvalidParams`."""
    ttl, poll = _of(given, "ttl"), _of(given, "pollInterval")
    if poll is not None:
        poll = min(max(poll, SHORTEST_POLL), LONGEST_POLL)
    return Wish(after, ttl, poll)


def _of(given: Model | None, name: str) -> float | None:
    milliseconds = None if given is None else given.get(name)
    if milliseconds is None:
        return None
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int) or milliseconds < 0:
        raise InvalidParams(f"params.task.{name} must be a number of milliseconds, not {milliseconds!r}")
    return min(milliseconds, MOST_MILLISECONDS) / 1000


@lru_cache(maxsize=RECENT)
def iso(seconds: float) -> str:
    """A time of the epoch as ISO 8601, in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(seconds: float | None) -> int | None:
    """Seconds as whole milliseconds; None stays None."""
    return None if seconds is None else max(round(seconds * 1000), 1)


def first_text(result: Any) -> str | None:
    """The first text of a tool's result as plain JSON: what a person reads of a failure."""
    blocks = result.get("content") if isinstance(result, dict) else None
    texts = [each.get("text") for each in blocks or () if isinstance(each, dict) and each.get("type") == "text"]
    return texts[0] if texts and isinstance(texts[0], str) else None
