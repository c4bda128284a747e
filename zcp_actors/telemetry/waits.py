"""
Waits that the layers report when they are over, and questions that wait here for an answer.

Owns which waits are worth a bar: all of them, but for mailboxes, where only a long one is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context as otel

from zcp_actors.telemetry import conventions as names
from zcp_actors.telemetry.metrics import keyed
from zcp_actors.telemetry.span import Followed

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from zcp_actors.telemetry.drawing import Drawing

MAILBOX: Final = "wait_for mailbox"

LONG_MAIL: Final = 0.01
"""Seconds in a mailbox from which the wait is drawn: a message costs microseconds, so this one met a busy actor."""

ENDS: Final = {"ok": "completed", "expired": "timed out", "timed out": "timed out"}
"""How outcomes of waits are called among spans. Whoever was asked has answered, whatever the answer is."""

OPEN: Final = frozenset({"received", "queued", "awaiting approval", "answering"})


class Waits:
    """Draws waits and counts what is pending."""

    def __init__(self, drawing: Drawing, long_mail: float) -> None:
        self._drawing, self._long_mail = drawing, long_mail

    def waited(self, thing: str, path: str, times: tuple[float, float], outcome: str, facts: dict[str, Any]) -> None:
        """Somebody waited between two times of the runtime's clock."""
        (began, ended), clock = times, self._drawing.clock
        since, until = clock.at(began), clock.at(ended)
        if thing == MAILBOX:
            kind = {names.ACTOR_KIND: facts.get("kind", names.OTHER)}
            self._drawing.metrics.seconds("zcp.mailbox.wait.duration", until - since, kind)
            if ended - began < self._long_mail:
                return
        told = {names.ACTOR_PATH: path, **self._drawing.attributes(facts)}
        name = f"{thing} {facts['kind']}" if thing == MAILBOX and "kind" in facts else thing
        drawn = self._drawing.start(name, self._place(facts), told, at=since)
        drawn.ended = True
        drawn.close(ENDS.get(outcome, "cancelled" if outcome == "cancelled" else "completed"), {}, until)

    def _place(self, facts: dict[str, Any]) -> Context:
        under, within = facts.get("under"), facts.get("within")
        if isinstance(under, Followed):
            return under.inside
        return otel.get_current() if within is None else within.run(otel.get_current)

    def moved(self, path: str, old: str, new: str, facts: dict[str, Any]) -> None:
        """A question of a server waits here, or has ended."""
        metrics, method = self._drawing.metrics, facts.get("method", names.OTHER)
        count = keyed({names.INPUT_METHOD: method, names.SIDE: "answering"})
        if new in OPEN and path not in metrics.waiting:
            metrics.pending[count] += 1
            metrics.waiting[path] = (method, self._drawing.clock.now())
        elif new not in OPEN and metrics.waiting.pop(path, None) is not None:
            metrics.pending[count] -= 1
