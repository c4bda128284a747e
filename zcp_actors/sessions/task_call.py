"""
A call that became a task, waited for as if it were a plain one.

Owns the bond between the caller and the task: a caller that leaves takes the task with it, and a limit that was set for
the call is one for the task. Refuses to know why it is a task: the server decided, or the tool demands it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import RequestTimeout
from zcp_actors.sessions.followed_task import origin_of
from zcp_actors.sessions.timeouts import Patience, Timeouts

if TYPE_CHECKING:
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.sessions.followed_task import FollowedTask
    from zcp_actors.wire import Model


class TaskCall:
    """One call, from before it is sent, with the limit that its caller set; None: as long as the task lasts."""

    def __init__(self, session: ClientSession, timeouts: Timeouts | None) -> None:
        self._session = session
        total = math.inf if timeouts is None else timeouts.total
        limits = Timeouts(math.inf, total)
        self._total = total
        self._patience = Patience(limits, trio.current_time(), session.desk.human, session.desk.owed)

    async def complete(self, told: Any, params: Model) -> Any:
        """Wait for the outcome of the task that the call became.

        Raises as `TaskHandle.result`, and `RequestTimeout`, which ends the task.
        """
        watch = self._session.tasks
        task = await watch.made(told, origin_of("tools/call", params))
        try:
            return await self._wait(task)
        except (trio.Cancelled, RequestTimeout) as error:
            await self._abandon(task, error)
            raise
        finally:
            watch.drop(task)

    async def _wait(self, task: FollowedTask) -> Any:
        while True:
            with trio.move_on_after(self._left(task)):
                return await self._session.tasks.result(task)

    def _left(self, task: FollowedTask) -> float:
        """Seconds that it may still take, or until the next look."""
        left, kind = self._session.desk.left(self._patience)
        if left > 0:
            return left
        raise RequestTimeout(task.origin.method, self._total, kind)

    async def _abandon(self, task: FollowedTask, error: BaseException) -> None:
        if task.over:
            return
        late = isinstance(error, RequestTimeout)
        reason = f"total timeout of {self._total:g} s" if late else "the caller does not want the answer any more"
        await self._session.tasks.give_up(task.id, reason)
