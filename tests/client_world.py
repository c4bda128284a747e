"""
A host and a server for a client automaton, without tasks: effects are performed at once, and account is kept.

Every order of events can be tried. The rules that hold in every order are asserted where they could be broken.
"""

from __future__ import annotations

from typing import Any

import attrs

from zcp_actors.errors import ConnectionLost, RPCError, SessionClosed
from zcp_actors.protocol.effects import Deliver, Pend, Progress, Send, Settle, Withdraw
from zcp_actors.protocol.stateful_client import StatefulClient
from zcp_actors.protocol.stateless_client import StatelessClient
from zcp_actors.wire import (
    CallToolRequestParams,
    ClientCapabilities,
    ElicitResult,
    ErrorResponse,
    Implementation,
    Notification,
    Request,
    Response,
    from_wire,
    to_wire,
)

CAPABILITIES = {"elicitation": {"form": {}}, "sampling": {}, "roots": {}}
DONE = {"content": [{"type": "text", "text": "done"}]}
ASK = {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {"type": "object"}}}
ANSWER = ElicitResult(action="accept", content={})


def client_of(kind: type, capabilities: Any = CAPABILITIES, **options: Any) -> Any:
    return kind(Implementation(name="c", version="1"), from_wire(ClientCapabilities, capabilities), **options)


def input_required(state: str | None, *keys: str) -> dict[str, Any]:
    asked = {"inputRequests": dict.fromkeys(keys, ASK)} if keys else {}
    return {"resultType": "input_required", **asked, **({} if state is None else {"requestState": state})}


@attrs.define(eq=False)
class Caller:
    """Who waits for a request."""

    outcomes: list[Any] = attrs.Factory(list)
    cancelled: bool = False
    sent: Any = None
    ids: list[Any] = attrs.Factory(list)
    state: str | None = None
    expected: dict[str, Any] = attrs.Factory(dict)
    """2026: the answers that the next round must carry."""


