"""
What a client asks of its server's tasks: a look, a result, an end.

Owns the meaning of these for a task that is followed, for one that is not, and for one that was answered at once.
Refuses to know generations, and what is done about a task that is followed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import InvalidParams, Overloaded, RequestCancelled, RPCError, ZCPError
from zcp_actors.sessions.followed_task import origin_of
from zcp_actors.sessions.kept_handles import forget
from zcp_actors.sessions.task_view import view_of
from zcp_actors.sessions.task_watch import TaskWatch
from zcp_actors.sessions.task_wire import wire_of

if TYPE_CHECKING:
    from zcp_actors.protocol.asking import Sent
    from zcp_actors.sessions.followed_task import FollowedTask
    from zcp_actors.sessions.task_view import TaskView
    from zcp_actors.sessions.task_wire import Heard

log = logging.getLogger("zcp_actors.sessions")

CANCEL_SECONDS = 1.0
"""How long a caller that is cancelled waits for the server's word that it ends the task. The wish is sent at once."""


class ServerTasks(TaskWatch):
    """The tasks of one server, as its client asks for them: `ClientSession.tasks`."""

    async def get(self, id: str) -> TaskView:
        """Ask what a task is now; one that needs an answer of ours is followed from then on. Raises as requests do."""
        task = self.tasks.get(id)
        if task is not None and task.view.ended:
            await trio.lowlevel.checkpoint()
            return task.view  # it stands
        if task is not None:
            await self.poll(task)
            return task.view
        heard = await self._look(id)
        if heard.view.status == "input_required":
            self._begin_heard(heard)
        return heard.view

    async def _look(self, id: str) -> Heard:
        wire = wire_of(self.session)
        return wire.heard(await wire.get(self.session, id), "")

    def _begin_heard(self, heard: Heard) -> FollowedTask:
        task = self.begin(heard.view, origin_of())
        self.hear(task, heard, certain=False)
        return task

    async def result(self, task: FollowedTask) -> Any:
        """Wait for its outcome. Raises `RPCError` when it failed, `RequestCancelled` when it was cancelled."""
        self.want(task)
        try:
            result = await task.wait()
        except (RPCError, RequestCancelled):
            self._taken(task)
            raise
        self._taken(task)
        if task.origin.method == "tools/call" and self.listed is not None:
            self.listed.check(task.target, result)
        return result

    async def result_of(self, id: str) -> Any:
        """The same for a task of any name. Raises `InvalidParams` for a local one that is forgotten."""
        task = self.tasks.get(id)
        if task is None:
            if id.startswith("local-"):
                raise InvalidParams(f"the task {id!r} was answered at once and is forgotten by now")
            task = self._begin_heard(await self._look(id))
        return await self.result(task)

    def _taken(self, task: FollowedTask) -> None:
        if task.view.ended and not task.local:
            self.drop(task)
        forget(self.session, task)

    async def made(self, told: Any, origin: Sent, *, wished: float | None = None) -> FollowedTask:
        """Follow the task that was just made for us; one that cannot be followed is ended. Raises as `begin`."""
        try:
            return self.begin(told, origin, wished=wished)
        except Overloaded:
            await self.give_up(view_of(told).task_id, "too many tasks are followed here")
            raise

    async def give_up(self, id: str, reason: str) -> None:
        """End a task for somebody who leaves. A server that cannot be told forgets the task when its time is over."""
        with trio.move_on_after(CANCEL_SECONDS, shield=True):
            try:
                await self.cancel_of(id, reason)
            except ZCPError as error:
                log.info("%s was not told to cancel a task: %s", self.session.name, error)

    async def cancel_of(self, id: str, reason: str) -> TaskView:
        """The same for a task of any name."""
        task = self.tasks.get(id)
        if task is not None:
            return await self.cancel(task, reason)
        wire = wire_of(self.session)
        told = await wire.cancel(self.session, id) or await wire.get(self.session, id)
        return view_of(told)
