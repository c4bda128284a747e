"""A call that becomes a task because it takes long: when, when not, and what of it goes on."""

from __future__ import annotations

import httpx
import pytest
import trio
from held_store import HeldStore
from network.http_site import modern
from task_service_world import (
    RELATED,
    STATEFUL,
    STATELESS,
    WITH_TASKS,
    YES,
    Stage,
    cancel,
    get,
    status_of,
    task_world,
    tasked,
    text_of,
    until,
    work,
)

from zcp_actors import Context, ServerHandle
from zcp_actors.protocol.tasks import Place
from zcp_actors.tasks import MemoryTaskStore
from zcp_actors.tasks.limits import TaskLimits
from zcp_actors.transports.http.app import create_asgi_app
from zcp_actors.transports.http.in_process import InProcessTransport

AFTER = 2.0


def slow(handler, **options):
    return tasked(handler, task_after=AFTER, **options)


@pytest.mark.parametrize(("seconds", "becomes"), [(1.999, False), (2.0, None), (2.001, True)])
async def test_a_call_that_ends_before_its_time_stays_a_call_and_afterwards_is_a_task(seconds, becomes, autojump_clock):
    """At the very time either may come first, and exactly one answer is given."""

    async def handler(ctx: Context) -> str:
        await trio.sleep(seconds)
        return "task" if ctx.task is not None else "call"

    async with task_world(slow(handler)) as world, world.client(STATELESS) as client:
        for _ in range(20 if becomes is None else 1):
            answer = await client.ask("tools/call", work())
            if becomes is not None:
                assert (answer["resultType"] == "task") is becomes
            if answer["resultType"] == "task":
                assert (await until(client, answer["taskId"]))["result"]["content"][0]["text"] in ("task", "call")
            else:
                assert text_of(answer) == "call"
            await client.expect_none()


async def test_a_promoted_handler_runs_once_and_sees_that_it_is_a_task(autojump_clock):
    seen = []

    async def handler(ctx: Context) -> str:
        seen.append(ctx.task)
        await trio.sleep(5)
        seen.append(ctx.task.id)
        await ctx.task.update_status("as a task")
        await trio.sleep(5)
        return "done"

    async with task_world(slow(handler)) as world, world.client(STATELESS) as client:
        created = await client.ask("tools/call", work())
        assert "requestState" not in created
        await trio.sleep(4)
        assert (await get(client, created["taskId"]))["statusMessage"] == "as a task"
        assert (await until(client, created["taskId"]))["status"] == "completed"
        assert seen == [None, created["taskId"]]


async def test_the_older_generation_promotes_no_call(autojump_clock):
    async def handler() -> str:
        await trio.sleep(10)
        return "done"

    async with task_world(slow(handler)) as world, world.client(STATEFUL) as client:
        assert text_of(await client.ask("tools/call", work(), timeout=60)) == "done"


async def test_a_call_with_an_open_question_asks_it_the_plain_way_and_its_retry_may_become_a_task(autojump_clock):
    """Composition: the answer that came with the retry is known to the task, and kept with it."""
    effects = []

    async def handler(ctx: Context) -> str:
        receipt = await ctx.once("pay", lambda: effects.append(1) or "receipt")
        first = await ctx.elicit("First?", key="first")
        await trio.sleep(AFTER + 1)
        second = await ctx.elicit("Second?", key="second")
        return f"{receipt} {first.action} {second.action}"

    async with task_world(slow(handler)) as world, world.client(STATELESS) as client:
        call = {"method": "tools/call", "params": work()}
        asked = await client.ask(**call)
        assert list(asked["inputRequests"]) == ["first"]
        created = (await client.answer_to(client.retry(call, asked, {"first": YES})))["result"]
        assert created["resultType"] == "task"
        rows = await world.service.store.entries(Place("App", "", created["taskId"]))
        assert {key: row[4] for key, row in rows.items()} == {"pay": "recorded", "first": "recorded"}
        task = await until(client, created["taskId"], "input_required")
        assert list(task["inputRequests"]) == ["second"]
        given = {"taskId": created["taskId"], "inputResponses": {"second": YES}}
        await client.ask("tasks/update", given)
        task = await until(client, created["taskId"])
        assert text_of(task["result"]) == "receipt accept accept"
        assert effects == [1]


async def test_a_question_at_the_very_time_of_promotion_reaches_the_client_one_way(autojump_clock):
    async def handler(ctx: Context) -> str:
        await trio.sleep(AFTER)
        return (await ctx.elicit("Sure?", key="sure")).action

    async with task_world(slow(handler)) as world, world.client(STATELESS) as client:
        ways = set()
        for _ in range(30):
            call = {"method": "tools/call", "params": work()}
            answer = await client.ask(**call)
            ways.add(answer["resultType"])
            if answer["resultType"] == "input_required":
                answer = (await client.answer_to(client.retry(call, answer, {"sure": YES})))["result"]
            if answer["resultType"] == "task":
                id = answer["taskId"]
                if (await until(client, id, "input_required", "completed"))["status"] == "input_required":
                    await client.ask("tasks/update", {"taskId": id, "inputResponses": {"sure": YES}})
                answer = (await until(client, id))["result"]
            assert text_of(answer) == "accept"
        assert ways <= {"input_required", "task"}


async def test_a_client_that_leaves_before_a_call_is_a_task_has_cancelled_it(autojump_clock):
    stage = Stage()
    async with task_world(slow(stage.play)) as world:
        async with world.client(STATELESS) as client:
            client.start("tools/call", work())
            await stage.until(entered=1)
        await stage.until(left=1)
        assert stage.left == ["cancelled"]
        await trio.sleep(AFTER + 1)
        assert world.service.cells == {}


