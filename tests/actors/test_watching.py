"""What a watch leaves behind: nothing. Claims: runtime.md §1.5, §4 row 12."""

from __future__ import annotations

import pytest
import trio

from zcp_actors.actors import Actor, Cell, Limit, Supervisor, open_runtime


class Patient(Supervisor):
    limit = Limit(restarts=1000, within=1000, backoff=0)


class Watcher(Actor):
    """Watches the target in each of its lives."""

    def __init__(self, target, heard):
        self.target, self.heard = target, heard

    async def on_start(self):
        self.watch(self.target, "gone")

    async def receive(self, message):
        if message == "boom":
            raise ValueError
        self.heard.append(message)


class WatchingCell(Cell):
    def __init__(self):
        self.heard = []

    def receive(self, message):
        self.heard.append(message)


@pytest.mark.parametrize("end", ["boom", "stop", "cancel"])
async def test_the_watch_of_a_life_that_has_ended_is_forgotten_by_the_watched(end, autojump_clock):
    heard = []
    async with open_runtime(root=Patient) as runtime:
        target = runtime.host(Cell())
        ref = await runtime.start(lambda: Watcher(target, heard))
        for _ in range(5):
            ref.tell("boom")
            await trio.sleep(1)
        assert len(target._watchers) == 1
        if end == "boom":
            target.stop()
            await trio.sleep(1)
            assert heard == ["gone"]
        else:
            getattr(ref, end)()
            await ref.stopped()
            assert not target._watchers


async def test_cells_that_have_ended_are_forgotten_by_whom_they_watched_and_the_other_way_round():
    async with open_runtime() as runtime:
        target, watcher = runtime.host(Cell()), WatchingCell()
        for _ in range(5):
            runtime.host(brief := WatchingCell())
            brief.watch(target, "gone")
            brief.stop()
        assert not target._watchers
        ref = runtime.host(watcher)
        watcher.watch(target, "gone")
        watcher.watch(target, "gone, too")
        target.stop()

        assert watcher.heard == ["gone", "gone, too"]
        assert not ref._watchers


async def test_of_two_cells_that_end_in_one_step_the_later_hears_nothing():
    async with open_runtime() as runtime:
        target, first, second = runtime.host(Cell()), WatchingCell(), WatchingCell()
        for cell in (first, second):
            runtime.host(cell)
            cell.watch(target, "gone")
        first.receive = lambda message: second.stop()
        target.stop()

        assert second.heard == []
        assert runtime.dead_letters.count == 0


async def test_a_watch_that_begins_in_last_words_holds_nobody(autojump_clock):
    class Late(Watcher):
        async def on_start(self):
            pass

        async def on_stop(self, exit):
            self.watch(self.target, "gone")

    async with open_runtime() as runtime:
        target = runtime.host(Cell())
        ref = await runtime.start(lambda: Late(target, []))
        ref.stop()
        await ref.stopped()

        assert not target._watchers


async def test_an_end_is_told_to_every_watcher_in_the_same_step_and_to_those_who_come_late():
    async with open_runtime() as runtime:
        target, early, late = runtime.host(Cell()), WatchingCell(), WatchingCell()
        runtime.host(early)
        runtime.host(late)
        early.watch(target, 1)
        exits = []
        async with trio.open_nursery() as nursery:

            async def wait():
                exits.append(await target.stopped())

            for _ in range(3):
                nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            target.cancel("why")
            late.watch(target, 2)
            assert (early.heard, late.heard) == ([1], [2])

        assert [exit.reason for exit in exits] == ["why"] * 3
