"""The oracle hears our sessions on every transport: a tap that hears nothing would refuse nothing either."""

from __future__ import annotations

import pytest
import trio
from interop.stage import STATE_KEY, program
from oracle_tap import refused_lines

from zcp_actors import Command, FastZCP, memory_client, open_runtime, stdio_client
from zcp_actors.wire import Notification

ERAS = ("2025-11-25", "2026-07-28")
app = FastZCP("Pantry")


@app.tool
async def echo(text: str) -> str:
    return text


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("strict", [False, True])
async def test_both_sides_of_a_session_in_process_are_read(overheard, era, strict):
    async with open_runtime(), memory_client(app, era=era, strict=strict) as client:
        before = overheard.messages
        await client.call_tool("echo", {"text": "x"})

    assert overheard.messages == before + 2
    assert overheard.verdict() == ""


@pytest.mark.parametrize("era", ERAS)
async def test_our_side_of_a_session_over_stdio_is_read(overheard, era):
    with trio.fail_after(30):
        async with (
            open_runtime(),
            stdio_client(Command(program("zcp_server.py"), env=STATE_KEY), era=era) as client,
        ):
            before = overheard.messages
            await client.call_tool("echo", {"text": "x"})

    assert overheard.messages == before + 1


@pytest.mark.hostile
@pytest.mark.parametrize("era", ERAS)
async def test_what_the_oracle_refuses_is_shown_with_its_message(overheard, era):
    async with open_runtime(), memory_client(app, era=era) as client:
        client._open_session()._write(Notification("no/such", {"secret": 1}), None)

    assert len(overheard.refusals) == 1
    assert "the oracle knows no no/such" in overheard.verdict()


@pytest.mark.parametrize(("content", "refusals"), [(b"[]", 0), (b'[{"type":"text"}]', 1)])
def test_the_lines_of_a_server_process_are_read_by_the_method_that_they_answer(content, refusals):
    lines = [
        ("out", b"\xff no JSON"),
        ("out", b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":3}}'),
        ("in", b'{"jsonrpc":"2.0","id":1,"result":{"content":' + content + b"}}"),
    ]
    assert len(refused_lines(lines, "2025-11-25")) == refusals