@pytest.mark.parametrize("how", ["leaves", "leaves slowly", "cancels", "ends"])
async def test_what_happens_while_the_store_writes_a_promotion_is_settled_in_one_step(how, autojump_clock):
    """The client leaves, gives up, or the handler ends, between the decision and the commit."""
    stage = Stage()

    async def play() -> str:
        try:
            return await stage.play()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(8 if how == "leaves slowly" else 0)

    class Slow(MemoryTaskStore):
        creating = None

        async def create(self, task, owner, **options):
            lease = await super().create(task, owner, **options)
            self.creating = task.place
            await trio.sleep(5)
            return lease

    async with Slow() as store, task_world(slow(play), task_store=store) as world:
        async with world.client(STATELESS) as client:
            id = client.start("tools/call", work())
            await trio.sleep(AFTER + 1)
            if how == "cancels":
                client.cancel(id)
            elif how == "ends":
                stage.go.set()
                assert text_of((await client.answer_to(id))["result"]) == "done"
            if not how.startswith("leaves"):
                await trio.sleep(10)
                await client.expect_none()
        await trio.sleep(10)
        assert stage.left == ["done" if how == "ends" else "cancelled"]
        left = await store.read(store.creating)
        assert left.status.value == "cancelled"


async def test_a_call_stays_a_call_where_there_is_no_room_for_another_task(autojump_clock, caplog):
    async def handler() -> str:
        await trio.sleep(10)
        return "done"

    app = slow(handler, limits=TaskLimits(max_open_anonymous=1))
    async with task_world(app) as world, world.client(STATELESS) as client:
        first, second = client.start("tools/call", work()), client.start("tools/call", work())
        answers = [(await client.answer_to(id, timeout=60))["result"] for id in (first, second)]
        kinds = sorted(answer["resultType"] for answer in answers)
        assert kinds == ["complete", "task"]
        (id,) = [answer["taskId"] for answer in answers if answer["resultType"] == "task"]
        assert (await until(client, id))["status"] == "completed"
        assert "stays a call" in caplog.text


async def test_a_task_is_promoted_over_http_and_outlives_the_exchange_that_made_it():
    """Every POST is a session of its own, which ends with its answer."""
    stage = Stage()

    async def handler(ctx: Context) -> str:
        await stage.play()
        await ctx.progress(1)
        answer = await ctx.elicit("Sure?", key="sure")
        return f"{answer.action}"

    app = tasked(handler, task_after=0.05)
    with trio.fail_after(30):
        async with task_world(app) as world:
            asgi = create_asgi_app(ServerHandle(app), runtime=world.runtime)
            transport = InProcessTransport(world.runtime, asgi)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000", timeout=None) as http:

                async def ask(method, params, name):
                    reply = await http.post("/mcp", **modern(method, params, name=name, capabilities=WITH_TASKS))
                    return reply.json()["result"]

                async def reach(*statuses):
                    while (task := await ask("tasks/get", {"taskId": id}, id))["status"] not in statuses:
                        await trio.lowlevel.checkpoint()
                    return task

                created = await ask("tools/call", work(), "work")
                id = created["taskId"]
                assert created["resultType"] == "task"
                assert stage.left == []
                stage.go.set()
                task = await reach("input_required", "failed")
                assert list(task["inputRequests"]) == ["sure"]
                await ask("tasks/update", {"taskId": id, "inputResponses": {"sure": YES}}, id)
                task = await reach("completed", "failed")
                assert text_of(task["result"]) == "accept"
                assert RELATED not in str(task)


async def test_a_promoted_task_is_cancelled_like_any_other(autojump_clock):
    stage = Stage()
    async with task_world(slow(stage.play)) as world:
        async with world.client(STATELESS) as client:
            id = (await client.ask("tools/call", work()))["taskId"]
        async with world.client(STATELESS) as other:
            assert await status_of(other, id) == "working"
            await cancel(other, id)
            await stage.until(left=1)
            assert (await status_of(other, id), stage.left) == ("cancelled", ["cancelled"])


async def test_an_effect_that_is_under_way_at_the_promotion_is_recorded_with_the_task(autojump_clock):
    effects = []

    async def pay():
        effects.append("begun")
        await trio.sleep(AFTER + 3)
        return "receipt"

    async def handler(ctx: Context) -> str:
        receipt = await ctx.once("pay", pay)
        await ctx.elicit("Sure?", key="sure")
        return str(receipt)

    async with task_world(slow(handler)) as world, world.client(STATELESS) as client:
        id = (await client.ask("tools/call", work()))["taskId"]
        await until(client, id, "input_required")
        rows = await world.service.store.entries(Place("App", "", id))
        assert rows["pay"][4:6] == ["recorded", {"result": "receipt"}]
        assert effects == ["begun"]
        await cancel(client, id)


async def test_a_promotion_is_kept_together_with_its_journal(autojump_clock):
    """What was answered before is acknowledged with the task: a crash must not ask it again."""

    async def handler(ctx: Context) -> str:
        await ctx.elicit("First?", key="first")
        await trio.sleep(AFTER + 1)
        return "done"

    async with (
        HeldStore() as store,
        task_world(slow(handler), task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        call = {"method": "tools/call", "params": work()}
        asked = await client.ask(**call)
        store.holding = True
        id = client.retry(call, asked, {"first": YES})
        created = (await client.answer_to(id))["result"]
        assert created["resultType"] == "task"
        rows = await store.entries(Place("App", "", created["taskId"]))
        assert [rows["first"][4], rows["first"][5]["result"]["action"]] == ["recorded", "accept"]
        store.release_all()
        assert (await until(client, created["taskId"]))["status"] == "completed"
