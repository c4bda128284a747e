"""The client as the requestor of tasks: one behaviour over both generations (wire.md c.4, A and B)."""

from __future__ import annotations

import pytest
import trio
from task_script import ASK, DONE, FIVE, STATEFUL, STATELESS, TaskServer, Waiting, seen, task_server
from trio.testing import wait_all_tasks_blocked

from zcp_actors import Inbox, Timeouts
from zcp_actors.errors import (
    CapabilityMissing,
    ConnectionLost,
    InvalidResult,
    Overloaded,
    RequestCancelled,
    RequestTimeout,
    RPCError,
    SessionClosed,
)

both_eras = pytest.mark.parametrize("era", [STATEFUL, STATELESS])


# ---- starting
@both_eras
async def test_a_tool_call_becomes_a_task_whose_handle_reads_as_the_guide_has_it(era, autojump_clock):
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow", {"n": 1}, ttl=30000, poll_interval=250)

        assert (handle["task"]["taskId"], handle["task"]["status"]) == ("t1", "working")
        assert (handle.id, handle.status, handle.ended, handle.backend) == ("t1", "working", False, "scripted")
        assert (handle.view.ttl, handle.view.poll_interval, handle.view.task.ttl) == (60000, 1000, 60000)
        sent = server.task.request["params"]
        assert (sent["name"], sent["arguments"]) == ("slow", {"n": 1})
        assert sent.get("task") == ({"ttl": 30000, "pollInterval": 250} if era == STATEFUL else None)


@both_eras
async def test_a_look_at_a_task_reads_by_attribute_and_as_the_guide_has_it(era, autojump_clock):
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        server.move(server.task, "working", message="half way", notify=False)
        view = await client.get_task(handle.id)

        assert view["task"]["status"] == view.status == "working"
        assert view["task"]["statusMessage"] == view.status_message == handle["task"]["statusMessage"] == "half way"
        assert (view["task"]["ttl"], view["task"]["pollInterval"]) == (60000, 1000)
        assert view.created_at == view["task"]["createdAt"]
        assert view.last_updated_at == view["task"]["lastUpdatedAt"]
        assert dict(view) == {"task": view["task"]}


async def test_a_task_is_not_asked_of_a_server_that_declared_none(autojump_clock):
    """Requirements 3 and 4."""
    async with task_server(STATEFUL, capabilities={"tools": {}}) as (client, server):
        with pytest.raises(CapabilityMissing):
            await client.call_tool_as_task("slow")
        with pytest.raises(CapabilityMissing):
            await client.call_tool("slow", task={"ttl": 1})
        assert server.tasks == {}


@pytest.mark.parametrize("execution", [None, {}, {"taskSupport": "forbidden"}])
async def test_a_task_is_not_asked_of_a_tool_that_is_listed_as_none(execution, autojump_clock):
    """Requirement 5; absence is forbidden."""
    tool = {"name": "plain", "inputSchema": {"type": "object"}} | (
        {} if execution is None else {"execution": execution}
    )
    async with task_server(STATEFUL) as (client, server):
        server.peer.automatic["tools/list"] = {"tools": [tool]}
        await client.list_tools()
        with pytest.raises(CapabilityMissing):
            await client.call_tool_as_task("plain")
        assert server.tasks == {}


async def test_a_call_of_a_tool_that_demands_a_task_is_one_and_is_waited_for(nursery, autojump_clock):
    """Requirement 6: the client must; its caller does not notice."""
    tool = {"name": "slow", "inputSchema": {"type": "object"}, "execution": {"taskSupport": "required"}}
    async with task_server(STATEFUL) as (client, server):
        server.peer.automatic["tools/list"] = {"tools": [tool]}
        await client.list_tools()
        waiting = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(1000)
        assert server.task.request["params"]["task"] == {}
        server.end()
        await wait_all_tasks_blocked()

        assert waiting.outcome.to_dict() == DONE


