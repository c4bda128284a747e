"""The server end of stdio: a real server process, as its host sees it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from zcp_actors.transports.child import open_child
from zcp_actors.transports.command import Command

ROOT = Path(__file__).parent.parent.parent
SERVER = ROOT / "tests" / "programs" / "stdio_server.py"
WORDS = [sys.executable, str(SERVER)]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def server(*words):
    return Command([*WORDS, *words], env={"PYTHONPATH": str(ROOT)})


async def started(child):
    """The line printed before the streams were taken."""
    assert await child.lines().__anext__() == b"before"


@pytest.mark.parametrize("trick", [b"print", b"write", b"subprocess"])
async def test_nothing_but_what_is_posted_reaches_the_wire(trick):
    seen = []
    with trio.fail_after(30):
        async with open_child(server(), on_stderr=seen.append) as child:
            await started(child)
            for line in (b"one", trick, b"two"):
                child.post(line)
                assert await child.lines().__anext__() == line

    assert any(word in line for line in seen for word in ("printed", "written", "EOFError"))


async def test_a_tool_that_reads_standard_input_steals_no_message():
    seen = []
    with trio.fail_after(30):
        async with open_child(server(), on_stderr=seen.append) as child:
            await started(child)
            child.post(b"input")
            child.post(b"for the session")

            assert [await child.lines().__anext__() for _ in range(2)] == [b"input", b"for the session"]
    assert seen[0].strip() == "stole"


async def test_the_end_of_input_ends_the_lines_and_gives_the_streams_back():
    with trio.fail_after(30):
        done = await trio.run_process(
            WORDS, stdin=b"one\ntwo", capture_stdout=True, capture_stderr=True, env=ENVIRONMENT
        )

    assert done.stdout == b"before\none\ntwo\nafter\n"
    assert done.stderr == b"unflushed\nbye\n"


async def test_an_overlong_line_is_refused_and_the_next_one_served():
    with trio.fail_after(30):
        async with open_child(server("1000")) as child:
            await started(child)
            child.post(b"x" * 100_000)
            child.post(b"next")

            assert [await child.lines().__anext__() for _ in range(2)] == [b"invalid: MessageTooLarge", b"next"]


async def test_a_host_that_reads_no_more_ends_the_server_though_its_input_stays_open():
    """EPIPE taken for a passing trouble made orphans that burn a core."""
    with trio.fail_after(30):
        process = await trio.lowlevel.open_process(
            WORDS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
        )
        said = b""
        while b"\n" not in said:
            said += await process.stdout.receive_some()
        await process.stdout.aclose()
        await process.stdin.send_all(b"one\n")
        await process.wait()
        said = await process.stderr.receive_some()
        await process.stdin.aclose()
        await process.stderr.aclose()

    assert b"bye" in said


async def test_regular_files_can_stand_in_for_pipes(tmp_path):
    """`server < requests > answers`: epoll refuses files, so threads read and write them."""
    lines = b"".join(b"%d\n" % number for number in range(1000))
    (tmp_path / "in").write_bytes(lines)
    with trio.fail_after(30), (tmp_path / "in").open() as stdin, (tmp_path / "out").open("w") as stdout:
        await trio.run_process(WORDS, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, env=ENVIRONMENT)

    assert (tmp_path / "out").read_bytes() == b"before\n" + lines + b"after\n"


async def test_a_server_with_no_input_at_all_ends():
    with trio.fail_after(30):
        done = await trio.run_process(
            WORDS, stdin=subprocess.DEVNULL, capture_stdout=True, capture_stderr=True, env=ENVIRONMENT
        )

    assert done.stdout == b"before\nafter\n"


async def test_a_terminal_works_and_keeps_its_blocking_mode():
    """The flag belongs to the terminal's open file, which the user's shell shares."""
    mine, terminal = pty.openpty()
    with trio.fail_after(30):
        async with trio.lowlevel.FdStream(mine) as screen:
            process = await trio.lowlevel.open_process(
                WORDS, stdin=terminal, stdout=terminal, stderr=subprocess.DEVNULL, env=ENVIRONMENT
            )
            seen = b""
            while b"before" not in seen:
                seen += await screen.receive_some()
            await screen.send_all(b"typed\n")
            while seen.count(b"typed") < 2:  # the echo, and the answer
                seen += await screen.receive_some()
            during = os.get_blocking(terminal)
            await screen.send_all(b"\x04")
            returncode = await process.wait()
            after = os.get_blocking(terminal)
            os.close(terminal)

    assert (during, after, returncode) == (True, True, 0)


async def test_a_pipe_gets_its_blocking_mode_back():
    reading, writing = os.pipe()
    with trio.fail_after(30):
        await trio.run_process(
            WORDS, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.DEVNULL, env=ENVIRONMENT
        )
    blocking = os.get_blocking(writing)
    os.close(reading)
    os.close(writing)

    assert blocking


async def test_a_sigkilled_host_ends_the_server_by_the_end_of_its_input():
    """Also of hosts that have no guardian."""
    with trio.fail_after(30):
        process = await trio.lowlevel.open_process(
            WORDS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT
        )
        await process.stdout.receive_some()
        await process.stdin.aclose()  # what the system does for a killed host
        assert await process.wait() == 0
        await process.stdout.aclose()


async def test_a_closed_standard_input_is_a_clear_error():
    with trio.fail_after(30):
        done = await trio.run_process(
            ["sh", "-c", 'exec "$@" <&-', "sh", *WORDS],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=ENVIRONMENT,
        )

    assert b"StartFailed: cannot serve over stdio: standard input or output was closed" in done.stderr


async def test_the_streams_can_be_taken_once_at_a_time():
    program = """
