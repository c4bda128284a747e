"""
The asking side of a conversation, as far as both eras agree: requests by id, their replies, progress, notifications.

Owns the table of requests in flight and every race over it: a request is settled exactly once. Refuses to know tasks,
clocks and bytes. Every method is one step and returns its effects. Era rules live in the two subclasses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.errors import InvalidResult, Overloaded, RPCError, ZCPError
from zcp_actors.protocol.effects import Deliver, Effect, Progress, Send, Settle, Withdraw
from zcp_actors.wire import (
    CancelledNotificationParams,
    ErrorResponse,
    Model,
    Notification,
    Request,
    Response,
    tasks_extension,
    v2025_11_25,
)
from zcp_actors.wire.model import replaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.wire import ClientCapabilities, Dialect, Implementation, Message, RequestId

MAX_REQUESTS = 65_536
"""Requests in flight to one peer. A caller that has more in the air has lost count; each costs about a KiB."""


MAX_GIVEN_UP = 64
"""Requests given up before it was known whether they became tasks. A late answer is on its way for one round trip, so
these are far more than can come; most are never answered. A task that is missed ends by its time to live."""


MAY_BE_TASKS = frozenset({"tools/call", "tasks/create"})
"""The requests that a server may make a task of."""

CREATED = (v2025_11_25.CreateTaskResult, tasks_extension.CreateTaskResult)
"""What says that it did. Both generations cancel a task by its id alone, in the same shape."""

NONE: dict[str, Any] = {}
"""What a request that asks nothing has of questions and answers: replaced, never written to."""


@attrs.define(eq=False)
class Sent:
    """One request to the peer, over all its rounds: the automaton's record and its host's token."""

    slot: Any
    """Who waits for it; opaque."""
    method: str
    params: Model
    token: RequestId
    """Its progress token: the id of its first round."""
    id: RequestId | None = None
    """The id in flight; None while this side answers questions, and after the end."""
    settled: bool = False
    rounds: int = 0
    samplings: int = 0
    """Sampling questions it has caused so far."""
    questions: dict[str, Incoming] = NONE
    """2026-07-28: what must be answered before the retry, by key."""
    answers: dict[str, Any] = NONE
    state: str | None = None


@attrs.define(eq=False)
class Incoming:
    """A question from the peer: our record, and the token by which the host knows its pending request."""

    number: int
    method: str
    params: Any
    id: RequestId | None = None
    """2025-11-25: the id of the server's request."""
    sent: Sent | None = None
    """2026-07-28: the request of ours that needs the answer."""
    key: str = ""
    slot: Any = None
    """Who waits on this side, for a question that the host asks itself."""
    task: str = ""
    """2026-07-28: the server's task that needs the answer."""
    as_task: str = ""
    """2025-11-25: the id of the task of ours that its answer is the outcome of."""
    open: bool = True


