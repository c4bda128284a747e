"""
The serving side of a conversation, as far as both eras agree: calls by id, cancellation, progress, logs, replies.

Owns the table of calls being served and every race over it: a call is answered at most once, and a call that was
cancelled is never answered. Refuses to know tasks, scopes, clocks and bytes.
The rule that keeps it honest: every method is one step. It decides, records, returns the effects; nothing is awaited.
Era rules live in the two subclasses, never in a branch here.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, cast

import attrs

from zcp_actors.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    SHOWN,
    CallEnding,
    HandlerError,
    InvalidParams,
    Overloaded,
    RPCError,
)
from zcp_actors.protocol.capabilities import ANSWERS, ensure_declared
from zcp_actors.protocol.effects import Answer, Cancel, Effect, Send, Start
from zcp_actors.protocol.journal import Journal, Recorded
from zcp_actors.wire import (
    ErrorResponse,
    LoggingMessageNotificationParams,
    Model,
    Notification,
    ProgressNotificationParams,
    Request,
    Response,
    from_wire,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zcp_actors.protocol.questions import Question
    from zcp_actors.protocol.tasks import Task
    from zcp_actors.wire import (
        ClientCapabilities,
        Dialect,
        Implementation,
        LoggingLevel,
        Message,
        RequestId,
        ServerCapabilities,
    )

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Log levels in the order of RFC 5424, least severe first."""

MAX_CALLS = 4096
"""Calls one peer may have open at once. Above any honest host's fan-out; each costs a few KiB while it runs."""

MAX_SUBSCRIPTIONS = 1000
"""Resources one peer may subscribe to; each is one string, and a peer that wants more wants a list_changed instead."""


class Phase(Enum):
    """Where a served call is in its life."""

    RUNNING = "running"
    SUSPENDING = "suspending"
    ENDED = "ended"


RUNNING, SUSPENDING, ENDED = Phase
"""The same as plain names: to look a member up on its class costs as much as a call, and every request does."""


@attrs.frozen
class Asker:
    """Who sends a request, and what it says of itself."""

    capabilities: ClientCapabilities | None
    client_info: Implementation | None
    version: str
    log_level: str | None = None


class Profile(Protocol):
    """What a server tells of itself, asked anew whenever it is told (an app may change while it is served)."""

    @property
    def instructions(self) -> str | None:
        """How it wants to be used."""

    def implementation(self) -> Implementation:
        """Who it is; made for whoever asks."""

    def capabilities(self) -> ServerCapabilities:
        """What it serves; made for whoever asks."""


@attrs.define(eq=False)
class Served:
    """One call being served: the automaton's record, and the token by which its host knows it."""

    number: int
    id: RequestId
    method: str
    params: Model
    capabilities: ClientCapabilities | None = None
    client_info: Implementation | None = None
    version: str = ""
    log_level: str | None = None
    progress_token: RequestId | None = None
    phase: Phase = RUNNING
    nonce: str | None = None
    """Names this call over all its rounds; made by the host when the call is first sealed or first needs it."""
    trace: dict[str, Any] | None = None
    """Plain JSON of its recorder's, by which a later round is known to go on here; it is sealed with the journal."""
    _journal: Journal | None = None
    interrupted: bool = False
    """The run was suspended while some of its branches were still at work."""
    open: dict[str, Any] = attrs.Factory(dict)
    """Questions asked and not yet answered, by key; what is kept for each is the automaton's affair."""
    _progress: float = -math.inf

    def advances(self, progress: float) -> bool:
        """Record progress; False when it is no number that rises above what was reported (a MUST)."""
        if not self._progress < progress < math.inf:
            return False
        self._progress = progress
        return True

    @property
    def journal(self) -> Journal:
        """What it asked and did; made when it is first needed, for most calls ask nothing."""
        if self._journal is None:
            self._journal = Journal()
        return self._journal

    @property
    def replaying(self) -> bool:
        """This run has not come to everything that an earlier one came to."""
        return self._journal is not None and self._journal.replaying

    def finish(self) -> None:
        """A run has ended well. Raises `ReplayMismatch` when it left out what an earlier one did."""
        if self._journal is not None:
            self._journal.finish()

    @property
    def target(self) -> str:
        """See `target_of`."""
        return target_of(self.params)


