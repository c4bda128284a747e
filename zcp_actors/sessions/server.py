"""
The serving side of one conversation: a cell around an automaton, its calls as jobs on parked workers.

Owns the performing of effects on the serving side, in order, in the step in which they were decided.
Refuses to decide anything about the protocol, and to wait: whatever waits is a call or a transport.
The rule that keeps it honest: there is one writer, this; a handler returns to it and never writes.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.actors import Cell, Reply, settle
from zcp_actors.errors import INTERNAL_ERROR, ConnectionLost, HandlerError, Overloaded, RPCError, TooManyChildren
from zcp_actors.ports import Changed, Routed
from zcp_actors.protocol.dialect import Era, choose_server
from zcp_actors.protocol.effects import Answer, Arm, Cancel, Effect, Open, Seal, Send, Start, Suspend
from zcp_actors.sessions.call import Call
from zcp_actors.sessions.server_spans import ServerSpans
from zcp_actors.wire import ErrorResponse, Request, Response
from zcp_actors.wire.model import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from zcp_actors.errors import InvalidMessage
    from zcp_actors.ports import App, Connection, OnceStore, Span, Tasks
    from zcp_actors.protocol.questions import Question
    from zcp_actors.protocol.serving import Served, Server
    from zcp_actors.sessions.state import CallState
    from zcp_actors.wire import Implementation, Message, Model, ServerCapabilities

log = logging.getLogger("zcp_actors.sessions")

OWN_WAYS = frozenset({"memory", "pipe"})
"""Transports whose other end is this process, or the one that started it: of the same user, and of no other."""

UNWRITABLE = "the error cannot be written"
"""What is left to say when not even an error's own words can travel."""


@attrs.frozen
class Decided:
    """Effects that an automaton returned to somebody else than the session's own step."""

    automaton: Server
    effects: list[Effect]