async def test_a_server_that_answers_at_once_gives_a_task_that_has_ended(autojump_clock):
    """2026-07-28: the server decides."""
    async with task_server(STATELESS) as (client, server):
        server.peer.automatic["tools/call"] = DONE
        handle = await client.call_tool_as_task("quick")

        assert (handle.status, handle["task"]["status"]) == ("completed", "completed")
        assert (await client.get_task(handle.id)).status == "completed"
        assert (await client.get_task_result(handle.id)).content[0].text == "done"
        assert (await handle.result()).content[0].text == "done"
        assert [view.status async for view in handle] == ["completed"]
        await handle.cancel()
        assert (handle.status, server.polls, server.cancels) == ("completed", [], [])


async def test_a_local_task_is_forgotten_when_its_time_is_over(autojump_clock):
    async with task_server(STATELESS) as (client, server):
        server.peer.automatic["tools/call"] = DONE
        handle = await client.call_tool_as_task("quick", ttl=5000)
        await trio.sleep(6)
        with pytest.raises(RPCError, match="forgotten"):
            await client.get_task_result(handle.id)


async def test_a_server_that_was_asked_for_a_task_and_made_none_is_told_apart(autojump_clock):
    async with task_server(STATEFUL) as (client, server):
        server.peer.automatic["tools/call"] = DONE
        with pytest.raises(InvalidResult, match="did not make the task"):
            await client.call_tool_as_task("slow")


async def test_a_task_that_nobody_asked_for_is_an_invalid_result(autojump_clock):
    """2025-11-25: the requestor decides."""
    async with task_server(STATEFUL) as (client, server):
        with pytest.raises(InvalidResult, match="nobody asked"):
            await client.call_tool("slow")
        assert server.polls == []


@pytest.mark.hostile
async def test_a_task_in_place_of_a_result_that_cannot_be_one_is_invalid(autojump_clock):
    """Requirement 36."""
    async with task_server(STATELESS) as (client, server):
        server.peer.automatic["prompts/get"] = server._create
        with pytest.raises(InvalidResult):
            await client.get_prompt("p")


@both_eras
async def test_a_task_of_a_kind_is_created_by_its_kind_and_input(era, nursery, autojump_clock):
    async with task_server(era) as (client, server):
        handle = await client.create_task("review.run", {"topic": "x"}, task={"ttl": 5, "pollInterval": 7})
        sent = server.task.request["params"]
        assert (server.task.request["method"], sent["kind"], sent["input"]) == (
            "tasks/create",
            "review.run",
            {"topic": "x"},
        )
        assert sent["task"] == {"ttl": 5, "pollInterval": 7}
        server.end(result={"draft": "d", "n": 3})

        assert (await handle.result())["draft"] == "d"
        assert (await handle.result()).to_dict() == {"draft": "d", "n": 3}


async def test_the_extension_is_declared_with_every_request_of_the_newer_era_only(autojump_clock):
    """Requirement 34: a server may make a task only of a request that declared it."""
    for era in (STATEFUL, STATELESS):
        async with task_server(era, elicitation_handler=Inbox()) as (client, server):
            await client.call_tool_as_task("slow")
            meta = server.task.request["params"]["_meta"]
            declared = meta.get("io.modelcontextprotocol/clientCapabilities", {})
            assert declared.get("extensions") == (None if era == STATEFUL else {"io.modelcontextprotocol/tasks": {}})
            assert "tasks" not in declared  # requirement 53


# ---- following
@both_eras
async def test_a_handle_tells_each_change_once_from_the_present_one_to_the_last(era, nursery, autojump_clock):
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        changes, late = [], []
        nursery.start_soon(seen, handle, changes)
        await trio.sleep(3)
        server.move(server.task, "working", message="half way")
        server.notify(server.task)
        await trio.sleep(3)
        nursery.start_soon(seen, handle, late)
        await trio.sleep(3)
        server.end()
        await trio.sleep(3)

        assert changes == [("working", None), ("working", "half way"), ("completed", "half way")]
        assert late == changes[1:]
        assert [view.status async for view in handle] == ["completed"]


