"""
A request of ours, from its sending to its outcome.

Owns what its caller waits on, and what bounds the wait. Refuses to decide: its session does, when a limit is due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.actors import Reply, Timer
    from zcp_actors.protocol.asking import Sent
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.sessions.timeouts import Patience


@attrs.define(eq=False)
class Outgoing:
    """A request of ours, as its caller waits for it."""

    session: ClientSession
    method: str
    reply: Reply[Any]
    patience: Patience
    on_progress: Callable[[Any], Any] | None
    sent: Sent | None = None
    timer: Timer | None = None
    spans: Any = None
    """What a recorder follows of it."""

    def __call__(self) -> None:
        """One of its limits may have been reached: what its timer calls, so that a request needs no method object."""
        self.session.look(self)


def answer_of(reply: Reply[Any]) -> Any:
    """What a settled reply holds, an exception as a value."""
    return reply.result() if reply.error is None else reply.error
