"""
A requestor of tasks among servers that lie, handles that are used late, and callers that share a task.

Source: SEP-2663 and MCP 2025-11-25 basic/utilities/tasks; what no server may do to its host.
"""

from __future__ import annotations

import pytest
import trio
from task_script import ASK, DONE, STATEFUL, STATELESS, Waiting, linked, seen, task_server
from trio.testing import wait_all_tasks_blocked

from zcp_actors import Inbox
from zcp_actors.errors import InvalidResult, RequestCancelled, RPCError, ZCPError
from zcp_actors.sessions import task_watch
from zcp_actors.sessions.client import ClientSession
from zcp_actors.tasks import MemoryTaskStore
from zcp_actors.testing import ScriptedServer
from zcp_actors.wire import CreateTaskRequestParams

both_eras = pytest.mark.parametrize("era", [STATEFUL, STATELESS])


@both_eras
@pytest.mark.hostile
async def test_an_answer_about_another_task_is_none_about_this_one(era, nursery, autojump_clock):
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting = Waiting(nursery, handle.result)
        await wait_all_tasks_blocked()
        answer = server.peer.automatic["tasks/get"]
        server.peer.automatic["tasks/get"] = lambda request: {**answer(request), "taskId": "another"}
        with pytest.raises(InvalidResult, match="another"):
            await client.get_task("t1")
        await trio.sleep(30)

        assert handle.id == "t1"
        assert isinstance(waiting.outcome, InvalidResult)
        assert not client._session.tasks.live


@both_eras
@pytest.mark.hostile
async def test_a_task_that_has_ended_when_it_is_told_of_gives_its_result(era, nursery, autojump_clock):
    async with task_server(era) as (client, server):
        create = server.peer.automatic["tools/call"]

        def at_once(request):
            told = create(request)
            server.end(notify=False)
            (told["task"] if era == STATEFUL else told)["status"] = "completed"
            return told

        server.peer.automatic["tools/call"] = at_once
        with trio.fail_after(10):
            handle = await client.call_tool_as_task("slow")
            assert (await handle.result()).to_dict() == DONE
            assert [view.status async for view in handle] == ["completed"]
        assert not client._session.tasks.live


@both_eras
@pytest.mark.hostile
@pytest.mark.parametrize("field", ["poll", "ttl"])
async def test_a_number_that_no_clock_can_hold_ends_nothing(era, field, autojump_clock):
    async with task_server(era, **{field: 10**400}) as (client, server):
        server.peer.automatic["subscriptions/listen"] = None
        handle = await client.call_tool_as_task("slow")
        server.end(notify=False)
        await trio.sleep(2 * 3600)
        assert (await handle.result()).to_dict() == DONE


@both_eras
async def test_whoever_else_waits_for_a_task_that_a_leaving_caller_ends_is_told(era, nursery, autojump_clock):
    async with task_server(era) as (client, server):
        tool = {"name": "slow", "inputSchema": {"type": "object"}, "execution": {"taskSupport": "required"}}
        listed = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private", "tools": [tool]}
        server.peer.automatic["tools/list"] = lambda _: listed
        # Neither ends its tasks at once: one says nothing, the other does it in its own time.
        server.peer.automatic["tasks/cancel"] = None if era == STATEFUL else lambda _: {"resultType": "complete"}
        await client.list_tools()
        call = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(1)
        other = Waiting(nursery, client.get_task_result, "t1")
        await trio.sleep(1)
        call.scope.cancel()
        await trio.sleep(10)

        assert call.left
        assert isinstance(other.outcome, RequestCancelled)


async def test_a_result_that_is_asked_for_when_the_session_is_over_is_an_error_each_time(autojump_clock):
    async with task_server(STATEFUL, ttl=1000) as (client, server):
        handle = await client.call_tool_as_task("slow")
        server.end()
        await trio.sleep(5)
        assert not client._session.tasks
    for _ in range(2):
        with trio.fail_after(10), pytest.raises(ZCPError):
            await handle.result()


@both_eras
async def test_a_task_that_is_one_too_many_after_all_is_cancelled(era, nursery, monkeypatch, autojump_clock):
    monkeypatch.setattr(task_watch, "MAX_TASKS", 1)
    async with task_server(era) as (client, server):
        calls = [Waiting(nursery, client.call_tool_as_task, "slow") for _ in range(2)]
        await trio.sleep(1)
        assert len([call for call in calls if isinstance(call.outcome, ZCPError)]) == 1
        assert len(server.cancels) == 1


async def test_nobody_is_asked_again_by_a_task_whose_cancellation_takes_its_time(nursery, autojump_clock):
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        handle = await client.call_tool_as_task("slow")
        server.peer.automatic["tasks/cancel"] = lambda _: {"resultType": "complete"}
        server.move(server.task, "input_required", questions={"a": ASK})
        await trio.sleep(2)
        assert len(client._session.host_runtime.pending()) == 1
        await handle.cancel()
        await trio.sleep(5)
        assert client._session.host_runtime.pending() == ()
        server.move(server.task, "cancelled")
        with pytest.raises(RequestCancelled):
            await handle.result()


