"""A handler that blocks the loop is named. Claims: runtime.md §4 row 18."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

import pytest
import trio

from zcp_actors.actors import Actor, Job, open_runtime
from zcp_actors.actors.watchdog import Watchdog


@pytest.fixture
def told():
    """What was told to the log, from whichever thread, and an event for the first of it."""

    class Told(logging.Handler):
        def __init__(self):
            super().__init__()
            self.lines, self.event = [], threading.Event()

        def emit(self, record):
            self.lines.append(record.getMessage())
            self.event.set()

    handler, log = Told(), logging.getLogger("zcp_actors.actors")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


class Blocks(Actor):
    async def receive(self, message):
        return message()


class BlockingJob(Job):
    __slots__ = ("act",)

    def __init__(self, act):
        self.act = act

    async def run(self):
        self.act()


def looked_at_from_aside(looks):
    """Blocks the loop's thread, as a careless handler would, while the watchdog looks so many times."""
    dog = Watchdog()

    def look():
        for _ in range(looks):
            dog.look()

    def careless_handler():
        aside = threading.Thread(target=look)
        aside.start()
        aside.join(30)
        return len(dog.__dict__)

    return careless_handler


async def test_an_actor_that_holds_up_the_loop_is_named_with_the_place_once(told):
    async with open_runtime() as runtime:
        ref = await runtime.start(Blocks, "blocks")
        await ref.ask(looked_at_from_aside(5), timeout=30)

    assert len(told.lines) == 1
    assert "root/blocks has held up the loop for more than 1 s" in told.lines[0]
    assert "in careless_handler" in told.lines[0]


async def test_a_step_that_is_over_is_let_go(told):
    dog = Watchdog()

    def blocked():
        for _ in range(2):
            aside = threading.Thread(target=dog.look)
            aside.start()
            aside.join(30)

    async with open_runtime() as runtime:
        ref = await runtime.start(Blocks, "blocks")
        await ref.ask(blocked, timeout=30)
        assert dog._told is not None
        await trio.to_thread.run_sync(dog.look)

        assert dog._told is None
        assert len(told.lines) == 1


async def test_a_job_that_holds_up_the_loop_is_named_by_its_path(told):
    async with open_runtime() as runtime:
        runtime.submit(BlockingJob(looked_at_from_aside(2)))
        await trio.testing.wait_all_tasks_blocked()

    assert [line.partition(" has ")[0] for line in told.lines] == ["root/blockingjob-0"]


async def test_steps_that_pass_and_a_loop_that_waits_are_nobodys_fault(told):
    dog = Watchdog()
    async with open_runtime() as runtime:
        ref = await runtime.start(Blocks)
        for _ in range(20):
            await trio.to_thread.run_sync(dog.look)  # the loop waits, or is in its next step
            await ref.ask(dog.look, timeout=30)

    assert told.lines == []


async def test_every_runtime_is_watched_until_it_ends(told, monkeypatch):
    monkeypatch.setattr("zcp_actors.actors.watchdog.LOOK_SECONDS", 0.01)
    monkeypatch.setattr(Watchdog.__init__, "__defaults__", (0.01,))

    def watching():
        return [thread for thread in threading.enumerate() if thread.name == "zcp_actors watchdog"]

    before = watching()
    async with open_runtime() as runtime:
        ref = await runtime.start(Blocks, "blocks")
        (thread,) = set(watching()) - set(before)
        assert await ref.ask(lambda: told.event.wait(30), timeout=60)
    await trio.to_thread.run_sync(thread.join, 30)

    assert not thread.is_alive()
    assert "root/blocks has held up the loop" in told.lines[0]


async def test_in_virtual_time_nobody_looks(autojump_clock):
    before = threading.active_count()
    async with open_runtime():
        assert threading.active_count() == before


async def test_a_runtime_opens_where_no_thread_is_to_be_had(monkeypatch):
    """A process may have as many as it is allowed to, and some interpreters have none."""

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    async with open_runtime() as runtime:
        assert await (await runtime.start(Blocks)).ask(lambda: 1, timeout=30) == 1


def test_where_trio_calls_its_loop_otherwise_nobody_looks():
    """In another process: whoever imports the module must not fail with it."""
    code = """
import sys, trio
trio._core._run.something_else = trio._core._run.__dict__.pop("unrolled_run")
from zcp_actors.actors import watchdog
assert watchdog.step_of(sys._getframe()) is None
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