class Server:
    """What both eras share. Events are methods; each returns the effects to perform, in order."""

    dialect: Dialect
    tasks: Any
    """How this era tells of tasks: `stateful_tasks` or `stateless_tasks`."""
    agreed = False
    """The two sides have agreed on this era for as long as the conversation lasts; no message can choose another."""

    def __init__(self, profile: Profile, *, max_calls: int = MAX_CALLS, always_replay: bool = False) -> None:
        self.profile = profile
        self.max_calls = max_calls
        self.always_replay = always_replay
        self.calls: dict[RequestId, Served] = {}
        self._served = 0
        """Calls ever, which are numbered."""

    def stream_of(self, call: Served) -> RequestId | None:
        """The request to which all that this call sends belongs; None when no request asked for it."""
        return call.id

    def stamp(self) -> dict[str, Any] | None:
        """What every result's `_meta` shall carry on a wire, or None."""
        return None

    # -------------------------------------------------------------------------------------------- from the peer
    def received(self, message: Message) -> list[Effect]:
        """A message came. Whatever it is, the peer's fault becomes a reply or nothing, never an exception."""
        if type(message) is Request:
            try:
                return self._request(message)
            except RPCError as error:
                return [refused(message.id, error)]
        if type(message) is Notification:
            return self._notification(message)
        return self._reply(message)  # type: ignore[arg-type]

    def _request(self, request: Request) -> list[Effect]:
        raise NotImplementedError

    def _reply(self, reply: Response | ErrorResponse) -> list[Effect]:
        """A reply to a question that nobody waits for (any more) is dropped: it may be late."""
        return []

    def garbled(self, id: RequestId, error: RPCError) -> list[Effect]:
        """What came under this id is a reply that cannot be read."""
        return []

    def unsendable(self, id: RequestId, error: RPCError) -> list[Effect]:
        """Our own request cannot be written: whoever asks learns that."""
        return []

    def _notification(self, notification: Notification) -> list[Effect]:
        if notification.method == "notifications/cancelled":
            return self._cancelled(notification)
        return []

    def _cancelled(self, notification: Notification) -> list[Effect]:
        """The peer gave a request up: no answer is sent. An id that is not in flight has ended meanwhile."""
        try:
            params: Any = self.dialect.notification_params(notification.method, notification.params, sender="client")
        except RPCError:
            return []
        call = self.calls.get(params.request_id)
        if call is None:
            return []
        return self._end(call, f"cancelled by the client: {params.reason or 'no reason given'}")

    def _admit(self, request: Request, params: Model, asker: Asker) -> Served:
        """Enter a call into the table. Raises when its id is in use or the table is full."""
        id, calls = request.id, self.calls
        if id in calls:
            raise in_use(id)
        if len(calls) >= self.max_calls:
            raise Overloaded(f"{self.max_calls} requests of this client are already open; wait for one to end")
        meta: Mapping[str, Any] | None = getattr(params, "meta", None)
        token = None if meta is None else meta.get("progressToken")
        if token is not None and type(token) is not int and type(token) is not str:
            raise InvalidParams(f"_meta.progressToken must be a string or an integer, not {token!r:.{SHOWN}}")
        self._served += 1
        call = calls[id] = Served(
            self._served,
            id,
            request.method,
            params,
            asker.capabilities,
            asker.client_info,
            asker.version,
            asker.log_level,
            token,
        )
        return call

    def _end(self, call: Served, reason: str) -> list[Effect]:
        """Forget a call that will not be answered, withdraw what it asked, end its handler."""
        self._forget(call)
        return [*self._withdraw(call), Cancel(call, reason)]

    def _forget(self, call: Served) -> None:
        call.phase = ENDED
        if self.calls.get(call.id) is call:
            del self.calls[call.id]

    def _withdraw(self, call: Served) -> list[Effect]:
        call.open.clear()
        return []

    # -------------------------------------------------------------------------------------------- from the handler
    def asked(self, call: Served, question: Question, params: Model, slot: Any) -> tuple[str, list[Effect]]:
        """The handler needs the client. Returns the question's key and the effects.

        `slot` gets the outcome by an `Answer`. Raises, at the asker: `CapabilityMissing`, `AmbiguousQuestion`,
        `ReplayMismatch`, `CallEnding`.
        """
        if call.phase is not RUNNING:
            raise CallEnding(f"{call.method} {call.target!r} is {call.phase.value}: it can ask nothing more")
        ensure_declared(call.capabilities, question.method, params)
        step = call.journal.ask(question)
        if isinstance(step, Recorded):
            return step.key, [Answer(slot, recorded_answer(question.method, step.outcome))]
        return step.key, self._ask(call, step.key, question, params, slot)

    def _ask(self, call: Served, key: str, question: Question, params: Model, slot: Any) -> list[Effect]:
        raise NotImplementedError

    def gave_up(self, call: Served, key: str) -> list[Effect]:
        """The asker left without an answer."""
        raise NotImplementedError

    def quiet(self, call: Served, *, interrupted: bool = False) -> list[Effect]:
        """Every task of the call waits for the client, or (`interrupted`) had its time to ask with the others."""
        return []

    def finished(self, call: Served, outcome: Any) -> list[Effect]:
        """The handler ended with a result model or an exception. The first end of a call stands."""
        phase = call.phase
        if phase is ENDED:
            return []
        if phase is SUSPENDING:
            return self._suspended(call)
        self._forget(call)
        if not call.open and call._journal is None and not isinstance(outcome, Exception):  # noqa: SLF001 - most calls ask nothing
            return [Send(Response(call.id, outcome), call.id)]
        if not isinstance(outcome, RPCError):
            outcome = self._checked(call, outcome)
        reply = (
            refused(call.id, self._error(outcome))
            if isinstance(outcome, Exception)
            else Send(Response(call.id, outcome), call.id)
        )
        return [*self._withdraw(call), reply]

    def became(self, call: Served, result: Model) -> list[Effect]:
        """The call goes on as a task: its request is answered with that, and whoever runs it answers for the rest."""
        if call.phase is not RUNNING or call.open:
            return []
        self._forget(call)
        return [Send(Response(call.id, result), call.id)]

    def _checked(self, call: Served, outcome: Any) -> Any:
        """A run that ended well must have consumed all that was recorded for it."""
        if isinstance(outcome, Exception):
            return outcome
        try:
            call.finish()
        except HandlerError as error:
            return error
        return outcome

    def _suspended(self, call: Served) -> list[Effect]:
        """The handler has unwound for a replay."""
        raise NotImplementedError

    def _replay(self, call: Served) -> list[Effect]:
        call.phase = RUNNING
        call.journal.begin()
        return [Start(call)]

    def _error(self, error: Exception) -> RPCError:
        """What the peer reads of an exception that left a handler."""
        return as_rpc_error(error)

    def progressed(self, call: Served, progress: float, total: float | None, message: str | None) -> list[Effect]:
        """Report progress, when the client asked for it, it rises, and this is not a replay of what was reported."""
        if call.progress_token is None or call.phase is not RUNNING or call.replaying or not call.advances(progress):
            return []
        params = ProgressNotificationParams(
            progress_token=call.progress_token, progress=progress, total=total, message=message
        )
        return [Send(Notification("notifications/progress", params), call.id)]

    def logged(self, call: Served, level: str, content: Any, logger: str | None) -> list[Effect]:
        """Send a log message of this call, when the client wants that level."""
        if not self._wants(self._log_level(call), level) or call.phase is not RUNNING or call.replaying:
            return []
        params = LoggingMessageNotificationParams(level=cast("LoggingLevel", level), data=content, logger=logger)
        return [Send(Notification("notifications/message", params), call.id)]

    def _log_level(self, call: Served) -> str | None:
        return call.log_level

    @staticmethod
    def _wants(wanted: str | None, level: str) -> bool:
        """Is a message of this level to be sent? Raises `InvalidParams` for a level that is none."""
        if level not in LEVELS:
            raise InvalidParams(f"log level {level!r} is not one of {', '.join(LEVELS)}")
        return wanted is not None and LEVELS.index(level) >= LEVELS.index(wanted)

    # -------------------------------------------------------------------------------------------- from the host
    def announced(self, kind: str, uri: str | None) -> list[Effect]:
        """What is served changed: tell who asked to be told."""
        raise NotImplementedError

    def task_changed(self, task: Task) -> list[Effect]:
        """A task that this peer follows is not what it was: tell it."""
        raise NotImplementedError

    def task_needs(self, task: Task) -> list[Effect]:
        """A task of this peer has questions, and the peer hears what belongs to no request of its."""
        return []

    def task_progressed(self, task: Task, progress: float, total: float | None, message: str | None) -> list[Effect]:
        """A task of this peer reports how far it is."""
        return []

    def task_logged(self, task: Task, level: str, content: Any, logger: str | None) -> list[Effect]:
        """A task of this peer logs."""
        return []

    def closed(self, reason: str) -> list[Effect]:
        """The conversation is over: every handler ends, nothing is answered."""
        effects: list[Effect] = []
        for call in list(self.calls.values()):
            self._forget(call)
            call.open.clear()
            effects.append(Cancel(call, reason))
        return effects


