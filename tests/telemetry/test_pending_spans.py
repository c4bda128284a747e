"""Every way of a question through the answering side, in a trace: what it waited for, who decided, how it ended."""

from __future__ import annotations

import contextlib

import pytest
import trio
from session_world import both_eras, opened
from span_world import Recorded, seconds

from zcp_actors import Context, FastZCP, Inbox, Policy
from zcp_actors.errors import RPCError

app = FastZCP("desk")


@app.tool
async def ask(ctx: Context) -> str:
    return (await ctx.elicit("Go on?")).action


@app.tool
async def sample(ctx: Context) -> str:
    return (await ctx.sample("Say something")).content.text


async def model(request):
    await trio.sleep(10)
    return "short"


async def called(recorded, era, tool, *, times=1, **options):
    async def call(client):
        with contextlib.suppress(RPCError):
            await client.call_tool(tool)

    runtime = {"recorder": recorded.telemetry}
    async with opened(app, era, runtime=runtime, **options) as client, trio.open_nursery() as nursery:
        for _ in range(times):
            nursery.start_soon(call, client)


@both_eras
async def test_a_question_that_waits_its_turn_shows_what_it_waited_for(era, autojump_clock):
    recorded = Recorded()
    await called(recorded, era, "sample", times=3, sampling_handler=model, policy=Policy(max_in_flight=1))

    waits = recorded.named("wait_for capacity")
    asked = recorded.named("sampling/createMessage")
    questions = {span.context.span_id: span for span in asked if span.kind.name == "SERVER"}
    assert sorted(seconds(wait) for wait in waits) == [10.0, 20.0]
    assert sorted(seconds(span) for span in questions.values()) == [10.0, 20.0, 30.0]
    for wait in waits:
        assert seconds(questions[wait.parent.span_id]) == seconds(wait) + 10.0


@both_eras
async def test_a_question_that_nobody_answers_in_time_is_timed_out(era, autojump_clock):
    recorded = Recorded()
    await called(recorded, era, "ask", elicitation_handler=Inbox(), policy=Policy(max_human_wait=100.0))

    asked, waited = recorded.one("elicitation/create", "SERVER"), recorded.one("wait_for human")
    assert asked.attributes["error.type"] == "timeout"
    assert asked.status.status_code.name == "ERROR"
    assert asked.attributes["zcp.input_request.status"] == "expired"
    assert asked.attributes["zcp.input_request.decided_by"] == "deadline"
    assert waited.attributes["error.type"] == "timeout"
    assert seconds(asked) == seconds(waited) == 100.0


@both_eras
async def test_a_question_that_the_policy_refuses_is_told_from_one_that_failed(era, autojump_clock):
    recorded = Recorded()
    await called(recorded, era, "sample", sampling_handler=model, policy=Policy(sampling_tokens=1))

    asked = recorded.one("sampling/createMessage", "SERVER")
    assert asked.attributes["zcp.input_request.status"] == "refused"
    assert asked.attributes["zcp.input_request.decided_by"] == "policy"
    assert asked.attributes["error.type"] == asked.attributes["rpc.response.status_code"]
    assert seconds(asked) == 0.0


@pytest.mark.parametrize("how", ["answer", "decline", "cancel"])
@both_eras
async def test_what_a_person_decides_is_told(era, how, autojump_clock):
    recorded = Recorded()
    runtime = {"recorder": recorded.telemetry}
    async with opened(app, era, runtime=runtime, elicitation_handler=Inbox()) as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.call_tool, "ask")
        await trio.sleep(7)
        [pending] = client.runtime.pending()
        getattr(client.runtime, how)(pending.id, *([True] if how == "answer" else []))

    asked = recorded.one("elicitation/create", "SERVER")
    actions = {"answer": ("accept", "answered"), "decline": ("decline", "declined"), "cancel": ("cancel", "cancelled")}
    told = asked.attributes["zcp.input_request.action"], asked.attributes["zcp.input_request.status"]
    assert told == actions[how]
    assert asked.attributes["zcp.input_request.decided_by"] == "person"
    assert "error.type" not in asked.attributes
    assert seconds(recorded.one("wait_for human")) == 7.0


async def test_a_question_of_the_hosts_own_is_a_part_of_what_it_does(autojump_clock):
    recorded = Recorded()
    async with opened(app, runtime={"recorder": recorded.telemetry}, sampling_handler=model) as client:
        with recorded.tracer.start_as_current_span("agent") as agent:
            await client.create_message("Say something")

    own = recorded.one("sampling/createMessage", "INTERNAL")
    assert own.parent.span_id == agent.get_span_context().span_id
    assert seconds(own) == 10.0
