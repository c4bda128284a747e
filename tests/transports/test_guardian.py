"""
What is left of our children when we are killed: nothing, within two seconds (DESIGN.md §10, "children").

Real hosts are killed. Their orphans are nobody's children here, so their ends are looked for, under a deadline.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from programs.process_watch import gone, lives

from zcp_actors.errors import StartFailed
from zcp_actors.transports.child import open_child
from zcp_actors.transports.command import Command
from zcp_actors.transports.guardian import SHARED, Guardian

PROGRAMS = Path(__file__).parent.parent / "programs"
PROMISE = 2.0
"""Seconds from the host's death to that of its last grandchild."""


def echo():
    return Command([sys.executable, "-S", PROGRAMS / "stdio_peer.py", "echo"])


@asynccontextmanager
async def host(*words):
    """Start a host; give its process, its guardian's pid and the pids its child named."""
    with trio.fail_after(30):
        process = await trio.lowlevel.open_process(
            [sys.executable, PROGRAMS / "doomed_host.py", *words],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PROGRAMS.parent.parent)},
        )
        async with process.stdout:
            said = b""
            while b"\n" not in said:
                said += await process.stdout.receive_some()
            guardian, forked, *family = said.split()
            try:
                yield process, int(guardian), [int(pid) for pid in family]
            finally:
                if forked != b"None":
                    os.kill(int(forked), signal.SIGKILL)
        process.kill()
        await process.wait()


@pytest.mark.parametrize("manner", ["echo", "deaf", "deaf_family", "wrapper", "polite"])
async def test_a_killed_hosts_children_and_theirs_are_gone_in_time(manner):
    async with host(manner) as (process, guardian, family):
        assert all(lives(pid) for pid in family)
        process.kill()
        await process.wait()

        assert await gone(*family) < PROMISE
        await gone(guardian)


async def test_a_host_that_exits_without_closing_leaves_nothing():
    async with host("deaf_family", "exit") as (process, guardian, family):
        assert await process.wait() == 0
        assert await gone(*family) < PROMISE
        await gone(guardian)


async def test_a_process_forked_from_the_host_does_not_keep_its_children_alive():
    async with host("deaf_family", "fork") as (process, guardian, family):
        process.kill()
        await process.wait()

        assert await gone(*family) < PROMISE
        await gone(guardian)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the announced pipe is looked for in /proc")
async def test_a_host_killed_between_start_and_adding_leaves_nothing():
    async with host("deaf", "early") as (process, guardian, family):
        await process.wait()

        assert await gone(*family) < PROMISE
        await gone(guardian)


async def test_the_guardian_has_a_session_of_its_own_and_heeds_no_polite_signal():
    """Ctrl-C in a terminal goes to the whole foreground group; the host may survive it."""
    with trio.fail_after(30):
        async with open_child(echo()) as child:
            child.post(b"x")
            await child.lines().__anext__()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(SHARED.pid, number)

            assert os.getsid(SHARED.pid) == SHARED.pid
            assert lives(SHARED.pid)


async def test_one_guardian_serves_all_children_and_runs():
    async def pid_after_a_child():
        async with open_child(echo()):
            return SHARED.pid

    with trio.fail_after(30):
        first = await pid_after_a_child()
        second = await trio.to_thread.run_sync(trio.run, pid_after_a_child)

    assert first == second


async def test_a_dead_guardian_is_replaced_and_told_everything():
    guardian = Guardian()
    with trio.fail_after(30):
        async with open_child(echo(), guardian=guardian) as first:
            old = guardian.pid
            os.kill(old, signal.SIGKILL)
            await gone(old)
            async with open_child(echo(), guardian=guardian) as second:
                assert guardian.pid != old
                os.close(guardian._pipe)  # what the end of this process does

                assert await first.exited() == -signal.SIGTERM
                assert await second.exited() == -signal.SIGTERM
                guardian._pipe = None
        assert await trio.to_thread.run_sync(os.waitpid, guardian.pid, 0)


async def test_a_removed_group_is_left_alone():
    guardian = Guardian()
    with trio.fail_after(30):
        async with open_child(echo(), guardian=guardian) as child:
            await child.lines().__anext__()
            guardian.remove(child.pid)
            os.close(guardian._pipe)
            guardian._pipe = None
            await trio.to_thread.run_sync(os.waitpid, guardian.pid, 0)
            child.post(b"still here")

            assert await child.lines().__anext__() == b"still here"


async def test_a_group_number_that_was_used_again_is_left_alone():
    """The leader's start time tells: the second process to have the number began later."""
    guardian = Guardian()
    with trio.fail_after(30):
        async with open_child(echo(), guardian=guardian) as child:
            await child.lines().__anext__()
            guardian._tell(f"add {child.pid} 12345\n")
            os.close(guardian._pipe)
            guardian._pipe = None
            await trio.to_thread.run_sync(os.waitpid, guardian.pid, 0)
            child.post(b"not yours")

            assert await child.lines().__anext__() == b"not yours"


async def test_closing_a_child_takes_it_off_the_guardians_list():
    guardian = Guardian()
    with trio.fail_after(30):
        async with open_child(echo(), guardian=guardian) as child:
            assert set(guardian._groups) == {child.pid}
        with pytest.raises(StartFailed):
            async with open_child(Command(["no-such-program"]), guardian=guardian):
                pass

        assert (guardian._groups, guardian._expected) == ({}, set())
        guardian._bury()


async def test_a_machine_that_cannot_run_a_guardian_says_so():
    guardian = Guardian(executable="/no/such/python")
    with trio.fail_after(30), pytest.raises(StartFailed, match="guardian=None"):
        async with open_child(echo(), guardian=guardian):
            pass


async def test_a_program_that_is_no_guardian_is_not_taken_for_one():
    """Where Python is embedded, `sys.executable` may be any program."""
    guardian = Guardian(executable="/bin/true")
    with trio.fail_after(30), pytest.raises(StartFailed, match="did not say"):
        async with open_child(echo(), guardian=guardian):
            pass

    assert guardian.pid is None


async def test_the_guardian_holds_nothing_of_its_host_open():
    """A supervisor's pipe or a listening socket that the host inherited must be free when the host is."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    guardian = Guardian()
    with trio.fail_after(30):
        async with open_child(echo(), guardian=guardian):
            os.close(writing)

            assert await trio.to_thread.run_sync(os.read, reading, 1) == b""
        guardian._bury()
    os.close(reading)


async def test_a_child_can_go_without_a_guardian():
    with trio.fail_after(30):
        async with open_child(echo(), guardian=None) as child:
            pass

    assert child.returncode == 0
