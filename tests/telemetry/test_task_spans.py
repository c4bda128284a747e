"""A task in a trace: one span for it, one for every visit of a status, tiled; its waits below their status."""

from __future__ import annotations

import itertools

import pytest
import trio
from session_world import STATEFUL, both_eras
from span_world import Recorded, links, seconds

from zcp_actors import Context, FastZCP, memory_client, open_runtime
from zcp_actors.errors import RequestCancelled
from zcp_actors.ports import NullRecorder

QUEUED, WORKING, ASKING = "queued", "working", "input_required"
ENDS = ("completed", "failed", "cancelled")
NEXT = {
    "": (QUEUED, WORKING),
    QUEUED: (WORKING, "cancelled", "failed"),
    WORKING: (ASKING, *ENDS),
    ASKING: (WORKING, *ENDS),
}
"""Every transition that a task can make: `protocol.tasks`."""


def lives(longest: int = 6):
    """Every way through the statuses, up to so many visits."""

    def on(life):
        for status in NEXT[life[-1] if life else ""]:
            if status in ENDS:
                yield (*life, status)
            elif len(life) < longest:
                yield from on((*life, status))

    return list(on(()))


def test_every_transition_is_in_some_life():
    moves = {move for life in lives() for move in itertools.pairwise(("", *life))}

    assert moves == {(old, new) for old, news in NEXT.items() for new in news}


@pytest.mark.parametrize("life", lives(), ids=" ".join)
async def test_statuses_tile_the_task_with_exact_durations(life, autojump_clock):
    recorded = Recorded()
    report, durations = recorded.telemetry.transition, [1.5 * 2**number for number in range(len(life) - 1)]
    facts = {"id": "t-1", "method": "tools/call", "target": "report", "principal": "", "by": "task", "reason": ""}
    old = ""
    for new, duration in zip(life, [*durations, 0.0], strict=True):
        report("task", "root/task-1", old, new, **facts)
        old = new
        await trio.sleep(duration)

    whole = recorded.one("task report")
    states = [span for span in recorded.spans if span.name.startswith("task.")]
    assert [span.name for span in states] == [f"task.{status}" for status in life[:-1]]
    assert {span.parent.span_id for span in states} == {whole.context.span_id}
    assert [span.attributes["zcp.task.status.previous"] for span in states] == ["", *life[:-2]]
    for span, duration in zip(states, durations, strict=True):
        assert abs(seconds(span) - duration) <= 2e-6
    assert seconds(whole) == pytest.approx(sum(durations), abs=1e-9)
    assert abs(sum(map(seconds, states)) - seconds(whole)) <= 5e-6 * len(states)
    for before, after in itertools.pairwise(states):
        assert before.end_time // 1000 < after.start_time // 1000  # Jaeger's critical path passes over bars that touch
    assert whole.attributes["zcp.task.status"] == life[-1]
    assert whole.attributes.get("error.type") == {"failed": "_OTHER", "cancelled": "cancelled"}.get(life[-1])
    assert whole.status.status_code.name == ("ERROR" if life[-1] == "failed" else "UNSET")


def test_transitions_of_one_instant_stay_in_order():
    recorded = Recorded()
    frozen = recorded.telemetry._drawing.clock
    frozen.now = lambda: 10**18
    for old, new in itertools.pairwise(("", QUEUED, WORKING, ASKING, WORKING, "completed")):
        recorded.telemetry.transition("task", "root/task-1", old, new, id="t", target="x", method="tools/call")

    states = [span for span in recorded.spans if span.name.startswith("task.")]
    assert [span.attributes["zcp.task.status"] for span in states] == [QUEUED, WORKING, ASKING, WORKING]
    assert all(span.end_time >= span.start_time for span in recorded.spans)


app = FastZCP("desk")


@app.tool(task="required")
async def publish(ctx: Context) -> str:
    await trio.sleep(1)
    draft = await ctx.sample("Summarise")
    await trio.sleep(4)
    answer = await ctx.elicit("Publish?")
    await trio.sleep(2)
    return f"{draft.content.text} {answer.action}"


@app.tool(task="required")
async def slow() -> None:
    await trio.sleep(300)


@app.tool(task="required")
async def broken() -> None:
    raise ValueError


@app.tool(task="optional", task_after=3)
async def grows() -> int:
    await trio.sleep(10)
    return 3


async def model(request):
    await trio.sleep(10)
    return "short"


async def person(request):
    await trio.sleep(60)
    return {"accepted": True, "data": {}}


