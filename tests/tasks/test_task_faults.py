"""What the service of tasks does when something around it fails: a disk, a recorder, an author, its own shutdown."""

from __future__ import annotations

import os
import sqlite3

import pytest
import trio
from task_service_world import (
    STATEFUL,
    STATELESS,
    YES,
    Stage,
    create,
    refusal,
    task_world,
    tasked,
    text_of,
    until,
    work,
)

from zcp_actors import Context, ServerHandle, open_runtime
from zcp_actors.actors import Reply
from zcp_actors.errors import INTERNAL_ERROR, OVERLOADED, InvalidParams, StartFailed, UsageError
from zcp_actors.protocol.tasks import MAX_MESSAGE, Place
from zcp_actors.tasks import MemoryTaskStore, SqliteTaskStore
from zcp_actors.tasks.following import Follow
from zcp_actors.tasks.limits import TaskLimits
from zcp_actors.tasks.sqlite import default_task_file


class Disk(MemoryTaskStore):
    """A store whose named methods fail as a full disk does, while they are `broken`."""

    def __init__(self, *broken, **options):
        super().__init__(**options)
        self.broken = set(broken)
        self.calls = []
        self.at_once = False

    def _touch(self, name):
        self.calls.append(name)
        if name in self.broken:
            raise sqlite3.OperationalError("database or disk is full")

    async def create(self, task, owner, **options):
        self._touch("create")
        return await super().create(task, owner, **options)

    async def read(self, place):
        self._touch("read")
        return await super().read(place)

    def write(self, task, lease=None, entries=None):
        try:
            self._touch("write")
        except sqlite3.Error as error:
            if self.at_once:
                raise
            reply = Reply()
            trio.lowlevel.current_trio_token().run_sync_soon(reply.fail, error)
            return reply
        return super().write(task, lease, entries)

    async def sweep(self, app):
        self._touch("sweep")
        return await super().sweep(app)

    async def let_go(self, leases):
        self._touch("let_go")
        self.let_go_of = leases
        await super().let_go(leases)


