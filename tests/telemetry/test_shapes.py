"""Attributes of requests: shared where they are the same, and never written to."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from zcp_actors import FastZCP, memory_client, open_runtime
from zcp_actors.telemetry import conventions as names
from zcp_actors.telemetry.shape import Numbered, shape

MAKERS = [tracemalloc.Filter(True, f"*/{package}/*") for package in ("zcp_actors/telemetry", "opentelemetry")]
MOST_BYTES = 600
"""Of a span that waits for its exporter, with all that only it holds: a queue of 2048 is some 1.2 MiB then. The SDK's
own take 2.8 KiB each."""


@given(id=st.one_of(st.integers(), st.text()))
def test_numbered_attributes_are_those_of_the_shape_and_the_id_as_text(id):
    shared = shape("tools/call", "echo", "2025-11-25", "pipe").attributes
    before = dict(shared)
    numbered = Numbered(shared, id)
    assert dict(numbered) == {**shared, names.REQUEST_ID: names.cut(str(id))}
    assert len(numbered) == len(dict(numbered))
    assert names.REQUEST_ID in numbered
    assert numbered.get("nothing") is None
    assert shared == before


def test_an_id_as_long_as_a_message_is_not_kept_so():
    kept = Numbered({}, "x" * 1_000_000)
    assert len(kept[names.REQUEST_ID]) == names.NAME_LENGTH
    assert len(kept._id) == names.NAME_LENGTH


class Kept(SpanProcessor):
    """A queue that nobody empties."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """See `SpanProcessor`."""
        self.spans.append(span)


async def test_a_span_that_waits_for_its_exporter_is_small(autojump_clock):
    app, kept, provider = FastZCP("echo"), Kept(), TracerProvider()
    provider.add_span_processor(kept)

    @app.tool
    async def echo(text: str) -> str:
        return text

    async with open_runtime(tracer_provider=provider), memory_client(app, era="2025-11-25") as client:

        async def calls(count: int) -> None:
            for _ in range(count):
                await client.call_tool("echo", {"text": "hi"})

        await calls(100)
        kept.spans.clear()
        tracemalloc.start()
        await calls(200)
        made = tracemalloc.take_snapshot().filter_traces(MAKERS)
        tracemalloc.stop()
        spans = list(kept.spans)
    assert len(spans) == 400
    assert sum(trace.size for trace in made.statistics("filename")) / 400 < MOST_BYTES
    numbers = [span.attributes[names.REQUEST_ID] for span in spans]
    assert len(set(numbers)) == 200
