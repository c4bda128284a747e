"""Attributes of requests: shared where they are the same, and never written to."""

from __future__ import annotations

import gc
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from zcp_actors import FastZCP, memory_client, open_runtime
from zcp_actors.telemetry import conventions as names
from zcp_actors.telemetry.shape import Numbered, shape

MOST_BYTES = 640
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

        async def round_of(count: int) -> int:
            kept.spans.clear()
            gc.collect()
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(count):
                await client.call_tool("echo", {"text": "hi"})
            after, _ = tracemalloc.get_traced_memory()
            return after - before

        await round_of(100)
        tracemalloc.start()
        # The smallest: what else is made for the first time, or is found to be garbage, falls into one of them.
        size = min([await round_of(200) for _ in range(3)])
        tracemalloc.stop()
        spans = list(kept.spans)
    assert len(spans) == 400
    assert size / 400 < MOST_BYTES
    numbers = [span.attributes[names.REQUEST_ID] for span in spans]
    assert len(set(numbers)) == 200
