"""
A task of a server, in the hands of a program: its status, its changes, its result, its cancellation.

Owns nothing but the way to what the session knows. Any number of tasks may use one handle at once, and any number of
handles may stand for one task. The program may keep a handle for as long as it likes; once the result was taken, or the
task is known to be gone, the session forgets the task, and its handles go on telling what they know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zcp_actors.sessions.followed_task import Changes

if TYPE_CHECKING:
    from zcp_actors.sessions.followed_task import FollowedTask
    from zcp_actors.sessions.server_tasks import ServerTasks
    from zcp_actors.sessions.task_view import TaskView


class TaskHandle:
    """What `call_tool_as_task`, `create_task` and `resume_tasks` return.

    Reads as the ZCP guide has it as well: `handle["task"]["taskId"]`.
    """

    def __init__(self, watch: ServerTasks, task: FollowedTask) -> None:
        self._watch, self._task = watch, task

    def __repr__(self) -> str:
        return f"<TaskHandle {self.id!r} of {self.backend}: {self.status}>"

    def __getitem__(self, name: str) -> Any:
        return self._task.view[name]

    @property
    def id(self) -> str:
        """What names the task at its server."""
        return self._task.id

    @property
    def backend(self) -> str:
        """The name of the client whose server runs it."""
        return self._watch.session.name

    @property
    def view(self) -> TaskView:
        """The last known look at it: status, status message, times, milliseconds to live."""
        return self._task.view

    @property
    def status(self) -> str:
        """The last known status: "working", "input_required", "completed", "failed" or "cancelled"."""
        return self._task.view.status

    @property
    def ended(self) -> bool:
        """Its last known status is one that stands."""
        return self._task.view.ended

    def __aiter__(self) -> Changes:
        """Every change of status or status message once, as `TaskView`: first what it is now, last how it ended.

        Raises what ended the following of the task where it did not end itself, such as `ServerExited`.
        """
        return Changes(self._task)

    async def result(self) -> Any:
        """Wait for the result: what the plain call would have returned, checked against the listed output schema.

        Raises `RPCError` when the task failed with an error, `RequestCancelled` when it was cancelled, and what a plain
        call raises. A tool's own failure is a result with `is_error`. On cancel the task goes on.
        """
        return await self._watch.result(self._task)

    async def cancel(self, reason: str = "the caller does not want the task any more") -> TaskView:
        """Ask the server to end it; what it then says of the task. One that has ended stays as it is.

        The newer generation's servers may take their time, or let it end otherwise: iterate to see.
        """
        if self._task.lost is not None:  # it may well go on, and be ended
            return await self._watch.cancel_of(self.id, reason)
        return await self._watch.cancel(self._task, reason)
