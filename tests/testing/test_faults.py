"""A faulty way does to messages what its plan says, in virtual time, and the sessions on both sides survive it."""

from __future__ import annotations

import pytest
import trio

from zcp_actors import Context, FastZCP, Timeouts, memory_client, open_runtime
from zcp_actors.errors import ConnectionLost, RequestTimeout, RPCError, ZCPError
from zcp_actors.testing import (
    Cut,
    Delay,
    Drop,
    Duplicate,
    Plan,
    RandomPlan,
    Reorder,
    Rule,
    ScriptedServer,
    Transcript,
    faulty,
    no_leaks,
)
from zcp_actors.testing.faults import Counter
from zcp_actors.wire import ErrorResponse, Notification, Request, Response

OLD, NEW = "2025-11-25", "2026-07-28"
each_era = pytest.mark.parametrize("era", [OLD, NEW])
REPLY = {"sender": "server", "kind": "reply", "method": "tools/call"}
CALL = {"sender": "client", "kind": "request", "method": "tools/call"}


def make_app() -> FastZCP:
    app = FastZCP("Demo")
    app.calls = []

    @app.tool
    async def echo(n: int, ctx: Context) -> int:
        app.calls.append(n)
        return n

    @app.tool
    async def ask(n: int, ctx: Context) -> str:
        draft = await ctx.sample(f"question {n}", max_tokens=5)
        return draft.content.text

    return app


async def outcomes(client, count):
    """`count` concurrent calls, each as its number or the type of its error."""
    found = [None] * count

    async def call(n):
        try:
            found[n] = (await client.call_tool("echo", {"n": n})).structured_content["result"]
        except ZCPError as error:
            found[n] = type(error)

    async with trio.open_nursery() as nursery:
        for n in range(count):
            nursery.start_soon(call, n)
            await trio.testing.wait_all_tasks_blocked()
    return found


@each_era
async def test_a_plan_without_rules_changes_nothing(era, autojump_clock):
    async with open_runtime(), no_leaks():
        seen, plain = Transcript(), Transcript()
        async with memory_client(make_app(), tap=plain, era=era) as client:
            await outcomes(client, 3)
        plan = Plan()
        async with faulty(memory_client(make_app(), tap=seen, era=era), plan) as client:
            assert await outcomes(client, 3) == [0, 1, 2]

    assert [*seen] == [*plain]
    assert not plan.happened


@each_era
async def test_a_dropped_reply_is_a_request_timeout(era, autojump_clock):
    async with open_runtime(), no_leaks():
        plan = Plan(Rule(Drop(), **REPLY, nth=2))
        async with faulty(make_app(), plan, era=era, timeouts=Timeouts(idle=20)) as client:
            assert await outcomes(client, 3) == [0, RequestTimeout, 2]
            assert trio.current_time() == pytest.approx(20)
    assert [str(each) for each in plan.happened] == ["Drop() to server message 3, reply tools/call"]


@each_era
async def test_a_dropped_request_never_reaches_the_server(era, autojump_clock):
    app = make_app()
    async with (
        open_runtime(),
        no_leaks(),
        faulty(app, Plan(Rule(Drop(), **CALL)), era=era, timeouts=Timeouts(idle=20)) as client,
    ):
        assert await outcomes(client, 2) == [RequestTimeout, RequestTimeout]
    assert app.calls == []


@each_era
async def test_a_doubled_reply_is_harmless(era, autojump_clock):
    async with open_runtime(), no_leaks():
        plan = Plan(Rule(Duplicate(3), sender="server"))
        async with faulty(make_app(), plan, era=era) as client:
            assert await outcomes(client, 4) == [0, 1, 2, 3]
    assert len(plan.happened) >= 4


async def test_a_doubled_question_and_a_doubled_answer_are_harmless(autojump_clock):
    asked = []

    def model(request):
        asked.append(request.messages[0].content.text)
        return "text"

    async with open_runtime(), no_leaks():
        plan = Plan(Rule(Duplicate(), sender="client", kind="reply"))
        async with faulty(make_app(), plan, era=OLD, sampling_handler=model) as client:
            result = await client.call_tool("ask", {"n": 1})

    assert result.content[0].text == "text"
    assert (asked, len(plan.happened)) == (["question 1"], 1)


