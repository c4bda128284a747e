"""
What one response stream still has to carry, and what it carried.

Owns a bounded log of events with one reader at a time. Refuses to know connections, sessions, and what events mean.
The rules: `put` is one synchronous step and never waits for the reader. A change that is not read yet stands for the
next one. When the reader is behind, progress is replaced by newer progress, and the oldest log messages are dropped and
counted; an answer or a question is never dropped.
Source: MCP 2025-11-25 basic/transports, Resumability: an event's number is a cursor within its stream.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs
import trio

from zcp_actors.errors import ConnectionLost
from zcp_actors.wire import Notification, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

HIGH_WATER_EVENTS = 256
"""Above this the reader is behind: a screenful of log lines, and what a slow link takes in a second or two."""

HIGH_WATER_BYTES = 1024 * 1024
"""The same in bytes: more than the buffers of a connection hold."""

HARD_LIMIT_BYTES = 64 * 1024 * 1024
"""What cannot be dropped and is not read: four messages of the default maximum."""

HARD_LIMIT_EVENTS = 10_000
"""The same for small ones: questions and their withdrawals, a few MB."""

BATCH_BYTES = 256 * 1024
"""The most that is handed out at once: it bounds the copy, so a long log does not stall the loop."""

TURNS = 2
"""Turns of the loop in which a handler that waits for nothing begins and ends, whichever of the two is first."""

ROOM_SECONDS = 1.0
"""How long a report waits for a reader that is behind, once; then it is put all the same, and others give way."""

TASK_NEWS = frozenset({"notifications/tasks/status", "notifications/tasks"})
"""Each tells all that is known of a task, so the newest is enough."""

LOG = "log"
"""The key of events that may be dropped."""


class Change(NamedTuple):
    """The key of an event that only says that something is not as it was: one that was not read yet says it for all."""

    method: str
    uri: str | None


@attrs.frozen
class Event:
    """One message on its way. `key` is None for what must arrive, LOG, or what a newer event of it replaces."""

    number: int
    data: bytes
    key: Hashable | None


def key_of(message: Any) -> Hashable | None:
    """What may happen to a message whose reader is behind."""
    if type(message) is not Notification:
        return None
    method, params = message.method, message.params
    if method == "notifications/progress":
        return method, getattr(params, "progress_token", None)
    if method == "notifications/message":
        return LOG
    if method in TASK_NEWS:
        return method, getattr(params, "task_id", None)
    if method.endswith("/list_changed") or method == "notifications/resources/updated":
        return Change(method, getattr(params, "uri", None))
    return None


def notice(text: str) -> bytes:
    """A log message of the transport's own, in either revision's shape."""
    params = {"level": "warning", "logger": "zcp_actors.http", "data": text}
    return encode(Notification("notifications/message", params))


class Stream:
    """One log. `keeps` what was handed out until `trim`; `spend` hears of every byte that is kept or let go."""

    __slots__ = (
        "_drained",
        "_given",
        "_keeps",
        "_last",
        "_sending",
        "_spend",
        "_stalled",
        "_told",
        "_unread",
        "_waiting",
        "awaited",
        "dropped",
        "ended",
        "events",
        "handed_to",
        "lost_to",
        "reader",
    )

    def __init__(self, *, keeps: bool = False, spend: Callable[[int], None] | None = None) -> None:
        self._keeps, self._spend = keeps, spend
        self.events: deque[Event] = deque()
        self.ended = False
        """Nothing more will be put."""
        self.dropped = 0
        """Log messages dropped since the reader was last told."""
        self.handed_to = 0
        """The newest event that was handed out."""
        self.lost_to = 0
        """The newest event that was handed out and is not kept any more."""
        self.reader: object | None = None
        self.awaited = False
        """The last reader did not leave on its own: for what is unread it was told when to come back."""
        self._last = self._given = self._unread = self._sending = 0
        self._stalled = False
        self._told: tuple[tuple[int, int], ...] = ()
        """After which event the reader was told of how many dropped ones; it may come back and not have heard it."""
        self._waiting = trio.lowlevel.ParkingLot()
        self._drained = trio.lowlevel.ParkingLot()

    # -------------------------------------------------------------------------------------------- writing
    def put(self, data: bytes, key: Hashable | None = None) -> None:
        """Add an event. Raises `ConnectionLost` when too much waits that cannot be dropped."""
        if self.ended:
            raise ConnectionLost("this response stream has ended")
        if key is not None and self.unread and not self._is_worth(key):
            return
        if self._unread + len(data) > HARD_LIMIT_BYTES or self.unread >= HARD_LIMIT_EVENTS:
            raise ConnectionLost(f"the client does not read: {self.unread} messages of {self._unread} bytes wait")
        self._last += 1
        self.events.append(Event(self._last, data, key))
        self._unread += len(data)
        self._account(len(data))
        self._waiting.unpark_all()

    def _is_worth(self, key: Hashable) -> bool:
        """Whether an event of this key shall be put behind those that wait."""
        if type(key) is Change:
            return all(self.events[place].key != key for place in range(self._given, len(self.events)))
        return not self.behind or self._make_room(key)

    def _make_room(self, key: Hashable) -> bool:
        """Let an older report give way to a newer one. False when there is none: then a log message itself must."""
        for place in range(self._given, len(self.events)):
            if self.events[place].key == key:
                self._forget(place)
                self.dropped += key == LOG
                return True
        self.dropped += key == LOG
        return key != LOG

    def _forget(self, place: int) -> None:
        event = self.events[place]
        del self.events[place]
        self._unread -= len(event.data)
        self._account(-len(event.data))

    def _account(self, size: int) -> None:
        if self._spend is not None:
            self._spend(size)

    def end(self) -> None:
        """Nothing more will be put. What is there is still handed out."""
        self.ended = True
        self._waiting.unpark_all()
        self._drained.unpark_all()

    @property
    def unread(self) -> int:
        """Events that were not handed out yet."""
        return len(self.events) - self._given

    @property
    def behind(self) -> bool:
        """More waits than a reader that reads would leave."""
        return self.unread >= HIGH_WATER_EVENTS or self._unread >= HIGH_WATER_BYTES

    async def room(self) -> None:
        """Wait until the reader is not behind, but not for ever, and not for one that is not there."""
        await trio.lowlevel.checkpoint()
        if not self.behind or self._stalled or self.reader is None or self.ended:
            return
        with trio.move_on_after(ROOM_SECONDS):
            while not self._deserted() and self.behind:
                await self._drained.park()
        self._stalled = self.behind

    def _deserted(self) -> bool:
        return self.reader is None or self.ended

    # -------------------------------------------------------------------------------------------- reading
    def attach(self) -> object:
        """Become the reader; whoever was it finds itself dismissed."""
        self.reader = reader = object()
        self._stalled = self.awaited = False
        self._sending = 0
        self._waiting.unpark_all()
        return reader

    def detach(self, reader: object | None = None) -> None:
        """The reader leaves, or (without one) is dismissed."""
        if reader is None or self.reader is reader:
            self.reader = None
            self._waiting.unpark_all()
            self._drained.unpark_all()

    def over(self, reader: object) -> bool:
        """There is nothing (more) for this reader."""
        return self.reader is not reader or (self.ended and not self.unread)

    async def glance(self) -> None:
        """Wait as long as an answer takes that waits for nothing itself: nobody needs to watch a client meanwhile."""
        for _ in range(TURNS):
            if self.events or self.ended:
                return
            await trio.lowlevel.checkpoint()

    async def wait(self, reader: object, seconds: float) -> None:
        """Wait until there is something for this reader, or it is over, or the time has passed."""
        await trio.lowlevel.checkpoint_if_cancelled()
        with trio.move_on_after(seconds):
            while self.reader is reader and not self.unread and not self.ended:
                await self._waiting.park()

    def take(self) -> list[Event]:
        """Hand out what waits, oldest first, up to a batch. A gap made by dropping is told in its place."""
        taken: list[Event] = []
        size = 0
        before = self._given
        if self.dropped:
            said = f"{self.dropped} log messages were dropped here: they came faster than they were read"
            taken.append(Event(0, notice(said), None))
            if self._keeps:
                told = (each for each in self._told if each[0] >= self.lost_to)
                self._told = (*told, (self.handed_to, self.dropped))
            self.dropped = 0
        while self.unread and size < BATCH_BYTES:
            event = self.events[self._given]
            taken.append(event)
            size += len(event.data)
            self._unread -= len(event.data)
            self._given += 1
            self.handed_to = event.number
            if not self._keeps:
                self.trim()
        self._sending = self._given - before if self._keeps else 0
        self._stalled = False
        self._drained.unpark_all()
        return taken

    # -------------------------------------------------------------------------------------------- reading again
    @property
    def kept(self) -> int:
        """Events that were sent and are kept. What a reader was handed last may still be on its way."""
        return self._given if self.reader is None else self._given - self._sending

    def trim(self) -> None:
        """Let go of the oldest event that was handed out."""
        event = self.events.popleft()
        self._given -= 1
        self.lost_to = event.number
        self._account(-len(event.data))

    def clear(self) -> None:
        """Let go of everything, handed out or not."""
        self._account(-sum(len(event.data) for event in self.events))
        self.events.clear()
        self._given = self._unread = self._sending = 0

    def rewind(self, number: int) -> bool:
        """Hand out again what came after this event. False when some of that is not kept any more."""
        self._given = sum(event.number <= number for event in self.events)
        self._unread = sum(len(event.data) for event in self.events if event.number > number)
        self._sending = 0
        self.handed_to = number
        self.dropped += sum(count for after, count in self._told if after >= number)
        self._told = tuple(each for each in self._told if each[0] < number)
        return number >= self.lost_to
