"""Jobs on parked workers. Claims: performance.md, design choices 1 and 2; runtime.md §4 rows 12 and 13."""

from __future__ import annotations

import contextvars
import gc
import itertools
import weakref
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Cell, Job, Reply, open_runtime
from zcp_actors.actors.workers import MAX_BEGINNING, MAX_PARKED
from zcp_actors.errors import TooManyChildren

variable = contextvars.ContextVar("variable", default="clean")


class Run(Job):
    """Runs a coroutine function and remembers how it ended."""

    __slots__ = ("body", "exits", "result")

    def __init__(self, body):
        self.body, self.exits, self.result = body, [], Reply()

    async def run(self):
        self.result.set(await self.body())

    def ended(self, exit):
        self.exits.append(exit)


async def nothing():
    return "done"


async def test_a_job_runs_and_its_worker_waits_for_the_next():
    async with open_runtime() as runtime:
        for _ in range(3):
            job = Run(nothing)
            runtime.submit(job)
            assert await job.result.wait() == "done"
            await wait_all_tasks_blocked()
            assert [exit.kind for exit in job.exits] == ["normal"]

        assert runtime.workers.spawned == 1
        assert runtime.workers.parked == 1
        assert runtime.workers.running == 0


async def test_a_worker_that_waits_for_the_next_job_holds_nothing_of_the_last():
    async def body():
        await trio.lowlevel.checkpoint()

    async with open_runtime() as runtime:
        runtime.submit(Run(body))
        gone = weakref.ref(body)
        del body
        await wait_all_tasks_blocked()
        gc.collect()

        assert gone() is None


async def test_jobs_overlap_and_at_most_max_parked_workers_stay():
    async with open_runtime() as runtime:
        runtime.workers.max_parked = 2
        gate = trio.Event()
        jobs = [Run(gate.wait) for _ in range(5)]
        for job in jobs:
            runtime.submit(job)
        await wait_all_tasks_blocked()
        assert runtime.workers.running == 5
        gate.set()
        await wait_all_tasks_blocked()

        assert runtime.workers.parked == 2
        assert all(job.exits[0].kind == "normal" for job in jobs)


async def test_a_burst_of_short_jobs_runs_about_in_order_on_few_workers():
    """`MAX_BEGINNING`: of jobs that come at once, those beyond it wait for the next turn, and find workers idle."""
    began = []

    async def note(number):
        began.append(number)

    async with open_runtime() as runtime:
        for number in range(500):
            runtime.submit(Run(partial(note, number)))
        assert runtime.workers.running == 500
        await wait_all_tasks_blocked()

        assert sorted(began) == list(range(500))
        # trio runs what is ready in any order, and what begins in one turn is at most twice as many: some before us.
        assert max(abs(place - number) for place, number in enumerate(began)) < 2 * MAX_BEGINNING
        assert runtime.workers.spawned == runtime.workers.parked == MAX_PARKED
        assert runtime.workers.running == 0


async def test_a_burst_of_jobs_that_wait_runs_all_at_once():
    async with open_runtime() as runtime:
        gate = trio.Event()
        jobs = [Run(gate.wait) for _ in range(500)]
        for job in jobs:
            runtime.submit(job)
        await wait_all_tasks_blocked()
        assert [job.status for job in jobs] == ["running"] * 500
        assert runtime.workers.spawned == 500
        gate.set()
        await wait_all_tasks_blocked()

        assert [exit.kind for job in jobs for exit in job.exits] == ["normal"] * 500
        assert runtime.workers.parked == MAX_PARKED


async def test_what_is_submitted_while_a_burst_begins_waits_behind_it():
    began = []

    async def note(number):
        began.append(number)

    async def submit_another():
        runtime.submit(Run(partial(note, "another")))

    async with open_runtime() as runtime:
        runtime.submit(Run(submit_another))
        for number in range(3 * MAX_BEGINNING):
            runtime.submit(Run(partial(note, number)))
        await wait_all_tasks_blocked()

        assert len(began) == 3 * MAX_BEGINNING + 1
        assert began.index("another") > MAX_BEGINNING


