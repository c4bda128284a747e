"""Thousands of questions that wait: what each holds, and that asking and ending them is never one long turn."""

from __future__ import annotations

import gc

import pytest
import trio
from session_world import both_eras

from zcp_actors import Context, FastZCP, Inbox, Policy, memory_client, open_runtime
from zcp_actors.actors.ending import WAVE
from zcp_actors.errors import ZCPError

app = FastZCP("Asking")
policy = Policy(max_in_flight=10_000, max_queued=10_000)


@app.tool
async def ask(n: int, ctx: Context) -> str:
    return (await ctx.elicit(f"Question {n}?")).action


class Batches(trio.abc.Instrument):
    """The most steps that trio ran between two polls."""

    def __init__(self):
        self.most = self._steps = 0

    def before_task_step(self, task):
        self._steps += 1

    def before_io_wait(self, timeout):
        self.most, self._steps = max(self.most, self._steps), 0


async def clients(runtime, count, era):
    opened = [memory_client(app, era=era, elicitation_handler=Inbox(), policy=policy) for _ in range(count)]
    for client in opened:
        await client.open(runtime, None)
    return opened


async def call(client, number, ends):
    try:
        ends.append((await client.call_tool("ask", {"n": number})).structured_content["result"])
    except ZCPError as error:
        ends.append(type(error).__name__)


async def asked(runtime, nursery, clients, each, ends):
    for number in range(each):
        for client in clients:
            nursery.start_soon(call, client, number, ends)
    await until(lambda: len(runtime.pending()) >= each * len(clients))


async def until(true):
    with trio.fail_after(30):
        while not true():  # noqa: ASYNC110 - what is waited for is seen from outside only
            await trio.sleep(0.001)


@both_eras
async def test_sessions_that_end_at_once_with_many_questions_take_turns(era):
    """A batch is a turn of the loop: what is not in it waits. Claims: DESIGN 5, "Thousands end in waves"."""
    ends = []
    async with open_runtime() as runtime, trio.open_nursery() as nursery:
        opened = await clients(runtime, 10, era)
        await asked(runtime, nursery, opened, 100, ends)
        batches = Batches()
        trio.lowlevel.add_instrument(batches)
        for client in opened:
            await client.close()
        await until(lambda: len(ends) == 1000)
        trio.lowlevel.remove_instrument(batches)

        assert runtime.pending() == ()
    assert ends == ["SessionClosed"] * 1000
    assert batches.most <= 3 * WAVE


@both_eras
async def test_callers_of_a_session_are_told_of_its_end_though_the_runtime_ends_with_it(era):
    ends = []
    async with trio.open_nursery() as nursery:
        async with open_runtime() as runtime:
            await asked(runtime, nursery, await clients(runtime, 1, era), 5 * WAVE, ends)
        await until(lambda: len(ends) == 5 * WAVE)

    assert len(ends) == 5 * WAVE
    assert set(ends) <= {"SessionClosed", "ConnectionLost"}  # whichever end of the session was the first to go


@pytest.mark.parametrize(("era", "objects"), [("2025-11-25", 70), ("2026-07-28", 30)])
async def test_a_question_that_waits_is_few_objects_to_the_garbage_collector(era, objects):
    """With its caller, its handler and both ends: what every full collection has to visit."""
    ends, count = [], 300
    async with open_runtime() as runtime, trio.open_nursery() as nursery:
        opened = await clients(runtime, 1, era)
        await asked(runtime, nursery, opened, count, ends)
        gc.collect()
        before = len(gc.get_objects())
        for number in range(count):
            nursery.start_soon(call, opened[0], number, ends)
        await until(lambda: len(runtime.pending()) == 2 * count)
        gc.collect()
        held = (len(gc.get_objects()) - before) / count
        await opened[0].close()

    assert held <= objects


@both_eras
async def test_what_has_been_answered_is_no_garbage_for_the_collector(era):
    """Records that name each other are parted when they end, so that ending thousands wakes no collection."""
    ends = []
    async with open_runtime() as runtime, trio.open_nursery() as nursery:
        opened = await clients(runtime, 1, era)
        await asked(runtime, nursery, opened, 300, ends)
        gc.collect()
        for pending in runtime.pending():
            runtime.answer(pending.id, True)
        await until(lambda: len(ends) == 300)
        found = gc.collect()

    assert ends == ["accept"] * 300
    assert found < 300
