"""Where telemetry goes: the providers that `open_runtime` takes, exporters that fail or hang, and the end."""

from __future__ import annotations

import logging
import threading
import time

import pytest
import trio
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from session_world import both_eras, opened
from span_world import Recorded

from zcp_actors import FastZCP, memory_client, open_runtime
from zcp_actors.ports import NullRecorder
from zcp_actors.telemetry import Telemetry, flush, shut_down

app = FastZCP("desk")


@app.tool
async def add(a: int, b: int) -> int:
    return a + b


async def test_open_runtime_takes_providers_and_sets_no_global_one(autojump_clock):
    recorded = Recorded()
    before = trace.get_tracer_provider(), metrics.get_meter_provider()
    providers = {"tracer_provider": recorded.tracer_provider, "meter_provider": recorded.meter_provider}
    async with open_runtime(**providers), memory_client(app) as client:
        await client.call_tool("add", {"a": 1, "b": 2})

    assert recorded.one("tools/call add", "SERVER").instrumentation_scope.name == "zcp_actors"
    assert sum(count for count, _ in recorded.metric("mcp.server.operation.duration").values()) == 2
    assert (trace.get_tracer_provider(), metrics.get_meter_provider()) == before


async def test_a_global_provider_is_used_where_none_is_given(monkeypatch, autojump_clock):
    recorded = Recorded()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: recorded.tracer_provider)
    async with open_runtime() as runtime, memory_client(app) as client:
        assert runtime.recorder.enabled
        await client.call_tool("add", {"a": 1, "b": 2})

    assert recorded.one("tools/call add", "CLIENT").parent is None


async def test_a_recorder_of_ones_own_takes_the_place_of_providers():
    recorder = NullRecorder()
    async with open_runtime(recorder=recorder, tracer_provider=TracerProvider(shutdown_on_exit=False)) as runtime:
        assert runtime.recorder is recorder


async def test_one_telemetry_serves_one_runtime_after_another_each_with_its_own_clock():
    recorded = Recorded()
    before = time.time_ns()
    for _ in range(2):
        async with open_runtime(recorder=recorded.telemetry), memory_client(app) as client:
            await client.call_tool("add", {"a": 1, "b": 2})
    after = time.time_ns()

    spans = recorded.named("tools/call add")
    assert len(spans) == 4
    assert all(before - 10**7 <= span.start_time <= span.end_time <= after + 10**7 for span in spans)


class Raises(SpanProcessor):
    """A processor with a fault, which the SDK lets through to whoever begins or ends a span."""

    def __init__(self, where):
        self.where = where

    def on_start(self, span, parent_context=None):
        if self.where == "start":
            raise ValueError("a fault of the processor")

    def on_end(self, span):
        if self.where == "end":
            raise ValueError("a fault of the processor")


@pytest.mark.parametrize("where", ["start", "end"])
@both_eras
async def test_a_processor_that_raises_breaks_nothing_and_is_told_of_once(era, where, caplog, autojump_clock):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Raises(where))
    telemetry = Telemetry(provider)
    with caplog.at_level(logging.WARNING, "zcp_actors.telemetry"):
        async with opened(app, era, runtime={"recorder": telemetry}, elicitation_handler=lambda _: True) as client:
            for _ in range(5):
                assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}

    told = [record for record in caplog.records if record.name == "zcp_actors.telemetry"]
    assert len(told) == 1
    [(kind, count)] = telemetry._metrics.failures.items()
    assert dict(kind) == {"error.type": "ValueError"}
    assert count > 5


class Fails(SpanExporter):
    def export(self, spans):
        raise OSError("nobody there")


class Hangs(SpanExporter):
    """Until it is let go: as a collector that takes the connection and says nothing."""

    def __init__(self):
        self.entered, self.go = threading.Event(), threading.Event()

    def export(self, spans):
        self.entered.set()
        self.go.wait(60)

    def shutdown(self):
        self.go.wait(60)


async def test_an_exporter_that_fails_is_nobodys_business_but_its_own(caplog, autojump_clock):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Fails()))
    telemetry = Telemetry(provider)
    async with opened(app, runtime={"recorder": telemetry}) as client:
        assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}

    assert telemetry._metrics.failures == {}


async def test_an_exporter_that_hangs_holds_up_neither_calls_nor_the_end():
    exporter = Hangs()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=8, schedule_delay_millis=1))
    try:
        with trio.fail_after(30):
            async with open_runtime(tracer_provider=provider), memory_client(app) as client:
                for number in range(50):
                    await client.call_tool("add", {"a": 1, "b": number})
                await trio.to_thread.run_sync(exporter.entered.wait, 30)
                for number in range(50):
                    await client.call_tool("add", {"a": 1, "b": number})
            began = trio.current_time()
            assert not await flush(provider, seconds=0.2)
            assert not await shut_down(provider, seconds=0.2)
            assert trio.current_time() - began < 2.0
    finally:
        exporter.go.set()
        await trio.to_thread.run_sync(provider.shutdown)


async def test_a_flush_goes_on_while_being_cancelled_and_ends_within_its_time():
    class Slow:
        done = False

        def force_flush(self, milliseconds):
            self.done = True
            return True

    provider, nothing = Slow(), object()
    with trio.CancelScope() as scope:
        scope.cancel()
        assert await flush(provider, nothing)

    assert provider.done


async def test_a_flush_that_fails_says_no():
    class Broken:
        def force_flush(self, milliseconds):
            raise OSError

    assert not await flush(Broken())