@both_eras
async def test_a_task_of_which_the_server_says_nothing_is_polled_at_its_interval(era, nursery, autojump_clock):
    """Requirements 13, 21 and 52."""
    async with task_server(era, poll=2000) as (client, server):
        server.peer.automatic["subscriptions/listen"] = RPCError(-32601, "not here")
        began = trio.current_time()
        handle = await client.call_tool_as_task("slow")
        nursery.start_soon(seen, handle, [])
        await trio.sleep(7)

        assert [when - began for when, _ in server.polls] == [2, 4, 6]
        server.end(notify=False)
        await trio.sleep(7)
        assert handle.status == "completed"
        assert [when - began for when, _ in server.polls] == [2, 4, 6, 8]


@pytest.mark.parametrize(("poll", "expected"), [(None, 1.0), (0, 0.05), (-5, 0.05), (3000, 3.0)])
async def test_an_interval_that_is_missing_or_absurd_is_replaced(poll, expected, autojump_clock):
    async with task_server(STATEFUL, poll=poll) as (client, server):
        server.peer.automatic["tools/call"] = lambda request: {
            "task": {name: value for name, value in server._create(request)["task"].items() if value is not None}
        }
        server.peer.automatic["tasks/get"] = lambda request: {
            name: value for name, value in server._get(request).items() if value is not None
        }
        await client.call_tool_as_task("slow")
        began = trio.current_time()
        await trio.sleep(10)
        assert server.polls[0][0] - began == pytest.approx(expected)
        assert server.polls[1][0] - server.polls[0][0] == pytest.approx(expected)


async def test_polls_are_rare_while_the_server_tells_of_changes(autojump_clock):
    async with task_server(STATELESS) as (client, server):
        await client.call_tool_as_task("slow")
        await trio.sleep(35)

        assert server.listens == [["t1"]]
        assert [round(when) for when, _ in server.polls] == [0, 10, 20, 30]


async def test_one_listen_stream_is_for_all_tasks_and_closes_after_the_last(nursery, autojump_clock):
    async with task_server(STATELESS) as (client, server):
        first = await client.call_tool_as_task("slow")
        await wait_all_tasks_blocked()
        for _ in range(3):
            await client.call_tool_as_task("slow")
        await trio.sleep(0.5)
        assert server.listens[0] == ["t1"]
        assert server.listens[-1] == ["t1", "t2", "t3", "t4"]
        assert len(server.listens) <= 4
        streams = len(server.listens)
        for task in list(server.tasks.values()):
            server.end(task)
        await trio.sleep(0.5)

        assert first.status == "completed"
        assert len(server.listens) == streams
        ended = [m for m in server.peer.untaken if m["method"] == "notifications/cancelled"]
        assert len(ended) == streams  # each was replaced, the last was closed


async def test_a_stream_that_is_lost_lets_the_task_be_polled_and_is_opened_again(autojump_clock):
    async with task_server(STATELESS) as (client, server):
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(2)
        client._session.failed(server.stream, ConnectionLost("the stream broke"))
        server.end(notify=False)
        await trio.sleep(0.5)

        assert handle.status == "completed"


async def test_a_task_of_which_the_stream_tells_no_more_is_polled_at_once(autojump_clock):
    async with task_server(STATELESS) as (client, server):
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(2)
        server.peer.automatic["subscriptions/listen"] = None  # the next one is never acknowledged
        client._session.failed(server.stream, ConnectionLost("the stream broke"))
        server.end(notify=False)
        await trio.sleep(0.01)

        assert handle.status == "completed"


async def test_a_change_between_creation_and_acknowledgement_is_not_missed(autojump_clock):
    async with task_server(STATELESS) as (client, server):
        del server.peer.automatic["subscriptions/listen"]
        handle = await client.call_tool_as_task("slow")
        listen = await server.peer.request("subscriptions/listen")
        server.end(notify=False)
        server._listen(listen)
        await trio.sleep(0.01)

        assert handle.status == "completed"


