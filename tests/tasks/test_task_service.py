"""What the service of an app's tasks does: turns, limits, expiry, principals, sessions. In virtual time."""

from __future__ import annotations

import base64

import pytest
import trio
from task_service_world import (
    STATEFUL,
    STATELESS,
    YES,
    Stage,
    cancel,
    create,
    get,
    refusal,
    status_of,
    task_world,
    tasked,
    text_of,
    until,
    work,
)

from zcp_actors import Context
from zcp_actors.errors import INVALID_PARAMS, METHOD_NOT_FOUND, OVERLOADED, InvalidParams
from zcp_actors.tasks import MemoryTaskStore, SqliteTaskStore, cursor
from zcp_actors.tasks.limits import MAX_TTL_SECONDS, TTL_SECONDS, TaskLimits
from zcp_actors.tasks.polls import Polls

both_eras = pytest.mark.parametrize("era", [STATEFUL, STATELESS])


async def quick() -> str:
    return "done"


async def asking(ctx: Context) -> str:
    return (await ctx.elicit("Sure?")).action


def unfriendly(stage: Stage):
    async def handler(name: str = "") -> str:
        return await stage.play(name)

    return handler


# ---- turns
@both_eras
async def test_tasks_beyond_capacity_wait_in_the_order_they_came_and_say_they_work(era, autojump_clock):
    stage = Stage()
    turns = {name: trio.Event() for name in "abcd"}

    async def handler(name: str) -> str:
        stage.entered.append(name)
        await turns[name].wait()
        return name

    app = tasked(handler, limits=TaskLimits(max_running=2))
    async with task_world(app) as world, world.client(era) as client:
        ids = {name: (await create(client, {"name": name}))["taskId"] for name in "abcd"}
        await world.rest()
        assert stage.entered == ["a", "b"]
        assert [await status_of(client, id) for id in ids.values()] == ["working"] * 4
        stored = [(await world.service.find(cell)).status.value for cell in world.service.cells]
        assert stored == ["working", "working", "queued", "queued"]
        turns["b"].set()
        await until(client, ids["b"])
        await world.rest()
        assert stage.entered == ["a", "b", "c"]
        for name in "adc":
            turns[name].set()
        for id in ids.values():
            assert (await until(client, id))["status"] == "completed"
        assert stage.entered == ["a", "b", "c", "d"]


async def test_a_task_that_is_cancelled_while_it_waits_for_its_turn_never_begins(autojump_clock):
    stage = Stage()
    app = tasked(unfriendly(stage), limits=TaskLimits(max_running=1))
    async with task_world(app) as world, world.client(STATEFUL) as client:
        first, second, third = [(await create(client, {"name": name}))["taskId"] for name in "abc"]
        assert (await client.ask("tasks/cancel", {"taskId": second}))["status"] == "cancelled"
        stage.go.set()
        assert (await until(client, third))["status"] == "completed"
        assert stage.entered == ["a", "c"]
        assert await status_of(client, first) == "completed"


# ---- limits
async def test_a_principal_has_so_many_open_tasks_and_no_more(autojump_clock):
    stage = Stage()
    app = tasked(unfriendly(stage), limits=TaskLimits(max_open=2, max_open_anonymous=3))
    async with task_world(app) as world:
        clients = world.client(STATELESS, principal="ann"), world.client(STATELESS, principal="bob")
        async with clients[0] as ann, clients[1] as bob, world.client(STATEFUL) as nobody:
            ids = [(await create(ann))["taskId"] for _ in range(2)]
            error = await refusal(ann.ask("tools/call", work()))
            assert error.code == OVERLOADED
            assert "2 of your tasks" in error.message
            assert (await create(bob))["status"] == "working"
            for _ in range(3):
                await create(nobody)
            assert (await refusal(nobody.ask("tools/call", work(task={})))).code == OVERLOADED
            await cancel(ann, ids[0])
            assert (await create(ann))["status"] == "working"
            stage.go.set()


@pytest.mark.parametrize(
    ("asked", "kept"),
    [(None, 600_000), (60_000, 60_000), (10**12, 1_000_000), (10**400, 1_000_000), (1, 1)],
)
async def test_a_task_is_kept_as_long_as_its_requestor_wants_up_to_the_cap(asked, kept, autojump_clock):
    app = tasked(quick, limits=TaskLimits(ttl=600, max_ttl=1000))
    async with task_world(app) as world, world.client(STATEFUL) as client:
        task = await create(client, task={} if asked is None else {"ttl": asked})
        assert task["ttl"] == kept


