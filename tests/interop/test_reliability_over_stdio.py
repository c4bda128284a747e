"""
Failures of other SDKs, tried on our client and our server as two processes.

Source: issue reports of the SDKs; each test says in its name what must hold here.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import asynccontextmanager

import pytest
import trio
from interop.stage import STATE_KEY, open_stage, program
from oracle_tap import refused_lines

from zcp_actors import Command, Timeouts, ZCPClientSession, open_runtime
from zcp_actors.errors import RequestTimeout, RPCError, ServerExited, ZCPError
from zcp_actors.transports.stdio import ChildWay

ERAS = ("2025-11-25", "2026-07-28")


class Pair:
    """Our client and its server, what crossed between them, and what the server printed."""

    def __init__(self):
        self.lines, self.printed, self.pid = [], [], None
        self.client = None

    def received(self):
        return [json.loads(line) for side, line in self.lines if side == "in"]

    async def events(self):
        return (await self.client.call_tool("tell")).structured_content

    async def told(self, event, number=1):
        while (await self.events()).get(event, 0) < number:
            await trio.lowlevel.checkpoint()


@asynccontextmanager
async def paired(era, *, words=(), grace=2.0, **options):
    pair = Pair()
    command = Command(program("zcp_server.py", *words), env=STATE_KEY, grace=grace)
    way = ChildWay(command, on_stderr=pair.printed.append, tap=lambda *line: pair.lines.append(line))
    async with open_runtime(), ZCPClientSession(way, era=era, **options) as pair.client:
        yield pair


@asynccontextmanager
async def scripted(era, **options):
    way = ChildWay(Command(program("scripted_server.py", "Server")))
    async with open_runtime(), ZCPClientSession(way, era=era, **options) as client:
        yield client


@pytest.fixture(scope="module", params=ERAS)
def stage(request):
    with open_stage(lambda: paired(request.param)) as opened:
        opened.era = request.param
        yield opened


@pytest.fixture
def pair(stage):
    stage.scene.lines.clear()
    yield stage.scene
    assert refused_lines(stage.scene.lines, stage.era)[:5] == []


# Timeouts
def test_five_hundred_timed_out_calls_leave_no_handler_running(stage, pair):
    """python-sdk#2507, #1458: a timeout that tells the server nothing lets coroutines pile up."""
    timeouts = []

    async def call():
        try:
            await pair.client.call_tool("simmer", timeouts=Timeouts(idle=0.1, total=0.1))
        except RequestTimeout as error:
            timeouts.append(error)

    async def flood():
        async with trio.open_nursery() as nursery:
            for _ in range(500):
                nursery.start_soon(call)
        began = trio.current_time()
        while (await pair.events())["running"]:
            await trio.lowlevel.checkpoint()
        return trio.current_time() - began

    assert stage.run(flood) < 1
    assert len(timeouts) == 500


@pytest.mark.parametrize("era", ERAS)
async def test_a_server_that_falls_silent_in_a_call_is_given_up_after_the_clients_idle_limit(era):
    with trio.fail_after(30):
        async with scripted(era, timeouts=Timeouts(idle=0.2, total=10)) as client:
            with pytest.raises(RequestTimeout) as late:
                await client.call_tool("silence")
            assert (late.value.kind, late.value.seconds) == ("idle", 0.2)
            while json.loads((await client.call_tool("cancels")).content[0].text) < 1:
                await trio.lowlevel.checkpoint()


async def test_the_limits_of_a_request_are_a_minute_of_silence_and_ten_minutes_in_all():
    assert (Timeouts().idle, Timeouts().total) == (60.0, 600.0)


@pytest.mark.parametrize("era", ERAS)
async def test_waiting_for_a_silent_server_can_be_cancelled_at_once(era):
    """A cancel that waits for an answer is no cancel."""
    with trio.fail_after(30):
        async with scripted(era) as client:
            with trio.move_on_after(0.1) as scope:
                await client.call_tool("silence")
            assert scope.cancelled_caught
            assert trio.current_time() - scope.deadline < 0.1


@pytest.mark.parametrize("era", ERAS)
async def test_the_total_limit_holds_without_any_progress(era):
    """typescript-sdk#2695: a total of 150 ms fired after the idle limit of 1 s."""
    with trio.fail_after(30):
        async with scripted(era) as client:
            began = trio.current_time()
            with pytest.raises(RequestTimeout) as late:
                await client.call_tool("silence", timeouts=Timeouts(idle=1.0, total=0.15))
            assert 0.15 <= trio.current_time() - began < 1.0
            assert (late.value.kind, late.value.seconds) == ("total", 0.15)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("listener", [None, "of the call", "of the client"])
async def test_progress_restarts_the_idle_limit_but_never_the_total_whoever_listens(era, listener):
    """typescript-sdk#2816, #2076: resetting nothing, or removing the cap, or only with a callback."""
    heard = []
    options = {"progress_handler": heard.append} if listener == "of the client" else {}
    with trio.fail_after(30):
        async with scripted(era, **options) as client:
            began = trio.current_time()
            with pytest.raises(RequestTimeout) as late:
                await client.call_tool(
                    "report_for_ever",
                    timeouts=Timeouts(idle=0.25, total=0.5),
                    on_progress=heard.append if listener == "of the call" else None,
                )
            assert (late.value.kind, late.value.seconds) == ("total", 0.5)
            assert trio.current_time() - began >= 0.5
    assert bool(heard) == (listener is not None)