@both_eras
async def test_a_lookup_counts_as_a_poll(era, autojump_clock):
    async with task_server(era) as (client, server):
        server.peer.automatic["subscriptions/listen"] = RPCError(-32601, "not here")
        handle = await client.call_tool_as_task("slow")
        for _ in range(100):
            await client.get_task(handle.id)
            await trio.sleep(0.05)

        assert len(server.polls) == 100


@both_eras
async def test_news_that_is_older_than_what_is_known_undoes_nothing(era, autojump_clock):
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(1.5)
        server.move(server.task, "working", message="two")
        server.task.message, server.task.updated = "one", server.task.updated - 1
        server.notify(server.task)
        assert handle.view.status_message == "two"
        server.end()
        server.move(server.task, "working", message="three")

        assert handle.status == "completed"


@both_eras
async def test_a_poll_that_was_overtaken_by_news_is_asked_again(era, autojump_clock):
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(1.5)
        late = []
        answer = server.peer.automatic["tasks/get"]
        server.peer.automatic["tasks/get"] = lambda request: late.append((request, answer(request)))
        await trio.sleep(15)
        server.move(server.task, "input_required", message="news")
        request, old = late.pop()
        server.peer.automatic["tasks/get"] = answer
        server.peer.reply(request, old)
        await wait_all_tasks_blocked()
        assert (handle.status, handle.view.status_message) == ("input_required", "news")
        await trio.sleep(0.1)

        assert server.polls[-1][0] > server.polls[-2][0]


# ---- results
@both_eras
async def test_a_result_is_what_the_plain_call_would_have_returned(era, nursery, autojump_clock):
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting = [Waiting(nursery, handle.result) for _ in range(3)]
        await trio.sleep(3000)
        server.end(result={**DONE, "structuredContent": {"n": 1}, "_meta": {"mine": 1}})
        await trio.sleep(0.01)

        assert [each.outcome.structured_content for each in waiting] == [{"n": 1}] * 3
        assert (await handle.result()).meta == {"mine": 1} if era == STATELESS else True
        assert (handle.status, handle.ended) == ("completed", True)
        assert len(server.fetches) == (1 if era == STATEFUL else 0)


@both_eras
async def test_a_tools_own_failure_is_a_result(era, nursery, autojump_clock):
    """Requirements 29 and 41: `failed` in the older generation, `completed` in the newer."""
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(1)
        broken = {**DONE, "isError": True}
        server.move(server.task, "failed" if era == STATEFUL else "completed", result=broken)
        await trio.sleep(0.01)

        assert waiting.outcome.is_error
        assert handle.status == ("failed" if era == STATEFUL else "completed")


@both_eras
@pytest.mark.parametrize("before", [False, True])
async def test_an_error_that_a_task_failed_with_is_raised_as_it_is(era, before, nursery, autojump_clock):
    """Requirements 14 and 40."""
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting = Waiting(nursery, handle.result) if not before else None
        await trio.sleep(1)
        server.fail(code=-32050, message="no luck")
        await trio.sleep(0.01)

        with pytest.raises(RPCError, match="no luck") as caught:
            await handle.result()
        assert caught.value.code == -32050
        assert handle.status == "failed"
        assert waiting is None or waiting.outcome.code == -32050


@both_eras
async def test_a_result_is_waited_for_without_an_idle_limit(era, nursery, autojump_clock):
    """Requirement 15: it blocks."""
    async with task_server(era, timeouts=Timeouts(idle=5, total=10)) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(5_000)
        assert not waiting.left
        server.end()
        await trio.sleep(0.01)
        assert waiting.outcome.to_dict() == DONE


