"""A loop that is never idle lets the SDK's exporting thread run."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import trio
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from zcp_actors import FastZCP, memory_client, open_runtime
from zcp_actors.telemetry import giving_way
from zcp_actors.telemetry.giving_way import AGAIN, PAUSE_SECONDS, Exporting, Worker, workers_of


def test_each_waking_has_one_pause():
    pauses, awake = [], threading.Event()
    worker = Worker(awake, pauses.append)
    worker.give_way()
    assert pauses == [], "nobody was woken"
    for _ in range(2):
        awake.set()
        for _ in range(5):
            worker.give_way()
        awake.clear()
        worker.give_way()
    assert pauses == [PAUSE_SECONDS] * 2


def test_a_thread_that_does_not_come_to_its_end_costs_a_pause_now_and_then():
    pauses, awake = [], threading.Event()
    awake.set()
    worker = Worker(awake, pauses.append)
    for _ in range(10 * (AGAIN + 1)):
        worker.give_way()
    assert len(pauses) == 10


def test_the_thread_of_a_batch_processor_is_known():
    """A later SDK with other parts would be given no way, and lose spans again."""
    batch = BatchSpanProcessor(InMemorySpanExporter())
    try:
        (worker,) = workers_of((SimpleSpanProcessor(InMemorySpanExporter()), batch))
        assert worker._awake is batch._batch_processor._worker_awaken
    finally:
        batch.shutdown()


def test_processors_that_are_added_later_are_found(monkeypatch):
    asked = []
    monkeypatch.setattr(giving_way, "workers_of", lambda processors: asked.append(processors) or ())
    exporting, one, two = Exporting(), (object(),), (object(), object())
    for processors in (one, one, two, two):
        exporting.give_way(processors)
    assert asked == [one, two]


class Batching(SpanProcessor):
    """One whose thread is awake and never done."""

    def __init__(self) -> None:
        self._batch_processor = SimpleNamespace(_worker_awaken=threading.Event())
        self._batch_processor._worker_awaken.set()


async def test_a_loop_full_of_calls_gives_way(monkeypatch, autojump_clock):
    pauses = []
    monkeypatch.setattr(Worker.__init__, "__defaults__", (pauses.append,))
    app, provider = FastZCP("echo"), TracerProvider()
    provider.add_span_processor(Batching())

    @app.tool
    async def echo(text: str) -> str:
        return text

    async with open_runtime(tracer_provider=provider), memory_client(app, era="2025-11-25") as client:
        with trio.fail_after(30):
            for _ in range(AGAIN):
                await client.call_tool("echo", {"text": "hi"})
    spans = 2 * AGAIN
    assert spans // (AGAIN + 1) <= len(pauses) <= spans // AGAIN + 1
