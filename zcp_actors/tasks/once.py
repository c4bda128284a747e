"""
`ctx.once` inside a task: intents and outcomes are entries of the task's own journal.

Owns their rows. Refuses to know the store: the cell writes, under the task's lease, so a process that lost it records
nothing. They live exactly as long as the task.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zcp_actors.tasks.once_memory import uncertain, written_outcome

if TYPE_CHECKING:
    from zcp_actors.tasks.cell import TaskCell


class TaskOnce:
    """`ports.OnceStore` of one task."""

    def __init__(self, cell: TaskCell) -> None:
        self._cell = cell
        self.intents: set[str] = set()
        """Begun by an earlier run that never said how it ended."""

    async def begin(self, _: Any, key: str) -> tuple[bool, Any]:
        """See `ports.OnceStore`. What has an outcome is in the call's journal and never asked for here."""
        if key in self.intents:
            raise uncertain(key)
        await self._put(key, [key, "once", "", "", "open", None, False])
        return False, None

    async def finish(self, _: Any, key: str, outcome: Any) -> None:
        """See `ports.OnceStore`."""
        kept = json.loads(written_outcome(key, outcome))
        await self._put(key, [key, "once", "", "", "recorded", {"result": kept}, True])

    async def forget(self, _: Any, key: str) -> None:
        """See `ports.OnceStore`."""
        self.intents.discard(key)
        await self._put(key, None)

    async def _put(self, key: str, row: list[Any] | None) -> None:
        self._cell.ensure_held()
        self._cell.put(key, row)
        await self._cell.settled()
        self._cell.ensure_held()


def is_intent(row: list[Any]) -> bool:
    """A side effect that was begun, and of whose outcome nothing is known."""
    return (row[1], row[4]) == ("once", "open")
