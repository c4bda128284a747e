"""An effect of a task begins only while this process may act for the task, and the store has its intent."""

from __future__ import annotations

import pytest
import trio
from held_store import HeldStore
from task_service_world import STATEFUL, task_world, tasked, work
from trio.testing import wait_all_tasks_blocked

from zcp_actors import Context
from zcp_actors.protocol import tasks


class Scene:
    """A handler that reports and then has an effect, over a store that lets nothing through until it is told to."""

    def __init__(self):
        self.store, self.go, self.effects = HeldStore(), trio.Event(), []
        self.app = tasked(self.handler)

    async def handler(self, ctx: Context) -> str:
        await self.go.wait()
        await ctx.task.update_status("about to press")
        await ctx.once("press", lambda: self.effects.append("pressed"))
        return "done"

    async def reach_the_intent(self, client):
        """The task's id, once its report is on its way into the store and the intent of its effect waits behind it."""
        made = await client.ask("tools/call", work(task={}))
        self.store.holding = True
        self.go.set()
        await wait_all_tasks_blocked()
        assert len(self.store.held) == 1
        return made["task"]["taskId"]

    async def write(self, service, change):
        """What another process does."""
        self.store.holding = False
        (place,) = service.cells
        stood = await self.store.read(place)
        assert await self.store.write(change(stood)).wait()


@pytest.mark.parametrize("late", [0, 1], ids=["heard first", "report first"])
async def test_an_effect_does_not_begin_once_another_process_has_cancelled_its_task(autojump_clock, late):
    scene = Scene()
    async with scene.store, task_world(scene.app, task_store=scene.store) as world, world.client(STATEFUL) as client:
        id = await scene.reach_the_intent(client)
        scene.store.release(late)
        await scene.write(world.service, lambda task: tasks.cancel(task, "not wanted", scene.store.now()))
        scene.store.release_all()
        await wait_all_tasks_blocked()

        assert scene.effects == []
        assert (await client.ask("tasks/get", {"taskId": id}))["status"] == "cancelled"


async def test_an_effect_does_not_begin_when_its_task_is_cancelled_in_the_step_in_which_its_intent_is_stored(
    autojump_clock,
):
    scene = Scene()
    async with scene.store, task_world(scene.app, task_store=scene.store) as world, world.client(STATEFUL) as client:
        id = await scene.reach_the_intent(client)
        scene.store.release()
        await wait_all_tasks_blocked()
        (cell,) = world.service.cells.values()
        scene.store.release_all()  # the intent is stored, and whoever waits for that has not run yet
        cell.cancel("not wanted", "requestor")
        await wait_all_tasks_blocked()

        assert scene.effects == []
        assert (await client.ask("tasks/get", {"taskId": id}))["status"] == "cancelled"


async def test_an_effect_begins_when_its_intent_is_stored_and_not_before(autojump_clock):
    scene = Scene()
    async with scene.store, task_world(scene.app, task_store=scene.store) as world, world.client(STATEFUL) as client:
        id = await scene.reach_the_intent(client)
        scene.store.release()
        await wait_all_tasks_blocked()
        assert scene.effects == []

        scene.store.release_all()
        assert (await client.ask("tasks/result", {"taskId": id}))["content"][0]["text"] == "done"
        assert scene.effects == ["pressed"]
        assert world.service.cells == {}
