"""
Who wants to know of which tasks, and the newest record that each has heard of.

Owns the table of followers of one service. Refuses to know why somebody follows. The rule that keeps it honest: a
follower hears only what the store has, so nobody is told of a state that a crash could take back.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

from zcp_actors.actors import Reply

if TYPE_CHECKING:
    from zcp_actors.protocol.tasks import Place, Task

log = logging.getLogger("zcp_actors.tasks")

MISSING = object()
"""What a follow knows before anybody told it anything."""


class Follow:
    """One follower of one task. A subclass overrides `heard`; `task` is the newest record, None for one that is gone.

    Use it as a context manager: it follows inside the block.
    """

    def __init__(self, followers: Followers, place: Place) -> None:
        self.followers, self.place = followers, place
        self._task: Task | object | None = MISSING
        self._waiting: Reply[None] | None = None

    def __enter__(self) -> Self:
        self.followers.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.followers.discard(self)

    @property
    def task(self) -> Task | None:
        """The newest record; None when the task is gone, or nothing is known of it yet."""
        return None if self._task is MISSING else self._task  # type: ignore[return-value]

    def newest(self) -> Task | None:
        """`task`, for who asks later."""
        return self.task

    def begin(self, task: Task | None) -> None:
        """What the store said, unless something newer was heard meanwhile."""
        if self._task is MISSING:
            self._task = task

    def heard(self, task: Task | None) -> None:
        """The task is not what it was; None when it is gone."""
        self._task = task
        self.poke()

    def poke(self) -> None:
        """Let whoever waits for a change look again."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.set(None)

    async def changed(self) -> None:
        """Wait until the record, or something that was poked about, has changed. For one waiter."""
        waiting: Reply[None] = Reply()
        self._waiting = waiting
        await waiting.wait()


class Followers:
    """All of one service."""

    def __init__(self) -> None:
        self._by_place: dict[Place, dict[Follow, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_place.values()))

    def add(self, follow: Follow) -> None:
        """It hears from now on."""
        self._by_place.setdefault(follow.place, {})[follow] = None

    def discard(self, follow: Follow) -> None:
        """It hears no more. Harmless when it does not follow."""
        found = self._by_place.get(follow.place)
        if found is not None:
            found.pop(follow, None)
            if not found:
                del self._by_place[follow.place]

    def of(self, place: Place) -> tuple[Follow, ...]:
        """Who follows this task."""
        return tuple(self._by_place.get(place, ()))

    def heard(self, place: Place, task: Task | None) -> None:
        """Tell everybody who follows this task."""
        for follow in self.of(place):
            try:
                follow.heard(task)
            except Exception:
                log.exception("a follower of a task failed")  # the others, and the task, must hear of it all the same
