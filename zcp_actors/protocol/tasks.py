"""
A task: what is known of work that outlives its request, and what may become of it.

Owns the record and every change of it: `queued → working ⇄ input_required → completed | failed | cancelled`. A change
is a function from a record to a record; one that comes too late gives back the very record it got, so a terminal status
stands whoever comes second. Refuses to know clocks, stores, handlers and wires: `now` is given, the two generations of
the wire project this record (`stateful_tasks`, `stateless_tasks`).
Sources: MCP 2025-11-25 basic/utilities/tasks; SEP-2663 (tasks extension).
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal, NamedTuple

import attrs

from zcp_actors.wire.model import replaced

OnRestart = Literal["resume", "fail"]


class Status(Enum):
    """Where a task is in its life."""

    QUEUED = "queued"
    """It waits for capacity; the two wires say `working`."""
    WORKING = "working"
    INPUT_REQUIRED = "input_required"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


MAX_MESSAGE = 1000
"""Characters of a status message: a line or two. A whole report is a result."""

TERMINAL = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
"""A tuple: to find a status by what it is costs less than to hash it."""


class Place(NamedTuple):
    """What names a task. The principal is part of the name, so another one's task is simply not there."""

    app: str
    principal: str
    id: str


@attrs.frozen
class Lease:
    """The right to run a task and to write what comes of it, until it lapses."""

    place: Place
    owner: str
    """Who holds it: one service of one process."""
    fence: int
    """Above that of every earlier lease of the task, so that a store can tell a late writer from the holder."""


@attrs.frozen(kw_only=True)
class TaskPolicy:
    """What an app says of running one of its tools, or kinds, as a task."""

    support: Literal["forbidden", "optional", "required"] = "forbidden"
    after: float | None = None
    """Where the server decides: seconds after which a call that runs becomes a task; 0 at once, None never by itself.
    Whoever asks for a task gets one at once."""
    on_restart: OnRestart = "resume"
    ttl: float | None = None
    """Seconds a task is kept when its requestor does not say; None takes the service's."""


@attrs.frozen(kw_only=True)
class Origin:
    """The request that made the task: all that is needed to run its handler again, as plain JSON of the wire."""

    method: str
    """ "tools/call" or "tasks/create"."""
    target: str
    """The tool's name, or the kind."""
    params: dict[str, Any]
    version: str
    """The protocol revision that it was asked in."""
    capabilities: dict[str, Any] | None = None
    client_info: dict[str, Any] | None = None
    log_level: str | None = None

    @property
    def progress_token(self) -> int | str | None:
        """The token that progress of the task is reported under, if the requestor gave one."""
        token: int | str | None = (self.params.get("_meta") or {}).get("progressToken")
        return token


@attrs.frozen(kw_only=True)
class OpenQuestion:
    """A question of the task that has no answer yet, as plain JSON of the wire."""

    method: str
    params: dict[str, Any]


@attrs.frozen(kw_only=True)
class Task:
    """One task. Times are seconds of the epoch by its store's clock."""

    place: Place
    origin: Origin
    status: Status
    created: float
    updated: float
    ttl: float | None
    """Seconds from creation after which it is forgotten, whatever its status; None is for ever."""
    poll: float
    """Seconds that a requestor should let pass between two polls."""
    on_restart: OnRestart = "resume"
    message: str | None = None
    questions: dict[str, OpenQuestion] = attrs.Factory(dict)
    """Asked and not answered, by key, in the order they were asked."""
    answers: dict[str, dict[str, Any]] = attrs.Factory(dict)
    """Answered (`{"result"}` or `{"error"}`), and not yet taken by the run that asked."""
    outcome: dict[str, Any] | None = None
    """How it ended: `{"result": ...}` or `{"error": {"code", "message", "data"}}`, plain JSON. None when cancelled."""
    revision: int = 0
    """That of the stored record this one was made from; a store takes a change of its newest record only."""

    @property
    def id(self) -> str:
        """What peers know it by."""
        return self.place.id

    @property
    def ended(self) -> bool:
        """Its status is terminal, and stands."""
        return self.status in TERMINAL

    @property
    def expires(self) -> float | None:
        """When it is forgotten."""
        return None if self.ttl is None else self.created + self.ttl

    @property
    def reports_error(self) -> bool:
        """It completed with a tool's own failure: `failed` to the older generation, `completed` to the newer."""
        result = (self.outcome or {}).get("result")
        return isinstance(result, dict) and bool(result.get("isError"))