# Order and identity
def test_all_progress_is_written_before_the_response_and_rises(stage, pair):
    """after-effects-mcp#82: all progress came after the response, and clients saw none."""
    stage.run(lambda: pair.client.call_tool("count", {"to": 2000}))

    kinds = ["progress" if "method" in message else "response" for message in pair.received()]
    values = [message["params"]["progress"] for message in pair.received() if "method" in message]
    assert kinds == ["progress"] * 2000 + ["response"]
    assert values == sorted(set(values))


def test_a_thousand_calls_have_a_thousand_ids_and_the_answer_of_their_own(stage, pair):
    """python-sdk#3126, langchain-mcp-adapters#258: ids that collide, parallel calls that share one."""
    answers = {}

    async def echo(number):
        answers[number] = (await pair.client.call_tool("echo", {"text": f"nonce {number}"})).content[0].text

    async def flood():
        async with trio.open_nursery() as nursery:
            for number in range(1000):
                nursery.start_soon(echo, number)

    stage.run(flood)
    sent = [json.loads(line) for side, line in pair.lines if side == "out"]
    ids = [message["id"] for message in sent if message.get("method") == "tools/call"]
    assert answers == {number: f"nonce {number}" for number in range(1000)}
    assert len(ids) == len(set(ids)) == 1000


def test_a_flood_of_calls_of_which_one_in_ten_is_cancelled_harms_no_other(stage, pair):
    answers, cancelled = {}, []

    async def echo(number):
        with trio.CancelScope() as scope:
            if number % 10 == 0:
                scope.deadline = trio.current_time() + number * 1e-5
            answers[number] = (await pair.client.call_tool("echo", {"text": f"nonce {number}"})).content[0].text
        if scope.cancelled_caught:
            cancelled.append(number)

    async def flood():
        async with trio.open_nursery() as nursery:
            for number in range(500):
                nursery.start_soon(echo, number)

    stage.run(flood)
    assert cancelled
    assert answers == {number: f"nonce {number}" for number in range(500) if number not in cancelled}


# Sizes and pollution
@pytest.mark.parametrize("mebibytes", [1, 7])
def test_a_large_result_of_ours_comes_through(stage, pair, mebibytes):
    """A text travels twice, as content and as structured content, so 7 MiB is a message of 14."""
    result = stage.run(lambda: pair.client.call_tool("large", {"mebibytes": mebibytes}))

    assert len(result.content[0].text) == mebibytes * 1024 * 1024


def test_a_result_over_the_limit_is_an_error_of_its_call_that_names_the_limit(stage, pair):
    async def large():
        with pytest.raises(ZCPError, match="limit of 16777216") as refused:
            await pair.client.call_tool("large", {"mebibytes": 17})
        return refused.value, (await pair.client.call_tool("echo", {"text": "x"})).content[0].text

    _, after = stage.run(large)
    assert after == "x"


def test_what_a_tool_prints_goes_to_standard_error(stage, pair):
    async def shout():
        await pair.client.call_tool("shout", {"text": "a line that is no message"})
        while "a line that is no message" not in pair.printed:
            await trio.lowlevel.checkpoint()

    stage.run(shout)
    assert all("jsonrpc" in message for message in pair.received())


# The end
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_that_is_asked_to_end_answers_what_can_be_finished_in_time(era, number):
    """python-sdk: SIGTERM lost the answer of a call in flight; SIGINT never ended the process, or by a traceback."""
    results = []

    async def nap():
        results.append((await pair.client.call_tool("nap", {"seconds": 0.3})).content[0].text)

    with trio.fail_after(30):
        async with paired(era) as pair:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(nap)
                await pair.told("napping")
                os.kill((await pair.events())["pid"], number)
            with pytest.raises(ServerExited) as ended:
                await pair.client.call_tool("echo", {"text": "x"})
    assert results == ["rested"]
    assert ended.value.returncode == 0
    assert not [line for line in pair.printed if "Traceback" in line]


@pytest.mark.parametrize("era", ERAS)
async def test_a_server_that_is_asked_to_end_tells_the_calls_that_it_cuts_short(era):
    errors = []

    async def simmer():
        try:
            await pair.client.call_tool("simmer")
        except ZCPError as error:
            errors.append(error)

    with trio.fail_after(30):
        async with paired(era, words=["any", "0.2"]) as pair, trio.open_nursery() as nursery:
            nursery.start_soon(simmer)
            await pair.told("simmer started")
            os.kill((await pair.events())["pid"], signal.SIGTERM)
    assert [type(error) for error in errors] == [RPCError]
    assert "shutting down" in str(errors[0])


@pytest.mark.parametrize("era", ERAS)
async def test_a_function_that_blocks_its_thread_keeps_no_server_alive_after_its_client_left(era):
    """The other SDKs stay until the function returns; here the client's close bounds it."""
    with trio.fail_after(30):
        async with paired(era, grace=0.3) as pair:
            with trio.move_on_after(0.3):
                await pair.client.call_tool("block", {"seconds": 20})
            pid = (await pair.events())["pid"]
            began = trio.current_time()
        assert trio.current_time() - began < 5
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
