"""
The place of a task actor in the tree.

Owns what outlives an incarnation: address, mailbox, restart count, the recorded end; and the life of each incarnation.
Refuses to decide what happens after an incarnation: it tells its owner, a supervisor or the runtime.
The rule that keeps it honest: `live` never lets an `Exception` out. A failure becomes an `Exit`, decided upon by the
owner in the same step.
"""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Any, Protocol

import trio

from zcp_actors.actors.actor import BATCH
from zcp_actors.actors.ending import end_hosted, end_hosted_now
from zcp_actors.actors.exit import Exit
from zcp_actors.actors.host import Host, log
from zcp_actors.actors.mailbox import Envelope, Mailbox
from zcp_actors.actors.reply import Announcement, Reply, Turn, askers, begin_turns, checkpoint
from zcp_actors.actors.strategy import Restart
from zcp_actors.errors import ActorStopped, AskCycle, AskTimeout, MailboxFull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from zcp_actors.actors.actor import Actor
    from zcp_actors.actors.ref import Ref
    from zcp_actors.actors.strategy import Child
    from zcp_actors.actors.timers import Timer

_CANCELLED = Exit("cancelled")
_NORMAL = Exit("normal")
_STOPPED = Exit("stopped")


class Owner(Protocol):
    """Who is told of the end of an incarnation and decides what follows."""

    def incarnation_ended(self, seat: Seat, exit: Exit) -> None:
        """Call `seat.end`, or see to it that there is another incarnation."""