async def test_a_call_that_a_full_disk_keeps_from_becoming_a_task_stays_a_call(autojump_clock, caplog):
    async def handler() -> str:
        await trio.sleep(3)
        return "done"

    async with (
        Disk("create") as store,
        task_world(tasked(handler, task_after=2), task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        assert text_of(await client.ask("tools/call", work())) == "done"
        assert "create" in store.calls
        assert "cannot become a task" in caplog.text


async def test_leases_that_a_full_disk_does_not_take_back_end_no_program(autojump_clock, caplog):
    stage = Stage()
    async with (
        Disk("let_go") as store,
        task_world(tasked(stage.play), cut=True, task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        await create(client)
        await stage.until(entered=1)
    assert stage.left == ["cancelled"]
    assert "disk is full" in caplog.text


@pytest.mark.parametrize("junk", [b"bytes", 7, None, ["a"]])
async def test_a_status_that_is_no_text_is_the_author_s_error_and_the_task_comes_to_its_end(junk, tmp_path):
    async def handler(ctx: Context) -> str:
        with pytest.raises(UsageError, match="text"):
            await ctx.task.update_status(junk)
        return "done"

    with trio.fail_after(30):
        async with (
            SqliteTaskStore(tmp_path / "tasks") as store,
            task_world(tasked(handler), task_store=store) as world,
            world.client(STATELESS) as client,
        ):
            task = await until(client, (await create(client))["taskId"])
            assert text_of(task["result"]) == "done"


@pytest.mark.parametrize("how", ["fails", "cancelled"])
async def test_what_a_person_reads_of_an_end_is_a_line_or_two(how, autojump_clock):
    """`MAX_MESSAGE`, whoever wrote it: the handler, or the client that cancels."""
    long = "why " * 10_000

    async def handler() -> str:
        if how == "fails":
            raise InvalidParams(long)
        await trio.sleep_forever()
        return ""

    async with task_world(tasked(handler)) as world, world.client(STATELESS) as client:
        id = (await create(client))["taskId"]
        if how == "cancelled":
            await client.ask("tasks/cancel", {"taskId": id, "reason": long})
        task = await until(client, id)
        assert len(task["statusMessage"]) <= MAX_MESSAGE
        assert long[:100] in task["statusMessage"]
        if how == "fails":
            assert task["status"] == "completed" or long in task["error"]["message"]


async def test_a_listen_that_the_store_fails_leaves_no_follower(autojump_clock, caplog):
    async with (
        Disk() as store,
        task_world(tasked(Stage().play), task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        store.broken.add("read")
        wanted = {"notifications": {"taskIds": ["a" * 32]}}
        error = await refusal(client.ask("subscriptions/listen", wanted))
        assert error.code == INTERNAL_ERROR
        assert len(world.service.followers) == 0
        assert len(world.service.sessions) == 0


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_answer_that_the_store_cannot_take_at_first_is_taken_later(at_once, autojump_clock, caplog):
    async def handler(ctx: Context) -> str:
        return (await ctx.elicit("Sure?", key="sure")).action

    async with (
        Disk() as store,
        task_world(tasked(handler), task_store=store) as world,
        world.client(STATEFUL) as client,
    ):
        id = (await create(client))["taskId"]
        await world.rest()
        question = await client.request("elicitation/create")
        store.broken.add("write")
        store.at_once = at_once
        client.reply(question, YES)
        await world.rest()
        store.broken.clear()
        assert text_of(await client.ask("tasks/result", {"taskId": id})) == "accept"
        assert " failed" not in caplog.text


class HalfDisk(Disk):
    """Takes a new task, and breaks before anything more is written."""

    async def create(self, task, owner, **options):
        lease = await super().create(task, owner, **options)
        self.broken.add("write")
        return lease


async def test_a_disk_that_is_full_after_a_promotion_leaves_no_task_that_nobody_was_told_of(autojump_clock, caplog):
    """The next process would run the call once more."""

    async def handler(ctx: Context) -> str:
        await ctx.elicit("First?", key="first")
        await trio.sleep(3)
        return "done"

    async with (
        HalfDisk() as store,
        task_world(tasked(handler, task_after=2), task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        call = {"method": "tools/call", "params": work()}
        id = client.retry(call, await client.ask(**call), {"first": YES})
        answer = (await client.answer_to(id))["result"]
        store.broken.clear()
        (kept,) = await store.page("App", "", None, 10)
        assert answer["taskId"] == kept.id
        assert (await until(client, kept.id))["status"] == "completed"


async def test_a_full_disk_is_tried_once_a_second_however_much_a_task_reports(autojump_clock, caplog):
    reporting = trio.Event()

    async def handler(ctx: Context) -> str:
        for number in range(50):
            await ctx.task.update_status(f"{number}")
        reporting.set()
        await trio.sleep(10)
        return "done"

    async with (
        Disk() as store,
        task_world(tasked(handler), task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        store.broken.add("write")
        store.at_once = True
        id = (await create(client))["taskId"]
        await reporting.wait()
        await world.rest()
        armed = len(world.runtime.timers)
        store.calls.clear()
        await trio.sleep(3.5)
        assert store.calls.count("write") == 3
        assert armed < 5
        store.broken.clear()
        assert text_of((await until(client, id))["result"]) == "done"


async def test_a_task_that_no_worker_can_run_fails_and_says_why(autojump_clock):
    """As a call does; the next one finds its turn free."""

    async def handler() -> str:
        return "done"

    async with (
        task_world(tasked(handler, limits=TaskLimits(max_running=1))) as world,
        world.client(STATEFUL) as client,
    ):
        workers = world.runtime.workers
        most = workers.max_running
        ready = (await until(client, (await create(client))["taskId"]))["status"]
        workers.max_running = workers.running + 1  # the request itself
        id = (await create(client))["taskId"]
        workers.max_running = most
        task = await until(client, id)
        assert (ready, task["status"]) == ("completed", "failed")
        assert "max_running" in task["statusMessage"]
        assert (await until(client, (await create(client))["taskId"]))["status"] == "completed"


async def test_a_follower_that_fails_keeps_nobody_from_hearing(autojump_clock, caplog):
    class Broken(Follow):
        def heard(self, task):
            raise RuntimeError("a follower failed")

    stage = Stage()
    async with task_world(tasked(stage.play)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        with Broken(world.service.followers, Place("App", "", id)):
            waiting = client.start("tasks/result", {"taskId": id})
            await stage.until(entered=1)
            stage.go.set()
            assert text_of((await client.answer_to(waiting))["result"]) == "done"
        assert "a follower failed" in caplog.text


async def test_a_task_that_somebody_stopped_in_the_tree_is_taken_up_again(tmp_path):
    """Only its process can know that nobody runs it: its lease is renewed with all others."""
    stage = Stage()
    with trio.fail_after(30):
        async with (
            SqliteTaskStore(tmp_path / "tasks", lease=0.5) as store,
            task_world(tasked(stage.play), task_store=store) as world,
            world.client(STATELESS) as client,
        ):
            id = (await create(client))["taskId"]
            await stage.until(entered=1)
            (cell,) = world.service.cells.values()
            cell.me.cancel("an operator's mistake")
            await stage.until(entered=2)
            stage.go.set()
            assert text_of((await until(client, id))["result"]) == "done"


async def test_tasks_that_expire_together_are_removed_together(autojump_clock):
    stage = Stage()
    async with (
        Disk() as store,
        task_world(tasked(stage.play, task_ttl=5), task_store=store) as world,
        world.client(STATELESS) as client,
    ):
        for _ in range(50):
            await create(client)
        store.calls.clear()
        await stage.until(left=50)
        assert store.calls.count("sweep") <= 3


async def test_a_handler_that_takes_long_to_unwind_keeps_no_lease_but_its_own(autojump_clock):
    async def handler(name: str) -> str:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(20 if name == "slow" else 0)
        return ""

    async with Disk() as store:
        app = tasked(handler)
        async with task_world(app, cut=True, task_store=store) as world, world.client(STATELESS) as client:
            slow, quick = [(await create(client, {"name": name}))["taskId"] for name in ("slow", "quick")]
            await world.rest()
        assert {lease.place.id for lease in store.let_go_of} == {quick}
        assert slow != quick


async def test_a_store_that_could_not_be_opened_is_opened_when_it_can(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    app = tasked(Stage().play, "Opened")
    file = default_task_file("Opened", os.environ)
    file.mkdir(parents=True)
    async with open_runtime() as runtime:
        handle = ServerHandle(app, served=True)
        with pytest.raises(StartFailed):
            await handle.recover(runtime)
        file.rmdir()
        await handle.recover(runtime)


async def test_a_task_that_is_stored_as_the_server_stops_is_no_task_for_the_next_one(autojump_clock):
    """Its requestor was told of an end, not of a task."""

    class Slow(MemoryTaskStore):
        async def create(self, task, owner, **options):
            lease = await super().create(task, owner, **options)
            await trio.sleep(5)
            return lease

    stage = Stage()
    async with Slow() as store:
        app = tasked(stage.play)
        async with task_world(app, cut=True, task_store=store) as world, world.client(STATELESS) as client:
            client.start("tools/call", work())
            await world.rest()
            world.service._keeper.cancel("the server is shutting down")
            await trio.sleep(10)
        (kept,) = await store.page("App", "", None, 10)
        assert (kept.status.value, stage.entered) == ("cancelled", [])


async def test_who_waits_for_a_change_of_a_task_that_is_stopped_meanwhile_is_answered(autojump_clock):
    """While its process looks what somebody else wrote first."""

    class Late(MemoryTaskStore):
        late = False
        never = trio.Event()

        def write(self, task, lease=None, entries=None):
            if not self.late or lease is None:
                return super().write(task, lease, entries)
            reply = Reply()
            reply.set(False)
            return reply

        async def read(self, place):
            if self.late:
                self.late = False
                await self.never.wait()
            return await super().read(place)

    stage = Stage()
    async with (
        Late() as store,
        task_world(tasked(stage.play), task_store=store) as world,
        world.client(STATEFUL) as client,
    ):
        id = (await create(client))["taskId"]
        await stage.until(entered=1)
        (cell,) = world.service.cells.values()
        store.late = True
        waiting = client.start("tasks/cancel", {"taskId": id})
        await world.rest()
        assert not store.late
        cell.me.cancel("an operator's mistake")
        assert (await client.answer_to(waiting))["result"]["status"] == "cancelled"


async def test_a_listen_that_asks_for_tasks_is_counted_as_a_poll(autojump_clock):
    limits = TaskLimits(anonymous_polls_per_second=0.4)  # a burst of two
    app = tasked(Stage().play, limits=limits)
    async with task_world(app) as world, world.client(STATELESS) as client:
        wanted = {"notifications": {"taskIds": ["a" * 32]}}
        for _ in range(2):
            client.start("subscriptions/listen", wanted)
            await client.notification("notifications/subscriptions/acknowledged")
        assert (await refusal(client.ask("subscriptions/listen", wanted))).code == OVERLOADED