import trio
from zcp_actors.errors import UsageError
from zcp_actors.transports.standard_streams import open_standard_streams
async def main():
    for _ in range(2):
        async with open_standard_streams() as streams:
            try:
                async with open_standard_streams():
                    pass
            except UsageError:
                streams.post(b"refused")
trio.run(main)
"""
    with trio.fail_after(30):
        done = await trio.run_process([sys.executable, "-c", program], stdin=b"", capture_stdout=True, env=ENVIRONMENT)

    assert done.stdout == b"refused\nrefused\n"


async def test_what_was_posted_last_is_written_when_the_body_fails():
    program = """
import trio
from zcp_actors.transports.standard_streams import open_standard_streams
async def main():
    async with open_standard_streams() as streams:
        streams.post(b"x" * 300000)
        raise ZeroDivisionError
trio.run(main)
"""
    with trio.fail_after(30):
        done = await trio.run_process(
            [sys.executable, "-c", program],
            stdin=b"",
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=ENVIRONMENT,
        )

    assert done.stdout == b"x" * 300_000 + b"\n"
    assert done.stderr.endswith(b"ZeroDivisionError\n")


async def test_a_host_that_stops_reading_fills_no_memory_and_loses_no_line():
    """The server waits in `room`; the pipe, the queue and the kernel hold what they hold."""
    count = 3000
    with trio.fail_after(30):
        async with open_child(server("2000000")) as child, trio.open_nursery() as nursery:
            await started(child)

            @nursery.start_soon
            async def write():
                for number in range(count):
                    child.post(b"%d " % number + b"x" * 2000)
                    await child.room()

            while child._outbox.queued < 1024 * 1024:
                await trio.lowlevel.checkpoint()
            got = [await child.lines().__anext__() for _ in range(count)]

    assert [line.split()[0] for line in got] == [b"%d" % number for number in range(count)]


def test_signals_are_left_to_the_caller():
    """Taking the streams must not change what SIGINT and SIGTERM do."""
    program = """
import signal, trio
from zcp_actors.transports.standard_streams import open_standard_streams
async def main():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with open_standard_streams() as streams:
        streams.post(str(before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))).encode())
trio.run(main)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=b"", capture_output=True, check=True, env=ENVIRONMENT, timeout=30
    )

    assert done.stdout == b"True\n"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


SERVES_AND_PRINTS = """
import trio
from zcp_actors import FastZCP, open_runtime, serve_stdio

async def main():
    async with open_runtime() as runtime:
        await serve_stdio(runtime, FastZCP("x"))

trio.run(main)
print("stray")
"""


async def test_what_a_program_prints_after_it_has_served_goes_to_standard_error():
    """Its host still reads: what comes after the last answer must not be taken for a message."""
    assert await told(SERVES_AND_PRINTS) == (b"", b"stray\n")


FAILS_AND_PRINTS = """
from zcp_actors.transports.standard_streams import standard_streams_kept

try:
    with standard_streams_kept():
        print("meanwhile")
        raise ValueError
except ValueError:
    print("afterwards")
"""


async def test_streams_that_were_kept_for_a_server_that_does_not_start_are_given_back():
    assert await told(FAILS_AND_PRINTS) == (b"afterwards\n", b"meanwhile\n")


async def told(program):
    """Standard output and standard error of a program that hears nothing."""
    with trio.fail_after(30):
        done = await trio.run_process(
            [sys.executable, "-c", program],
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            capture_stderr=True,
            env=ENVIRONMENT,
        )
    return done.stdout, done.stderr
