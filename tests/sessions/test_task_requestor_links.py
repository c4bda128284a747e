"""Tasks outlive connections, and their handles outlive the host (reliability.md, 1K; SEP-2663: persist task ids)."""

from __future__ import annotations

import pytest
import trio
from task_script import ASK, DONE, FIVE, STATEFUL, STATELESS, TaskServer, Waiting, linked, seen
from trio.testing import wait_all_tasks_blocked

from zcp_actors import Inbox
from zcp_actors.errors import ConnectionLost, RequestCancelled, RPCError, ServerExited
from zcp_actors.tasks import MemoryTaskStore

both_eras = pytest.mark.parametrize("era", [STATEFUL, STATELESS])


@both_eras
async def test_a_task_is_followed_over_a_lost_connection(era, nursery, autojump_clock, caplog):
    caplog.set_level("CRITICAL")
    async with linked(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting, changes = Waiting(nursery, handle.result), []
        nursery.start_soon(seen, handle, changes)
        await trio.sleep(3)
        server.peer.drop()
        server.task.blocked.clear()
        server.end(notify=False)
        await trio.sleep(30)

        assert server.peer.connections == 2
        assert waiting.outcome.to_dict() == DONE
        assert [status for status, _ in changes] == ["working", "completed"]


@both_eras
async def test_a_task_is_asked_about_as_soon_as_the_connection_is_back(era, autojump_clock, caplog):
    caplog.set_level("CRITICAL")
    server = TaskServer(era, poll=60_000)
    async with linked(era, server=server) as (client, _):
        server.peer.automatic["subscriptions/listen"] = RPCError(-32601, "not here")
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(1)
        server.peer.drop()
        server.end(notify=False)
        await trio.sleep(5)
        assert handle.status == "completed"


async def test_a_call_that_became_a_task_survives_the_loss(nursery, autojump_clock, caplog):
    caplog.set_level("CRITICAL")
    async with linked(STATELESS) as (client, server):
        waiting = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(3)
        server.peer.drop()
        await trio.sleep(30)
        assert not waiting.left
        assert server.listens[-1] == ["t1"]
        server.end()
        await trio.sleep(0.1)
        assert waiting.outcome.to_dict() == DONE


async def test_a_question_that_waits_for_a_person_survives_the_loss(autojump_clock, caplog):
    """Connection lost while input_required: the answer goes over the next one."""
    caplog.set_level("CRITICAL")
    async with linked(STATELESS, elicitation_handler=Inbox()) as (client, server):
        await client.call_tool_as_task("slow")
        await trio.sleep(1)
        server.move(server.task, "input_required", questions={"a": ASK})
        (pending,) = client.runtime.pending()
        server.peer.drop()
        pending.answer({"n": 5})
        await trio.sleep(30)

        assert server.updates == [{"a": FIVE}]
        assert client.runtime.pending() == ()


async def test_an_answer_whose_acknowledgement_was_lost_is_sent_again(autojump_clock, caplog):
    caplog.set_level("CRITICAL")
    async with linked(STATELESS, elicitation_handler=lambda request: {"accepted": True, "data": {"n": 5}}) as (
        client,
        server,
    ):
        await client.call_tool_as_task("slow")
        await trio.sleep(1)
        first = []

        def breaks(request):
            first.append(request["params"]["inputResponses"])
            server.peer.automatic["tasks/update"] = server._update
            server.peer.drop()

        server.peer.automatic["tasks/update"] = breaks
        server.move(server.task, "input_required", questions={"a": ASK})
        await trio.sleep(30)

        assert first == server.updates == [{"a": FIVE}]


async def test_a_new_session_of_the_older_generation_is_asked_for_the_result_and_the_questions(
    nursery, autojump_clock, caplog
):
    caplog.set_level("CRITICAL")
    async with linked(STATEFUL, elicitation_handler=Inbox()) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(1)
        server.move(server.task, "input_required")
        server.task.blocked.clear()
        server.peer.drop()
        await trio.sleep(30)

        assert server.fetches == ["t1", "t1"]
        server.end()
        await trio.sleep(0.1)
        assert waiting.outcome.to_dict() == DONE


@both_eras
async def test_a_server_that_exits_for_good_fails_the_handle_with_how_it_went(era, nursery, autojump_clock, caplog):
    caplog.set_level("CRITICAL")
    async with linked(era, restart=None) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting, changes = Waiting(nursery, handle.result), Waiting(nursery, seen, handle, [])
        await trio.sleep(1)
        peer = server.peer
        session = peer._session
        peer._left("it exited")
        session.lost(ServerExited("server.py", 3))
        await wait_all_tasks_blocked()

        for each in (waiting, changes):
            assert isinstance(each.outcome, ServerExited)
        assert handle.status == "working"
        with pytest.raises(ServerExited):
            await handle.result()


@both_eras
async def test_polls_that_go_on_failing_end_the_following_at_last(era, nursery, autojump_clock):
    async with linked(era) as (client, server):
        server.peer.automatic["subscriptions/listen"] = RPCError(-32601, "not here")
        handle = await client.call_tool_as_task("slow")
        changes = Waiting(nursery, seen, handle, [])
        failures = []

        def broken(request):
            failures.append(trio.current_time())
            return RPCError(-32603, "out of order")

        server.peer.automatic["tasks/get"] = broken
        await trio.sleep(30)
        assert not changes.left
        await trio.sleep(300)

        assert (str(changes.outcome.message), len(failures)) == ("out of order", 11)


@both_eras
async def test_a_poll_that_fails_now_and_then_harms_nothing(era, autojump_clock):
    async with linked(era) as (client, server):
        server.peer.automatic["subscriptions/listen"] = RPCError(-32601, "not here")
        handle = await client.call_tool_as_task("slow")
        count = []

        def flaky(request):
            count.append(1)
            return server._get(request) if len(count) % 3 == 0 else RPCError(-32603, "out of order")

        server.peer.automatic["tasks/get"] = flaky
        await trio.sleep(300)
        server.end(notify=False)
        await trio.sleep(10)
        assert handle.status == "completed"


# ---- handles that outlive the host
@both_eras
async def test_a_handle_is_kept_before_it_is_given_and_taken_up_after_a_restart(era, nursery, autojump_clock):
    async with MemoryTaskStore() as store:
        options = {"runtime": {"task_store": store, "name": "host"}, "elicitation_handler": Inbox()}
        async with linked(era, **options) as (client, server):
            handle = await client.call_tool_as_task("slow", ttl=30000)
            (kept,) = await store.handles("host")
            assert (kept["task"], kept["backend"], kept["target"], kept["method"], kept["era"], kept["ttl"]) == (
                handle.id,
                "backend",
                "slow",
                "tools/call",
                era,
                60000,
            )
            again = await client.runtime.resume_tasks()
            assert [(each.id, each.status) for each in again] == [("t1", "working")]
        async with linked(era, server=server, **options) as (client, server):
            (handle,) = await client.runtime.resume_tasks()
            changes = []
            nursery.start_soon(seen, handle, changes)
            await trio.sleep(1)
            if era == STATELESS:
                server.move(server.task, "input_required", questions={"a": ASK})
                (pending,) = client.runtime.pending()
                pending.answer({"n": 5})
                await trio.sleep(1)
                assert server.updates == [{"a": FIVE}]
            server.end()
            assert (await handle.result()).to_dict() == DONE
            assert await store.handles("host") == []
            assert await client.runtime.resume_tasks() == []
        await wait_all_tasks_blocked()
        assert [status for status, _ in changes][:: len(changes) - 1] == ["working", "completed"]


@both_eras
async def test_a_task_that_ended_while_the_host_was_away_is_told_so_first(era, autojump_clock):
    async with MemoryTaskStore() as store:
        options = {"runtime": {"task_store": store}}
        async with linked(era, **options) as (client, server):
            await client.create_task("report", {"a": 1})
        server.end(result={"n": 1}, notify=False)
        async with linked(era, server=server, **options) as (client, server):
            (handle,) = await client.runtime.resume_tasks()
            assert [view.status async for view in handle] == ["completed"]
            assert (await handle.result())["n"] == 1


@both_eras
async def test_a_task_that_is_gone_takes_its_handle_with_it(era, autojump_clock):
    async with MemoryTaskStore() as store:
        options = {"runtime": {"task_store": store}}
        async with linked(era, **options) as (client, server):
            await client.call_tool_as_task("slow")
            ended = await client.call_tool_as_task("slow")
            await ended.cancel("no")
            with pytest.raises(RequestCancelled):
                await ended.result()
            assert len(await store.handles("root")) == 1
        server.tasks.clear()
        async with linked(era, server=server, **options) as (client, server):
            (handle,) = await client.runtime.resume_tasks()
            with pytest.raises(RPCError, match="no such task"):
                await handle.result()
            await wait_all_tasks_blocked()
            assert await store.handles("root") == []


@both_eras
async def test_a_cancelled_task_is_kept_no_longer_though_nobody_asks_for_its_result(era, autojump_clock):
    async with MemoryTaskStore() as store, linked(era, runtime={"task_store": store}) as (client, _):
        handle = await client.call_tool_as_task("slow")
        await handle.cancel()
        await trio.sleep(1)
        assert await store.handles("root") == []


@both_eras
async def test_a_lost_session_keeps_the_handle(era, autojump_clock):
    """The task may well go on; only what is known to be gone is forgotten."""
    async with MemoryTaskStore() as store:
        async with linked(era, runtime={"task_store": store}) as (client, _):
            await client.call_tool_as_task("slow")
        assert len(await store.handles("root")) == 1


async def test_handles_of_backends_that_are_not_connected_stay_and_are_named(autojump_clock, caplog):
    async with MemoryTaskStore() as store:
        options = {"runtime": {"task_store": store}}
        async with linked(STATELESS, name="weather", **options) as (client, _):
            await client.call_tool_as_task("slow")
        async with linked(STATELESS, name="docs", **options) as (client, _):
            assert await client.runtime.resume_tasks() == []
            assert "weather:t1" in caplog.text
            assert len(await store.handles("root")) == 1


async def test_two_backends_may_name_their_tasks_alike(autojump_clock):
    async with MemoryTaskStore() as store:
        options = {"runtime": {"task_store": store}}
        for name in ("weather", "docs"):
            async with linked(STATELESS, name=name, **options) as (client, _):
                await client.call_tool_as_task("slow")
        assert [kept["id"] for kept in await store.handles("root")] == ["weather:t1", "docs:t1"]


@both_eras
async def test_a_handle_that_cannot_be_kept_is_not_given_and_its_task_is_ended(era, autojump_clock):
    class Full(MemoryTaskStore):
        async def save_handle(self, host, handle):
            raise OSError("no space left on device")

    async with Full() as store, linked(era, runtime={"task_store": store}) as (client, server):
        with pytest.raises(OSError, match="no space"):
            await client.call_tool_as_task("slow")
        assert (server.cancels, len(client._session.tasks)) == (["t1"], 0)


async def test_a_call_that_is_waited_for_keeps_no_handle(nursery, autojump_clock):
    """Whoever waited is gone after a restart."""
    async with MemoryTaskStore() as store, linked(STATELESS, runtime={"task_store": store}) as (client, server):
        waiting = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(1)
        assert await store.handles("root") == []
        server.end()
        await trio.sleep(1)
        assert waiting.outcome.to_dict() == DONE


async def test_without_a_store_nothing_is_taken_up(autojump_clock):
    async with linked(STATELESS) as (client, _):
        await client.call_tool_as_task("slow")
        assert await client.runtime.resume_tasks() == []


async def test_the_loss_of_the_call_itself_is_raised_as_ever(nursery, autojump_clock, caplog):
    caplog.set_level("CRITICAL")
    async with linked(STATELESS) as (client, server):
        del server.peer.automatic["tools/call"]
        waiting = Waiting(nursery, client.call_tool, "slow")
        await server.peer.request("tools/call")
        server.peer.drop()
        await wait_all_tasks_blocked()
        assert isinstance(waiting.outcome, ConnectionLost)
