"""Bytes that arrive in pieces, that end in the middle, or that are not what was written."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import trio

from zcp_actors import Context, FastZCP, open_runtime
from zcp_actors.errors import ConnectionLost, InvalidResult, RPCError
from zcp_actors.testing import ByteFaults, Drop, Plan, Rule, byte_client, faulty, no_leaks

each_era = pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])


def make_app() -> FastZCP:
    app = FastZCP("Demo")

    @app.tool
    async def say(text: str, ctx: Context) -> str:
        draft = await ctx.sample(text, max_tokens=5)
        return f"{text} · {draft.content.text}"

    @app.tool
    async def wait_for_ever() -> None:
        await trio.sleep_forever()

    return app


def model(request):
    return f"model of {request.messages[0].content.text}"


@each_era
@pytest.mark.parametrize("size", [1, 7, None])
async def test_slices_of_any_size_carry_whole_conversations(era, size, autojump_clock):
    pieces = ByteFaults(slice=size)
    async with (
        open_runtime(),
        no_leaks(),
        byte_client(make_app(), client=pieces, server=pieces, era=era, sampling_handler=model) as client,
    ):
        result = await client.call_tool("say", {"text": "grüße\n"})

    assert result.content[0].text == "grüße\n · model of grüße\n"


@each_era
async def test_a_truncated_stream_ends_what_is_in_flight(era, autojump_clock):
    """A last line that lacks nothing but its newline is still a message; any shorter one is a loss to its caller."""
    written = []
    async with open_runtime(), no_leaks():
        count = ByteFaults(change=lambda line: written.append(len(line)) or line)
        async with byte_client(make_app(), server=count, era=era, sampling_handler=model) as client:
            await client.call_tool("say", {"text": "once"})
        whole = sum(written)
        for missing in (1, 2, 20):
            broken = ByteFaults(truncate=whole - missing)
            async with byte_client(make_app(), server=broken, era=era, sampling_handler=model) as client:
                with nullcontext() if missing == 1 else pytest.raises((ConnectionLost, InvalidResult)):
                    await client.call_tool("say", {"text": "once"})
                with pytest.raises(ConnectionLost):
                    await client.list_tools()


@each_era
async def test_a_truncated_request_ends_both_sides(era, autojump_clock):
    async with open_runtime() as runtime, no_leaks():
        written = []
        count = ByteFaults(change=lambda line: written.append(len(line)) or line)
        async with byte_client(make_app(), client=count, era=era):
            opening = sum(written)
        async with byte_client(make_app(), client=ByteFaults(truncate=opening + 30), era=era) as client:
            with pytest.raises(ConnectionLost):
                await client.call_tool("wait_for_ever")
            assert "server" not in str(runtime.tree())


@each_era
async def test_a_result_that_cannot_be_read_fails_its_own_call_only(era, autojump_clock):
    async with open_runtime(), no_leaks():
        changed = ByteFaults(change=lambda line: line.replace(b"spoilt", b"spo\xff\xfeilt"))
        async with byte_client(make_app(), server=changed, era=era, sampling_handler=lambda _: "fine") as client:
            with pytest.raises((InvalidResult, RPCError)):
                await client.call_tool("spoilt")
            assert (await client.call_tool("say", {"text": "well"})).content[0].text == "well · fine"


@each_era
async def test_a_message_longer_than_the_limit_is_refused_and_the_next_one_is_read(era, autojump_clock):
    async with (
        open_runtime(),
        no_leaks(),
        byte_client(make_app(), max_message=4000, era=era, sampling_handler=lambda _: "ok") as client,
    ):
        with pytest.raises(RPCError, match="4000"):
            await client.call_tool("say", {"text": "x" * 5000})
        assert (await client.call_tool("say", {"text": "y"})).content[0].text == "y · ok"


async def test_message_faults_and_byte_faults_add_up(autojump_clock):
    async with open_runtime(), no_leaks():
        plan = Plan(Rule(Drop(), sender="server", method="notifications/tools/list_changed"))
        way = byte_client(make_app(), server=ByteFaults(slice=5), era="2025-11-25")
        app = way._way.handle.app
        async with faulty(way, plan) as client:

            @app.tool
            async def another() -> None: ...

            assert "another" in [each.name for each in (await client.list_tools()).tools]
    assert len(plan.happened) == 1
