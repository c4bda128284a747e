"""
Sessions: short spans for their beginning and their end, and how long they stood.

Owns nothing of what happens in them. A span as long as a session would be exported when everybody has stopped looking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel

from zcp_actors.telemetry import conventions as names
from zcp_actors.telemetry.drawing import linked

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from zcp_actors.telemetry.drawing import Drawing
    from zcp_actors.telemetry.span import Followed

STANDING = frozenset({"ready", "serving"})
MEASURED = ("version", "protocol", "address", "port")
"""Facts of a session that its duration has."""


class Sessions:
    """What is known of sessions, by path."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self._opening: dict[str, Followed] = {}
        self._since: dict[str, tuple[int, dict[str, Any]]] = {}
        self._openings: dict[str, SpanContext] = {}
        """What opened those that are not closed, the last time."""

    def following(self, path: str) -> Followed | None:
        """The opening that is under way there."""
        return self._opening.get(path)

    def moved(self, path: str, old: str, new: str, facts: dict[str, Any]) -> None:
        """A session is being opened, stands, was lost, or is closed."""
        told = {names.ACTOR_PATH: path, **self._drawing.attributes(facts)}
        if new == "connecting":
            self._opening[path] = self._drawing.start("session.open", otel.get_current(), told)
        elif new in STANDING:
            self._since[path] = self._drawing.clock.now(), facts
            self._opened(path, "completed", facts)
        else:
            error = facts.get("error", "")
            self._opened(path, "failed" if error else "cancelled", facts)
            self._stood(path, "client" if old == "ready" else "server", facts)
            if new == "closed" and old != "serving":
                self._closed(path, told, error)

    def _closed(self, path: str, told: dict[str, Any], error: str) -> None:
        told[names.CLOSE_REASON] = "lost" if error else "closed"
        if error:
            told[names.ERROR_TYPE] = error
        opening, at = self._openings.pop(path, None), self._drawing.clock.now()
        links = [] if opening is None else linked(opening, "opened_by")
        self._drawing.drawn("session.close", otel.Context(), at, at, told, links=links)

    def _opened(self, path: str, outcome: str, facts: dict[str, Any]) -> None:
        opening = self._opening.pop(path, None)
        if opening is not None:
            self._openings[path] = opening.at
            opening.end(outcome, **facts)

    def _stood(self, path: str, side: str, facts: dict[str, Any]) -> None:
        since, first = self._since.pop(path, (None, {}))
        if since is None or facts.get("stateless"):
            return
        facts = {**first, **facts}
        told = self._drawing.attributes({key: facts[key] for key in MEASURED if key in facts})
        if facts.get("transport") not in (None, "memory"):
            told[names.TRANSPORT] = facts["transport"]
        if facts.get("error"):
            told[names.ERROR_TYPE] = facts["error"]
        self._drawing.metrics.seconds(f"mcp.{side}.session.duration", self._drawing.clock.now() - since, told)
