"""`stdio_client`, as a host uses it: what it may hear of a server beside the protocol."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from zcp_actors import Command, open_runtime, stdio_client

PROGRAMS = Path(__file__).parent.parent / "programs"


async def test_a_host_can_hear_a_server_s_standard_error_and_its_wire():
    said, wire = [], []
    command = Command([sys.executable, "-m", "zcp_actors.cli", "serve", "asking_app.py:app"], cwd=PROGRAMS)
    with trio.fail_after(30):
        async with open_runtime():
            client = stdio_client(command, on_stderr=said.append, tap=lambda way, line: wire.append((way, line)))
            async with client:
                await client.call_tool("speak", {"text": "hello"})

    assert said == ["printed at import", "printed by a tool"]
    assert [way for way, line in wire if b"tools/call" in line or b"hello" in line] == ["out", "in"]
