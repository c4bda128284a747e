"""
What a handler sees of the task that it is: `ctx.task`, the parameter `task`, `payload["task"]`.

Owns the author's surface, with the names of the ZCP guide. Refuses to know stores and wires: everything goes to the
cell of the task, or to the call's context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zcp_actors.sessions.asked import Elicited
    from zcp_actors.sessions.context import Context
    from zcp_actors.tasks.cell import TaskCell
    from zcp_actors.wire import CreateMessageResult


class TaskContext:
    """A running task, for its own handler. Every awaiting method is a checkpoint: a cancelled task raises there."""

    __slots__ = ("_cell", "_context")

    def __init__(self, cell: TaskCell, context: Context) -> None:
        self._cell, self._context = cell, context

    def __repr__(self) -> str:
        return f"<TaskContext {self.status}>"

    @property
    def id(self) -> str:
        """What its requestor knows it by. Unguessable; keep it out of logs."""
        return self._cell.task.id

    @property
    def status(self) -> str:
        """One of "queued", "working", "input_required", "completed", "failed" and "cancelled"."""
        return self._cell.task.status.value

    @property
    def is_cancelled(self) -> bool:
        """Nobody wants it any more. For plain functions, which no cancel interrupts: look now and then, and return."""
        return self._cell.cancelled

    async def update_status(self, message: str, *, status: str = "working") -> None:
        """Say what is being done; whoever follows the task reads it.

        `status` is there for the guide's sake and can only be "working": what else a task is follows from what it does.
        Raises `UsageError` for another one, and for a message that is no text.
        """
        if status != "working":
            raise UsageError(f"a task is {status!r} by doing it (return, raise, elicit), not by saying so")
        if not isinstance(message, str):
            raise UsageError(f"a status message is a text, not {message!r:.80}")
        self._cell.reported(message)
        await trio.lowlevel.checkpoint()

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """As `Context.progress`: under the token of the request that became this task, where the era has that."""
        await self._context.progress(progress, total, message)

    async def elicit(
        self, message: str | Mapping[str, Any], schema: Any = None, *, key: str | None = None
    ) -> Elicited[Any]:
        """As `Context.elicit`; the task is `input_required` meanwhile."""
        return await self._context.elicit(message, schema, key=key)

    async def elicit_url(self, message: str, url: str, *, key: str | None = None) -> Elicited[None]:
        """As `Context.elicit_url`."""
        return await self._context.elicit_url(message, url, key=key)

    async def sample(self, messages: Any, **options: Any) -> CreateMessageResult:
        """As `Context.sample`."""
        return await self._context.sample(messages, **options)

    async def create_message(self, request: Mapping[str, Any], *, key: str | None = None) -> CreateMessageResult:
        """As `Context.create_message`."""
        return await self._context.create_message(request, key=key)

    async def once(self, key: str, function: Callable[[], Any], *, retry_unfinished: bool = False) -> Any:
        """As `Context.once`: recorded with the task, so that a run after a crash does not repeat it."""
        return await self._context.once(key, function, retry_unfinished=retry_unfinished)
