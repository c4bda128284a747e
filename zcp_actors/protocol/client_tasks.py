"""
The tasks of one server whose receiver we are: 2025-11-25, questions sent with `task`.

Owns the table of them, the `tasks/...` requests about them, and every race between an answer, a cancel, an expiry and
the session's end: a task ends once. Refuses to know clocks, chance and timers: times and names are given. What becomes
of a record is `protocol.tasks`; who answers a question is the host's, as for every other question.
The rule that keeps it honest: a table belongs to one session with one server, so no id of another can be found in it.

Such a task is never `input_required`. The specification has that word for "the receiver needs input from the
requestor", and its requestor is the server; that a person here is being asked is work, so the status is `working`.

Source: MCP 2025-11-25 basic/utilities/tasks, "Behavior Requirements", "Error Handling" and "Security Considerations".
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import struct
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.errors import INTERNAL_ERROR, InvalidParams, NotJSON, Overloaded, RPCError
from zcp_actors.protocol import stateful_tasks, tasks
from zcp_actors.protocol.effects import Effect, Pend, Send, Tracked, Withdraw
from zcp_actors.protocol.serving import recordable, refused
from zcp_actors.protocol.task_wishes import wished
from zcp_actors.wire import Response, plain, v2025_11_25
from zcp_actors.wire.model import replaced

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zcp_actors.protocol.asking import Incoming
    from zcp_actors.protocol.tasks import Task
    from zcp_actors.wire import Model, RequestId

MAX_TASKS = 1000
"""Tasks kept for one server, open or ended: as many as the questions that may wait for their turn by the default
policy."""

MAX_WAITING = 1000
"""`tasks/result` requests of one server that wait at once: one for every task that could be kept."""

LONGEST_TTL = 25 * 3600.0
"""Seconds a task is kept at most: a person may take a day to answer (`Policy.max_human_wait`), and the server an hour
to fetch what was answered. Also what a server gets that does not say."""

POLL_SECONDS = 1.0
"""How often the server is asked to poll. It is told of every change anyway, and waits in `tasks/result` if it likes."""

PAGE = 50
"""Tasks on one page of `tasks/list`: about 12 KiB."""

_CURSOR = struct.Struct(">I8s")
_CURSOR_LENGTH = 16


@attrs.define(eq=False)
class Row:
    """One task."""

    task: Task
    serial: int
    """Its place in the order of creation, from 1."""
    number: int
    """That of its question."""
    question: Incoming | None
    """None once it is answered or withdrawn: what was asked can be large, and a task is kept for a day."""
    fetched: bool = False
    """Its server has had its outcome."""


class ClientTasks:
    """The tasks that one server has given us."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.waiting: dict[RequestId, str] = {}
        """The `tasks/result` requests that wait, and for which task."""
        self._serials = itertools.count(1)
        self._salt = ""
        """The name of the first task: makes a cursor of another session's list one that cannot be read."""

    # -------------------------------------------------------------------------------------------- from the server
    def create(self, id: RequestId, question: Incoming, wish: Any, name: str, now: float) -> list[Effect]:
        """This question becomes a task of this name. `wish` is its `TaskMetadata`, `now` in seconds of the epoch.

        Raises `InvalidParams` for a `ttl` that is none, `Overloaded` when no task may be forgotten for it.
        """
        wanted = wished(wish, 0.0)
        forgotten = self._make_room()
        self._salt = self._salt or name
        task = tasks.Task(
            place=tasks.Place("", "", name),
            origin=tasks.Origin(method=question.method, target="", params={}, version=v2025_11_25.DIALECT.version),
            status=tasks.Status.WORKING,
            created=now,
            updated=now,
            ttl=LONGEST_TTL if wanted.ttl is None else min(wanted.ttl, LONGEST_TTL),
            poll=wanted.poll or POLL_SECONDS,
        )
        question.as_task = name
        self.rows[name] = Row(task, next(self._serials), question.number, question)
        reply = Send(Response(id, stateful_tasks.created(task)), id)
        return [*forgotten, reply, Tracked(question.number, None, task), Pend(question)]

    def _make_room(self) -> list[Effect]:
        """Where there is none: forget the oldest task that its server is done with, or has cancelled."""
        if len(self.rows) < MAX_TASKS:
            return []
        for name, row in self.rows.items():
            if row.task.ended and (row.fetched or row.task.outcome is None):
                return self._forget(name)
        raise Overloaded(f"{MAX_TASKS} tasks of this server are kept here; fetch results, or ask for shorter ttls")

    def serve(self, id: RequestId, method: str, params: Any, now: float) -> list[Effect]:
        """One of the four `tasks/...` requests. Raises `InvalidParams`, `Overloaded`."""
        if method == "tasks/list":
            return [Send(Response(id, self._page(params.cursor)), id)]
        row = self.rows.get(params.task_id)
        if row is None:
            raise InvalidParams(f"there is no task {params.task_id!r:.80}: it never was, or has expired")
        if method == "tasks/get":
            return [Send(Response(id, stateful_tasks.shown(row.task)), id)]
        return self._result(id, row) if method == "tasks/result" else self._cancel(id, row, params, now)

    def _result(self, id: RequestId, row: Row) -> list[Effect]:
        if row.task.ended:
            return [self._outcome(id, row)]
        if len(self.waiting) >= MAX_WAITING:
            raise Overloaded(f"{MAX_WAITING} tasks/result requests of this server already wait here; use tasks/get")
        self.waiting[id] = row.task.id
        return []

    def _cancel(self, id: RequestId, row: Row, params: Any, now: float) -> list[Effect]:
        ended, why = row.task.ended, params.extra.get("reason")
        effects: list[Effect] = []
        if not ended:
            reason = f"cancelled by the server: {why}" if isinstance(why, str) else "cancelled by the server"
            effects = [*self._withdrawn(row, reason), *self._move(row, tasks.cancel(row.task, reason, now))]
        return [*effects, Send(Response(id, stateful_tasks.cancelled(row.task, ended_before=ended)), id)]

    def stop_waiting(self, id: RequestId) -> None:
        """The server does not want the reply to this `tasks/result` any more. Its task goes on."""
        self.waiting.pop(id, None)

    # -------------------------------------------------------------------------------------------- from the host
    def answered(self, question: Incoming, outcome: Any, now: float) -> list[Effect]:
        """The pending request of a task ended with a result model or an exception. Too late is nothing."""
        row = self.rows.get(question.as_task)
        if row is None or row.question is None:
            return []
        row.question, question.open = None, False
        return self._move(row, tasks.finish(row.task, recorded(question.method, outcome), now))

    def expire(self, name: str) -> list[Effect]:
        """The time that this task is kept is over, whatever has become of it."""
        return self._forget(name) if name in self.rows else []

    def close(self, reason: str) -> list[Effect]:
        """The session is over, and nobody can ask for its tasks any more."""
        self.waiting.clear()
        return [effect for name in list(self.rows) for effect in self._forget(name, reason)]

    # -------------------------------------------------------------------------------------------- what follows
    def _move(self, row: Row, task: Task) -> list[Effect]:
        """It has ended: tell its server, first of the change, then who waits for the result."""
        old, row.task = row.task, task
        replies = [self._outcome(id, row) for id in self._released(task.id)]
        return [Tracked(row.number, old, task), Send(stateful_tasks.notice(task)), *replies]

    def _forget(self, name: str, reason: str = "its task has expired") -> list[Effect]:
        row = self.rows.pop(name)
        gone = InvalidParams("the task has expired: its result is not kept any longer")
        replies = [refused(id, gone) for id in self._released(name)]
        return [*self._withdrawn(row, reason), Tracked(row.number, row.task, None, reason), *replies]

    def _released(self, name: str) -> Iterable[RequestId]:
        ids = [id for id, task in self.waiting.items() if task == name]
        for id in ids:
            del self.waiting[id]
        return ids

    def _withdrawn(self, row: Row, reason: str) -> list[Effect]:
        question, row.question = row.question, None
        if question is None:
            return []
        question.open = False
        return [Withdraw(question, reason)]

    def _outcome(self, id: RequestId, row: Row) -> Effect:
        """The reply of `tasks/result`: what the question would have got, and whose result it is."""
        row.fetched = True
        try:
            result = stateful_tasks.payload(row.task)
        except RPCError as error:
            return refused(id, error)
        # A copy: a server in this process gets the very object, and may fetch it again.
        return Send(Response(id, replaced(result, extra=plain(result.extra))), id)

    # -------------------------------------------------------------------------------------------- the list
    def _page(self, cursor: str | None) -> Model:
        start = 0 if cursor is None else self._position(cursor)
        after = (row for row in self.rows.values() if row.serial > start)
        rows = list(itertools.islice(after, PAGE + 1))
        more = self._cursor(rows[PAGE - 1].serial) if len(rows) > PAGE else None
        return stateful_tasks.listed([row.task for row in rows[:PAGE]], more)

    def _cursor(self, serial: int) -> str:
        mark = hashlib.blake2b(f"{serial}\0{self._salt}".encode(), digest_size=8, person=b"zcp.tasks").digest()
        return base64.urlsafe_b64encode(_CURSOR.pack(serial, mark)).decode("ascii")

    def _position(self, cursor: str) -> int:
        """The serial that this cursor comes after; what stood there may have expired meanwhile."""
        if len(cursor) == _CURSOR_LENGTH and cursor.isascii():
            # Decoders forgive foreign characters and stray bits; a cursor is exactly what was given.
            raw = base64.urlsafe_b64decode(cursor.translate(_FOREIGN))
            serial = int(_CURSOR.unpack(raw)[0])
            if self._cursor(serial) == cursor:
                return serial
        raise InvalidParams("invalid cursor: it is not one that was given here; list again from the start, without one")


_FOREIGN = {code: "A" for code in range(128) if not (chr(code).isalnum() or chr(code) in "-_")}


def recorded(method: str, outcome: Any) -> dict[str, Any]:
    """How a pending request ended, as a task keeps it: plain JSON, so that nobody else holds any part of it."""
    if isinstance(outcome, Exception) and not isinstance(outcome, RPCError):
        outcome = RPCError(INTERNAL_ERROR, f"the client could not answer {method}")
    try:
        if isinstance(outcome, RPCError):
            return {"error": plain(recordable(outcome)["error"], "error")}
        return {"result": plain(v2025_11_25.DIALECT.to_wire(outcome), "result")}
    except NotJSON as error:
        text = f"the client's answer to {method} cannot be written: {error}"
        return recordable(RPCError(INTERNAL_ERROR, text))
