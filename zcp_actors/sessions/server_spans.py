"""
The calls and questions of one server session, as its recorder follows them.

Owns what is followed, by request id. Made only where a recorder listens; it changes nothing but the `_meta` of what the
server asks, and decides nothing. A request that brings a sealed state is followed from the moment its state is open:
what it is part of may stand in there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.protocol.serving import Phase
from zcp_actors.sessions.exchange_facts import (
    carrying,
    meta_of,
    reply_facts,
    request_facts,
    result_facts,
    value_of,
    way_facts,
)
from zcp_actors.sessions.pending import related_task
from zcp_actors.wire import CallToolRequestParams, CallToolResult, ErrorResponse, Model, Notification, Request, Response
from zcp_actors.wire.meta_keys import STATEFUL_VERSIONS
from zcp_actors.wire.model import replaced

if TYPE_CHECKING:
    from contextvars import Context

    from zcp_actors.ports import Recorder, Span
    from zcp_actors.protocol.serving import Served, Server
    from zcp_actors.sessions.server import ServerSession
    from zcp_actors.wire import Message, RequestId

REPLIES = (Response, ErrorResponse)
CANCELLED = "notifications/cancelled"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


@attrs.define(eq=False)
class Followed:
    """A request of the client that is not answered."""

    span: Span
    earlier: Followed | None
    """One of the same id: a peer may use an id twice, and the refusal answers the later one."""
    canceller: Span | None = None


@attrs.define(eq=False)
class Asked:
    """A question of ours that is not answered."""

    wait: Span | None
    request: Span

    def end(self, outcome: str, **facts: Any) -> None:
        """The answer is here, or will not come."""
        self.request.end(outcome, **facts)
        if self.wait is not None:
            self.wait.end(outcome, **facts)


class ServerSpans:
    """One for each session."""

    def __init__(self, session: ServerSession) -> None:
        self._session = session
        self._recorder: Recorder = session.runtime.recorder
        self._around: Context = session.runtime.context
        self._path = session.path
        self._calls: dict[RequestId, Followed] = {}
        self._late: dict[RequestId, dict[str, Any]] = {}
        self._asked: dict[RequestId, Asked] = {}
        self._version = ""
        self._recorder.transition("session", self._path, "", "serving")

    # -------------------------------------------------------------------------------------------- from the client
    def received(self, automaton: Server, message: Message) -> None:
        """A message came, and is not handled yet."""
        if isinstance(message, Request):
            self._requested(automaton, message)
        elif isinstance(message, Notification):
            if message.method == CANCELLED:
                self._cancelled(message)
        elif message.id is not None and message.id in self._asked:
            outcome, facts = reply_facts(message)
            self._asked.pop(message.id).end(outcome, **facts)

    def _requested(self, automaton: Server, request: Request) -> None:
        self._version = getattr(automaton, "version", "") or automaton.dialect.version
        params: Any = request.params
        id, connection, principal = request.id, self._session.connection, self._session.principal
        if (
            type(params) is CallToolRequestParams
            and params.request_state is None
            and getattr(connection, "facts", None) is None
        ):
            # Most requests are like this: a dict of `request_facts` would be made, and copied twice.
            span = self._recorder.begin(
                "call",
                self._path,
                method=request.method,
                id=id,
                version=self._version,
                meta=params.meta,
                transport=getattr(connection, "transport", ""),
                target=params.name,
                arguments=params.arguments,
                principal=principal,
            )
            self._calls[id] = Followed(span, self._calls.get(id))
            return
        facts = request_facts(id, request.method, params, connection, self._version)
        facts["principal"] = principal
        if value_of(params, "requestState") is None:
            self._begin(id, facts)
        else:
            self._late[id] = facts

    def _begin(self, id: RequestId, facts: dict[str, Any]) -> None:
        self._calls[id] = Followed(self._recorder.begin("call", self._path, **facts), self._calls.get(id))

    def _cancelled(self, message: Notification) -> None:
        id = value_of(message.params, "requestId")
        found = self._calls.get(id) if isinstance(id, int | str) else None
        if found is None:
            return  # it came too late, or it ends a stream, which is no work
        facts: dict[str, Any] = {"method": CANCELLED, "version": self._version, "principal": self._session.principal}
        facts |= {"meta": meta_of(message.params), **way_facts(self._session.connection)}
        path = f"{self._path}/{CANCELLED}"
        found.canceller = self._recorder.begin("call", path, under=found.span, **facts)
        found.canceller.end()

    def opened(self, served: Served) -> None:
        """The state of a retry is open, and is authentic."""
        facts = self._late.pop(served.id, None)
        if facts is None:
            return
        trace = served.trace or {}
        responses = getattr(served.params, "input_responses", None) or {}
        waited = {key: (method, _action(responses.get(key))) for key, method in trace.get("asked", {}).items()}
        self._begin(served.id, {**facts, "after": trace, "waited": waited})

    # -------------------------------------------------------------------------------------------- to the client
    def sending(self, message: Message, call: RequestId | None) -> Message:
        """What to send instead: the same, saying what it is part of."""
        if isinstance(message, Response):
            if isinstance(message.result, CallToolResult) or not getattr(message.result, "input_requests", None):
                return message
            return Response(message.id, self._embedding(message.result, self.span_of(message.id)))
        if isinstance(message, Request):
            return self._asking(message, call)
        if isinstance(message, Notification):
            if message.method == CANCELLED:
                return self._withdrawing(message)
            if getattr(message.params, "input_requests", None):
                return Notification(message.method, self._embedding(message.params, None))
        return message

    def _asking(self, request: Request, call: RequestId | None) -> Request:
        params = request.params
        facts = request_facts(request.id, request.method, params, self._session.connection, self._version)
        questions = getattr(self._session.automaton, "questions", {})
        key = getattr(questions.get(request.id), "key", "")
        path, wait = f"{self._path}/question-{request.id}", None
        # A task waits for its question since before it could travel.
        under = self._recorder.following("question", f"{related_task(params)}/{key}")
        if under is None:
            caller = self.span_of(call)
            under = wait = self._recorder.begin("question", path, under=caller, method=request.method, key=key)
        span = self._recorder.begin("request", path, under=under, **facts)
        self._asked[request.id] = Asked(wait, span)
        return Request(request.id, request.method, carrying(params, span))

    def span_of(self, call: RequestId | None) -> Span | None:
        """The call of this id."""
        found = self._calls.get(call) if call is not None else None
        return None if found is None else found.span

    def _embedding(self, told: Any, call: Span | None) -> Any:
        """The questions of a result, or of news of a task, say what they are part of, as requests do."""
        task, asked = getattr(told, "task_id", None), {}
        for key, each in told.input_requests.items():
            span = call if task is None else self._recorder.following("question", f"{task}/{key}")
            if span is not None and each.params is not None:
                each = replaced(each, params=carrying(each.params, span))  # noqa: PLW2901 - the same, saying more
            asked[key] = each
        return replaced(told, input_requests=asked)

    def _withdrawing(self, message: Notification) -> Notification:
        asked = self._asked.pop(value_of(message.params, "requestId"), None)
        if asked is None:
            return message
        facts = {"method": CANCELLED, "version": self._version, **way_facts(self._session.connection)}
        under = asked.wait or asked.request
        canceller = self._recorder.begin("request", f"{self._path}/{CANCELLED}", under=under, **facts)
        asked.end("cancelled", by=canceller)
        canceller.end()
        return Notification(message.method, carrying(message.params, canceller))

    def sent(self, message: Message, call: RequestId | None, at: float) -> None:
        """It was sent; `at` is when that began."""
        if isinstance(message, REPLIES):
            outcome, facts = result_facts(message.result) if type(message) is Response else reply_facts(message)
            facts["at"] = at
            self._end(message.id, outcome, facts)
        elif isinstance(message, Notification) and message.method == ACKNOWLEDGED:
            # A stream that stands is no work; its call is over when it stands.
            self._end(call, "completed", {"at": at})

    def unsent(self, message: Message, error: Exception) -> None:
        """It cannot be written. A reply is followed by another one; a question has no other."""
        asked = self._asked.pop(message.id, None) if isinstance(message, Request) else None
        if asked is not None:
            asked.end("failed", error=type(error).__name__)

    def _end(self, id: RequestId | None, outcome: str, facts: dict[str, Any]) -> None:
        if id is None:
            return
        if id in self._late:
            self._begin(id, self._late.pop(id))
        found = self._calls.get(id)
        if found is not None:
            if found.earlier is None:
                del self._calls[id]
            else:
                self._calls[id] = found.earlier
            found.span.end(outcome, **facts)

    # -------------------------------------------------------------------------------------------- the calls
    def within(self, served: Served) -> Context | None:
        """Where the handler of a call runs; None: where all do."""
        found = self._calls.get(served.id)
        return None if found is None else found.span.within(self._around)

    def sealing(self, served: Served) -> None:
        """A call is suspended, and what is to be known of it when it comes back is sealed."""
        span = self.span_of(served.id)
        mark = {} if span is None else span.mark()
        served.trace = {**mark, "asked": served.journal.awaited()} if mark else None

    def ended(self, served: Served) -> None:
        """A handler has unwound. Where its call was forgotten before, nothing will answer it."""
        if served.phase is Phase.ENDED and (found := self._calls.get(served.id)):
            by = found.canceller
            self._end(served.id, "cancelled", {"by": by, "cancelled_for": "client" if by is not None else "session"})

    def close(self, error: BaseException | None) -> None:
        """The session has ended: so has everything in it."""
        for id in list(self._calls):
            while id in self._calls:
                self._end(id, "cancelled", {"cancelled_for": "session"})
        for asked in self._asked.values():
            asked.end("cancelled")
        self._asked.clear()
        facts: dict[str, Any] = way_facts(self._session.connection)
        if self._version in STATEFUL_VERSIONS:
            facts["version"] = self._version
        else:
            facts["stateless"] = True
        if error is not None:
            facts["error"] = type(error).__name__
        self._recorder.transition("session", self._path, "serving", "closed", **facts)


def _action(answer: Any) -> str:
    """What a person did, where the answer says so: it is the client's own word, and not judged yet."""
    said = answer.get("action") if isinstance(answer, dict | Model) else None
    return said if said in ("accept", "cancel", "decline") else ""
