"""
How much of tasks one app serves, and for how long.

Owns the numbers, each with its reason. Refuses to do anything.
"""

from __future__ import annotations

import attrs

TTL_SECONDS = 3600.0
"""How long a task is kept whose requestor does not say: a coffee, a meeting, a restart of the host."""

MAX_TTL_SECONDS = 7 * 24 * 3600.0
"""The longest that a requestor may wish for: a person who is asked on Friday answers on Monday."""

POLL_SECONDS = 1.0
"""What a requestor is told to let pass between two polls: people do not notice it, and notifications are faster."""

MAX_RUNNING = 256
"""Tasks whose handlers run at once; more are queued. Each costs a few KiB, and mostly a connection of its author's."""

MAX_OPEN = 1000
"""Tasks of one principal that have not ended, queued ones included: far above what a person or an agent follows."""

MAX_OPEN_ANONYMOUS = 10_000
"""The same where nobody is told apart, so that all share it."""

POLLS_PER_SECOND = 200.0
"""Requests about tasks of one principal, in the long run: twenty tasks polled ten times a second."""

ANONYMOUS_POLLS_PER_SECOND = 5000.0
"""The same where nobody is told apart: what one process can answer without doing anything else."""

BURST_SECONDS = 5.0
"""Seconds' worth of polls that may come at once."""

PAGE_SIZE = 100
"""Tasks of one page of `tasks/list`: some 30 KiB."""


@attrs.frozen(kw_only=True)
class TaskLimits:
    """What `FastZCP(task_limits=…)` takes. Times in seconds."""

    ttl: float = TTL_SECONDS
    max_ttl: float = MAX_TTL_SECONDS
    poll: float = POLL_SECONDS
    max_running: int = MAX_RUNNING
    max_open: int = MAX_OPEN
    max_open_anonymous: int = MAX_OPEN_ANONYMOUS
    polls_per_second: float = POLLS_PER_SECOND
    anonymous_polls_per_second: float = ANONYMOUS_POLLS_PER_SECOND
    page_size: int = PAGE_SIZE

    def open_of(self, principal: str) -> int:
        """How many tasks of this principal may be open."""
        return self.max_open if principal else self.max_open_anonymous
