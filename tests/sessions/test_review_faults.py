"""
One fault ends one call: what a handler, a provider, a caller or a peer gets wrong never ends the session.

Source: DESIGN.md 10, "one fault ends one call; every usable request id gets exactly one reply".
"""

from __future__ import annotations

import pytest
import trio
import trio.testing

from zcp_actors import Context, FastZCP, memory_client, open_runtime
from zcp_actors.errors import InvalidParams, RPCError, SessionClosed, UsageError, ZCPError
from zcp_actors.sessions.handle import ServerHandle
from zcp_actors.sessions.policy import Policy
from zcp_actors.sessions.providers import Inbox
from zcp_actors.wire import (
    CreateMessageResult,
    ErrorResponse,
    ListToolsResult,
    Notification,
    Request,
    TextContent,
    Tool,
)

V2025, V2026 = "2025-11-25", "2026-07-28"
META = {"_meta": {"io.modelcontextprotocol/protocolVersion": V2026, "io.modelcontextprotocol/clientCapabilities": {}}}


def app():
    app = FastZCP("Demo")

    @app.tool
    async def hang() -> str:
        await trio.sleep_forever()

    @app.tool
    async def ask_many(n: int, ctx: Context) -> str:
        async with trio.open_nursery() as nursery:
            for number in range(n):
                nursery.start_soon(ctx.elicit, f"question {number}")
        return "asked"

    @app.tool
    async def ask(message: str, ctx: Context) -> str:
        return (await ctx.elicit(message)).action

    @app.tool
    async def ask_what_cannot_be_written(ctx: Context) -> str:
        return (await ctx.elicit("\ud800")).action

    @app.tool
    async def visit(ctx: Context) -> str:
        return (await ctx.elicit_url("Please log in", "https://example.org/login")).action

    @app.tool
    async def sample(tokens: int, ctx: Context) -> str:
        return (await ctx.sample("hi", max_tokens=tokens)).content.text

    @app.tool
    async def count_roots(ctx: Context) -> int:
        return len(await ctx.list_roots())

    return app


class Deaf:
    """A connection that only keeps what is posted."""

    transport, dialect, stamp, full = "memory", None, None, False

    def __init__(self):
        self.posted = []

    def post(self, message, call=None):
        self.posted.append(message)

    def hang_up(self):
        pass

    async def room(self):
        await trio.lowlevel.checkpoint()


async def asking(client, errors, *call):
    try:
        await client.call_tool(*call)
    except ZCPError as error:
        errors.append(error)


async def test_a_client_that_closes_with_questions_in_the_queue_leaves_nothing(autojump_clock):
    errors, asked = [], trio.Event()

    async def person(_):
        asked.set()
        await trio.sleep_forever()

    async with open_runtime() as runtime:
        client = memory_client(app(), era=V2025, elicitation_handler=person)
        await client.open(runtime, None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asking, client, errors, "ask_many", {"n": 20})
            await asked.wait()
            await trio.testing.wait_all_tasks_blocked()
            assert len(runtime.pending()) == 20
            await client.close()
        await trio.testing.wait_all_tasks_blocked()
        assert [type(error) for error in errors] == [SessionClosed]
        assert runtime.pending() == ()
        assert not runtime.sessions
        assert "server" not in str(runtime.tree())


async def test_asking_ones_own_provider_after_the_close_is_an_error_at_once(autojump_clock):
    async with open_runtime():
        async with memory_client(app(), roots_provider=list) as client:
            pass
        began = trio.current_time()
        with trio.fail_after(30), pytest.raises(SessionClosed):
            await client.list_roots()
        assert trio.current_time() == began


@pytest.mark.hostile
@pytest.mark.parametrize("era", [V2025, V2026])
async def test_params_that_cannot_travel_fail_at_their_caller_alone(autojump_clock, era):
    async with open_runtime(), memory_client(app(), era=era) as client:
        with pytest.raises(InvalidParams, match="cursor"):
            await client.list_tools(cursor=5)
        assert (await client.list_tools()).tools


async def test_arguments_that_the_wire_refuses_fail_at_their_caller_alone(autojump_clock):
    deep: dict = {}
    for _ in range(126):
        deep = {"a": deep}
    async with open_runtime(), memory_client(app(), strict=True) as client:
        with pytest.raises(RPCError, match="nested deeper"):
            await client.call_tool("hang", {"deep": deep})
        assert (await client.list_tools()).tools


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_a_question_that_cannot_be_written_ends_its_call(autojump_clock, era):
    async with open_runtime(), memory_client(app(), era=era, strict=True, elicitation_handler=bool) as client:
        began = trio.current_time()
        with pytest.raises(RPCError, match="cannot be written"):
            await client.call_tool("ask_what_cannot_be_written")
        assert trio.current_time() - began < 1
        assert (await client.list_tools()).tools


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_an_answer_that_cannot_be_written_is_not_waited_for(autojump_clock, era):
    answer = CreateMessageResult(role="assistant", model="m", content=TextContent(text="\ud800"))
    async with (
        open_runtime(),
        memory_client(app(), era=era, strict=True, sampling_handler=lambda _: answer) as client,
    ):
        began = trio.current_time()
        with pytest.raises(ZCPError, match="cannot be written"):
            await client.call_tool("sample", {"tokens": 5})
        assert trio.current_time() - began < 1
        assert (await client.list_tools()).tools


