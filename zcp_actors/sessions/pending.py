"""
A pending request: a question of a server that somebody on this side must answer.

Owns its life, `received → queued → approval or answering → answered | declined | cancelled | expired | refused`, and
the rule that it ends once, whoever comes first: provider, person, server, deadline, the session's end.
Refuses to know how an answer travels: it hands its outcome to the session.
"""

from __future__ import annotations

import secrets
from enum import Enum
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.actors import Job
from zcp_actors.errors import Refused, RPCError, UsageError, ZCPError
from zcp_actors.protocol.capabilities import ELICITATION, SAMPLING
from zcp_actors.sessions.answers import read_return
from zcp_actors.sessions.foreign import is_cancel, unfit
from zcp_actors.sessions.policy import without_usage
from zcp_actors.sessions.providers import Inbox, call_provider
from zcp_actors.wire import ElicitResult
from zcp_actors.wire.meta_keys import RELATED_TASK

if TYPE_CHECKING:
    from zcp_actors.actors import Timer
    from zcp_actors.ports import Span
    from zcp_actors.protocol.asking import Incoming
    from zcp_actors.sessions.desk import Desk


class Status(Enum):
    """Where a pending request is in its life."""

    RECEIVED = "received"
    QUEUED = "queued"
    APPROVAL = "awaiting approval"
    ANSWERING = "answering"
    ANSWERED = "answered"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUSED = "refused"


WAITS = {Status.QUEUED: "wait_for capacity", Status.APPROVAL: "wait_for human"}
"""What a question waits for in which status; in others it is worked on."""

OPEN = (Status.RECEIVED, Status.QUEUED, Status.APPROVAL, Status.ANSWERING)


class Answering(Job):
    """The provider at work on one question."""

    __slots__ = ("pending",)

    def __init__(self, pending: PendingRequest) -> None:
        self.pending = pending

    @property
    def name(self) -> str:
        """The last part of its path."""
        return f"pending-{self.pending.question.number}"

    def describe(self) -> str:
        """What an observer reads of it; no contents."""
        return f"{self.pending.method} · {self.pending.status.value}"

    async def run(self) -> None:
        """Ask the provider; whatever comes of it is the outcome."""
        pending = self.pending
        try:
            returned = await call_provider(pending.provider, pending.question, pending)
            pending.provided(read_return(pending.method, pending.params, returned))
        except BaseException as error:  # the provider's failure is an answer, never the session's end
            if is_cancel(error):
                raise
            pending.provided(error if isinstance(error, Exception) else unfit(error, "the provider"))