class Seat(Host):
    """A task actor's host. The `Actor` is made anew for each incarnation; the seat stays."""

    __slots__ = (
        "_fate",
        "_idle",
        "_interruption",
        "_owner",
        "_state",
        "_turn",
        "accepting",
        "actor",
        "awaited",
        "gone",
        "grace",
        "handling",
        "heeded",
        "last_exit",
        "leaving",
        "mailbox",
        "make",
        "restart",
        "restarts",
        "scope",
        "started",
        "timers",
        "watched",
    )

    actor: Actor[Any]

    def __init__(self, me: Ref[Any], child: Child, owner: Owner) -> None:
        self._settle_in(me)
        self.make, self.restart = child.make, child.restart
        # The first one is made here, in the starter's step: it knows the size of its mailbox.
        self.actor = child.make()
        self.mailbox = Mailbox(self.actor.mailbox_size)
        self.grace = self.actor.grace if child.grace is None else child.grace
        self._owner = owner
        self._state = "starting"
        self._fate: Exit | None = None
        self.awaited = False
        """Somebody waits for the first `on_start`, and will be told of its failure instead of the supervisor."""
        self.heeded = False
        """Somebody waits for it to begin, whatever becomes of it then, and raises what prevented it."""
        self.restarts = 0
        self.last_exit: Exit | None = None
        self.started: Reply[None] = Announcement()
        """Answered when this incarnation, or the next where there is none, has begun; failed with what prevented it."""
        self._interruption: Timer | None = None
        """What interrupts it if it takes too long to stop."""
        self._reset()

    def _reset(self) -> None:
        self.scope = trio.CancelScope()
        self.gone = trio.Event()
        """Set when the present incarnation is."""
        self.leaving: Exit | None = None
        """Set to end this incarnation after the present message; the mail waits for the next one."""
        self.mailbox.control.clear()
        self.accepting = True
        """Cells and jobs may be added: also while the mail is drained, which may need them."""
        self.handling: Envelope | None = None
        self.timers: dict[object, Timer] = {}
        self.watched: dict[object, Ref[Any]] = {}
        """Those whose end this incarnation is still to hear of."""
        self._turn: Turn | None = None
        self._idle: trio.Event | None = None

    def _kind(self) -> str:
        return self.actor.kind

    def _child_ended(self, ref: Ref[Any], exit: Exit) -> None:
        if not self.actor._saw_end(ref, exit):
            super()._child_ended(ref, exit)

    @property
    def fate(self) -> Exit | None:
        """How its end was asked for, if it was: then it is not restarted."""
        return self._fate

    # The life of an incarnation
    @trio.lowlevel.enable_ki_protection
    async def live(self) -> None:
        """One incarnation, from making it to its last words."""
        exit = _CANCELLED
        try:
            await self._act()
            exit = self._verdict()
        except Exception as error:
            exit = Exit("failed", error)
        finally:
            self._move("stopping")
            self.accepting = False
            self._forget_the_time()
            try:
                await self._speak_last(exit)
            finally:
                self._incarnation_ended(exit)

    def _forget_the_time(self) -> None:
        for timer in self.timers.values():
            timer.disarm()
        self._wait_no_more()
        for token, ref in self.watched.items():
            ref._unwatch(token)
        self.watched.clear()

    def _wait_no_more(self) -> None:
        if self._interruption is not None:
            self._interruption.disarm()

    async def _act(self) -> None:
        self._turn = begin_turns(self.me)
        actor = self.actor
        actor.me, actor.seat = self.me, self
        await actor._live(self)

    def begun(self) -> None:
        """The incarnation serves from now on."""
        if self._state == "starting":
            self._move("running")
        self.awaited = self.heeded = False
        self.started.set(None)

    async def gone_or_started(self) -> None:
        """Wait until this incarnation serves, or is gone."""
        with contextlib.suppress(Exception):
            await self.started.wait()

    def renew(self) -> None:
        """Prepare the next incarnation. Raises what the factory raises."""
        actor = self.make()
        self._reset()
        self.actor = actor
        self._move("starting")

    def _verdict(self) -> Exit:
        if self.scope.cancelled_caught:
            return self._fate if self._fate is not None and self._fate.kind == "cancelled" else _CANCELLED
        if self._fate is not None:
            return self._fate
        return self.leaving or _STOPPED

    async def _speak_last(self, exit: Exit) -> None:
        if (self._jobs or self._children) and not await self._within_last_words(self._end_hosted, exit):
            end_hosted_now(self, exit)
        await self._within_last_words(self.actor.on_stop, exit)

    async def _within_last_words(self, act: Callable[[Exit], Awaitable[None]], exit: Exit) -> bool:
        seconds = self.actor.last_words
        with trio.CancelScope(shield=True, deadline=trio.current_time() + seconds) as scope:
            try:
                await act(exit)
            except Exception:
                log.exception("last words of %s failed", self.me.path)
        if scope.cancelled_caught:
            what = "on_stop" if act == self.actor.on_stop else "the end of what it hosts"
            log.warning("%s: %s took more than the %g s of last_words, and was cut", self.me.path, what, seconds)
        return not scope.cancelled_caught

    async def _end_hosted(self, exit: Exit) -> None:
        await end_hosted(self, exit)
        if self._jobs or any(child._kind() == "cell" for child in (self._children or {}).values()):
            self._idle = trio.Event()
            await self._idle.wait()

    def _emptied(self) -> None:
        if self._idle is not None:
            self._idle.set()

    @property
    def known(self) -> bool:
        """Whoever wanted it to begin is told why it did not."""
        return self.awaited or self.heeded

    async def begin_or_fail(self) -> None:
        """Wait until it serves. Raises what prevented it."""
        self.heeded = self.started.open
        try:
            await self.started.wait()
        except trio.Cancelled:
            self.heeded = False
            raise

    def _incarnation_ended(self, exit: Exit) -> None:
        self.last_exit = exit
        self._not_begun(exit)
        self._default(exit)
        self._owner.incarnation_ended(self, exit)
        self.gone.set()

    def _not_begun(self, exit: Exit) -> None:
        self.started.fail(exit.error if isinstance(exit.error, Exception) else ActorStopped(self.me.path, exit))

    async def _past(self) -> None:
        await self.gone.wait()

    def end(self, exit: Exit) -> None:
        """The last incarnation is over: settle what is left and publish the end, in one step."""
        for envelope in self.mailbox.drain():
            self._undeliverable(envelope, exit)
        self._wait_no_more()
        self._not_begun(exit)
        self._move("ended", exit=exit)
        self._bury(exit)

    def waiting_for_restart(self, exit: Exit) -> None:
        """The incarnation is over, or could not be made, and another will follow."""
        self._not_begun(exit)
        self.heeded = False
        self.started = Announcement()
        if self.me._runtime.traces:
            self.me._runtime.note("exit", self.me, exit=exit)
        self._move("restarting")

    def _move(self, state: str, **facts: Any) -> None:
        old, self._state = self._state, state
        if old != state:
            self._moved(old, state, **facts)

    # Handling mail
    @property
    def ending(self) -> bool:
        """Nothing more is to be begun in this incarnation."""
        return self.leaving is not None or self.scope.cancel_called

    async def attend(self, taken: Envelope | None = None) -> bool:
        """Handle what is in the control lane. False when nothing more is to be begun.

        Then, or when this raises, `taken`, the envelope that was to be handled next, is back in the mailbox.
        """
        goes_on = False
        try:
            if self.mailbox.control:
                await self._attend()
            goes_on = not self.ending
        finally:
            if not goes_on and taken is not None:
                self.mailbox.give_back(taken)
        return goes_on

    async def _attend(self) -> None:
        control = self.mailbox.control
        handled = 0
        while control and not self.ending:
            envelope = control.popleft()
            if not isinstance(envelope, _Due) or self._still_wanted(envelope):
                await self.handle(envelope)
            handled += 1
            if handled % BATCH == 0:
                await checkpoint()

    def _still_wanted(self, due: _Due) -> bool:
        """Whether its timer was neither stopped nor replaced since it became due."""
        if self.timers.get(due.key) is not due.timer:
            return False
        del self.timers[due.key]
        return True

    async def handle(self, envelope: Envelope) -> None:
        """Handle one message, unless its asker is gone. Its asker is answered, however this ends."""
        reply = envelope.reply
        if reply is not None and not reply.open:
            return
        runtime, actor, turn = self.me._runtime, self.actor, self._turn
        assert turn is not None
        turn.askers = (*envelope.askers, self.me)
        self.handling = envelope
        if runtime.recorder.enabled:
            self._tell_wait(envelope)
        if runtime.traces:
            runtime.note("in", self.me, envelope.message)
        try:
            answer = await actor.receive(envelope.message)
        except Exception as error:
            if reply is not None:
                reply.fail(ActorStopped(self.me.path, Exit("failed", error)))
            raise
        except BaseException:
            if reply is not None:
                reply.fail(ActorStopped(self.me.path, self._fate or _CANCELLED))
            raise
        finally:
            self.handling = None
            turn.askers = (self.me,)
        if runtime.traces:
            runtime.note("out", self.me, envelope.message, answer)
        if reply is not None:
            self._answer(reply, answer)

    def _tell_wait(self, envelope: Envelope) -> None:
        facts = {"kind": self.actor.kind, "depth": self.mailbox.depth, "within": envelope.context}
        now = trio.current_time()
        self.me._runtime.recorder.wait("wait_for mailbox", self.me.path, envelope.at, now, "ok", **facts)

    def _undeliverable(self, envelope: Envelope, exit: Exit | None = None) -> None:
        if envelope.reply is not None:
            envelope.reply.fail(ActorStopped(self.me.path, exit or self.me.exit or self._fate or _STOPPED))
        else:
            self.me._runtime.dead_letters.add(self.me, envelope.message)

    # What the actor asks for
    def start_timer(self, key: object, delay: float, message: Any) -> None:
        """See `Actor.start_timer`."""
        self.stop_timer(key)
        if not self.accepting:
            return
        timers = self.me._runtime.timers
        self.timers[key] = timers.after(delay, lambda: self._timer_due(key, timer, message))
        timer = self.timers[key]

    def stop_timer(self, key: object) -> None:
        """See `Actor.stop_timer`."""
        timer = self.timers.pop(key, None)
        if timer is not None:
            timer.disarm()

    def _timer_due(self, key: object, timer: Timer, message: Any) -> None:
        self.mailbox.post_control(_Due(message, trio.current_time(), key, timer))

    def watch(self, ref: Ref[Any], message: Any) -> None:
        """See `Actor.watch`."""
        token, watched = object(), self.watched

        def notice(_: Exit) -> None:
            if watched.pop(token, None) is not None:
                self.mailbox.post_control(Envelope(message, trio.current_time()))

        if self.accepting:
            watched[token] = ref
            ref._watch(token, notice)

    # What a reference asks for
    def _status(self) -> str:
        return self._state

    def _tell(self, message: Any) -> None:
        envelope = Envelope(message, trio.current_time(), contextvars.copy_context())
        try:
            if not self.mailbox.post(envelope):
                self._undeliverable(envelope)
        except trio.WouldBlock:
            msg = f"{self.me.path} has {self.mailbox.size} messages waiting, its mailbox_size: use send, or shed it"
            raise MailboxFull(msg) from None

    async def _send(self, message: Any) -> None:
        envelope = Envelope(message, trio.current_time(), contextvars.copy_context())
        if not await self.mailbox.put(envelope):
            self._undeliverable(envelope)

    async def _ask(self, message: Any, timeout: float) -> Any:
        chain = askers()
        if self.me in chain:
            raise AskCycle(" -> ".join(ref.path for ref in (*chain, self.me)))
        now = trio.current_time()
        deadline = now + timeout
        reply: Reply[Any] = Reply()
        envelope = Envelope(message, now, contextvars.copy_context(), reply=reply, askers=chain, deadline=deadline)
        try:
            posted = self.mailbox.post(envelope)
        except trio.WouldBlock:
            posted = await self._post_before(deadline, envelope, timeout)
        if not posted:
            self._undeliverable(envelope)
        try:
            return await reply.wait(deadline, self.me._runtime.timers)
        except trio.TooSlowError:
            if reply.settled:
                raise
            raise self._too_slow(timeout, "did not answer") from None

    async def _post_before(self, deadline: float, envelope: Envelope, timeout: float) -> bool:
        with trio.move_on_at(deadline):
            return await self.mailbox.put(envelope)
        raise self._too_slow(timeout, "had no room")

    def _too_slow(self, timeout: float, what: str) -> AskTimeout:
        doing = "it may still do the work" if what == "did not answer" else "the message was not delivered"
        return AskTimeout(f"{self.me.path} {what} within {timeout:g} s; {doing}")

    def _stop(self, exit: Exit) -> None:
        if self.me.exit is not None:
            return
        if self._interruption is None and exit.kind == "stopped":
            self._interruption = self.actor._interrupt_later(self)
        self._fate = self._fate or exit
        self._refuse_mail()

    def _cancel(self, reason: str) -> None:
        self._fate = Exit("cancelled", reason=reason)
        self._refuse_mail()
        self.scope.cancel(reason or None)
        self.actor._hurry(reason)

    def _refuse_mail(self) -> None:
        """Both ways to ask it to end come here; if it waits for its next incarnation, it ends now."""
        self.mailbox.close()
        if self._state == "running":
            self._move("stopping")
        elif self._state == "restarting" and self._fate is not None:
            self._owner.incarnation_ended(self, self._fate)

    def leave(self, exit: Exit) -> None:
        """End this incarnation after the present message; the mail waits for the next one."""
        self.leaving = exit
        self.mailbox.wake()

    def retire(self) -> None:
        """See `Actor.stop`."""
        if self.restart is Restart.ALWAYS:
            self.leave(_NORMAL)
        else:
            self._stop(_NORMAL)

    def _accepts(self) -> bool:
        return self.accepting

    def _mail(self) -> tuple[int, int, float | None]:
        oldest = self.mailbox.oldest
        return self.mailbox.depth, self.mailbox.peak, None if oldest is None else trio.current_time() - oldest

    def _in_flight(self) -> int:
        return super()._in_flight() + (self.handling is not None)

    def _last_exit(self) -> Exit | None:
        return self.last_exit

    def _restarts(self) -> int:
        return self.restarts

    def _describe(self) -> str:
        return self.actor.describe()

    def _capacity(self) -> int:
        return self.actor.max_children


class _Due(Envelope):
    """A timer's message, forgotten if the timer is replaced before it is handled."""

    __slots__ = ("key", "timer")

    def __init__(self, message: Any, at: float, key: object, timer: Timer) -> None:
        super().__init__(message, at)
        self.key, self.timer = key, timer
