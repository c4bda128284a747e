"""What things cost, as counts: tasks, scheduler steps, bytes, endings per step. Claims: runtime.md §9, §3.4."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Actor, Cell, Job, Reply, open_runtime
from zcp_actors.actors.ending import WAVE


class Steps(trio.abc.Instrument):
    """Counts steps and new tasks."""

    def __init__(self):
        self.steps = self.spawned = 0

    def task_spawned(self, task):
        self.spawned += 1

    def before_task_step(self, task):
        self.steps += 1

    def __enter__(self):
        trio.lowlevel.add_instrument(self)
        return self

    def __exit__(self, *exc):
        trio.lowlevel.remove_instrument(self)


class Answer(Job):
    __slots__ = ("reply",)

    def __init__(self, reply):
        self.reply = reply

    async def run(self):
        self.reply.set("pong")


class Session(Cell):
    def receive(self, message):
        reply = Reply()
        self.submit(Answer(reply))
        return reply


async def test_a_call_through_a_cell_and_a_parked_worker_is_two_steps_and_no_new_task():
    async with open_runtime() as runtime:
        session = Session()
        runtime.host(session)
        await session.step("warm").wait()
        await wait_all_tasks_blocked()
        with Steps() as steps:
            for _ in range(100):
                assert await session.step("ping").wait() == "pong"

        assert steps.spawned == 0
        assert steps.steps == 200


async def test_an_ask_through_the_reference_with_its_deadline_costs_no_further_step():
    async with open_runtime() as runtime:
        ref = runtime.host(Session())
        await ref.ask("warm")
        await wait_all_tasks_blocked()
        with Steps() as steps:
            for _ in range(100):
                await ref.ask("ping")

        assert (steps.spawned, steps.steps) == (0, 200)


async def test_an_ask_of_a_task_actor_is_two_steps():
    class Echo(Actor):
        async def receive(self, message):
            return message

    async with open_runtime() as runtime:
        ref = await runtime.start(Echo)
        await wait_all_tasks_blocked()
        with Steps() as steps:
            for _ in range(100):
                await ref.ask("ping")

        assert (steps.spawned, steps.steps) == (0, 200)


async def test_a_burst_of_messages_is_drained_in_batches():
    class Counts(Actor):
        mailbox_size = 320

        async def receive(self, message):
            pass

    async with open_runtime() as runtime:
        ref = await runtime.start(Counts)
        await wait_all_tasks_blocked()
        with Steps() as steps:
            for number in range(320):
                ref.tell(number)
            await wait_all_tasks_blocked()

        assert runtime.tree().children[0].depth == 0
        assert steps.steps <= 320 // 32 + 4


async def test_every_message_of_a_burst_longer_than_a_batch_is_handled_once_and_in_order():
    handled = []

    class Keeps(Actor):
        mailbox_size = 320

        async def receive(self, message):
            handled.append(message)
            return message

    async with open_runtime() as runtime:
        ref = await runtime.start(Keeps)
        for number in range(300):
            ref.tell(number)
        assert await ref.ask("last") == "last"

    assert handled == [*range(300), "last"]


async def test_an_idle_cell_with_its_reference_costs_less_than_a_kibibyte():
    class Idle(Cell):
        __slots__ = ()

    count = 2000
    async with open_runtime() as runtime:
        runtime.host(Idle(), "warm")
        names = [f"session-{number:08}" for number in range(count)]
        gc.collect()
        tracemalloc.start()
        refs = [runtime.host(Idle(), name) for name in names]
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert len(refs) == count
        assert used / count < 512


class Ends(trio.abc.Instrument):
    """The most endings of one step, and the most of one batch between two polls."""

    def __init__(self):
        self.ended = self.before = self.most = 0
        self.before_batch = self.most_of_batch = 0

    def before_task_step(self, task):
        self.before = self.ended

    def after_task_step(self, task):
        self.most = max(self.most, self.ended - self.before)

    def before_io_wait(self, timeout):
        self.most_of_batch = max(self.most_of_batch, self.ended - self.before_batch)
        self.before_batch = self.ended


@pytest.mark.parametrize("parent", ["root", "cell"])
async def test_ten_thousand_cells_end_in_waves(parent):
    ends = Ends()

    class Counted(Cell):
        def on_stop(self, exit):
            ends.ended += 1

    async with open_runtime() as runtime:
        above = runtime.host(Cell(), "above") if parent == "cell" else runtime.root
        for _ in range(10_000):
            runtime.host(Counted(), parent=above)
        trio.lowlevel.add_instrument(ends)
        above.stop()
        await above.stopped()
        trio.lowlevel.remove_instrument(ends)

    assert ends.ended == 10_000
    assert 0 < ends.most <= WAVE
    assert ends.most_of_batch <= WAVE


@pytest.mark.parametrize("how", ["stop", "cancel"])
async def test_thousands_of_actors_and_jobs_end_in_waves(how):
    ends = Ends()

    class Counted(Actor):
        async def on_stop(self, exit):
            ends.ended += 1

    class Sleeps(Job):
        __slots__ = ()

        async def run(self):
            await trio.sleep_forever()

        def ended(self, exit):
            ends.ended += 1

    async with open_runtime() as runtime:
        for _ in range(1500):
            runtime.start_soon(Counted)
            runtime.submit(Sleeps())
        await wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(ends)
        getattr(runtime.root, how)()
        await runtime.root.stopped()
        trio.lowlevel.remove_instrument(ends)

    assert ends.ended == 3000
    assert 0 < ends.most_of_batch <= 2 * WAVE
