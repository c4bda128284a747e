"""
What came, in order: kept for looking at, handed out once to whoever expects it.

Owns the waiting of a test for what it expects, and the words of its failure. Refuses to know what is recorded.
The rule that keeps it honest: nothing is skipped in silence; a failure names everything that came and was not taken.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio
from trio.testing import wait_all_tasks_blocked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

KEPT = 10_000
"""Items kept: more than a person reads of a failed test, and a flood still fits into a few MB."""

TIMEOUT = 5.0
"""Seconds that an expectation waits unless told otherwise: far above what a reply takes, nothing in virtual time."""

SHOWN = 20
"""Untaken items that a failure lists."""

ANY: Any = type("Any", (), {"__repr__": lambda _: "anything"})()
"""The pattern that everything fits."""


class Record(Generic[T]):
    """A bounded record. `add` is synchronous; the newest `kept` items stay."""

    def __init__(self, kept: int = KEPT, show: Callable[[T], str] = repr) -> None:
        self.all: deque[T] = deque(maxlen=kept)
        """Everything that came, taken or not, oldest first."""
        self._untaken: deque[T] = deque(maxlen=kept)
        self._lost = 0
        self._show = show
        self._closed: str | None = None
        self._changed = trio.Event()

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self.all))

    @property
    def untaken(self) -> tuple[T, ...]:
        """What came and nobody expected yet."""
        return tuple(self._untaken)

    def add(self, item: T) -> None:
        """Something came."""
        if len(self._untaken) == self._untaken.maxlen:
            self._lost += 1
        self.all.append(item)
        self._untaken.append(item)
        self._wake()

    def close(self, why: str) -> None:
        """Nothing more will come: who waits learns it at once."""
        self._closed = self._closed or why
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def take(self, fits: Callable[[T], bool], wanted: str, timeout: float) -> T:
        """The oldest untaken item that fits, waiting for it. Raises `AssertionError`. On cancel nothing is taken."""
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(timeout):
            while True:
                for index, item in enumerate(self._untaken):
                    if fits(item):
                        del self._untaken[index]
                        return item
                if self._closed is not None:
                    raise AssertionError(self._missing(wanted, f"and {self._closed}"))
                await self._changed.wait()
        raise AssertionError(self._missing(wanted, f"within {timeout:g} s"))

    async def nothing(self, who: str) -> None:
        """Let everything else come to rest. Raises `AssertionError` when something came that nobody expected."""
        await wait_all_tasks_blocked()
        if self._untaken:
            raise AssertionError(self._missing(f"{who} to get nothing", "when everything had come to rest"))

    def _missing(self, wanted: str, when: str) -> str:
        lines = [f"  {self._show(item)}" for item in list(self._untaken)[:SHOWN]]
        if len(self._untaken) > SHOWN:
            lines.append(f"  ... and {len(self._untaken) - SHOWN} more")
        if self._lost:
            lines.append(f"  ({self._lost} older ones were forgotten: the record keeps {self.all.maxlen})")
        came = "\n".join(["came and was not taken:", *lines]) if lines else "nothing came that was not taken"
        return f"expected {wanted} {when}; {came}"


def fits(pattern: Any, value: Any) -> bool:
    """A type fits its instances, a function what it returns true for, any other value its equals."""
    if pattern is ANY:
        return True
    if isinstance(pattern, type):
        return isinstance(value, pattern)
    if callable(pattern):
        return bool(pattern(value))
    return bool(pattern == value)


def name_of(pattern: Any) -> str:
    """The pattern in the words of a failure."""
    if isinstance(pattern, type):
        return f"an instance of {pattern.__name__}"
    return getattr(pattern, "__name__", None) or repr(pattern)