@both_eras
async def test_a_result_is_checked_against_the_listed_schema(era, autojump_clock):
    tool = {
        "name": "slow",
        "inputSchema": {"type": "object"},
        "outputSchema": {"type": "object", "required": ["n"]},
    }
    if era == STATEFUL:
        tool["execution"] = {"taskSupport": "optional"}
    async with task_server(era) as (client, server):
        server.peer.automatic["tools/list"] = {"tools": [tool], "ttlMs": 0, "cacheScope": "private"}
        await client.list_tools()
        handle = await client.call_tool_as_task("slow")
        server.end(result={**DONE, "structuredContent": {"m": 1}})
        with pytest.raises(InvalidResult, match="output schema"):
            await handle.result()


@both_eras
async def test_a_task_by_id_gives_its_result_and_is_then_the_servers_alone(era, autojump_clock):
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        server.end()
        assert (await client.get_task_result(handle.id)).to_dict() == DONE
        assert len(client._session.tasks) == 0
        assert (await client.get_task_result(handle.id)).to_dict() == DONE  # the server still has it
        del server.tasks[handle.id]
        with pytest.raises(RPCError, match="no such task"):
            await client.get_task_result(handle.id)
        assert (await handle.result()).to_dict() == DONE  # a handle keeps what it knows


@both_eras
async def test_a_result_that_nobody_takes_is_dropped_when_its_time_is_over(era, autojump_clock):
    async with task_server(era, ttl=30_000) as (client, server):
        await client.call_tool_as_task("slow")
        await trio.sleep(2)
        server.end()
        await trio.sleep(20)
        assert len(client._session.tasks) == 1
        await trio.sleep(20)
        assert len(client._session.tasks) == 0


async def test_a_server_that_does_not_let_results_wait_is_asked_again_at_the_end(nursery, autojump_clock):
    async with task_server(STATEFUL) as (client, server):
        handle = await client.call_tool_as_task("slow")
        server.peer.automatic["tasks/result"] = RPCError(-32603, "not ready")
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(5)
        assert not waiting.left
        server.peer.automatic["tasks/result"] = server._result
        server.end()
        await trio.sleep(0.01)

        assert waiting.outcome.to_dict() == DONE


async def test_a_task_that_completes_while_its_server_says_not_yet_gives_its_result(autojump_clock):
    async with task_server(STATEFUL) as (client, server):
        handle = await client.call_tool_as_task("slow")

        def not_yet(request):
            server.peer.automatic["tasks/result"] = server._result
            server.end(notify=False)
            return RPCError(-32603, "not ready")

        server.peer.automatic["tasks/result"] = not_yet
        assert (await handle.result()).to_dict() == DONE


async def test_a_result_that_its_server_refuses_for_good_is_an_error(autojump_clock):
    async with task_server(STATEFUL) as (client, server):
        handle = await client.call_tool_as_task("slow")
        server.end()
        server.peer.automatic["tasks/result"] = RPCError(-32603, "lost it")
        with pytest.raises(RPCError, match="lost it"):
            await handle.result()


# ---- cancellation
@both_eras
async def test_a_cancelled_task_says_so_and_why(era, nursery, autojump_clock):
    """Requirements 25 and 27."""
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        changes = []
        nursery.start_soon(seen, handle, changes)
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(1)
        view = await handle.cancel("it is late")
        await trio.sleep(0.01)

        assert (view.status, handle.status, changes[-1][0], server.cancels) == ("cancelled",) * 3 + (["t1"],)
        assert isinstance(waiting.outcome, RequestCancelled)
        assert "it is late" in str(waiting.outcome)
        taken_back = [m for m in server.peer.transcript.of("client") if m.get("method") == "notifications/cancelled"]
        assert len(taken_back) == (0 if era == STATEFUL else 1)  # the listen stream's


async def test_an_empty_result_of_a_cancelled_task_is_no_result(nursery, autojump_clock):
    """Some servers answer the `tasks/result` that waited with a result that has nothing in it; so does mcp 1.30.0."""
    async with task_server(STATEFUL) as (client, server):
        server._outcome = lambda task: {"_meta": {"io.modelcontextprotocol/related-task": {"taskId": task.id}}}
        handle = await client.call_tool_as_task("slow")
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(1)
        view = await handle.cancel()
        await trio.sleep(1)

        assert (view.status, handle.status) == ("cancelled", "cancelled")
        assert isinstance(waiting.outcome, RequestCancelled)


