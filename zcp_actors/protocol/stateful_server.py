"""
The serving side of a 2025-11-25 session: handshake, then calls; a question to the client is a request of our own.

Owns the handshake's order, the log level, the subscriptions and the questions in flight, indexed both ways.
Source: MCP 2025-11-25 basic/lifecycle, basic/utilities/cancellation, server/utilities/logging, server/resources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs

from zcp_actors.errors import INVALID_REQUEST, InvalidParams, InvalidResult, MethodNotFound, Overloaded, RPCError
from zcp_actors.protocol import stateful_tasks
from zcp_actors.protocol.effects import Answer, Cancel, Effect, Send, Start, Suspend
from zcp_actors.protocol.serving import LEVELS, MAX_SUBSCRIPTIONS, Asker, Phase, Served, Server, changes, recordable
from zcp_actors.wire import (
    CancelledNotificationParams,
    EmptyResult,
    ErrorResponse,
    InitializeResult,
    LoggingMessageNotificationParams,
    Notification,
    Request,
    ResourceUpdatedNotificationParams,
    Response,
    v2025_11_25,
)
from zcp_actors.wire.meta_keys import STATEFUL_VERSIONS

if TYPE_CHECKING:
    from zcp_actors.protocol.questions import Question
    from zcp_actors.protocol.serving import Profile
    from zcp_actors.protocol.tasks import Task
    from zcp_actors.wire import LoggingLevel, Model, RequestId

TASK_ERRAND = "tasks/errand"
"""Not a method of the wire: what asks a client the questions of a task without a request that waits for it."""

DEFAULT_LOG_LEVEL = "info"
"""Until the client sets one, the server decides (server/utilities/logging): everything but debugging."""

NOBODY = Asker(None, None, "")
"""Who asks before the handshake."""


@attrs.frozen
class Asked:
    """A question in flight: which call asked it, under which key, and who waits."""

    call: Served
    key: str
    method: str
    slot: Any


class StatefulServer(Server):
    """One session with one client, from `initialize` to the end of the connection."""

    dialect = v2025_11_25.DIALECT
    tasks = stateful_tasks

    def __init__(self, profile: Profile, **options: Any) -> None:
        super().__init__(profile, **options)
        self.version = ""
        self._asker = NOBODY
        self.log_level = DEFAULT_LOG_LEVEL
        self.subscriptions: dict[str, None] = {}
        self.questions: dict[RequestId, Asked] = {}
        self.errands: dict[Served, None] = {}
        """What asks the client without a request of its own: questions of tasks that nobody waits for here."""
        self._asked = 0

    # -------------------------------------------------------------------------------------------- from the peer
    def _request(self, request: Request) -> list[Effect]:
        method = request.method
        if method == "ping":
            return self._done(request)
        if not self.version and method != "initialize":
            raise RPCError(INVALID_REQUEST, f"{method} came before initialize: this session is not initialized")
        params = self.dialect.request_params(method, request.params, sender="client")
        own = self._OWN.get(method)
        if own is not None:
            return own(self, request, params)
        return [Start(self._admit(request, params, self._asker))]

    def _initialize(self, request: Request, params: Any) -> list[Effect]:
        if self.version:
            raise RPCError(INVALID_REQUEST, "this session is already initialized")
        asked = params.protocol_version
        self.version = asked if asked in STATEFUL_VERSIONS else self.dialect.version
        self._asker = Asker(params.capabilities, params.client_info, self.version)
        self.agreed = True
        result = InitializeResult(
            protocol_version=self.version,
            capabilities=self.profile.capabilities(),
            server_info=self.profile.implementation(),
            instructions=self.profile.instructions,
        )
        return [Send(Response(request.id, result), request.id)]

    def _set_level(self, request: Request, params: Any) -> list[Effect]:
        if params.level not in LEVELS:
            raise InvalidParams(f"params.level must be one of {', '.join(LEVELS)}, not {params.level!r}")
        self.log_level = params.level
        return self._done(request)

    def _subscribe(self, request: Request, params: Any) -> list[Effect]:
        if self.profile.capabilities().resources is None:
            raise MethodNotFound(request.method)
        if len(self.subscriptions) >= MAX_SUBSCRIPTIONS and params.uri not in self.subscriptions:
            raise Overloaded(f"this session already subscribes to {MAX_SUBSCRIPTIONS} resources; unsubscribe from some")
        self.subscriptions[params.uri] = None
        return self._done(request)

    def _unsubscribe(self, request: Request, params: Any) -> list[Effect]:
        self.subscriptions.pop(params.uri, None)
        return self._done(request)

    def _done(self, request: Request) -> list[Effect]:
        return [Send(Response(request.id, EmptyResult()), request.id)]

    _OWN = {  # noqa: RUF012 - a table of unbound methods, never changed
        "initialize": _initialize,
        "logging/setLevel": _set_level,
        "resources/subscribe": _subscribe,
        "resources/unsubscribe": _unsubscribe,
    }

    def _reply(self, reply: Response | ErrorResponse) -> list[Effect]:
        asked = self.questions.pop(reply.id, None) if reply.id is not None else None
        if asked is None:
            return []
        call = asked.call
        del call.open[asked.key]
        outcome = self._outcome(asked.method, reply)
        call.journal.answered(asked.key, recordable(outcome))
        if not self.always_replay or call in self.errands or call.method == "tasks/result":
            return [Answer(asked.slot, outcome)]  # a task's question: it is the task that is replayed
        if call.phase is Phase.SUSPENDING:
            return []
        call.phase = Phase.SUSPENDING
        return [Suspend(call)]

    def garbled(self, id: RequestId, error: RPCError) -> list[Effect]:
        return self._reply(ErrorResponse(id, error.code, f"the client's answer cannot be read: {error.message}"))

    def unsendable(self, id: RequestId, error: RPCError) -> list[Effect]:
        return self._reply(ErrorResponse(id, error.code, error.message))

    def _outcome(self, method: str, reply: Response | ErrorResponse) -> Any:
        if type(reply) is Response:
            try:
                return self.dialect.result(method, reply.result, sender="server")
            except InvalidResult as error:
                return RPCError(INVALID_REQUEST, f"the client's answer cannot be used: {error}")
        return RPCError(reply.code, reply.message, reply.data)  # type: ignore[union-attr]

    # -------------------------------------------------------------------------------------------- from the handler
    def _ask(self, call: Served, key: str, question: Question, params: Model, slot: Any) -> list[Effect]:
        if key in call.open:
            # A replay asks again what is still in flight: it waits for that answer.
            self.questions[call.open[key]] = Asked(call, key, question.method, slot)
            return []
        self._asked = id = self._asked + 1
        self.questions[id] = Asked(call, key, question.method, slot)
        call.open[key] = id
        return [Send(Request(id, question.method, params), self.stream_of(call))]

    def gave_up(self, call: Served, key: str) -> list[Effect]:
        if call.phase is not Phase.RUNNING or key not in call.open:
            return []
        id = call.open.pop(key)
        call.journal.gave_up(key)
        return [self._withdrawal(id, call, "the handler stopped waiting for the answer")]

    def _withdraw(self, call: Served) -> list[Effect]:
        ids, call.open = list(call.open.values()), {}
        return [self._withdrawal(id, call, "the request that asked has ended") for id in ids]

    def _withdrawal(self, id: RequestId, call: Served, reason: str) -> Effect:
        del self.questions[id]
        params = CancelledNotificationParams(request_id=id, reason=reason)
        return Send(Notification("notifications/cancelled", params), self.stream_of(call))

    def _suspended(self, call: Served) -> list[Effect]:
        return self._replay(call)

    def _log_level(self, call: Served) -> str | None:
        return self.log_level

    # -------------------------------------------------------------------------------------------- tasks
    def task_needs(self, task: Task) -> list[Effect]:
        self._served += 1
        call = Served(
            self._served,
            "",
            TASK_ERRAND,
            v2025_11_25.GetTaskPayloadRequestParams(task_id=task.id),
            capabilities=self._asker.capabilities,
            client_info=self._asker.client_info,
            version=self.version,
        )
        self.errands[call] = None
        return [Start(call)]

    def finished(self, call: Served, outcome: Any) -> list[Effect]:
        if call not in self.errands:
            return super().finished(call, outcome)
        if call.phase is Phase.SUSPENDING:
            return self._suspended(call)
        call.phase = Phase.ENDED
        effects = self._withdraw(call)
        del self.errands[call]
        return effects

    def stream_of(self, call: Served) -> RequestId | None:
        return None if call in self.errands else call.id

    def task_changed(self, task: Task) -> list[Effect]:
        return [Send(stateful_tasks.notice(task))]

    def task_progressed(self, task: Task, progress: float, total: float | None, message: str | None) -> list[Effect]:
        token = task.origin.progress_token
        if token is None:
            return []
        return [Send(stateful_tasks.progress(task, token, progress, total, message))]

    def task_logged(self, task: Task, level: str, content: Any, logger: str | None) -> list[Effect]:
        if not self._wants(self.log_level, level):
            return []
        params = LoggingMessageNotificationParams(
            level=cast("LoggingLevel", level), data=content, logger=logger, meta=stateful_tasks.related(task.id)
        )
        return [Send(Notification("notifications/message", params))]

    # -------------------------------------------------------------------------------------------- from the host
    def announced(self, kind: str, uri: str | None) -> list[Effect]:
        if not self.version or (uri is not None and uri not in self.subscriptions):
            return []
        params = ResourceUpdatedNotificationParams(uri=uri) if uri is not None else None
        return [Send(Notification(changes(kind, uri), params))]

    def closed(self, reason: str) -> list[Effect]:
        self.questions.clear()
        errands, self.errands = self.errands, {}
        for call in errands:
            call.phase = Phase.ENDED
            call.open.clear()
        return [*(Cancel(call, reason) for call in errands), *super().closed(reason)]
