"""
One call being served: the job that runs its handler, and everything its context does.

Owns the handler's life: its run, its questions in flight, its `once` blocks, its suspension and its cancellation.
Refuses to decide: every question, answer and end goes to the automaton through the session, in one step.
The rule that keeps it honest: a handler never touches the wire; it returns a value to its session.
"""

from __future__ import annotations

import logging
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.actors import Job, Reply
from zcp_actors.errors import CallEnding, HandlerError, OnceUncertain, RequestTimeout, RPCError, UsageError
from zcp_actors.protocol.capabilities import ELICITATION, ROOTS, SAMPLING
from zcp_actors.protocol.journal import Recorded
from zcp_actors.protocol.questions import Question
from zcp_actors.protocol.serving import Phase
from zcp_actors.sessions.context import Context
from zcp_actors.sessions.foreign import is_cancel, unfit
from zcp_actors.sessions.reporting import Report
from zcp_actors.sessions.waiting import all_waiting
from zcp_actors.wire import copied, plain, to_wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.actors import Exit, Timer
    from zcp_actors.ports import OnceStore, Span
    from zcp_actors.protocol.serving import Served, Server
    from zcp_actors.sessions.call_host import CallHost
    from zcp_actors.wire import Model

log = logging.getLogger("zcp_actors.sessions")

ONCE_SECONDS = 30.0
"""How long a suspension waits for running `once` blocks: a client's default idle limit is twice that."""

QUESTION_SECONDS = {ELICITATION: 24 * 3600.0, SAMPLING: 600.0, ROOTS: 60.0}
"""How long a parked handler waits for an answer, by what is asked: a person, a model, a program.

As long as our own clients take at most (`Policy`); a client that never answers shall not keep a handler for ever.
"""

UNSTABLE = frozenset({"_meta", "elicitationId"})
"""Parts of a question's params that differ between rounds without making it another question."""

CUT_OFF = CallEnding("the handler was cancelled")
"""The outcome of a run that has none. A value: it is never raised."""


