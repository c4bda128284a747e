"""
A server's question that is sent as a task: the client is the receiver. How a task begins, lives and ends.

The numbers are those of the requirements of MCP 2025-11-25 basic/utilities/tasks in the order of its sections; 3 to 6,
20, 29 and 33 are about requestors, tools and transports, and are not a client's as receiver. 15 and more are in
`test_task_receiver_rules`.
"""

from __future__ import annotations

import base64
from datetime import datetime

import pytest
import trio
from receiver_world import FORM, PROMPT, asked

from zcp_actors import Policy
from zcp_actors.errors import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, REFUSED, RPCError
from zcp_actors.protocol.client_tasks import LONGEST_TTL
from zcp_actors.wire.meta_keys import RELATED_TASK


# ---- 1, 2: who may send a question as a task
async def test_a_client_declares_exactly_the_questions_that_it_answers_as_tasks(autojump_clock):
    """1."""
    async with asked(sampling_handler=None) as server:
        (initialize,) = [each for _, each in server.peer.transcript if each.get("method") == "initialize"]

    assert initialize["params"]["capabilities"]["tasks"] == {
        "list": {},
        "cancel": {},
        "requests": {"elicitation": {"create": {}}},
    }


@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel", "tasks/list"])
async def test_a_client_without_providers_knows_nothing_of_tasks(method, autojump_clock):
    """1."""
    async with asked(sampling_handler=None, elicitation_handler=None, roots_provider=list) as server:
        error = await server.refusal(method, {"taskId": "x"})

    assert error.code == METHOD_NOT_FOUND


async def test_a_question_without_task_is_answered_plainly(autojump_clock):
    async with asked() as server:
        id = server.peer.start("elicitation/create", FORM)
        await trio.sleep(1)
        server.answer({"n": 3})
        reply = await server.peer.answer_to(id)
        listed = await server.peer.ask("tasks/list")

    assert reply["result"] == {"action": "accept", "content": {"n": 3}}
    assert listed == {"tasks": []}


# ---- 7 to 9, 31: creation
async def test_the_task_is_told_at_once_and_works_while_a_person_is_asked(autojump_clock):
    """7, 9, 19: `input_required` would mean that the server has to give something; here it is a person who has to."""
    async with asked() as server:
        task = await server.elicit({"ttl": 60_000})
        await trio.sleep(30)

        assert task["status"] == "working"
        assert (await server.get(task["taskId"]))["status"] == "working"
        (pending,) = server.runtime.pending()
        assert (pending.method, pending.params.message, pending.params.get("task")) == (
            "elicitation/create",
            "How many?",
            None,
        )
        assert await server.changes() == []


async def test_ids_are_strings_of_192_bits_and_all_different(autojump_clock):
    """8, 31: at least 128 bits of chance."""
    async with asked() as server:
        ids = [(await server.elicit())["taskId"] for _ in range(20)]

    assert len(set(ids)) == 20
    assert {len(base64.urlsafe_b64decode(id)) for id in ids} == {24}


# ---- 10: the life
@pytest.mark.parametrize("end", ["answer", "decline", "cancel"])
async def test_an_elicitation_is_completed_whatever_the_person_said(end, autojump_clock):
    """10, 14."""
    async with asked() as server:
        id = (await server.elicit())["taskId"]
        (pending,) = server.runtime.pending()
        getattr(server.runtime, end)(pending.id, *([{"n": 3}] if end == "answer" else []))

        assert await server.changes() == [(id, "completed")]
        result = await server.result(id)

    said = {"action": "accept", "content": {"n": 3}} if end == "answer" else {"action": end}
    assert result == {**said, "_meta": {RELATED_TASK: {"taskId": id}}}


async def test_a_sampling_that_is_declined_has_failed_with_that_very_error(autojump_clock):
    """10, 14."""
    async with asked() as server:
        id = (await server.sample())["taskId"]
        (pending,) = server.runtime.pending()
        server.runtime.decline(pending.id, "not today")
        seen = await server.get(id)
        error = await server.refusal("tasks/result", {"taskId": id})

    assert (seen["status"], seen["statusMessage"]) == ("failed", "not today")
    assert (error.code, error.message, error.data) == (REFUSED, "not today", None)


async def test_a_provider_is_asked_and_its_answer_is_kept(autojump_clock):
    """14: exactly the result that the question would have got."""
    seen = []

    async def model(request):
        seen.append(request)
        await trio.sleep(4)
        return {"role": "assistant", "content": "short", "model": "m", "usage": {"outputTokens": 1}}

    async with asked(sampling_handler=model) as server:
        id = (await server.sample({"ttl": 60_000}))["taskId"]
        first = await server.result(id)
        again = await server.result(id)

    assert first == again
    assert first == {
        "role": "assistant",
        "content": {"type": "text", "text": "short"},
        "model": "m",
        "_meta": {RELATED_TASK: {"taskId": id}},
    }
    assert [request.max_tokens for request in seen] == [5]
    assert "task" not in seen[0]


async def test_a_provider_that_fails_fails_the_task(autojump_clock, caplog):
    """10, 26: internal errors are -32603."""

    def model(request):
        raise ValueError("secret")

    async with asked(sampling_handler=model) as server:
        id = (await server.sample())["taskId"]
        error = await server.refusal("tasks/result", {"taskId": id})
        seen = await server.get(id)

    assert error.code == INTERNAL_ERROR
    assert "secret" not in error.message
    assert (seen["status"], seen["statusMessage"]) == ("failed", error.message)


