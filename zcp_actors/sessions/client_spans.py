"""
The requests of one client session, as its recorder follows them: what a caller wants, and each round of it.

Owns what is followed, by request id. Made only where a recorder listens; it changes nothing but the `_meta` of what is
sent, and decides nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.protocol.capabilities import ASKING, QUESTIONS
from zcp_actors.protocol.stateless_client import StatelessClient
from zcp_actors.sessions.exchange_facts import (
    carrying,
    meta_of,
    reply_facts,
    request_facts,
    result_facts,
    text_of,
    value_of,
    way_facts,
)
from zcp_actors.sessions.reporting import outcome_of
from zcp_actors.wire import CallToolRequestParams, Notification, Request
from zcp_actors.wire.meta_keys import SUBSCRIPTION_ID

if TYPE_CHECKING:
    from contextvars import Context

    from zcp_actors.actors import Reply
    from zcp_actors.ports import Recorder, Span
    from zcp_actors.protocol.asking import Incoming
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.sessions.outgoing import Outgoing
    from zcp_actors.wire import Message, RequestId

MOST_CREATED = 64
"""Tasks that nobody follows yet: their callers do so in the step in which they hear of them, or never."""

POLL = "tasks/get"
CANCELLED = "notifications/cancelled"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


@attrs.define(eq=False)
class Asking:
    """One request of ours over all its rounds."""

    whole: Span | None
    """What the caller wants; None where there can be only one round."""
    leg: Span
    """The round on its way, or the last one that was."""
    id: RequestId
    rounds: int = 1
    canceller: Span | None = None

    @property
    def outer(self) -> Span:
        """What rounds and questions are part of."""
        return self.whole or self.leg


class ClientSpans:
    """One for each session."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self._recorder: Recorder = session.runtime.recorder
        self._path = session.me.path
        told = session.providers
        self._asks = told.sampling is not None or told.elicitation is not None or told.roots is not None
        """A request may take several rounds: its server may ask."""
        self._legs: dict[RequestId, Asking] = {}
        self._questions: dict[int, Span] = {}
        self._withdrawn: dict[int, Span] = {}
        self._served: dict[RequestId, list[Span]] = {}
        """Requests of the server that are no questions, by id: a peer may use one twice, and the last is answered."""
        self._created: OrderedDict[str, Span] = OrderedDict()
        """Task id -> the call that became it, until somebody follows the task."""

    @property
    def _version(self) -> str:
        session = self._session
        if session.introduction is not None:
            return session.introduction.version
        return session.automaton.dialect.version if session.automaton is not None else ""

    # -------------------------------------------------------------------------------------------- requests
    def begin(self, outgoing: Outgoing, id: RequestId, params: Any) -> None:
        """A caller asks."""
        method = outgoing.method
        # What is asked while the session is being opened is a part of that.
        under = whole = None
        if self._session.introduction is None:
            under = self._recorder.following("session", self._path)
        elif self._asks and method in ASKING and isinstance(self._session.automaton, StatelessClient):
            facts = self._facts(id, method, params)
            told = {key: facts[key] for key in ("meta", "method", "target", "version")}
            whole = under = self._recorder.begin("operation", f"{self._path}/request-{id}", **told)
        outgoing.spans = self._legs[id] = Asking(whole, self._leg(id, method, params, under), id)

    def around(self, id: RequestId) -> Context:
        """Where what carries this request is a part of it."""
        asking, here = self._legs.get(id), copy_context()
        return here if asking is None else asking.leg.within(here)

    def _facts(self, id: RequestId, method: str, params: Any) -> dict[str, Any]:
        return request_facts(id, method, params, self._session.connection, self._version)

    def _leg(self, id: RequestId, method: str, params: Any, under: Span | None) -> Span:
        session = self._session
        connection, introduction = session.connection, session.introduction
        if type(params) is CallToolRequestParams and getattr(connection, "facts", None) is None:
            # Most requests are like this: a dict of `request_facts` would be made, and copied twice.
            return self._recorder.begin(
                "request",
                self._path,
                under=under,
                method=method,
                id=id,
                version=self._version if introduction is None else introduction.version,
                meta=params.meta,
                transport=getattr(connection, "transport", ""),
                target=params.name,
                arguments=params.arguments,
            )
        facts = self._facts(id, method, params)
        if "task" in facts and (task := self._session.tasks.tasks.get(facts["task"])) is not None:
            facts["about"] = task.span
        return self._recorder.begin("request", self._path, under=under, **facts)

    def sending(self, message: Message) -> Message:
        """What to send instead: the same, saying what it is part of."""
        if isinstance(message, Request):
            asking = self._legs.get(message.id) or self._next_leg(message)
            return message if asking is None else self._carrying(message, asking.leg)
        if isinstance(message, Notification):
            return self._cancelling(message) if message.method == CANCELLED else message
        if message.id in self._served:
            self._end_served(message.id, *reply_facts(message))
        return message

    def _carrying(self, message: Request, span: Span) -> Request:
        params = message.params
        meta = params.meta if type(params) is CallToolRequestParams else meta_of(params)
        if meta is None:
            return Request(message.id, message.method, carrying(params, span))
        # The automaton made this `_meta` for this message alone, so it need not be copied again.
        meta.update(span.carried(None))  # type: ignore[attr-defined]
        return message

    def _next_leg(self, request: Request) -> Asking | None:
        automaton = self._session.automaton
        sent = automaton.requests.get(request.id) if automaton is not None else None
        asking: Asking | None = getattr(sent.slot, "spans", None) if sent is not None else None
        if asking is None:
            return None
        self.paused(asking)
        leg = self._leg(request.id, request.method, request.params, asking.outer)
        asking.leg, asking.id = leg, request.id
        asking.rounds += 1
        self._legs[request.id] = asking
        return asking

    def paused(self, asking: Asking) -> None:
        """A round is over, and the request is not."""
        self._legs.pop(asking.id, None)
        asking.leg.end("input_required")

    def _cancelling(self, message: Notification) -> Notification:
        asking = self._legs.get(value_of(message.params, "requestId"))
        if asking is None:
            return message
        facts = {"method": CANCELLED, "version": self._version, **way_facts(self._session.connection)}
        asking.canceller = self._recorder.begin("request", f"{self._path}/{CANCELLED}", under=asking.leg, **facts)
        asking.canceller.end()
        return Notification(message.method, carrying(message.params, asking.canceller))

    def end(self, outgoing: Outgoing) -> None:
        """The caller has its answer, or wants none."""
        asking: Asking | None = outgoing.spans
        if asking is None:
            return
        self._legs.pop(asking.id, None)
        reply = outgoing.reply
        if not reply.settled or reply.error is not None:
            outcome, facts = self._failed(reply, asking)
        else:
            result = reply.result()
            outcome, facts = result_facts(result)
            if outcome == "task":
                self._became(result, asking.outer)
        if outgoing.method == POLL:
            facts["peer"] = self._path
        asking.leg.end(outcome, **facts)
        if asking.whole is not None:
            asking.whole.end(outcome, rounds=asking.rounds, **{**facts, "by": None})
        outgoing.spans = None

    def _failed(self, reply: Reply[Any], asking: Asking) -> tuple[str, dict[str, Any]]:
        outcome, facts = outcome_of(reply)
        if outcome == "cancelled":
            facts |= {"by": asking.canceller, "cancelled_for": "caller"}
        elif "kind" in facts:
            facts["limit"] = facts.pop("kind")
        return outcome, facts

    def _became(self, told: Any, span: Span) -> None:
        id = text_of(value_of(told, "task"), "taskId") or text_of(told, "taskId")
        self._created[id] = span
        if len(self._created) > MOST_CREATED:
            self._created.popitem(last=False)

    def follows(self, id: str, method: str, target: str) -> Span:
        """A task of the server is followed from now on: somebody here waits for it."""
        under = self._created.pop(id, None)
        return self._recorder.begin(
            "following", f"{self._path}/task", under=under, method=method, target=target, task=id
        )

    def stands(self, params: Any) -> None:
        """A listen stream was acknowledged: asking for it is over, though its request stays open."""
        id: Any = (meta_of(params) or {}).get(SUBSCRIPTION_ID)
        asking = self._legs.pop(id, None)
        if asking is not None:
            asking.leg.end()

    # -------------------------------------------------------------------------------------------- questions
    def asked(self, question: Incoming) -> Span:
        """Somebody here must answer a question."""
        path = f"{self._path}/pending-{question.number}"
        facts = {"method": question.method, "id": question.id, "key": question.key, "version": self._version}
        if question.sent is None and question.id is None:
            return self._recorder.begin("operation", path, method=question.method)
        span = self._questions[question.number] = self._question(question, path, facts)
        return span

    def _question(self, question: Incoming, path: str, facts: dict[str, Any]) -> Span:
        asking: Asking | None = getattr(question.sent.slot, "spans", None) if question.sent is not None else None
        if asking is not None and self._legs.get(asking.id) is asking:
            self.paused(asking)
        facts |= {"meta": meta_of(question.params), "outbound": True, **way_facts(self._session.connection)}
        return self._recorder.begin("call", path, under=None if asking is None else asking.outer, **facts)

    def received(self, message: Any) -> None:
        """A message came, and is not handled yet. What takes a question back is followed as well."""
        if isinstance(message, Request):
            # In the newer era a server may not ask, and is not answered.
            if message.method not in QUESTIONS and not isinstance(self._session.automaton, StatelessClient):
                facts = {**self._facts(message.id, message.method, message.params), "outbound": True}
                self._served.setdefault(message.id, []).append(self._recorder.begin("call", self._path, **facts))
        elif isinstance(message, Notification) and message.method == CANCELLED:
            self._taken_back(message)

    def _taken_back(self, message: Notification) -> None:
        id: Any = value_of(message.params, "requestId")
        if isinstance(id, int | str) and id in self._served:
            self._end_served(id, "cancelled", {"cancelled_for": "server"})
            return
        questions: dict[RequestId, Incoming] = getattr(self._session.automaton, "questions", {})
        question = questions.get(id) if isinstance(id, int | str) else None
        span = None if question is None else self._questions.get(question.number)
        if question is not None and span is not None:
            facts = {"method": CANCELLED, "version": self._version, **way_facts(self._session.connection)}
            facts["outbound"] = True
            canceller = self._recorder.begin(
                "call", f"{self._path}/{CANCELLED}", under=span, meta=meta_of(message.params), **facts
            )
            canceller.end()
            self._withdrawn[question.number] = canceller

    def _end_served(self, id: RequestId, outcome: str, facts: dict[str, Any]) -> None:
        spans = self._served[id]
        if len(spans) == 1:
            del self._served[id]
        spans.pop().end(outcome, peer=self._path, **facts)

    def close(self) -> None:
        """The session has ended, or its connection: what the server asked will not be answered."""
        for id in list(self._served):
            while id in self._served:
                self._end_served(id, "cancelled", {"cancelled_for": "session"})

    def answered(self, question: Incoming, span: Span, outcome: Any, **facts: Any) -> None:
        """A question has ended: with a result model, with an exception, or with nothing for nobody."""
        self._questions.pop(question.number, None)
        canceller = self._withdrawn.pop(question.number, None)
        expired = facts.get("input_status") == "expired"
        if outcome is None:
            span.end("cancelled", by=canceller, cancelled_for="server", **facts)
        elif isinstance(outcome, Exception):
            told = {"code": getattr(outcome, "code", None), "error": type(outcome).__name__, "message": str(outcome)}
            span.end("timed out" if expired else "refused", **told, **facts)
        else:
            word, told = result_facts(outcome)
            span.end("timed out" if expired else word, **told, **facts)
