"""One straight-line handler in every situation (DESIGN 3): replayed, suspended, interrupted, repeated."""

from __future__ import annotations

import itertools
from contextlib import nullcontext, suppress

import attrs
import pytest
import trio
from session_world import STATEFUL, STATELESS, Line, assert_empty, both_eras, opened, strictly_or_not

from zcp_actors import Context, FastZCP, open_runtime
from zcp_actors.errors import CallEnding
from zcp_actors.sessions.call import ONCE_SECONDS
from zcp_actors.tasks import MemoryOnceStore
from zcp_actors.testing import always_replay
from zcp_actors.wire import InputRequiredResult, to_wire

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
replaying = pytest.mark.parametrize("replay", [False, True], ids=["as it is", "always replayed"])


@attrs.define
class Press:
    """A tool with two questions, a `once` between them and a `finally`; it keeps account."""

    presses: int = 0
    runs: int = 0
    ended: list[str] = attrs.Factory(list)
    asked: list[str] = attrs.Factory(list)
    gate: trio.Event | None = None
    """While there is one, whoever is asked the second question waits for it."""

    def app(self) -> FastZCP:
        app = FastZCP("Press")

        @app.tool
        async def publish(ctx: Context) -> dict:
            self.runs += 1
            try:
                first = await ctx.elicit("first?", SCHEMA)
                number = await ctx.once("press", self.press)
                second = await ctx.elicit("second?", SCHEMA)
                return {"names": [first.content["name"], second.content["name"]], "number": number}
            finally:
                self.ended.append("suspended" if ctx.suspending else "ended")

        return app

    async def press(self) -> int:
        await trio.sleep(0.01)
        self.presses += 1
        return self.presses

    async def answer(self, request) -> dict:
        self.asked.append(request.message)
        if self.gate is not None and request.message == "second?":
            await self.gate.wait()
        return {"action": "accept", "content": {"name": request.message[:-1]}}


# ---- the handler of two questions
@both_eras
@strictly_or_not
@replaying
@pytest.mark.parametrize("store", [None, MemoryOnceStore], ids=["no store", "store"])
async def test_it_runs_straight_through_and_nothing_happens_twice(era, strict, replay, store, autojump_clock):
    press = Press()
    with always_replay() if replay else nullcontext():
        async with opened(
            press.app(),
            era,
            strict=strict,
            elicitation_handler=press.answer,
            runtime={"once_store": store and store()},
        ) as client:
            result = await client.call_tool("publish")

    assert result.structured_content == {"names": ["first", "second"], "number": 1}
    assert press.presses == 1
    assert press.asked == ["first?", "second?"]
    assert press.ended.count("ended") == 1
    assert press.runs == (1 if era == STATEFUL and not replay else 3)


@both_eras
@replaying
@pytest.mark.parametrize("moment", [0.0, 0.005, 0.011, 0.02, 0.06, 0.5])
async def test_a_call_cancelled_at_any_moment_ends_and_asks_nothing_more(era, replay, moment, autojump_clock):
    press = Press(gate=trio.Event())
    with always_replay() if replay else nullcontext():
        async with opened(press.app(), era, elicitation_handler=press.answer) as client:
            with trio.move_on_after(moment) as scope:
                await client.call_tool("publish")
            assert scope.cancelled_caught
            asked = list(press.asked)
            await trio.sleep(5)

    assert press.asked == asked
    assert press.asked in ([], ["first?"], ["first?", "second?"])
    assert press.presses <= 1
    assert len(press.ended) == press.runs
    assert press.ended.count("ended") <= 1


@both_eras
async def test_a_cancel_of_the_waiting_call_reaches_its_finally_as_an_end(era, autojump_clock):
    """2025: the coroutine is parked and ends. 2026: it ended when it was suspended, and is not run again."""
    press = Press(gate=trio.Event())
    async with opened(press.app(), era, elicitation_handler=press.answer) as client:
        with trio.move_on_after(1):
            await client.call_tool("publish")
        await trio.sleep(1)

    assert press.ended == (["ended"] if era == STATEFUL else ["suspended", "suspended"])