@each_era
async def test_a_doubled_request_runs_the_tool_once(era, autojump_clock):
    """The id is in use, so the second is refused; the error may be read as the answer, the tool runs once at most."""
    app = make_app()
    async with open_runtime(), no_leaks(), faulty(app, Plan(Rule(Duplicate(), **CALL)), era=era) as client:
        with pytest.raises(RPCError, match="already in use"):
            await client.call_tool("echo", {"n": 1})
    assert len(app.calls) <= 1


@each_era
async def test_a_delayed_reply_comes_when_it_is_due(era, autojump_clock):
    async with open_runtime(), no_leaks(), faulty(make_app(), Plan(Rule(Delay(12.5), **REPLY)), era=era) as client:
        assert await outcomes(client, 2) == [0, 1]
        assert trio.current_time() == pytest.approx(12.5)


@each_era
async def test_a_delay_beyond_the_limit_is_a_timeout_and_the_late_reply_is_dropped(era, autojump_clock):
    async with open_runtime(), no_leaks():
        plan = Plan(Rule(Delay(30), **REPLY, nth=1))
        async with faulty(make_app(), plan, era=era, timeouts=Timeouts(idle=20)) as client:
            assert await outcomes(client, 1) == [RequestTimeout]
            await trio.sleep(15)
            assert await outcomes(client, 2) == [0, 1]


@each_era
async def test_reordered_replies_reach_their_own_callers(era, autojump_clock):
    async with open_runtime(), no_leaks():
        plan = Plan(Rule(Reorder(2), **REPLY, nth=1), Rule(Reorder(), **REPLY, nth=4))
        async with faulty(make_app(), plan, era=era) as client:
            assert await outcomes(client, 5) == [0, 1, 2, 3, 4]
            assert trio.current_time() == 0
    assert len(plan.happened) == 2


async def test_a_reordered_message_arrives_after_as_many_as_it_was_told(autojump_clock):
    heard = []
    async with open_runtime(), no_leaks():
        peer = ScriptedServer(OLD)
        plan = Plan(Rule(Reorder(2), method="notifications/message", nth=1))
        async with faulty(peer, plan, era=OLD, log_handler=lambda each: heard.append(each.data)):
            for n in range(5):
                peer.notify("notifications/message", {"level": "info", "data": n})

    assert heard == [1, 2, 0, 3, 4]


@each_era
async def test_a_reordered_message_that_nothing_overtakes_goes_on_after_its_patience(era, autojump_clock):
    async with (
        open_runtime(),
        no_leaks(),
        faulty(make_app(), Plan(Rule(Reorder(patience=3), **REPLY)), era=era) as client,
    ):
        assert await outcomes(client, 1) == [0]
        assert trio.current_time() == pytest.approx(3)


@each_era
@pytest.mark.parametrize("delivered", [False, True])
async def test_a_cut_gives_connection_lost_to_all_in_flight(era, delivered, autojump_clock):
    """The cut strikes at the reply of the second call; the first one's reply is on its way and lost with it."""
    async with open_runtime() as runtime, no_leaks():
        plan = Plan(Rule(Delay(5), **REPLY, nth=1), Rule(Cut(delivered), **REPLY, nth=2))
        async with faulty(make_app(), plan, era=era) as client:
            second = 1 if delivered else ConnectionLost
            assert await outcomes(client, 2) == [ConnectionLost, second]
            assert "server" not in str(runtime.tree()), "the server lost the connection too"
            with pytest.raises(ConnectionLost):
                await client.call_tool("echo", {"n": 3})


@each_era
async def test_a_supervised_client_comes_back_after_a_cut(era, autojump_clock):
    async with open_runtime() as runtime, no_leaks():
        plan = Plan(Rule(Cut(), **REPLY, nth=1))
        client = await runtime.connect(faulty(make_app(), plan, reconnects=True, era=era))
        assert await outcomes(client, 1) == [ConnectionLost]
        assert await outcomes(client, 2) == [0, 1]
        await client.close()
    assert len(plan.happened) == 1


async def test_a_question_that_a_person_is_answering_survives_a_cut_in_the_stateless_era(autojump_clock):
    """Nothing is on the wire meanwhile: the retry goes over the next connection."""
    asked = trio.Event()

    async def slow_model(_):
        asked.set()
        await trio.sleep(5)
        return "thought about it"

    async with open_runtime() as runtime, trio.open_nursery() as nursery:
        plan = Plan(Rule(Cut(), method="notifications/cancelled"))
        client = await runtime.connect(faulty(make_app(), plan, reconnects=True, era=NEW, sampling_handler=slow_model))
        found = []

        async def call():
            found.append(await client.call_tool("ask", {"n": 1}))

        nursery.start_soon(call)
        await asked.wait()
        # The caller of another request leaves: its cancellation is the message at which the connection breaks.
        with trio.move_on_after(0) as gone:
            await client.call_tool("ask", {"n": 2})
        await trio.sleep(20)

    assert gone.cancelled_caught
    assert found[0].content[0].text == "thought about it"


