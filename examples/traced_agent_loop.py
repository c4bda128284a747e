"""An agent loop that is traced: its own spans enclose the calls it makes, and what a server asks comes back under them.

    python examples/traced_agent_loop.py
    zcp-actors trace show agent.json server.json        # two processes, one trace
    zcp-actors trace join both.json agent.json server.json      # for the Upload tab of any Jaeger UI

The loop and its model stand for any framework's; all that ties them to the runtime is one tracer provider.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trio
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from zcp_actors import Command, ZCPClientSession, open_runtime, stdio_client
from zcp_actors.telemetry.jaeger_file import JaegerFile

AGENT, SERVER = Path("agent.json").resolve(), Path("server.json").resolve()
SERVE = ("-m", "zcp_actors.cli", "serve", "zcp_actors.demo.desk:app", "--trace-file", str(SERVER))

provider = TracerProvider(resource=Resource.create({"service.name": "my-agent"}))
tracer = provider.get_tracer("my.agent")


def decide() -> Iterator[tuple[str, dict[str, Any]]]:
    """Where an agent's model would choose the next tool."""
    yield "word_count", {"text": "all that need be said about bees"}
    yield "publish", {"topic": "bees"}


async def model(request: Any) -> str:
    """The server borrows the agent's model: this span stands below the call that made the server ask."""
    with tracer.start_as_current_span("chat my-model", attributes={"messages": len(request.messages)}):
        await trio.sleep(0.05)
        return "Bees are busy."


async def person(_: Any) -> dict[str, Any]:
    """And its person, who takes a while."""
    await trio.sleep(0.3)
    return {"accepted": True, "data": {"headline": "Busy bees", "tone": "plain"}}


async def run_agent(desk: ZCPClientSession) -> None:
    with tracer.start_as_current_span("invoke_agent publisher"):
        for tool, arguments in decide():
            with tracer.start_as_current_span("agent step"):
                result = await desk.call_tool(tool, arguments)
                print(tool, "->", result.structured_content)


async def main() -> None:
    async with open_runtime(tracer_provider=provider):
        server = Command([sys.executable, *SERVE])
        async with stdio_client(server, sampling_handler=model, elicitation_handler=person) as desk:
            await run_agent(desk)


if __name__ == "__main__":
    file = JaegerFile(AGENT)
    provider.add_span_processor(BatchSpanProcessor(file))
    try:
        trio.run(main)
    finally:
        provider.shutdown()  # writes the file
    print(f"{file.written} spans of the agent in {AGENT.name}, those of its server in {SERVER.name}")
