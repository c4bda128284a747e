"""
Our client against a hostile server, as a process: it survives, and every call of its own ends.

Source: the promise "a fault ends one call"; failures of other SDKs (a bad byte, a log line, a result and an error).
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest
import trio
from interop.stage import open_stage, program

from zcp_actors import Command, Timeouts, ZCPClientSession, open_runtime
from zcp_actors.errors import InvalidResult, RequestTimeout, ZCPError
from zcp_actors.transports.stdio import ChildWay

V2025, V2026 = "2025-11-25", "2026-07-28"
SEED = 20261121
NAMED = (
    "result and error",
    "result is a list",
    "result is null",
    "error is text",
    "error without a code",
    "content is missing",
    "content is text",
    "block of no known type",
    "another jsonrpc",
    "neither result nor error",
    "not UTF-8",
    "duplicate key",
    "not a number",
    "nested deeply",
    "longer than the limit",
)
"""Replies whose id can be read: the call ends at once."""
NAMED_2026 = (
    "input required without input",
    "input required by an unknown method",
    "input required by junk",
)
"""Rounds of 2026-07-28 that ask for nothing; for 2025-11-25 they are results without content."""
NAMELESS = ("its id as text", "no id", "truncated", "noise", "nothing")
"""Replies that are nobody's: the call ends by its timeout."""


@asynccontextmanager
async def connected(era):
    async with (
        open_runtime(),
        ZCPClientSession(
            ChildWay(Command(program("hostile_server.py", era))),
            era=era,
            sampling_handler=lambda _: "short",
            elicitation_handler=lambda _: None,
            roots_provider=lambda: ["file:///work"],
            log_handler=lambda _: None,
            progress_handler=lambda _: None,
        ) as client,
    ):
        yield client


@pytest.fixture(scope="module", params=[V2025, V2026])
def stage(request):
    with open_stage(lambda: connected(request.param)) as opened:
        opened.era = request.param
        yield opened


async def text(client, tool, **arguments):
    return (await client.call_tool(tool, arguments)).content[0].text


def test_after_ten_thousand_hostile_frames_the_call_has_its_result_and_the_session_serves_on(stage):
    """2025-11-25: every usable id of the server's requests is answered once. 2026-07-28: a client answers nothing."""
    client = stage.scene

    async def reported():
        while True:
            told = json.loads(await text(client, "report"))
            if stage.era == V2026 or told["answered"] == told["expected"]:
                return told

    async def run():
        said = await client.call_tool("storm", {"seed": SEED, "count": 10_000, "big": 10, "overlong": 1})
        return said.content[0].text, await reported(), await text(client, "echo", text="still here")

    said, told, after = stage.run(run)
    assert (said, after) == ("after the storm", "still here")
    assert told["expected"] > 3000
    assert (told["doubled"], told["strangers"]) == (0, [])
    assert told["answered"] == (told["expected"] if stage.era == V2025 else 0)


@pytest.mark.parametrize("kind", [*NAMED, *NAMED_2026])
def test_a_reply_that_cannot_be_used_ends_its_call_with_an_error_that_says_so(stage, kind):
    client = stage.scene

    async def strike():
        async with trio.open_nursery() as nursery:
            others = []
            nursery.start_soon(echo, others)
            with pytest.raises(ZCPError) as told:
                await client.call_tool("strike", {"kind": kind})
        return told.value, others

    async def echo(others):
        others.append(await text(client, "echo", text="unharmed"))

    error, others = stage.run(strike)
    assert isinstance(error, InvalidResult)
    assert others == ["unharmed"]
    assert stage.run(lambda: text(client, "echo", text="next")) == "next"


def test_a_result_of_an_unknown_type_is_refused_where_results_have_types(stage):
    if stage.era == V2025:
        assert stage.run(lambda: text(stage.scene, "strike", kind="unknown result type")) == "x"
    else:
        with pytest.raises(InvalidResult, match="surprise"):
            stage.run(lambda: text(stage.scene, "strike", kind="unknown result type"))


@pytest.mark.parametrize("kind", NAMELESS)
def test_a_reply_that_names_no_call_leaves_it_to_its_timeout(stage, kind):
    client = stage.scene

    async def strike():
        with pytest.raises(RequestTimeout) as told:
            await client.call_tool("strike", {"kind": kind}, timeouts=Timeouts(idle=0.2, total=5))
        return told.value, await text(client, "echo", text="next")

    error, after = stage.run(strike)
    assert (error.method, error.kind, error.seconds) == ("tools/call", "idle", 0.2)
    assert after == "next"


def test_a_line_over_the_limit_is_an_error_that_names_the_limit(stage):
    with pytest.raises(InvalidResult, match="over the limit of 16777216"):
        stage.run(lambda: text(stage.scene, "strike", kind="longer than the limit"))


@pytest.mark.parametrize("mebibytes", [1, 8, 15])
def test_large_results_below_the_limit_come_through(stage, mebibytes):
    """A 64 KiB default of line readers killed real results elsewhere."""
    assert len(stage.run(lambda: text(stage.scene, "size", mebibytes=mebibytes))) == mebibytes * 1024 * 1024


def test_what_a_server_prints_on_the_wire_is_read_past(stage):
    assert stage.run(lambda: text(stage.scene, "chatter", lines=500)) == "sorry"
