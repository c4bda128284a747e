"""
Everything our sessions write in a test, read by the oracle as well.

A session has one writer, whatever its transport is, so that is where this listens. What the oracle refuses is
collected, not raised: an error in a session's step would be the session's, and the test might pass all the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from zcp_actors.errors import NotJSON
from zcp_actors.sessions.client import ClientSession
from zcp_actors.sessions.server import ServerSession
from zcp_actors.wire import Request, encode

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

SHOWN = 5
"""Refusals a failing test shows; the rest says the same."""


class Overheard:
    """What one test's sessions wrote, and what the oracle has against it."""

    def __init__(self) -> None:
        self.messages = 0
        self.refusals: list[str] = []
        self._asked: WeakKeyDictionary[Any, dict[Any, str]] = WeakKeyDictionary()

    def listen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Hear all sessions until the patch is undone."""
        self._listen_to(ServerSession, "server", monkeypatch)
        self._listen_to(ClientSession, "client", monkeypatch)

    def _listen_to(self, kind: type[Any], sender: str, monkeypatch: pytest.MonkeyPatch) -> None:
        write, feed = kind._write, kind.feed

        def overhear(session: Any, message: Any, call: Any = None) -> None:
            if session.connection is not None:
                self._wrote(session, message, sender)
            write(session, message, call)

        def remember(session: Any, message: Any) -> None:
            if type(message) is Request:
                self._asked.setdefault(session, {})[message.id] = message.method
            feed(session, message)

        monkeypatch.setattr(kind, "_write", overhear)
        monkeypatch.setattr(kind, "feed", remember)

    def _wrote(self, session: Any, message: Any, sender: str) -> None:
        import oracle  # its models take half a second, and most tests write nothing

        dialect = session.connection.dialect
        try:
            wire = json.loads(encode(message, dialect, session.connection.stamp))
        except NotJSON:
            return  # it never leaves: the session is told the same
        method = None if "method" in wire else self._asked.get(session, {}).pop(wire.get("id"), None)
        self.messages += 1
        try:
            oracle.check(wire, era=oracle.V2025 if dialect is None else dialect.version, sender=sender, method=method)
        except AssertionError as refusal:
            self.refusals.append(str(refusal))

    def verdict(self) -> str:
        """What to say of a test that wrote something refused; empty when all was read."""
        if not self.refusals:
            return ""
        shown = "\n".join(self.refusals[:SHOWN])
        return f"{len(self.refusals)} of {self.messages} messages were refused by the models of `mcp`:\n{shown}"


def refused_lines(lines: Iterable[tuple[str, bytes]], era: str) -> list[str]:
    """What the oracle has against the lines that a server process of ours wrote ("in"), told what it was asked ("out").

    Lines that were sent to it are not judged, and need not even be JSON: they may be hostile.
    """
    import oracle

    asked: dict[tuple[str, Any], str] = {}
    refusals = []
    for side, line in lines:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            assert side == "out", f"a server of ours wrote no JSON: {line!r:.200}"
            continue
        if type(message) is not dict:
            continue
        key = (type(message.get("id")).__name__, str(message.get("id")))
        if side == "out":
            if type(message.get("method")) is str:
                asked[key] = message["method"]
            continue
        try:
            oracle.check(message, era=era, sender="server", method=asked.get(key) if "method" not in message else None)
        except AssertionError as refusal:
            refusals.append(str(refusal))
    return refusals