@pytest.mark.parametrize("lost", list(itertools.product([0, 1, 2], repeat=3)), ids=str)
@replaying
async def test_with_a_store_a_lost_response_repeats_no_side_effect(lost, replay, autojump_clock):
    """`lost` says how many responses of each of the three rounds are lost, so that the same request is sent again."""
    press, store = Press(), MemoryOnceStore()
    with always_replay() if replay else nullcontext():
        async with open_runtime(once_store=store) as runtime:
            line = Line(press.app()).host(runtime)
            params = {"name": "publish", "arguments": {}}
            for losses in lost:
                for _ in range(losses + 1):
                    reply = await line.ask("tools/call", params)
                if isinstance(reply.result, InputRequiredResult):
                    params = retry_of(params, reply.result)
            line.session.lost(None)
            await assert_empty(runtime)

    assert reply.result.structured_content == {"names": ["first", "second"], "number": 1}
    assert press.presses == 1


async def test_without_a_store_a_lost_response_is_at_least_once(autojump_clock):
    """DESIGN 3: "Without a store it is at least once, and says so"."""
    press = Press()
    async with open_runtime() as runtime:
        line = Line(press.app()).host(runtime)
        params = {"name": "publish", "arguments": {}}
        params = retry_of(params, (await line.ask("tools/call", params)).result)
        await line.ask("tools/call", params)
        await line.ask("tools/call", params)

    assert press.presses == 2


async def test_two_equal_retries_at_once_press_once_and_one_of_them_learns_of_the_other(autojump_clock):
    press = Press()
    async with open_runtime(once_store=MemoryOnceStore()) as runtime:
        line = Line(press.app()).host(runtime)
        params = {"name": "publish", "arguments": {}}
        params = retry_of(params, (await line.ask("tools/call", params)).result)
        ids = [line.send("tools/call", params) for _ in range(2)]
        replies = [await line.reply_to(id) for id in ids]

    assert press.presses == 1
    errors = [reply for reply in replies if not hasattr(reply, "result")]
    assert ["OnceUncertain" in error.message for error in errors] == [True]


def retry_of(params, asked):
    """The same request with every question answered."""
    given = {
        key: {"action": "accept", "content": {"name": each.params.message[:-1]}}
        for key, each in asked.input_requests.items()
    }
    return {
        "name": params["name"],
        "arguments": params["arguments"],
        "inputResponses": given,
        "requestState": asked.request_state,
    }


# ---- questions asked together
def gathering(*branches, slow=None) -> FastZCP:
    """A tool that asks each of `branches` in a task of its own; `slow` works for so long and then asks."""
    app = FastZCP("Gathering")

    @app.tool
    async def gather(ctx: Context) -> dict:
        found = {}

        async def ask(message):
            found[message] = (await ctx.elicit(message, SCHEMA)).content["name"]

        async def work():
            await trio.sleep(slow)
            await ask("slow?")

        async with trio.open_nursery() as nursery:
            for message in branches:
                nursery.start_soon(ask, message)
            if slow is not None:
                nursery.start_soon(work)
        return found

    return app


def rounds_of(tapped):
    """The messages of each `input_required` result."""
    results = [message.result for side, message in tapped if side == "server" and hasattr(message, "result")]
    return [
        sorted(each.params.message for each in result.input_requests.values())
        for result in results
        if isinstance(result, InputRequiredResult)
    ]


def named(request):
    return {"accepted": True, "data": {"name": request.message}}


