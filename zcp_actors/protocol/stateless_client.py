"""
The asking side of 2026-07-28: each request says who asks; an `input_required` result is answered and sent again.

Owns the rounds of a request: collect every answer, then retry under a new id with the state exactly as it came.
Source: MCP 2026-07-28 basic (`_meta`), multi-round-trip requests: new id, state echoed and never read, no invention.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcp_actors.errors import InvalidResult, RequestCancelled, RPCError, ZCPError
from zcp_actors.protocol.asking import Client, Incoming, Sent
from zcp_actors.protocol.capabilities import ASKING, QUESTIONS, refusal
from zcp_actors.protocol.effects import Effect, Pend
from zcp_actors.wire import ErrorResponse, InputRequiredResult, Request, RequestParams, to_wire, v2026_07_28
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROTOCOL_VERSION

if TYPE_CHECKING:
    from zcp_actors.wire import Model, RequestId

MAX_ROUNDS = 100
"""Rounds of one request. A person answers a few; a server that asks for more is in a loop."""

MAX_QUESTIONS_PER_ROUND = 256
"""Entries of one `inputRequests` map; more cannot be meant for people, and each starts a pending request here."""


class StatelessClient(Client):
    """All exchanges with one server, over as many connections as it takes."""

    dialect = v2026_07_28.DIALECT

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.connected = True
        self.held: list[Sent] = []
        """Retries that wait for the next connection."""
        self.log_level: str | None = None
        self._base: dict[str, Any] = {
            PROTOCOL_VERSION: self.dialect.version,
            CLIENT_INFO: to_wire(self.me),
            CLIENT_CAPABILITIES: self.dialect.to_wire(self.capabilities),
        }

    def set_log_level(self, level: str | None) -> None:
        """Later requests ask for log messages of this level and above."""
        self.log_level = level

    def _stamp(self, meta: dict[str, Any], token: RequestId) -> None:
        meta.update(self._base)
        meta["progressToken"] = token
        if self.log_level is not None:
            meta[LOG_LEVEL] = self.log_level

    def _stamped(self, sent: Sent, **changes: Any) -> Model:
        if sent.rounds > 0:
            changes = {"input_responses": sent.answers or None, "request_state": sent.state}
        return super()._stamped(sent, **changes)

    def _asked(self, request: Request) -> list[Effect]:
        """A server must not send requests in this era, and a client sends no responses: there is nothing to say."""
        return []

    def _cancelled(self, params: Any) -> list[Effect]:
        """All that a server may cancel is a listen stream: it will send no more over this one."""
        sent = self.requests.get(params.request_id)
        if sent is None or sent.method != "subscriptions/listen":
            return []
        return self._settle(sent, RequestCancelled(sent.method, f"by the server: {params.reason or 'no reason given'}"))

    # -------------------------------------------------------------------------------------------- rounds
    def _replied(self, reply: Any) -> list[Effect]:
        if type(reply) is ErrorResponse and reply.id is None:
            return []
        return super()._replied(reply)

    def _resulted(self, sent: Sent, result: Any) -> list[Effect]:
        if not isinstance(result, InputRequiredResult):
            return self._settle(sent, result)
        sent.rounds += 1
        sent.state, sent.answers = result.request_state, {}
        fault = self._fault(sent, result)
        if fault is not None:
            return self._settle(sent, fault)
        return self._begin_round(sent, result)

    def _fault(self, sent: Sent, result: InputRequiredResult) -> InvalidResult | None:
        """What is wrong with this round, if anything."""
        asked = result.input_requests or {}
        if sent.method not in ASKING:
            return InvalidResult(f"{sent.method}: its result may not be input_required")
        if sent.rounds > MAX_ROUNDS:
            return InvalidResult(f"{sent.method}: the server asked {MAX_ROUNDS} times and still has no result")
        if not asked and result.request_state is None:
            return InvalidResult(f"{sent.method}: an input_required result must carry inputRequests or requestState")
        if len(asked) > MAX_QUESTIONS_PER_ROUND:
            return InvalidResult(
                f"{sent.method}: {len(asked)} questions at once; the limit is {MAX_QUESTIONS_PER_ROUND}"
            )
        return None

    def _begin_round(self, sent: Sent, result: InputRequiredResult) -> list[Effect]:
        try:
            questions = {
                key: self.question(sent, key, request) for key, request in (result.input_requests or {}).items()
            }
        except (RPCError, InvalidResult) as error:
            return self._settle(sent, InvalidResult(f"{sent.method}: the server may not ask this: {error}"))
        if not questions:
            return self._retry(sent)
        sent.questions = questions
        return [Pend(question) for question in questions.values()]

    def question(self, sent: Sent, key: str, request: Any) -> Incoming:
        """An entry of `inputRequests`. Raises `InvalidResult`, `RPCError` for what the server may not ask."""
        if request.method not in QUESTIONS:
            raise InvalidResult(f"inputRequests[{key!r}].method {request.method!r} is not a question")
        params = request.params if request.params is not None else RequestParams()
        refuse = refusal(self.capabilities, request.method, params)
        if refuse is not None:
            raise refuse
        return Incoming(self._number(), request.method, params, sent=sent, key=key)

    def answered(self, question: Incoming, outcome: Any) -> list[Effect]:
        sent = question.sent
        if not question.open or sent is None:
            return []
        question.open = False
        if isinstance(outcome, Exception):
            # The retry has no place for an error: the request itself fails, and its other questions are withdrawn.
            return self._settle(sent, outcome)
        sent.answers[question.key] = outcome
        sent.questions.pop(question.key, None)
        return [] if sent.questions else self._retry(sent)

    def _retry(self, sent: Sent) -> list[Effect]:
        if not self.connected:
            self.held.append(sent)
            return []
        return [self._send(sent, self.next_id())]

    # -------------------------------------------------------------------------------------------- connections
    def lost(self, error: ZCPError, *, final: bool) -> list[Effect]:
        self.connected = False
        if final:
            self.held.clear()
        return super().lost(error, final=final)

    def reconnected(self) -> list[Effect]:
        """Another connection to the same server is there: send what waited for it."""
        self.connected = True
        held, self.held = self.held, []
        return [self._send(sent, self.next_id()) for sent in held if not sent.settled]
