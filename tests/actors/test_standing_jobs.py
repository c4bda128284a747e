"""Jobs that wait for their time without a worker: what is promised of `StandingJob`."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Cell, StandingJob, open_runtime
from zcp_actors.actors.ending import WAVE
from zcp_actors.errors import ActorStopped


class Later(StandingJob):
    """Notes when it ran and how it ended."""

    __slots__ = ("exits", "ran")

    def __init__(self):
        self.ran, self.exits = [], []

    async def run(self):
        self.ran.append(trio.current_time())

    def ended(self, exit):
        self.exits.append(exit.kind)


class Place(Cell):
    def receive(self, message):
        """Nothing is told to it."""


def standing(runtime, due):
    cell, job = Place(), Later()
    runtime.host(cell, "place")
    job.stand(cell, due)
    return cell, job


async def test_a_standing_job_is_in_the_tree_and_holds_no_worker(autojump_clock):
    async with open_runtime() as runtime:
        cell, _ = standing(runtime, trio.current_time() + 10)
        [shown] = runtime.tree().find(cell.me.path).children
        assert (shown.kind, shown.state) == ("job", "running")
        assert runtime.workers.running == 0


async def test_a_standing_job_begins_when_it_is_due(autojump_clock):
    async with open_runtime() as runtime:
        start = trio.current_time()
        cell, job = standing(runtime, start + 10)
        await trio.sleep(9)
        assert job.stands
        assert not job.ran
        await trio.sleep(2)
        assert job.ran == [start + 10]
        assert job.exits == ["normal"]
        assert not job.stands
        assert runtime.tree().find(cell.me.path).children == ()


async def test_a_job_that_is_due_when_it_is_to_stand_begins_at_once():
    async with open_runtime() as runtime:
        _, job = standing(runtime, trio.current_time())
        assert not job.stands
        await wait_all_tasks_blocked()
        assert job.exits == ["normal"]


@pytest.mark.parametrize(("wish", "runs"), [(3, 3), (0, 0), (20, 10)])
async def test_a_standing_job_may_be_due_earlier_and_never_later(wish, runs, autojump_clock):
    async with open_runtime() as runtime:
        start = trio.current_time()
        _, job = standing(runtime, start + 10)
        job.due_by(start + wish)
        await trio.sleep(30)
        assert job.ran == [start + runs]
        job.due_by(start)
        await wait_all_tasks_blocked()
        assert len(job.ran) == 1


async def test_a_standing_job_that_is_cancelled_or_leaves_never_begins(autojump_clock):
    async with open_runtime() as runtime:
        for act, kind in ((lambda job: job.cancel("no more"), "cancelled"), (Later.leave, "normal")):
            cell, job = standing(runtime, trio.current_time() + 10)
            act(job)
            assert job.exits == [kind]
            assert runtime.tree().find(cell.me.path).children == ()
            assert job.cancel() is False
            job.leave()
            await trio.sleep(20)
            assert job.ran == []
            assert job.exits == [kind]
            cell.stop()


async def test_the_end_of_its_parent_ends_a_standing_job(autojump_clock):
    async with open_runtime() as runtime:
        cell, job = standing(runtime, trio.current_time() + 10)
        cell.stop()
        assert job.exits == ["cancelled"]
        assert cell.me.exit.kind == "normal"
        with pytest.raises(ActorStopped):
            Later().stand(cell, trio.current_time() + 1)


async def test_a_standing_job_that_is_due_while_its_parent_ends_never_begins(autojump_clock):
    """Many end in waves, and time passes between two of them."""
    async with open_runtime() as runtime:
        cell, first = standing(runtime, trio.current_time() + 10)
        jobs = [first, *(Later() for _ in range(WAVE))]
        for job in jobs[1:]:
            job.stand(cell, trio.current_time() + 10)
        async with runtime.turn_to_end:
            cell.stop()
            await trio.sleep(20)
            assert cell.me.status == "stopping"
        await cell.me.stopped()
        assert [(job.exits, job.ran) for job in jobs] == [(["cancelled"], [])] * len(jobs)


async def test_a_standing_job_comes_again_where_too_many_run_when_it_is_due(autojump_clock):
    async with open_runtime() as runtime:
        runtime.workers.max_running = 0
        _, job = standing(runtime, trio.current_time() + 10)
        await trio.sleep(20)
        assert job.stands
        assert not job.ran
        runtime.workers.max_running = 10
        await trio.sleep(2)
        assert job.exits == ["normal"]