@both_eras
async def test_cancelling_a_task_that_has_ended_changes_nothing(era, autojump_clock):
    """2025-11-25 answers -32602 (24), the newer generation an empty acknowledgement (45); one behaviour here."""
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        server.end(notify=False)

        assert (await handle.cancel()).status == "completed"
        assert (await client.cancel_task(handle.id)).status == "completed"
        assert (await handle.result()).to_dict() == DONE


@both_eras
async def test_a_task_that_is_not_there_is_an_error(era, autojump_clock):
    """Requirements 26 and 46."""
    async with task_server(era) as (client, _):
        for method in (client.get_task, client.get_task_result, client.cancel_task):
            with pytest.raises(RPCError, match="no such task") as caught:
                await method("nowhere")
            assert caught.value.code == -32602


@both_eras
async def test_a_task_that_its_server_forgot_ends_its_following(era, nursery, autojump_clock):
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting = Waiting(nursery, handle.result)
        changes = Waiting(nursery, seen, handle, [])
        await trio.sleep(1)
        server.tasks.clear()
        await trio.sleep(100)
        for each in (waiting, changes):
            if era == STATEFUL and each is waiting:
                continue  # its `tasks/result` may still be answered
            assert isinstance(each.outcome, RPCError)
        assert len(client._session.tasks) == 0


@both_eras
async def test_somebody_elses_cancellation_is_told(era, nursery, autojump_clock):
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(1)
        server.move(server.task, "cancelled", message="by the operator")
        await trio.sleep(0.01)
        assert isinstance(waiting.outcome, RequestCancelled)
        assert "by the operator" in str(waiting.outcome)


async def test_a_server_that_keeps_a_result_back_is_not_waited_for_beyond_its_time_to_live(nursery, autojump_clock):
    async with task_server(STATEFUL) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(1)
        server.task.blocked.clear()
        server.end()
        server.peer.automatic["tasks/result"] = None
        await trio.sleep(61)

        assert isinstance(waiting.outcome, RequestCancelled)


async def test_a_result_can_be_asked_for_again_when_the_session_has_forgotten_it(nursery, autojump_clock):
    async with task_server(STATEFUL) as (client, server):
        first, second = await client.call_tool_as_task("slow"), await client.call_tool_as_task("slow")
        for task in list(server.tasks.values()):
            server.end(task)
        await trio.sleep(100)
        assert len(client._session.tasks) == 0
        assert (await first.result()).to_dict() == DONE
        server.peer.automatic["tasks/result"] = None
        waiting = Waiting(nursery, second.result)
        await trio.sleep(1)
        await client.close()
        await wait_all_tasks_blocked()
        assert isinstance(waiting.outcome, SessionClosed)


async def test_a_server_that_leaves_tasks_result_open_is_not_waited_for_for_ever(nursery, autojump_clock):
    async with task_server(STATEFUL, ttl=600_000, timeouts=Timeouts(idle=5, total=10)) as (client, server):
        handle = await client.call_tool_as_task("slow")
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(1)
        server.task.blocked.clear()
        server.end()
        server.peer.automatic["tasks/result"] = None
        await trio.sleep(1)
        assert not waiting.left
        await trio.sleep(200)

        assert isinstance(waiting.outcome, RequestTimeout)
        assert client._session.automaton.tokens == {}


# ---- a call that becomes a task
async def test_a_call_that_becomes_a_task_is_waited_for(nursery, autojump_clock):
    """2026-07-28, requirement 36: both kinds of result."""
    async with task_server(STATELESS) as (client, server):
        waiting = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(5_000)
        assert not waiting.left
        server.end()
        await trio.sleep(0.01)

        assert waiting.outcome.to_dict() == DONE
        assert len(client._session.tasks) == 0


