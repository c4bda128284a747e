"""
What a supervisor does about an end: the policy, as values.

Owns which ends lead to a restart, how often that may happen and how long to wait. Refuses to know tasks and trio.
The rule that keeps it honest: everything here is a pure function of exits, times and a random number that is passed in.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.actors.actor import Actor
    from zcp_actors.actors.exit import Exit


class Strategy(enum.Enum):
    """Who is restarted when a child fails."""

    ONE_FOR_ONE = enum.auto()
    """The child alone."""
    ONE_FOR_ALL = enum.auto()
    """All children: each depends on every other."""
    REST_FOR_ONE = enum.auto()
    """The child and those started after it: each may depend on earlier ones."""


class Restart(enum.Enum):
    """Which ends of a child lead to a restart. An end that somebody asked for (`stop`, `cancel`) never does."""

    ALWAYS = enum.auto()
    """When it failed, and when it ended by its own decision."""
    ON_FAILURE = enum.auto()
    """When it failed."""
    NEVER = enum.auto()
    """Not at all: for conversations, whose other side has lost its state as well."""

    def wants(self, exit: Exit) -> bool:
        """Whether a child that ended so is to be started again."""
        return self is not Restart.NEVER and (
            exit.kind == "failed" or (exit.kind == "normal" and self is Restart.ALWAYS)
        )


def _whole(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, int) or value < 0:
        raise UsageError(f"{attribute.name} is how often, a whole number from 0; got {value!r}")


def _not_negative(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, int | float) or not value >= 0:
        raise UsageError(f"{attribute.name} is in seconds, from 0; got {value!r}")


@attrs.frozen
class Limit:
    """At most `restarts` in any `within` seconds. Before each, wait `backoff` seconds, doubled up to `backoff_max`.

    The wait is multiplied by a random number from 0.5 to 1.0, so that many clients of one dead peer do not return
    in step. The defaults are Elixir's: three in five seconds catches a child that cannot live, and forgives a burst.
    A restart exactly `within` seconds ago still counts. Raises `UsageError` for what is negative.
    """

    restarts: int = attrs.field(default=3, validator=_whole)
    within: float = attrs.field(default=5.0, validator=_not_negative)
    backoff: float = attrs.field(default=0.1, validator=_not_negative)
    backoff_max: float = attrs.field(default=5.0, validator=_not_negative)

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait before restart number `attempt` (from 1) of a burst; `chance` is from 0.0 to 1.0."""
        # 2.0 ** 64 seconds is beyond any backoff_max; the bound keeps a long burst from overflowing.
        return min(self.backoff_max, self.backoff * 2.0 ** min(attempt - 1, 64)) * (0.5 + 0.5 * chance)


class Budget:
    """The restarts that were spent within the limit's window."""

    __slots__ = ("_spent", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._spent: deque[float] = deque(maxlen=limit.restarts + 1)

    def spend(self, now: float) -> int | None:
        """Spend one restart; its number in the present burst, or None when there is none left."""
        self._spent.append(now)
        while self._spent[0] < now - self.limit.within:
            self._spent.popleft()
        return len(self._spent) if len(self._spent) <= self.limit.restarts else None


@attrs.frozen(eq=False)
class Child:
    """What a supervisor needs to start an actor: a name, how to make one, and when to make another."""

    name: str
    make: Callable[[], Actor[Any]]
    restart: Restart = attrs.field(default=Restart.ON_FAILURE, kw_only=True)
    grace: float | None = attrs.field(default=None, kw_only=True)
    """Seconds between being asked to stop, by whomever, and being cancelled; None takes the actor's own `grace`."""
