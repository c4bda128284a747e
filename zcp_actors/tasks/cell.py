"""
One task, in the process that runs it: its record, its handler's run, and the way of both into the store.

Owns every change of the record while it holds the lease, each decided in one synchronous step, and the order in which
changes are stored. Refuses to know requests and peers: the service has those. The rule that keeps it honest: what was
decided here is a proposal until the store took it; whoever is told anything is told after that, and where somebody
else's change came first, theirs stands (`protocol.tasks.merge`).
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.actors import Cell, Reply, settle
from zcp_actors.errors import CallEnding, ConnectionLost, HandlerError, NotJSON, Overloaded, TooManyChildren
from zcp_actors.protocol import tasks
from zcp_actors.protocol.capabilities import ensure_declared
from zcp_actors.protocol.journal import Recorded
from zcp_actors.protocol.serving import as_rpc_error, recorded_answer
from zcp_actors.protocol.task_wishes import first_text
from zcp_actors.protocol.tasks import OpenQuestion
from zcp_actors.sessions.call import Call
from zcp_actors.sessions.context import Context
from zcp_actors.tasks.context import TaskContext
from zcp_actors.tasks.once import TaskOnce
from zcp_actors.tasks.task_spans import TaskSpans
from zcp_actors.tasks.writes import Rereading, Write
from zcp_actors.wire import to_wire
from zcp_actors.wire.model import replaced

if TYPE_CHECKING:
    from zcp_actors.actors import Timer
    from zcp_actors.protocol.questions import Question
    from zcp_actors.protocol.serving import Served
    from zcp_actors.protocol.tasks import Lease, Place, Task
    from zcp_actors.tasks.service import TaskService
    from zcp_actors.wire import Model

log = logging.getLogger("zcp_actors.tasks")

RETRY_SECONDS = 1.0
"""Between two attempts to write what a store could not take: a full disk is not emptied faster."""

LAPSED = "the lease of this task was not renewed in time"


class TaskCell(Cell[Any]):
    """A task at work. It hosts its handler's call: see `sessions.call_host.CallHost`."""

    def __init__(self, service: TaskService, task: Task, lease: Lease, served: Served) -> None:
        super().__init__()
        self.service, self.app, self.principal = service, service.app, task.place.principal
        self.place: Place = task.place
        self.task = task
        """As decided here."""
        self.saved = task
        """As the store has it: what others may be told."""
        self.lease, self.served = lease, served
        self.call: Call | None = None
        self.cancelled = False
        """Nobody wants the result: it was cancelled, has expired, or is run elsewhere."""
        self.once_store: Any = TaskOnce(self)
        self._slots: dict[str, tuple[str, Reply[Any]]] = {}
        self._leaving = self._dirty = self._composing = False
        self._flight: Write | None = None
        """What the store is writing."""
        self._next = Write(task)
        self._expiry: Timer | None = None
        self._retry: Timer | None = None
        self._spans: TaskSpans | None = None

    def describe(self) -> str:
        """What an observer reads; no contents."""
        origin = self.task.origin
        return f"{origin.method} {origin.target} · {self.task.status.value}"

    def receive(self, message: Any) -> None:
        """Nothing is told to a task: its service calls it."""

    def followed(self, **facts: Any) -> None:
        """It has its place: let a recorder follow it."""
        recorder = self.runtime.recorder
        if recorder.enabled:
            self.service.moved(self.me.path, self.task, "", **facts)
            self._spans = TaskSpans(recorder, self.me.path, self.task)

    # -------------------------------------------------------------------------------------------- its time
    def watch_expiry(self) -> None:
        """See to it that it is removed from the store when its time is over; then it is `gone`."""
        if self.task.expires is not None:
            delay = max(self.task.expires - self.service.store.now(), 0.0)
            self._expiry = self.runtime.timers.after(delay, self._expired)

    def _expired(self) -> None:
        expires = self.task.expires
        if expires is None or self.service.store.now() < expires:
            self.watch_expiry()  # a clock of the epoch may be set back
        else:
            self.service.forget_expired()

    # -------------------------------------------------------------------------------------------- its run
    def begin(self) -> None:
        """There is room for it: run the handler, unless it was cancelled while it waited."""
        if self.task.ended or self._leaving:
            return
        self._change(tasks.begin(self.task, self.service.store.now()))
        self._run()

    def _run(self) -> None:
        call = Call(self, None, self.served)  # type: ignore[arg-type]  # a task's questions are its own affair
        call.task = TaskContext(self, Context(call))
        self.call = call
        recorder = self.runtime.recorder
        followed = recorder.following("task", self.me.path) if recorder.enabled else None
        try:
            self.runtime.workers.submit(call, self, None if followed is None else followed.within(self.runtime.context))
        except TooManyChildren as error:
            self.call = None
            self._conclude(Overloaded(str(error)))

    def take_over(self, call: Call) -> None:
        """The call goes on here; its request has been answered."""
        self.call = call
        call.move(self, self.served, TaskContext(self, Context(call)))
        followed = self.runtime.recorder.following("task", self.me.path)
        if followed is not None:
            call.belongs_to(followed)

    async def handle(self, context: Any, method: str, params: Any) -> Any:
        """See `CallHost.handle`."""
        return await self.app.handle(context, method, params)

    def call_ended(self, call: Call, outcome: Any) -> None:
        """See `CallHost.call_ended`."""
        self.call = None
        if self.me.status != "running" or self._leaving:
            self._over()
        elif call.suspending and not self.task.ended:
            self.served.journal.begin()
            self._run()
        else:
            self._conclude(outcome)

    def _conclude(self, outcome: Any) -> None:
        kept, message = self._kept(outcome)
        self._slots.clear()
        self._change(tasks.finish(self.task, kept, self.service.store.now(), message))
        self._over()

    def _kept(self, outcome: Any) -> tuple[dict[str, Any], str | None]:
        """An outcome as the record has it, and what a person reads of it."""
        try:
            if not isinstance(outcome, Exception):
                self.served.finish()
                raw = to_wire(outcome)
                return {"result": raw}, first_text(raw) if raw.get("isError") else None
        except (HandlerError, NotJSON) as fault:
            outcome = fault
        error = as_rpc_error(outcome)
        kept = {"code": error.code, "message": error.message}
        try:
            return {"error": {**kept, "data": to_wire(error.data)}}, None
        except NotJSON:
            return {"error": {**kept, "data": None}}, None

    def _over(self) -> None:
        """End when nothing is left: no run, no job, and nothing that the store does not have."""
        if self._jobs or self.call is not None or self._flight is not None:
            return  # a run that ended is a job until it is released: to stop now would be to cancel it
        if self._leaving or self.saved.ended:
            self.service.ended(self)
            self.stop()

    def _emptied(self) -> None:
        super()._emptied()
        if self.me.status == "running":
            self._over()

    # -------------------------------------------------------------------------------------------- ends from outside
    def cancel(self, reason: str, by: str) -> bool:
        """Nobody wants it any more. False when it has ended; the change, if any, is stored when `settled` returns."""
        cancelled = tasks.cancel(self.task, reason, self.service.store.now())
        if cancelled is self.task or self._leaving:
            return False
        self._abort(reason)
        self._change(cancelled, by=by, reason=reason)
        self._over()
        return True

    def gone(self, reason: str) -> None:
        """It is not in the store any more."""
        self._leave(reason)

    def lost(self, reason: str = "another process has taken this task over") -> None:
        """Its lease is gone: nothing that comes of this run may be written, or done."""
        if not self._leaving:
            log.warning("%s: %s", self.me.path, reason)
            self.service.strays.add(self.lease)
            self._leave(reason)

    def _leave(self, reason: str) -> None:
        if self._leaving:
            return
        self._leaving = True
        self._abort(reason)
        self._void()
        self._over()

    @property
    def leaving(self) -> bool:
        """It is not run here any more, though its handler may still unwind: the store knows what it is."""
        return self._leaving

    def _abort(self, reason: str) -> None:
        self.cancelled = True
        if self.call is not None:
            self.call.abort(reason)

    def ensure_held(self) -> None:
        """Raises `CallEnding`, and ends the run, when this process may not act for the task any more."""
        if not self._leaving and self.service.held_until <= self.service.store.now():
            self.lost(LAPSED)
        if self.cancelled or self.me.status != "running":  # the cancel of its run may not have come through yet
            raise CallEnding("this task was cancelled, or is not run here any more")

    def on_stop(self, exit: Any) -> None:
        """Whatever ended it, its service lets go of it."""
        for timer in (self._expiry, self._retry):
            if timer is not None:
                timer.disarm()
        self._void()
        if self._flight is not None:
            self._flight.settle(stored=False)  # whoever waits looks into the store
        if not self._leaving and not self.saved.ended:
            self.service.strays.add(self.lease)  # it was stopped by somebody who is not its service
        if self._spans is not None:
            self._spans.close()
            if not self.task.ended:
                self.service.moved(self.me.path, self.task, self.task.status.value, left=True)
        self.service.ended(self)

    # -------------------------------------------------------------------------------------------- questions
    def asked(self, call: Call, question: Question, params: Model, slot: Reply[Any]) -> str:
        """See `CallHost.asked`."""
        self.ensure_held()
        if self.task.ended or call.suspending:
            raise CallEnding("this task has ended, or is being replayed: it can ask nothing more")
        ensure_declared(self.served.capabilities, question.method, params)
        step = self.served.journal.ask(question)
        if isinstance(step, Recorded):
            settle(slot, recorded_answer(question.method, step.outcome))
            return step.key
        self._slots[step.key] = question.method, slot
        open_question = OpenQuestion(method=question.method, params=to_wire(params))
        self._change(tasks.ask(self.task, step.key, open_question, self.service.store.now()), step.key)
        self._take_answers()  # an earlier run may have asked this, and somebody answered after its end
        return step.key

    def answered(self, key: str, outcome: dict[str, Any]) -> bool:
        """Somebody answered. False when nobody waits for that; stored when `settled` returns."""
        answered = tasks.answer(self.task, key, outcome, self.service.store.now())
        if answered is self.task or self._leaving:
            return False
        self._composing = True  # the answer and its place in the journal are one write
        try:
            self._change(answered)
            self._take_answers()
        finally:
            self._composing = False
            self._submit()
        return True

    def _take_answers(self) -> None:
        """Answers go into the journal, and to whoever asks for them once the store has them there."""
        for key, outcome in self.task.answers.items():
            slot = self._slots.pop(key, None)
            if slot is None or not self.served.journal.answered(key, outcome):
                continue
            self._next.then.append(partial(self._give, slot, outcome))
            self._change(tasks.take(self.task, key), key)

    def _give(self, slot: tuple[str, Reply[Any]], outcome: dict[str, Any]) -> None:
        method, reply = slot
        if self.service.always_replay and self.call is not None:
            self.call.suspend()
        else:
            settle(reply, recorded_answer(method, outcome))

    def gave_up(self, call: Call, key: str) -> None:
        """See `CallHost.gave_up`."""
        if call.suspending or self._leaving or self.task.ended or self.me.status != "running":
            return
        if self._slots.pop(key, None) is not None:
            self.served.journal.gave_up(key)
            self._change(tasks.withdraw(self.task, key, self.service.store.now()), key)

    def quiet(self, call: Call) -> None:
        """A task stays where it is while it waits."""

    def step_closes(self, call: Call) -> None:
        """A task's questions close no step."""

    # -------------------------------------------------------------------------------------------- reports
    def reported(self, message: str) -> None:
        """Its handler says what it is doing."""
        if not self.served.replaying:
            self._change(tasks.report(self.task, message, self.service.store.now()))

    def progressed(self, call: Call, progress: float, total: float | None, message: str | None) -> None:
        """See `CallHost.progressed`."""
        if not self.task.ended and not call.served.replaying and call.served.advances(progress):
            self.service.sessions.progressed(self.task, progress, total, message)

    def logged(self, call: Call, level: str, content: Any, logger: str | None) -> None:
        """See `CallHost.logged`."""
        if not self.task.ended and not call.served.replaying:
            self.service.sessions.logged(self.task, level, content, logger)

    async def room(self, _: Call) -> None:
        """See `CallHost.room`."""
        await trio.lowlevel.checkpoint()
        session = self.service.sessions.session_of(self.place)
        if session is not None and session.connection.full:
            try:
                await session.connection.room()
            except ConnectionLost:
                return  # there is nobody left to overrun

    def close_stream(self, call: Call) -> None:
        """No connection waits for a task."""

    def nonce_of(self, _: Served) -> str:
        """See `CallHost.nonce_of`."""
        return self.task.id

    # -------------------------------------------------------------------------------------------- into the store
    def put(self, key: str, row: list[Any] | None) -> None:
        """Write an entry of the journal with the next change."""
        self._next.entries[key] = row
        self._dirty = True
        self._submit()

    async def settled(self) -> bool:
        """Wait until everything decided so far is stored; False when it is void, because the task is not run here.

        Raises what the store raises.
        """
        write = self._next if self._dirty else self._flight
        if self._leaving or write is None:
            await trio.lowlevel.checkpoint_if_cancelled()
            return not self._leaving
        reply: Reply[bool] = Reply()
        write.waiting.append(reply)
        return await reply.wait()

    def _change(self, task: Task, *keys: str, by: str = "", reason: str = "") -> None:
        """Take a record over, with the journal's rows of these keys, and store it."""
        if task is self.task and not keys:
            return
        old, self.task = self.task, task
        for key in keys:
            self._next.entries[key] = self.served.journal.row(key)
        self._report(old, task, by, reason)
        self._dirty = True
        self._submit()

    def _report(self, old: Task, task: Task, by: str, reason: str | None) -> None:
        if not self.runtime.recorder.enabled:
            return
        if self._spans is not None:
            self._spans.leaves(task)
        if old.status is not task.status:
            self.service.moved(self.me.path, task, old.status.value, by=by, reason=reason)
        if self._spans is not None:
            self._spans.entered(task)

    def _void(self) -> None:
        """What was decided and is not under way will not be stored."""
        write, self._next, self._dirty = self._next, Write(self.task), False
        write.settle(stored=False)

    def _submit(self) -> None:
        if self._flight is not None or self._composing or not self._dirty or self._leaving:
            return
        write, self._next = self._next, Write(self.task)
        self._dirty = False
        if self.saved.ended:  # there is nothing to add to what has ended
            write.settle(stored=True)
            return
        write.task, self._flight = self.task, write
        try:
            reply = self.service.store.write(write.task, self.lease, write.entries)
        except Exception as error:  # noqa: BLE001 - whatever a disk does, the task goes on
            self.unsaved(write, error)
        else:
            reply.then(partial(self._written, write))

    def _written(self, write: Write, reply: Reply[bool]) -> None:
        try:
            done = reply.result()
        except Exception as error:  # noqa: BLE001 - whatever a disk does, the task goes on
            self.unsaved(write, error)
            return
        if not done:
            self._refused(write)
            return
        self._flight = None
        stored = tasks.stored(write.task)
        if self.saved.revision < stored.revision:  # else something newer was heard first
            self.saved = stored
        if self.task is write.task:
            self.task = stored
        elif self.task.revision < stored.revision:
            self.task = replaced(self.task, revision=stored.revision)
        for act in write.then:
            act()
        write.settle(stored=True)
        self._submit()
        self._over()

    def _refused(self, write: Write) -> None:
        if self._leaving or self.me.status != "running":
            self._drop(write)
            return
        try:
            self.submit(Rereading(self, write))
        except TooManyChildren as error:
            self.unsaved(write, error)

    def _drop(self, write: Write) -> None:
        self._flight = None
        write.settle(stored=False)
        self._over()

    def unsaved(self, write: Write, error: Exception) -> None:
        """The store could not take it: whoever waits is told, and the change is tried again."""
        self._flight = None
        waiting, write.waiting = write.waiting, []
        for reply in waiting:
            reply.fail(error)
        if self._leaving or self.saved.ended or self.me.status != "running":
            self._over()
            return
        log.error("%s cannot be stored, it is tried again: %s", self.me.path, error)
        self._again(write)
        if self._retry is None or not self._retry.armed:
            self._retry = self.runtime.timers.after(RETRY_SECONDS, self._submit)

    def _again(self, write: Write) -> None:
        self._next.entries = {**write.entries, **self._next.entries}
        self._next.then = [*write.then, *self._next.then]
        self._next.waiting = [*write.waiting, *self._next.waiting]
        self._dirty = True

    def reread(self, write: Write, theirs: Task | None) -> None:
        """Our change was not taken, because this is what the store has."""
        self._flight = None
        if self._leaving or self.me.status != "running":
            self._drop(write)
        elif theirs is None:
            self._drop(write)
            self.gone("the task has expired")
        elif theirs.ended:
            self.heard(theirs)
            write.settle(stored=True)
            self._over()
        elif theirs.revision == write.task.revision:
            self._drop(write)
            self.lost()
        else:
            self._again(write)
            self.heard(theirs)
            self._submit()

    def heard(self, theirs: Task | None) -> None:
        """The store has another record than before, perhaps our own."""
        if theirs is None:
            self.gone("the task has expired")
            return
        if theirs.revision <= self.task.revision or self._leaving:
            return
        merged = tasks.merge(self.task, theirs)
        old, self.task, self.saved = self.task, merged, theirs
        self._report(old, merged, "another process", merged.message)
        if theirs.ended:
            self._dirty = False
            write, self._next = self._next, Write(merged)
            self._slots.clear()
            write.settle(stored=True)
            self._abort(merged.message or "the task has ended")
            self._over()
        else:
            self._take_answers()
