"""
The tasks that keep a connection's two directions going, until its owner has left in good order.

Owns their lifetime only. Refuses to know what they do.
The rules: a cancel from outside stops the body, never these tasks, because leaving needs them; leaving bounds them;
and the body's error comes out as it went in, not wrapped in the group of a nursery that the user never saw.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable


class Tending:
    """The running tasks. Made by `tend`."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._shields: list[trio.CancelScope] = []

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` in a task that only `limit` and `stop` end."""
        shield = trio.CancelScope(shield=True, deadline=math.inf)
        self._shields.append(shield)
        self._nursery.start_soon(_shielded, shield, work)

    def limit(self, deadline: float) -> None:
        """End what still runs at this time of the trio clock."""
        for shield in self._shields:
            shield.deadline = deadline

    def stop(self) -> None:
        """End what still runs."""
        for shield in self._shields:
            shield.cancel()


@asynccontextmanager
async def tend(
    works: Iterable[Callable[[], Awaitable[None]]], leave: Callable[[Tending], Awaitable[None]]
) -> AsyncIterator[None]:
    """Run `works` beside the body; then, however it ended, `leave` (which shields and bounds itself); then stop."""
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            tending = Tending(nursery)
            for work in works:
                tending.start(work)
            try:
                yield
            except BaseException as error:  # noqa: BLE001  # carried around the nursery, see above
                failure = error
            try:
                await leave(tending)
            finally:
                tending.stop()
    except BaseException:
        # A Cancelled of the body belongs to whatever cancelled this nursery too; another error of the body comes first.
        if failure is None or isinstance(failure, trio.Cancelled):
            raise
    if failure is not None:
        raise failure


async def _shielded(shield: trio.CancelScope, work: Callable[[], Awaitable[None]]) -> None:
    with shield:
        await work()