async def test_without_a_word_of_anybody_the_documented_times_hold(autojump_clock):
    async with task_world(tasked(quick)) as world, world.client(STATEFUL) as client:
        assert (await create(client))["ttl"] == TTL_SECONDS * 1000
        assert (await create(client, task={"ttl": 10**15}))["ttl"] == MAX_TTL_SECONDS * 1000


@pytest.mark.parametrize("ttl", [-1, "60000", 1.5, True, [], {}])
async def test_a_ttl_that_is_no_number_of_milliseconds_makes_no_task(ttl, autojump_clock):
    async with task_world(tasked(quick)) as world, world.client(STATEFUL) as client:
        assert (await refusal(client.ask("tools/call", work(task={"ttl": ttl})))).code == INVALID_PARAMS
        assert (await client.ask("tasks/list"))["tasks"] == []


async def test_who_polls_too_fast_is_told_so_and_others_are_not(autojump_clock):
    app = tasked(quick, limits=TaskLimits(polls_per_second=10))
    async with task_world(app) as world:
        ann, bob = world.client(STATELESS, principal="ann"), world.client(STATELESS, principal="bob")
        async with ann as ann, bob as bob:
            id = (await create(ann))["taskId"]
            for _ in range(50):
                await get(ann, id)
            assert (await refusal(get(ann, id))).code == OVERLOADED
            assert (await refusal(get(bob, id))).code == INVALID_PARAMS
            await trio.sleep(0.11)
            assert (await get(ann, id))["taskId"] == id


def test_polls_are_counted_for_so_many_principals_and_no_more(monkeypatch):
    monkeypatch.setattr("zcp_actors.tasks.polls.MAX_BUCKETS", 2)
    polls = Polls(TaskLimits(polls_per_second=1))
    polls.count("a", 0.0)
    polls.count("b", 0.0)
    with pytest.raises(Exception, match="2 principals"):
        polls.count("c", 1.0)
    polls.count("c", 5.0)
    assert set(polls._buckets) == {"c"}


# ---- expiry
@both_eras
async def test_when_its_time_is_over_a_task_ends_its_work_and_is_unknown(era, autojump_clock):
    """R84: work stopped, row gone, -32602; at the time, and not at the next look at all tasks."""
    stage = Stage()
    app = tasked(unfriendly(stage), limits=TaskLimits(ttl=7))
    async with task_world(app) as world, world.client(era) as client:
        id = (await create(client))["taskId"]
        await stage.until(entered=1)
        began = trio.current_time()
        await trio.sleep(6.9)
        assert (await get(client, id))["status"] == "working"
        await stage.until(left=1)
        assert trio.current_time() - began == pytest.approx(7, abs=0.01)
        assert stage.left == ["cancelled"]
        methods = [("tasks/get", {}), ("tasks/cancel", {})]
        methods.append(("tasks/result", {}) if era == STATEFUL else ("tasks/update", {"inputResponses": {}}))
        for method, more in methods:
            assert (await refusal(client.ask(method, {"taskId": id, **more}))).code == INVALID_PARAMS
        assert len(world.service.store) == 0


async def test_who_waits_for_the_result_of_a_task_that_expires_is_told(autojump_clock):
    async with task_world(tasked(asking, limits=TaskLimits(ttl=7))) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        waiting = [client.start("tasks/result", {"taskId": id}) for _ in range(2)]
        question = await client.request("elicitation/create")
        began = trio.current_time()
        errors = [(await client.answer_to(each, timeout=100))["error"] for each in waiting]
        assert [error["code"] for error in errors] == [INVALID_PARAMS] * 2
        assert trio.current_time() - began <= 7.01
        withdrawn = await client.notification("notifications/cancelled")
        assert withdrawn["params"]["requestId"] == question["id"]


async def test_a_task_that_has_ended_is_forgotten_when_its_time_is_over(autojump_clock):
    async with task_world(tasked(quick, limits=TaskLimits(ttl=7))) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        await until(client, id)
        await trio.sleep(6)
        assert await status_of(client, id) == "completed"
        await trio.sleep(1.01)
        assert (await refusal(get(client, id))).code == INVALID_PARAMS
        await trio.sleep(31)
        assert len(world.service.store) == 0


