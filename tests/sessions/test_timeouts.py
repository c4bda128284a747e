"""How long a request may take, and what does not count (DESIGN 6 and 10; `sessions.timeouts`)."""

from __future__ import annotations

import math

import pytest
import trio
from session_world import STATEFUL, both_eras, opened

from zcp_actors import Context, FastZCP, Inbox, Policy, Timeouts
from zcp_actors.errors import RequestTimeout, UsageError
from zcp_actors.sessions.timeouts import NO_TIMEOUTS, Patience, Stopwatch

SCHEMA = {"type": "object", "properties": {}}


def slow_app() -> FastZCP:
    app = FastZCP("Slow")

    @app.tool
    async def sleep(seconds: float) -> str:
        await trio.sleep(seconds)
        return "done"

    @app.tool
    async def report(times: int, every: float, ctx: Context) -> str:
        for number in range(times):
            await trio.sleep(every)
            await ctx.progress(number + 1)
        return "done"

    @app.tool
    async def elicit(ctx: Context) -> str:
        return (await ctx.elicit("?", SCHEMA)).action

    @app.tool
    async def sample(ctx: Context) -> str:
        return (await ctx.sample("?")).content.text

    return app


async def timed_out(client, name, arguments=None, **options):
    """Which limit ended the call, and when."""
    began = trio.current_time()
    with pytest.raises(RequestTimeout) as caught:
        await client.call_tool(name, arguments, **options)
    assert isinstance(caught.value, TimeoutError)
    return caught.value.kind, caught.value.seconds, trio.current_time() - began


@both_eras
async def test_the_defaults_are_a_minute_idle_and_ten_in_all(era, autojump_clock):
    """DESIGN 10."""
    async with opened(slow_app(), era) as client:
        assert await timed_out(client, "sleep", {"seconds": 9999}) == ("idle", 60, 60)
        assert await timed_out(client, "report", {"times": 9999, "every": 59}) == ("total", 600, 600)


@both_eras
async def test_the_limits_of_one_call_replace_the_clients(era, autojump_clock):
    async with opened(slow_app(), era, timeouts=Timeouts(idle=5, total=8)) as client:
        assert await timed_out(client, "sleep", {"seconds": 100}) == ("idle", 5, 5)
        found = await timed_out(client, "sleep", {"seconds": 100}, timeouts=Timeouts(idle=50, total=2))
        assert found == ("total", 2, 2)
        result = await client.call_tool("sleep", {"seconds": 10_000}, timeouts=NO_TIMEOUTS)
        assert result.structured_content == {"result": "done"}


@both_eras
async def test_progress_resets_the_idle_clock_and_not_the_total_one(era, autojump_clock):
    async with opened(slow_app(), era, timeouts=Timeouts(idle=5, total=30)) as client:
        assert (await client.call_tool("report", {"times": 5, "every": 4})).structured_content == {"result": "done"}
        assert await timed_out(client, "report", {"times": 99, "every": 4}) == ("total", 30, 30)


@both_eras
async def test_time_in_which_a_person_is_asked_counts_for_neither(era, autojump_clock):
    async def ponder(request):
        await trio.sleep(10_000)
        return True

    async with opened(slow_app(), era, timeouts=Timeouts(idle=5, total=8), elicitation_handler=ponder) as client:
        assert (await client.call_tool("elicit")).structured_content == {"result": "accept"}


@both_eras
async def test_time_in_which_this_side_owes_an_answer_is_not_idle_but_counts_in_all(era, autojump_clock):
    async def think(request, seconds):
        await trio.sleep(seconds)
        return "text"

    for seconds, expected in [(20, {"result": "text"}), (100, None)]:
        async with opened(
            slow_app(),
            era,
            timeouts=Timeouts(idle=5, total=30),
            sampling_handler=lambda request, pending, seconds=seconds: think(request, seconds),
        ) as client:
            if expected:
                assert (await client.call_tool("sample")).structured_content == expected
            else:
                assert await timed_out(client, "sample") == ("total", 30, 30)


