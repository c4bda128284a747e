"""
What requests about tasks cost in a file that keeps ten thousand: in statements, and in steps of SQLite's machine.

The store's own operations are counted in `test_task_files`; here it is whole requests, with everything that a service
does for them. Every kind of request is counted some times and the least is taken, because leases are renewed meanwhile.
"""

from __future__ import annotations

import trio
from session_world import STATEFUL, both_eras
from task_worlds import DONE, made

from zcp_actors import FastZCP, open_runtime
from zcp_actors.protocol.tasks import Status
from zcp_actors.sessions import ServerHandle
from zcp_actors.tasks import SqliteTaskStore, task_tables
from zcp_actors.testing import scripted_client

RETAINED = 10_000
TIMES = 5
DAY = 24 * 3600.0


class Meter:
    """Counts what a store's connection does."""

    def __init__(self, store):
        self._store = store
        self.steps = self.statements = 0

    async def __aenter__(self):
        def attach(connection):
            connection.set_progress_handler(self._step, 1)
            connection.set_trace_callback(self._statement)

        await self._store.writer.submit(attach, reads=True).wait()
        self.steps = self.statements = 0
        return self

    async def __aexit__(self, *_):
        self.cost = self.statements, self.steps

        def detach(connection):
            connection.set_progress_handler(None, 1)
            connection.set_trace_callback(None)

        await self._store.writer.submit(detach, reads=True).wait()

    def _step(self):
        self.steps += 1

    def _statement(self, text):
        self.statements += not text.startswith("PRAGMA")  # a look at whether others wrote comes when its time is come


async def retain(store, count):
    """Put this many tasks into the file that have ended and have long to live, as cheaply as it goes."""
    now = store.now()

    def insert(connection):
        for n in range(count):
            ended = made(f"old{n}", "ann", app="Works", status=Status.COMPLETED, outcome=DONE, created=now - n, ttl=DAY)
            task_tables.insert(connection, ended, None, 0.0)

    await store.writer.run(insert)


async def least(store, request, times=TIMES):
    """The least (statements, steps) of one request, and what it answered last."""
    costs = []
    for _ in range(times):
        async with Meter(store) as meter:
            answer = await request()
        costs.append(meter.cost)
    return min(costs), answer


@both_eras
async def test_requests_cost_the_same_in_a_file_that_keeps_ten_thousand_tasks(tmp_path, era):
    app, wish = FastZCP("Works"), {"arguments": {}} | ({"task": {}} if era == STATEFUL else {})

    @app.tool(task="required")
    async def wait() -> None:
        await trio.sleep_forever()

    @app.tool(task="required")
    async def quick() -> str:
        return "done"

    capable = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    with trio.fail_after(60):
        async with SqliteTaskStore(tmp_path / "tasks", lease=1000.0) as store, open_runtime():
            handle = ServerHandle(app, task_store=store, principal="ann")
            async with scripted_client(handle, era, capabilities=capable) as client:

                async def costs():
                    found = {}
                    found["create"], made = await least(
                        store, lambda: client.ask("tools/call", {"name": "wait", **wish})
                    )
                    id = made.get("task", made)["taskId"]
                    found["poll"], _ = await least(store, lambda: client.ask("tasks/get", {"taskId": id}))
                    found["cancel"], _ = await least(store, lambda: client.ask("tasks/cancel", {"taskId": id}), times=1)
                    found["look"], _ = await least(store, lambda: client.ask("tasks/get", {"taskId": id}))
                    if era == STATEFUL:
                        ended = (await client.ask("tools/call", {"name": "quick", **wish}))["task"]["taskId"]
                        await client.ask("tasks/result", {"taskId": ended})
                        found["result"], _ = await least(store, lambda: client.ask("tasks/result", {"taskId": ended}))
                    return found

                few = await costs()
                await retain(store, RETAINED)
                many = await costs()

    assert {name: cost[0] for name, cost in many.items()} == {name: cost[0] for name, cost in few.items()}
    assert {name: (few[name], cost) for name, cost in many.items() if cost[1] > few[name][1] * 1.2 + 60} == {}
    assert max(many.values()) < (40, 1000)