async def test_questions_of_one_nursery_travel_in_one_round_at_once(autojump_clock):
    tapped = []
    async with opened(
        gathering("a?", "b?", "c?"), STATELESS, elicitation_handler=named, tap=lambda *seen: tapped.append(seen)
    ) as client:
        began = trio.current_time()
        result = await client.call_tool("gather")

        assert trio.current_time() == began  # nobody waited for the 50 ms
    assert result.structured_content == {"a?": "a?", "b?": "b?", "c?": "c?"}
    assert rounds_of(tapped) == [["a?", "b?", "c?"]]


@pytest.mark.parametrize(("seconds", "rounds"), [(0.04, [["a?", "slow?"]]), (0.06, [["a?"], ["slow?"]])])
async def test_a_branch_that_is_still_at_work_is_cut_after_50_ms_and_run_again(seconds, rounds, autojump_clock):
    tapped = []
    async with opened(
        gathering("a?", slow=seconds), STATELESS, elicitation_handler=named, tap=lambda *seen: tapped.append(seen)
    ) as client:
        result = await client.call_tool("gather")

    assert result.structured_content == {"a?": "a?", "slow?": "slow?"}
    assert rounds_of(tapped) == rounds


@both_eras
@replaying
@pytest.mark.parametrize("slow", [None, 0.01, 0.2])
async def test_branches_find_their_own_answers(era, replay, slow, autojump_clock):
    asked = []

    async def answer(request):
        asked.append(request.message)
        await trio.sleep(0.001 * len(asked))
        return named(request)

    with always_replay() if replay else nullcontext():
        async with opened(gathering("a?", "b?", "c?", slow=slow), era, elicitation_handler=answer) as client:
            result = await client.call_tool("gather")

    names = ["a?", "b?", "c?"] if slow is None else ["a?", "b?", "c?", "slow?"]
    assert result.structured_content == {name: name for name in names}
    assert sorted(asked) == names


# ---- keys
def keyed(*keys) -> FastZCP:
    app = FastZCP("Keyed")

    @app.tool
    async def both(ctx: Context) -> list:
        found = []

        async def ask(key):
            found.append((key or "-", (await ctx.elicit("same?", SCHEMA, key=key)).content["name"]))

        async with trio.open_nursery() as nursery:
            for key in keys:
                nursery.start_soon(ask, key)
        return sorted(found)

    return app


@both_eras
async def test_two_equal_questions_at_once_need_keys(era, autojump_clock):
    async with opened(keyed(None, None), era, elicitation_handler=named) as client:
        with pytest.raises(Exception, match="AmbiguousQuestion.*pass key="):
            await client.call_tool("both")


@both_eras
@replaying
async def test_with_keys_two_equal_questions_are_two(era, replay, autojump_clock):
    asked = []

    def answer(request):
        asked.append(request.message)
        return named(request)

    with always_replay() if replay else nullcontext():
        async with opened(keyed("left", "right"), era, elicitation_handler=answer) as client:
            result = await client.call_tool("both")

    assert result.structured_content == {"result": [["left", "same?"], ["right", "same?"]]}
    assert asked == ["same?", "same?"]


@pytest.mark.parametrize("again", [0, 1, 2])
async def test_a_handler_that_asks_something_else_when_replayed_is_told_so(again, autojump_clock):
    """DESIGN 3: a `ReplayMismatch`, never a wrong answer."""
    app, runs = FastZCP("Fickle"), []

    @app.tool
    async def fickle(ctx: Context) -> str:
        runs.append(1)
        await ctx.elicit(f"question of run {len(runs) if again == 0 else 1}?", SCHEMA)
        if again == 1 and len(runs) == 2:
            return "early"
        await ctx.elicit(f"second of run {len(runs) if again == 2 else 1}?", SCHEMA)
        await ctx.elicit("third?", SCHEMA)
        return "late"

    async with opened(app, STATELESS, elicitation_handler=named) as client:
        if again == 1:
            assert (await client.call_tool("fickle")).structured_content == {"result": "early"}
            return
        with pytest.raises(Exception, match="ReplayMismatch: the handler did not repeat itself.*ctx.once"):
            await client.call_tool("fickle")


