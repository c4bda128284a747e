"""
Sessions: short spans for their beginning and their end, and how long they stood.

Owns nothing of what happens in them. A span as long as a session would be exported when everybody has stopped looking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel

from zcp_actors.telemetry import conventions as names

if TYPE_CHECKING:
    from zcp_actors.telemetry.drawing import Drawing
    from zcp_actors.telemetry.span import Followed

STANDING = frozenset({"ready", "serving"})


class Sessions:
    """What is known of sessions, by path."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self._opening: dict[str, Followed] = {}
        self._since: dict[str, tuple[int, dict[str, Any]]] = {}

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
                at = self._drawing.clock.now()
                self._drawing.drawn("session.close", otel.Context(), at, at, told)

    def _opened(self, path: str, outcome: str, facts: dict[str, Any]) -> None:
        opening = self._opening.pop(path, None)
        if opening is not None:
            opening.end(outcome, **facts)

    def _stood(self, path: str, side: str, facts: dict[str, Any]) -> None:
        since, first = self._since.pop(path, (None, {}))
        if since is None or facts.get("stateless"):
            return
        facts = {**first, **facts}
        told = self._drawing.attributes({key: facts[key] for key in ("version", "protocol") if key in facts})
        if facts.get("transport") not in (None, "memory"):
            told[names.TRANSPORT] = facts["transport"]
        if facts.get("error"):
            told[names.ERROR_TYPE] = facts["error"]
        self._drawing.metrics.seconds(f"mcp.{side}.session.duration", self._drawing.clock.now() - since, told)
