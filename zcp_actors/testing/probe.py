"""
An actor for tests: it records what it is told and answers what it is asked by script.

Owns the record and the open asks. Refuses to judge by itself: a test says what it expects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.actors import Cell, Reply, current_runtime
from zcp_actors.testing.record import ANY, KEPT, TIMEOUT, Record, fits, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zcp_actors.actors import Ref, Runtime

LATER: Any = type("Later", (), {"__repr__": lambda _: "LATER"})()
"""What a script returns to leave an ask open until `probe.reply`."""


@attrs.frozen(eq=False)
class Received:
    """A message, and the answer to it."""

    message: Any
    reply: Reply[Any]


class Probe(Cell[Any]):
    """Host it anywhere (`runtime.host(Probe(), "name")`), or let `open_probe` do it.

    `script` says how asks are answered: a function of the message, or values for one message after the other; an
    exception is raised at the asker, `LATER` leaves the ask open. Without one, or when it is used up, `reply` answers.
    """

    def __init__(self, script: Callable[[Any], Any] | Iterable[Any] = (), *, kept: int = KEPT) -> None:
        super().__init__()
        self._script = script if callable(script) else _one_by_one(script)
        self._record: Record[Received] = Record(kept, lambda each: repr(each.message))
        self._last: Received | None = None

    @property
    def ref(self) -> Ref[Any]:
        """Its address."""
        return self.me

    @property
    def received(self) -> tuple[Any, ...]:
        """Every message that came, taken or not, oldest first; at most `kept`."""
        return tuple(each.message for each in self._record)

    def describe(self) -> str:
        """What an observer reads."""
        return f"probe · {len(self._record)} messages"

    def receive(self, message: Any) -> Reply[Any]:
        """Record it, answer it by the script."""
        received = Received(message, Reply())
        self._record.add(received)
        answer = self._script(message)
        if answer is not LATER:
            _settle(received.reply, answer)
        return received.reply

    async def expect(self, pattern: Any = ANY, *, timeout: float = TIMEOUT) -> Any:
        """The next message, which must fit: a type, a predicate, or an equal value. Returns it.

        Raises `AssertionError` when the next message does not fit, or none comes within `timeout` seconds.
        """
        received = await self._record.take(lambda _: True, name_of(pattern), timeout)
        if not fits(pattern, received.message):
            raise AssertionError(f"expected {name_of(pattern)}; the next message is {received.message!r}")
        self._last = received
        return received.message

    async def expect_none(self) -> None:
        """Let all other tasks come to rest. Raises `AssertionError` when a message came that was not expected."""
        await self._record.nothing(self.me.path)

    def reply(self, value: Any) -> None:
        """Answer the message that was expected last; an exception is raised at the asker.

        Raises `AssertionError` when nothing was expected yet, it has its answer, or the asker has given up.
        """
        if self._last is None:
            raise AssertionError("reply() answers the message that expect() returned last, and there was none")
        if not _settle(self._last.reply, value):
            state = "is answered already" if self._last.reply.settled else "is not waited for any more"
            raise AssertionError(f"the message {self._last.message!r} {state}")


def open_probe(
    name: str = "probe",
    script: Callable[[Any], Any] | Iterable[Any] = (),
    *,
    runtime: Runtime | None = None,
    parent: Ref[Any] | None = None,
) -> Probe:
    """A probe in the runtime around (or `runtime`), below `parent`. It ends with them, or by `probe.ref.stop()`."""
    probe = Probe(script)
    (runtime or current_runtime()).host(probe, name, parent=parent)
    return probe


def _one_by_one(values: Iterable[Any]) -> Callable[[Any], Any]:
    left = iter(values)
    return lambda _: next(left, LATER)


def _settle(reply: Reply[Any], answer: Any) -> bool:
    return reply.fail(answer) if isinstance(answer, BaseException) else reply.set(answer)