@both_eras
async def test_the_clocks_go_on_after_the_person_has_answered(era, autojump_clock):
    app = FastZCP("Slow")

    @app.tool
    async def ask_then_sleep(ctx: Context) -> None:
        await ctx.elicit("?", SCHEMA)
        await trio.sleep_forever()

    async def ponder(request):
        await trio.sleep(1000)
        return True

    async with opened(app, era, timeouts=Timeouts(idle=5, total=60), elicitation_handler=ponder) as client:
        kind, limit, seconds = await timed_out(client, "ask_then_sleep")

    assert (kind, limit) == ("idle", 5)
    assert 1005 <= seconds <= 1010


@both_eras
async def test_a_person_who_never_answers_has_cancelled_after_max_human_wait(era, autojump_clock):
    async with opened(slow_app(), era, elicitation_handler=Inbox(), policy=Policy(max_human_wait=3600)) as client:
        began = trio.current_time()
        assert (await client.call_tool("elicit")).structured_content == {"result": "cancel"}
        assert trio.current_time() - began == 3600


@both_eras
async def test_a_model_that_never_answers_is_refused_after_its_seconds(era, autojump_clock):
    async def hang(request):
        await trio.sleep_forever()

    async with opened(
        slow_app(), era, sampling_handler=hang, timeouts=Timeouts(idle=60, total=600), policy=Policy(sampling_seconds=9)
    ) as client:
        began = trio.current_time()
        with pytest.raises(Exception, match="not answered within 9 s"):
            result = await client.call_tool("sample")
            raise AssertionError(result.content[0].text)
        assert trio.current_time() - began == 9


@both_eras
async def test_a_timeout_leaves_the_session_in_use(era, autojump_clock):
    async with opened(slow_app(), era, timeouts=Timeouts(idle=1, total=2)) as client:
        for _ in range(3):
            await timed_out(client, "sleep", {"seconds": 100})
        assert (await client.call_tool("sleep", {"seconds": 0.5})).structured_content == {"result": "done"}


async def test_another_calls_question_does_not_keep_a_silent_call_alive_for_ever(autojump_clock):
    """What is asked cannot be told apart in 2025, so a person's time counts for no call; but it is bounded."""

    async def ponder(request):
        await trio.sleep(100)
        return True

    async with (
        opened(slow_app(), STATEFUL, timeouts=Timeouts(idle=5, total=20), elicitation_handler=ponder) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.call_tool, "elicit")
        await trio.sleep(1)
        kind, _, seconds = await timed_out(client, "sleep", {"seconds": 9999})

        assert (kind, 100 <= seconds <= 110) == ("idle", True)


# ---- the clocks themselves
def test_a_stopwatch_counts_time_once_however_many_are_open():
    watch = Stopwatch()
    watch.begin(1)
    watch.begin(2)
    watch.end(4)
    assert watch.read(5) == 4
    watch.end(6)

    assert (watch.read(100), watch.running) == (5, False)


def test_patience_says_which_limit_is_next():
    human, owed = Stopwatch(), Stopwatch()
    patience = Patience(Timeouts(idle=10, total=25), 0, human, owed)

    assert patience.left(0, human, owed) == (10, "idle")
    patience.heard(9, owed)
    assert patience.left(9, human, owed) == (10, "idle")
    patience.heard(18, owed)
    assert patience.left(18, human, owed) == (7, "total")
    assert Patience(Timeouts(math.inf, math.inf), 0, human, owed).left(99, human, owed)[0] == math.inf


@pytest.mark.parametrize("limit", [None, "60", -1, math.nan])
def test_a_limit_that_is_no_number_of_seconds_is_refused_where_it_is_written(limit):
    for options in ({"idle": limit}, {"total": limit}):
        with pytest.raises(UsageError, match=f"Timeouts.{next(iter(options))} is a number of seconds"):
            Timeouts(**options)
    assert Timeouts(idle=0, total=math.inf).first == 0
