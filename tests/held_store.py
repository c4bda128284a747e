"""
A store of tasks whose writes settle when a test says so, or fail when their turn comes.

`HeldStore` takes a write at once and carries it out when it is released, so that a test stands between what was decided
and what is stored. `FailingStore` fails one chosen call of all.
"""

from __future__ import annotations

from functools import partial

import trio

from zcp_actors.actors import Reply
from zcp_actors.errors import Overloaded
from zcp_actors.tasks import MemoryTaskStore


class HeldStore(MemoryTaskStore):
    """Writes wait for `release`, in order, while `holding`; those that are `done` wait to be told so."""

    def __init__(self, *, done=False, **options):
        super().__init__(**options)
        self.done, self.holding = done, False
        self.held = []

    def write(self, task, lease=None, entries=None):
        if not self.holding:
            return super().write(task, lease, entries)
        reply: Reply[bool] = Reply()
        write = partial(super().write, task, lease, entries)
        self.held.append((reply, write().result if self.done else lambda: write().result()))
        return reply

    def release(self, count=1):
        """Let the oldest writes settle."""
        for _ in range(min(count, len(self.held))):
            reply, result = self.held.pop(0)
            reply.set(result())

    def release_all(self):
        """Carry out what is held, and hold nothing any more."""
        self.holding = False
        while self.held:
            self.release()


class Unwritable(Overloaded):
    """What a disk that fails is to whoever waits for it."""


class FailingStore(MemoryTaskStore):
    """Its call number `fail` of those that read or write a task fails; a write that is `done` happens all the same."""

    def __init__(self, fail=0, *, done=False, **options):
        super().__init__(**options)
        self.fail, self.done, self.calls, self.log = fail, done, 0, []

    def _count(self, name):
        self.calls += 1
        self.log.append(name)
        return self.calls == self.fail

    async def create(self, task, owner, **options):
        if self._count("create"):
            await trio.lowlevel.checkpoint()
            raise Unwritable("create")
        return await super().create(task, owner, **options)

    async def read(self, place):
        if self._count("read"):
            await trio.lowlevel.checkpoint()
            raise Unwritable("read")
        return await super().read(place)

    def write(self, task, lease=None, entries=None):
        if self._count("write"):
            if self.done:
                super().write(task, lease, entries)
            elif self.calls % 2:
                raise Unwritable("write")
            reply: Reply[bool] = Reply()
            reply.fail(Unwritable("write"))
            return reply
        return super().write(task, lease, entries)

    async def entries(self, place):
        if self._count("entries"):
            raise Unwritable("entries")
        return await super().entries(place)

    async def sweep(self, app):
        if self._count("sweep"):
            raise Unwritable("sweep")
        return await super().sweep(app)
