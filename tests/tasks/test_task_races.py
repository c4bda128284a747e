"""
Result, cancel, answer and expiry of one task, in every order, with writes that settle late or fail.

What must hold whatever comes first: the first terminal status stands, in the store and in every answer; nobody is told
of a status that the store does not have; what was acknowledged is found; nobody waits for ever.
"""

from __future__ import annotations

import itertools
import logging

import pytest
import trio
from held_store import FailingStore, HeldStore
from task_service_world import (
    OVER,
    STATEFUL,
    STATELESS,
    YES,
    Stage,
    create,
    get,
    status_of,
    task_world,
    tasked,
    until,
)
from trio.testing import wait_all_tasks_blocked

from zcp_actors import Context
from zcp_actors.errors import INVALID_PARAMS, RPCError
from zcp_actors.protocol import tasks
from zcp_actors.protocol.tasks import Place
from zcp_actors.tasks import MemoryTaskStore
from zcp_actors.tasks.limits import TaskLimits

both_eras = pytest.mark.parametrize("era", [STATEFUL, STATELESS])
EVENTS = ("result", "cancel", "answer", "expiry", "elsewhere")
TTL = 50.0


class Race:
    """One task that has asked, and may also end by itself; everything that can happen to it, as a function."""

    def __init__(self, world, store, client, stage, id):
        self.world, self.store, self.client, self.stage, self.id = world, store, client, stage, id
        self.began = trio.current_time()
        self.replies = {}
        self.place = next(iter(world.service.cells))
        self.key = next(iter(world.service.cells[self.place].task.questions))

    async def happen(self, event):
        await getattr(self, event)()

    async def result(self):
        """Its handler returns."""
        self.stage.go.set()

    async def cancel(self):
        self.replies["cancel"] = self.client.start("tasks/cancel", {"taskId": self.id})

    async def answer(self):
        if self.client.stateless:
            given = {"taskId": self.id, "inputResponses": {self.key: YES}}
            self.replies["answer"] = self.client.start("tasks/update", given)
        else:
            for each in self.client.untaken:
                if each.get("method") == "elicitation/create":
                    self.client.reply(each, YES)

    async def expiry(self):
        await trio.sleep_until(self.began + TTL + 0.01)

    async def elsewhere(self):
        """Another process cancels it in the file."""
        task = await self.store.read(self.place)
        if task is not None:
            MemoryTaskStore.write(self.store, tasks.cancel(task, "elsewhere", self.store.now()))


async def raced(era, order, *, hold):
    """Let everything happen in this order; with `hold`, while the store takes its time."""
    stage = Stage()

    async def handler(ctx: Context) -> str:
        async with trio.open_nursery() as nursery:

            async def ask():
                await ctx.elicit("Sure?", key="sure")
                await ctx.task.update_status("answered")

            nursery.start_soon(ask)
            await stage.play()
            nursery.cancel_scope.cancel()
        return "done"

    app = tasked(handler, limits=TaskLimits(ttl=TTL))
    async with (
        HeldStore(done=hold == "told late") as store,
        task_world(app, task_store=store) as world,
        world.client(era) as client,
    ):
        id = (await create(client))["taskId"]
        await until(client, id, "input_required")
        await wait_all_tasks_blocked()
        race = Race(world, store, client, stage, id)
        if era == STATEFUL:
            race.replies["result"] = client.start("tasks/result", {"taskId": id})
        await wait_all_tasks_blocked()
        store.holding = hold != "nothing"
        seen = []
        for event in order:
            await race.happen(event)
            await wait_all_tasks_blocked()
            seen.append(await terminal(store, race.place))
            if hold == "one":
                store.release()
                await wait_all_tasks_blocked()
                seen.append(await terminal(store, race.place))
        store.release_all()
        await wait_all_tasks_blocked()
        await assert_same(client, id, await terminal(store, race.place))
        await trio.sleep_until(race.began + TTL + 0.02)
        seen.append(await terminal(store, race.place))
        assert_final(seen)
        assert_told(client, id, seen)
        await assert_replies(race, seen)
        assert stage.left in (["done"], ["cancelled"])