async def test_a_key_that_stands_for_another_question_is_a_mismatch(autojump_clock):
    app, runs = FastZCP("Fickle"), []

    @app.tool
    async def fickle(ctx: Context) -> str:
        runs.append(1)
        await ctx.elicit(f"run {len(runs)}?", SCHEMA, key="name")
        return "never"

    async with opened(app, STATELESS, elicitation_handler=named) as client:
        with pytest.raises(Exception, match="ReplayMismatch: key 'name' stood for"):
            await client.call_tool("fickle")


# ---- suspension
async def test_a_value_returned_after_suspension_is_discarded(autojump_clock):
    app = FastZCP("Stubborn")

    @app.tool
    async def stubborn(ctx: Context) -> str:
        try:
            return (await ctx.elicit("?", SCHEMA)).content["name"]
        except trio.Cancelled:
            if ctx.suspending:
                return "swallowed"
            raise

    async with opened(app, STATELESS, elicitation_handler=named) as client:
        assert (await client.call_tool("stubborn")).structured_content == {"result": "?"}


@both_eras
async def test_an_error_in_a_finally_while_suspending_does_not_end_the_call(era, autojump_clock):
    app = FastZCP("Careless")

    @app.tool
    async def careless(ctx: Context) -> str:
        try:
            return (await ctx.elicit("?", SCHEMA)).content["name"]
        finally:
            if ctx.suspending:
                raise ValueError("clean-up failed")

    async with opened(app, era, elicitation_handler=named) as client:
        assert (await client.call_tool("careless")).structured_content == {"result": "?"}


@both_eras
@pytest.mark.parametrize("shield", [False, True], ids=["cancelled", "shielded"])
async def test_a_handler_that_is_ending_can_ask_nothing_more(era, shield, autojump_clock):
    """2026: the suspended run asks in its `finally`."""
    app, raised = FastZCP("Late"), []

    @app.tool
    async def late(ctx: Context) -> str:
        try:
            return (await ctx.elicit("?", SCHEMA)).content["name"]
        finally:
            if ctx.suspending:
                with trio.CancelScope(shield=shield):
                    try:
                        await ctx.elicit("one more?", SCHEMA)
                    except (CallEnding, trio.Cancelled) as error:
                        raised.append(type(error).__name__)
                        if not shield:
                            raise

    async with opened(app, era, elicitation_handler=named) as client:
        await client.call_tool("late")

    assert raised == ([] if era == STATEFUL else ["CallEnding" if shield else "Cancelled"])


@pytest.mark.parametrize(("seconds", "recorded"), [(ONCE_SECONDS - 1, True), (ONCE_SECONDS + 1, False)])
async def test_suspension_waits_for_a_running_once_but_not_for_ever(seconds, recorded, autojump_clock):
    app, begun, done = FastZCP("Slow"), [], []

    async def effect():
        begun.append(trio.current_time())
        await trio.sleep(seconds if len(begun) == 1 else 0)
        done.append(1)
        return 7

    @app.tool
    async def slow(ctx: Context) -> int:
        found = []

        async def work():
            found.append(await ctx.once("effect", effect))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await ctx.elicit("?", SCHEMA)
        return found[0]

    async with opened(app, STATELESS, elicitation_handler=named) as client:
        assert (await client.call_tool("slow")).structured_content == {"result": 7}

    assert (len(begun), len(done)) == ((1, 1) if recorded else (2, 1))


@both_eras
async def test_a_real_cancel_interrupts_a_once(era, autojump_clock):
    app, ended = FastZCP("Slow"), []

    async def effect():
        try:
            await trio.sleep(60)
        finally:
            ended.append(trio.current_time())

    @app.tool
    async def slow(ctx: Context) -> int:
        return await ctx.once("effect", effect)

    async with opened(app, era) as client:
        began = trio.current_time()
        with trio.move_on_after(1):
            await client.call_tool("slow")
        await trio.sleep(0.001)

        assert ended == [began + 1]


