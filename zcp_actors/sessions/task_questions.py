"""
What a task of 2026-07-28 asks of us: each entry of its `inputRequests` once, whoever told of it and how often.

Owns the keys: which are open here, which are answered, which answers are still to be sent. An entry that is gone from
the task is withdrawn here; one that comes back unanswered is asked again. Refuses to send: it hands over what is ready.
Source: SEP-2663, "Providing input": keys are unique over a task's life, a client answers each once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from zcp_actors.actors import Reply
from zcp_actors.errors import InvalidResult, RPCError, ZCPError
from zcp_actors.protocol.effects import Pend, Withdraw
from zcp_actors.protocol.stateless_client import MAX_QUESTIONS_PER_ROUND, StatelessClient

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zcp_actors.protocol.asking import Incoming
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.sessions.followed_task import FollowedTask

MAX_ANSWERED = 10_000
"""Questions that one task may ask in its life; a task that asks more is in a loop, and each is remembered."""


class TaskQuestions:
    """The questions of one task."""

    def __init__(
        self,
        session: ClientSession,
        task: FollowedTask,
        answered: Callable[[], None],
        refused: Callable[[ZCPError], None],
    ) -> None:
        """`answered` is called when an answer is ready, `refused` when a question has no answer."""
        self._session, self._task = session, task
        self._tell_answered, self._tell_refused = answered, refused
        self._open: dict[str, Incoming] = {}
        self._known: set[str] = set()
        """Keys that are answered here, sent or not."""
        self.ready: dict[str, Any] = {}
        """Answers that the server does not have yet."""

    def heard(self, asked: Mapping[str, Any]) -> None:
        """These are the task's open questions now. Raises `InvalidResult` for what it may not ask."""
        for key in [key for key in self._open if key not in asked]:
            self._withdraw(key, "the task does not need the answer any more")
        new = [key for key in asked if key not in self._open and key not in self._known]
        if len(self._open) + len(new) > MAX_QUESTIONS_PER_ROUND or len(self._known) + len(new) > MAX_ANSWERED:
            raise InvalidResult(f"the task asks too much: {len(asked)} questions at once, {len(self._known)} before")
        questions = {key: self._question(key, asked[key]) for key in new}
        self._open |= questions
        for question in questions.values():
            self._session.perform([Pend(question)])

    def _question(self, key: str, request: Any) -> Incoming:
        automaton = self._session.automaton
        assert isinstance(automaton, StatelessClient)
        try:
            question = automaton.question(self._task.origin, key, request)
        except (RPCError, InvalidResult) as error:
            raise InvalidResult(f"the task may not ask this: {error}") from None
        question.task = self._task.id
        question.slot = Reply()
        question.slot.then(partial(self._settled, question))
        return question

    def _settled(self, question: Incoming, reply: Reply[Any]) -> None:
        """Somebody answered, or nobody could. What was withdrawn from here is nobody's any more."""
        if self._open.get(question.key) is not question:
            return
        del self._open[question.key]
        try:
            self.ready[question.key] = reply.result()
        except ZCPError as error:
            self._tell_refused(error)
            return
        self._known.add(question.key)
        self._tell_answered()

    def withdraw_all(self, reason: str) -> None:
        """Nobody needs an answer any more, sent or not."""
        self.ready.clear()
        for key in list(self._open):
            self._withdraw(key, reason)

    def _withdraw(self, key: str, reason: str) -> None:
        question = self._open.pop(key)
        question.open = False
        self._session.perform([Withdraw(question, reason)])
