"""
The asking side of a 2025-11-25 session: requests out, and the server's own requests in.

Owns the server's questions in flight, so that each is answered once, or withdrawn and then not answered at all. A
question sent as a task is answered at once by the task, which is `client_tasks`' from then on.
Source: MCP 2025-11-25 basic/lifecycle, basic/utilities/cancellation, ping and tasks, client/*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcp_actors.errors import (
    INTERNAL_ERROR,
    InvalidResult,
    MethodNotFound,
    Overloaded,
    RPCError,
    ZCPError,
)
from zcp_actors.protocol.asking import Client, Incoming, Sent
from zcp_actors.protocol.capabilities import refusal, runs_as_task, serves_tasks
from zcp_actors.protocol.client_tasks import ClientTasks
from zcp_actors.protocol.effects import Effect, Entrust, Pend, Send
from zcp_actors.protocol.serving import in_use, refused
from zcp_actors.wire import EmptyResult, InitializeRequestParams, Notification, Request, Response, v2025_11_25
from zcp_actors.wire.meta_keys import RELATED_TASK
from zcp_actors.wire.model import replaced

if TYPE_CHECKING:
    from zcp_actors.wire import Model, RequestId

MAX_REPORTING = 4096
"""Tasks whose progress is heard; as many as a session follows. Of more, the oldest report to nobody."""

MAX_QUESTIONS = 4096
"""Questions one server may have open here. Far above what people or models answer; policy sets the real limit."""


class StatefulClient(Client):
    """One session with one server."""

    dialect = v2025_11_25.DIALECT

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.questions: dict[RequestId, Incoming] = {}
        self._tasks: ClientTasks | None = None
        self._reporting: dict[RequestId, Sent] = {}
        """By token: requests that have become tasks of the server, which report progress until they end."""
        self._reporter: dict[str, RequestId] = {}

    @property
    def tasks(self) -> ClientTasks:
        """Those of which we are the receiver. Most servers never make one."""
        if self._tasks is None:
            self._tasks = ClientTasks()
        return self._tasks

    def handshake(self) -> InitializeRequestParams:
        """What `initialize` says of us."""
        return InitializeRequestParams(
            protocol_version=self.dialect.version, capabilities=self.capabilities, client_info=self.me
        )

    def initialized(self) -> list[Effect]:
        """The handshake is done: say so."""
        return [Send(Notification("notifications/initialized"))]

    def _stamp(self, meta: dict[str, Any], token: RequestId) -> None:
        meta["progressToken"] = token

    def _stamped(self, sent: Sent, **changes: Any) -> Model:
        return sent.params if sent.method == "initialize" else super()._stamped(sent, **changes)

    # -------------------------------------------------------------------------------------------- tasks of the server
    def _resulted(self, sent: Sent, result: Any) -> list[Effect]:
        if isinstance(result, v2025_11_25.CreateTaskResult):
            if getattr(sent.params, "task", None) is None and sent.method != "tasks/create":
                return self._settle(sent, InvalidResult(f"{sent.method}: the server made a task that nobody asked for"))
            self._keep_hearing(sent, result.task.task_id)
        return self._settle(sent, result)

    def _keep_hearing(self, sent: Sent, task: str) -> None:
        """The token of a request stays in use until its task has ended. Source: tasks, "Task Progress"."""
        self.task_ended(task)
        if len(self._reporter) >= MAX_REPORTING:
            self.task_ended(next(iter(self._reporter)))
        self._reporting[sent.token], self._reporter[task] = sent, sent.token

    def _reports(self, token: RequestId) -> Sent | None:
        return self._reporting.get(token)

    def task_ended(self, id: str) -> None:
        """Its progress is over."""
        token = self._reporter.pop(id, None)
        if token is not None:
            self._reporting.pop(token, None)

    def _take_back(self, sent: Sent, id: RequestId, reason: str) -> list[Effect]:
        if getattr(sent.params, "task", None) is None:
            return super()._take_back(sent, id, reason)
        # What may be a task already must be ended as one: when its name comes. Source: tasks, "Task Cancellation".
        self._give_up(sent, id)
        return []

    # -------------------------------------------------------------------------------------------- the server asks
    def _cancelled(self, params: Any) -> list[Effect]:
        question = self.questions.pop(params.request_id, None)
        if question is None:
            if self._tasks is not None:
                self._tasks.stop_waiting(params.request_id)
            return []
        return [self._withdrawn(question, f"withdrawn by the server: {params.reason or 'no reason given'}")]

    def _asked(self, request: Request) -> list[Effect]:
        if request.method == "ping":
            return [Send(Response(request.id, EmptyResult()), request.id)]
        try:
            return self._read(request)
        except RPCError as error:
            return [refused(request.id, error)]

    def garbled_request(self, id: RequestId, error: RPCError) -> list[Effect]:
        return [refused(id, error)]

    def _read(self, request: Request) -> list[Effect]:
        of_tasks = request.method.startswith("tasks/")
        if of_tasks and not serves_tasks(self.capabilities, request.method):
            raise MethodNotFound(request.method)
        params: Any = self.dialect.request_params(request.method, request.params, sender="server")
        refuse = None if of_tasks else refusal(self.capabilities, request.method, params)
        if refuse is not None:
            raise refuse
        if request.id in self.questions or (self._tasks is not None and request.id in self._tasks.waiting):
            raise in_use(request.id)
        wish = getattr(params, "task", None)
        if of_tasks or (wish is not None and runs_as_task(self.capabilities, request.method)):
            return [Entrust(request, params)]
        return [Pend(self._question(request, params if wish is None else replaced(params, task=None)))]

    def _question(self, request: Request, params: Any) -> Incoming:
        if len(self.questions) >= MAX_QUESTIONS:
            raise Overloaded(f"{MAX_QUESTIONS} requests of this server are already open")
        question = Incoming(self._number(), request.method, params, id=request.id)
        self.questions[request.id] = question
        return question

    def entrusted(self, entrust: Entrust, name: str, now: float) -> list[Effect]:
        """The host gives what `Entrust` needs: a name that nobody can guess, and the time in seconds of the epoch."""
        request, params = entrust.request, entrust.params
        try:
            if request.method.startswith("tasks/"):
                return self.tasks.serve(request.id, request.method, params, now)
            # Providers are asked the same, however the answer travels.
            question = Incoming(self._number(), request.method, replaced(params, task=None))
            return self.tasks.create(request.id, question, params.task, name, now)
        except RPCError as error:
            return [refused(request.id, error)]

    def answered(self, question: Incoming, outcome: Any) -> list[Effect]:
        if not question.open or question.id is None:
            return []
        question.open = False
        self.questions.pop(question.id, None)
        if isinstance(outcome, RPCError):
            return [refused(question.id, outcome)]
        if isinstance(outcome, Exception):
            return [refused(question.id, RPCError(INTERNAL_ERROR, f"the client could not answer {question.method}"))]
        return [Send(Response(question.id, _about_the_same(question, outcome)), question.id)]

    def roots_changed(self) -> list[Effect]:
        """Tell the server that `roots/list` would now answer something else."""
        return [Send(Notification("notifications/roots/list_changed"))]

    def renewed(self) -> list[Effect]:
        """The server began another session over the same connection: questions and tasks of the old one are void."""
        return self._withdraw_all("the server has forgotten the session in which it asked")

    def lost(self, error: ZCPError, *, final: bool) -> list[Effect]:
        return [*self._withdraw_all("the connection to the server ended"), *super().lost(error, final=final)]

    def _withdraw_all(self, reason: str) -> list[Effect]:
        questions, self.questions = self.questions, {}
        withdrawn = [self._withdrawn(question, reason) for question in questions.values()]
        return withdrawn if self._tasks is None else [*withdrawn, *self._tasks.close(reason)]


def _about_the_same(question: Incoming, answer: Any) -> Any:
    """An answer to a question that the server asks within a task of its own: it names that task, too.

    Source: basic/utilities/tasks, "Associating Task-Related Messages".
    """
    related = (getattr(question.params, "meta", None) or {}).get(RELATED_TASK)
    if related is None:
        return answer
    return replaced(answer, meta={**(answer.meta or {}), RELATED_TASK: related})
