"""Requests about tasks that are served in the step in which they come: nobody records them, and the store is memory."""

from __future__ import annotations

import pytest
import trio
from task_service_world import (
    STATEFUL,
    STATELESS,
    Stage,
    cancel,
    create,
    status_of,
    task_world,
    tasked,
    until,
)

from zcp_actors.errors import INVALID_PARAMS, RPCError
from zcp_actors.tasks import MemoryTaskStore, TaskLimits

both_eras = pytest.mark.parametrize("era", [STATEFUL, STATELESS])


@both_eras
async def test_creating_and_cancelling_a_task_take_no_worker_but_its_handler_s(era, autojump_clock):
    stage = Stage()
    async with task_world(tasked(stage.play), recorded=False) as world, world.client(era) as client:
        await cancel(client, (await create(client))["taskId"])  # the first one opens the service
        await world.rest()
        before = world.runtime.workers.submitted
        id = (await create(client))["taskId"]
        await stage.until(entered=1)
        await cancel(client, id)
        assert world.runtime.workers.submitted == before + 1
        await stage.until(left=1)
        assert stage.left[-1] == "cancelled"
        assert await status_of(client, id) == "cancelled"


@both_eras
async def test_a_task_that_was_made_at_once_comes_to_its_result(era, autojump_clock):
    stage = Stage()
    stage.go.set()
    async with task_world(tasked(stage.play), recorded=False) as world, world.client(era) as client:
        ids = [(await create(client))["taskId"] for _ in range(3)]
        assert [(await until(client, id))["status"] for id in ids] == ["completed"] * 3


@both_eras
async def test_the_second_of_two_cancels_finds_that_the_task_has_ended(era, autojump_clock):
    stage = Stage()
    async with task_world(tasked(stage.play), recorded=False) as world, world.client(era) as client:
        id = (await create(client))["taskId"]
        await stage.until(entered=1)
        requests = [client.start("tasks/cancel", {"taskId": id}) for _ in range(2)]
        answers = [await client.answer_to(each) for each in requests]
        codes = [answer["error"]["code"] for answer in answers if "error" in answer]
        assert codes == ([INVALID_PARAMS] if era == STATEFUL else [])
        assert await status_of(client, id) == "cancelled"


async def test_one_task_too_many_is_refused_at_once_as_it_is_later(autojump_clock):
    stage, limits, refusals = Stage(), TaskLimits(max_open_anonymous=2), []
    for recorded in (True, False):
        app = tasked(stage.play, limits=limits)
        async with task_world(app, recorded=recorded) as world, world.client(STATELESS) as client:
            ids = [(await create(client))["taskId"] for _ in range(2)]
            with pytest.raises(RPCError) as refused:
                await create(client)
            refusals.append((refused.value.code, refused.value.message))
            for id in ids:
                await cancel(client, id)

    assert refusals[0] == refusals[1]
    assert "have not ended" in refusals[0][1]


async def test_a_store_that_is_made_of_the_memory_store_may_take_its_time(autojump_clock):
    class Slow(MemoryTaskStore):
        async def create(self, *arguments, **options):
            await trio.sleep(1)
            return await super().create(*arguments, **options)

    stage = Stage()
    async with (
        Slow() as store,
        task_world(tasked(stage.play), recorded=False, task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        for _ in range(2):
            start = trio.current_time()
            id = (await create(client))["taskId"]
            assert trio.current_time() - start == 1
            await cancel(client, id)
