"""What a runtime records arrives at a collector as it was, and a collector that hangs does not touch its calls."""

from __future__ import annotations

import pytest
import trio
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otlp_collector import Collector

from zcp_actors import memory_client, open_runtime
from zcp_actors.cli.tracing import TraceOptions, Tracing, tracing
from zcp_actors.demo.desk import app

CALLS = 300
"""More spans than one batch of the exporter holds, so it is stuck in a request while calls go on."""


async def calls(traces: Tracing, era: str, count: int) -> int:
    done = 0
    asked = {
        "sampling_handler": lambda request: "Bees.",
        "elicitation_handler": lambda request: {"accepted": True, "data": {}},
    }
    with trio.fail_after(60):
        async with open_runtime(**traces.options), memory_client(app, era=era, **asked) as desk:
            await desk.call_tool("publish", {"topic": "bees"})
            for _ in range(count):
                await desk.call_tool("word_count", {"text": "two words"})
                done += 1
    return done


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
def test_the_spans_of_a_runtime_arrive_as_they_were_recorded(era):
    memory = InMemorySpanExporter()
    with Collector() as collector:
        with tracing(TraceOptions(otlp=collector.url), "test") as traces:
            traces.tracer_provider.add_span_processor(SimpleSpanProcessor(memory))
            trio.run(calls, traces, era, 20)

        recorded = memory.get_finished_spans()
        ids = sorted(
            (
                f"{span.context.trace_id:032x}",
                f"{span.context.span_id:016x}",
                f"{span.parent.span_id:016x}" if span.parent else "",
            )
            for span in recorded
        )
        assert len(collector.spans) == len(recorded) > 40
        assert collector.ids == ids
        assert sorted(span.name for span in collector.spans) == sorted(span.name for span in recorded)


def test_every_call_is_answered_while_the_collector_answers_nothing():
    with Collector(hangs=True) as collector, tracing(TraceOptions(otlp=collector.url), "test") as traces:
        assert trio.run(calls, traces, "2026-07-28", CALLS) == CALLS
        assert collector.asked.wait(30)
        assert trio.run(calls, traces, "2026-07-28", CALLS) == CALLS
        assert collector.spans == []
