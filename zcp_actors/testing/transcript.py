"""
What crossed between two sides, in order, as plain JSON.

Owns the record and how it reads. Refuses to touch what passes: it is told, and keeps.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from zcp_actors.testing.record import KEPT
from zcp_actors.wire import encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcp_actors.wire import Message

WIDTH = 160
"""Characters of one line of a printed transcript."""


@attrs.frozen
class Line:
    """One message, and who sent it."""

    side: str
    """"client" or "server"; for a tap of bytes "out" or "in"."""
    message: dict[str, Any]

    def __str__(self) -> str:
        text = f"{self.side:>6}: {msgspec.json.encode(self.message).decode()}"
        return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


class Transcript:
    """Pass it as a tap: `memory_client(app, tap=transcript)`. Keeps the newest `kept` messages; print it."""

    def __init__(self, kept: int = KEPT) -> None:
        self._lines: deque[Line] = deque(maxlen=kept)
        self._methods: dict[tuple[str, Any], str] = {}

    def __call__(self, side: str, message: Message | dict[str, Any] | bytes) -> None:
        """Keep a message, whatever form it has."""
        self._lines.append(Line(side, plain_message(message)))

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        return iter([(line.side, line.message) for line in self._lines])

    def __len__(self) -> int:
        return len(self._lines)

    def __str__(self) -> str:
        return "\n".join(map(str, self._lines))

    def of(self, side: str) -> list[dict[str, Any]]:
        """What this side sent, oldest first."""
        return [line.message for line in self._lines if line.side == side]

    def outline(self) -> list[str]:
        """One short text per message: "client tools/call", "server result of tools/call", "client error of ..."."""
        asked: dict[tuple[str, Any], str] = {}
        return [_outline(line, asked) for line in self._lines]


def _outline(line: Line, asked: dict[tuple[str, Any], str]) -> str:
    message, side = line.message, line.side
    other = {"client": "server", "server": "client", "in": "out", "out": "in"}.get(side, "")
    method = message.get("method")
    if method is None:
        kind = "error" if "error" in message else "result"
        return f"{side} {kind} of {asked.get((other, message.get('id')), 'what nobody asked')}"
    if "id" in message:
        asked[side, message["id"]] = method
    return f"{side} {method}"


def plain_message(message: Message | dict[str, Any] | bytes) -> dict[str, Any]:
    """A message as the plain JSON object of the wire."""
    if isinstance(message, dict):
        return message
    raw = message if isinstance(message, bytes) else encode(message)
    found: dict[str, Any] = msgspec.json.decode(raw)
    return found
