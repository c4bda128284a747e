"""
A task's changes on their way into the store.

Owns what one change is, and the look at what somebody else wrote first. Refuses to decide what becomes of either: the
cell of the task does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.actors import Job, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.protocol.tasks import Task
    from zcp_actors.tasks.cell import TaskCell


@attrs.define(eq=False)
class Write:
    """One change on its way into the store, and what is to be done when it is there."""

    task: Task
    entries: dict[str, Any] = attrs.Factory(dict)
    waiting: list[Reply[bool]] = attrs.Factory(list)
    then: list[Callable[[], None]] = attrs.Factory(list)

    def settle(self, *, stored: bool) -> None:
        """Tell whoever waits."""
        for reply in self.waiting:
            reply.set(stored)


class Rereading(Job):
    """Somebody else wrote the record first: see what."""

    __slots__ = ("cell", "write")

    def __init__(self, cell: TaskCell, write: Write) -> None:
        self.cell, self.write = cell, write

    async def run(self) -> None:
        """Read it; a store that cannot be read is tried again with the next write."""
        try:
            theirs = await self.cell.service.store.read(self.cell.place)
        except Exception as error:  # noqa: BLE001 - whatever a disk does, the task goes on
            self.cell.unsaved(self.write, error)
        else:
            self.cell.reread(self.write, theirs)
