"""The test plays the server; the client under test is a real one, and what is compared is what a wire would carry."""

from __future__ import annotations

import pytest
import trio

from zcp_actors import Inbox, Timeouts, ZCPClientSession, open_runtime
from zcp_actors.errors import ConnectionLost, RequestTimeout, RPCError, UnsupportedVersion, UsageError, ZCPError
from zcp_actors.testing import ScriptedServer, no_leaks, scripted_server
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, PROTOCOL_VERSION

OLD, NEW = "2025-11-25", "2026-07-28"
each_era = pytest.mark.parametrize("era", [OLD, NEW])
FORM = {"mode": "form", "message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}}


class Call:
    """A request in a task of its own, whose outcome the test looks at later."""

    def __init__(self, nursery, function, *arguments, **options):
        self.outcome = None
        self.scope = trio.CancelScope()
        nursery.start_soon(self._run, lambda: function(*arguments, **options))

    async def _run(self, make):
        with self.scope:
            try:
                self.outcome = await make()
            except ZCPError as error:
                self.outcome = error


@each_era
async def test_a_request_is_taken_and_answered_as_plain_json(era):
    async with scripted_server(era) as (client, peer), trio.open_nursery() as nursery:
        call = Call(nursery, client.call_tool, "greet", {"name": "Ada"})
        request = await peer.request("tools/call")
        peer.reply(request, {"content": [{"type": "text", "text": "hello"}]})
        await trio.testing.wait_all_tasks_blocked()

        assert (request["params"]["name"], request["params"]["arguments"]) == ("greet", {"name": "Ada"})
        assert call.outcome.content[0].text == "hello"
        assert (PROTOCOL_VERSION in request["params"]["_meta"]) is (era == NEW)


async def test_the_handshake_is_answered_and_recorded_but_no_news():
    async with scripted_server(OLD, instructions="be kind") as (client, peer):
        assert (client.protocol_version, client.instructions) == (OLD, "be kind")
        assert peer.transcript.outline() == [
            "client initialize",
            "server result of initialize",
            "client notifications/initialized",
        ]
        await peer.expect_none()


@each_era
async def test_a_client_that_may_choose_finds_the_era_of_the_peer(era):
    async with scripted_server(era, era=None) as (client, peer):
        assert client.protocol_version == era
        assert peer.transcript.outline()[0] == "client server/discover"


async def test_the_test_can_play_the_handshake_too():
    async with scripted_server(NEW, handshake=False) as (client, peer), trio.open_nursery() as nursery:
        call = Call(nursery, client.__aenter__)
        peer.error(await peer.request("server/discover"), -32022, "no", {"supported": ["2030-01-01"]})
        await trio.testing.wait_all_tasks_blocked()

        assert isinstance(call.outcome, (UnsupportedVersion, RPCError))


async def test_requests_of_one_method_are_taken_in_order_whatever_else_came():
    async with scripted_server(OLD) as (client, peer), trio.open_nursery() as nursery:
        for call in (client.list_tools, client.list_prompts, client.list_tools):
            nursery.start_soon(call)
            await trio.testing.wait_all_tasks_blocked()

        prompts = await peer.request("prompts/list")
        tools = [await peer.request("tools/list"), await peer.request()]
        peer.reply(prompts, {"prompts": []})
        for each in reversed(tools):
            peer.reply(each, {"tools": []})
        assert [each["method"] for each in tools] == ["tools/list", "tools/list"]
        assert tools[0]["id"] < prompts["id"] < tools[1]["id"]


@each_era
async def test_an_error_is_raised_at_the_caller(era):
    async with scripted_server(era) as (client, peer), trio.open_nursery() as nursery:
        call = Call(nursery, client.call_tool, "x")
        peer.error(await peer.request(), -32602, "bad", {"why": "because"})
        await trio.testing.wait_all_tasks_blocked()

        assert (call.outcome.code, call.outcome.message, call.outcome.data) == (-32602, "bad", {"why": "because"})


@each_era
async def test_silence_is_a_request_timeout_in_virtual_time(era, autojump_clock):
    async with scripted_server(era, timeouts=Timeouts(idle=30.0)) as (client, peer):
        with pytest.raises(RequestTimeout, match="idle limit of 30 s"):
            await client.call_tool("slow")

        request = await peer.request("tools/call")
        cancelled = await peer.notification("notifications/cancelled")
        assert cancelled["params"]["requestId"] == request["id"]
        assert trio.current_time() == pytest.approx(30.0)


@each_era
async def test_progress_reaches_the_caller_and_keeps_the_request_alive(era, autojump_clock):
    async with scripted_server(era, timeouts=Timeouts(idle=10.0)) as (client, peer), trio.open_nursery() as nursery:
        heard = []
        call = Call(nursery, client.call_tool, "slow", on_progress=heard.append)
        request = await peer.request()
        for done in (1, 2, 3):
            await trio.sleep(8)
            peer.progress(request, done, total=3)
        peer.reply(request, {"content": []})
        await trio.testing.wait_all_tasks_blocked()

        assert [each.progress for each in heard] == [1, 2, 3]
        assert call.outcome.content == []


@each_era
async def test_a_cancelled_caller_is_told_to_the_peer_and_a_late_reply_is_harmless(era):
    async with scripted_server(era) as (client, peer), trio.open_nursery() as nursery:
        call = Call(nursery, client.call_tool, "x")
        request = await peer.request()
        call.scope.cancel()
        assert (await peer.notification("notifications/cancelled"))["params"]["requestId"] == request["id"]
        peer.reply(request, {"content": []})
        peer.reply(request, {"content": []})
        await peer.expect_none()

        assert client.protocol_version == era


async def test_a_2025_peer_asks_the_clients_providers():
    async with scripted_server(OLD, elicitation_handler=lambda _: {"accepted": True, "data": {}}) as (_, peer):
        assert await peer.ask("elicitation/create", FORM) == {"action": "accept", "content": {}}
        with pytest.raises(RPCError, match="no provider"):
            await peer.ask("sampling/createMessage", {"messages": [], "maxTokens": 1})


async def test_a_withdrawn_question_is_not_answered():
    """2025-11-25 basic/utilities/cancellation: the receiver of a cancellation SHOULD NOT send a response."""
    waiting = trio.Event()

    async def slow(_):
        waiting.set()
        await trio.sleep_forever()

    async with scripted_server(OLD, elicitation_handler=slow) as (_, peer):
        id = peer.start("elicitation/create", FORM)
        await waiting.wait()
        peer.cancel(id)

        await peer.expect_none()


async def test_a_script_that_is_cancelled_withdraws_its_question(autojump_clock):
    async with (
        open_runtime() as runtime,
        scripted_server(OLD, elicitation_handler=Inbox()) as (_, peer),
    ):
        with trio.move_on_after(1):
            await peer.ask("elicitation/create", FORM)

        assert runtime.pending() == ()
        assert peer.transcript.outline()[-1] == "server notifications/cancelled"


async def test_a_2026_peer_asks_inside_a_result_and_gets_the_answers_with_the_retry():
    provider = {"elicitation_handler": lambda _: {"accepted": True, "data": {}}}
    async with scripted_server(NEW, **provider) as (client, peer), trio.open_nursery() as nursery:
        call = Call(nursery, client.call_tool, "publish", {"topic": "x"})
        first = await peer.request("tools/call")
        peer.input_required(first, {"sure": {"method": "elicitation/create", "params": FORM}}, "sealed")
        retry = await peer.request("tools/call")
        peer.reply(retry, {"content": []})
        await trio.testing.wait_all_tasks_blocked()

        assert retry["params"]["inputResponses"] == {"sure": {"action": "accept", "content": {}}}
        assert retry["params"]["requestState"] == "sealed"
        assert retry["params"]["_meta"][CLIENT_CAPABILITIES]["elicitation"] is not None
        assert retry["id"] != first["id"]
        assert call.outcome.is_error in (None, False)


async def test_input_required_is_refused_to_a_peer_of_the_other_era():
    async with scripted_server(OLD) as (_, peer):
        with pytest.raises(UsageError, match="2026-07-28; this peer speaks 2025-11-25"):
            peer.input_required(1, {})


@each_era
async def test_both_ways_of_losing_the_connection_end_what_is_in_flight(era):
    for lose, words in ((ScriptedServer.close, "closed it"), (ScriptedServer.drop, "connection broke")):
        async with scripted_server(era) as (client, peer), trio.open_nursery() as nursery:
            calls = [Call(nursery, client.call_tool, "x") for _ in range(3)]
            await peer.request()
            await trio.testing.wait_all_tasks_blocked()
            lose(peer)
            await trio.testing.wait_all_tasks_blocked()

            assert [type(each.outcome) for each in calls] == [ConnectionLost] * 3
            assert words in str(calls[0].outcome)
            with pytest.raises(AssertionError, match="the connection has ended"):
                peer.notify("notifications/tools/list_changed")


async def test_a_closed_client_hangs_up_and_an_expectation_then_fails_at_once():
    async with scripted_server(OLD) as (client, peer):
        await client.close()
        await peer.gone()

        with trio.fail_after(1), pytest.raises(AssertionError, match="the session under test has hung up"):
            await peer.request("tools/call", timeout=1000)


async def test_a_peer_that_sends_garbage_is_survived():
    async with scripted_server(OLD) as (client, peer), trio.open_nursery() as nursery:
        call = Call(nursery, client.list_tools)
        request = await peer.request()
        peer.send(b"{not json")
        peer.send({"jsonrpc": "2.0", "id": "nobody", "result": {}})
        peer.send({"jsonrpc": "2.0", "id": str(request["id"]), "result": {"tools": []}})
        await trio.testing.wait_all_tasks_blocked()
        assert call.outcome is None, "an id keeps its type: the text is not the number"
        peer.reply(request, {"tools": []})
        await trio.testing.wait_all_tasks_blocked()

        assert call.outcome.tools == []


async def test_notifications_reach_the_handlers_of_the_client():
    logged, changed = [], []
    for era in (OLD, NEW):
        async with scripted_server(era, log_handler=logged.append, changed_handler=changed.append) as (_, peer):
            listens = [each["id"] for each in peer.transcript.of("client") if each["method"] == "subscriptions/listen"]
            peer.notify("notifications/message", {"level": "info", "data": era})
            peer.notify("notifications/tools/list_changed", stream=listens[0] if listens else None)
            await peer.expect_none()

    assert [each.data for each in logged] == [OLD, NEW]
    assert [each.kind for each in changed] == ["tools", "tools"]


async def test_automatic_answers_can_be_added_and_changed():
    answers = {"tools/list": lambda request: {"tools": []}, "ping": RPCError(-32000, "not today")}
    async with scripted_server(OLD, automatic=answers) as (client, peer):
        assert (await client.list_tools()).tools == []
        with pytest.raises(RPCError, match="not today"):
            await client.ping()
        await peer.expect_none()


async def test_a_supervised_client_comes_back_to_a_peer_that_reconnects(autojump_clock):
    async with open_runtime() as runtime:
        peer = ScriptedServer(OLD, reconnects=True)
        client = await runtime.connect(ZCPClientSession(peer, era=OLD))
        peer.drop("the first connection broke")
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.list_tools)
            peer.reply(await peer.request("tools/list"), {"tools": []})

        assert peer.connections == 2


async def test_nothing_is_left_behind_by_a_scripted_conversation():
    async with open_runtime(), no_leaks():
        for era in (OLD, NEW):
            async with (
                scripted_server(era, log_handler=print, changed_handler=print) as (client, peer),
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(client.list_tools)
                peer.reply(await peer.request("tools/list"), {"tools": []})


def test_an_unknown_era_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="2026-07-28, 2025-11-25"):
        ScriptedServer("2020-01-01")
