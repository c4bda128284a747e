"""
Leases, by a clock that a test moves: who may act for a task, and who takes over what another one left.

Source: reliability: R82, R83, R85; design: a worker that lost its lease writes nothing, a holder that missed renewal
cancels its handler before any further effect, recovery is a replay or an honest failure.
"""

from __future__ import annotations

import logging

import pytest
import trio
from task_service_world import (
    OVER,
    STATEFUL,
    STATELESS,
    YES,
    Stage,
    cancel,
    create,
    get,
    status_of,
    task_world,
    tasked,
    text_of,
    until,
)

from zcp_actors import Context, FastZCP, ServerHandle
from zcp_actors.errors import OnceUncertain, ZCPError
from zcp_actors.protocol.tasks import Place
from zcp_actors.tasks import MemoryTaskStore
from zcp_actors.tasks.limits import TaskLimits

LEASE = 12.0


class Kept:
    """Leases of one owner, renewed as long as a test lets them be."""

    def __init__(self, store, owner, lost):
        self._store, self.owner, self.lost = store, owner, lost

    @property
    def until(self):
        return self._store._kept[self.owner]

    def close(self):
        self._store.stop_keeping(self.owner)


class LeasedStore(MemoryTaskStore):
    """A memory store that outlives the processes that use it."""

    durable = True

    def __init__(self):
        super().__init__(lease=LEASE)
        self.keepings = []
        self.crash = False
        """The process dies: it gives nothing back."""

    def keep(self, owner, lost):
        super().keep(owner, lost)
        self.keepings.append(Kept(self, owner, lost))
        return self.keepings[-1]

    def miss(self):
        """No renewal succeeds from now on."""
        for keeping in self.keepings:
            self._kept[keeping.owner] = self.now() + LEASE

    async def let_go(self, leases):
        if not self.crash:
            await super().let_go(leases)


def serve(app, store):
    return ServerHandle(app, task_store=store)


async def ended(store, id):
    with trio.fail_after(1000):
        while True:
            task = await store.read(Place("App", "", id))
            if task.status.value in OVER:
                return task
            await trio.sleep(0.1)


async def test_a_holder_that_missed_its_renewal_cancels_its_handler_though_nobody_took_the_task(autojump_clock):
    stage, began = Stage(), []

    async def handler() -> str:
        began.append(trio.current_time())
        return await stage.play()

    async with (
        LeasedStore() as store,
        task_world(tasked(handler), task_store=store, cut=True) as world,
        world.client(STATELESS) as client,
    ):
        id = (await create(client))["taskId"]
        await stage.until(entered=1)
        store.miss()
        await trio.sleep(LEASE - 0.01)
        assert stage.left == []
        await trio.sleep(LEASE / 12 + 0.02)
        assert stage.left == ["cancelled"]
        assert await status_of(client, id) == "working"


async def test_the_first_act_after_a_lapse_is_refused_before_it_happens(autojump_clock, caplog):
    """`once` and questions ask for the lease themselves, however soon they come."""
    caplog.set_level(logging.CRITICAL)
    effects, faults = [], []

    async def handler(how: str, ctx: Context) -> str:
        try:
            await trio.sleep(LEASE + 0.1)
            if how == "once":
                await ctx.once("pay", lambda: effects.append(how))
            else:
                effects.append(await ctx.elicit("Sure?"))
        except (ZCPError, trio.Cancelled):
            faults.append(how)
            raise
        return "acted"

    async with (
        LeasedStore() as store,
        task_world(tasked(handler), task_store=store, cut=True) as world,
        world.client(STATELESS) as client,
    ):
        for how in ("once", "asks"):
            await create(client, {"how": how})
        await world.rest()
        store.miss()
        await trio.sleep(LEASE + 0.5)
        assert (effects, sorted(faults)) == ([], ["asks", "once"])
        statuses = [row.task.status.value for row in store._shelf.open("App")]
        assert statuses == ["working", "working"]