async def test_the_questions_of_a_task_that_could_not_be_cancelled_are_asked_again(autojump_clock):
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        handle = await client.call_tool_as_task("slow")
        server.move(server.task, "input_required", questions={"a": ASK})
        await trio.sleep(2)
        server.peer.automatic["tasks/cancel"] = RPCError(-32603, "not now")
        with pytest.raises(RPCError, match="not now"):
            await handle.cancel()
        await trio.sleep(5)
        assert len(client._session.host_runtime.pending()) == 1


async def test_a_stream_that_the_server_ends_in_good_order_is_opened_again(autojump_clock):
    async with task_server(STATELESS) as (client, server):
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(2)
        server.peer.reply({"id": server.stream, "method": "subscriptions/listen"}, {"resultType": "complete"})
        await trio.sleep(1)
        assert server.listens == [["t1"], ["t1"]]
        server.end()
        assert handle.status == "completed"


async def test_a_reader_that_comes_while_polls_are_rare_hears_at_the_usual_interval(nursery, autojump_clock):
    async with task_server(STATEFUL) as (client, server):
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(1.5)
        Waiting(nursery, handle.result)
        await trio.sleep(2)
        changes = []
        Waiting(nursery, seen, handle, changes)
        server.move(server.task, "working", message="halfway", notify=False)
        await trio.sleep(1.5)
        assert ("working", "halfway") in changes


@pytest.mark.hostile
async def test_a_server_that_names_all_its_tasks_alike_costs_one_record(autojump_clock):
    async with task_server(STATEFUL) as (client, server):
        create = server.peer.automatic["tools/call"]

        def alike(request):
            told = create(request)
            told["task"]["taskId"] = "t1"
            return told

        server.peer.automatic["tools/call"] = alike
        for _ in range(5):
            await client.call_tool_as_task("slow")
        assert len(client._session.automaton._reporting) == 1


@both_eras
@pytest.mark.hostile
async def test_a_task_without_a_name_is_none(era, autojump_clock):
    async with task_server(era) as (client, server):
        create = server.peer.automatic["tools/call"]

        def nameless(request):
            told = create(request)
            (told["task"] if era == STATEFUL else told)["taskId"] = ""
            return told

        server.peer.automatic["tools/call"] = nameless
        with pytest.raises(InvalidResult, match="empty"):
            await client.call_tool_as_task("slow")
        assert not client._session.tasks


@both_eras
async def test_a_handle_is_not_shown_to_another_server_of_the_same_name(era, monkeypatch, autojump_clock, caplog):
    async with MemoryTaskStore() as store:
        monkeypatch.setattr(ScriptedServer, "identity", "https://one")
        async with linked(era, runtime={"task_store": store}) as (client, server):
            await client.call_tool_as_task("slow")
        monkeypatch.setattr(ScriptedServer, "identity", "https://two")
        async with linked(era, runtime={"task_store": store}) as (client, server):
            assert await client.runtime.resume_tasks() == []
            await trio.sleep(5)
            assert server.polls == []
            assert "backend:t1" in caplog.text
        assert len(await store.handles("root")) == 1


@both_eras
async def test_a_handle_is_kept_no_longer_than_the_result_that_nobody_took(era, autojump_clock):
    async with MemoryTaskStore() as store, linked(era, runtime={"task_store": store}) as (client, server):
        await client.call_tool_as_task("slow")
        server.end()
        await trio.sleep(50)
        assert len(await store.handles("root")) == 1
        await trio.sleep(50)
        assert await store.handles("root") == []


@both_eras
async def test_a_task_that_is_cancelled_while_its_handle_is_written_leaves_none(era, autojump_clock):
    class Slow(MemoryTaskStore):
        async def save_handle(self, host, handle):
            await super().save_handle(host, handle)
            await trio.sleep(5)

    async with Slow() as store, linked(era, runtime={"task_store": store}) as (client, server):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call_tool_as_task, "slow")
            await trio.sleep(2)
            server.move(server.task, "cancelled")
        assert await store.handles("root") == []


async def test_a_server_that_told_of_no_tasks_is_asked_to_after_a_reconnection(autojump_clock, caplog):
    caplog.set_level("CRITICAL")
    async with linked(STATELESS) as (client, server):
        listen = server.peer.automatic["subscriptions/listen"]
        server.peer.automatic["subscriptions/listen"] = RPCError(-32603, "too busy")
        await client.call_tool_as_task("slow")
        await trio.sleep(1)
        assert server.listens == []
        server.peer.automatic["subscriptions/listen"] = listen
        server.peer.drop()
        await trio.sleep(5)
        assert server.listens == [["t1"]]


