"""
Sessions that made a task, or listen to it, as long as both live: they are told of changes, and asked the questions.

Owns the table of them for one service, and what each has been told. Refuses to know the words: a session's automaton
has them. The rule that keeps it honest: a session that has ended, and a task that has, are in no table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcp_actors.tasks.following import Follow

if TYPE_CHECKING:
    from zcp_actors.protocol.effects import Effect
    from zcp_actors.protocol.tasks import Place, Task
    from zcp_actors.sessions.server import ServerSession
    from zcp_actors.tasks.following import Followers


class SessionFollow(Follow):
    """Follows one task for one session."""

    def __init__(self, sessions: SessionFollows, session: ServerSession, automaton: Any, place: Place) -> None:
        super().__init__(sessions.followers, place)
        self.sessions, self.session, self.automaton = sessions, session, automaton
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
            self.sessions.unfollow(self)
            return
        seen = self.automaton.tasks.visible(task)
        if seen != self._told:
            self._told = seen
            self.tell(self.automaton.task_changed(task))
        if task.ended:
            self.sessions.unfollow(self)
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


class SessionFollows:
    """All of one service. `session in follows`: a task that it follows has not ended."""

    def __init__(self, followers: Followers) -> None:
        self.followers = followers
        self._origins: dict[Place, SessionFollow] = {}
        self._of_session: dict[ServerSession, dict[Place, SessionFollow]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of_session.values())) + len(self._origins)

    def __contains__(self, session: ServerSession) -> bool:
        return session in self._of_session

    def follow(self, session: ServerSession, automaton: Any, place: Place, *, origin: bool = False) -> SessionFollow:
        """The session made this task (`origin`), or listens to it: it is told of it until it ends."""
        follow = self.follow_of(session, place)
        if follow is None:
            follow = SessionFollow(self, session, automaton, place)
            if session.me.status != "running":
                return follow
            self.followers.add(follow)
            self._of_session.setdefault(session, {})[place] = follow
            if origin:
                self._origins[place] = follow
        return follow

    def follow_of(self, session: ServerSession, place: Place) -> SessionFollow | None:
        """How this session follows this task, if it does."""
        return self._of_session.get(session, {}).get(place)

    def unfollow(self, follow: SessionFollow) -> None:
        """There is nothing more to tell of this task."""
        self.followers.discard(follow)
        if self._origins.get(follow.place) is follow:
            del self._origins[follow.place]
        tasks = self._of_session.get(follow.session)
        if tasks is not None:
            tasks.pop(follow.place, None)
            if not tasks:
                del self._of_session[follow.session]

    def left(self, session: ServerSession) -> None:
        """It has ended."""
        for follow in tuple(self._of_session.get(session, {}).values()):
            self.unfollow(follow)

    def session_of(self, place: Place) -> ServerSession | None:
        """The session that made a task, while it lives."""
        follow = self._origins.get(place)
        return None if follow is None else follow.session

    def reached(self, session: ServerSession) -> None:
        """Ask the client what its tasks need."""
        for follow in tuple(self._of_session.get(session, {}).values()):
            follow.ask()

    def progressed(self, task: Task, progress: float, total: float | None, message: str | None) -> None:
        """Tell the session that made it how far a task is."""
        if (follow := self._origins.get(task.place)) is not None:
            follow.tell(follow.automaton.task_progressed(task, progress, total, message))

    def logged(self, task: Task, level: str, content: Any, logger: str | None) -> None:
        """Tell the session that made it what a task logs."""
        if (follow := self._origins.get(task.place)) is not None:
            follow.tell(follow.automaton.task_logged(task, level, content, logger))
