"""
What goes wrong on a way to a server, and when: a plan of faults, decided message by message.

Owns the rules, their counting, and the record of what happened. Refuses to know connections and clocks.
The rule that keeps it honest: a plan is deterministic. The same messages meet the same faults; chance comes from a
seed, and the seed is printed.
"""

from __future__ import annotations

import random
import secrets
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

import attrs

from zcp_actors.testing.record import KEPT
from zcp_actors.wire import ErrorResponse, Notification, Request, Response

if TYPE_CHECKING:
    from zcp_actors.wire import Message

Sender = Literal["client", "server"]
Kind = Literal["request", "notification", "reply"]

HANDSHAKE = frozenset({"server/discover", "initialize", "notifications/initialized"})


@attrs.frozen
class Passing:
    """A message on its way, as a rule sees it."""

    sender: Sender
    kind: Kind
    method: str
    """Of a request or a notification; of a reply, that of the request it answers."""
    number: int
    """Counts the messages of this sender, from 1."""
    message: Message


@attrs.frozen
class Drop:
    """It never arrives."""


@attrs.frozen
class Delay:
    """It arrives so many seconds later; those behind it overtake it."""

    seconds: float


@attrs.frozen
class Duplicate:
    """It arrives once more, or several times."""

    times: int = 1


@attrs.frozen
class Reorder:
    """It arrives after the next `by` messages of its sender; when they do not come, after `patience` seconds."""

    by: int = 1
    patience: float = 1.0


@attrs.frozen
class Cut:
    """The connection breaks here: both sides lose it. `delivered`: this message still arrives."""

    delivered: bool = False


Action = Drop | Delay | Duplicate | Reorder | Cut


@attrs.frozen
class Happened:
    """A fault that was done to a message."""

    action: Action
    passing: Passing

    def __str__(self) -> str:
        passing = self.passing
        return f"{self.action} to {passing.sender} message {passing.number}, {passing.kind} {passing.method}"


@attrs.frozen
class Rule:
    """An action, and the messages it is for: all that fit, or the `nth` of them, or those `after` so many."""

    action: Action
    sender: Sender | None = None
    kind: Kind | None = None
    method: str | None = None
    nth: int | None = None
    after: int | None = None
    when: Callable[[Passing], bool] | None = None

    def fits(self, passing: Passing) -> bool:
        """Whether it is a message of this kind, whatever its turn."""
        return (
            self.sender in (None, passing.sender)
            and self.kind in (None, passing.kind)
            and self.method in (None, passing.method)
            and (self.when is None or self.when(passing))
        )

    def strikes(self, count: int) -> bool:
        """Whether the rule is for the message that is the `count`th to fit, from 1."""
        return (self.nth is None or count == self.nth) and (self.after is None or count > self.after)


class FaultPlan(Protocol):
    """What decides. `Plan` and `RandomPlan` do; write your own for more."""

    def decide(self, passing: Passing) -> Action | None:
        """What is done to this message; None lets it pass."""

    happened: deque[Happened]


class Plan:
    """Rules, the first that strikes decides: `Plan(Rule(Drop(), sender="server", method="tools/call", nth=2))`.

    Counts go on over the connections of a client, so "the third message" strikes once.
    """

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules
        self.happened: deque[Happened] = deque(maxlen=KEPT)
        """The faults that were done, oldest first."""
        self._counts = [0] * len(rules)

    def decide(self, passing: Passing) -> Action | None:
        """See `FaultPlan`."""
        found: Action | None = None
        for index, rule in enumerate(self.rules):
            if rule.fits(passing):
                self._counts[index] += 1
                if found is None and rule.strikes(self._counts[index]):
                    found = rule.action
        if found is not None:
            self.happened.append(Happened(found, passing))
        return found


class RandomPlan:
    """A mix of faults drawn from a seed, each with its probability per message; the handshake is spared.

    Without a `seed` one is drawn; either way it is printed, so that a failing test says how to repeat it.
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        drop: float = 0.0,
        delay: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        cut: float = 0.0,
        longest_delay: float = 1.0,
        spare: frozenset[str] = HANDSHAKE,
    ) -> None:
        self.seed = secrets.randbits(32) if seed is None else seed
        print(f"fault plan: RandomPlan({self.seed}, ...)")  # noqa: T201 - a failing test shows what it printed
        self.happened: deque[Happened] = deque(maxlen=KEPT)
        """The faults that were done, oldest first."""
        self._random = random.Random(self.seed)  # noqa: S311 - no secret: it must repeat itself
        self._spare = spare
        self._chances: list[tuple[float, Callable[[], Action]]] = [
            (drop, Drop),
            (delay, lambda: Delay(self._random.uniform(0, longest_delay))),
            (duplicate, Duplicate),
            (reorder, Reorder),
            (cut, Cut),
        ]

    def decide(self, passing: Passing) -> Action | None:
        """See `FaultPlan`."""
        if passing.method in self._spare:
            return None
        drawn = self._random.random()
        for chance, make in self._chances:
            if drawn < chance:
                action = make()
                self.happened.append(Happened(action, passing))
                return action
            drawn -= chance
        return None


class Counter:
    """Names the messages of one connection for a plan: numbers them, and gives a reply its request's method."""

    def __init__(self) -> None:
        self._numbers: dict[Sender, int] = {"client": 0, "server": 0}
        self._asked: dict[tuple[Sender, int | str | None], str] = {}

    def passing(self, sender: Sender, message: Message) -> Passing:
        """The message as a rule sees it."""
        self._numbers[sender] += 1
        number = self._numbers[sender]
        match message:
            case Request(id, method):
                self._asked[sender, id] = method
                return Passing(sender, "request", method, number, message)
            case Notification(method):
                return Passing(sender, "notification", method, number, message)
            case Response(id) | ErrorResponse(id):
                other: Sender = "client" if sender == "server" else "server"
                return Passing(sender, "reply", self._asked.pop((other, id), ""), number, message)
        raise TypeError(f"expected a message of the wire, got {message!r}")