def in_use(id: RequestId, by: str = "a request in flight") -> RPCError:
    """The refusal of a request whose id is that of another one."""
    return RPCError(INVALID_REQUEST, f"request id {id!r:.{SHOWN}} is already in use by {by}")


def as_rpc_error(error: Exception) -> RPCError:
    """What may be read of an exception that left a handler: its author's words, never a fault's."""
    if isinstance(error, RPCError):
        return error
    return RPCError(
        INTERNAL_ERROR, f"{type(error).__name__}: {error}" if isinstance(error, HandlerError) else "internal error"
    )


def recordable(outcome: Any) -> dict[str, Any]:
    """An outcome as a journal keeps it."""
    if isinstance(outcome, RPCError):
        return {"error": {"code": outcome.code, "message": outcome.message, "data": outcome.data}}
    return {"result": outcome}


def recorded_answer(method: str, outcome: Any) -> Any:
    """A journal's outcome as what the asker gets: a result model or an exception."""
    if "error" in outcome:
        return RPCError(**outcome["error"])
    result = outcome["result"]
    return result if isinstance(result, Model) else from_wire(ANSWERS[method], result)


def refused(id: RequestId, error: RPCError) -> Send:
    """The reply of a request that is not carried out."""
    return Send(ErrorResponse(id, error.code, error.message, error.data), id)


def target_of(params: Any) -> str:
    """The tool's or prompt's name, the resource's URI, or the task's kind; empty for other methods."""
    return getattr(params, "name", None) or getattr(params, "uri", None) or getattr(params, "kind", None) or ""


def changes(kind: str, uri: str | None) -> str:
    """The notification's method for a change."""
    return "notifications/resources/updated" if uri is not None else f"notifications/{kind}/list_changed"
