"""
Our server against ten thousand frames of a hostile client, as a process, over real pipes.

Source: the promise "every usable request id gets exactly one reply"; JSON-RPC 2.0; MCP "basic", Messages.
The client here is pipes and bytes: nothing of ours stands between the frames and the server.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest
import trio
import trio.testing
from interop.pipes import V2025, V2026, served
from programs.hostile_frames import Frames

SEED = 20261121
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def undeserved(frames, pipes):
    """The frames that did not get what they deserve, by kind."""
    wrong = Counter()
    for frame in frames:
        if frame.id is not None and len(pipes.to(frame.id)) != 1:
            wrong[f"{frame.kind}: {len(pipes.to(frame.id))} replies"] += 1
    return dict(wrong)


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_after_ten_thousand_hostile_frames_every_usable_id_has_one_reply_and_the_server_serves_on(era):
    frames = list(Frames(SEED, era).draw(10_000, big=20, overlong=1))
    assert len(frames) == 10_000
    async with served(era) as pipes:
        for start in range(0, len(frames), 100):
            await pipes.send(*(frame.line for frame in frames[start : start + 100]))

        answer = await pipes.call("last", "echo", text="still here")
        assert answer["content"][0]["text"] == "still here"
        told = await pipes.call("tell", "tell")
        assert told["structuredContent"]["running"] == 0

        assert undeserved(frames, pipes) == {}
        usable = {(type(frame.id).__name__, frame.id) for frame in frames if frame.id is not None}
        ours = {("str", "hello"), ("str", "last"), ("str", "tell"), ("NoneType", None)}
        undeserving = set(pipes.replies) - usable - ours
        assert [pipes.replies[id] for id in undeserving] == [], "replies under ids that deserve none"
        unusable = [frame for frame in frames if frame.id is None]
        assert len(pipes.to(None)) <= len(unusable)
        valid = [frame for frame in frames if frame.kind in ("valid call", "valid list", "carriage return", "1 MiB")]
        assert all("result" in pipes.to(frame.id)[0] for frame in valid)

        before = cpu_seconds(pipes.process.pid)
        await trio.sleep(0.3)  # idleness is a lack of work over time, so some must pass
        assert cpu_seconds(pipes.process.pid) - before <= 0.03


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_an_id_in_flight_that_comes_again_is_refused_and_the_first_keeps_its_own_answer(era):
    """Shared ids crossed the answers of other SDKs; here the second request is an error that says why."""
    async with served(era) as pipes:
        gate = {"name": "gate", "arguments": {}, **pipes.meta}
        echo = {"name": "echo", "arguments": {"text": "x"}, **pipes.meta}
        first = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": gate}
        second = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": echo}
        other = {"jsonrpc": "2.0", "id": "7", "method": "tools/call", "params": echo}
        await pipes.send(*(json.dumps(each).encode() for each in (first, second, other)))
        refused, echoed = await pipes.reply(7), await pipes.reply("7")
        assert refused["error"]["code"] == -32600
        assert "already in use" in refused["error"]["message"]
        assert echoed["result"]["content"][0]["text"] == "x"

        await pipes.call("open", "open_gates")
        answered = await pipes.reply(7, 2)
        assert answered["result"]["content"][0]["text"] == "through"
        assert len(pipes.to(7)) == 2
        reused = json.dumps(second).encode()
        await pipes.send(reused)
        assert (await pipes.reply(7, 3))["result"]["content"][0]["text"] == "x"


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_a_line_cut_off_by_the_end_of_the_input_is_no_request_and_the_server_leaves_well(era):
    async with served(era) as pipes:
        await pipes.process.stdin.send_all(b'{"jsonrpc":"2.0","id":9,"method":"tools/li')

    assert pipes.to(9) == []


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_a_client_that_leaves_amid_its_calls_ends_them_and_the_server(era):
    """The server leaves with code 0 while handlers run, which `served` checks."""
    async with served(era) as pipes:
        for number in range(50):
            await pipes.write(id=number, method="tools/call", params={"name": "simmer", "arguments": {}, **pipes.meta})
        asked = 0
        while (await pipes.call(f"tell {asked}", "tell"))["structuredContent"]["running"] < 50:
            asked += 1


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_a_client_that_does_not_read_is_waited_for_and_nothing_is_lost(era):
    """The answers fill the pipe many times over: the server must stop reading, and neither drop nor hoard."""
    sent = 0

    async def ask():
        nonlocal sent
        for id in range(3000):
            await pipes.write(id=id, method="tools/call", params=params)
            sent += 1

    async with served(era) as pipes:
        params = {"name": "echo", "arguments": {"text": "x" * 4096}, **pipes.meta}
        pipes.deaf = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked(0.3)
            assert sent < 3000
            pipes.deaf.set()
        await pipes.reply(2999)
        await pipes.call("last", "tell")

        assert [len(pipes.to(id)) for id in range(3000)] == [1] * 3000


async def test_a_session_that_is_initialized_outlives_a_stray_discover():
    """A server of 2025-11-25 alone would answer "method not found" and serve on."""
    async with served(V2025) as pipes:
        await pipes.send(b'{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}')
        await pipes.reply(1)

        assert (await pipes.call("after", "echo", text="x"))["content"][0]["text"] == "x"
