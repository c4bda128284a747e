"""
A session that made a task, or listens to it, as long as both live: it is told of changes, and asked the questions.

Owns what such a session has been told. Refuses to know the words: its automaton has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcp_actors.tasks.following import Follow

if TYPE_CHECKING:
    from zcp_actors.protocol.effects import Effect
    from zcp_actors.protocol.tasks import Place, Task
    from zcp_actors.sessions.server import ServerSession
    from zcp_actors.tasks.service import TaskService


class SessionFollow(Follow):
    """Follows one task for one session."""

    def __init__(self, service: TaskService, session: ServerSession, automaton: Any, place: Place) -> None:
        super().__init__(service.followers, place)
        self.service, self.session, self.automaton = service, session, automaton
        self.erring = False
        """Something is on its way to ask the client what the task needs."""
        self._told: tuple[Any, ...] = ()

    def begin(self, task: Task | None) -> None:
        """This much the client was told, or is about to be."""
        super().begin(task)
        if task is not None and not self._told:
            self._told = self.automaton.tasks.visible(task)

    def heard(self, task: Task | None) -> None:
        """Tell the client what it can see of the change."""
        super().heard(task)
        if task is None:
            self.service.unfollow(self)
            return
        seen = self.automaton.tasks.visible(task)
        if seen != self._told:
            self._told = seen
            self.tell(self.automaton.task_changed(task))
        if task.ended:
            self.service.unfollow(self)
        else:
            self.ask()

    def ask(self) -> None:
        """Ask the client at once, where what belongs to no request reaches it; else `tasks/result` brings it."""
        task = self.task
        if task is not None and task.questions and not self.erring and self.session.reachable:
            self.erring = True
            self.tell(self.automaton.task_needs(task))

    def tell(self, effects: list[Effect]) -> None:
        """Let the session perform what its automaton decided."""
        self.session.tell_of(self.automaton, effects)
