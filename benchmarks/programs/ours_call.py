"""Our tool call in process. Words: era, how many tools there are, how telemetry is set up."""

import contextlib

import trio

from benchmarks.worker import many_at_once, one_after_another, together_on_trio, words, work
from zcp_actors import FastZCP, memory_client, open_runtime


def echo_app(tools=1):
    app = FastZCP("Echo")

    @app.tool
    async def echo(text: str, n: int) -> str:
        return text

    for number in range(1, tools):
        app.tool(name=f"tool_{number}")(another)
    return app


async def another(text: str, n: int, ratio: float = 1.0) -> str:
    """One of many."""
    return text


@contextlib.contextmanager
def telemetry(how):
    """Options of a runtime."""
    if how == "null":
        from zcp_actors.ports import NullRecorder

        yield {"recorder": NullRecorder()}
    elif how == "default":
        yield {}
    else:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
        from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

        class Nowhere(SpanExporter):
            def export(self, spans):
                return SpanExportResult.SUCCESS

        provider = TracerProvider(sampler=ALWAYS_OFF if how == "unsampled" else ALWAYS_ON)
        provider.add_span_processor(BatchSpanProcessor(Nowhere()))
        try:
            yield {"tracer_provider": provider}
        finally:
            provider.shutdown()


async def main(era="2025-11-25", tools="1", how="default"):
    with telemetry(how) as options:
        async with open_runtime(**options), memory_client(echo_app(int(tools)), era=era) as client:

            async def call():
                result = await client.call_tool("echo", {"text": "hello", "n": 1})
                assert result.structured_content == {"result": "hello"}

            await work(
                {"one": one_after_another(call), "hundred": many_at_once(call, together_on_trio)},
                era=client.introduction.era.value,
            )


if __name__ == "__main__":
    trio.run(main, *words())
