"""
What a client asks of its server's tasks: a look, a result, an end.

Owns the meaning of these for a task that is followed, for one that is not, and for one that was answered at once; and
when a kept handle is needed no more. Refuses to know generations, and what is done about a task that is followed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import InvalidParams, RequestCancelled, RPCError, ZCPError
from zcp_actors.sessions.followed_task import NOTHING
from zcp_actors.sessions.task_view import view_of
from zcp_actors.sessions.task_watch import TaskWatch
from zcp_actors.sessions.task_wire import wire_of

if TYPE_CHECKING:
    from zcp_actors.sessions.followed_task import FollowedTask
    from zcp_actors.sessions.task_view import TaskView

log = logging.getLogger("zcp_actors.sessions")


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
        wire = wire_of(self.session)
        heard = wire.heard(await wire.get(self.session, id), "")
        if heard.view.status == "input_required":
            task = self.begin(heard.view, self.unknown_origin())
            self.hear(task, heard, certain=True)
        return heard.view

    async def result(self, task: FollowedTask) -> Any:
        """Wait for its outcome. Raises `RPCError` when it failed, `RequestCancelled` when it was cancelled."""
        self.want(task)
        try:
            result = await task.wait()
        except (RPCError, RequestCancelled):
            await self._taken(task)
            raise
        await self._taken(task)
        if task.origin.method == "tools/call" and self.check is not None:
            self.check(task.target, result)
        return result

    async def result_of(self, id: str) -> Any:
        """The same for a task of any name. Raises `InvalidParams` for a local one that is forgotten."""
        task = self.tasks.get(id)
        if task is None:
            if id.startswith("local-"):
                raise InvalidParams(f"the task {id!r} was answered at once and is forgotten by now")
            wire = wire_of(self.session)
            heard = wire.heard(await wire.get(self.session, id), "")
            task = self.begin(heard.view, self.unknown_origin())
            self.hear(task, heard, certain=True)
            if heard.view.ended and heard.outcome is not NOTHING:
                task.settle(heard.outcome)
        return await self.result(task)

    async def _taken(self, task: FollowedTask) -> None:
        if task.view.ended and not task.local:
            self.drop(task)
        if task.saved:
            await self.forget(task)

    async def cancel(self, task: FollowedTask, reason: str) -> TaskView:
        """Have its server end it; one that has ended stays as it is. Raises as a request does."""
        if task.over:
            await trio.lowlevel.checkpoint()
            return task.view
        task.cancel_reason = task.cancel_reason or reason
        if task.questions is not None:
            task.questions.withdraw_all(f"the task is cancelled: {reason}")
        wire = wire_of(self.session)
        before = task.news
        try:
            told = await wire.cancel(self.session, task.id)
        except RPCError as error:
            await self._cancelled_too_late(task, error)
            return task.view
        if told is None:
            await self.poll(task)
        else:
            self._told(task, told, certain=task.news == before)
        return task.view

    async def give_up(self, task: FollowedTask, reason: str) -> None:
        """The same, by somebody who leaves: a server that cannot be told forgets the task when its time is over."""
        try:
            await self.cancel(task, reason)
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

    async def _cancelled_too_late(self, task: FollowedTask, error: RPCError) -> None:
        """A task that has ended is not an error: whoever cancels wants it to end. Raises the error for any other."""
        try:
            await self.poll(task)
        except RPCError as worse:
            raise error from worse
        if not task.view.ended:
            raise error

    async def forget(self, task: FollowedTask) -> None:
        """Its handle needs no keeping any more."""
        saved, task.saved = task.saved, ""
        runtime = self.session.host_runtime
        if saved and runtime.task_store is not None:
            try:
                await runtime.task_store.drop_handle(runtime.root.name, saved)
            except Exception as error:  # noqa: BLE001 - a store of any make; at worst the handle is found once more
                log.warning("the handle of a task of %s could not be dropped: %s", self.session.name, error)