async def called(recorded, era, tool, *, within=None, principal=""):
    """Call a tool that runs as a task, and let everything end."""
    async with open_runtime(recorder=recorded.telemetry):
        handlers = {"sampling_handler": model, "elicitation_handler": person}
        async with memory_client(app, era=era, **handlers) as client:
            await client.list_tools()
            recorded.clear()
            with trio.move_on_after(within or 1e6):
                await client.call_tool(tool)
            await trio.sleep(1)
            return recorded.tree()


@both_eras
async def test_a_task_that_asks_is_one_trace_from_the_call_to_the_answers(era, autojump_clock):
    recorded = Recorded()
    tree = await called(recorded, era, "publish")

    asked = ["wait_for sampling/createMessage", "wait_for elicitation/create"]
    server = [line for line in tree if "tasks/" not in line and "subscriptions" not in line]
    wire = ["  sampling/createMessage CLIENT", "  elicitation/create CLIENT"] if era == STATEFUL else []
    answered = [f"{'  ' * (1 + bool(wire))}{name} SERVER" for name in ("sampling/createMessage", "elicitation/create")]
    expected = [
        "task publish",
        "  task.working",
        "  task.input_required",
        f"    {asked[0]}",
        *(f"    {line}" for line in (*wire[:1], answered[0])),
        "  task.working",
        "  task.input_required",
        f"    {asked[1]}",
        *(f"    {line}" for line in (*wire[1:], answered[1])),
        "  task.working",
    ]
    depth = 2 if era == STATEFUL else 3
    assert server[depth : depth + len(expected)] == [f"{'  ' * depth}{line}" for line in expected]
    tasks = {recorded.one(name).context.trace_id for name in ("task publish", "wait_for task publish", *asked)}
    assert len(tasks) == 1
    assert [round(seconds(span), 5) for span in recorded.named("task.input_required")] == [10.0, 60.0]
    assert [round(seconds(recorded.one(name)), 5) for name in asked] == [10.0, 60.0]
    assert seconds(recorded.one("task publish")) == seconds(recorded.one("wait_for task publish")) == 77.0


@both_eras
async def test_polls_are_drawn_when_they_tell_something_new_and_are_counted_always(era, autojump_clock):
    recorded = Recorded()
    await called(recorded, era, "publish")

    drawn = [span.attributes["zcp.task.status"] for span in recorded.named("tasks/get") if span.kind.name == "SERVER"]
    counted = recorded.metric("zcp.task.polls")
    assert all(before != after for before, after in itertools.pairwise(drawn))
    assert sum(counted.values()) > len(drawn)
    assert sum(count for (changed, _), count in counted.items() if changed) == len(drawn)
    whole = recorded.one("task publish").context.span_id
    polls = [span for span in recorded.named("tasks/get") if span.kind.name == "SERVER"]
    assert {links(span)["task"] for span in polls} <= {whole}


def test_a_poll_is_news_of_its_own_task_only():
    recorded = Recorded()
    for task in ("a", "b", "a", "b", "a"):
        poll = recorded.telemetry.begin("call", "root", method="tasks/get", task=task)
        poll.end("completed", status="working")

    assert [span.attributes["zcp.task.id"] for span in recorded.named("tasks/get")] == ["a", "b"]


@pytest.mark.parametrize(("polls", "drawn"), [("all", 3), ("changed", 2), ("none", 1)])
def test_how_many_polls_are_drawn_is_a_choice_and_failures_always_are(polls, drawn):
    recorded = Recorded(polls=polls)
    for outcome in ("completed", "completed", "failed"):
        recorded.telemetry.begin("call", "root", method="tasks/get", task="a").end(outcome, status="working")

    assert len(recorded.named("tasks/get")) == drawn
    assert sum(recorded.metric("zcp.task.polls").values()) == 3


@both_eras
async def test_a_cancelled_task_links_to_the_request_that_cancelled_it(era, autojump_clock):
    recorded = Recorded()
    await called(recorded, era, "slow", within=5)

    whole, canceller = recorded.one("task slow"), recorded.one("tasks/cancel", "SERVER")
    assert whole.attributes["error.type"] == "cancelled"
    assert whole.attributes["zcp.task.status"] == "cancelled"
    assert whole.status.status_code.name == "UNSET"
    assert links(whole)["cancelled_by"] == canceller.context.span_id
    assert canceller.context.trace_id == whole.context.trace_id
    assert seconds(whole) == 5.0


@both_eras
async def test_a_task_that_nobody_follows_any_more_is_no_failure_of_who_did(era, autojump_clock):
    recorded = Recorded()
    async with open_runtime(recorder=recorded.telemetry), memory_client(app, era=era) as client:
        await client.list_tools()
        await client.call_tool_as_task("slow")
        await trio.sleep(5)

    followed = recorded.one("wait_for task slow")
    assert (followed.attributes["error.type"], followed.status.status_code.name) == ("cancelled", "UNSET")
    assert followed.attributes["zcp.cancel.reason"] == "session"


