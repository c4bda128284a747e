"""What it costs a store that a client listens to many of its tasks at once."""

from __future__ import annotations

import sqlite3

import pytest
import trio
from task_service_world import STATELESS, Stage, create, task_world, tasked

from zcp_actors.errors import INTERNAL_ERROR, RPCError
from zcp_actors.tasks import MemoryTaskStore


class Distant(MemoryTaskStore):
    """A store that others write, too, and that takes its time to answer."""

    durable = True

    def __init__(self):
        super().__init__()
        self.asked = []
        self.broken = False

    async def read_all(self, places):
        self.asked.append(len(places))
        await trio.sleep(1)
        if self.broken:
            raise sqlite3.OperationalError("disk I/O error")
        return await super().read_all(places)


async def test_the_tasks_of_a_listen_stream_are_asked_for_at_once(autojump_clock):
    stage = Stage()
    async with (
        Distant() as store,
        task_world(tasked(stage.play), task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        ids = [(await create(client))["taskId"] for _ in range(5)]
        start = trio.current_time()
        stream = client.start("subscriptions/listen", {"notifications": {"taskIds": ids}})
        ack = await client.notification("notifications/subscriptions/acknowledged")
        assert ack["params"]["notifications"]["taskIds"] == ids
        assert (store.asked, trio.current_time() - start) == ([5], 1)
        client.cancel(stream)
        stage.go.set()


async def test_listening_to_tasks_of_a_disk_that_cannot_be_read_is_one_plain_error(autojump_clock):
    stage = Stage()
    async with (
        Distant() as store,
        task_world(tasked(stage.play), task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        ids = [(await create(client))["taskId"] for _ in range(3)]
        store.broken = True
        with pytest.raises(RPCError) as refused:
            await client.ask("subscriptions/listen", {"notifications": {"taskIds": ids}})
        assert refused.value.code == INTERNAL_ERROR
        assert "cannot be read" in refused.value.message
        store.broken = False
        stage.go.set()