async def terminal(store, place):
    task = await store.read(place)
    return "gone" if task is None else task.status.value


async def assert_same(client, id, stored):
    """What is told of the task is what the store has."""
    if stored == "gone":
        with pytest.raises(RPCError) as caught:
            await get(client, id)
        assert caught.value.code == INVALID_PARAMS
    else:
        assert (await get(client, id))["status"] == stored


def assert_final(seen):
    """One terminal status, until it is gone for good."""
    ends = [status for status, _ in itertools.groupby(status for status in seen if status in (*OVER, "gone"))]
    assert ends in (["gone"], *([status, "gone"] for status in OVER)), seen


def assert_told(client, id, seen):
    """Only what the store had, and nothing after the end."""
    told = [each["params"] for each in client.untaken if each.get("method") == "notifications/tasks/status"]
    ends = [each["status"] for each in told if each["taskId"] == id and each["status"] in OVER]
    stored = [status for status in seen if status in OVER]
    assert len(ends) <= 1
    assert set(ends) <= set(stored) or not stored


async def assert_replies(race, seen):
    end = next((status for status in seen if status in OVER), None)
    for name, id in race.replies.items():
        reply = await race.client.answer_to(id, timeout=100)
        if name == "cancel" and race.client.stateless:
            assert "error" not in reply or reply["error"]["code"] == INVALID_PARAMS
        elif name == "cancel" and "result" in reply:
            assert reply["result"]["status"] == "cancelled"
            assert end in ("cancelled", None)
        elif name == "cancel":
            assert reply["error"]["code"] == INVALID_PARAMS
        elif name == "result" and "result" in reply:
            assert (reply["result"]["content"][0]["text"], end) == ("done", "completed")
        elif name == "result":
            assert (reply["error"]["code"], end) in ((INVALID_PARAMS, None), (-32603, "cancelled"))


@both_eras
@pytest.mark.parametrize("hold", ["nothing", "one", "all", "told late"])
async def test_the_first_end_stands_in_every_order(era, hold, autojump_clock):
    """Of result, cancel, answer, expiry and another process's cancel; the store prompt, late, or very late."""
    early = [event for event in EVENTS if event != "expiry"]
    for order in itertools.chain(itertools.permutations(EVENTS), itertools.permutations(early)):
        if hold != "nothing" and order[0] == "expiry":
            continue
        try:
            await raced(era, order, hold=hold)
        except BaseException as error:
            error.add_note(f"order: {' '.join(order)}")
            raise


async def lived(era, store, *, end):
    """One task from its creation to its end, by a client that tries again what failed; what it was acknowledged."""
    acknowledged = {}

    async def handler(ctx: Context) -> str:
        receipt = await ctx.once("pay", lambda: "receipt")
        answer = await ctx.elicit("Sure?", key="sure")
        if end == "cancel":
            await trio.sleep_forever()
        return f"{receipt} {answer.action}"

    async def tried(awaiting):
        """Ask until there is an answer that is not the store's failure."""
        for _ in range(3):
            try:
                return await awaiting()
            except RPCError as error:
                if error.code == INVALID_PARAMS:
                    raise
                await trio.sleep(2)
        raise AssertionError("a store that fails once fails its users again and again")

    automatic = {"elicitation/create": YES} if era == STATEFUL else None
    async with (
        store,
        task_world(tasked(handler), task_store=store) as world,
        world.client(era, automatic=automatic) as client,
    ):
        id = acknowledged["created"] = (await tried(lambda: create(client)))["taskId"]
        if era == STATELESS:
            task = await tried(lambda: until(client, id, "input_required", "failed"))
            given = {"taskId": id, "inputResponses": {"sure": YES}}
            if task["status"] == "input_required":
                await tried(lambda: client.ask("tasks/update", given))
                acknowledged["answered"] = True
        await trio.sleep(3)
        if end == "cancel":
            await tried(lambda: cancelled(client, id))
        task = await tried(lambda: until(client, id))
        acknowledged["status"] = task["status"]
        if era == STATEFUL and task["status"] == "completed":
            result = await tried(lambda: client.ask("tasks/result", {"taskId": id}))
            acknowledged["text"] = result["content"][0]["text"]
        await trio.sleep(3)
        again = await tried(lambda: get(client, id))
        assert again["status"] == task["status"]
        kept = await MemoryTaskStore.read(store, Place("App", "", id))
        assert kept.status.value == task["status"] or kept.reports_error
    return acknowledged


