"""Cancellation is one tree (DESIGN 2, law 4): whoever cancels, everything below follows, and nothing else does."""

from __future__ import annotations

import logging

import pytest
import trio
from session_world import STATEFUL, STATELESS, Line, assert_empty, both_eras, opened, strictly_or_not

from zcp_actors import Context, FastZCP, Timeouts, memory_client, open_runtime
from zcp_actors.errors import RequestTimeout, RPCError, SessionClosed
from zcp_actors.wire import Notification

SCHEMA = {"type": "object", "properties": {}}


class Witness:
    """What was seen to end, and when."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float]] = []

    async def linger(self, name: str) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.seen.append((name, trio.current_time()))

    @property
    def names(self) -> list[str]:
        return sorted(name for name, _ in self.seen)


@pytest.fixture
def witness():
    return Witness()


def lingering(witness) -> FastZCP:
    app = FastZCP("Lingering")

    @app.tool
    async def linger(name: str) -> None:
        await witness.linger(name)

    @app.tool
    async def ask(ctx: Context) -> str:
        try:
            return (await ctx.elicit("?", SCHEMA)).action
        finally:
            if not ctx.suspending:
                witness.seen.append(("asker", trio.current_time()))

    @app.tool
    async def add(a: int, b: int) -> int:
        return a + b

    return app


@both_eras
@strictly_or_not
async def test_a_caller_that_is_cancelled_cancels_the_handler_at_once(era, strict, witness, autojump_clock):
    async with opened(lingering(witness), era, strict=strict) as client:
        with trio.move_on_after(3):
            await client.call_tool("linger", {"name": "tool"})
        await trio.sleep(0.001)

        assert witness.seen == [("tool", 3)]


@both_eras
async def test_one_of_many_calls_is_cancelled_alone(era, witness, autojump_clock):
    async with opened(lingering(witness), era) as client, trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def cancellable():
            with scope:
                await client.call_tool("linger", {"name": "two"})

        nursery.start_soon(client.call_tool, "linger", {"name": "one"})
        nursery.start_soon(cancellable)
        await trio.sleep(1)
        scope.cancel()
        await trio.sleep(1)

        assert witness.names == ["two"]
        assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}
        nursery.cancel_scope.cancel()
    assert witness.names == ["one", "two"]


@both_eras
async def test_a_nested_question_is_withdrawn_and_its_provider_cancelled(era, witness, autojump_clock):
    async def answer(request):
        await witness.linger("provider")

    async with opened(lingering(witness), era, elicitation_handler=answer) as client:
        with trio.move_on_after(2):
            await client.call_tool("ask")
        await trio.sleep(0.001)

        assert client.runtime.pending() == ()
    assert ("provider", 2) in witness.seen
    assert ("asker", 2) in witness.seen or era == STATELESS


async def test_a_question_that_its_asker_gives_up_is_withdrawn_alone(witness, autojump_clock):
    """2025: the server withdraws by notifications/cancelled."""
    app = FastZCP("Impatient")

    @app.tool
    async def impatient(ctx: Context) -> str:
        with trio.move_on_after(1):
            await ctx.elicit("?", SCHEMA)
        return "went on"

    async def answer(request):
        await witness.linger("provider")

    async with opened(app, STATEFUL, elicitation_handler=answer) as client:
        result = await client.call_tool("impatient")

    assert result.structured_content == {"result": "went on"}
    assert witness.seen == [("provider", 1)]


@pytest.mark.parametrize("outer", [STATEFUL, STATELESS])
@pytest.mark.parametrize("inner", [STATEFUL, STATELESS])
async def test_a_call_that_a_handler_makes_to_another_backend_is_cancelled_there(outer, inner, witness, autojump_clock):
    app = FastZCP("Front")
    async with open_runtime(grace=1) as runtime:
        async with memory_client(lingering(witness), era=inner) as backend:

            @app.tool
            async def relay() -> None:
                await backend.call_tool("linger", {"name": "deep"})

            async with memory_client(app, era=outer) as front:
                with trio.move_on_after(2):
                    await front.call_tool("relay")
                await trio.sleep(0.001)
                assert witness.seen == [("deep", 2)]
                assert (await backend.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}
        await assert_empty(runtime)


@both_eras
async def test_closing_a_client_ends_its_calls_its_questions_and_its_handlers(era, witness, autojump_clock):
    caught = []

    async def call(client, name, arguments=None):
        with pytest.raises(SessionClosed) as error:
            await client.call_tool(name, arguments)
        caught.append(error)

    async def answer(request):
        await witness.linger("provider")

    async with opened(lingering(witness), era, elicitation_handler=answer) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, client, "linger", {"name": "tool"})
            nursery.start_soon(call, client, "ask")
            await trio.sleep(1)
            await client.close()
        await trio.sleep(0.001)

    assert len(caught) == 2
    assert {"provider", "tool"} <= set(witness.names)


@both_eras
async def test_the_end_of_the_runtime_reaches_handlers_and_providers(era, witness, autojump_clock):
    async def answer(request):
        await witness.linger("provider")

    with trio.move_on_after(2):
        async with (
            open_runtime(grace=1),
            memory_client(lingering(witness), era=era, elicitation_handler=answer) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(client.call_tool, "linger", {"name": "tool"})
            nursery.start_soon(client.call_tool, "ask")

    assert {"provider", "tool"} <= set(witness.names)


@both_eras
async def test_a_timeout_cancels_the_handler_too(era, witness, autojump_clock):
    async with opened(lingering(witness), era, timeouts=Timeouts(idle=2, total=5)) as client:
        with pytest.raises(RequestTimeout):
            await client.call_tool("linger", {"name": "tool"})
        await trio.sleep(0.001)

        assert witness.seen == [("tool", 2)]


@both_eras
async def test_a_lost_client_cancels_its_calls(era, witness, autojump_clock):
    async with open_runtime(grace=1) as runtime:
        line = Line(lingering(witness)).host(runtime)
        line.send("tools/call", {"name": "linger", "arguments": {"name": "tool"}})
        await trio.sleep(1)
        line.session.lost(OSError("the pipe broke"))
        await trio.sleep(0.001)

        assert witness.seen == [("tool", 1)]
        assert line.ended
        await assert_empty(runtime)


async def test_a_cancelled_call_is_never_answered_though_its_handler_returns(autojump_clock):
    """A handler that swallows its cancel has nobody to answer."""
    app = FastZCP("Stubborn")

    @app.tool
    async def stubborn() -> str:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            return "still here"

    async with open_runtime(grace=1) as runtime:
        line = Line(app).host(runtime)
        id = line.send("tools/call", {"name": "stubborn", "arguments": {}})
        await trio.sleep(1)
        line.session.feed(Notification("notifications/cancelled", {"requestId": id, "reason": "enough"}))
        await trio.sleep(1)

        assert line.posted == []


@both_eras
async def test_an_error_in_a_handler_ends_one_call_only(era, caplog, autojump_clock):
    """DESIGN 10: one fault ends one call."""
    app = FastZCP("Faulty")

    @app.tool
    async def explode() -> None:
        raise ZeroDivisionError("boom")

    @app.prompt
    async def explode_too() -> str:
        raise ZeroDivisionError("boom")

    @app.tool
    async def add(a: int, b: int) -> int:
        await trio.sleep(1)
        return a + b

    async with opened(app, era) as client, trio.open_nursery() as nursery:
        found = []

        async def add_up():
            found.append((await client.call_tool("add", {"a": 1, "b": 2})).structured_content)

        nursery.start_soon(add_up)
        await trio.sleep(0.5)
        with caplog.at_level(logging.CRITICAL):
            assert (await client.call_tool("explode")).is_error
            with pytest.raises(RPCError, match="boom"):
                await client.get_prompt("explode_too")
    assert found == [{"result": 3}]


@both_eras
async def test_a_session_cell_that_crashes_fails_its_callers_and_nobody_else(era, witness, monkeypatch, autojump_clock):
    async with (
        open_runtime(grace=1),
        memory_client(lingering(witness), era=era, name="doomed") as doomed,
        memory_client(lingering(witness), era=era, name="other") as other,
        trio.open_nursery() as nursery,
    ):
        failed = []

        async def call(client, name):
            try:
                await client.call_tool("linger", {"name": name})
            except SessionClosed as error:
                failed.append((name, str(error)))

        nursery.start_soon(call, doomed, "doomed")
        nursery.start_soon(call, other, "other")
        await trio.sleep(1)
        monkeypatch.setattr(type(doomed._session.automaton), "received", lambda *_: 1 / 0, raising=True)
        doomed._session.feed(Notification("notifications/anything"))
        monkeypatch.undo()
        await trio.sleep(1)

        assert [name for name, _ in failed] == ["doomed"]
        assert witness.names == ["doomed"]
        with pytest.raises(SessionClosed):
            await doomed.list_tools()
        assert (await other.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}
        nursery.cancel_scope.cancel()


@both_eras
async def test_a_server_cell_that_crashes_fails_its_callers(era, witness, monkeypatch, autojump_clock):
    async with open_runtime(grace=1), memory_client(lingering(witness), era=era) as client:
        server = client._session.connection.receiver
        monkeypatch.setattr(server._automaton, "received", lambda *_: 1 / 0)
        with pytest.raises(Exception, match=r"ended|closed|lost"):
            await client.call_tool("add", {"a": 1, "b": 1})
