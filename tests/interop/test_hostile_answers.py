"""
Our server's own questions, answered by a hostile client over real pipes.

Source: MCP 2025-11-25, client/elicitation and JSON-RPC ids; 2026-07-28, multi-round-trip requests: `requestState` is
attacker-controlled, missing answers are asked for again, unknown ones ignored, malformed ones are an error.
"""

from __future__ import annotations

import pytest
import trio
from interop.pipes import V2025, V2026, served

ASKABLE = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
ACCEPT = {"action": "accept", "content": {"name": "soup"}}
BAD_RESULTS = (
    None,
    [],
    "accept",
    3,
    {},
    {"action": "dance"},
    {"action": 1},
    {"action": "accept"},
    {"action": "accept", "content": {}},
    {"action": "accept", "content": {"name": 3}},
    {"action": "accept", "content": {"name": "soup", "hot": "very"}},
    {"action": "accept", "content": {"name": ["soup"]}},
    {"action": "accept", "content": []},
)
BAD_ERRORS = (None, [], "no", {}, {"code": "x", "message": 1}, {"code": -1, "message": "no"})


def ended_badly(reply):
    return "error" in reply or reply["result"].get("isError") is True


async def test_an_answer_that_cannot_be_used_ends_its_call_once_and_nothing_else():
    bad = [{"result": result} for result in BAD_RESULTS] + [{"error": error} for error in BAD_ERRORS]
    async with served(V2025, capabilities=ASKABLE) as pipes:
        for number, members in enumerate(bad, 1):
            call = f"call {number}"
            await pipes.write(id=call, method="tools/call", params={"name": "order", "arguments": {}})
            await pipes.write(id=(await pipes.question(number))["id"], **members)
            assert ended_badly(await pipes.reply(call)), members

        await pipes.call("after", "echo", text="x")
        assert [len(pipes.to(f"call {number}")) for number in range(1, len(bad) + 1)] == [1] * len(bad)
        assert len(pipes.replies) == len(bad) + 2, "a reply is never replied to, under any id"


async def test_an_answer_under_another_spelling_of_the_id_is_nobodys_and_a_second_answer_is_late():
    async with served(V2025, capabilities=ASKABLE) as pipes:
        await pipes.write(id="call", method="tools/call", params={"name": "order", "arguments": {}})
        id = (await pipes.question())["id"]
        assert type(id) is int
        for other in (str(id), id + 1000, float(id) + 0.5):
            await pipes.write(id=other, result={"action": "cancel"})
        await pipes.call("meanwhile", "echo", text="x")
        assert pipes.to("call") == []

        await pipes.write(id=id, result=ACCEPT)
        await pipes.write(id=id, result={"action": "cancel"})
        assert (await pipes.reply("call"))["result"]["content"][0]["text"] == "accept Dish(name='soup', hot=False)"
        await pipes.call("after", "echo", text="x")
        assert len(pipes.to("call")) == 1


async def test_a_client_may_use_the_ids_of_our_questions_for_its_own_requests():
    """Each direction has ids of its own; other SDKs mixed them up when a reply was malformed."""
    async with served(V2025, capabilities=ASKABLE) as pipes:
        await pipes.write(id="call", method="tools/call", params={"name": "order", "arguments": {}})
        id = (await pipes.question())["id"]
        assert (await pipes.call(id, "echo", text="mine"))["content"][0]["text"] == "mine"
        assert pipes.to("call") == []
        await pipes.write(id=id, result=[])
        assert ended_badly(await pipes.reply("call"))
        assert len(pipes.to(id)) == 1


async def asked(pipes, id="first", tool="order", **arguments):
    """The first round of a call: the keys that it asks for, and the state to bring along."""
    result = await pipes.call(id, tool, **arguments)
    assert result["resultType"] == "input_required"
    return list(result["inputRequests"]), result["requestState"]


async def retry(pipes, id, state, responses, tool="order", **arguments):
    params = {"name": tool, "arguments": arguments, "requestState": state, "inputResponses": responses}
    given = {key: value for key, value in params.items() if value is not ...}
    return await pipes.request(id, "tools/call", **given)


async def test_answers_of_a_round_are_used_once_they_fit():
    async with served(V2026, capabilities=ASKABLE) as pipes:
        [key], state = await asked(pipes)
        reply = await retry(pipes, "second", state, {key: ACCEPT, "nobody asked": {"action": "cancel"}})
        assert reply["result"]["content"][0]["text"] == "accept Dish(name='soup', hot=False)"


async def test_an_answer_in_a_round_that_cannot_be_used_is_an_error_and_never_an_acceptance():
    async with served(V2026, capabilities=ASKABLE) as pipes:
        [key], state = await asked(pipes)
        for number, result in enumerate(BAD_RESULTS):
            assert ended_badly(await retry(pipes, number, state, {key: result})), result
        again = await retry(pipes, "again", state, {key: ACCEPT})
        assert again["result"]["content"][0]["text"] == "accept Dish(name='soup', hot=False)"
        assert [len(pipes.to(number)) for number in range(len(BAD_RESULTS))] == [1] * len(BAD_RESULTS)