@both_eras
async def test_what_is_told_in_the_same_breath_as_the_creation_is_heard(era, autojump_clock):
    async with task_server(era, poll=600_000) as (client, server):
        create = server.peer.automatic["tools/call"]

        def in_one_breath(request):
            server.peer.reply(request, create(request))
            server.task.status, server.task.result = "completed", DONE
            server.listens.append(["t1"])
            server.stream = 0
            server.notify(server.task)

        server.peer.automatic["tools/call"] = in_one_breath
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(0.1)
        assert handle.status == "completed"


@both_eras
async def test_a_task_that_is_followed_no_more_can_be_cancelled_still(era, autojump_clock):
    async with task_server(era) as (client, server):
        answer = server.peer.automatic["tasks/get"]
        server.peer.automatic["tasks/get"] = RPCError(-32603, "out of order")
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(600)
        assert not client._session.tasks
        server.peer.automatic["tasks/get"] = answer
        assert (await handle.cancel()).status == "cancelled"
        assert server.cancels == ["t1"]


async def test_a_caller_that_does_not_wait_for_its_cancellation_leaves_no_question_unasked(autojump_clock):
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        handle = await client.call_tool_as_task("slow")
        server.move(server.task, "input_required", questions={"a": ASK})
        await trio.sleep(2)
        server.peer.automatic["tasks/cancel"] = None
        with trio.move_on_after(1):
            await handle.cancel()
        await trio.sleep(5)
        assert len(client._session.host_runtime.pending()) == 1


async def test_a_result_is_asked_for_again_when_the_server_has_forgotten_the_session(nursery, autojump_clock):
    """What the old session was asked is void, and with it the request by which the task could ask its questions."""
    async with task_server(STATEFUL) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(1)
        assert server.fetches == ["t1"]
        server.task.blocked.clear()
        introduction = {"protocolVersion": STATEFUL, "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
        client._session.renewed(introduction)
        await trio.sleep(1)
        assert server.fetches == ["t1", "t1"]
        server.end()
        await trio.sleep(1)
        assert waiting.outcome.to_dict() == DONE


@both_eras
@pytest.mark.parametrize("plain", [True, False])
async def test_a_task_that_is_made_before_its_maker_could_wait_for_it_is_cancelled_with_it(era, plain, autojump_clock):
    """A server in the same process answers in the very step in which it is asked."""
    async with task_server(era) as (client, server):
        with trio.CancelScope() as scope:
            scope.cancel()
            if plain:
                await client._session.request("tasks/create", CreateTaskRequestParams(kind="slow"))
            else:
                await client.call_tool_as_task("slow")
        await wait_all_tasks_blocked()
        assert server.cancels == ["t1"]
        assert not getattr(client._session.automaton, "_reporting", None)


async def test_a_poll_that_gets_no_answer_is_repeated_though_a_person_is_asked_meanwhile(autojump_clock):
    """A person stops the clocks of what needs the person's answer; a look at a task does not."""
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        server.peer.automatic["subscriptions/listen"] = RPCError(-32601, "not here")
        await client.call_tool_as_task("slow")
        server.move(server.task, "input_required", questions={"a": ASK})
        await trio.sleep(2)
        other = await client.call_tool_as_task("slow")
        answer = server.peer.automatic["tasks/get"]
        server.peer.automatic["tasks/get"] = None
        await trio.sleep(2)
        server.peer.automatic["tasks/get"] = answer
        server.end(server.tasks[other.id], notify=False)
        await trio.sleep(100)
        assert len(client._session.host_runtime.pending()) == 1
        assert other.status == "completed"


async def test_a_task_that_is_followed_no_more_leaves_no_request_behind(nursery, autojump_clock):
    async with task_server(STATEFUL) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(1)
        server.peer.automatic["tasks/get"] = lambda _: {"not": "a task"}
        await trio.sleep(100)
        assert isinstance(waiting.outcome, InvalidResult)
        assert not client._session.automaton.tokens


@both_eras
async def test_a_task_that_is_dropped_in_the_step_of_an_answer_is_followed_no_more(era, autojump_clock, monkeypatch):
    """Whoever looks at it has its answer then, and goes on to the end of the look though it was cancelled."""
    async with task_server(era) as (client, server):
        await client.call_tool_as_task("slow", poll_interval=1000)
        watch, feed = client._session.tasks, ClientSession.feed
        task = watch.tasks["t1"]

        def feed_and_drop(session, message):
            feed(session, message)
            if server.polls:
                watch.drop(task)

        def later(session, message):
            trio.lowlevel.current_trio_token().run_sync_soon(feed_and_drop, session, message)

        monkeypatch.setattr(ClientSession, "feed", later)
        await trio.sleep(100)

        assert len(server.polls) == 1
        assert task.following is None
