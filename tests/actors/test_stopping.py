"""Stopping in four steps, each with its bound: close, drain, cancel after the grace, last words. Claims: runtime.md
§1.9, §3.4, §4 row 15; DESIGN §5."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Actor, Cell, Job, Restart, Runtime, Supervisor, open_runtime
from zcp_actors.actors.ending import WAVE
from zcp_actors.errors import ActorStopped
from zcp_actors.ports import NullRecorder


class Busy(Actor):
    async def receive(self, message):
        await trio.sleep(message)
        return message

    async def on_start(self):
        pass


async def test_an_actor_that_is_told_to_stop_and_does_not_is_cancelled_after_its_grace(autojump_clock):
    async with open_runtime(grace=1000) as runtime:
        ref = await runtime.start(Busy, grace=3)
        ref.tell(500)
        await wait_all_tasks_blocked()
        ref.stop()
        async with trio.open_nursery() as nursery:

            async def queued():
                with pytest.raises(ActorStopped):
                    await ref.ask(1, timeout=60)

            nursery.start_soon(queued)
            await trio.sleep(1)
            ref.stop()  # to say it again gives no more time
            exit = await ref.stopped()

        assert (exit.kind, exit.reason) == ("cancelled", "grace ran out")
        assert trio.current_time() == 3
        assert len(runtime.timers) == 0


async def test_an_actor_that_hangs_as_it_begins_is_cancelled_after_its_grace(autojump_clock):
    class Hangs(Actor):
        async def on_start(self):
            await trio.sleep_forever()

    async with open_runtime() as runtime:
        ref = runtime.start_soon(Hangs, grace=3)
        await wait_all_tasks_blocked()
        ref.stop()
        await ref.stopped()

        assert trio.current_time() == 3


async def test_a_supervisor_that_is_stuck_in_a_message_is_interrupted_and_stops_its_children_in_order(autojump_clock):
    class Stuck(Supervisor):
        async def receive(self, message):
            await trio.sleep_forever()

    async with open_runtime(grace=1000) as runtime:
        middle = await runtime.start(Stuck)
        child = await runtime.start(Busy, parent=middle, grace=30)
        middle.tell("stuck")
        child.tell(20)
        await wait_all_tasks_blocked()
        middle.stop()
        await middle.stopped()

        assert (child.exit.kind, trio.current_time()) == ("stopped", 20)
        assert len(runtime.timers) == 0


async def test_an_actor_that_stops_in_time_leaves_no_timer(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(Busy, grace=30)
        ref.tell(2)
        await wait_all_tasks_blocked()
        ref.stop()
        assert (await ref.stopped()).kind == "stopped"

        assert trio.current_time() == 2
        assert len(runtime.timers) == 0


async def test_an_actor_that_ends_by_its_own_decision_takes_its_time(autojump_clock):
    class Leaves(Busy):
        async def receive(self, message):
            self.stop()
            return await super().receive(message)

    async with open_runtime() as runtime:
        ref = await runtime.start(Leaves, grace=1)

        assert await ref.ask(100, timeout=200) == 100
        assert (await ref.stopped()).kind == "normal"


async def test_an_actor_that_is_leaving_by_its_own_decision_is_cancelled_after_its_grace_when_told_to(autojump_clock):
    class Leaves(Busy):
        async def receive(self, message):
            self.stop()
            return await super().receive(message)

    async with open_runtime(grace=1000) as runtime:
        ref = await runtime.start(Leaves, grace=3)
        ref.tell(500)
        await wait_all_tasks_blocked()
        ref.stop()
        await ref.stopped()

        assert trio.current_time() == 3


class Deaf(Job):
    """Takes its seconds to end, whoever cancels it."""

    __slots__ = ("seconds",)

    def __init__(self, seconds):
        self.seconds = seconds

    async def run(self):
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self.seconds):
            await trio.sleep_forever()


@pytest.mark.parametrize(("seconds", "said_at"), [(0.5, 0.5), (20, 1)])
async def test_last_words_are_said_though_what_was_hosted_takes_longer(seconds, said_at, autojump_clock, caplog):
    said = []

    class Host(Actor):
        async def on_start(self):
            self.host(Cell(), "cell")
            self.submit(Deaf(seconds))

        async def on_stop(self, exit):
            said.append(trio.current_time())
            await trio.sleep(0.75)
            said.append("all")

    async with open_runtime() as runtime:
        ref = await runtime.start(Host)
        await wait_all_tasks_blocked()
        ref.stop()
        await ref.stopped()

        assert said == [said_at, "all"]
        assert trio.current_time() == said_at + 0.75
    assert ("the end of what it hosts took more than the 1 s of last_words" in caplog.text) is (seconds > 1)


async def test_last_words_that_are_cut_are_told_to_the_log(autojump_clock, caplog):
    class Wordy(Actor):
        last_words = 2

        async def on_stop(self, exit):
            await trio.sleep_forever()

    async with open_runtime() as runtime:
        ref = await runtime.start(Wordy, "wordy")
        ref.stop()
        await ref.stopped()

        assert trio.current_time() == 2
    assert "root/wordy: on_stop took more than the 2 s of last_words, and was cut" in caplog.text


async def test_cells_for_whose_waves_no_time_is_left_end_all_the_same():
    """Thousands of them take seconds, and a host may have less for its last words."""

    class Hurried(Actor):
        last_words = 0.0

        async def receive(self, message):
            return [self.host(Cell(), str(number)) for number in range(message)]

    async with open_runtime() as runtime:
        ref = await runtime.start(Hurried, restart=Restart.NEVER)
        cells = await ref.ask(10 * WAVE)
        ref.stop()
        await ref.stopped()

        assert [cell.exit.kind for cell in cells] == ["stopped"] * len(cells)
        assert [node.path for node in runtime.tree().walk()] == ["root"]


async def test_cells_below_a_cell_end_all_the_same_when_everything_is_cut_in_the_middle_of_their_waves():
    class Exits(Actor):
        async def receive(self, message):
            message.stop()
            raise SystemExit(3)

    class Hurried(Supervisor):
        last_words = 0.0

    with pytest.raises(SystemExit):
        async with open_runtime(root=Hurried) as runtime:
            parent = runtime.host(Cell(), "parent")
            cells = [runtime.host(Cell(), str(number), parent=parent) for number in range(10 * WAVE)]
            (await runtime.start(Exits)).tell(parent)
            await trio.sleep_forever()

    assert all(cell.exit is not None for cell in (*cells, parent))


async def test_what_closes_a_runtime_may_fail_without_taking_the_actors_their_grace(autojump_clock):
    class Fails(Runtime):
        async def closing(self):
            raise KeyError("closing")

    class Follows(NullRecorder):
        closings = 0

        def closed(self):
            self.closings += 1

    recorder = Follows()
    async with trio.open_nursery():
        with pytest.raises(KeyError, match="closing"):
            async with open_runtime(factory=Fails, grace=7, recorder=recorder) as runtime:
                busy = await runtime.start(Busy, grace=50)
                done = await runtime.start(Busy)
                busy.tell(100)
                done.tell(3)
                await wait_all_tasks_blocked()

    assert trio.current_time() == 7
    assert (busy.exit.kind, done.exit.kind) == ("cancelled", "stopped")
    assert recorder.closings == 1