class Call(Job):
    """A handler at work. One object for each run: a replay is another run of the same served call."""

    __slots__ = (
        "_asks",
        "_branches",
        "_once_scopes",
        "_step",
        "_task",
        "automaton",
        "served",
        "session",
        "suspending",
        "task",
    )

    def __init__(self, session: CallHost, automaton: Server, served: Served, task: Any = None) -> None:
        """`task` is what the handler sees of the task that this is; None for a plain call."""
        self.session, self.automaton, self.served, self.task = session, automaton, served, task
        self.suspending = False
        self._task: trio.lowlevel.Task | None = None
        # What waits for the client: mostly the handler's own task, and no branch of it.
        self._asks: Reply[Any] | None = None
        self._branches: dict[trio.lowlevel.Task, Reply[Any]] | None = None
        # A set; most calls do nothing once, and an empty dict is smaller, and nothing to the garbage collector.
        self._once_scopes: dict[trio.CancelScope, None] = {}
        self._step: Timer | None = None

    @property
    def name(self) -> str:
        """The last part of its path."""
        return f"call-{self.served.number}"

    def describe(self) -> str:
        """What an observer reads of it; no arguments."""
        state = "suspending" if self.suspending else "waits for the client" if self.served.open else "running"
        return f"{self.served.method} {self.served.target} · {state}".replace("  ", " ")

    # -------------------------------------------------------------------------------------------- life
    async def run(self) -> None:
        """Run the handler and report its end, whatever it is, in one synchronous step."""
        self._task = trio.lowlevel.current_task()
        outcome: Any = CUT_OFF
        try:
            outcome = await self.session.handle(Context(self), self.served.method, self.served.params)
        except (RPCError, HandlerError) as error:
            outcome = error
        except BaseException as error:
            if is_cancel(error):
                raise
            log.exception("a handler of %s failed", self.served.method)
            outcome = error if isinstance(error, Exception) else unfit(error, "the handler")
        finally:
            if self._step is not None:
                self._step.disarm()
            self.session.call_ended(self, outcome)

    def ended(self, exit: Exit) -> None:
        """Report the end of a run that was cancelled before it began, too."""
        if self._task is None:
            self.session.call_ended(self, CUT_OFF)

    def suspend(self) -> None:
        """End this run because its question travels to the client.

        Running `once` blocks are waited for, but not for ever.
        """
        self.suspending = True
        deadline = trio.current_time() + ONCE_SECONDS
        for scope in self._once_scopes:
            scope.deadline = deadline
            scope.shield = True
        self.cancel("suspended: the client was asked")

    def abort(self, reason: str) -> None:
        """End this run for good: the client, a timeout or the session's end cancelled the call."""
        for scope in self._once_scopes:
            scope.shield = False
        self.cancel(reason)

    def cancel(self, reason: str = "") -> bool:
        """See `Job.cancel`. What is asked within a shield ends, too: no cancel reaches it, and no answer would."""
        cancelled = super().cancel(reason)
        for slot in (self._asks, *(self._branches or {}).values()):
            if slot is not None:
                slot.fail(CallEnding("the call is ending: what was asked will not be answered to this run"))
        return cancelled

    def move(self, host: CallHost, served: Served, task: Any) -> None:
        """Go on below another host, as a task: whoever started it has answered for it, and may end."""
        self._parent._release_job(self)  # noqa: SLF001 - a job names its parent, and nobody else moves one
        self._disarm()
        self._parent, self.session, self.served, self.task = host, host, served, task  # type: ignore[assignment]
        host._adopt_job(self)  # noqa: SLF001

    def belongs_to(self, span: Span) -> None:
        """From its next step on, what it begins is a part of this."""
        if self._task is not None:
            self._task.context = span.within(self._task.context)

    def close_step_after(self, delay: float) -> None:
        """Let the step of questions that now begins close after so many seconds, whatever its branches do."""
        self._disarm()
        self._step = self.session.runtime.timers.after(delay, partial(self.session.step_closes, self))

    def _disarm(self) -> None:
        if self._step is not None:
            self._step.disarm()

    # -------------------------------------------------------------------------------------------- questions
    async def ask(self, method: str, params: Model, key: str | None, content: dict[str, Any] | None = None) -> Any:
        """Ask the client and wait. The journal may know the answer already; then only a checkpoint passes.

        `content` is the wire form of `params` without what is unstable, where that is known.
        """
        # A branch that runs once more after the call was ended learns it as every other: by its cancel.
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.status != "running":
            raise CallEnding("the call is ending: it can ask nothing more")
        if content is None:
            content = {name: value for name, value in to_wire(params).items() if name not in UNSTABLE}
        slot: Reply[Any] = Reply()
        asked_key = self.session.asked(self, Question(method, content, key), params, slot)
        del params, content  # a handler may wait for a day; what it has sent is not kept by its frame
        task = trio.lowlevel.current_task()
        if not slot.settled:
            # With the answer in hand it only passes a checkpoint, and may ask the next question.
            self._enter(task, slot)
        recorder, limit = self.session.runtime.recorder, QUESTION_SECONDS[method]
        report = None
        if recorder.enabled and "question" in recorder.subjects:
            report = Report(recorder, "question", f"{self.path}/{asked_key}", method, self.served.target).begin()
        try:
            if not slot.settled and self._quiet(task):
                self.session.quiet(self)
            # A copy: the journal keeps the answer for the next run, and this one may write to it.
            return copied(await slot.wait(trio.current_time() + limit, self.session.runtime.timers))
        except trio.TooSlowError:
            raise RequestTimeout(method, limit, "total") from None
        finally:
            if report is not None:
                report.end(slot)
            self._leave(task)
            if not slot.settled:
                self.session.gave_up(self, asked_key)

    def _quiet(self, task: trio.lowlevel.Task) -> bool:
        if self.served.phase is not Phase.RUNNING:
            return False
        root, branches = self._task or task, self._branches or ()
        return all_waiting(root, {root, *branches} if self._asks is not None else branches)

    def _enter(self, task: trio.lowlevel.Task, slot: Reply[Any]) -> None:
        if task is self._task:
            self._asks = slot
        else:
            self._branches = {} if self._branches is None else self._branches
            self._branches[task] = slot

    def _leave(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._asks = None
        elif self._branches is not None:
            self._branches.pop(task, None)

    # -------------------------------------------------------------------------------------------- side effects
    async def once(self, key: str, function: Callable[[], Any], *, retry_unfinished: bool) -> Any:
        """See `Context.once`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        step = self.served.journal.once(key)
        if isinstance(step, Recorded):
            await trio.lowlevel.checkpoint()
            return plain(step.outcome["result"], "once")
        scope = trio.CancelScope()
        self._once_scopes[scope] = None
        try:
            with scope:
                outcome = await self._effect(key, function, retry_unfinished=retry_unfinished)
                self.served.journal.ran(key, {"result": plain(outcome, "once")})
        finally:
            del self._once_scopes[scope]
            self.served.journal.gave_up(key)
        await trio.lowlevel.checkpoint()
        if scope.cancelled_caught:
            raise OnceUncertain(f"the once block {key!r} was cut short: its side effect may or may not have happened")
        return outcome

    async def _effect(self, key: str, function: Callable[[], Any], *, retry_unfinished: bool) -> Any:
        store = self.session.once_store
        if store is None:
            outcome = await self._run_effect(function)
            await self._record_moved(None, key, outcome)
            return outcome
        scope = (self.session.app.name, self.session.principal, self.session.nonce_of(self.served))
        try:
            known, outcome = await store.begin(scope, key)
        except OnceUncertain:
            if not retry_unfinished:
                raise
            await store.forget(scope, key)
            known, outcome = await store.begin(scope, key)
        if not known:
            outcome = await self._run_effect(function)
            await store.finish(scope, key, outcome)
            await self._record_moved(store, key, outcome)
        return outcome

    async def _record_moved(self, began: OnceStore | None, key: str, outcome: Any) -> None:
        """A call that became a task while the effect was under way records it with the task, too."""
        store = self.session.once_store
        if store is not None and store is not began:
            await store.finish((self.session.app.name, self.session.principal, ""), key, outcome)

    async def _run_effect(self, function: Callable[[], Any]) -> Any:
        returned = function()
        return plain(await returned if isawaitable(returned) else returned, "once")

    # -------------------------------------------------------------------------------------------- reports
    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        """See `Context.progress`."""
        _ensure_number("progress", progress)
        if total is not None:
            _ensure_number("a total", plain(total, "total"))
        _ensure_text("a progress message", plain(message, "message"))
        self.session.progressed(self, progress, total, message)
        await self.session.room(self)

    async def log(self, level: str, content: Any, logger: str | None) -> None:
        """See `Context.log`."""
        _ensure_text("a logger", plain(logger, "logger"))
        self.session.logged(self, level, plain(content, "message"), logger)
        await self.session.room(self)


def _ensure_number(what: str, given: Any) -> None:
    if not isinstance(given, int | float) or isinstance(given, bool):
        raise UsageError(f"{what} is a number, not {given!r:.80}")


def _ensure_text(what: str, given: Any) -> None:
    if not isinstance(given, str | None):
        raise UsageError(f"{what} is a text, not {given!r:.80}")