async def cancelled(client, id):
    try:
        await client.ask("tasks/cancel", {"taskId": id})
    except RPCError as error:
        if error.code != INVALID_PARAMS:
            raise


@both_eras
@pytest.mark.parametrize("end", ["result", "cancel"])
async def test_whichever_call_of_its_store_fails_a_task_comes_to_its_end_and_nothing_acknowledged_is_lost(
    era, end, autojump_clock, caplog
):
    caplog.set_level(logging.CRITICAL + 1)
    whole = FailingStore()
    wanted = await lived(era, whole, end=end)
    assert wanted["status"] == ("completed" if end == "result" else "cancelled")
    for number, done in itertools.product(range(1, whole.calls + 1), (False, True)):
        store = FailingStore(number, done=done)
        try:
            with trio.fail_after(1000):
                got = await lived(era, store, end=end)
        except BaseException as error:
            error.add_note(f"call {number}, {done}: {store.log[number - 1 : number]} of {store.log}")
            raise
        struck = store.log[number - 1 : number]  # in another order of steps there may be a call less
        allowed = {wanted["status"], "failed"} if struck == ["write"] else {wanted["status"]}
        assert got["status"] in allowed, (number, struck)


async def test_a_task_that_is_cancelled_as_its_turn_comes_never_begins(autojump_clock):
    """The cancel is decided, and not stored, when the task before it ends."""
    stage = Stage()

    async def handler(name: str) -> str:
        return await stage.play(name)

    app = tasked(handler, limits=TaskLimits(max_running=1))
    async with HeldStore() as store, task_world(app, task_store=store) as world, world.client(STATEFUL) as client:
        first, second, third = [(await create(client, {"name": name}))["taskId"] for name in "abc"]
        await stage.until(entered=1)
        store.holding = True
        cancelling = client.start("tasks/cancel", {"taskId": second})
        await wait_all_tasks_blocked()
        stage.go.set()
        await wait_all_tasks_blocked()
        assert [end.status.value for end in map(last_of(store), (first, second))] == ["working", "queued"]
        ((_, _), *_) = store.held
        store.held.reverse()  # the end of the first is stored before the cancel of the second
        store.release()
        await wait_all_tasks_blocked()
        store.release_all()
        assert (await client.answer_to(cancelling))["result"]["status"] == "cancelled"
        assert (await until(client, third))["status"] == "completed"
        assert stage.entered == ["a", "c"]
        assert world.service._running == 0


def last_of(store):
    return lambda id: store._shelf.get(Place("App", "", id)).task


async def test_a_cancel_by_another_process_is_not_taken_for_the_loss_of_the_lease(autojump_clock, caplog):
    stage = Stage()
    async with (
        HeldStore() as store,
        task_world(tasked(stage.play), task_store=store) as world,
        world.client(STATEFUL) as client,
    ):
        id = (await create(client))["taskId"]
        await stage.until(entered=1)
        place = Place("App", "", id)
        store.holding = True
        stage.go.set()
        await wait_all_tasks_blocked()
        assert len(store.held) == 1
        MemoryTaskStore.write(store, tasks.cancel(await store.read(place), "elsewhere", store.now()))
        store.release_all()
        await wait_all_tasks_blocked()
        assert (await get(client, id))["statusMessage"] == "elsewhere"
        assert "taken this task over" not in caplog.text
        assert world.service.strays == set()


