"""
A way to a server on which things go wrong as planned.

Owns the doing of faults: dropping, delaying, doubling, reordering, cutting. Refuses to decide any: the plan does.
The rule that keeps it honest: what is not told to go wrong passes in the same step, in order, as without it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.errors import ConnectionLost
from zcp_actors.sessions import ZCPClientSession
from zcp_actors.testing.carried import Carried
from zcp_actors.testing.faults import Counter, Cut, Delay, Drop, Duplicate, FaultPlan, Reorder, Sender
from zcp_actors.testing.link_channel import LinkChannel
from zcp_actors.transports import memory_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from zcp_actors.actors import Timer
    from zcp_actors.ports import Channel, Connection, Session, Way
    from zcp_actors.wire import Message

    Deliver = Callable[[Message], None]

MAX_HELD = 100_000
"""Messages delayed or held back at once; beyond that the connection is cut, as a network's buffers would."""


@attrs.define(eq=False)
class Held:
    """A message that is overtaken."""

    message: Message
    deliver: Deliver
    left: int
    timer: Timer | None = None


class Lane:
    """One direction of a faulty connection."""

    def __init__(self, sender: Sender, wire: FaultyWire) -> None:
        self._sender, self._wire = sender, wire
        self._held: list[Held] = []
        self._timers: set[Timer] = set()

    def carry(self, message: Message, deliver: Deliver) -> None:
        """Let it pass, or do to it what the plan says. Raises what `deliver` raises in this step."""
        wire = self._wire
        match wire.plan.decide(wire.counter.passing(self._sender, message)):
            case None:
                self._pass(message, deliver)
            case Drop():
                pass
            case Duplicate(times):
                for _ in range(times + 1):
                    self._pass(message, deliver)
            case Delay(seconds):
                self._later(seconds, partial(self._pass, message, deliver))
            case Reorder(by, patience):
                self._hold(Held(message, deliver, by), patience)
            case Cut(delivered):
                if delivered:
                    self._pass(message, deliver)
                wire.cut()

    def _pass(self, message: Message, deliver: Deliver) -> None:
        if not self._wire.open:
            return
        deliver(message)
        for each in list(self._held):
            each.left -= 1
            if each.left <= 0:
                self._release(each)

    def _later(self, seconds: float, act: Callable[[], None]) -> Timer:
        if len(self._timers) >= MAX_HELD:
            self._wire.cut()

        def due() -> None:
            self._timers.discard(timer)
            with suppress(ConnectionLost):  # it was lost while this message was on its way
                act()

        timer: Timer = self._wire.runtime.timers.after(seconds, due)
        self._timers.add(timer)
        return timer

    def _hold(self, held: Held, patience: float) -> None:
        self._held.append(held)
        held.timer = self._later(patience, partial(self._release, held))

    def _release(self, held: Held) -> None:
        if held in self._held:
            self._held.remove(held)
            assert held.timer is not None
            held.timer.disarm()
            self._timers.discard(held.timer)
            self._pass(held.message, held.deliver)

    def clear(self) -> None:
        """Nothing that is still on its way arrives."""
        self._held.clear()
        timers, self._timers = self._timers, set()
        for timer in timers:
            timer.disarm()


class FaultyWire(Carried):
    """One connection on which things go wrong: the client's connection, and the session that its way sees."""

    def __init__(self, runtime: Any, plan: FaultPlan, session: Session | None) -> None:
        self.runtime, self.plan, self.counter = runtime, plan, Counter()
        self.open = True
        self.was_cut = trio.Event()
        self._session = session
        self._out, self._in = Lane("client", self), Lane("server", self)

    def cut(self) -> None:
        """Break the connection for both sides, in this step."""
        if self.open:
            self._end()
            self.was_cut.set()
            self.connection.hang_up()
            if self._session is not None:
                self._session.lost(ConnectionLost("the fault plan cut the connection"))

    def _end(self) -> None:
        self.open = False
        self._out.clear()
        self._in.clear()

    # What the client's session sees: see `ports.Connection`
    def post(self, message: Message, call: int | str | None = None) -> None:
        if not self.open:
            raise ConnectionLost("the fault plan cut the connection")
        self._out.carry(message, partial(self.connection.post, call=call))

    def hang_up(self) -> None:
        self._end()
        self.connection.hang_up()

    # What the way beneath sees: see `ports.Session`
    def feed(self, message: Message) -> None:
        if self.open and self._session is not None:
            self._in.carry(message, self._session.feed)

    def refuse(self, error: Any) -> None:
        if self.open and self._session is not None:
            self._session.refuse(error)

    def lost(self, error: Exception | None) -> None:
        if self.open and self._session is not None:
            self._end()
            self._session.lost(error)

    # What a link sees, where the way beneath is opened: see `ports.Channel`
    async def read(self, session: Session) -> None:
        self._session = session
        channel: Channel = self.connection  # type: ignore[assignment]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_reading, nursery.cancel_scope)
            await channel.read(self)
        raise ConnectionLost("the fault plan cut the connection")

    async def _end_reading(self, scope: trio.CancelScope) -> None:
        await self.was_cut.wait()
        scope.cancel("the fault plan cut the connection")


@attrs.frozen
class FaultWay:
    """Another way, with faults. `reconnects` opens an in-process way by a link: a supervised client comes back."""

    way: Way
    plan: FaultPlan
    reconnects: bool = False

    @property
    def name(self) -> str:
        """That of the way beneath, as for the rest: see `ports.Way`."""
        return self.way.name

    @property
    def identity(self) -> str | None:
        """None: what is learnt of a server over a faulty way must not be remembered."""
        return None

    @property
    def at_once(self) -> bool:
        return self.way.at_once and not self.reconnects

    def join(self, runtime: Any, session: Session) -> Connection:
        wire = FaultyWire(runtime, self.plan, session)
        wire.carry_by(self.way.join(runtime, wire))
        return wire

    @asynccontextmanager
    async def open(self, runtime: Any) -> AsyncIterator[Any]:
        if self.way.at_once:
            link = LinkChannel()
            link.carry_by(self.join(runtime, link))
            try:
                yield link
            finally:
                link.connection.hang_up()
            return
        wire = FaultyWire(runtime, self.plan, None)
        async with self.way.open(runtime) as channel:
            wire.carry_by(channel)
            try:
                yield wire
            finally:
                wire.hang_up()


def faulty(target: Any, plan: FaultPlan, *, reconnects: bool = False, **options: Any) -> ZCPClientSession:
    """An unopened client whose way has faults: of an app, a handle, a `ports.Way`, or another unopened client.

    `options` are those of `ZCPClientSession` (for a client they are given already). With `reconnects`, an in-process
    server is reached through a link, so that `runtime.connect(faulty(...))` brings it back after a cut.
    """
    if isinstance(target, ZCPClientSession):
        target._way = FaultWay(target._way, plan, reconnects)  # noqa: SLF001 - the seam is made for this
        return target
    if hasattr(target, "at_once"):
        return ZCPClientSession(FaultWay(target, plan, reconnects), **options)
    return faulty(memory_client(target, **options), plan, reconnects=reconnects)
