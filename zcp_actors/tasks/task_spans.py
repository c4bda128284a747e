"""
A task's waits for answers, as its recorder follows them.

Owns nothing but what is followed, by key. Made only where a recorder listens; it decides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zcp_actors.ports import Recorder, Span
    from zcp_actors.protocol.tasks import Task


class TaskSpans:
    """One for each task at work."""

    def __init__(self, recorder: Recorder, path: str, task: Task) -> None:
        self._recorder, self._path, self._id = recorder, path, task.id
        self._waits: dict[str, Span] = {}
        self.entered(task)

    def leaves(self, task: Task) -> None:
        """The record becomes this one: what is not asked any more was answered, or is not wanted."""
        for key in [key for key in self._waits if key not in task.questions]:
            outcome = task.answers.get(key)
            if outcome is None:
                self._waits.pop(key).end("cancelled")
            else:
                word, facts = ended(outcome)
                self._waits.pop(key).end(word, **facts)

    def entered(self, task: Task) -> None:
        """The record is this one, and its status is told of: what it newly asks is waited for in that."""
        for key, question in task.questions.items():
            if key not in self._waits:
                under = self._recorder.following("task", self._path)
                self._waits[key] = self._recorder.begin(
                    "question", f"{self._id}/{key}", under=under, method=question.method, key=key, task=self._id
                )

    def close(self) -> None:
        """It is not run here any more."""
        for wait in self._waits.values():
            wait.end("cancelled")
        self._waits.clear()


def ended(outcome: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """How a question ended, in one word, and what else its answer tells."""
    error, result = outcome.get("error"), outcome.get("result")
    if isinstance(error, dict):
        return "failed", {"code": error.get("code")}
    action = result.get("action") if isinstance(result, dict) else None
    return "completed", {"action": action} if isinstance(action, str) else {}