async def test_an_error_of_a_provider_is_the_servers_with_its_data(autojump_clock):
    """14: the same JSON-RPC error."""

    def model(request):
        raise RPCError(-32050, "no model", {"retry": False})

    async with asked(sampling_handler=model) as server:
        id = (await server.sample())["taskId"]
        error = await server.refusal("tasks/result", {"taskId": id})

    assert (error.code, error.message, error.data) == (-32050, "no model", {"retry": False})


@pytest.mark.parametrize("as_task", [False, True])
async def test_an_error_whose_data_no_wire_can_carry_is_still_an_error(as_task, autojump_clock, caplog):
    def model(request):
        raise RPCError(-32050, "no model", object())

    async with asked(sampling_handler=model) as server:
        if as_task:
            error = await server.refusal("tasks/result", {"taskId": (await server.sample())["taskId"]})
        else:
            error = await server.refusal("sampling/createMessage", PROMPT)

    assert error.code == INTERNAL_ERROR
    assert "cannot be written" in error.message


async def test_a_refusal_by_the_policy_fails_the_task(autojump_clock):
    """A task is created first: what the policy says is its outcome."""
    async with asked(policy=Policy(sampling_calls=1), sampling_handler=lambda _: "short") as server:
        first, second = [(await server.sample())["taskId"] for _ in range(2)]
        error = await server.refusal("tasks/result", {"taskId": second})
        statuses = [(await server.get(id))["status"] for id in (first, second)]

    assert statuses == ["completed", "failed"]
    assert (error.code, error.message) == (REFUSED, "the sampling budget is spent: 1 calls")


async def test_a_question_that_is_itself_wrong_becomes_no_task(autojump_clock):
    """E 71: tools were not declared."""
    async with asked() as server:
        error = await server.refusal("sampling/createMessage", {**PROMPT, "tools": [], "task": {}})
        listed = await server.peer.ask("tasks/list")

    assert error.code == INVALID_PARAMS
    assert listed == {"tasks": []}


async def test_nobody_answers_in_time(autojump_clock):
    """The limits of a pending request are those of its task: an elicitation is dismissed, a sampling is refused."""
    async with asked(policy=Policy(max_human_wait=100, sampling_seconds=50)) as server:
        form, prompt = (await server.elicit())["taskId"], (await server.sample())["taskId"]
        await trio.sleep(101)

        assert await server.changes() == [(prompt, "failed"), (form, "completed")]
        assert (await server.result(form))["action"] == "cancel"
        assert (await server.refusal("tasks/result", {"taskId": prompt})).code == REFUSED


# ---- 11 to 13: times
async def test_every_answer_about_a_task_has_its_times(autojump_clock):
    """11: ISO 8601, in all of them; `lastUpdatedAt` is that of the last change."""
    async with asked() as server:
        created = await server.elicit()
        id = created["taskId"]
        await trio.sleep(10)
        server.answer({"n": 1})
        notice = (await server.peer.notification("notifications/tasks/status"))["params"]
        (listed,) = (await server.peer.ask("tasks/list"))["tasks"]
        got = await server.get(id)
        other = await server.elicit()
        cancelled = await server.cancel(other["taskId"])

    began = datetime.fromisoformat(created["createdAt"])
    assert created["lastUpdatedAt"] == created["createdAt"]
    for told in (notice, listed, got):
        assert told["createdAt"] == created["createdAt"]
        assert (datetime.fromisoformat(told["lastUpdatedAt"]) - began).total_seconds() == pytest.approx(10, abs=0.01)
    assert began.utcoffset().total_seconds() == 0
    assert cancelled["createdAt"] == other["createdAt"]


@pytest.mark.parametrize(
    ("wish", "kept"),
    [({"ttl": 60_000}, 60.0), ({}, LONGEST_TTL), ({"ttl": 10**15}, LONGEST_TTL), ({"ttl": 10**400}, LONGEST_TTL)],
)
async def test_a_task_is_kept_as_long_as_it_says_and_no_longer(wish, kept, autojump_clock):
    """12, 13: the real `ttl` is told; a wish is honoured, and capped."""
    async with asked() as server:
        task = await server.elicit(wish)
        id = task["taskId"]
        assert (task["ttl"], (await server.get(id))["ttl"]) == (kept * 1000, kept * 1000)

        server.answer({"n": 1})
        await trio.sleep(kept - 1)
        assert (await server.get(id))["status"] == "completed"
        await trio.sleep(2)

        assert (await server.refusal("tasks/get", {"taskId": id})).code == INVALID_PARAMS
        assert (await server.peer.ask("tasks/list"))["tasks"] == []


@pytest.mark.parametrize("wish", [{"ttl": -1}, {"ttl": "long"}, {"ttl": 1.5}, 7])
async def test_a_wish_that_is_none_is_refused(wish, autojump_clock):
    async with asked() as server:
        error = await server.refusal("elicitation/create", {**FORM, "task": wish})

        assert error.code == INVALID_PARAMS
        assert server.runtime.pending() == ()


async def test_a_wish_for_the_interval_of_polls_is_told_back(autojump_clock):
    """13."""
    async with asked() as server:
        assert (await server.elicit())["pollInterval"] == 1000
        assert (await server.elicit({"pollInterval": 250}))["pollInterval"] == 250


async def test_an_expired_task_withdraws_its_question_and_ends_who_waits_for_it(autojump_clock):
    """13, 26: "task expired" is -32602."""
    async with asked() as server:
        id = (await server.elicit({"ttl": 60_000}))["taskId"]
        waiting = server.peer.start("tasks/result", {"taskId": id})
        await trio.sleep(61)
        error = (await server.peer.answer_to(waiting))["error"]

        assert server.runtime.pending() == ()
        assert await server.changes() == []
    assert (error["code"], "expired" in error["message"]) == (INVALID_PARAMS, True)
