"""
Servers and hosts that die, with real processes and the whole stack above them.

Source: the promises "dead peer noticed within 100 ms, also when a grandchild holds its pipes" and "children: none left
after a clean close; at most 2 s after the host is killed".
"""

from __future__ import annotations

import json
import os
import signal
from subprocess import PIPE

import pytest
import trio
from interop.stage import PROGRAMS, program
from programs.process_watch import gone, lives

from zcp_actors import Command, Limit, Timeouts, ZCPClientSession, open_runtime
from zcp_actors.errors import RequestTimeout, ServerExited, ZCPError
from zcp_actors.transports.stdio import ChildWay

ERAS = ("2025-11-25", "2026-07-28")
NOTICED = 0.1
"""Seconds: the promised bound on noticing a death."""
TRIES = 3
"""A machine that does other work may be late once; a design that polls or waits for a pipe is late every time."""
QUICK = Limit(restarts=3, within=60, backoff=0.01, backoff_max=0.02)


def scripted(manner, *words, grace=2.0, **options):
    return ZCPClientSession(ChildWay(Command(program("scripted_server.py", manner, *words), grace=grace)), **options)


async def told(client, tool, **arguments):
    return json.loads((await client.call_tool(tool, arguments)).content[0].text)


async def noticed(client, pid, heir):
    """Kill the server amid two calls. Of each: seconds to its error, the error, whether the grandchild lived then."""
    ends = []

    async def wait():
        try:
            await client.call_tool("silence")
        except ZCPError as error:
            ends.append((trio.current_time() - killed, error, heir is not None and lives(heir)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        nursery.start_soon(wait)
        await told(client, "pids")  # by now the other calls are on their way
        killed = trio.current_time()
        os.kill(pid, signal.SIGKILL)
    return ends


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("heir", [False, True], ids=["alone", "with a grandchild that holds its pipes"])
async def test_a_killed_server_ends_every_call_in_flight_within_a_tenth_of_a_second(era, heir):
    took = []
    with trio.fail_after(30):
        for _ in range(TRIES):
            async with open_runtime(), scripted("Server", era=era, grace=0.2) as client:
                grandchild = await told(client, "adopt") if heir else None
                [pid, _] = await told(client, "pids")
                ends = await noticed(client, pid, grandchild)
                assert [(type(error), error.returncode, lived) for _, error, lived in ends] == [
                    (ServerExited, -9, heir)
                ] * 2
                took.append(max(seconds for seconds, _, _ in ends))
            assert grandchild is None or not lives(grandchild)
            if took[-1] < NOTICED:
                break
    assert min(took) < NOTICED


@pytest.mark.parametrize("era", ERAS)
async def test_the_error_of_a_dead_server_tells_its_code_and_last_words(era):
    with trio.fail_after(30):
        async with open_runtime(), scripted("Server", era=era) as client:
            with pytest.raises(ServerExited, match=r"exited with code 7\n  stderr: out of cheese") as died:
                await client.call_tool("die")
            assert (died.value.returncode, died.value.stderr) == (7, ("out of cheese",))
            with pytest.raises(ServerExited, match="exited with code 7"):
                await client.call_tool("pids")


async def test_a_tool_that_kills_its_own_server_ends_its_call_and_the_next_connect_works():
    with trio.fail_after(30):
        async with open_runtime():
            async with scripted("Server") as client:
                with pytest.raises(ServerExited, match="was killed by signal 9"):
                    await client.call_tool("be_killed")
            async with scripted("Server") as client:
                assert await told(client, "pids")


@pytest.mark.parametrize("era", ERAS)
async def test_the_death_of_one_backend_leaves_the_others_unharmed(era):
    with trio.fail_after(30):
        async with open_runtime() as runtime:
            doomed = await runtime.connect(scripted("Server", era=era, name="doomed"), restart=QUICK)
            living = await runtime.connect(scripted("Server", era=era, name="living"), restart=QUICK)
            pids = await told(living, "pids")
            with trio.move_on_after(0.2) as waiting:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(living.call_tool, "silence")
                    with pytest.raises(ServerExited):
                        await doomed.call_tool("die")
                    assert await told(living, "pids") == pids
            assert waiting.cancelled_caught, "the other backend's call was to go on"
            assert await told(living, "pids") == pids


@pytest.mark.parametrize("era", ERAS)
async def test_the_loss_of_a_supervised_server_is_logged_in_words_without_a_traceback(era, caplog):
    with trio.fail_after(30):
        async with open_runtime() as runtime:
            client = await runtime.connect(scripted("Server", era=era), restart=QUICK)
            with pytest.raises(ServerExited):
                await client.call_tool("die")
            assert await told(client, "pids")

    [record] = [each for each in caplog.records if "restart 1 in" in each.getMessage()]
    assert "exited with code 7" in record.getMessage()
    assert record.exc_info is None


@pytest.mark.parametrize("era", ERAS)
async def test_a_supervised_server_that_died_is_started_again_and_serves_later_calls(era):
    with trio.fail_after(30):
        async with open_runtime() as runtime:
            client = await runtime.connect(scripted("Server", era=era), restart=QUICK)
            [first, _] = await told(client, "pids")
            for _ in range(2):
                with pytest.raises(ServerExited):
                    await client.call_tool("die")
                [second, _] = await told(client, "pids")
                assert second != first
            assert client.protocol_version == era


@pytest.mark.parametrize("era", ERAS)
async def test_when_no_restart_helps_later_calls_fail_with_the_reason_and_nothing_else_does(era, tmp_path):
    with trio.fail_after(30):
        async with open_runtime() as runtime:
            other = await runtime.connect(scripted("Server", era=era, name="other"), restart=QUICK)
            client = await runtime.connect(scripted("Once", str(tmp_path / "notes"), era=era), restart=QUICK)
            with pytest.raises(ServerExited, match="code 7"):
                await client.call_tool("die")
            for _ in range(3):
                with pytest.raises(ZCPError, match="the disk is full"):
                    await client.call_tool("pids")
            assert (tmp_path / "notes").read_text().split().count("start") == 1 + QUICK.restarts
            assert await told(other, "pids")


@pytest.mark.parametrize("era", ERAS)
async def test_a_deaf_server_and_its_grandchild_are_gone_after_a_clean_close(era):
    with trio.fail_after(30):
        async with open_runtime(), scripted("Deaf", era=era, grace=0.2) as client:
            pids = await told(client, "pids")
            assert all(lives(pid) for pid in pids)
        assert not any(lives(pid) for pid in pids)


async def test_a_frozen_server_times_out_and_is_gone_after_a_close():
    with trio.fail_after(30):
        async with open_runtime(), scripted("Server", grace=0.2) as client:
            [pid, _] = await told(client, "pids")
            os.kill(pid, signal.SIGSTOP)
            with pytest.raises(RequestTimeout):
                await client.call_tool("pids", timeouts=Timeouts(idle=0.2, total=0.5))
        assert not lives(pid)


async def test_a_cancelled_runtime_leaves_no_server_behind():
    with trio.fail_after(30):
        with trio.CancelScope() as scope:
            async with open_runtime() as runtime:
                client = await runtime.connect(scripted("Deaf", grace=0.2))
                pids = await told(client, "pids")
                scope.cancel()
                await client.call_tool("silence")
        assert scope.cancelled_caught
        assert not any(lives(pid) for pid in pids)


async def test_a_host_that_is_killed_leaves_nothing_of_a_deaf_server_and_its_grandchild_for_two_seconds():
    """SIGKILL lets the host do nothing at all: the guardian beside it must."""
    command = [*program("host_of_deaf.py"), *program("scripted_server.py", "Deaf")]
    with trio.fail_after(30):
        host = await trio.lowlevel.open_process(command, stdout=PIPE, env={**os.environ, "PYTHONPATH": str(PROGRAMS)})
        line = b""
        while not line.endswith(b"\n"):
            line += await host.stdout.receive_some()
        pids = json.loads(line)
        assert all(lives(pid) for pid in pids)
        host.kill()
        await host.wait()
        assert await gone(*pids) < 2
        await host.stdout.aclose()