async def test_a_negative_number_of_tokens_does_not_fill_the_budget(autojump_clock):
    policy = Policy(sampling_tokens=100)
    async with (
        open_runtime(),
        memory_client(app(), era=V2025, sampling_handler=lambda _: "hi", policy=policy) as client,
    ):
        with pytest.raises(RPCError, match="negative"):
            await client.call_tool("sample", {"tokens": -1000})
        with pytest.raises(RPCError, match="budget"):
            await client.call_tool("sample", {"tokens": 101})


async def test_an_inbox_holds_no_more_than_the_policy_lets_wait(autojump_clock):
    errors = []
    async with open_runtime() as runtime:
        policy = Policy(max_queued=5)
        async with memory_client(app(), era=V2025, elicitation_handler=Inbox(), policy=policy) as client:
            await asking(client, errors, "ask_many", {"n": 6})
        assert "already wait" in str(errors)
        assert runtime.pending() == ()


async def test_a_call_that_is_cancelled_before_it_begins_is_forgotten(autojump_clock):
    async with open_runtime() as runtime:
        session = ServerHandle(app()).host(runtime, Deaf())
        for number in range(10):
            session.feed(Request(number, "tools/call", {"name": "hang", "arguments": {}, **META}))
            session.feed(Notification("notifications/cancelled", {"requestId": number}))
        await trio.testing.wait_all_tasks_blocked()
        assert "0 calls" in session.describe()
        with trio.fail_after(30):
            await session.idle()


async def test_calls_of_both_eras_on_one_connection_are_told_apart(autojump_clock):
    async with open_runtime() as runtime:
        session = ServerHandle(app()).host(runtime, Deaf())
        hello = {"protocolVersion": V2025, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        session.feed(Request(1, "tools/call", {"name": "hang", "arguments": {}, **META}))
        session.feed(Request(2, "initialize", hello))
        session.feed(Request(3, "tools/call", {"name": "hang", "arguments": {}}))
        await trio.testing.wait_all_tasks_blocked()
        assert "2 calls" in session.describe()


async def test_a_session_that_is_agreed_on_does_not_waver_between_the_eras(autojump_clock):
    async with open_runtime() as runtime:
        connection = Deaf()
        session = ServerHandle(app()).host(runtime, connection)
        hello = {"protocolVersion": V2025, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        for _ in range(2):
            session.feed(Request(1, "tools/call", {"name": "hang", "arguments": {}, **META}))
            session.feed(Request(2, "initialize", hello))
        replies = [message for message in connection.posted if isinstance(message, ErrorResponse)]
        assert [reply.id for reply in replies] == [2]
        assert "already initialized" in replies[0].message


async def test_a_session_that_finds_no_place_leaves_no_listener_behind(autojump_clock):
    served = app()
    async with open_runtime() as runtime:
        pass
    with pytest.raises(ZCPError):
        ServerHandle(served).host(runtime, Deaf())
    assert not served._listeners._listeners


async def test_an_opening_that_fails_late_leaves_no_session(autojump_clock, monkeypatch):
    async with open_runtime() as runtime:
        client = memory_client(app(), changed_handler=print)

        async def fail(_):
            raise ZCPError("no")

        monkeypatch.setattr("zcp_actors.sessions.listening.Listener.begin", fail)
        with pytest.raises(ZCPError):
            await client.open(runtime, None)
        assert not runtime.sessions
        assert "session" not in str(runtime.tree())


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_a_log_level_that_is_none_is_refused_where_it_is_set(autojump_clock, era):
    async with open_runtime(), memory_client(app(), era=era) as client:
        with pytest.raises(InvalidParams):
            await client.set_logging_level("shouting")
        assert (await client.list_tools()).tools


@pytest.mark.parametrize("schema", [{"properties": {"a": {"type": 5}}}, {"$ref": "https://example.org/schema"}])
async def test_one_bad_output_schema_does_not_hide_the_other_tools(autojump_clock, schema):
    bad = Tool(name="bad", input_schema={"type": "object"}, output_schema={"type": "object", **schema})
    good = Tool(name="good", input_schema={"type": "object"}, output_schema={"type": "object"})
    async with open_runtime(), memory_client(app()) as client:
        client._listed.remember(ListToolsResult(tools=[bad, good]))
        assert list(client._listed.validators) == ["good"]


@pytest.mark.parametrize("wrong", [[5], [[]], 7, "file:///x", {"root": []}])
async def test_an_answer_by_hand_that_does_not_fit_is_the_answerers_error(autojump_clock, wrong):
    async with (
        open_runtime() as runtime,
        memory_client(app(), roots_provider=Inbox()) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.call_tool, "count_roots")
        await trio.testing.wait_all_tasks_blocked()
        (pending,) = runtime.pending()
        with pytest.raises(UsageError):
            runtime.answer(pending.id, wrong)
        runtime.answer(pending.id, [])


@pytest.mark.parametrize("silent", [{}, {"url": "https://example.org/login"}])
async def test_an_address_is_accepted_only_by_explicit_consent(autojump_clock, silent):
    async with open_runtime(), memory_client(app(), era=V2025, elicitation_handler=lambda _: silent) as client:
        with pytest.raises(RPCError, match="explicit consent"):
            await client.call_tool("visit")
