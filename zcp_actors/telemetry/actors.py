"""
Actors: how many serve, and what a supervisor did when one failed.

Owns the picture of a restart. An actor that lives has no span: it could not be exported before the end, and a crash
would lose it. One that failed gets it after the fact, and its restart a short trace of its own, linked to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from opentelemetry import context as otel

from zcp_actors.telemetry import conventions as names
from zcp_actors.telemetry.drawing import linked
from zcp_actors.telemetry.metrics import keyed

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from zcp_actors.telemetry.drawing import Drawing
    from zcp_actors.telemetry.span import Followed


@attrs.define(eq=False)
class Revival:
    """An actor on its way back."""

    whole: Followed
    failed: SpanContext
    since: int
    starting: Followed | None = None


class Actors:
    """What is known of actors, by path."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self._running: dict[str, int] = {}
        """Task actors: since when their incarnation serves."""
        self._revivals: dict[str, Revival] = {}
        self._incarnations: dict[str, int] = {}
        """Which one it is, of those that were started again."""

    def moved(self, path: str, old: str, new: str, facts: dict[str, Any]) -> None:
        """An actor or a cell went from one status to another."""
        kind = facts.get("kind", names.OTHER)
        count = keyed({names.ACTOR_KIND: self._drawing.metrics.named(kind)})
        if new == "running":
            self._drawing.metrics.actors[count] += 1
        elif old == "running":
            self._drawing.metrics.actors[count] -= 1
        if kind == "cell":
            return
        if new == "running":
            self._running[path] = self._drawing.clock.now()
            self._serves_again(path)
        elif old == "restarting" and new == "starting":
            self._starts_again(path, kind)
        elif new == "ended":
            self._ended(path, kind, facts.get("exit"))

    def restarts(self, path: str, exit: Any, attempt: int, facts: dict[str, Any]) -> None:
        """It failed and will be started again."""
        kind = facts.get("kind", names.OTHER)
        told: dict[str, Any] = {names.ACTOR_KIND: kind, names.STRATEGY: facts.get("strategy", names.OTHER)}
        error = error_type(exit)
        self._drawing.metrics.restarts[keyed({**told, names.ERROR_TYPE: error} if error else told)] += 1
        self._give_up(path)
        incarnation = int(facts.get("incarnation", attempt))
        failed = self._incarnation(path, kind, exit, incarnation)
        self._incarnations[path] = incarnation + 1
        told |= {names.ACTOR_PATH: path, names.ACTOR_INCARNATION: incarnation + 1, names.RESTARTS: attempt}
        whole = self._drawing.start("supervisor.restart", otel.Context(), told, links=linked(failed, "restart_of"))
        self._revivals[path] = Revival(whole, failed, whole.began)

    def _incarnation(self, path: str, kind: str, exit: Any, number: int) -> SpanContext:
        """The span of one that is over."""
        now = self._drawing.clock.now()
        told = {names.ACTOR_KIND: kind, names.ACTOR_PATH: path, names.ACTOR_INCARNATION: number}
        drawn = self._drawing.start(f"actor {kind}", otel.Context(), told, at=self._running.pop(path, now))
        drawn.ended = True
        error = error_type(exit)
        outcome = "cancelled" if getattr(exit, "kind", "") == "cancelled" else "failed" if error else "completed"
        drawn.close(outcome, {"error": error} if error else {}, now)
        return drawn.at

    def _starts_again(self, path: str, kind: str) -> None:
        revival = self._revivals.get(path)
        if revival is None:
            return
        whole, now = revival.whole, self._drawing.clock.now()
        told: dict[str, Any] = {names.ACTOR_KIND: kind, names.ACTOR_PATH: path}
        self._drawing.drawn("wait_for restart_backoff", whole.context, revival.since, now, told)
        told |= {names.ACTOR_INCARNATION: self._incarnations[path]}
        links = linked(revival.failed, "restart_of")
        revival.starting = self._drawing.start(f"actor {kind}", whole.context, told, links=links, at=now)

    def _serves_again(self, path: str) -> None:
        revival = self._revivals.pop(path, None)
        if revival is not None:
            if revival.starting is not None:
                revival.starting.end()
            revival.whole.end()

    def _give_up(self, path: str) -> None:
        """It failed, or was stopped, before it served again."""
        revival = self._revivals.pop(path, None)
        if revival is not None:
            if revival.starting is not None:
                revival.starting.end("failed")
            revival.whole.end("failed")

    def _ended(self, path: str, kind: str, exit: Any) -> None:
        self._give_up(path)
        incarnation = self._incarnations.pop(path, 1)
        if error_type(exit):
            self._incarnation(path, kind, exit, incarnation)
        self._running.pop(path, None)


def error_type(exit: Any) -> str:
    """The type of what escaped; empty when nothing did."""
    error = getattr(exit, "error", None)
    return "" if error is None else type(error).__name__
