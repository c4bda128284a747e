"""
The asking side of one conversation: a cell around an automaton.

Owns the performing of effects on the asking side and the clocks of the requests; the server's questions are its desk's.
Refuses to decide anything about the protocol, and to know where its connection comes from: a link attaches one.
It outlives connections: a supervised link may bring another one, and what waits for a person then goes on.
"""

from __future__ import annotations

import logging
import math
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

import attrs
import trio

from zcp_actors.actors import Cell, Reply, each_soon, settle
from zcp_actors.errors import (
    INTERNAL_ERROR,
    ConnectionLost,
    NotJSON,
    RequestTimeout,
    SessionClosed,
    UsageError,
    ZCPError,
)
from zcp_actors.protocol.asking import Incoming
from zcp_actors.protocol.effects import Deliver, Effect, Entrust, Pend, Progress, Send, Settle, Tracked, Withdraw
from zcp_actors.protocol.serving import target_of
from zcp_actors.protocol.stateful_client import StatefulClient
from zcp_actors.protocol.stateless_client import StatelessClient
from zcp_actors.sessions.client_spans import ACKNOWLEDGED, ClientSpans
from zcp_actors.sessions.desk import Desk
from zcp_actors.sessions.exchange_facts import way_facts
from zcp_actors.sessions.notices import tell_listener
from zcp_actors.sessions.outgoing import Outgoing, answer_of
from zcp_actors.sessions.receiver import Receiver
from zcp_actors.sessions.reporting import Report
from zcp_actors.sessions.server_tasks import ServerTasks
from zcp_actors.sessions.task_watch import NOTICES
from zcp_actors.sessions.timeouts import Patience, Timeouts
from zcp_actors.wire import ErrorResponse, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from zcp_actors.errors import InvalidMessage
    from zcp_actors.ports import Connection
    from zcp_actors.protocol.asking import Client, Sent
    from zcp_actors.sessions.handshake import Introduction
    from zcp_actors.sessions.listening import Listener
    from zcp_actors.sessions.notices import Telling
    from zcp_actors.sessions.policy import Policy
    from zcp_actors.sessions.providers import Providers
    from zcp_actors.sessions.runtime import Runtime
    from zcp_actors.wire import Message, Model, RequestId

log = logging.getLogger("zcp_actors.sessions")


class State(Enum):
    """Where the conversation is."""

    CONNECTING = "connecting"
    READY = "ready"
    LOST = "lost"
    """Between two connections: a supervisor is bringing the next."""
    CLOSED = "closed"


@attrs.frozen
class Decided:
    """Effects that the automaton returned to somebody else than the session's own step."""

    effects: list[Effect]


