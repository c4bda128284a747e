"""A process with a store of tasks: does what it reads, a JSON array on a line, and answers each with a line of JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import attrs
import trio

sys.path.insert(0, str(Path(__file__).parent.parent))

from task_worlds import DONE, MANY, SLOW, made

from zcp_actors.protocol import tasks
from zcp_actors.tasks import SqliteTaskStore


def say(*words):
    print(json.dumps(words), flush=True)  # noqa: T201  # what the test waits for


class Worker:
    def __init__(self, store, owner):
        self.store, self.owner, self.leases = store, owner, {}

    async def create(self, id):
        task = made(id, created=self.store.now(), updated=self.store.now())
        self.leases[id] = await self.store.create(task, self.owner, max_open=MANY)

    async def let_go(self):
        await self.store.let_go(self.leases.values())

    async def keep(self):
        self.store.keep(self.owner, lambda places: say("lost", sorted(place.id for place in places)))

    async def watch(self):
        self.store.watch("app", lambda place, task: say("heard", place.id, task and task.revision))
        await self.read("")

    async def read(self, id):
        task = await self.store.read(made(id).place)
        return task and [task.status.value, task.revision]

    async def write(self, id, message):
        task = await self.store.read(made(id).place)
        return await self.store.write(attrs.evolve(task, message=message), self.leases[id]).wait()

    async def finish(self, id):
        task = await self.store.read(made(id).place)
        ended = tasks.finish(task, DONE, self.store.now())
        return await self.store.write(ended, self.leases[id], {"last": id}).wait()

    async def claim_all(self, limit):
        mine = []
        while claimed := await self.store.claim("app", self.owner, [SLOW], limit):
            mine += [task.id for task, _ in claimed]
        return mine


async def main(path, owner, lease):
    stdin = trio.wrap_file(sys.stdin)
    async with SqliteTaskStore(path, lease=float(lease)) as store:
        worker = Worker(store, owner)
        say("open")
        async for line in stdin:
            name, *arguments = json.loads(line)
            say(name, await getattr(worker, name)(*arguments))


trio.run(main, *sys.argv[1:])