class PendingRequest:
    """One question that waits for an answer. What `runtime.pending()` lists."""

    __slots__ = (
        "_job",
        "_moved",
        "_runtime",
        "_span",
        "_timer",
        "decided_by",
        "desk",
        "id",
        "method",
        "provider",
        "question",
        "reason",
        "session",
        "since",
        "status",
    )

    def __init__(self, desk: Desk, question: Incoming, now: float) -> None:
        self.id = secrets.token_hex(8)
        """Names it for `runtime.answer`; unguessable."""
        self.desk, self.question, self.since = desk, question, now
        self.session = session = desk.session
        self.method = question.method
        """One of "sampling/createMessage", "elicitation/create" and "roots/list"."""
        self.status = Status.RECEIVED
        self.provider = session.providers.of(question.method)
        self.decided_by = "provider"
        """Who decided, for the record: "provider", "person", "policy", "deadline", "server"."""
        self.reason = ""
        self._job: Answering | None = None
        self._runtime = runtime = session.host_runtime
        runtime.waiting[self.id] = self
        self._timer: Timer = runtime.timers.at(self.until, self._expire)
        self._moved = now
        self._span: Span | None = None
        if runtime.recorder.enabled:
            self._span = session.followed().asked(question)

    @property
    def until(self) -> float:
        """When it expires, in seconds of the runtime's clock."""
        return self.since + self._limit

    @property
    def _limit(self) -> float:
        policy = self.desk.ledger.policy
        return policy.sampling_seconds if self.method == SAMPLING else policy.max_human_wait

    @property
    def params(self) -> Any:
        """What is asked, as the wire's model."""
        return self.question.params

    @property
    def backend(self) -> str:
        """The name of the backend whose server asks."""
        return self.session.name

    @property
    def request(self) -> str:
        """The method of our request that needs the answer, where it can be told (2026-07-28)."""
        return self.question.sent.method if self.question.sent is not None else ""

    @property
    def task(self) -> str:
        """The id of the server's task that needs the answer; "" where it is none, or not said."""
        return self.question.task or related_task(self.params)

    @property
    def human(self) -> bool:
        """A person is asked, so no timeout of a call runs meanwhile."""
        return self.method == ELICITATION

    @property
    def waits_by_itself(self) -> bool:
        """Nothing runs for it: it waits in an inbox, and takes no place among the providers at work."""
        return isinstance(self.provider, Inbox)

    def __repr__(self) -> str:
        return f"<PendingRequest {self.id} {self.method} of {self.backend}: {self.status.value}>"

    # -------------------------------------------------------------------------------------------- life
    def begin(self) -> None:
        """Let the provider answer; with an inbox, wait for somebody."""
        if self.waits_by_itself:
            self.move(Status.APPROVAL)
            return
        self.move(Status.ANSWERING)
        self._job = Answering(self)
        self.session.submit(self._job, None if self._span is None else self._span.within(self._runtime.context))

    def move(self, status: Status) -> None:
        """Record where it is now."""
        old, self.status = self.status, status
        if status not in OPEN:
            self._runtime.waiting.pop(self.id, None)
        recorder = self._runtime.recorder
        if recorder.enabled:
            path = f"{self.session.me.path}/pending-{self.question.number}"
            recorder.transition("pending", path, old.value, status.value, **self._facts(status))
            began, self._moved = self._moved, trio.current_time()
            if old in WAITS:
                recorder.wait(WAITS[old], path, began, self._moved, status.value, under=self._span)

    def _facts(self, status: Status) -> dict[str, Any]:
        """What an audit needs: who asked for what, and at the end who decided and why; no contents."""
        facts: dict[str, Any] = {"method": self.method, "backend": self.backend, "id": self.id, "request": self.request}
        if self.task:
            facts["task"] = self.task
        if self.method == ELICITATION:
            facts["mode"] = getattr(self.params, "mode", None) or "form"
        if status not in OPEN:
            facts |= {"by": self.decided_by, "reason": self.reason}
        return facts

    def _tell_end(self, outcome: Any) -> None:
        if self._span is not None:
            facts = {"input_status": self.status.value, "decided_by": self.decided_by, "backend": self.backend}
            self.session.followed().answered(self.question, self._span, outcome, **facts)

    def _expire(self) -> None:
        limit = self._limit
        self.decided_by, self.reason = "deadline", f"no answer within {limit:g} s"
        self.end(Status.EXPIRED, self._expiry(limit))

    def refuse(self, error: RPCError) -> None:
        """The policy says no."""
        self.decided_by, self.reason = "policy", error.message
        self.end(Status.REFUSED, error)

    def end(self, status: Status, outcome: Any) -> bool:
        """End it with a result model or an exception. False when it has ended already."""
        if self.status not in OPEN:
            return False
        was_answering = self.status is Status.ANSWERING
        self._timer.disarm()
        self.move(status)
        self._tell_end(outcome)
        if was_answering and self._job is not None:
            self._job.cancel(f"{self.method} {status.value}")
        self.desk.ended(self, outcome, worked=was_answering)
        return True

    def provided(self, outcome: Any) -> None:
        """The provider is done. Its job ends by itself and needs no cancelling."""
        self._job = None
        if isinstance(outcome, Exception):
            self.fail(outcome)
        else:
            self.settle(outcome)

    def settle(self, result: Any) -> bool:
        """It is answered."""
        if self.method == SAMPLING:
            result, used = without_usage(result)
            if used is not None:
                self.desk.ledger.correct(self.params.max_tokens, used)
        declined = isinstance(result, ElicitResult) and result.action != "accept"
        status = (
            Status.ANSWERED if not declined else Status.DECLINED if result.action == "decline" else Status.CANCELLED
        )
        return self.end(status, result)

    def fail(self, error: Exception) -> bool:
        """Its provider could not answer it."""
        if isinstance(error, RPCError):
            return self.end(Status.REFUSED, error)
        text = f"{type(error).__name__}: {error}" if isinstance(error, ZCPError) else "its provider failed"
        self.desk.report(self, error)
        return self.end(Status.REFUSED, RPCError(-32603, f"the host could not answer {self.method}: {text}"))

    def withdraw(self, reason: str) -> None:
        """Nobody waits for the answer any more; none is sent."""
        if self.status in OPEN:
            self.decided_by, self.reason = "server", reason
            working = self.status is Status.ANSWERING
            self._timer.disarm()
            self.move(Status.CANCELLED)
            self._tell_end(None)
            if self._job is not None:
                self._job.cancel(reason)
            self.desk.ended(self, None, worked=working)

    def end_with_task(self, reason: str) -> None:
        """The task that asked has ended, and its server did not withdraw the question: it gets an error."""
        self.decided_by, self.reason = "server", reason
        self.end(Status.CANCELLED, Refused(reason))

    # -------------------------------------------------------------------------------------------- from people
    def answer(self, answer: Any) -> None:
        """Answer it by hand, as a provider would. Raises `UsageError` when it has ended, or the answer does not fit."""
        if self.status not in OPEN:
            raise UsageError(f"{self!r} has ended: there is nothing to answer")
        result = read_return(self.method, self.params, answer)
        self.decided_by = "person"
        self.settle(result)

    def decline(self, reason: str = "declined by the person") -> None:
        """Say no. Raises `UsageError` when it has ended."""
        self._refuse(ElicitResult(action="decline"), reason)

    def cancel(self, reason: str = "dismissed by the person") -> None:
        """Neither yes nor no: dismissed. Raises `UsageError` when it has ended."""
        self._refuse(ElicitResult(action="cancel"), reason)

    def _refuse(self, result: ElicitResult, reason: str) -> None:
        if self.status not in OPEN:
            raise UsageError(f"{self!r} has ended: there is nothing to decline")
        self.decided_by, self.reason = "person", reason
        if self.human:
            self.settle(result)
        else:
            self.end(Status.REFUSED, Refused(reason))

    def _expiry(self, limit: float) -> Any:
        if self.method == ELICITATION:
            return ElicitResult(action="cancel")
        return Refused(f"{self.method} was not answered within {limit:g} s")


def related_task(params: Any) -> str:
    """2025-11-25: the task that a request says it belongs to, or ""."""
    related = (getattr(params, "meta", None) or {}).get(RELATED_TASK)
    id = related.get("taskId") if isinstance(related, dict) else None
    return id if isinstance(id, str) else ""
