"""
Telling the host's listeners about progress, logs and changes.

Owns the calling of listeners: sync ones at once, async ones in one job each, in order.
Refuses to let what a listener raises reach the session.
"""

from __future__ import annotations

import logging
from collections import deque
from inspect import isawaitable, iscoroutine
from typing import TYPE_CHECKING, Any, Protocol

from zcp_actors.actors import Exit, Job
from zcp_actors.errors import ActorStopped, TooManyChildren

if TYPE_CHECKING:
    from collections.abc import Callable

    Listener = Callable[[Any], Any]


class Listening(Protocol):
    """The cell below which listeners are told."""

    telling: dict[int, Telling]
    """The async listeners at work, by identity: what can be called need not be hashable."""

    def submit(self, job: Job) -> None:
        """See `Cell.submit`."""


log = logging.getLogger("zcp_actors.sessions")


MAX_WAITING = 1000
"""Notices that may wait for an async listener. A listener that is so far behind shows old news; the newest is dropped,
and the log says how many were."""


class Telling(Job):
    """An async listener at work: one notice after the other, in the order they came."""

    __slots__ = ("_dropped", "_host", "_listener", "_waiting")

    def __init__(self, host: Listening, listener: Listener, awaitable: Any) -> None:
        self._host, self._listener = host, listener
        self._waiting: deque[Any] = deque([_Begun(awaitable)])
        self._dropped = 0

    def add(self, notice: Any) -> None:
        """Tell it this when it has heard what came before."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(notice)
        else:
            self._dropped += 1

    async def run(self) -> None:
        """Tell it everything that waits."""
        while self._waiting:
            notice = self._waiting.popleft()
            try:
                told = notice.awaitable if isinstance(notice, _Begun) else self._listener(notice)
                if isawaitable(told):
                    await told
            except Exception:
                log.exception("a listener failed")

    def ended(self, exit: Exit) -> None:
        """Forget it; what was begun and never awaited is closed."""
        self._host.telling.pop(id(self._listener), None)
        if self._dropped:
            log.warning("a listener was too slow: %d notices were dropped", self._dropped)
        if self._waiting and isinstance(begun := self._waiting[0], _Begun) and iscoroutine(begun.awaitable):
            begun.awaitable.close()


class _Begun:
    """What a listener returned when it was called."""

    __slots__ = ("awaitable",)

    def __init__(self, awaitable: Any) -> None:
        self.awaitable = awaitable


def tell_listener(host: Listening, listener: Listener, notice: Any) -> None:
    """Call a listener now; when it returns an awaitable, await that in a job below `host`, and queue what follows."""
    telling = host.telling.get(id(listener))
    if telling is not None:
        telling.add(notice)
        return
    try:
        returned = listener(notice)
    except Exception:
        log.exception("a listener failed")
        return
    if isawaitable(returned):
        _begin(host, listener, returned)


def _begin(host: Listening, listener: Listener, awaitable: Any) -> None:
    telling = host.telling[id(listener)] = Telling(host, listener, awaitable)
    try:
        host.submit(telling)
    except (ActorStopped, TooManyChildren) as error:
        telling.ended(Exit("failed", error))
        log.warning("a listener was not told: %s", error)