@each_era
async def test_rules_can_look_at_the_message_and_begin_late(era, autojump_clock):
    def even(passing):
        return passing.message.params.arguments["n"] % 2 == 0

    async with open_runtime(), no_leaks():
        plan = Plan(Rule(Drop(), **CALL, when=even, after=1))
        async with faulty(make_app(), plan, era=era, timeouts=Timeouts(idle=5)) as client:
            assert await outcomes(client, 5) == [0, 1, RequestTimeout, 3, RequestTimeout]


@each_era
@pytest.mark.parametrize("seed", range(8))
async def test_under_a_random_mix_every_caller_gets_its_own_answer_or_a_typed_error(era, seed, autojump_clock, capsys):
    async with open_runtime(), no_leaks():
        plan = RandomPlan(seed, drop=0.1, delay=0.2, duplicate=0.1, reorder=0.2, cut=0.02, longest_delay=30)
        async with faulty(make_app(), plan, era=era, timeouts=Timeouts(idle=20)) as client:
            found = await outcomes(client, 30)

    for n, outcome in enumerate(found):
        assert outcome in (n, RequestTimeout, ConnectionLost, RPCError), (n, outcome)
    assert plan.happened
    assert f"RandomPlan({seed}" in capsys.readouterr().out


@each_era
@pytest.mark.parametrize("reconnects", [False, True])
@pytest.mark.parametrize("seed", range(5))
async def test_whole_conversations_survive_a_random_mix(era, reconnects, seed, autojump_clock):
    """Calls that ask back, callers that leave, connections that break and come back: no hang, no crossing, no leak."""

    async def slow_model(request):
        await trio.sleep(seed)
        return request.messages[0].content.text

    ends = {}

    async def call(client, n):
        with trio.move_on_after((2, 5, 1000)[n % 3]):
            try:
                ends[n] = (await client.call_tool("ask", {"n": n})).content[0].text
            except (RequestTimeout, ConnectionLost, RPCError) as error:
                ends[n] = error

    async with open_runtime() as runtime, no_leaks():
        plan = RandomPlan(seed, drop=0.05, delay=0.15, duplicate=0.1, reorder=0.15, cut=0.01, longest_delay=30)
        options = {"era": era, "sampling_handler": slow_model, "timeouts": Timeouts(idle=20, total=100)}
        client = await runtime.connect(faulty(make_app(), plan, reconnects=reconnects, **options))
        with trio.fail_after(1000):
            async with trio.open_nursery() as nursery:
                for n in range(30):
                    nursery.start_soon(call, client, n)
                    await trio.sleep(n % 2)
        await client.close()

    assert [text for n, text in ends.items() if isinstance(text, str) and text != f"question {n}"] == []
    assert plan.happened


async def test_the_same_seed_is_the_same_run(autojump_clock):
    runs = []
    for _ in range(2):
        async with open_runtime():
            plan = RandomPlan(7, drop=0.2, delay=0.2, reorder=0.2)
            async with faulty(make_app(), plan, era=NEW, timeouts=Timeouts(idle=20)) as client:
                await outcomes(client, 20)
            runs.append([str(each) for each in plan.happened])

    assert runs[0] == runs[1]
    assert len(runs[0]) > 5


def test_a_plan_that_draws_its_own_seed_says_which(capsys):
    plan = RandomPlan()

    assert f"RandomPlan({plan.seed}, ...)" in capsys.readouterr().out


def test_a_reply_has_the_method_of_the_request_it_answers():
    counter = Counter()
    counter.passing("client", Request(1, "tools/call"))
    counter.passing("server", Request(1, "roots/list"))

    of_server = counter.passing("server", Response(1, {}))
    of_client = counter.passing("client", ErrorResponse(1, -1, "no"))
    note = counter.passing("client", Notification("notifications/cancelled"))

    assert (of_server.kind, of_server.method, of_server.number) == ("reply", "tools/call", 2)
    assert (of_client.kind, of_client.method, of_client.number) == ("reply", "roots/list", 2)
    assert (note.kind, note.method, note.number) == ("notification", "notifications/cancelled", 3)