async def test_a_real_cancel_interrupts_a_once_that_a_suspension_waits_for(autojump_clock):
    app, ended = FastZCP("Slow"), []

    async def effect():
        try:
            await trio.sleep(20)
        finally:
            ended.append(trio.current_time())

    @app.tool
    async def slow(ctx: Context) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ctx.once, "effect", effect)
            await ctx.elicit("?", SCHEMA)

    async with opened(app, STATELESS, elicitation_handler=named) as client:
        began = trio.current_time()
        with trio.move_on_after(5):
            await client.call_tool("slow")
        await trio.sleep(0.001)

        assert ended == [began + 5]


# ---- once, and its errors
@both_eras
@replaying
async def test_a_once_that_is_repeated_under_one_key_is_an_error_of_the_author(era, replay, autojump_clock):
    app = FastZCP("Twice")

    @app.tool
    async def twice(ctx: Context) -> list:
        return [await ctx.once("same", lambda: 1), await ctx.once("same", lambda: 2)]

    async with opened(app, era) as client:
        with pytest.raises(Exception, match="key 'same' was already used"):
            await client.call_tool("twice")


async def test_a_once_that_failed_with_a_store_is_uncertain_unless_it_may_be_retried(autojump_clock):
    app, tries = FastZCP("Failing"), []

    def effect():
        tries.append(1)
        if len(tries) == 1:
            raise OSError("the press is jammed")
        return len(tries)

    @app.tool
    async def fail(ctx: Context, retry: bool) -> int:
        with suppress(OSError):
            await ctx.once("effect", effect)
        return await ctx.once("effect", effect, retry_unfinished=retry)

    for retry in (False, True):
        tries.clear()
        async with opened(app, STATELESS, runtime={"once_store": MemoryOnceStore()}) as client:
            if retry:
                assert (await client.call_tool("fail", {"retry": True})).structured_content == {"result": 2}
            else:
                with pytest.raises(Exception, match="OnceUncertain: the once block 'effect' was begun"):
                    await client.call_tool("fail", {"retry": False})


# ---- the sealed state
@pytest.mark.parametrize("first", [{}, {"arguments": {}}])
@pytest.mark.parametrize("then", [{}, {"arguments": {}}])
async def test_no_arguments_and_empty_ones_are_the_same_request(first, then, autojump_clock):
    press = Press()
    async with open_runtime() as runtime:
        line = Line(press.app()).host(runtime)
        asked = (await line.ask("tools/call", {"name": "publish", **first})).result
        retry = retry_of({"name": "publish", "arguments": {}}, asked)
        del retry["arguments"]

        assert isinstance((await line.ask("tools/call", {**retry, **then})).result, InputRequiredResult)


async def test_a_state_serves_only_its_own_request(autojump_clock):
    """C 58: bound to app, request, principal; whatever else is -32602 that says why."""
    press, other = Press(), Press()
    async with open_runtime() as runtime:
        line, stranger = Line(press.app()).host(runtime), Line(other.app(), principal="eve").host(runtime)
        params = {"name": "publish", "arguments": {}}
        asked = (await line.ask("tools/call", params)).result
        retry = retry_of(params, asked)

        for session, changed in [
            (line, {"arguments": {"more": 1}}),
            (line, {"requestState": asked.request_state[:-4] + "AAAA"}),
            (line, {"requestState": "x"}),
            (line, {"requestState": ""}),
            (stranger, {}),
        ]:
            reply = await session.ask("tools/call", {**retry, **changed})
            assert (reply.code, "requestState" in reply.message) == (-32602, True), reply

        assert press.presses == other.presses == 0
        assert isinstance((await line.ask("tools/call", retry)).result, InputRequiredResult)
        assert to_wire(asked)["resultType"] == "input_required"
