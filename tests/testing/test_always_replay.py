"""`always_replay` ends and repeats a handler's run at every question, in both eras, and only inside its block."""

from __future__ import annotations

import pytest

from zcp_actors import Context, FastZCP, memory_client, open_runtime
from zcp_actors.testing import ALWAYS_REPLAY_VARIABLE, Plan, always_replay, faulty, scripted_client

each_era = pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])


def make_app() -> FastZCP:
    app = FastZCP("Demo")
    app.runs = 0

    @app.tool
    async def two_questions(ctx: Context) -> str:
        app.runs += 1
        first = await ctx.sample("one", max_tokens=5)
        second = await ctx.sample("two", max_tokens=5)
        return first.content.text + second.content.text

    return app


async def runs_of_one_call(era, connect=memory_client):
    app = make_app()
    model = {"sampling_handler": lambda request: request.messages[0].content.text}
    async with connect(app, era=era, **model) as client:
        result = await client.call_tool("two_questions")
    assert result.content[0].text == "onetwo"
    return app.runs


@each_era
async def test_every_question_replays_the_handler(era, autojump_clock):
    async with open_runtime():
        with always_replay():
            assert await runs_of_one_call(era) == 3


async def test_without_it_a_2025_handler_runs_once(autojump_clock):
    async with open_runtime():
        with always_replay():
            pass
        assert await runs_of_one_call("2025-11-25") == 1


@each_era
async def test_it_reaches_sessions_that_actors_open(era, autojump_clock):
    """A link is an actor: it inherits the runtime's context, not that of the task that asked for the connection."""

    def connect(app, **options):
        return faulty(app, Plan(), reconnects=True, **options)

    async with open_runtime():
        with always_replay():
            assert await runs_of_one_call(era, connect) == 3
        assert await runs_of_one_call("2025-11-25", connect) == 1


async def test_it_reaches_runtimes_that_are_opened_inside(autojump_clock):
    with always_replay():
        async with open_runtime():
            assert await runs_of_one_call("2025-11-25") == 3


async def test_sessions_that_are_open_already_go_on_as_they_were(autojump_clock):
    app = make_app()
    answer = {"role": "assistant", "content": {"type": "text", "text": "x"}, "model": "m"}
    async with scripted_client(app, "2025-11-25", automatic={"sampling/createMessage": answer}) as peer:
        with always_replay():
            await peer.complete("tools/call", {"name": "two_questions", "arguments": {}})

    assert app.runs == 1


async def test_the_environment_variable_does_the_same_for_a_whole_process(autojump_clock, monkeypatch):
    monkeypatch.setenv(ALWAYS_REPLAY_VARIABLE, "1")
    async with open_runtime():
        assert await runs_of_one_call("2025-11-25") == 3


async def test_an_unsafe_handler_is_found():
    """A side effect before a question is repeated by the replay; `ctx.once` is not."""
    app = FastZCP("Demo")
    sent, once = [], []

    @app.tool
    async def unsafe(ctx: Context) -> str:
        sent.append("mail")
        await ctx.once("mail", lambda: once.append("mail"))
        return (await ctx.sample("q", max_tokens=5)).content.text

    async with open_runtime():
        with always_replay():
            async with memory_client(app, era="2025-11-25", sampling_handler=lambda _: "a") as client:
                await client.call_tool("unsafe")

    assert (len(sent), len(once)) == (2, 1)
