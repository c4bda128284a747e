"""Requests that a sampler left out: nothing is drawn, and what they are part of goes on."""

from __future__ import annotations

import pytest
import trio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from session_world import both_eras
from span_world import Recorded

from zcp_actors import FastZCP, memory_client, open_runtime
from zcp_actors.telemetry import Telemetry


class Unsampled:
    """A recorder whose sampler takes nothing."""

    def __init__(self, meter_provider=None):
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.telemetry = Telemetry(provider, meter_provider)

    @property
    def open(self):
        return self.telemetry._drawing.open_traces._open


def told(seen):
    app = FastZCP("desk")

    @app.tool
    async def look() -> str:
        seen.append(trace.get_current_span().get_span_context())
        return "done"

    @app.tool
    async def hang() -> str:
        seen.append(trace.get_current_span().get_span_context())
        await trio.sleep_forever()
        return ""

    return app


@both_eras
async def test_the_trace_of_an_unsampled_request_goes_on_unsampled(era, autojump_clock):
    unsampled, seen = Unsampled(), []
    async with open_runtime(recorder=unsampled.telemetry), memory_client(told(seen), era=era) as client:
        await client.call_tool("look", {})
        await client.call_tool("look", {})

    assert [at.is_valid for at in seen] == [True, True]
    assert not any(at.trace_flags.sampled for at in seen)
    assert seen[0].trace_id != seen[1].trace_id
    assert not unsampled.exporter.get_finished_spans()


@both_eras
async def test_an_unsampled_request_leaves_nothing_behind(era, autojump_clock):
    unsampled, seen = Unsampled(), []
    async with open_runtime(recorder=unsampled.telemetry), memory_client(told(seen), era=era) as client:
        await client.call_tool("look", {})
        with trio.move_on_after(1):
            await client.call_tool("hang", {})

        assert len(seen) == 2
        assert not unsampled.open


@both_eras
async def test_an_unsampled_request_is_measured_where_somebody_measures(era, autojump_clock):
    recorded = Recorded()
    unsampled = Unsampled(recorded.meter_provider)
    async with open_runtime(recorder=unsampled.telemetry), memory_client(told([]), era=era) as client:
        for _ in range(3):
            await client.call_tool("look", {})

    counts = recorded.metric("mcp.client.operation.duration")
    assert sum(count for key, (count, _) in counts.items() if "look" in str(key)) == 3


async def test_what_is_told_of_an_unsampled_request_is_kept_nowhere(autojump_clock):
    unsampled = Unsampled()
    span = unsampled.telemetry.begin("request", "/x", method="tools/call", target="look", transport="memory")
    span.tell(key="a", rounds=2)
    span.end("failed", error="Boom")
    span.end()

    assert "zcp.input_request.key" not in span.attributes
    assert not unsampled.open
    assert not unsampled.telemetry._metrics.failures


@pytest.mark.parametrize("outcome", ["completed", "cancelled"])
async def test_an_unsampled_request_is_closed_once(outcome, autojump_clock):
    unsampled = Unsampled()
    first = unsampled.telemetry.begin("request", "/x", method="tools/call", target="look", transport="memory")
    second = unsampled.telemetry.begin(
        "request", "/x", method="tools/call", target="look", transport="memory", under=first
    )
    second.end(outcome)
    second.end(outcome)

    assert len(unsampled.open) == 1
    first.end()
    assert not unsampled.open
