"""
A server's process, with real processes throughout.

Source of the promises: DESIGN.md §10, "children" and "dead peer"; MCP transports, stdio, Shutdown.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from programs.process_watch import group_lives, lives

from zcp_actors.errors import ConnectionLost, MessageTooLarge, ServerExited, StartFailed
from zcp_actors.transports.child import open_child
from zcp_actors.transports.command import Command
from zcp_actors.transports.outbox import HARD_LIMIT_BYTES, HIGH_WATER_BYTES

PEER = Path(__file__).parent.parent / "programs" / "stdio_peer.py"
NOTICED = 0.1
"""Seconds: the promised bound on noticing a death."""


def peer(manner, **options):
    return Command([sys.executable, "-S", PEER, manner], **options)


@asynccontextmanager
async def opened(manner, *, on_stderr=None, **options):
    """Open a peer that has said it is ready; give the child and the pids it named beside its own."""
    with trio.fail_after(30):
        async with open_child(peer(manner, **options), on_stderr=on_stderr) as child:
            first = (await child.lines().__anext__()).split()
            assert first[:2] == [b"ready", str(child.pid).encode()]
            yield child, [int(pid) for pid in first[2:]]


async def test_lines_come_back_in_order_and_whole():
    lines = [b"%d:" % number + b"x" * (number % 5000) for number in range(2000)]
    async with opened("echo") as (child, _), trio.open_nursery() as nursery:

        @nursery.start_soon
        async def write():
            for line in lines:
                child.post(line)
                await child.room()

        assert [await child.lines().__anext__() for _ in lines] == lines


async def test_lines_posted_in_one_step_leave_in_one_write(monkeypatch):
    writes = []
    write = os.write
    async with opened("echo") as (child, _):
        monkeypatch.setattr(os, "write", lambda fd, data: (writes.append(bytes(data)), write(fd, data))[1])
        for line in (b"one", b"two", b"three"):
            child.post(line)
        await child.flushed()
        monkeypatch.undo()

    assert writes == [b"one\ntwo\nthree\n"]


async def test_the_child_leads_a_session_and_group_of_its_own():
    async with opened("echo") as (child, _):
        assert (os.getpgid(child.pid), os.getsid(child.pid)) == (child.pid, child.pid)


async def test_leaving_closes_the_input_and_the_server_ends_itself():
    async with opened("echo") as (child, _):
        pass

    assert child.returncode == 0
    assert not group_lives(child.pid)


async def test_what_was_posted_is_written_before_the_input_is_closed(tmp_path):
    program = f"import sys; open({str(tmp_path / 'got')!r}, 'wb').write(sys.stdin.buffer.read())"
    with trio.fail_after(30):
        async with open_child(Command([sys.executable, "-S", "-c", program])) as child:
            child.post(b"x" * 500_000)

    assert (tmp_path / "got").stat().st_size == 500_001


async def test_a_server_that_ignores_the_end_of_its_input_is_asked_by_sigterm():
    async with opened("polite", grace=0.2) as (child, _):
        pass

    assert child.returncode == 3


async def test_a_deaf_server_and_its_family_are_killed():
    async with opened("deaf_family", grace=0.2) as (child, [grandchild]):
        pass

    assert child.returncode == -signal.SIGKILL
    assert not lives(grandchild)
    assert not group_lives(child.pid)


async def test_a_stopped_server_is_ended_too():
    async with opened("echo", grace=0.2) as (child, _):
        os.kill(child.pid, signal.SIGSTOP)

    assert not group_lives(child.pid)


async def test_what_a_wrapper_leaves_behind_is_ended_after_its_clean_exit():
    """`npx` and `sh -c` put the real server below a wrapper: the orphans users complain of most."""
    async with opened("wrapper") as (child, [grandchild]):
        assert lives(grandchild)

    assert child.returncode == 0
    assert not lives(grandchild)


async def test_no_zombie_is_left():
    async with opened("dies_with_heir") as (child, _):
        child.post(b"go")
        await child.exited()

    with pytest.raises(ChildProcessError):
        os.waitpid(child.pid, os.WNOHANG)  # noqa: ASYNC222  # does not wait


async def test_a_server_that_writes_without_end_can_leave():
    """It is stuck in a write until somebody reads on, so its output is drained while it leaves."""
    async with opened("floods_stdout", grace=0.2) as (child, _):
        pass

    assert child.returncode == -signal.SIGTERM


async def test_a_cancel_ends_the_server_as_leaving_does():
    with trio.move_on_after(30) as scope:
        async with opened("echo") as (child, _):
            scope.cancel()
            await trio.sleep_forever()

    assert scope.cancelled_caught
    assert child.returncode == 0
    assert not group_lives(child.pid)


async def test_the_bodys_error_comes_out_as_it_is():
    with pytest.raises(ZeroDivisionError):
        async with opened("echo"):
            raise ZeroDivisionError


async def test_a_killed_server_is_noticed_at_once_though_a_grandchild_holds_its_pipes():
    async with opened("deaf_family", grace=0.2) as (child, [grandchild]):
        began = time.monotonic()
        os.kill(child.pid, signal.SIGKILL)
        rest = [line async for line in child.lines()]
        took = time.monotonic() - began
        error = await child.lost()

        assert lives(grandchild)
        assert took < NOTICED
        assert rest == []
        assert isinstance(error, ServerExited)
        assert error.returncode == -signal.SIGKILL
    assert not lives(grandchild)


async def test_the_last_lines_before_death_are_handed_over_and_the_error_tells_code_and_stderr():
    async with opened("dies_with_heir") as (child, _):
        child.post(b"go")
        rest = [line async for line in child.lines()]
        error = await child.lost()

    assert rest == [b"last line"]
    assert (error.returncode, error.stderr) == (7, ("last error",))
    assert "exited with code 7" in str(error)
    assert "last error" in str(error)


async def test_a_grandchild_that_floods_the_pipes_does_not_keep_a_dead_servers_lines_going():
    async with opened("dies_with_flooding_heir") as (child, [grandchild]):
        child.post(b"go")
        lines = [line async for line in child.lines()]
        error = await child.lost()

        assert set(lines) <= {b"x"}
        assert error.returncode == 7
        assert lives(grandchild)
    assert not lives(grandchild)


async def test_posting_to_a_dead_server_raises():
    async with opened("dies_with_heir") as (child, _):
        child.post(b"go")
        await child.exited()
        with pytest.raises(ConnectionLost):
            while True:
                child.post(b"anybody?" * 8192)
                await child.room()


async def test_a_server_that_fails_at_once_says_why():
    """The missing API key: without the last stderr lines nobody can help themselves."""
    with trio.fail_after(30):
        async with open_child(peer("fails")) as child:
            assert [line async for line in child.lines()] == []
            error = await child.lost()

    assert error.returncode == 4
    assert error.stderr[-1] == "API_KEY is not set"
    assert not any("\x1b" in line for line in error.stderr), "no escape reaches the reader's terminal"


async def test_stderr_is_always_read_and_its_tail_is_bounded():
    async with opened("floods_stderr") as (child, _):
        pass

    assert len(child.stderr_tail) == 20
    assert child.stderr_tail[-1].startswith("error 19999 ")
    assert max(map(len, child.stderr_tail)) <= 500


async def test_every_stderr_line_reaches_the_callback():
    seen = []
    async with opened("floods_stderr", on_stderr=seen.append):
        pass

    assert [line.split()[1] for line in seen] == [str(number) for number in range(20_000)]


async def test_a_failing_stderr_callback_is_logged_and_the_server_lives(caplog):
    def fail(_line):
        raise ZeroDivisionError

    async with opened("floods_stderr", on_stderr=fail) as (child, _):
        assert child.returncode is None

    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]


async def test_an_overlong_line_is_one_item_and_the_next_line_is_read():
    async with opened("endless_line", max_message=1024 * 1024) as (child, _):
        items = [await child.lines().__anext__() for _ in range(2)]

    assert isinstance(items[0], MessageTooLarge)
    assert items[1] == b"after"


async def test_bytes_that_are_no_text_do_not_end_the_lines():
    async with opened("bad_bytes") as (child, _):
        items = [await child.lines().__anext__() for _ in range(2)]

    assert items == [b"\xff\xfe\x00 not text", b"after"]


async def test_a_last_line_without_its_newline_counts():
    with trio.fail_after(30):
        async with open_child(peer("unfinished")) as child:
            assert [line async for line in child.lines()] == [b"whole", b"rest"]


async def test_room_waits_for_a_server_that_does_not_read():
    async with opened("no_reader", grace=0.2) as (child, _):
        child.post(b"x" * HIGH_WATER_BYTES)
        with trio.move_on_after(0.2) as waited:
            await child.room()

        assert waited.cancelled_caught


async def test_a_server_too_far_behind_is_given_up_and_its_lines_end():
    async with opened("no_reader", grace=0.2) as (child, _):
        with pytest.raises(ConnectionLost, match="does not read"):
            for _ in range(HARD_LIMIT_BYTES // HIGH_WATER_BYTES + 1):
                child.post(b"x" * HIGH_WATER_BYTES)
        rest = [line async for line in child.lines()]
        error = await child.lost()

    assert rest == []
    assert "does not read" in str(error)


async def test_a_server_that_closes_its_input_is_lost_though_it_lives():
    async with opened("closes_stdin", grace=0.2) as (child, _):
        child.post(b"hello?")
        rest = [line async for line in child.lines()]
        error = await child.lost()

        assert child.returncode is None
    assert rest == []
    assert "reads no more" in str(error)


async def test_a_server_that_closes_its_output_is_lost_though_it_lives():
    async with opened("closes_stdout") as (child, _):
        rest = [line async for line in child.lines()]
        error = await child.lost()

        assert child.returncode is None
    assert rest == []
    assert not isinstance(error, ServerExited)
    assert "closed its output" in str(error)


async def test_nothing_can_be_posted_after_leaving():
    async with opened("echo") as (child, _):
        pass

    with pytest.raises(ConnectionLost):
        child.post(b"late")
    assert [line async for line in child.lines()] == []


async def test_a_cancelled_reader_loses_no_line():
    async with opened("echo") as (child, _):
        with trio.CancelScope() as scope:
            scope.cancel()
            await child.lines().__anext__()
        child.post(b"one")
        assert await child.lines().__anext__() == b"one"


async def test_the_server_sees_the_safe_variables_and_its_own_only(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_TOKEN", "s")
    monkeypatch.setenv("LC_TIME", "C")
    with trio.fail_after(30):
        async with open_child(peer("environment", env={"MINE": "m"}, cwd=tmp_path)) as child:
            seen = {line.decode() async for line in child.lines()}

    assert {"LC_TIME=C", "MINE=m", f"cwd={tmp_path.resolve()}", f"PATH={os.environ['PATH']}"} <= seen
    assert not any("SECRET_TOKEN" in line for line in seen)


@pytest.mark.parametrize(
    ("command", "what", "remedy"),
    [
        (Command(["no-such-program", "x"]), "no-such-program x", "set PATH in env="),
        (Command(["./no-such-program"]), "No such file", "full path"),
        (Command([PEER]), "Permission denied", "chmod"),
        (Command(["true"], cwd="/no/such/place"), "/no/such/place", "correct cwd="),
    ],
)
async def test_a_failed_start_names_the_command_the_cause_and_the_remedy(command, what, remedy):
    with trio.fail_after(30), pytest.raises(StartFailed) as caught:
        async with open_child(command):
            pass

    assert what in str(caught.value)
    assert remedy in str(caught.value)


async def test_a_script_without_its_interpreter_is_told_apart_from_a_missing_one(tmp_path):
    script = tmp_path / "server"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with trio.fail_after(30), pytest.raises(StartFailed, match="its interpreter"):
        async with open_child(Command([script])):
            pass


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open descriptors in /proc")
async def test_no_descriptor_is_left_open_whether_the_start_fails_or_not():
    async with opened("echo"):
        pass  # the guardian's pipe stays
    before = count_descriptors()
    for _ in range(3):
        async with opened("dies_with_heir") as (child, _):
            child.post(b"go")
            await child.exited()
        with pytest.raises(StartFailed):
            async with open_child(Command(["no-such-program"])):
                pass

    assert count_descriptors() == before


def count_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_without_a_pidfd_the_end_is_noticed_as_well(monkeypatch):
    """macOS, and Linux before 5.3: a thread waits."""
    monkeypatch.delattr(os, "pidfd_open")
    async with opened("deaf_family", grace=0.2) as (child, [grandchild]):
        os.kill(child.pid, signal.SIGKILL)
        assert [line async for line in child.lines()] == []
        assert (await child.lost()).returncode == -signal.SIGKILL

    assert not lives(grandchild)


async def test_twenty_children_at_once_leave_nothing():
    children = []

    async def run():
        async with opened("echo") as (child, _):
            children.append(child)
            child.post(b"hello")
            assert await child.lines().__anext__() == b"hello"

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(run)

    assert len(children) == 20
    assert {child.returncode for child in children} == {0}
    assert not any(group_lives(child.pid) for child in children)


async def test_a_foreign_process_is_never_signalled_once_the_leader_is_reaped():
    """A process that has the leader's number after its reaping shows that the group is gone."""
    with trio.fail_after(30):
        stranger = await trio.lowlevel.open_process(["sleep", "600"], start_new_session=True)
        async with open_child(peer("echo")) as child:
            process = child._process
        process.pid = stranger.pid
        process.signal_group(signal.SIGKILL)

        assert not process.group_is_left()
        assert lives(stranger.pid)
        stranger.kill()
        await stranger.wait()