class ClientSession(Cell["Message | Decided"]):
    """One conversation with one server, over one connection or several in turn."""

    def __init__(self, name: str, providers: Providers, policy: Policy, timeouts: Timeouts) -> None:
        super().__init__()
        self.name, self.providers, self.timeouts = name, providers, timeouts
        self.tasks = ServerTasks(self)
        self._policy = policy
        self._desk: Desk | None = None
        self._receiver: Receiver | None = None
        self.identity: str | None = None
        """What the way to the server is known by."""
        self.state = State.CONNECTING
        self.automaton: Client | None = None
        self.connection: Connection | None = None
        self.failure: ZCPError | None = None
        """Why it is lost or closed."""
        self._ready: Reply[None] = Reply()
        self.introduction: Introduction | None = None
        """What the server said of itself; kept over reconnections."""
        self._own = 0
        self._garbled, self._announce = 0, 1
        self.telling: dict[int, Telling] = {}
        """The async listeners at work; see `notices`."""
        self.spans: ClientSpans | None = None
        """What a recorder follows, once there is something to follow."""
        self.listener: Listener | None = None

    def describe(self) -> str:
        """What an observer reads: revision, state, what is open; no contents."""
        version = self.automaton.dialect.version if self.automaton is not None else "no revision yet"
        open_requests = len(self.automaton.tokens) if self.automaton is not None else 0
        pending = len(self._desk) if self._desk is not None else 0
        return f"asks {self.name} · {version} · {self.state.value} · {open_requests} requests, {pending} pending"

    @property
    def desk(self) -> Desk:
        """Where the server's questions wait. Most sessions have none, and hosts have sessions by the thousand."""
        if self._desk is None:
            self._desk = Desk(self, self._policy)
        return self._desk

    @property
    def receiver(self) -> Receiver:
        """Where the server's questions become tasks of ours; made for the first."""
        if self._receiver is None:
            self._receiver = Receiver(self)
        return self._receiver

    @property
    def host_runtime(self) -> Runtime:
        """The runtime, as this layer knows it."""
        return cast("Runtime", self.runtime)

    # -------------------------------------------------------------------------------------------- the connection
    def attach(self, connection: Connection, automaton: Client) -> None:
        """Speak with this automaton over this connection from now on."""
        self.connection, self.automaton = connection, automaton
        connection.dialect = automaton.dialect

    def opened(self, introduction: Introduction) -> None:
        """The era is agreed and the handshake done: requests may go out."""
        again, self.introduction = self.introduction is not None, introduction
        self.failure = None
        self._move(State.READY)
        self._ready.set(None)
        if again:
            self.tasks.reconnected()
        if again and self.listener is not None:
            self.listener.reopened()

    def renewed(self, raw: Any) -> None:
        """The server had forgotten the session and was introduced to us again, over the same connection.

        `raw` is its result. Raises `InvalidResult`. What the old session was asked is void; what it was subscribed to
        is subscribed again.
        """
        if self.introduction is None or not isinstance(self.automaton, StatefulClient):
            return
        result: Any = self.automaton.dialect.result("initialize", raw, sender="client")
        self.introduction = attrs.evolve(self.introduction, version=result.protocol_version, result=result)
        self.perform(self.automaton.renewed())
        self.tasks.renewed()
        if self.listener is not None:
            self.listener.reopened()

    def resume(self, connection: Connection) -> bool:
        """Go on over another connection to the same server, where its era needs no new handshake.

        False where it does.
        """
        if self.introduction is None or not isinstance(self.automaton, StatelessClient):
            return False
        self.attach(connection, self.automaton)
        self.opened(self.introduction)
        self.perform(self.automaton.reconnected())
        return True

    def lost(self, error: Exception | None, *, final: bool = True) -> None:
        """The connection ended; `final` when no other will come. What was in flight fails."""
        if self.state is State.CLOSED:
            return
        cause = (
            error
            if isinstance(error, ZCPError)
            else ConnectionLost(f"the connection to {self.name} ended: {error or 'the server closed it'}")
        )
        self.failure, self.connection = cause, None
        self._move(State.CLOSED if final else State.LOST)
        if final:
            self._ready.fail(cause)
        if self._ready.settled and not final:
            self._ready = Reply()
        if self.automaton is not None:
            self.perform(self._without_callers(self.automaton.lost(cause, final=final)))
        if self.spans is not None:
            self.spans.close()
        if final:
            self.tasks.close(cause)

    def _move(self, state: State) -> None:
        old, self.state = self.state, state
        recorder = self.runtime.recorder
        if recorder.enabled and state is not old:
            facts = way_facts(self.connection) if self.connection is not None else {}
            if self.introduction is not None:
                facts["version"] = self.introduction.version
            if self.failure is not None:
                facts["error"] = type(self.failure).__name__
            recorder.transition("session", self.me.path, old.value, state.value, **facts)

    async def ready(self, limit: float | None = None) -> None:
        """Wait until requests may go out, at most `limit` seconds; None: the session's own idle limit.

        Raises what ended the session, or `RequestTimeout` for a connection that does not come.
        """
        limit = self.timeouts.idle if limit is None else limit
        with trio.move_on_after(limit):
            # Whoever is told that the connection is there may run only when it is gone again.
            while self.state is not State.READY:
                await self._opening()
            return
        raise RequestTimeout("connecting", limit, "idle")

    async def _opening(self) -> None:
        if self.state is State.CLOSED:
            raise self._closed()
        # A reply shared by many waiters is abandoned when they all leave; each waits on one of its own.
        mine: Reply[None] = Reply()
        self._ready.then(lambda ready: settle(mine, answer_of(ready)))
        await mine.wait()

    def _closed(self) -> ZCPError:
        if isinstance(self.failure, ZCPError):
            return self.failure
        return SessionClosed(f"the session with {self.name} is closed; open another client")

    # -------------------------------------------------------------------------------------------- from the peer
    def receive(self, event: Message | Decided) -> None:
        """One step: a message from the server, or effects that were decided outside of a step."""
        if type(event) is Decided:
            self._perform(event.effects)
        elif self.automaton is not None:
            if self.spans is not None:
                self.spans.received(event)
            self._perform(self.automaton.received(event))  # type: ignore[arg-type]

    def feed(self, message: Message) -> None:
        """A message came from the server."""
        self._tell(message)

    def missed(self, message: Message | Decided) -> None:
        """After the session's end neither a message nor a decision is anything to anybody."""

    def refuse(self, error: InvalidMessage) -> None:
        """Bytes came that are no message. What they were the reply of fails; the connection goes on."""
        self._garbled += 1
        if self._garbled >= self._announce:
            # The 1st, 10th, 100th, …: a server that prints to its output must not flood the log of its host.
            self._announce *= 10
            log.warning("%s sent what is no message (no. %d): %s", self.name, self._garbled, error.message)
        if error.id is not None and self.automaton is not None:
            garbled = self.automaton.garbled_request if error.kind == "request" else self.automaton.garbled
            self.perform(garbled(error.id, error))

    def failed(self, id: RequestId, error: ZCPError) -> None:
        """One request of ours got no reply, on a transport where that ends nothing else."""
        if self.automaton is not None:
            self.perform(self.automaton.unsendable(id, error))

    # -------------------------------------------------------------------------------------------- performing
    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            # The two of every call, told apart without looking into them.
            if type(effect) is Send:
                self._write(effect.message, effect.call)
                continue
            if type(effect) is Settle:
                settle(effect.sent.slot.reply, effect.outcome)
                continue
            match effect:
                case Progress(sent, params):
                    self._progressed(sent.slot, params)
                case Pend(question):
                    self.desk.admit(question)
                case Withdraw(question, reason):
                    self.desk.withdraw(question, reason)
                case Deliver(method, params):
                    self.deliver(method, params)
                case Entrust():
                    self._perform(self.receiver.entrusted(effect))
                case Tracked():
                    self.receiver.track(effect)

    def perform(self, effects: list[Effect]) -> None:
        """Perform what was decided outside of a step; a session that is ending performs nothing more."""
        if effects and not self.step_now(self._perform, effects):
            self.tell(Decided(effects))

    def _without_callers(self, effects: list[Effect]) -> list[Effect]:
        """What is to be performed of an end; those who wait for replies are told of it, thousands in waves."""
        ends = [effect for effect in effects if type(effect) is Settle]
        each_soon(self.runtime, ends, lambda end: settle(end.sent.slot.reply, end.outcome))
        return [effect for effect in effects if type(effect) is not Settle]

    def _write(self, message: Message, call: int | str | None) -> None:
        if self.connection is None:
            return
        if self.spans is not None:
            message = self.spans.sending(message)
        try:
            self.connection.post(message, call)
        except ConnectionLost as error:
            log.info("%s: %s", self.name, error)  # its link will notice and report the loss, once
        except Exception as error:  # noqa: BLE001 - a caller's or provider's value ends its exchange, not the session
            self._unwritable(message, error)

    def _unwritable(self, message: Message, error: Exception) -> None:
        told = error if isinstance(error, ZCPError) else NotJSON(f"the message cannot be written: {error}")
        if isinstance(message, Request) and self.automaton is not None:
            self._perform(self.automaton.unsendable(message.id, told))
        elif isinstance(message, Response | ErrorResponse) and message.id is not None:
            log.error("a provider's answer to %s cannot be written: %s", self.name, error)
            instead = ErrorResponse(message.id, INTERNAL_ERROR, "the host's answer cannot be written")
            if message != instead:
                self._write(instead, message.id)

    # -------------------------------------------------------------------------------------------- requests
    def request(
        self,
        method: str,
        params: Model,
        timeouts: Timeouts | None = None,
        on_progress: Callable[[Any], Any] | None = None,
        *,
        own_meta: bool = False,
    ) -> Coroutine[Any, Any, Any]:
        """Ask the server and wait for the result model, over as many rounds as it takes.

        `own_meta` as in `Client.request`.
        Raises `RPCError` (the server's), `RequestTimeout`, `ConnectionLost`, `SessionClosed`, `InvalidResult`,
        `Overloaded`. On cancel the server is told in the same step, and open questions of this request are withdrawn.
        """
        if self.state is State.READY and self.connection is not None and not self.connection.full:
            return self.exchange(method, params, timeouts or self.timeouts, on_progress, own_meta=own_meta)
        return self._request_later(method, params, timeouts, on_progress, own_meta=own_meta)

    async def _request_later(
        self,
        method: str,
        params: Model,
        timeouts: Timeouts | None,
        on_progress: Callable[[Any], Any] | None,
        *,
        own_meta: bool,
    ) -> Any:
        if self.state is not State.READY:
            await self.ready(None if timeouts is None else timeouts.idle)
        assert self.connection is not None
        if self.connection.full:
            await self.connection.room()
        return await self.exchange(method, params, timeouts or self.timeouts, on_progress, own_meta=own_meta)

    async def exchange(
        self,
        method: str,
        params: Model,
        timeouts: Timeouts,
        on_progress: Callable[[Any], Any] | None = None,
        *,
        own_meta: bool = False,
    ) -> Any:
        """`request` on the connection as it is, ready or not: what a handshake uses."""
        if not self.running:
            raise self._closed()
        automaton = self.automaton
        assert automaton is not None
        reply: Reply[Any] = Reply()
        now, runtime = trio.current_time(), self.me._runtime  # noqa: SLF001 - `self.runtime`, for every request
        desk = self._desk
        patience = Patience(timeouts, now) if desk is None else Patience(timeouts, now, desk.human, desk.owed)
        outgoing = Outgoing(self, method, reply, patience, on_progress)
        sent, effects = automaton.request(outgoing, method, params, own_meta=own_meta)
        outgoing.sent = sent
        if (first := timeouts.first) != math.inf:
            outgoing.timer = runtime.timers.at(now + first, outgoing)
        report = self._reported(outgoing, sent, params) if runtime.recorder.enabled else None
        self.perform(effects)
        del effects  # of thousands that wait, none need hold what it has sent
        try:
            return await reply.wait()
        except trio.Cancelled:
            if reply.settled:  # in the very step in which it was asked for
                self.perform(automaton.unwanted(answer_of(reply)))
            raise
        finally:
            if outgoing.timer is not None:
                outgoing.timer.disarm()
            if not sent.settled:
                self.perform(automaton.cancel(sent, "the caller does not want the answer any more"))
            if report is not None:
                report.end(reply)
            if self.spans is not None:
                self.spans.end(outgoing)
            # The request and its record name each other; parted, they need no garbage collector.
            outgoing.sent = outgoing.timer = None

    def _reported(self, outgoing: Outgoing, sent: Sent, params: Model) -> Report | None:
        """Let the recorder follow a request. Returns what tells its subject, where that is listened to."""
        recorder = self.runtime.recorder
        report = None
        if "request" in recorder.subjects:
            path = f"{self.me.path}/request-{sent.token}"
            report = Report(recorder, "request", path, sent.method, target_of(params)).begin()
        self.followed().begin(outgoing, sent.token, params)
        return report

    def followed(self) -> ClientSpans:
        """What a recorder follows of this session. Only where one listens."""
        if self.spans is None:
            self.spans = ClientSpans(self)
        return self.spans

    def _progressed(self, outgoing: Outgoing, params: Any) -> None:
        outgoing.patience.heard(trio.current_time(), self.desk.owed)
        for listener in (outgoing.on_progress, self.providers.progress):
            if listener is not None:
                tell_listener(self, listener, params)

    def look(self, outgoing: Outgoing) -> None:
        """A limit could have been reached. What stopped its clock meanwhile gives it that time back."""
        left, kind = self.desk.left(outgoing.patience)
        if left > 0:
            outgoing.timer = self.runtime.timers.after(left, outgoing)
        elif outgoing.sent is not None and self.automaton is not None:
            limit = outgoing.patience.limit(kind)
            self.perform(self.automaton.cancel(outgoing.sent, f"{kind} timeout of {limit:g} s"))
            outgoing.reply.fail(RequestTimeout(outgoing.method, limit, kind))

    # -------------------------------------------------------------------------------------------- pending requests
    async def ask_self(self, method: str, params: Any) -> Any:
        """Ask our own provider, as a server would: by a pending request, under the same policy.

        Raises as the server reads.
        """
        if self.providers.of(method) is None:
            raise UsageError(f"{self.name} was opened without a provider for {method}")
        if not self.running:
            raise self._closed()
        self._own += 1
        question = Incoming(-self._own, method, params, slot=Reply())
        self.perform([Pend(question)])
        try:
            return await question.slot.wait()
        finally:
            self.desk.withdraw(question, "the caller does not want the answer any more")

    def answered(self, question: Incoming, outcome: Any) -> None:
        """A pending request has ended; None when its answer is not wanted any more."""
        if question.slot is not None:
            settle(question.slot, SessionClosed("the session ended") if outcome is None else outcome)
        elif outcome is not None and self.automaton is not None:
            answered = self.receiver.answered if question.as_task else self.automaton.answered
            self.perform(answered(question, outcome))

    # -------------------------------------------------------------------------------------------- notifications
    def deliver(self, method: str, params: Any) -> None:
        """A notification for the application."""
        if self.spans is not None and method == ACKNOWLEDGED:
            self.spans.stands(params)
        if method in NOTICES:
            self.tasks.notified(params)
        elif method == "notifications/message" and self.providers.log is not None:
            tell_listener(self, self.providers.log, params)
        elif self.listener is not None:
            self.listener.notified(method, params)

    # -------------------------------------------------------------------------------------------- the end
    def on_stop(self, exit: Any) -> None:
        """Whoever still waits is told, pending requests are withdrawn."""
        self._move(State.CLOSED)
        if exit.kind == "failed" and self.failure is None:
            self.failure = SessionClosed(f"the session with {self.name} failed: {exit.error!r}; open another client")
        closed = self._closed()
        self._ready.fail(closed)
        if self.automaton is not None:
            self._perform(self._without_callers(self.automaton.lost(closed, final=True)))
        self.tasks.close(closed)
        if self._desk is not None:
            self._desk.close()
        if self._receiver is not None:
            self._receiver.close()
        if self.spans is not None:
            self.spans.close()
        self.host_runtime.closed_session(self)
        if self.connection is not None:
            self.connection.hang_up()
