"""Both stores of tasks behind one door, and records to put into them."""

from __future__ import annotations

import attrs

from zcp_actors.protocol.tasks import OpenQuestion, Origin, Place, Status, Task
from zcp_actors.tasks import MemoryTaskStore, SqliteTaskStore

SLOW = ("tools/call", "slow")
NOW = 1000.0
QUESTION = OpenQuestion(method="elicitation/create", params={"message": "Sure?"})
YES = {"result": {"action": "accept"}}
DONE = {"result": {"content": [], "isError": False}}
MANY = 100


class Clock:
    now = NOW

    def __call__(self):
        return self.now


def made(id="t1", principal="ann", app="app", status=Status.WORKING, target="slow", **changes):
    origin = Origin(method="tools/call", target=target, params={"name": target}, version="2025-11-25")
    known = {"created": NOW, "updated": NOW, "ttl": 600.0, "poll": 1.0}
    return Task(place=Place(app, principal, id), origin=origin, status=status, **(known | changes))


def moved(task, status=None, **changes):
    return attrs.evolve(task, status=status or task.status, **changes)


def new_store(kind, path, clock, **options):
    return MemoryTaskStore(now=clock, **options) if kind == "memory" else SqliteTaskStore(path, now=clock, **options)
