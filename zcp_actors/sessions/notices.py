"""
Telling the host's listeners about progress, logs and changes.

Owns the calling of listeners, sync at once, async in a job. Refuses to let what a listener raises reach the session.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any

from zcp_actors.actors import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.actors import Cell

log = logging.getLogger("zcp_actors.sessions")


class Telling(Job):
    """An async listener at work on one notification."""

    __slots__ = ("_awaitable",)

    def __init__(self, awaitable: Any) -> None:
        self._awaitable = awaitable

    async def run(self) -> None:
        """Await it."""
        try:
            await self._awaitable
        except Exception:
            log.exception("a listener failed")


def tell_listener(host: Cell[Any], listener: Callable[[Any], Any], notice: Any) -> None:
    """Call a listener now; when it returns an awaitable, await that in a job below `host`."""
    try:
        returned = listener(notice)
    except Exception:
        log.exception("a listener failed")
        return
    if inspect.isawaitable(returned):
        host.submit(Telling(returned))
