"""What a task asks: answered once, by the same providers and under the same policy as every other question."""

from __future__ import annotations

import pytest
import trio
from task_script import ASK, DONE, FIVE, SAMPLE, STATEFUL, STATELESS, Waiting, seen, task_server
from trio.testing import wait_all_tasks_blocked

from zcp_actors import Inbox, Policy
from zcp_actors.errors import InvalidResult, Refused, RequestCancelled, RPCError

RELATED = {"_meta": {"io.modelcontextprotocol/related-task": {"taskId": "t1"}}}


def waiting_for(client):
    return client._session.host_runtime.pending()


def five(request):
    return {"accepted": True, "data": {"n": 5}}


def ask(server, *keys, question=ASK, notify=True):
    server.move(server.task, "input_required", questions=dict.fromkeys(keys, question), notify=notify)


# ---- 2026-07-28: entries of inputRequests
async def test_each_key_is_asked_once_over_polls_and_notifications(nursery, autojump_clock):
    """Requirement 44."""
    asked = []

    def provider(request):
        asked.append(request.message)
        return five(request)

    async with task_server(STATELESS, elicitation_handler=provider) as (client, server):
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(1)
        ask(server, "a")
        server.notify(server.task)
        await trio.sleep(0.1)
        for _ in range(3):
            await client.get_task(handle.id)
            server.notify(server.task)
            await trio.sleep(20)

        assert (asked, server.updates) == (["How many?"], [{"a": FIVE}])


async def test_a_caller_that_only_looks_at_its_task_is_never_stuck(autojump_clock):
    async with task_server(STATELESS, elicitation_handler=five) as (client, server):
        server.peer.automatic["subscriptions/listen"] = RPCError(-32601, "not here")
        handle = await client.call_tool_as_task("slow")
        ask(server, "a", notify=False)
        assert (await client.get_task(handle.id)).status == "input_required"
        await trio.sleep(0.01)

        assert server.updates == [{"a": FIVE}]


async def test_a_task_that_nobody_looks_at_gets_its_answers_too(autojump_clock):
    async with task_server(STATELESS, elicitation_handler=five) as (client, server):
        server.peer.automatic["subscriptions/listen"] = RPCError(-32601, "not here")
        await client.call_tool_as_task("slow")
        ask(server, "a", notify=False)
        await trio.sleep(1.5)

        assert server.updates == [{"a": FIVE}]


async def test_a_task_of_another_process_that_is_looked_at_gets_its_answers(autojump_clock):
    async with task_server(STATELESS, elicitation_handler=five) as (client, server):
        server._create({"params": {}})
        ask(server, "a", notify=False)
        await client.get_task("t1")
        await trio.sleep(0.01)
        assert server.updates == [{"a": FIVE}]
        server.end()
        assert (await client.get_task_result("t1")).content[0].text == "done"


async def test_answers_are_sent_as_they_come_and_together_when_they_come_together(autojump_clock):
    """Requirement 43: a partial set is fine."""
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        await client.call_tool_as_task("slow")
        await trio.sleep(1)
        ask(server, "a", "b", "c")
        first, second, third = waiting_for(client)
        first.answer({"n": 5})
        await trio.sleep(1)
        second.answer({"n": 5})
        third.answer({"n": 5})
        await trio.sleep(1)

        assert server.updates == [{"a": FIVE}, {"b": FIVE, "c": FIVE}]


async def test_a_pending_request_names_the_task_and_the_request_that_needs_it(autojump_clock):
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        await client.call_tool_as_task("slow")
        await trio.sleep(1)
        ask(server, "a")
        (pending,) = waiting_for(client)

        assert (pending.task, pending.request, pending.backend) == ("t1", "tools/call", "scripted")


async def test_a_question_that_vanishes_while_a_person_thinks_is_withdrawn(autojump_clock):
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        await client.call_tool_as_task("slow")
        await trio.sleep(1)
        ask(server, "a", "b")
        first, second = waiting_for(client)
        ask(server, "b")

        assert (waiting_for(client), first.status.value) == ((second,), "cancelled")
        server.move(server.task, "working")
        assert waiting_for(client) == ()
        await trio.sleep(1)
        assert server.updates == []


async def test_a_key_that_was_withdrawn_unanswered_and_comes_back_is_asked_again(autojump_clock):
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        await client.call_tool_as_task("slow")
        await trio.sleep(1)
        ask(server, "a")
        server.move(server.task, "working")
        ask(server, "a")
        (pending,) = waiting_for(client)
        pending.answer({"n": 5})
        await trio.sleep(1)

        assert server.updates == [{"a": FIVE}]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_the_end_of_a_task_withdraws_its_questions(status, autojump_clock):
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        await client.call_tool_as_task("slow")
        await trio.sleep(1)
        ask(server, "a")
        assert len(waiting_for(client)) == 1
        server.move(server.task, status, result=DONE, error={"code": -1, "message": "no"})

        assert waiting_for(client) == ()