async def test_an_answer_that_is_missing_is_asked_for_again():
    async with served(V2026, capabilities=ASKABLE) as pipes:
        [key], state = await asked(pipes)
        for number, responses in enumerate((..., {}, {"another": ACCEPT})):
            reply = await retry(pipes, f"second {number}", state, responses)
            assert reply["result"]["resultType"] == "input_required"
            assert list(reply["result"]["inputRequests"]) == [key]
            last = await retry(pipes, f"third {number}", reply["result"]["requestState"], {key: ACCEPT})
            assert last["result"]["content"][0]["text"] == "accept Dish(name='soup', hot=False)"


async def test_answers_that_are_no_object_are_refused():
    async with served(V2026, capabilities=ASKABLE) as pipes:
        _, state = await asked(pipes)
        for number, responses in enumerate(([], "x", 3, [ACCEPT], True)):
            reply = await retry(pipes, number, state, responses)
            assert reply["error"]["code"] == -32602, responses


async def test_a_state_that_was_changed_anywhere_is_refused_with_a_reason():
    async with served(V2026, capabilities=ASKABLE) as pipes:
        [key], state = await asked(pipes)
        places = range(0, len(state), max(1, len(state) // 40))
        for place in places:
            other = "A" if state[place] != "A" else "B"
            changed = state[:place] + other + state[place + 1 :]
            reply = await retry(pipes, f"changed {place}", changed, {key: ACCEPT})
            assert reply["error"]["code"] == -32602
            assert "requestState" in reply["error"]["message"]
        assert "result" in await retry(pipes, "unchanged", state, {key: ACCEPT})


async def test_a_state_that_is_none_of_ours_is_refused():
    async with served(V2026, capabilities=ASKABLE) as pipes:
        for number, state in enumerate(("", "x", "\U0001f600", "A" * 100_000, 3, [], {}, True)):
            reply = await retry(pipes, number, state, {"key": ACCEPT})
            assert reply["error"]["code"] == -32602, state


async def test_the_state_of_one_call_opens_no_other():
    """Bound to tool and arguments, so that an approval cannot be carried to another call."""
    async with served(V2026, capabilities=ASKABLE) as pipes:
        [key], state = await asked(pipes, "first", "summarise", text="one")
        message = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "short"}}
        for id, tool, arguments in (("a", "summarise", {"text": "two"}), ("b", "order", {}), ("c", "feast", {})):
            reply = await retry(pipes, id, state, {key: message}, tool, **arguments)
            assert reply["error"]["code"] == -32602
        done = await retry(pipes, "d", state, {key: message}, "summarise", text="one")
        assert done["result"]["content"][0]["text"] == "short"


async def test_answers_without_a_state_are_not_believed():
    async with served(V2026, capabilities=ASKABLE) as pipes:
        [key], _ = await asked(pipes)
        reply = await retry(pipes, "second", ..., {key: ACCEPT})
        assert reply["result"]["resultType"] == "input_required"


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_a_client_that_declared_nothing_is_asked_nothing(era):
    async with served(era) as pipes:
        for tool in ("order", "pay", "summarise", "folders"):
            arguments = {"text": "x"} if tool == "summarise" else {}
            reply = await pipes.request(tool, "tools/call", name=tool, arguments=arguments)
            assert ended_badly(reply)
            if era == V2026:
                assert reply["error"]["code"] == -32021
                assert reply["error"]["data"]["requiredCapabilities"]
        assert pipes.others == []


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_a_cancel_of_nothing_of_junk_or_of_a_finished_call_is_read_past(era):
    async with served(era) as pipes:
        await pipes.call("done", "echo", text="x")
        for params in ({"requestId": "done"}, {"requestId": 99}, {"requestId": None}, {"requestId": [1]}, {}):
            await pipes.write(method="notifications/cancelled", params=params)
        await pipes.call("after", "echo", text="x")
        assert len(pipes.replies) == 3


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_a_cancelled_call_is_never_answered_and_its_id_may_be_used_again(era):
    async with served(era) as pipes:
        await pipes.write(id=5, method="tools/call", params={"name": "simmer", "arguments": {}, **pipes.meta})
        while not (await tell(pipes)).get("simmer started"):
            await trio.lowlevel.checkpoint()
        await pipes.write(method="notifications/cancelled", params={"requestId": 5, "reason": "enough"})
        while not (await tell(pipes)).get("simmer ended"):
            await trio.lowlevel.checkpoint()
        assert pipes.to(5) == []
        assert (await pipes.call(5, "echo", text="again"))["content"][0]["text"] == "again"


async def tell(pipes):
    return (await pipes.call(f"tell {len(pipes.replies)}", "tell"))["structuredContent"]