def stored(task: Task) -> Task:
    """The record as a store has it that took this one."""
    return replaced(task, revision=task.revision + 1)


def begin(task: Task, now: float) -> Task:
    """There is capacity for it: it works."""
    return _moved(task, now, status=Status.WORKING) if task.status is Status.QUEUED else task


def ask(task: Task, key: str, question: OpenQuestion, now: float) -> Task:
    """Its run needs an answer under this key. A key that is open, or answered, stays as it is."""
    if task.ended or key in task.questions or key in task.answers:
        return task
    return _with_questions(task, now, {**task.questions, key: question}, task.answers)


def answer(task: Task, key: str, outcome: dict[str, Any], now: float) -> Task:
    """Somebody answered. Unknown, answered and superseded keys change nothing: the first answer stands."""
    if task.ended or key not in task.questions:
        return task
    return _with_questions(task, now, _without(task.questions, key), {**task.answers, key: outcome})


def take(task: Task, key: str) -> Task:
    """The run has the answer, and its journal too: the record needs it no longer."""
    return replaced(task, answers=_without(task.answers, key)) if key in task.answers else task


def withdraw(task: Task, key: str, now: float) -> Task:
    """The run stopped waiting for this answer."""
    if task.ended or key not in task.questions:
        return task
    return _with_questions(task, now, _without(task.questions, key), task.answers)


def report(task: Task, message: str | None, now: float) -> Task:
    """Its run says what it is doing."""
    return task if task.ended or task.message == _cut(message) else _moved(task, now, message=message)


def finish(task: Task, outcome: dict[str, Any], now: float, message: str | None = None) -> Task:
    """Its run ended with a result or an error. `message` replaces what was last reported, where there is one."""
    if task.ended:
        return task
    error = outcome.get("error")
    status = Status.COMPLETED if error is None else Status.FAILED
    said = message or (error or {}).get("message") or task.message
    return _moved(task, now, status=status, outcome=outcome, message=said, questions={}, answers={})


def cancel(task: Task, reason: str, now: float) -> Task:
    """Somebody with the right to do so wants it no more."""
    if task.ended:
        return task
    return _moved(task, now, status=Status.CANCELLED, message=reason, questions={}, answers={})


def merge(mine: Task, theirs: Task) -> Task:
    """Our change came second: make it again on what others wrote meanwhile.

    Others only ever answer and cancel: a terminal record of theirs stands, an answer of theirs is an answer.
    """
    if theirs.ended:
        return theirs
    merged = replaced(mine, revision=theirs.revision)
    for key, outcome in theirs.answers.items():
        merged = answer(merged, key, outcome, theirs.updated)
    return merged


def _with_questions(
    task: Task, now: float, questions: dict[str, OpenQuestion], answers: dict[str, dict[str, Any]]
) -> Task:
    status = Status.INPUT_REQUIRED if questions else Status.WORKING
    return _moved(task, now, status=status, questions=questions, answers=answers)


def _moved(task: Task, now: float, **changes: Any) -> Task:
    if "message" in changes:
        changes["message"] = _cut(changes["message"])
    return replaced(task, updated=max(now, task.updated), **changes)


def _cut(message: str | None) -> str | None:
    """A status message, cut to what may be one, whoever wrote it."""
    return message if message is None or len(message) <= MAX_MESSAGE else f"{message[: MAX_MESSAGE - 1]}…"


def _without(entries: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in entries.items() if name != key}
