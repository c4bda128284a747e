"""
Where the questions of one server wait for an answer.

Owns the pending requests of a session: their order, the policy over them, and the clocks that stop while they are open.
Refuses to know how an answer travels: the session says that to its automaton.
The rule that keeps it honest: whatever is begun here is ended here, once, in the step in which the request ends.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import Overloaded, RPCError
from zcp_actors.sessions.pending import OPEN, PendingRequest, Status
from zcp_actors.sessions.policy import Ledger, Policy
from zcp_actors.sessions.timeouts import Stopwatch

if TYPE_CHECKING:
    from zcp_actors.protocol.asking import Incoming
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.sessions.timeouts import Patience

log = logging.getLogger("zcp_actors.sessions")

LOOKS_PER_LIMIT = 10
"""While a clock stands at its very limit it is looked at so often: a limit is overrun by a tenth at most."""

CLOCK_ERROR = 1e-9
"""Seconds that a sum of clock readings may be off by rounding."""


class Desk:
    """The pending requests of one session."""

    def __init__(self, session: ClientSession, policy: Policy) -> None:
        self.session = session
        self.ledger = Ledger(policy)
        self.human, self.owed = Stopwatch(), Stopwatch()
        """The time during which a person is asked, and during which we owe the server any answer."""
        self._pending: dict[int, PendingRequest] = {}
        self._turn: deque[PendingRequest] | None = None
        """Those that wait for their turn; there is no queue before there is one to wait."""

    def __len__(self) -> int:
        return len(self._pending)

    def left(self, patience: Patience) -> tuple[float, str]:
        """Seconds until a request is to be looked at again, 0 at its limit; and which limit that is ("idle", "total").

        An open question stops the clock: what waits at its very limit meanwhile is looked at now and then.
        """
        left, kind = patience.left(trio.current_time(), self.human, self.owed)
        if left > CLOCK_ERROR:
            return left, kind
        stands = self.human.running or (kind == "idle" and self.owed.running)
        return patience.limit(kind) / LOOKS_PER_LIMIT if stands else 0.0, kind

    def admit(self, question: Incoming) -> None:
        """A question came: let somebody answer it, now or in its turn, or refuse it by the policy."""
        now = trio.current_time()
        pending = PendingRequest(self, question, now)
        self._pending[question.number] = pending
        self.owed.begin(now)
        if pending.human:
            self.human.begin(now)
        try:
            self.ledger.admit(question, now)
        except RPCError as error:
            pending.refuse(error)
            return
        self._schedule(pending)

    def _schedule(self, pending: PendingRequest) -> None:
        policy, by_itself = self.ledger.policy, pending.waits_by_itself
        waiting = len(self._pending) - 1 if by_itself else len(self._turn or ())
        if policy.max_queued > waiting if by_itself else self._has_room():
            self._begin(pending)
        elif waiting < policy.max_queued:
            pending.move(Status.QUEUED)
            if self._turn is None:
                self._turn = deque()
            self._turn.append(pending)
        else:
            pending.refuse(Overloaded(f"{policy.max_queued} questions of this server already wait here"))

    def _begin(self, pending: PendingRequest) -> None:
        if not pending.waits_by_itself:
            self.ledger.in_flight += 1
        pending.begin()

    def ended(self, pending: PendingRequest, outcome: Any, *, worked: bool) -> None:
        """A pending request has ended: with an outcome for whoever asked, or withdrawn (None)."""
        now = trio.current_time()
        del self._pending[pending.question.number]
        self.owed.end(now)
        if pending.human:
            self.human.end(now)
        if worked:
            self.ledger.in_flight -= 1
            if self._turn:
                self._next_turn(self._turn)
        elif self._turn and pending in self._turn:
            self._turn.remove(pending)
        self.session.answered(pending.question, outcome)

    def _next_turn(self, turn: deque[PendingRequest]) -> None:
        while turn and self.session.me.status == "running" and self._has_room():
            pending = turn.popleft()
            if pending.status in OPEN:
                self._begin(pending)

    def _has_room(self) -> bool:
        return self.ledger.in_flight < self.ledger.policy.max_in_flight

    def withdraw(self, question: Incoming, reason: str) -> None:
        """Nobody waits for the answer to this question any more."""
        pending = self._pending.get(question.number)
        if pending is not None:
            pending.withdraw(reason)

    def end_task(self, id: str, reason: str) -> None:
        """A task of the server has ended: what it asked by requests of its own is answered with that."""
        for pending in [each for each in self._pending.values() if each.question.id is not None and each.task == id]:
            pending.end_with_task(reason)

    def close(self) -> None:
        """The session ends: withdraw everything."""
        for pending in list(self._pending.values()):
            pending.withdraw("the session ended")

    def report(self, pending: PendingRequest, error: Exception) -> None:
        """A provider failed in a way its author should see."""
        log.error("the provider for %s failed", pending.method, exc_info=error)
