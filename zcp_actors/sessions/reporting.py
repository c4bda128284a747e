"""
What sessions tell the recorder of their requests and questions.

Owns the words: which outcome is called what, so that a cancelled request never looks like a success.
Refuses to keep anything; it is called only where a recorder listens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.errors import CallEnding, ConnectionLost, RequestTimeout

if TYPE_CHECKING:
    from zcp_actors.actors import Reply
    from zcp_actors.ports import Recorder


def outcome_of(reply: Reply[Any]) -> tuple[str, dict[str, Any]]:
    """How a request or question ended, in one word, and the facts that tell more."""
    if not reply.settled:
        return "cancelled", {}
    error = reply.error  # not raised: it may be under way to the caller
    if error is None:
        return ("tool error" if getattr(reply.result(), "is_error", False) else "completed"), {}
    if isinstance(error, CallEnding):
        return "cancelled", {}
    if isinstance(error, RequestTimeout):
        return "timed out", {"error": type(error).__name__, "kind": error.kind}
    if isinstance(error, ConnectionLost):
        return "lost", {"error": type(error).__name__}
    return "failed", {"error": type(error).__name__, "code": getattr(error, "code", None)}


@attrs.frozen
class Report:
    """One request or question that is on its way, as the recorder hears of it. Made where a recorder listens."""

    recorder: Recorder
    subject: str
    path: str
    method: str
    target: str

    def begin(self) -> Report:
        """It is asked."""
        self.recorder.transition(self.subject, self.path, "", "asked", method=self.method, target=self.target)
        return self

    def end(self, reply: Reply[Any]) -> None:
        """It has ended."""
        outcome, facts = outcome_of(reply)
        facts["method"] = self.method
        self.recorder.transition(self.subject, self.path, "asked", outcome, **facts)