@both_eras
async def test_a_tool_that_fails_as_a_task_is_an_error(era, autojump_clock):
    recorded = Recorded()
    await called(recorded, era, "broken")

    whole = recorded.one("task broken")
    assert whole.attributes["error.type"] == "tool_error"
    assert whole.status.status_code.name == "ERROR"


async def test_a_call_that_becomes_a_task_has_the_task_below_it(autojump_clock):
    recorded = Recorded()
    await called(recorded, None, "grows")

    whole = recorded.one("task grows")
    assert whole.parent.span_id == recorded.one("tools/call grows", "SERVER").context.span_id
    assert seconds(recorded.one("tools/call grows", "SERVER")) == 3.0
    assert seconds(whole) == 7.0


async def test_a_task_kept_for_long_has_a_trace_of_its_own_linked_to_its_request(autojump_clock):
    recorded = Recorded(long_task_seconds=60.0)
    await called(recorded, None, "grows")

    whole, creator = recorded.one("task grows"), recorded.one("tools/call grows", "SERVER")
    assert whole.parent is None
    assert whole.context.trace_id != creator.context.trace_id
    assert links(whole) == {"created_by": creator.context.span_id}


async def test_a_task_of_an_untrusted_caller_has_a_trace_of_its_own(autojump_clock):
    recorded = Recorded(trust=False)
    await called(recorded, None, "grows")

    whole, creator = recorded.one("task grows"), recorded.one("tools/call grows", "SERVER")
    assert whole.context.trace_id != creator.context.trace_id
    assert links(whole) == {"created_by": creator.context.span_id}


async def test_what_a_task_does_is_a_part_of_it(autojump_clock):
    recorded, inner = Recorded(), FastZCP("inner")

    @inner.tool(task="optional", task_after=2)
    async def work() -> None:
        await trio.sleep(5)
        recorded.tracer.start_span("own span").end()

    async with open_runtime(recorder=recorded.telemetry), memory_client(inner) as client:
        await client.call_tool("work")

    assert recorded.one("own span").parent.span_id == recorded.one("task work").context.span_id


async def test_a_task_that_its_process_leaves_is_shown_as_far_as_it_came(autojump_clock):
    recorded = Recorded()
    async with open_runtime(recorder=recorded.telemetry, grace=1.0), memory_client(app) as client:
        await client.list_tools()
        await client.call_tool_as_task("slow")
        await trio.sleep(20)

    whole = recorded.one("task slow")
    assert whole.attributes["zcp.task.left"] is True
    assert whole.attributes["zcp.task.status"] == "working"
    assert seconds(whole) == pytest.approx(20.0, abs=2)


async def test_a_resumed_task_says_so_and_is_linked_to_the_request_that_made_it():
    recorded = Recorded()
    meta = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    facts = {"id": "t", "method": "tools/call", "target": "x", "resumed": True, "meta": meta}
    recorded.telemetry.transition("task", "root/task-1", "", WORKING, **facts)
    recorded.telemetry.transition("task", "root/task-1", WORKING, "completed", **facts)

    whole = recorded.one("task x")
    assert whole.attributes["zcp.resumed"] is True
    assert links(whole) == {"resumes": 0x00F067AA0BA902B7}


async def test_a_task_that_nobody_goes_on_with_is_drawn_as_failed():
    recorded = Recorded()
    recorded.telemetry.transition(
        "task", "root/x", WORKING, "failed", id="t", target="x", method="tools/call", code=-32603
    )

    whole = recorded.one("task x")
    assert (whole.attributes["error.type"], whole.attributes["zcp.resumed"]) == ("-32603", True)


async def test_metrics_say_how_many_tasks_are_in_which_status_while_they_are(autojump_clock):
    recorded = Recorded()
    async with open_runtime(recorder=recorded.telemetry), memory_client(app, elicitation_handler=person) as client:
        await client.list_tools()
        handle = await client.call_tool_as_task("slow")
        await trio.sleep(20)
        active = recorded.metric("zcp.task.active")
        await handle.cancel()
        with pytest.raises(RequestCancelled):
            await handle.result()
        assert active == {("slow", "working"): 1}
        assert recorded.metric("zcp.task.active") == {("slow", "working"): 0}
        count, total = recorded.metric("zcp.task.state.duration")["cancelled", "slow", "working"]
        assert (count, round(total, 3)) == (1, 20.0)
        assert recorded.metric("zcp.cancellations")["requestor", "task"] == 1


def test_a_null_recorder_follows_nothing():
    nobody = NullRecorder()
    span = nobody.begin("call", "root")

    assert nobody.following("task", "root") is None
    assert span.carried({"a": 1}) == {"a": 1}
    assert span.mark() == {}
