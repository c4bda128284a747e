"""
One trace with the `mcp` package on either side, as far as it carries context.

Source: mcp 2.3.0 injects into requests both ways; its server reads what comes, its client does not. Without an SDK in
its process it hands on what it was given.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mcp_types as types
import pytest
import trio
from interop.stage import program
from mcp import Client, StdioServerParameters
from mcp import stdio_client as package_client
from opentelemetry import context as otel
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from session_world import STATEFUL, STATELESS
from span_world import Recorded

from zcp_actors import Command, open_runtime, stdio_client

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")

GUARD = 30
TRACE, SPAN = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
SERVER = Path(__file__).parent / "test_propagation.py"


@pytest.mark.parametrize("era", [STATEFUL, STATELESS])
async def test_what_a_server_of_the_package_asks_is_in_the_trace_of_our_call(era):
    recorded = Recorded()
    with trio.fail_after(GUARD):
        async with (
            open_runtime(recorder=recorded.telemetry),
            stdio_client(
                Command(program("mcp_server_features.py")),
                era=era,
                sampling_handler=lambda _: "soup",
                elicitation_handler=lambda _: {"accepted": True, "data": {"name": "stew"}},
                roots_provider=lambda: ["file:///work"],
            ) as client,
        ):
            recorded.clear()
            assert not (await client.call_tool("feast", {"text": "x"})).is_error

    asked = [span for span in recorded.spans if span.name in ("sampling/createMessage", "elicitation/create")]
    calls = recorded.named("tools/call feast")
    assert {span.name for span in asked} == {"sampling/createMessage", "elicitation/create"}
    assert len({span.context.trace_id for span in (*asked, *calls)}) == 1
    assert all(span.parent is not None for span in asked)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_call_of_the_packages_client_is_followed_in_its_trace(mode, tmp_path):
    async def model(_, params):
        text = types.TextContent(type="text", text="soup")
        return types.CreateMessageResult(role="assistant", content=text, model="tiny")

    environment = {"ZCP_ACTORS_STATE_KEYS": "a key that only tests would ever use"}
    environment["PYTHONPATH"] = f"{Path(__file__).parents[2]}:{Path(__file__).parents[1]}"
    server = StdioServerParameters(command=sys.executable, args=[str(SERVER), str(tmp_path / "spans")], env=environment)
    span = NonRecordingSpan(SpanContext(TRACE, SPAN, is_remote=False, trace_flags=TraceFlags(1)))
    with trio.fail_after(GUARD), (tmp_path / "errors").open("w") as errors:
        async with Client(
            package_client(server, errlog=errors), mode=mode, sampling_callback=model, cache=None
        ) as client:
            token = otel.attach(set_span_in_context(span))
            try:
                result = await client.call_tool("draft", {})
            finally:
                otel.detach(token)

    assert result.content[0].text == "soup"
    rows = [json.loads(line) for line in (tmp_path / "spans").read_text().splitlines()]
    drawn = {row[0] for row in rows if row[2] == TRACE}
    assert {"tools/call draft", "wait_for sampling/createMessage"} <= drawn
    assert [row for row in rows if row[0] == "tools/call draft" and row[2] != TRACE] == []
