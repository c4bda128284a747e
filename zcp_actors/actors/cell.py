"""
Actors without a task: state machines that are stepped by whoever tells them something.

Owns the guard that makes a step atomic, the queue for what is told during one, and the order of an ending.
Refuses to wait: nothing here is async but the asker's own waiting, so a cell costs no task, no channel and no event.
The rule that keeps it honest: an error in `receive` ends the cell and reaches its supervisor, never the teller.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from zcp_actors.actors.ending import end_hosted_soon
from zcp_actors.actors.exit import Exit
from zcp_actors.actors.host import Host, log
from zcp_actors.actors.reply import Reply, checkpoint
from zcp_actors.errors import ActorStopped, AskTimeout, MailboxFull, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from zcp_actors.actors.ref import Ref
    from zcp_actors.actors.workers import Job

M = TypeVar("M")

MAILBOX_SIZE = 1024
"""Messages told to a cell during one of its own steps: far above what two cells exchange, small enough to be seen."""
BURST = 10_000
"""Queued messages handled after one step. A cell that makes more work than this for itself would never give way."""

_NEW, _IDLE, _STEPPING, _MORE, _CLOSING, _ENDED = range(6)
_STATUS = ("starting", "running", "running", "running", "stopping", "ended")

_NORMAL = Exit("normal")


class Cell(Host, Generic[M]):
    """Subclass it, override `receive`; `runtime.host(cell, name)` gives it an address.

    `receive` is synchronous, hence atomic. A message told while a step is under way, by the cell to itself or by
    another cell it told something, is queued and handled when that step is done; at most `mailbox_size` wait.
    Steps nest when cells tell each other, so a chain of a few hundred *different* cells exhausts the stack.
    """

    __slots__ = ("_fate", "_queue", "_state")

    mailbox_size: int = MAILBOX_SIZE

    _fate: Exit | None
    _queue: deque[tuple[M, Reply[Any] | None]] | None
    _state: int

    # For the author of a cell
    def receive(self, message: M) -> Any:
        """Handle one message; what it returns answers an ask. Return a `Reply` to answer later."""
        raise NotImplementedError

    def on_stop(self, exit: Exit) -> None:
        """Last words: the children and jobs are gone, the answers still owed can still be given."""

    def describe(self) -> str:
        """A few words for `runtime.tree()`. Show no payloads."""
        return ""

    def missed(self, message: M) -> None:
        """A message that came when this was ending, or had ended; a dead letter unless overridden."""
        self.me._runtime.dead_letters.add(self.me, message)

    def stop(self) -> None:
        """End by own decision, with `Exit("normal")`: handle what is queued, cancel the jobs, then end."""
        self._stop(_NORMAL)

    def watch(self, ref: Ref[Any], message: M) -> None:
        """Receive `message` when `ref` ends: now, if it has. Forgotten when this cell ends."""
        token, me = object(), self.me

        def notice(_: Exit) -> None:
            me._unwatch(token)
            self._notice(message)

        if me.exit is None:
            me._watch(token, lambda _: ref._unwatch(token))
            ref._watch(token, notice)

    def host(self, cell: Cell[Any], name: str) -> Ref[Any]:
        """Host another cell below this one; it ends with this one."""
        return host_below(self, cell, name)

    def submit(self, job: Job, context: Context | None = None) -> None:
        """Run a job below this cell; it is cancelled when this cell ends."""
        self.me._runtime.workers.submit(job, self, context)

    def step_now(self, act: Callable[..., object], *arguments: Any) -> bool:
        """Do something of its own as a step, now. False, and nothing is done, in the middle of a step or of an ending.

        The way for decisions that were made outside of a step: it costs no message.
        """
        if self._state != _IDLE or self.me._runtime.traces:
            return False
        self._state = _STEPPING
        try:
            act(*arguments)
        except Exception as error:
            self._crashed(error)
        finally:
            if self._state == _STEPPING:
                self._state = _IDLE
            else:
                self._leave_step()
        return True

    # For its owner
    def step(self, message: M) -> Any:
        """Handle one message now and return what `receive` returned: the owner's way in, without an envelope.

        Returns a `Reply` when the answer comes later, which includes a cell that is in the middle of a step.
        Raises `ActorStopped` when the cell has ended, or ends by handling this, and `MailboxFull`.
        """
        if self._state != _IDLE or self.me._runtime.traces:
            return self._call(message)
        self._state = _STEPPING
        try:
            answer = self.receive(message)
        except Exception as error:
            raise ActorStopped(self.me.path, self._crashed(error)) from error
        finally:
            self._leave_step()
        if isinstance(answer, Reply):
            self._owe(answer)
        return answer

    # For its reference
    def _kind(self) -> str:
        return "cell"

    def _status(self) -> str:
        return _STATUS[self._state]

    def _accepts(self) -> bool:
        return self._state < _CLOSING

    @property
    def running(self) -> bool:
        """It handles what it is told: it is not ending, and has not ended."""
        return self._state < _CLOSING

    def _tell(self, message: M) -> None:
        if self._state != _IDLE:
            self._post(message, None)
            return
        if self.me._runtime.traces:
            self._handle(message, None)
            return
        self._state = _STEPPING
        try:
            self.receive(message)
        except Exception as error:
            self._crashed(error)
        finally:
            if self._state == _STEPPING:
                self._state = _IDLE
            else:
                self._leave_step()

    tell = _tell
    """What `ref.tell` does, without the reference."""

    async def _send(self, message: M) -> None:
        # A cell has no room to wait for: its queue empties in the step that fills it.
        self._tell(message)
        await checkpoint()

    async def _ask(self, message: M, timeout: float) -> Any:
        answer = self.step(message)
        if not isinstance(answer, Reply):
            await checkpoint()
            return answer
        try:
            return await answer.wait(trio.current_time() + timeout, self.me._runtime.timers)
        except trio.TooSlowError:
            if answer.settled:
                raise
            msg = f"{self.me.path} did not answer within {timeout:g} s; it may still do the work"
            raise AskTimeout(msg) from None

    def _call(self, message: M) -> Any:
        reply: Reply[Any] = Reply()
        if self._state == _IDLE:
            self._handle(message, reply)
        else:
            self._post(message, reply)
        return reply.result() if reply.settled else reply

    def _notice(self, message: M) -> None:
        try:
            if self.me.alive:
                self._tell(message)
        except MailboxFull:
            self.me._runtime.dead_letters.add(self.me, message)

    # Stepping
    def _handle(self, message: M, reply: Reply[Any] | None) -> None:
        self._state = _STEPPING
        try:
            self._receive(message, reply)
        finally:
            self._leave_step()

    def _receive(self, message: M, reply: Reply[Any] | None) -> None:
        runtime = self.me._runtime
        if runtime.traces:
            runtime.note("in", self.me, message)
        try:
            answer = self.receive(message)
        except Exception as error:
            exit = self._crashed(error)
            if reply is not None:
                reply.fail(ActorStopped(self.me.path, exit))
            return
        if runtime.traces:
            runtime.note("out", self.me, message, answer)
        if reply is not None:
            self._answer(reply, answer)

    def _crashed(self, error: Exception) -> Exit:
        self._fate = exit = Exit("failed", error)
        self._state = _MORE
        return exit

    def _post(self, message: M, reply: Reply[Any] | None) -> None:
        if self._state not in (_STEPPING, _MORE):
            self._refuse(message, reply)
            return
        if self._queue is None:
            self._queue = deque()
        elif len(self._queue) >= self.mailbox_size:
            msg = f"{self.me.path} was told {len(self._queue)} messages during one step, its mailbox_size"
            raise MailboxFull(msg)
        self._queue.append((message, reply))
        self._state = _MORE

    def _refuse(self, message: M, reply: Reply[Any] | None) -> None:
        if reply is not None:
            reply.fail(ActorStopped(self.me.path, self._fate))
            return
        try:
            self.missed(message)
        except Exception:
            log.exception("%s failed at a message it missed", self.me.path)

    def _leave_step(self) -> None:
        if self._state == _STEPPING:
            self._state = _IDLE
        elif self._state == _MORE:
            self._catch_up()

    def _catch_up(self) -> None:
        handled = 0
        while self._queue and not self._cut_short():
            if handled == BURST:
                self._crashed(RuntimeError(f"{self.me.path} gave itself more than {BURST} messages in one step"))
                break
            handled += 1
            message, reply = self._queue.popleft()
            if reply is None or reply.open:
                self._receive(message, reply)
        if self._fate is None:
            self._queue, self._state = None, _IDLE
        else:
            self._close(self._fate)

    def _cut_short(self) -> bool:
        """Whether what is queued is not to be handled any more."""
        return self._fate is not None and self._fate.kind in ("failed", "cancelled")

    # Ending
    def _stop(self, exit: Exit) -> None:
        if self._state == _IDLE:
            self._close(exit)
        elif self._state in (_STEPPING, _MORE) and self._fate is None:
            self._fate, self._state = exit, _MORE

    def _cancel(self, reason: str) -> None:
        exit = Exit("cancelled", reason=reason)
        if self._state == _IDLE:
            self._close(exit)
        elif self._state in (_STEPPING, _MORE) and (self._fate is None or self._fate.kind != "failed"):
            self._fate, self._state = exit, _MORE

    def _close(self, exit: Exit) -> None:
        self._fate, self._state = exit, _CLOSING
        self._moved("running", "stopping")
        queue, self._queue = self._queue, None
        for message, reply in queue or ():
            self._refuse(message, reply)
        if self._children or self._jobs:
            end_hosted_soon(self, exit)
        else:
            self._finish()

    def _emptied(self) -> None:
        if self._state == _CLOSING:
            self._finish()

    def _finish(self) -> None:
        exit = self._fate
        assert exit is not None
        try:
            self.on_stop(exit)
        except Exception:
            log.exception("last words of %s failed", self.me.path)
        self._state = _ENDED
        self._default(exit)
        self._moved("stopping", "ended", exit=exit)
        self._bury(exit)

    def _mail(self) -> tuple[int, int, float | None]:
        depth = len(self._queue or ())
        return depth, depth, None

    def _in_flight(self) -> int:
        return super()._in_flight() + (self._state in (_STEPPING, _MORE))

    def _describe(self) -> str:
        return self.describe()


def host_below(parent: Host, cell: Cell[Any], name: str) -> Ref[Any]:
    """Give a cell its address and its place in the tree, in one synchronous step."""
    if getattr(cell, "me", None) is not None:
        raise UsageError(f"this {type(cell).__name__} already has an address, {cell.me.path}: host another instance")
    ref = parent._new_ref(name)
    cell._queue = None
    cell._fate = None
    cell._state = _IDLE
    cell._settle_in(ref)
    parent._adopt(cell)
    cell._moved("starting", "running")
    return ref