async def test_a_caller_that_leaves_cancels_the_task_in_the_same_step(nursery, autojump_clock):
    async with task_server(STATELESS) as (client, server):
        waiting = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(1)
        began = trio.current_time()
        waiting.scope.cancel()
        await wait_all_tasks_blocked()

        assert (waiting.left, server.cancels, trio.current_time()) == (True, ["t1"], began)
        assert len(client._session.tasks) == 0


async def test_a_server_that_is_silent_holds_a_leaving_caller_for_a_second(nursery, autojump_clock):
    async with task_server(STATELESS) as (client, server):
        waiting = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(1)
        server.peer.automatic["tasks/cancel"] = None
        began = trio.current_time()
        waiting.scope.cancel()
        await waiting.end.wait()

        assert trio.current_time() - began == pytest.approx(1)


async def test_limits_given_to_the_call_bound_the_task_and_the_clients_do_not(nursery, autojump_clock):
    async with task_server(STATELESS, timeouts=Timeouts(idle=5, total=10)) as (client, server):
        patient = Waiting(nursery, client.call_tool, "slow")
        await wait_all_tasks_blocked()
        hasty = Waiting(nursery, client.call_tool, "slow", timeouts=Timeouts(idle=5, total=30))
        await trio.sleep(29)
        assert not hasty.left
        await trio.sleep(2)
        assert isinstance(hasty.outcome, RequestTimeout)
        assert (hasty.outcome.kind, hasty.outcome.seconds) == ("total", 30)
        await trio.sleep(1000)

        assert (patient.left, server.cancels) == (False, ["t2"])
        server.end(server.tasks["t1"])
        await trio.sleep(0.01)
        assert patient.outcome.to_dict() == DONE


async def test_time_in_which_a_person_is_asked_does_not_count_for_the_call(nursery, autojump_clock):
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        waiting = Waiting(nursery, client.call_tool, "slow", timeouts=Timeouts(idle=5, total=30))
        await trio.sleep(10)
        server.move(server.task, "input_required", questions={"a": ASK})
        await trio.sleep(1000)
        assert not waiting.left
        (pending,) = client._session.host_runtime.pending()
        pending.answer({"n": 5})
        server.move(server.task, "working")
        await trio.sleep(15)
        assert (waiting.left, server.updates) == (False, [{"a": FIVE}])
        await trio.sleep(10)
        assert isinstance(waiting.outcome, RequestTimeout)


# ---- given up before it was a task
@both_eras
async def test_a_task_that_comes_after_its_caller_left_is_cancelled(era, nursery, autojump_clock):
    """The race of cancel and create; 2025-11-25 says nothing before it knows the task (27)."""
    async with task_server(era) as (client, server):
        del server.peer.automatic["tools/call"]
        waiting = Waiting(nursery, client.call_tool_as_task, "slow")
        request = await server.peer.request("tools/call")
        waiting.scope.cancel()
        await wait_all_tasks_blocked()
        told = [message["method"] for message in server.peer.untaken]
        assert told == ([] if era == STATEFUL else ["notifications/cancelled"])
        server.peer.reply(request, server._create(request))
        await wait_all_tasks_blocked()

        assert (server.cancels, server.task.status) == (["t1"], "cancelled")
        server.peer.reply(request, server._create(request))
        assert server.cancels == ["t1"]


# ---- the end of the session
@both_eras
async def test_the_end_of_the_session_ends_every_wait_and_leaves_the_task_alone(era, nursery, autojump_clock):
    async with task_server(era) as (client, server):
        handle = await client.call_tool_as_task("slow")
        done = await client.call_tool_as_task("slow")
        server.end(server.tasks["t2"])
        await done.result()
        waiting, changes = Waiting(nursery, handle.result), Waiting(nursery, seen, handle, [])
        await trio.sleep(1)
        await client.close()
        await wait_all_tasks_blocked()

        assert isinstance(waiting.outcome, SessionClosed)
        assert isinstance(changes.outcome, SessionClosed)
        with pytest.raises(SessionClosed):
            await handle.result()
        assert (handle.status, server.cancels) == ("working", [])
        assert (await done.result()).to_dict() == DONE


