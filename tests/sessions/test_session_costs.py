"""What sessions cost, counted and not timed (DESIGN 10): tasks, bytes, scheduler steps."""

from __future__ import annotations

import gc
import tracemalloc
from contextlib import AsyncExitStack

import pytest
import trio
from session_app import everything
from session_world import STATEFUL, STATELESS, both_eras, opened

from zcp_actors import Context, FastZCP, memory_client, open_runtime
from zcp_actors.actors.workers import MAX_PARKED

SESSIONS = 500
MOST_BYTES = 5 * 1024
"""Of one idle session, per end; DESIGN 10 promises twice that."""
MOST_TRACKED = 20
"""Objects of one idle session that the garbage collector looks at, per end: it looks at all of them, every time."""
STEPS_OF_A_CALL = 2
"""Times that the scheduler runs any task for a call that does not wait: the worker once, the caller once."""


class Steps(trio.abc.Instrument):
    """Counts tasks spawned and steps made."""

    def __init__(self) -> None:
        self.spawned = self.steps = 0

    def task_spawned(self, task):
        self.spawned += 1

    def before_task_step(self, task):
        self.steps += 1


async def counted(work):
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    try:
        await work()
    finally:
        trio.lowlevel.remove_instrument(steps)
    return steps


@both_eras
async def test_a_call_on_parked_workers_starts_no_task(era, autojump_clock):
    async with opened(everything(), era) as client:
        for _ in range(3):
            await client.call_tool("add", {"a": 1, "b": 1})
        before = client.runtime.workers.spawned

        async def hundred():
            for _ in range(100):
                await client.call_tool("add", {"a": 1, "b": 1})

        steps = await counted(hundred)

        assert steps.spawned == 0
        assert client.runtime.workers.spawned == before
        assert steps.steps == 100 * STEPS_OF_A_CALL


@both_eras
async def test_a_question_on_parked_workers_starts_no_task(era, autojump_clock):
    app = FastZCP("Asking")

    @app.tool
    async def ask(ctx: Context) -> str:
        return (await ctx.elicit("?")).action

    async with opened(app, era, elicitation_handler=lambda request: True) as client:
        for _ in range(3):
            await client.call_tool("ask")

        async def ten():
            for _ in range(10):
                await client.call_tool("ask")

        assert (await counted(ten)).spawned == 0


@both_eras
async def test_an_idle_session_has_no_task(era, autojump_clock):
    app = everything()
    async with open_runtime() as runtime:
        before = task_count()
        async with AsyncExitStack() as stack:
            for _ in range(10):
                await stack.enter_async_context(memory_client(app, era=era))

            assert task_count() - before == runtime.workers.parked


@both_eras
async def test_an_idle_session_fits_into_its_bytes(era, autojump_clock):
    app = everything()
    async with open_runtime(), AsyncExitStack() as stack:
        clients = [memory_client(app, era=era, elicitation_handler=print) for _ in range(SESSIONS)]
        for client in clients[: SESSIONS // 10]:
            await stack.enter_async_context(client)
        gc.collect()
        tracemalloc.start()
        try:
            for client in clients[SESSIONS // 10 :]:
                await stack.enter_async_context(client)
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    per_end = held / (SESSIONS - SESSIONS // 10) / 2
    assert per_end <= MOST_BYTES, f"{per_end:.0f} bytes per end"


@both_eras
async def test_an_idle_session_is_few_objects_to_the_garbage_collector(era, autojump_clock):
    app = everything()
    async with open_runtime(), AsyncExitStack() as stack:
        clients = [memory_client(app, era=era, elicitation_handler=print) for _ in range(SESSIONS)]
        await stack.enter_async_context(clients[0])
        gc.collect()
        before = len(gc.get_objects())
        for client in clients[1:]:
            await stack.enter_async_context(client)
        gc.collect()
        made = len(gc.get_objects()) - before

    # The exit stack's own: a tuple and two methods for each.
    per_end = (made / (SESSIONS - 1) - 3) / 2
    assert per_end <= MOST_TRACKED, f"{per_end:.1f} objects per end"


@both_eras
async def test_a_call_on_each_of_many_sessions_starts_no_task_for_each(era, autojump_clock):
    app = everything()
    async with open_runtime() as runtime, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(memory_client(app, era=era)) for _ in range(SESSIONS)]
        results = []

        async def call(client, number):
            results.append((await client.call_tool("add", {"a": number, "b": 0})).structured_content["result"])

        async with trio.open_nursery() as nursery:
            for number, client in enumerate(clients):
                nursery.start_soon(call, client, number)

        assert sorted(results) == list(range(SESSIONS))
        assert runtime.workers.spawned <= MAX_PARKED


@both_eras
async def test_closed_sessions_leave_nothing_in_memory(era, autojump_clock):
    app = everything()

    async def come_and_go(times):
        for _ in range(times):
            async with memory_client(app, era=era, elicitation_handler=print) as client:
                await client.call_tool("add", {"a": 1, "b": 1})

    async with open_runtime():
        tracemalloc.start()
        try:
            await come_and_go(50)  # fills the free lists of the interpreter
            gc.collect()
            before, _ = tracemalloc.get_traced_memory()
            await come_and_go(150)
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    grown = (after - before) / 150
    # A session that stayed would be 10 kB; trio forgets passed deadlines by the thousand.
    assert grown < 1500, f"{grown:.0f} bytes stay of each session"


@pytest.mark.parametrize("era", [STATEFUL, STATELESS])
async def test_calls_make_no_cycles_for_the_collector(era, autojump_clock):
    async with opened(everything(), era) as client:
        for _ in range(10):
            await client.call_tool("add", {"a": 1, "b": 1})
        gc.collect()
        gc.disable()
        try:
            for _ in range(100):
                await client.call_tool("add", {"a": 1, "b": 1})
            assert gc.collect() < 100
        finally:
            gc.enable()


def task_count():
    todo, count = [trio.lowlevel.current_root_task()], 0
    while todo:
        task = todo.pop()
        count += 1
        todo += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return count
