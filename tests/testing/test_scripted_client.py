"""The test plays the client; the app under test runs in a real server session."""

from __future__ import annotations

import pytest
import trio

from zcp_actors import Context, FastZCP, open_runtime
from zcp_actors.errors import RPCError, UsageError
from zcp_actors.testing import no_leaks, scripted_client
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, PROTOCOL_VERSION

OLD, NEW = "2025-11-25", "2026-07-28"
each_era = pytest.mark.parametrize("era", [OLD, NEW])
DRAFT = {"role": "assistant", "content": {"type": "text", "text": "draft"}, "model": "m"}
PUBLISH = {"name": "publish", "arguments": {"topic": "x"}}


def make_app() -> FastZCP:
    app = FastZCP("Demo")

    @app.tool
    async def publish(topic: str, ctx: Context) -> str:
        draft = await ctx.sample(f"Summarise {topic}", max_tokens=20)
        return f"{topic}: {draft.content.text}"

    @app.tool
    async def wait_for_ever() -> str:
        await trio.sleep_forever()

    return app


@each_era
async def test_a_request_gets_its_raw_result(era):
    async with scripted_client(make_app(), era) as peer:
        result = await peer.ask("tools/list")

        assert [each["name"] for each in result["tools"]] == ["publish", "wait_for_ever"]
        assert result.get("resultType") == (None if era == OLD else "complete")


@each_era
async def test_one_script_answers_questions_in_both_eras(era):
    asked = []

    def answer(question):
        asked.append(question["params"]["messages"][0]["content"]["text"])
        return DRAFT

    async with scripted_client(make_app(), era, automatic={"sampling/createMessage": answer}) as peer:
        result = await peer.complete("tools/call", PUBLISH)

    assert result["content"] == [{"type": "text", "text": "x: draft"}]
    assert asked == ["Summarise x"]


async def test_the_2025_server_asks_by_a_request_of_its_own():
    async with scripted_client(make_app(), OLD) as peer:
        id = peer.start("tools/call", PUBLISH)
        peer.reply(await peer.request("sampling/createMessage"), DRAFT)

        assert (await peer.answer_to(id))["result"]["content"][0]["text"] == "x: draft"


async def test_the_2026_server_asks_in_its_result_and_the_script_retries():
    async with scripted_client(make_app(), NEW) as peer:
        asked = await peer.ask("tools/call", PUBLISH)
        (key,) = asked["inputRequests"]
        id = peer.retry({"method": "tools/call", "params": PUBLISH}, asked, {key: DRAFT})

        assert asked["resultType"] == "input_required"
        assert (await peer.answer_to(id))["result"]["content"][0]["text"] == "x: draft"


async def test_the_meta_of_2026_is_filled_in_unless_it_is_overridden():
    async with scripted_client(make_app(), NEW, capabilities={}) as peer:
        await peer.ask("tools/list", {"_meta": {"progressToken": "t"}})
        sent = peer.transcript.of("client")[-1]["params"]["_meta"]
        assert (sent[PROTOCOL_VERSION], sent[CLIENT_CAPABILITIES], sent["progressToken"]) == (NEW, {}, "t")

        with pytest.raises(RPCError, match="1999-01-01"):
            await peer.ask("tools/list", {"_meta": {PROTOCOL_VERSION: "1999-01-01"}})
        with pytest.raises(RPCError, match="clientCapabilities"):
            await peer.ask("tools/list", {"_meta": {CLIENT_CAPABILITIES: None}})


async def test_the_handshake_of_2025_can_be_left_to_the_script():
    async with scripted_client(make_app(), OLD, handshake=False) as peer:
        with pytest.raises(RPCError, match="not initialized"):
            await peer.ask("tools/list")
        assert (await peer.handshake())["serverInfo"]["name"] == "Demo"
        assert "tools" in await peer.ask("tools/list")


@each_era
async def test_a_cancelled_call_is_never_answered(era):
    async with open_runtime(), no_leaks(), scripted_client(make_app(), era) as peer:
        id = peer.start("tools/call", {"name": "wait_for_ever", "arguments": {}})
        await trio.testing.wait_all_tasks_blocked()
        peer.cancel(id)

        await peer.expect_none()


@each_era
async def test_the_end_of_the_connection_ends_the_calls(era):
    async with open_runtime() as runtime, no_leaks(), scripted_client(make_app(), era) as peer:
        peer.start("tools/call", {"name": "wait_for_ever", "arguments": {}})
        await trio.testing.wait_all_tasks_blocked()
        assert "call-1" in str(runtime.tree())
        peer.drop()
        await peer.session.me.stopped()

        assert "call-1" not in str(runtime.tree())


async def test_every_usable_request_id_gets_exactly_one_reply():
    """`1` and `"1"` are different ids (JSON-RPC 2.0); unreadable lines are answered once, under no id."""
    async with scripted_client(make_app(), OLD) as peer:
        for id in (1000, "1000"):
            peer.start("tools/list", id=id)
        peer.send(b"not json")
        replies = [await peer.answer_to(id) for id in (1000, "1000", None)]

        assert [("result" in each, each["id"]) for each in replies] == [(True, 1000), (True, "1000"), (False, None)]
        await peer.expect_none()


async def test_a_question_that_automatic_does_not_answer_fails_the_script(autojump_clock):
    async with scripted_client(make_app(), NEW) as peer:
        with pytest.raises(AssertionError, match="automatic has no result for it"):
            await peer.complete("tools/call", PUBLISH)


async def test_retry_is_refused_to_a_peer_of_the_other_era():
    async with scripted_client(make_app(), OLD) as peer:
        with pytest.raises(UsageError, match="a retry is of 2026-07-28"):
            peer.retry({"method": "tools/call"}, {}, {})