async def test_a_task_waiting_for_its_turn_expires_like_any_other(autojump_clock):
    stage = Stage()
    app = tasked(unfriendly(stage), limits=TaskLimits(max_running=1))
    async with task_world(app) as world, world.client(STATEFUL) as client:
        first = (await create(client, {"name": "a"}))["taskId"]
        second = (await create(client, {"name": "b"}, task={"ttl": 1000}))["taskId"]
        assert (await refusal(client.ask("tasks/result", {"taskId": second}))).code == INVALID_PARAMS
        stage.go.set()
        await until(client, first)
        assert stage.entered == ["a"]


async def test_a_full_store_turns_new_tasks_away_and_forgets_none_that_runs(autojump_clock):
    """Running tasks are never evicted."""
    stage = Stage()
    async with (
        MemoryTaskStore(max_tasks=3) as store,
        task_world(tasked(unfriendly(stage)), task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        ids = [(await create(client))["taskId"] for _ in range(3)]
        assert (await refusal(client.ask("tools/call", work()))).code == OVERLOADED
        assert [await status_of(client, id) for id in ids] == ["working"] * 3
        stage.go.set()
        assert [(await until(client, id))["status"] for id in ids] == ["completed"] * 3


async def test_a_store_given_while_it_is_empty_is_the_one_that_is_used(autojump_clock):
    """An empty store is falsy; it is one all the same."""
    async with (
        MemoryTaskStore() as store,
        task_world(tasked(quick)) as world,
        world.client(STATELESS, task_store=store) as client,
    ):
        await until(client, (await create(client))["taskId"])
        assert world.service.store is store
        assert len(store) == 1


# ---- principals
@pytest.mark.parametrize("other", ["bob", ""], ids=["bob", "anonymous"])
async def test_another_principal_s_task_is_answered_exactly_like_an_unknown_one(other, autojump_clock):
    """R87: same code, same shape of text, in every method of the older generation (the newer one's rule 51)."""
    async with task_world(tasked(asking)) as world:
        clients = world.client(STATEFUL, principal="ann"), world.client(STATEFUL, principal=other)
        async with clients[0] as ann, clients[1] as stranger:
            id, random = (await create(ann))["taskId"], "B" * 32
            await until(ann, id, "input_required")
            for method in ("tasks/get", "tasks/result", "tasks/cancel"):
                errors = [await refusal(stranger.ask(method, {"taskId": each})) for each in (id, random)]
                texts = {error.message.replace(id, "…").replace(random, "…") for error in errors}
                assert ([error.code for error in errors], len(texts)) == ([INVALID_PARAMS] * 2, 1)
            assert (await stranger.ask("tasks/list"))["tasks"] == []
            assert [task["taskId"] for task in (await ann.ask("tasks/list"))["tasks"]] == [id]
            assert await status_of(ann, id) == "input_required"
            await cancel(ann, id)
            await stranger.expect_none()


class Open:
    """A way that many share, and nobody is told apart on."""

    transport = "tcp"


async def test_tasks_are_listed_only_where_requestors_can_be_told_apart(autojump_clock, monkeypatch):
    """R86: not advertised, and refused."""
    async with task_world(tasked(quick)) as world:
        async with world.client(STATEFUL) as own:
            assert own.introduction["capabilities"]["tasks"]["list"] == {}
        monkeypatch.setattr("zcp_actors.testing.scripted_peer.ScriptedPeer.transport", "tcp")
        async with world.client(STATEFUL) as open_one, world.client(STATEFUL, principal="ann") as ann:
            assert "list" not in open_one.introduction["capabilities"]["tasks"]
            id = (await create(open_one))["taskId"]
            assert (await refusal(open_one.ask("tasks/list"))).code == METHOD_NOT_FOUND
            assert (await until(open_one, id))["status"] == "completed"
            assert ann.introduction["capabilities"]["tasks"]["list"] == {}
            assert (await ann.ask("tasks/list"))["tasks"] == []


async def test_a_list_is_paged_by_opaque_cursors_of_one_principal(autojump_clock):
    app = tasked(quick, limits=TaskLimits(page_size=2))
    async with task_world(app) as world:
        clients = world.client(STATEFUL, principal="ann"), world.client(STATEFUL, principal="bob")
        async with clients[0] as ann, clients[1] as bob:
            ids = []
            for _ in range(5):
                ids.append((await create(ann))["taskId"])
                await trio.sleep(0.1)
            pages, cursor = [], None
            while True:
                page = await ann.ask("tasks/list", {} if cursor is None else {"cursor": cursor})
                pages.append([task["taskId"] for task in page["tasks"]])
                if (cursor := page.get("nextCursor")) is None:
                    break
                last = cursor
            assert pages == [ids[:2], ids[2:4], ids[4:]]
            assert ids[0] not in last
            for wrong in ("", "x", last[:-4], last + "AAAA", "é"):
                assert (await refusal(ann.ask("tasks/list", {"cursor": wrong}))).code == INVALID_PARAMS
            assert (await refusal(bob.ask("tasks/list", {"cursor": last}))).code == INVALID_PARAMS


# ---- sessions
@both_eras
async def test_a_task_outlives_its_session_and_its_principal_finds_it_from_another(era, autojump_clock):
    """R81: keyed by who asks, not by the session."""
    stage = Stage()
    async with task_world(tasked(unfriendly(stage))) as world:
        async with world.client(era, principal="ann") as first:
            id = (await create(first))["taskId"]
            await stage.until(entered=1)
        assert stage.left == []
        for later in (STATEFUL, STATELESS):
            async with world.client(later, principal="ann") as second:
                assert await status_of(second, id) == "working"
        async with world.client(era, principal="ann") as third:
            stage.go.set()
            assert (await until(third, id))["status"] == "completed"


async def test_the_questions_of_a_task_are_answered_from_another_session(autojump_clock):
    async with task_world(tasked(asking)) as world:
        async with world.client(STATEFUL, principal="ann") as first:
            id = (await create(first))["taskId"]
            unanswered = await first.request("elicitation/create")
            assert unanswered["params"]["message"] == "Sure?"
        async with world.client(STATEFUL, principal="ann") as second:
            waiting = second.start("tasks/result", {"taskId": id})
            second.reply(await second.request("elicitation/create"), YES)
            assert text_of((await second.answer_to(waiting))["result"]) == "accept"


async def test_one_generation_finishes_what_the_other_began(autojump_clock):
    async with (
        task_world(tasked(asking)) as world,
        world.client(STATEFUL, principal="ann") as old,
        world.client(STATELESS, principal="ann") as new,
    ):
        id = (await create(old))["taskId"]
        question = await old.request("elicitation/create")
        ((key, _),) = (await get(new, id))["inputRequests"].items()
        await new.ask("tasks/update", {"taskId": id, "inputResponses": {key: YES}})
        withdrawn = await old.notification("notifications/cancelled")
        assert withdrawn["params"]["requestId"] == question["id"]
        assert text_of(await old.ask("tasks/result", {"taskId": id})) == "accept"


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_both_stores_serve_a_task_from_its_creation_to_its_result(kind, tmp_path):
    store = MemoryTaskStore() if kind == "memory" else SqliteTaskStore(tmp_path / "tasks.sqlite3")
    with trio.fail_after(30):
        async with (
            store,
            task_world(tasked(asking), task_store=store) as world,
            world.client(STATEFUL) as old,
            world.client(STATELESS) as new,
        ):
            id = (await create(old))["taskId"]
            old.reply(await old.request("elicitation/create"), YES)
            assert text_of(await old.ask("tasks/result", {"taskId": id})) == "accept"
            gone = (await create(new))["taskId"]
            await until(new, gone, "input_required")
            await cancel(new, gone)
            assert await status_of(new, gone) == "cancelled"
            unknown = await refusal(new.ask("tasks/cancel", {"taskId": "unknown"}))
            assert unknown.code == INVALID_PARAMS


@pytest.mark.parametrize(
    "position", [b"", b"[", b"1", b"[1.0]", b'["a","b"]', b"[1,1]", b"[1e9,null]", b"[" + b"9" * 90 + b',"a"]']
)
def test_a_forged_cursor_is_refused_whatever_position_it_has(position):
    raw = cursor._digest(position, "App", "ann") + position
    with pytest.raises(InvalidParams, match="cursor"):
        cursor.position_of(base64.urlsafe_b64encode(raw).decode(), "App", "ann")