class ClientWorld:
    """Events in, account kept."""

    def __init__(self, client: StatefulClient | StatelessClient) -> None:
        self.client = client
        self.stateless = isinstance(client, StatelessClient)
        self.callers: list[Caller] = []
        self.flying: dict[Any, Caller] = {}
        """Id -> caller of every request that the server got on this connection and did not answer."""
        self.gone: list[Any] = []
        """Ids that are answered, cancelled or lost."""
        self.pending: dict[int, Any] = {}
        self.ended: dict[int, str] = {}
        self.owed: dict[Any, int] = {}
        """2025: id of a question -> its number, while the server waits for the answer."""
        self.connected = True
        self.closed = False
        self.numbers = 0
        self.delivered: list[Any] = []

    # ---- the host
    def perform(self, effects: list[Any]) -> None:
        for effect in effects:
            match effect:
                case Send(message):
                    if self.connected:
                        self._sent(message)
                case Settle(sent, outcome):
                    assert not sent.slot.cancelled, "a caller that left was told"
                    sent.slot.outcomes.append(outcome)
                case Progress(sent, _):
                    assert not sent.slot.outcomes, "progress came after the end"
                    assert not sent.slot.cancelled
                case Pend(question):
                    assert question.number not in self.pending, "a question was pended twice"
                    assert question.number not in self.ended, "a question was pended after its end"
                    self.pending[question.number] = question
                case Withdraw(question, _):
                    del self.pending[question.number]  # pended, and neither answered nor withdrawn before
                    self.ended[question.number] = "withdrawn"
                case Deliver():
                    self.delivered.append(effect)

    def _sent(self, message: Any) -> None:
        if isinstance(message, Request):
            self._requested(message)
        elif isinstance(message, Notification):
            assert message.method == "notifications/cancelled"
            assert message.params.request_id in self.flying, "a request was cancelled that was not in flight"
            self._forget(message.params.request_id)
        else:
            assert not self.stateless, "a client of 2026 sends no replies"
            number = self.owed.pop(message.id, None)
            if number is None:
                assert isinstance(message, ErrorResponse), "an answer was sent that nobody waits for"
            else:
                assert self.ended[number] == "answered", "an answer was sent for a withdrawn question"

    def _requested(self, request: Request) -> None:
        assert request.id not in self.flying, "an id was used twice"
        assert request.id not in self.gone, "an id was used twice"
        wire = to_wire(request.params)
        caller = next(each for each in self.callers if wire["name"] == str(self.callers.index(each)))
        assert not caller.outcomes, "a settled request was sent"
        assert not caller.cancelled, "a cancelled request was sent"
        assert wire["_meta"]["progressToken"] == (caller.ids or [request.id])[0]
        assert wire.get("requestState") == caller.state, "the state was not echoed as it came"
        assert wire.get("inputResponses", {}) == caller.expected
        caller.ids.append(request.id)
        self.flying[request.id] = caller

    def _forget(self, id: Any) -> None:
        del self.flying[id]
        self.gone.append(id)

    # ---- events of callers
    def request(self) -> Caller:
        caller = Caller()
        self.callers.append(caller)
        params = CallToolRequestParams(name=str(len(self.callers) - 1), arguments={})
        caller.sent, effects = self.client.request(caller, "tools/call", params)
        self.perform(effects)
        return caller

    def cancel(self, caller: Caller) -> None:
        caller.cancelled = caller.cancelled or not caller.outcomes
        self.perform(self.client.cancel(caller.sent, "left"))

    # ---- events of the server
    def reply(self, id: Any, shape: int) -> None:
        """In flight or not: a result, an error, a result of no shape, or (2026) questions."""
        caller = self.flying.get(id)
        if caller is not None:
            self._forget(id)
        message: Any = Response(id, DONE)
        if shape == 1:
            message = ErrorResponse(id, -32000, "no")
        elif shape == 2:
            message = Response(id, {"content": 5})
        elif shape > 2 and self.stateless:
            self.numbers += 1
            state = [None, f"s\u00fc{self.numbers}"][shape % 2]
            keys = [f"k{self.numbers}-{number}" for number in range(shape - 3)]
            message = Response(id, input_required(state, *keys))
            if caller is not None:
                caller.state, caller.expected = state, {}
        self.perform(self.client.received(message))

    def garbled(self, id: Any) -> None:
        if id in self.flying:
            self._forget(id)
        self.perform(self.client.garbled(id, RPCError(-32700, "garbage")))

    def progress(self, token: Any) -> None:
        params = {"progressToken": token, "progress": 1}
        self.perform(self.client.received(Notification("notifications/progress", params)))

    def question(self) -> None:
        """2025: a request of the server; 2026: what must not come is ignored."""
        self.numbers += 1
        id = f"q{self.numbers}"
        before = set(self.pending)
        self.perform(self.client.received(Request(id, ASK["method"], ASK["params"])))
        new = set(self.pending) - before
        assert len(new) == (0 if self.stateless else 1)
        for number in new:
            self.owed[id] = number

    def withdraw(self, id: Any) -> None:
        self.owed.pop(id, None)
        self.perform(self.client.received(Notification("notifications/cancelled", {"requestId": id})))

    # ---- events of providers and connections
    def answer(self, question: Any, *, well: bool) -> None:
        """A pending request ends; perhaps long after it was withdrawn."""
        if question.number in self.pending:
            del self.pending[question.number]
            self.ended[question.number] = "answered"
            if self.stateless:
                question.sent.slot.expected[question.key] = to_wire(ANSWER)
        self.perform(self.client.answered(question, ANSWER if well else RPCError(-1, "no")))

    def lose(self, *, final: bool) -> None:
        self.connected = False
        self.gone += self.flying
        self.flying.clear()
        self.owed.clear()
        self.closed = self.closed or final
        self.perform(self.client.lost(SessionClosed("end") if final else ConnectionLost("gone"), final=final))

    def reconnect(self) -> None:
        self.connected = True
        if self.stateless:
            self.perform(self.client.reconnected())

    # ---- choosing
    def events(self, seen: list[Any]) -> list[Any]:
        """Everything that could happen now, as functions of a small number that varies it."""
        if not self.connected:
            some: list[Any] = [lambda n: self.reconnect()]
        else:
            some = [lambda n: self.request(), lambda n: self.question()]
            some += [lambda n, id=id: self.reply(id, n) for id in [*self.flying, *self.gone[-3:], 999]]
            some += [lambda n, id=id: self.garbled(id) for id in self.flying]
            some += [lambda n, c=c: self.progress(c.ids[0]) for c in self.callers if c.ids]
            some += [lambda n, id=id: self.withdraw(id) for id in [*self.owed, 999]]
            some += [lambda n: self.lose(final=n == 0)]
        some += [lambda n, caller=caller: self.cancel(caller) for caller in self.callers]
        return [*some, *(lambda n, question=question: self.answer(question, well=n > 0) for question in seen)]

    # ---- the end
    def check(self) -> None:
        for caller in self.callers:
            assert len(caller.outcomes) == (0 if caller.cancelled else 1), "a request was not settled exactly once"
        assert self.pending == {}, "a question is still pending"
        assert self.client.requests == {}
        assert self.client.tokens == {}
        assert getattr(self.client, "questions", {}) == {}
        assert getattr(self.client, "held", []) == []
