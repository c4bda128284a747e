"""Metrics of requests, sessions and questions: what is counted, when, and under which few attributes."""

from __future__ import annotations

import threading

import pytest
import trio
from session_world import STATEFUL, STATELESS, both_eras, opened
from span_world import Recorded

from zcp_actors import Context, FastZCP, Inbox
from zcp_actors.errors import RPCError
from zcp_actors.telemetry.metrics import MOST_NAMES

app = FastZCP("desk")


@app.tool
async def add(a: int, b: int) -> int:
    await trio.sleep(2)
    return a + b


@app.tool
async def ask(ctx: Context) -> str:
    return (await ctx.elicit("Go on?")).action


BOUNDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


def points(recorded, name):
    for resource in recorded.reader.get_metrics_data().resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == name:
                    return metric.unit, list(metric.data.data_points)
    return None


@both_eras
async def test_the_four_histograms_of_the_conventions(era, autojump_clock):
    recorded = Recorded()
    async with opened(app, era, runtime={"recorder": recorded.telemetry}) as client:
        await client.call_tool("add", {"a": 1, "b": 2})
        with pytest.raises(RPCError):
            await client.call_tool("nobody")

    for side in ("client", "server"):
        unit, found = points(recorded, f"mcp.{side}.operation.duration")
        assert unit == "s"
        [good] = [point for point in found if point.attributes.get("gen_ai.tool.name") == "add"]
        assert (good.count, good.sum, good.explicit_bounds) == (1, 2.0, BOUNDS)
        assert dict(good.attributes) == {
            "mcp.method.name": "tools/call",
            "gen_ai.tool.name": "add",
            "gen_ai.operation.name": "execute_tool",
            "mcp.protocol.version": era,
        }
        [bad] = [point for point in found if point.attributes.get("gen_ai.tool.name") == "nobody"]
        assert bad.attributes["rpc.response.status_code"] == "-32602"
        assert ("error.type" in bad.attributes) == (side == "client")
    _, [session] = points(recorded, "mcp.client.session.duration")
    assert (session.sum, dict(session.attributes)) == (2.0, {"mcp.protocol.version": era})
    # 2026-07-28 has no sessions: over HTTP there would be one for each request.
    assert (points(recorded, "mcp.server.session.duration") is not None) == (era == STATEFUL)


async def test_what_waits_is_seen_while_it_waits(autojump_clock):
    recorded = Recorded()
    runtime = {"recorder": recorded.telemetry}
    async with opened(app, STATEFUL, runtime=runtime, elicitation_handler=Inbox()) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call_tool, "ask")
            await trio.sleep(40)
            pending, oldest = (
                recorded.metric("zcp.input_request.pending"),
                recorded.metric("zcp.input_request.oldest_age"),
            )
            [question] = client.runtime.pending()
            client.runtime.decline(question.id)
        assert pending == {("elicitation/create", "asking"): 1, ("elicitation/create", "answering"): 1}
        assert oldest == {("elicitation/create",): 40.0}

    assert set(recorded.metric("zcp.input_request.pending").values()) == {0}
    assert recorded.metric("zcp.input_request.oldest_age") == {("elicitation/create",): 0.0}
    assert recorded.metric("zcp.input_request.wait.duration") == {("decline", "elicitation/create"): (1, 40.0)}


async def test_no_id_is_an_attribute_of_a_metric(autojump_clock):
    recorded = Recorded()
    runtime = {"recorder": recorded.telemetry}
    async with opened(app, STATELESS, runtime=runtime, elicitation_handler=lambda _: True) as client:
        await client.call_tool("add", {"a": 1, "b": 2})
        await client.call_tool("ask")

    names = {
        name
        for resource in recorded.reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        for name in point.attributes
    }
    assert not {name for name in names if name.endswith(("id", ".path", ".key", ".uri"))}


def test_names_that_a_peer_invents_are_bounded():
    recorded = Recorded()
    for number in range(MOST_NAMES + 200):
        recorded.telemetry.begin("call", "root", method="tools/call", target=f"invented {number}").end()

    tools = {key[1] for key in recorded.metric("mcp.server.operation.duration")}
    assert len(tools) <= MOST_NAMES + 1
    assert "_OTHER" in tools


def test_codes_that_a_peer_invents_are_bounded():
    recorded = Recorded()
    for number in range(MOST_NAMES + 200):
        span = recorded.telemetry.begin("request", "root", method="tools/call", target="x")
        span.end("failed", code=-40000 - number)

    assert len(recorded.metric("mcp.client.operation.duration")) <= MOST_NAMES + 1


async def test_metrics_are_read_in_another_thread_while_everything_moves():
    recorded = Recorded()
    stop, errors = threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                recorded.reader.get_metrics_data()
            except Exception as error:  # noqa: BLE001 - whatever it is, the test is to see it
                errors.append(error)
                return

    thread = threading.Thread(target=read)
    async with opened(app, STATELESS, runtime={"recorder": recorded.telemetry}) as client:
        thread.start()
        try:
            for _ in range(300):
                await client.list_tools()
        finally:
            stop.set()
            await trio.to_thread.run_sync(thread.join)

    assert errors == []