async def test_each_job_of_a_burst_runs_in_a_copy_of_the_context_it_is_given_as_it_was_then():
    seen = {}

    async def look(number):
        seen[number] = variable.get()
        variable.set("changed")

    async with open_runtime() as runtime:
        shared = contextvars.copy_context()
        for number in range(3 * MAX_BEGINNING):
            shared.run(variable.set, number)
            runtime.submit(Run(partial(look, number)), context=shared if number % 2 else None)
        await wait_all_tasks_blocked()

        assert seen == {number: number if number % 2 else "clean" for number in range(3 * MAX_BEGINNING)}


async def test_a_job_of_a_burst_that_is_cancelled_before_its_turn_never_begins():
    began = []

    async def body():
        began.append(True)

    async with open_runtime() as runtime:
        jobs = [Run(body) for _ in range(200)]
        for job in jobs:
            runtime.submit(job)
        for job in jobs[100:]:
            assert job.cancel("early") is True
        await wait_all_tasks_blocked()

        assert len(began) == 100
        assert [job.exits[0].kind for job in jobs] == ["normal"] * 100 + ["cancelled"] * 100
        assert runtime.workers.running == 0


async def test_jobs_that_wait_for_their_turn_end_as_cancelled_when_the_runtime_is_cut_off():
    ran_out = []

    async def body():
        await trio.lowlevel.checkpoint()
        ran_out.append(True)

    jobs = [Run(body) for _ in range(300)]
    with pytest.raises(ValueError, match="cut"):
        async with open_runtime() as runtime:

            class Bug(Job):
                __slots__ = ()

                async def run(self):
                    msg = "cut"
                    raise ValueError(msg)

            runtime.submit(Bug())
            for job in jobs:
                runtime.submit(job)
            await trio.sleep_forever()

    assert [len(job.exits) for job in jobs] == [1] * 300
    assert {job.exits[0].kind for job in jobs[MAX_BEGINNING:]} == {"cancelled"}
    assert runtime.workers.running == 0


async def test_the_number_of_running_jobs_is_bounded():
    async with open_runtime() as runtime:
        runtime.workers.max_running = 1
        runtime.submit(Run(trio.sleep_forever))

        with pytest.raises(TooManyChildren, match="max_running"):
            runtime.submit(Run(nothing))


async def test_a_context_variable_set_in_one_job_is_not_seen_by_the_next_nor_by_its_submitter():
    seen = []

    async def dirty():
        seen.append(variable.get())
        variable.set("dirty")
        await trio.lowlevel.checkpoint()
        seen.append(variable.get())

    async with open_runtime() as runtime:
        variable.set("the submitter's")
        for _ in range(2):
            runtime.submit(Run(dirty))
            await wait_all_tasks_blocked()

        assert runtime.workers.spawned == 1
        assert seen == ["clean", "dirty", "clean", "dirty"]
        assert variable.get() == "the submitter's"


@pytest.mark.parametrize("parked", [False, True])
async def test_a_job_runs_in_a_copy_of_the_context_it_is_given(parked):
    seen = []

    async def look():
        seen.append(variable.get())
        variable.set("changed")

    async with open_runtime() as runtime:
        if parked:
            runtime.submit(Run(nothing))
            await wait_all_tasks_blocked()
        own = contextvars.copy_context()
        own.run(variable.set, "own")
        runtime.submit(Run(look), context=own)
        await wait_all_tasks_blocked()

        assert seen == ["own"]
        assert own[variable] == "own"


async def test_a_running_job_is_cancelled_with_its_reason(autojump_clock):
    async with open_runtime() as runtime:
        job = Run(trio.sleep_forever)
        runtime.submit(job)
        await wait_all_tasks_blocked()

        assert job.cancel("because") is True
        assert job.status == "stopping"
        assert job.cancel("again") is False
        await wait_all_tasks_blocked()
        assert [(exit.kind, exit.reason) for exit in job.exits] == [("cancelled", "because")]
        assert job.status == "ended"
        assert runtime.workers.parked == 1