@pytest.mark.parametrize("order", ["answer first", "cancel first"])
async def test_an_answer_and_a_cancellation_at_once_leave_one_of_them(order, nursery, autojump_clock):
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(1)
        ask(server, "a")
        (pending,) = waiting_for(client)
        if order == "answer first":
            pending.answer({"n": 5})
        cancelling = Waiting(nursery, handle.cancel)
        await trio.sleep(0.01)

        assert (cancelling.outcome.status, waiting_for(client)) == ("cancelled", ())
        assert server.updates in ([], [{"a": FIVE}])
        assert pending.status.value == ("answered" if order == "answer first" else "cancelled")
        with pytest.raises(RequestCancelled):
            await handle.result()


async def test_a_cancellation_withdraws_the_questions_before_the_server_agrees(nursery, autojump_clock):
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(1)
        ask(server, "a")
        server.peer.automatic["tasks/cancel"] = None
        Waiting(nursery, handle.cancel)
        await wait_all_tasks_blocked()
        assert waiting_for(client) == ()


async def test_a_caller_that_leaves_withdraws_the_questions_in_the_same_step(nursery, autojump_clock):
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        waiting = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(1)
        ask(server, "a")
        assert len(waiting_for(client)) == 1
        waiting.scope.cancel()
        await wait_all_tasks_blocked()
        assert (waiting_for(client), server.cancels, server.updates) == ((), ["t1"], [])


@pytest.mark.parametrize("plain", [True, False])
async def test_a_question_that_nobody_answers_cancels_the_task_and_is_raised(plain, nursery, autojump_clock):
    """There is no form for an error among answers: the same as with a plain call."""

    def no(request):
        raise Refused("not today")

    async with task_server(STATELESS, sampling_handler=no, elicitation_handler=Inbox()) as (client, server):
        if plain:
            waiting = Waiting(nursery, client.call_tool, "slow")
        else:
            handle = await client.call_tool_as_task("slow")
            waiting = Waiting(nursery, handle.result)
        await trio.sleep(1)
        server.move(server.task, "input_required", questions={"a": ASK, "b": SAMPLE})
        await trio.sleep(0.1)

        assert (str(waiting.outcome.message), waiting.outcome.code) == ("not today", -1)
        assert (server.cancels, server.updates, waiting_for(client)) == (["t1"], [], ())
        if not plain:
            assert handle.status == "cancelled"


async def test_a_declined_elicitation_is_an_answer(autojump_clock):
    async with task_server(STATELESS, elicitation_handler=lambda request: False) as (client, server):
        await client.call_tool_as_task("slow")
        await trio.sleep(1)
        ask(server, "a")
        await trio.sleep(0.1)
        assert (server.updates, server.cancels) == ([{"a": {"action": "decline"}}], [])


@pytest.mark.parametrize("question", [SAMPLE, {**ASK, "params": {**ASK["params"], "mode": "url", "url": "https://x"}}])
async def test_a_question_that_was_not_declared_ends_the_task(question, nursery, autojump_clock):
    """Requirement 44: the trust model of the standalone request."""
    async with task_server(STATELESS, elicitation_handler=five, url_elicitation=False) as (client, server):
        waiting = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(1)
        if "url" in question["params"]:
            question = {**question, "params": {"mode": "url", "message": "?", "url": "https://x.org/"}}
        ask(server, "a", question=question)
        await trio.sleep(0.1)

        assert isinstance(waiting.outcome, InvalidResult)
        assert (server.cancels, server.updates) == (["t1"], [])


async def test_the_limit_of_samplings_counts_for_the_whole_task(nursery, autojump_clock):
    policy = Policy(sampling_calls_per_request=2)
    async with task_server(STATELESS, sampling_handler=lambda request: "x", policy=policy) as (client, server):
        waiting = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(1)
        for key in ("a", "b", "c"):
            ask(server, key, question=SAMPLE)
            await trio.sleep(0.1)

        assert [list(each) for each in server.updates] == [["a"], ["b"]]
        assert isinstance(waiting.outcome, Refused | RPCError)
        assert "2 sampling calls" in str(waiting.outcome)


async def test_answers_that_the_server_refuses_end_the_task(nursery, autojump_clock):
    async with task_server(STATELESS, elicitation_handler=five) as (client, server):
        server.peer.automatic["tasks/update"] = RPCError(-32602, "not this")
        waiting = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(1)
        ask(server, "a")
        await trio.sleep(0.1)
        assert str(waiting.outcome.message) == "not this"
        assert server.cancels == ["t1"]