@pytest.mark.parametrize("act", ["answer", "cancel"])
@pytest.mark.parametrize("when", ["in flight", "unwinding"])
@both_eras
async def test_what_was_acknowledged_stands_though_the_lease_was_lost_meanwhile(era, act, when, autojump_clock):
    """It was decided by a holder that is none any more: it is written again, as by anybody."""
    unwound = trio.Event()

    async def handler(ctx: Context) -> str:
        try:
            return (await ctx.elicit("Sure?", key="sure")).action
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 100):
                await unwound.wait()

    async with (
        HeldStore() as store,
        task_world(tasked(handler), task_store=store) as world,
        world.client(era) as client,
    ):
        id = (await create(client))["taskId"]
        await until(client, id, "input_required")
        await wait_all_tasks_blocked()
        place = Place("App", "", id)
        store.holding = when == "in flight"
        if when == "unwinding":
            lose(world, store, place)
            await wait_all_tasks_blocked()
        waiting = acted(client, id, act)
        await wait_all_tasks_blocked()
        if when == "in flight":
            assert len(store.held) == 1
            lose(world, store, place)
            store.release_all()
        reply = await answered(client, waiting)
        stored = await store.read(place)
        if act == "cancel":
            assert stored.status.value == "cancelled"
            assert "error" not in reply
            assert era == STATELESS or reply["result"]["status"] == "cancelled"
        else:
            assert stored.answers == {"sure": {"result": YES}}
        unwound.set()
        await wait_all_tasks_blocked()
        store._shelf.get(place).until = 0.0
        if act == "answer":
            MemoryTaskStore.write(store, tasks.cancel(await store.read(place), "the test is over", store.now()))


def lose(world, store, place):
    """Another process takes the task over."""
    row = store._shelf.get(place)
    row.owner, row.fence, row.until = "another", row.fence + 1, store.now() + 1000
    world.service.leases_lost([place])


def acted(client, id, act):
    if act == "cancel":
        return client.start("tasks/cancel", {"taskId": id})
    if client.stateless:
        return client.start("tasks/update", {"taskId": id, "inputResponses": {"sure": YES}})
    (question,) = [each for each in client.untaken if each["method"] == "elicitation/create"]
    client.reply(question, YES)
    return None


async def answered(client, id):
    if id is None:
        await wait_all_tasks_blocked()
        return {}
    return await client.answer_to(id)


async def test_nobody_is_told_of_anything_before_the_store_has_it(autojump_clock):
    """Neither by an answer nor by a notification, of either generation."""
    stage = Stage()

    async def handler(ctx: Context) -> str:
        await ctx.task.update_status("reading")
        await stage.play()
        return "done"

    async with (
        HeldStore() as store,
        task_world(tasked(handler), task_store=store) as world,
        world.client(STATEFUL) as old,
        world.client(STATELESS) as new,
    ):
        store.holding = True
        ids = [(await create(client))["taskId"] for client in (old, new)]
        new.start("subscriptions/listen", {"notifications": {"taskIds": ids}})
        await new.notification("notifications/subscriptions/acknowledged")
        for _ in ids:
            await new.notification("notifications/tasks")
        waiting = old.start("tasks/result", {"taskId": ids[0]})
        await stage.until(entered=2)
        for client in (old, new):
            await client.expect_none()
            for id in ids:
                assert "statusMessage" not in await get(client, id)
        store.release(2)
        await wait_all_tasks_blocked()
        assert [each["params"]["statusMessage"] for each in old.untaken] == ["reading"]
        assert [each["params"]["statusMessage"] for each in new.untaken] == ["reading"] * 2
        cancelling = [client.start("tasks/cancel", {"taskId": ids[1]}) for client in (old, new)]
        await wait_all_tasks_blocked()
        stage.go.set()
        await wait_all_tasks_blocked()
        assert [await status_of(old, id) for id in ids] == ["working"] * 2
        assert [len(client.untaken) for client in (old, new)] == [1, 2]
        store.release_all()
        assert (await old.answer_to(waiting))["result"]["content"][0]["text"] == "done"
        replies = [await old.answer_to(cancelling[0]), await new.answer_to(cancelling[1])]
        assert replies[0].get("result", {"status": "cancelled"})["status"] == "cancelled"
        assert "error" not in replies[1]
        assert [await status_of(new, id) for id in ids] == ["completed", "cancelled"]