@pytest.mark.parametrize("parked", [False, True])
async def test_a_job_cancelled_before_it_begins_never_begins(parked):
    began = []

    async def body():
        began.append(True)

    async with open_runtime() as runtime:
        if parked:
            runtime.submit(Run(nothing))
            await wait_all_tasks_blocked()
        job = Run(body)
        runtime.submit(job)
        assert job.cancel("early") is True
        await wait_all_tasks_blocked()

        assert began == []
        assert [exit.kind for exit in job.exits] == ["cancelled"]
        assert runtime.workers.running == 0


async def test_a_job_that_ends_well_in_spite_of_a_cancel_ended_well_and_the_next_is_unharmed():
    """Status comes from what happened, never from `cancel_called`: runtime.md §4 row 8."""
    async with open_runtime() as runtime:
        first = Run(nothing)

        async def cancels_itself():
            first.cancel("too late to matter")
            return "done"

        first.body = cancels_itself
        runtime.submit(first)
        await wait_all_tasks_blocked()
        second = Run(trio.lowlevel.checkpoint)
        runtime.submit(second)
        await wait_all_tasks_blocked()

        assert [exit.kind for exit in first.exits] == ["normal"]
        assert [exit.kind for exit in second.exits] == ["normal"]
        assert runtime.workers.spawned == 1


@pytest.mark.parametrize("order", list(itertools.permutations(["finish", "cancel", "next"])))
async def test_a_late_cancel_never_hits_the_next_job_on_that_worker(order):
    """Whatever the order in one step: the first job ends by itself or cancelled, the second always by itself."""
    async with open_runtime() as runtime:
        gate = trio.Event()
        first, second = Run(gate.wait), Run(trio.lowlevel.checkpoint)
        runtime.submit(first)
        await wait_all_tasks_blocked()
        moves = {
            "finish": gate.set,
            "cancel": lambda: first.cancel("late"),
            "next": lambda: runtime.submit(second),
        }
        for move in order:
            moves[move]()
        await wait_all_tasks_blocked()
        first.cancel("later still")
        third = Run(trio.lowlevel.checkpoint)
        runtime.submit(third)
        first.cancel("latest")
        await wait_all_tasks_blocked()

        early = order.index("cancel") < order.index("finish")
        assert [exit.kind for exit in first.exits] == ["cancelled" if early else "normal"]
        assert [exit.kind for exit in second.exits] == ["normal"]
        assert [exit.kind for exit in third.exits] == ["normal"]


@pytest.mark.parametrize("error", [ValueError("bug"), KeyboardInterrupt()])
async def test_what_escapes_from_a_job_ends_the_runtime_loudly(error):
    class Bug(Job):
        __slots__ = ()

        async def run(self):
            raise error

    with pytest.raises(type(error)) as info:
        async with open_runtime() as runtime:
            runtime.submit(Bug())
            await trio.sleep_forever()

    assert info.value is error


async def test_a_job_is_named_only_when_looked_at_and_stands_below_its_parent():
    class Named(Run):
        __slots__ = ()

        @property
        def name(self):
            return "call-7"

        def describe(self):
            return "weather"

    async with open_runtime() as runtime:
        cell = Cell()
        runtime.host(cell, "session")
        job = Named(trio.sleep_forever)
        cell.submit(job)
        runtime.submit(Run(trio.sleep_forever))
        await wait_all_tasks_blocked()

        assert job.path == "root/session/call-7"
        assert "\n    call-7 (job) running, weather" in str(runtime.tree())
        assert runtime.tree().find("root/run-1").kind == "job"


async def test_jobs_end_when_the_runtime_does():
    async with open_runtime() as runtime:
        jobs = [Run(trio.sleep_forever) for _ in range(3)]
        for job in jobs:
            runtime.submit(job)

    assert [job.exits[0].kind for job in jobs] == ["cancelled"] * 3
