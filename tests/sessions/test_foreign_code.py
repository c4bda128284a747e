"""What the code of others may do to a call, and what it may not do to anything else."""

from __future__ import annotations

import asyncio
import sys

import pytest
import trio
import trio.testing
from session_world import STATEFUL, both_eras, opened

from zcp_actors import Context, FastZCP, Inbox, Policy
from zcp_actors.errors import RPCError

app = FastZCP("foreign")


@app.tool
async def leave() -> None:
    sys.exit(3)


@app.tool
async def fine() -> str:
    return "fine"


@app.tool
async def think(ctx: Context) -> str:
    return (await ctx.sample("Think", max_tokens=100)).text


@app.tool
async def ask(ctx: Context) -> str:
    return (await ctx.elicit("Go on?")).action


@both_eras
async def test_an_exit_in_a_tool_ends_its_call_and_nothing_else(era):
    async with opened(app, era) as client:
        with pytest.raises(RPCError, match="SystemExit"):
            await client.call_tool("leave")

        assert (await client.call_tool("fine")).structured_content == {"result": "fine"}


@both_eras
async def test_another_librarys_cancellation_in_a_provider_is_an_answer(era):
    async def provider(request):
        raise asyncio.CancelledError

    async with opened(app, era, sampling_handler=provider) as client:
        with pytest.raises(RPCError, match="CancelledError"):
            await client.call_tool("think")

        assert (await client.call_tool("fine")).structured_content == {"result": "fine"}


async def test_a_parked_handler_does_not_wait_for_ever(autojump_clock):
    """A client whose person never answers, and whose own limit is longer than the server's."""
    patient = Policy(max_human_wait=10 * 24 * 3600)
    async with opened(app, STATEFUL, elicitation_handler=Inbox(), policy=patient) as client:
        result = await client.call_tool("ask")
        await trio.testing.wait_all_tasks_blocked()

        assert result.is_error
        assert "no answer" in result.content[0].text
        assert client.runtime.pending() == ()
        assert trio.current_time() >= 24 * 3600


@both_eras
async def test_the_sampling_budget_counts_what_a_provider_says_it_used(era):
    def provider(request):
        return {"content": "short", "usage": {"outputTokens": 10}}

    async with opened(app, era, sampling_handler=provider, policy=Policy(sampling_tokens=120)) as client:
        for _ in range(3):  # 100 tokens asked for each time, 10 used
            assert (await client.call_tool("think")).structured_content == {"result": "short"}
        with pytest.raises(RPCError, match="90 tokens left"):
            await client.call_tool("think")