async def test_a_worker_that_lost_its_lease_writes_nothing(autojump_clock):
    """Its result, its words and its questions are void; the one who took over has the say."""
    stage, second = Stage(), Stage()

    async def handler(ctx: Context) -> str:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1000):
            await stage.play()
            await ctx.task.update_status("from the past")
        return "from the past"

    async def heir() -> str:
        return await second.play(result="from the heir")

    old, new = tasked(handler), tasked(heir)
    async with (
        LeasedStore() as store,
        task_world(old, task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        id = (await create(client))["taskId"]
        await stage.until(entered=1)
        first = store.keepings[0]
        store._kept[first.owner] = 0.0
        for row in store._shelf.open("App"):
            row.until = 0.0
        await serve(new, store).recover(world.runtime)
        await second.until(entered=1)
        first.lost([Place("App", "", id)])
        stage.go.set()
        await world.rest()
        task = await get(client, id)
        assert (task["status"], task.get("statusMessage")) == ("working", None)
        second.go.set()
        task = await until(client, id)
        assert text_of(task["result"]) == "from the heir"


async def test_a_lease_that_lapsed_and_that_nobody_took_is_taken_up_again_by_the_same_process(autojump_clock):
    """Else it would be renewed for ever for a task that runs nowhere."""
    runs = []

    async def handler() -> str:
        runs.append(trio.current_time())
        if len(runs) == 1:
            await trio.sleep_forever()
        return "done"

    async with (
        LeasedStore() as store,
        task_world(tasked(handler), task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        id = (await create(client))["taskId"]
        await world.rest()
        store.miss()
        await trio.sleep(LEASE * 13 / 12 + 0.1)
        store._kept[store.keepings[0].owner] = float("inf")  # the disk is back
        task = await ended(store, id)
        assert (task.status.value, len(runs)) == ("completed", 2)
        assert runs[1] - runs[0] <= LEASE * (1 + 1 / 12 + 1 / 3) + 0.2
        await trio.sleep(LEASE)
        assert world.service.strays == set()


@pytest.mark.parametrize("era", [STATEFUL, STATELESS])
async def test_after_a_crash_a_task_is_replayed_asks_nothing_twice_and_repeats_no_effect(era, autojump_clock):
    """R83: within the lease and a third of it."""
    runs, effects, asked = [], [], []

    async def handler(ctx: Context) -> str:
        runs.append(ctx.task.id)
        receipt = await ctx.once("pay", lambda: effects.append(1) or "receipt")
        first = await ctx.elicit("First?", key="first")
        second = await ctx.elicit("Second?", key="second")
        return f"{receipt} {first.action} {second.action}"

    async with LeasedStore() as store:
        async with task_world(tasked(handler), task_store=store, cut=True) as world, world.client(era) as client:
            id = (await create(client))["taskId"]
            if era == STATEFUL:
                question = await client.request("elicitation/create")
                asked.append(question["params"]["message"])
                client.reply(question, YES)
            else:
                await until(client, id, "input_required")
                await client.ask("tasks/update", {"taskId": id, "inputResponses": {"first": YES}})
            await world.rest()
            assert list((await store.read(Place("App", "", id))).questions) == ["second"]
            store.crash = True
        store.crash = False
        crashed = trio.current_time()
        app = tasked(handler)
        async with task_world(app, task_store=store) as world:
            await serve(app, store).recover(world.runtime)
            async with world.client(era) as client:
                assert (await get(client, id))["status"] == "input_required"
                await trio.sleep_until(crashed + LEASE * 4 / 3 + 0.1)
                assert len(runs) == 2
                if era == STATEFUL:
                    waiting = client.start("tasks/result", {"taskId": id})
                    question = await client.request("elicitation/create")
                    asked.append(question["params"]["message"])
                    client.reply(question, YES)
                    result = (await client.answer_to(waiting))["result"]
                    assert asked == ["First?", "Second?"]
                else:
                    task = await get(client, id)
                    assert list(task["inputRequests"]) == ["second"]
                    await client.ask("tasks/update", {"taskId": id, "inputResponses": {"second": YES}})
                    result = (await until(client, id))["result"]
                assert text_of(result) == "receipt accept accept"
    assert (len(runs), effects) == (2, [1])


async def test_an_answer_that_came_while_nobody_ran_the_task_is_there_when_it_is_replayed(autojump_clock):
    async def handler(ctx: Context) -> str:
        return (await ctx.elicit("Sure?", key="sure")).action

    async with LeasedStore() as store:
        async with (
            task_world(tasked(handler), task_store=store, cut=True) as world,
            world.client(STATELESS) as client,
        ):
            id = (await create(client))["taskId"]
            await until(client, id, "input_required")
            store.crash = True
        store.crash = False
        app = tasked(handler)
        async with task_world(app, task_store=store) as world, world.client(STATELESS) as client:
            task = await get(client, id)
            assert list(task["inputRequests"]) == ["sure"]
            await client.ask("tasks/update", {"taskId": id, "inputResponses": {"sure": YES}})
            assert "inputRequests" not in await get(client, id)
            assert text_of((await until(client, id))["result"]) == "accept"


async def test_an_effect_that_was_begun_and_never_reported_is_uncertain_in_the_replay(autojump_clock):
    runs = []

    async def handler(ctx: Context) -> str:
        runs.append(1)
        try:
            return str(await ctx.once("pay", trio.sleep_forever if len(runs) == 1 else lambda: "paid"))
        except OnceUncertain:
            return f"uncertain {await ctx.once('again', lambda: 'sure')}"

    async with LeasedStore() as store:
        async with (
            task_world(tasked(handler), task_store=store, cut=True) as world,
            world.client(STATELESS) as client,
        ):
            id = (await create(client))["taskId"]
            await world.rest()
            store.crash = True
        store.crash = False
        app = tasked(handler)
        async with task_world(app, task_store=store) as world, world.client(STATELESS) as client:
            await serve(app, store).recover(world.runtime)
            assert text_of((await until(client, id))["result"]) == "uncertain sure"
            assert len(runs) == 2


@pytest.mark.parametrize("era", [STATEFUL, STATELESS])
async def test_a_task_that_may_not_be_run_again_fails_and_says_why(era, autojump_clock):
    """R85: never unknown, never working for ever."""
    stage = Stage()
    async with LeasedStore() as store:
        async with (
            task_world(tasked(stage.play, on_restart="fail"), task_store=store, cut=True) as world,
            world.client(era) as client,
        ):
            id = (await create(client))["taskId"]
            await stage.until(entered=1)
            store.crash = True
        store.crash = False
        app = tasked(stage.play, on_restart="fail")
        async with task_world(app, task_store=store) as world, world.client(era) as client:
            await serve(app, store).recover(world.runtime)
            task = await until(client, id)
            assert task["status"] == "failed"
            assert "the server stopped before this task had ended" in task["statusMessage"]
            assert stage.entered == [""]
            (facts,) = [facts for facts in world.heard.facts("task") if facts["id"] == id]
            assert facts["by"] == "recovery"


async def test_a_process_leaves_tasks_alone_whose_handler_it_does_not_have(autojump_clock):
    stage = Stage()
    async with LeasedStore() as store:
        async with (
            task_world(tasked(stage.play), task_store=store, cut=True) as world,
            world.client(STATELESS) as client,
        ):
            id = (await create(client))["taskId"]
            await stage.until(entered=1)
        renamed = FastZCP("App")
        renamed.tool(name="another", task="optional")(stage.play)
        for other in (renamed, tasked(stage.play, "Another app")):
            async with task_world(other, task_store=store) as world:
                await serve(other, store).recover(world.runtime)
                await trio.sleep(3 * LEASE)
                assert stage.entered == [""]
                task = await store.read(Place("App", "", id))
                assert task.status.value == "working"
        stage.go.set()
        app = tasked(stage.play)
        async with task_world(app, task_store=store) as world:
            await serve(app, store).recover(world.runtime)
            assert (await ended(store, id)).status.value == "completed"


async def test_a_graceful_stop_gives_leases_back_at_once_and_fails_nothing(autojump_clock):
    stage = Stage()
    async with LeasedStore() as store:
        async with (
            task_world(tasked(stage.play, limits=TaskLimits(max_running=2)), task_store=store, cut=True) as world,
            world.client(STATELESS) as client,
        ):
            ids = [(await create(client))["taskId"] for _ in range(3)]
            await stage.until(entered=2)
        assert stage.left == ["cancelled"] * 2
        tasks = [await store.read(Place("App", "", id)) for id in ids]
        assert [task.status.value for task in tasks] == ["working", "working", "queued"]
        stopped = trio.current_time()
        stage.go.set()
        app = tasked(stage.play)
        async with task_world(app, task_store=store) as world:
            await serve(app, store).recover(world.runtime)
            for id in ids:
                assert (await ended(store, id)).status.value == "completed"
            assert trio.current_time() - stopped < 1


async def test_a_record_that_cannot_be_run_fails_honestly_and_the_others_are_taken_up(autojump_clock):
    async def handler(ctx: Context) -> str:
        await ctx.elicit("Sure?", key="sure")
        return "done"

    async with LeasedStore() as store:
        async with (
            task_world(tasked(handler), task_store=store, cut=True) as world,
            world.client(STATELESS) as client,
        ):
            ids = [(await create(client))["taskId"] for _ in range(3)]
            await world.rest()
        row = store._shelf.get(Place("App", "", ids[1]))
        row.entries["sure"] = '["sure", "no such kind"]'
        app = tasked(handler)
        async with task_world(app, task_store=store) as world, world.client(STATELESS) as client:
            await serve(app, store).recover(world.runtime)
            broken = await until(client, ids[1])
            assert (broken["status"], "cannot be resumed" in broken["statusMessage"]) == ("failed", True)
            for id in (ids[0], ids[2]):
                await client.ask("tasks/update", {"taskId": id, "inputResponses": {"sure": YES}})
                assert (await until(client, id))["status"] == "completed"


async def test_a_cancel_finds_a_task_that_nobody_runs(autojump_clock):
    stage = Stage()
    async with LeasedStore() as store:
        async with (
            task_world(tasked(stage.play), task_store=store, cut=True) as world,
            world.client(STATEFUL) as client,
        ):
            id = (await create(client))["taskId"]
            await stage.until(entered=1)
            store.crash = True
        store.crash = False
        async with task_world(tasked(stage.play), task_store=store) as world, world.client(STATEFUL) as client:
            waiting = client.start("tasks/result", {"taskId": id})
            await cancel(client, id)
            assert await status_of(client, id) == "cancelled"
            assert (await client.answer_to(waiting))["error"]["code"] == -32603
            await trio.sleep(3 * LEASE)
            assert stage.entered == [""]


async def test_a_task_is_not_taken_up_again_before_the_run_that_lost_it_has_unwound(autojump_clock):
    stage, going = Stage(), trio.Event()
    runs = []

    async def handler() -> str:
        runs.append(1)
        if len(runs) == 1:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1000):
                await going.wait()
        return await stage.play()

    async with (
        LeasedStore() as store,
        task_world(tasked(handler), task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        id = (await create(client))["taskId"]
        await world.rest()
        place = Place("App", "", id)
        row = store._shelf.get(place)
        row.owner = None  # somebody took it over, and gave it back
        world.service.leases_lost([place])
        await trio.sleep(LEASE)
        assert runs == [1]
        assert world.service._running == 1
        going.set()
        await trio.sleep(LEASE)
        assert runs == [1, 1]
        stage.go.set()
        assert (await ended(store, id)).status.value == "completed"
        await trio.sleep(LEASE)
        assert world.service.strays == set()
