"""Several processes on one file of tasks: killed, stopped, and all at once."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
from task_worlds import DONE, MANY, SLOW, made, moved

from zcp_actors.protocol import tasks
from zcp_actors.protocol.tasks import Status
from zcp_actors.tasks import SqliteTaskStore

PROGRAM = Path(__file__).parent.parent / "programs" / "task_store_process.py"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")


class Other:
    """Another process, and what it says."""

    def __init__(self, process):
        self.process, self.rest = process, b""

    async def said(self):
        while b"\n" not in self.rest:
            more = await self.process.stdout.receive_some()
            assert more, "the process has ended"
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return json.loads(line)

    async def begin(self, *words):
        await self.process.stdin.send_all(json.dumps(words).encode() + b"\n")

    async def do(self, *words):
        await self.begin(*words)
        name, answer = await self.said()
        assert name == words[0]
        return answer

    def kill(self, kind=signal.SIGKILL):
        self.process.send_signal(kind)


@asynccontextmanager
async def process(path, owner="other", lease=10.0):
    opened = await trio.lowlevel.open_process(
        [sys.executable, PROGRAM, str(path), owner, str(lease)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield Other(opened)
    finally:
        opened.kill()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 10):
            await opened.wait()
        await opened.stdout.aclose()
        await opened.stdin.aclose()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tasks.sqlite3"


async def test_processes_may_make_the_file_all_at_once(path):
    with trio.fail_after(30):
        async with process(path) as one, process(path) as two, process(path) as three:
            assert [await other.said() for other in (one, two, three)] == [["open"]] * 3
            assert [await other.do("create", str(id)) for id, other in enumerate((one, two, three))] == [None] * 3
            assert [await one.do("read", str(id)) for id in range(3)] == [["working", 1]] * 3


async def test_of_two_processes_that_claim_at_once_one_gets_each_task(path):
    ids = sorted(f"t{number}" for number in range(40))
    with trio.fail_after(30):
        async with SqliteTaskStore(path) as store, process(path, "one") as one, process(path, "two") as two:
            leases = [await store.create(made(id, created=time.time()), "gone", max_open=MANY) for id in ids]
            assert [await other.said() for other in (one, two)] == [["open"]] * 2
            await store.let_go(leases)
            await one.begin("claim_all", 2)
            await two.begin("claim_all", 2)
            [_, first], [_, second] = await one.said(), await two.said()

    assert sorted(first + second) == ids


async def test_what_one_process_writes_another_hears_and_answers(path):
    with trio.fail_after(30):
        async with SqliteTaskStore(path) as store, process(path) as other:
            assert await other.said() == ["open"]
            await other.do("create", "t1")
            await other.do("watch")
            task = await store.read(made().place)
            assert await store.write(moved(task, message="on")).wait() is True
            assert await other.said() == ["heard", "t1", 2]
            assert await store.write(tasks.cancel(moved(task, revision=2), "not wanted", time.time())).wait() is True
            assert await other.said() == ["heard", "t1", 3]

            assert await other.do("write", "t1", "too late") is False
            assert (await store.read(made().place)).status is Status.CANCELLED


@pytest.mark.parametrize("attempt", range(3))
async def test_what_was_acknowledged_survives_a_kill(path, attempt):
    """R82, R83: nothing acknowledged is lost, and what was not finished is taken up by another process."""
    with trio.fail_after(30):
        async with process(path) as other:
            assert await other.said() == ["open"]
            await other.do("keep")
            await other.do("create", "finished")
            assert await other.do("finish", "finished") is True
            await other.do("create", "cut-short")
            await other.begin("create", "nobody-knows")
            other.kill()
            await other.process.wait()

        async with SqliteTaskStore(path) as store:
            finished = await store.read(made("finished").place)
            assert (finished.status, finished.outcome) == (Status.COMPLETED, DONE)
            assert await store.entries(finished.place) == {"last": "finished"}
            assert (await store.read(made("cut-short").place)).status is Status.WORKING
            assert await store.claim("app", "heir", [SLOW], 9) == []
        async with SqliteTaskStore(path, now=lambda: time.time() + 11) as store:
            claimed = {task.id: (task, lease) for task, lease in await store.claim("app", "heir", [SLOW], 9)}
            assert {"cut-short"} <= set(claimed) <= {"cut-short", "nobody-knows"}
            task, lease = claimed["cut-short"]
            assert await store.write(tasks.finish(task, DONE, store.now()), lease).wait() is True


async def test_a_process_that_was_stopped_and_robbed_is_told_and_writes_nothing(path):
    """A zombie worker must be fenced when it wakes."""
    with trio.fail_after(30):
        async with process(path, lease=1.0) as other:
            assert await other.said() == ["open"]
            await other.do("keep")
            await other.do("create", "t1")
            async with SqliteTaskStore(path, now=lambda: time.time() + 60) as store:
                [(task, lease)] = await rob(store, other)
                assert await other.said() == ["lost", ["t1"]]
                assert await other.do("write", "t1", "stale") is False
                assert await other.do("finish", "t1") is False
                assert await store.read(task.place) == task
                assert await store.write(attrs.evolve(task, message="mine"), lease).wait() is True


async def rob(store, other):
    """Claim while the other process is stopped; where it was stopped with the file in its hands, stop it again."""
    for _ in range(3):
        other.kill(signal.SIGSTOP)
        try:
            return await store.claim("app", "thief", [SLOW], 9)
        except sqlite3.OperationalError:
            continue
        finally:
            other.kill(signal.SIGCONT)
    pytest.fail("the file was never free")


async def test_a_second_store_in_the_process_does_not_give_the_file_away(path):
    """POSIX: closing any descriptor of a file drops every lock that the process has on it.

    Another process then takes itself for the last one, removes the log that is still being written, and with it
    whatever is acknowledged from then on.
    """
    with trio.fail_after(30):
        async with SqliteTaskStore(path) as store, SqliteTaskStore(path) as second:
            await second.create(made("t1", created=time.time()), "one", max_open=MANY)
            async with process(path) as other:
                assert await other.said() == ["open"]
                await other.do("create", "t2")
                await other.process.stdin.aclose()
                await other.process.wait()
            await store.create(made("t3", created=time.time()), "one", max_open=MANY)
            async with process(path) as other:
                assert await other.said() == ["open"]
                assert [await other.do("read", id) for id in ("t1", "t2", "t3")] == [["working", 1]] * 3