class Client:
    """What both eras share."""

    dialect: Dialect

    def __init__(
        self,
        me: Implementation,
        capabilities: ClientCapabilities,
        first_id: int = 1,
        *,
        max_requests: int = MAX_REQUESTS,
    ) -> None:
        self.me = me
        self.capabilities = capabilities
        self.max_requests = max_requests
        self.requests: dict[RequestId, Sent] = {}
        self.tokens: dict[RequestId, Sent] = {}
        self.given_up: dict[RequestId, str] = {}
        """Id -> method of requests whose late answer may be a task that nobody wants."""
        self._last_id = first_id - 1
        self._questions = 0

    def _number(self) -> int:
        """That of another question of the peer."""
        self._questions += 1
        return self._questions

    def next_id(self) -> int:
        """An id that was not used. Where another automaton goes on, on the same connection, it begins with this."""
        self._last_id += 1
        return self._last_id

    # -------------------------------------------------------------------------------------------- from the caller
    def request(self, slot: Any, method: str, params: Model, *, own_meta: bool = False) -> tuple[Sent, list[Effect]]:
        """Ask the peer. Raises `Overloaded` when too much is in flight already.

        `own_meta`: the params were made for this request with a `_meta` of its own, which may be written to; otherwise
        they are copied.
        """
        if len(self.tokens) >= self.max_requests:
            raise Overloaded(f"{self.max_requests} requests to this server are already in flight")
        self._last_id = id = self._last_id + 1
        sent = self.tokens[id] = self.requests[id] = Sent(slot, method, params, id, id)
        if own_meta:
            self._stamp(params.meta, id)  # type: ignore[attr-defined]
            return sent, [Send(Request(id, method, params))]
        return sent, [Send(Request(id, method, self._stamped(sent)))]

    def _send(self, sent: Sent, id: RequestId) -> Effect:
        sent.id = id
        self.requests[id] = sent
        return Send(Request(id, sent.method, self._stamped(sent)))

    def _stamp(self, meta: dict[str, Any], token: RequestId) -> None:
        """Write into a request's `_meta` what this era says in each."""
        raise NotImplementedError

    def _stamped(self, sent: Sent, **changes: Any) -> Model:
        """The params as this era sends them, with the request's `_meta`."""
        meta = dict(getattr(sent.params, "meta", None) or ())
        self._stamp(meta, sent.token)
        return replaced(sent.params, meta=meta, **changes)

    def cancel(self, sent: Sent, reason: str) -> list[Effect]:
        """The caller does not want the answer any more. A late answer will be dropped."""
        if sent.settled:
            return []
        id = sent.id
        effects = self._settle_quietly(sent, reason)
        if id is not None and sent.method != "initialize":
            effects += self._take_back(sent, id, reason)
        return effects

    def _take_back(self, sent: Sent, id: RequestId, reason: str) -> list[Effect]:
        """Tell the peer that a request is not wanted any more."""
        if sent.method in MAY_BE_TASKS:
            self._give_up(sent, id)
        params = CancelledNotificationParams(request_id=id, reason=reason)
        return [Send(Notification("notifications/cancelled", params))]

    def _give_up(self, sent: Sent, id: RequestId) -> None:
        if len(self.given_up) >= MAX_GIVEN_UP:
            del self.given_up[next(iter(self.given_up))]
        self.given_up[id] = sent.method

    def task_ended(self, id: str) -> None:
        """A task of the peer has ended: nothing of the request that made it is awaited any more."""

    def _settle_quietly(self, sent: Sent, reason: str) -> list[Effect]:
        sent.settled = True
        if sent.id is not None:
            self.requests.pop(sent.id, None)
            sent.id = None
        self.tokens.pop(sent.token, None)
        open_questions, sent.questions = sent.questions, NONE
        return [self._withdrawn(question, reason) for question in open_questions.values() if question.open]

    def _withdrawn(self, question: Incoming, reason: str) -> Effect:
        question.open = False
        return Withdraw(question, reason)

    def _settle(self, sent: Sent, outcome: Any) -> list[Effect]:
        if sent.settled:
            return []
        if not sent.questions and sent.id is None:
            sent.settled = True
            self.tokens.pop(sent.token, None)
            return [Settle(sent, outcome)]
        return [*self._settle_quietly(sent, "the request that asked has ended"), Settle(sent, outcome)]

    # -------------------------------------------------------------------------------------------- from the peer
    def received(self, message: Message) -> list[Effect]:
        """A message came. The peer's fault becomes an outcome, a reply, or nothing; never an exception."""
        kind = type(message)
        if kind is Response or kind is ErrorResponse:
            return self._replied(message)  # type: ignore[arg-type]
        if kind is Notification:
            return self._notified(message)  # type: ignore[arg-type]
        return self._asked(message)  # type: ignore[arg-type]

    def _replied(self, reply: Response | ErrorResponse) -> list[Effect]:
        sent = self.requests.pop(reply.id, None) if reply.id is not None else None
        if sent is None:
            return self._late(reply)
        sent.id = None
        if type(reply) is not Response:
            return self._settle(sent, RPCError(reply.code, reply.message, reply.data))  # type: ignore[union-attr]
        result = reply.result
        if not isinstance(result, Model):
            try:
                result = self.dialect.result(sent.method, result, sender="client")
            except InvalidResult as error:
                return self._settle(sent, error)
        return self._resulted(sent, result)

    def _late(self, reply: Response | ErrorResponse) -> list[Effect]:
        """Late, doubled, or never ours. A task that was made of a request which was given up is cancelled."""
        method = self.given_up.pop(reply.id, None) if reply.id is not None else None
        if method is None or type(reply) is not Response:
            return []
        try:
            result = self.dialect.result(method, reply.result, sender="client")
        except InvalidResult:
            return []
        return self.unwanted(result)

    def unwanted(self, result: Any) -> list[Effect]:
        """Nobody takes this result. When it is a task, that is cancelled."""
        if not isinstance(result, CREATED):
            return []
        task: Any = getattr(result, "task", result)
        self.task_ended(task.task_id)
        params = tasks_extension.CancelTaskRequestParams(task_id=task.task_id)
        id = self.next_id()
        return [Send(Request(id, "tasks/cancel", self._stamped(Sent(None, "tasks/cancel", params, id))))]

    def garbled(self, id: RequestId, error: RPCError) -> list[Effect]:
        """What came under this id cannot be read: whoever waits for it learns that."""
        return self._abandon(
            id, lambda sent: InvalidResult(f"{sent.method}: the server's reply cannot be read: {error}")
        )

    def garbled_request(self, id: RequestId, error: RPCError) -> list[Effect]:
        """A request of the server cannot be read."""
        return []

    def unsendable(self, id: RequestId, error: ZCPError) -> list[Effect]:
        """Our request cannot be written."""
        return self._abandon(id, lambda _: error)

    def _abandon(self, id: RequestId, outcome: Callable[[Sent], ZCPError]) -> list[Effect]:
        sent = self.requests.pop(id, None)
        if sent is None:
            return []
        sent.id = None
        return self._settle(sent, outcome(sent))

    def _resulted(self, sent: Sent, result: Any) -> list[Effect]:
        return self._settle(sent, result)

    def _notified(self, notification: Notification) -> list[Effect]:
        try:
            params: Any = self.dialect.notification_params(notification.method, notification.params, sender="server")
        except RPCError:
            return []  # unknown or malformed: a notification has no reply
        if notification.method == "notifications/progress":
            sent = self.tokens.get(params.progress_token) or self._reports(params.progress_token)
            return [] if sent is None else [Progress(sent, params)]
        if notification.method == "notifications/cancelled":
            return self._cancelled(params)
        return [Deliver(notification.method, params)]

    def _reports(self, token: RequestId) -> Sent | None:
        """The request that has become a task, and still reports progress under this token."""
        return None

    def _cancelled(self, params: Any) -> list[Effect]:
        """The peer gave up a question of its own, or ends a listen stream."""
        return []

    def _asked(self, request: Request) -> list[Effect]:
        """The peer asks us by a request of its own."""
        raise NotImplementedError

    # -------------------------------------------------------------------------------------------- from the host
    def answered(self, question: Incoming, outcome: Any) -> list[Effect]:
        """A pending request ended with a result model or an exception. Too late is nothing."""
        raise NotImplementedError

    def lost(self, error: ZCPError, *, final: bool) -> list[Effect]:
        """The connection ended. What was in flight fails; `final` means that no other connection will come."""
        effects: list[Effect] = []
        self.given_up.clear()
        for sent in list(self.tokens.values()):
            if final or sent.id is not None:
                effects += self._settle(sent, error)
        return effects