# ---- lists
async def test_tasks_are_listed_by_the_server_page_by_page(autojump_clock):
    """Requirement 22: cursors are opaque."""
    async with task_server(STATEFUL) as (client, server):
        await client.call_tool_as_task("slow")
        page = {"tasks": [server.task.brief(STATEFUL)]}
        server.peer.automatic["tasks/list"] = lambda request: (
            {**page, "nextCursor": "ü/2"} if "cursor" not in request["params"] else page
        )
        first = await client.list_tasks()
        assert (first["tasks"][0]["taskId"], first.tasks[0].status, first.next_cursor) == ("t1", "working", "ü/2")
        assert (await client.list_tasks(cursor=first.next_cursor)).next_cursor is None


@pytest.mark.parametrize("era", [STATEFUL, STATELESS])
async def test_where_the_server_has_no_list_the_followed_tasks_are_listed(era, autojump_clock):
    capabilities = {"tools": {}, "tasks": {"requests": {"tools": {"call": {}}}}} if era == STATEFUL else None
    async with task_server(era, capabilities=capabilities) as (client, _):
        await client.call_tool_as_task("slow")
        await client.call_tool_as_task("slow")
        assert [task.task_id for task in (await client.list_tasks()).tasks] == ["t1", "t2"]


# ---- progress
async def test_progress_of_a_task_is_heard_until_it_ends(nursery, autojump_clock):
    """Requirement 28: the token of the call stays in use, and stops with the task."""
    mine, everybodys = [], []
    async with task_server(STATEFUL, progress_handler=everybodys.append) as (client, server):
        handle = await client.call_tool_as_task("slow", on_progress=mine.append)
        request = server.task.request
        server.peer.progress(request, 1)
        await trio.sleep(1)
        server.peer.progress(request, 2)
        server.end()
        server.peer.progress(request, 3)
        await trio.sleep(1)

        assert [each.progress for each in mine] == [each.progress for each in everybodys] == [1, 2]
        assert handle.status == "completed"


# ---- limits
@both_eras
async def test_more_tasks_than_can_be_followed_are_refused_before_they_are_asked_for(era, monkeypatch, autojump_clock):
    monkeypatch.setattr("zcp_actors.sessions.task_watch.MAX_TASKS", 2)
    async with task_server(era) as (client, server):
        await client.call_tool_as_task("slow")
        await client.call_tool_as_task("slow")
        with pytest.raises(Overloaded):
            await client.call_tool_as_task("slow")
        assert len(server.tasks) == 2
        await wait_all_tasks_blocked()
        server.end(server.tasks["t1"])
        await client.call_tool_as_task("slow")  # at the cost of the result that nobody took
        assert set(client._session.tasks.tasks) == {"t2", "t3"}


async def test_a_call_that_becomes_one_task_too_many_is_cancelled(monkeypatch, autojump_clock):
    monkeypatch.setattr("zcp_actors.sessions.task_watch.MAX_TASKS", 1)
    async with task_server(STATELESS) as (client, server):
        await client.call_tool_as_task("slow")
        with pytest.raises(Overloaded):
            await client.call_tool("slow")
        assert server.cancels == ["t2"]


async def test_a_reader_that_does_not_read_misses_the_oldest_changes_never_the_last(autojump_clock):
    async with task_server(STATEFUL) as (client, server):
        handle = await client.call_tool_as_task("slow")
        reader = aiter(handle)
        for number in range(1500):
            server.move(server.task, "working", message=str(number))
        server.end()
        views = [view async for view in reader]
        assert len(views) == 1000
        assert (views[-1].status, views[-2].status_message) == ("completed", "1499")


def test_the_script_speaks_of_both_eras():
    assert TaskServer(STATEFUL).automatic.keys() ^ TaskServer(STATELESS).automatic.keys() == {
        "tasks/result",
        "tasks/update",
        "subscriptions/listen",
    }