class ServerSession(Cell["Message | Decided | Changed"]):
    """One conversation with one client. Feed it messages; it posts its own to the connection."""

    def __init__(
        self,
        app: App,
        connection: Connection,
        state: CallState,
        *,
        era: Era | None = None,
        principal: str = "",
        once_store: OnceStore | None = None,
        tasks: Tasks | None = None,
        always_replay: bool = False,
    ) -> None:
        """`era` serves only that one; None serves both. `principal` is who the transport says the client is."""
        super().__init__()
        self.tasks = tasks
        self.app, self.connection, self.principal, self.once_store = app, connection, principal, once_store
        self._call_state, self._era, self._always_replay = state, era, always_replay
        self._automaton: Server | None = None
        self._retired: Server | None = None
        self._calls: dict[Served, Call] = {}
        self._unlisten: Callable[[], None] | None = None
        self._idle: list[Reply[None]] | None = None
        """Who waits until no call is being served."""
        self._spans: ServerSpans | None = None

    @property
    def path(self) -> str:
        """Its place in the tree."""
        return self.me.path

    def begin(self) -> None:
        """Hear of the app's changes from now on: once it has a place in the tree, and so will have an end."""
        self._unlisten = self.app.listen(self.tell)
        if self.runtime.recorder.enabled:
            self._spans = ServerSpans(self)

    @property
    def serving(self) -> bool:
        """A call is being served, though it may wait for the client."""
        return bool(self._calls)

    @property
    def busy(self) -> bool:
        """`serving`, or a task of this session has not ended."""
        return self.serving or (self.tasks is not None and self.tasks.awaited_by(self))

    @property
    def identified(self) -> bool:
        """Whether this client can be told apart from others: by name, or because the way to it is its own."""
        return bool(self.principal) or self.connection.transport in OWN_WAYS

    def serves(self, id: int | str) -> bool:
        """A request of this id is in flight."""
        return self._automaton is not None and id in self._automaton.calls

    def describe(self) -> str:
        """What an observer reads: app, revision, calls; no contents."""
        version = self._automaton.dialect.version if self._automaton is not None else "no revision yet"
        return f"serves {self.app.name} · {version} · {len(self._calls)} calls"

    # -------------------------------------------------------------------------------------------- from the transport
    def receive(self, event: Message | Decided | Changed) -> None:
        """One step: a message from the client, effects that a call's event decided, or a change of the app."""
        if type(event) is Decided:
            self._perform(event.automaton, event.effects)
        elif type(event) is not Changed:
            self._received(event)  # type: ignore[arg-type]
        elif self._automaton is not None:
            self._perform(self._automaton, self._automaton.announced(event.kind, event.uri))

    def feed(self, message: Message) -> None:
        """A message came from the client."""
        self._tell(message)

    def missed(self, message: Message | Decided | Changed) -> None:
        """After the session's end neither a message nor a decision is anything to anybody."""

    def _received(self, message: Message) -> None:
        automaton = self._automaton
        if automaton is None or not automaton.agreed:
            automaton = self._chosen(message)
        if self._spans is not None:
            self._spans.received(automaton, message)
        self._perform(automaton, automaton.received(message))

    def _chosen(self, message: Message) -> Server:
        automaton = choose_server(self._automaton, message, self._era, self._make)
        if automaton is not self._automaton:
            self._retired, self._automaton = self._automaton, automaton
            self.connection.dialect = automaton.dialect
            self.connection.stamp = automaton.stamp()
        return automaton

    def _make(self, kind: type[Server]) -> Server:
        if type(self._retired) is kind:
            # A peer that wavers between the eras gets no second table of calls each time.
            return self._retired
        return kind(self, always_replay=self._always_replay)

    # What the automaton tells the client of us: see `Profile`.
    @property
    def instructions(self) -> str | None:
        """Those of the app."""
        return self.app.instructions

    def implementation(self) -> Implementation:
        """That of the app."""
        return self.app.implementation()  # type: ignore[no-any-return]

    def capabilities(self) -> ServerCapabilities:
        """Those of the app, and what this session adds: to a client that is known it lists its tasks."""
        capabilities: ServerCapabilities = self.app.capabilities()
        if capabilities.tasks is not None and self.identified:
            capabilities = replaced(capabilities, tasks=replaced(capabilities.tasks, list={}))
        return capabilities

    def refuse(self, error: InvalidMessage) -> None:
        """Bytes came that are no message.

        What seems to be a request, or cannot be told, is answered, under the id that could be read; a reply that cannot
        be read is the end of the question it answers; a notification is nothing.
        """
        if error.kind == "response" and self._automaton is not None and error.id is not None:
            self._act(self._automaton, self._automaton.garbled(error.id, error))
        elif error.kind != "notification":
            self._write(ErrorResponse(error.id, error.code, error.message, error.data))

    def lost(self, error: Exception | None) -> None:
        """The client is gone: every call ends, the session too."""
        self.me.cancel("the connection to the client ended" if error is None else f"the connection was lost: {error}")

    # -------------------------------------------------------------------------------------------- performing
    def _perform(self, automaton: Server, effects: list[Effect]) -> None:
        for effect in effects:
            # The two of every call, told apart without looking into them.
            if type(effect) is Send:
                self._write(effect.message, effect.call)
                continue
            if type(effect) is Start:
                self._start(automaton, effect.call)
                continue
            match effect:
                case Answer(slot, outcome):
                    settle(slot, outcome)
                case Cancel(served, reason):
                    self._with_call(served, Call.abort, reason)
                case Suspend(served):
                    self._with_call(served, Call.suspend)
                case Arm(served, delay):
                    self._with_call(served, Call.close_step_after, delay)
                case Seal(served):
                    self._perform(automaton, self._seal(automaton, served))
                case Open(served, state):
                    self._perform(automaton, self._open(automaton, served, state))

    def _write(self, message: Message, call: int | str | None = None) -> None:
        spans, at = self._spans, 0.0
        if spans is not None:
            message, at = spans.sending(message, call), trio.current_time()
        try:
            self.connection.post(message, call)
        except ConnectionLost as error:
            self.lost(error)
        except Exception as error:  # a value of a handler's that no wire takes ends its call, never the session
            log.exception("what a handler gave cannot be written")
            if spans is not None:
                spans.unsent(message, error)
            self._unwritable(message, error, call)
        else:
            if spans is not None:
                spans.sent(message, call, at)

    def _unwritable(self, message: Message, error: Exception, call: int | str | None) -> None:
        if isinstance(message, Response):
            self._write(ErrorResponse(message.id, INTERNAL_ERROR, f"the result cannot be written: {error}"), call)
        elif isinstance(message, ErrorResponse) and message.message != UNWRITABLE:
            self._write(ErrorResponse(message.id, message.code, UNWRITABLE), call)
        elif isinstance(message, Request) and self._automaton is not None:
            unsent = RPCError(INTERNAL_ERROR, f"the question cannot be written: {error}")
            self._act(self._automaton, self._automaton.unsendable(message.id, unsent))

    def _start(self, automaton: Server, served: Served) -> None:
        call = self._calls[served] = Call(self, automaton, served)
        runtime, spans = self.me._runtime, self._spans  # noqa: SLF001 - `self.runtime`, for every call
        if runtime.recorder.enabled:
            self._moved_call(served, "received", "running")
        try:
            runtime.workers.submit(call, self, None if spans is None else spans.within(served))
        except TooManyChildren as error:
            del self._calls[served]
            self._perform(automaton, automaton.finished(served, Overloaded(str(error))))

    def _with_call(self, served: Served, act: Callable[..., None], *arguments: Any) -> None:
        call = self._calls.get(served)
        if call is not None:
            act(call, *arguments)

    def _seal(self, automaton: Any, served: Served) -> list[Effect]:
        if self._spans is not None:
            self._spans.sealing(served)
        try:
            state = self._call_state.seal(served, self.nonce_of(served), self.principal)
        except (RPCError, HandlerError) as error:
            return automaton.sealing_failed(served, error)  # type: ignore[no-any-return]
        return automaton.sealed(served, state)  # type: ignore[no-any-return]

    def _open(self, automaton: Any, served: Served, state: str) -> list[Effect]:
        try:
            journal, nonce = self._call_state.open(served, state, self.principal)
        except RPCError as error:
            return automaton.finished(served, error)  # type: ignore[no-any-return]
        if self._spans is not None:
            self._spans.opened(served)
        return automaton.opened(served, journal, nonce)  # type: ignore[no-any-return]

    def nonce_of(self, served: Served) -> str:
        """The call's name over all its rounds; unguessable, because it is a key in stores."""
        if served.nonce is None:
            served.nonce = secrets.token_urlsafe(16)
        return served.nonce

    # -------------------------------------------------------------------------------------------- tasks
    def handle(self, context: Any, method: str, params: Any) -> Coroutine[Any, Any, Any]:
        """See `CallHost.handle`."""
        server = self.app if self.tasks is None else self.tasks
        return server.handle(context, method, params)

    def become(self, call: Call, result: Model) -> bool:
        """Answer the request of a running call with the task that it becomes, and let go of it.

        False when it has ended, is being suspended, or has asked something, or the session ends: then nothing happened.
        """
        stands = self.me.status == "running" and self._calls.get(call.served) is call
        effects = call.automaton.became(call.served, result) if stands else []
        if effects:
            self._release(call.served)
            self._act(call.automaton, effects)
        return bool(effects)

    def tell_of(self, automaton: Server, effects: list[Effect]) -> None:
        """Something about a task that concerns this client was decided by its automaton."""
        self._act(automaton, effects)

    @property
    def reachable(self) -> bool:
        """What belongs to no request reaches the client now."""
        return not isinstance(self.connection, Routed) or self.connection.reachable

    def reads(self, call: Call) -> bool:
        """What this call says reaches the client now."""
        if not isinstance(self.connection, Routed):
            return True
        id = call.automaton.stream_of(call.served)
        return self.connection.reachable if id is None else self.connection.reads(id)

    def reached(self) -> None:
        """What belongs to no request reaches the client again: there may be questions of tasks for it."""
        if self.tasks is not None and self.me.status == "running":
            self.tasks.reached(self)

    @property
    def automaton(self) -> Server | None:
        """The one that now speaks with the client; None before the first message."""
        return self._automaton

    # -------------------------------------------------------------------------------------------- from the calls
    def asked(self, call: Call, question: Question, params: Model, slot: Reply[Any]) -> str:
        """The handler needs the client. Raises what the automaton refuses with."""
        key, effects = call.automaton.asked(call.served, question, params, slot)
        self._act(call.automaton, effects)
        return key

    def gave_up(self, call: Call, key: str) -> None:
        """The asker left without an answer."""
        self._act(call.automaton, call.automaton.gave_up(call.served, key))

    def quiet(self, call: Call) -> None:
        """Every task of the call waits for the client."""
        self._act(call.automaton, call.automaton.quiet(call.served))

    def step_closes(self, call: Call) -> None:
        """The questions of a step have waited long enough for branches that are still at work."""
        self._act(call.automaton, call.automaton.quiet(call.served, interrupted=True))

    def progressed(self, call: Call, progress: float, total: float | None, message: str | None) -> None:
        """The handler reports progress."""
        self._act(call.automaton, call.automaton.progressed(call.served, progress, total, message))

    def logged(self, call: Call, level: str, content: Any, logger: str | None) -> None:
        """The handler logs."""
        self._act(call.automaton, call.automaton.logged(call.served, level, content, logger))

    def span_of(self, served: Served) -> Span | None:
        """What a recorder follows of this call; None where none listens."""
        return None if self._spans is None else self._spans.span_of(served.id)

    def call_ended(self, call: Call, outcome: Any) -> None:
        """The handler has unwound, however it ended."""
        served, automaton = call.served, call.automaton
        if self.me._runtime.recorder.enabled:  # noqa: SLF001 - `self.runtime`, for every call
            self._moved_call(served, "running", "suspended" if call.suspending else "ended")
        self._release(served)
        if self._spans is not None:
            self._spans.ended(served)
        self._act(automaton, automaton.finished(served, outcome))

    def _release(self, served: Served) -> None:
        self._calls.pop(served, None)
        if self._idle and not self._calls:
            waiting, self._idle = self._idle, None
            for each in waiting:
                each.set(None)

    def _act(self, automaton: Server, effects: list[Effect]) -> None:
        """Perform what was decided outside of a step; a session that is ending performs nothing more."""
        if effects and not self.step_now(self._perform, automaton, effects):
            self.tell(Decided(automaton, effects))

    def _moved_call(self, served: Served, old: str, new: str) -> None:
        recorder = self.runtime.recorder
        if "call" in recorder.subjects:
            recorder.transition(
                "call", f"{self.path}/call-{served.number}", old, new, method=served.method, target=served.target
            )

    async def room(self, call: Call) -> None:
        """Wait until the connection, or this call's part of one that has parts, has room for more reports."""
        connection = self.connection
        await (connection.room_for(call.served.id) if isinstance(connection, Routed) else connection.room())

    def close_stream(self, call: Call) -> None:
        """Let the client's connection for this call go, where there is one: it comes back for the rest."""
        if isinstance(self.connection, Routed):
            self.connection.release(call.served.id)

    # -------------------------------------------------------------------------------------------- the end
    async def idle(self) -> None:
        """Wait until no call is being served."""
        if self._calls:
            reply: Reply[None] = Reply()
            self._idle = [*(self._idle or ()), reply]
            await reply.wait()

    def say_goodbye(self, reason: str) -> None:
        """Answer every open call with the error that it was cut short: no client shall wait for a server that left."""
        for call in list(self._calls.values()):
            self._act(call.automaton, call.automaton.finished(call.served, RPCError(INTERNAL_ERROR, reason)))
            call.abort(reason)

    def on_stop(self, exit: Any) -> None:
        """Every call ends; listen streams are answered where the connection still stands."""
        if self._unlisten is not None:
            self._unlisten()
        if self.tasks is not None:
            self.tasks.left(self)
        for automaton in (self._retired, self._automaton):
            if automaton is not None:
                self._perform(automaton, automaton.closed("the session ended"))
        if self._spans is not None:
            self._spans.close(exit.error)
        self.connection.hang_up()