async def test_answers_that_come_too_late_are_no_error(nursery, autojump_clock):
    """The task ended while the answer was on its way."""
    async with task_server(STATELESS, elicitation_handler=five) as (client, server):
        waiting = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(1)

        def too_late(request):
            server.end(notify=False)
            return RPCError(-32602, "it has ended")

        server.peer.automatic["tasks/update"] = too_late
        ask(server, "a")
        await trio.sleep(0.1)
        assert waiting.outcome.to_dict() == DONE
        assert server.cancels == []


@pytest.mark.hostile
async def test_more_questions_than_can_be_meant_end_the_task(nursery, autojump_clock):
    async with task_server(STATELESS, elicitation_handler=Inbox()) as (client, server):
        waiting = Waiting(nursery, client.call_tool, "slow")
        await trio.sleep(1)
        ask(server, *[str(number) for number in range(300)])
        await trio.sleep(0.1)
        assert isinstance(waiting.outcome, InvalidResult)
        assert (server.cancels, waiting_for(client)) == (["t1"], ())


async def test_two_handles_on_one_task_share_what_is_known(nursery, autojump_clock):
    async with task_server(STATELESS, elicitation_handler=five) as (client, server):
        server.peer.automatic["tools/call"] = lambda request: (
            server._create(request) if not server.tasks else {"resultType": "task", **server.task.brief(STATELESS)}
        )
        one, two = await client.call_tool_as_task("slow"), await client.call_tool_as_task("slow")
        first, second = [], []
        nursery.start_soon(seen, one, first)
        nursery.start_soon(seen, two, second)
        await trio.sleep(1)
        ask(server, "a")
        await trio.sleep(0.1)
        server.move(server.task, "working")
        server.end()
        await trio.sleep(0.1)

        assert first == second == [(status, None) for status in ("working", "input_required", "working", "completed")]
        assert server.updates == [{"a": FIVE}]
        assert (await one.result()).to_dict() == (await two.result()).to_dict() == DONE


# ---- 2025-11-25: requests of the server
@pytest.mark.parametrize("by", ["poll", "notification", "lookup"])
async def test_input_required_opens_tasks_result_once_whoever_tells_of_it(by, autojump_clock):
    """Requirement 20."""
    async with task_server(STATEFUL, elicitation_handler=five) as (client, server):
        handle = await client.call_tool_as_task("slow")
        server.move(server.task, "input_required", notify=by == "notification")
        if by == "lookup":
            await client.get_task(handle.id)
        await trio.sleep(5)
        assert server.fetches == ["t1"]
        answer = await server.peer.ask("elicitation/create", {**ASK["params"], **RELATED})
        assert (answer["action"], answer["content"]) == ("accept", {"n": 5})
        server.move(server.task, "working")
        server.move(server.task, "input_required")
        await trio.sleep(5)
        assert server.fetches == ["t1"]
        server.end()
        await trio.sleep(0.1)

        assert (await client.get_task_result(handle.id)).to_dict() == DONE
        assert server.fetches == ["t1"]


async def test_a_question_of_a_task_is_listed_with_it_and_answered_by_hand(autojump_clock):
    """Requirements 17 and 19."""
    async with task_server(STATEFUL, elicitation_handler=Inbox()) as (client, server):
        await client.call_tool_as_task("slow")
        id = server.peer.start("elicitation/create", {**ASK["params"], **RELATED})
        (pending,) = waiting_for(client)
        assert pending.task == "t1"
        client._session.host_runtime.answer(pending.id, {"n": 5})
        assert (await server.peer.answer_to(id))["result"]["content"] == {"n": 5}


async def test_a_question_whose_task_has_ended_is_answered_with_an_error(autojump_clock):
    async with task_server(STATEFUL, elicitation_handler=Inbox()) as (client, server):
        await client.call_tool_as_task("slow")
        id = server.peer.start("elicitation/create", {**ASK["params"], **RELATED})
        other = server.peer.start("elicitation/create", ASK["params"])
        server.end()

        (left,) = waiting_for(client)
        assert left.task == ""
        assert "task has ended" in (await server.peer.answer_to(id))["error"]["message"]
        left.decline()
        assert (await server.peer.answer_to(other))["result"] == {"action": "decline"}


async def test_the_server_hears_of_a_cancellation_before_it_gets_an_error_for_its_question(nursery, autojump_clock):
    """Else the task could fail of the error, and not be cancelled."""
    async with task_server(STATEFUL, elicitation_handler=Inbox()) as (client, server):
        handle = await client.call_tool_as_task("slow")
        server.peer.start("elicitation/create", {**ASK["params"], **RELATED})
        del server.peer.automatic["tasks/cancel"]
        cancelling = Waiting(nursery, handle.cancel)
        await wait_all_tasks_blocked()
        assert [message.get("method") for message in server.peer.untaken] == ["tasks/cancel"]
        server.peer.reply(await server.peer.request("tasks/cancel"), server._cancel({"params": {"taskId": "t1"}}))
        await wait_all_tasks_blocked()

        assert (cancelling.outcome.status, waiting_for(client)) == ("cancelled", ())
