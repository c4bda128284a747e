"""The deadline heap. Claims: runtime.md §1.8, §4 row 14."""

from __future__ import annotations

import math
import random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Actor, Timers, open_runtime
from zcp_actors.actors.timers import BURST, FEW, SLICE


class Steps(trio.abc.Instrument):
    """Counts the steps of tasks whose name contains a text."""

    def __init__(self, text):
        self.text, self.count = text, 0

    def before_task_step(self, task):
        self.count += self.text in task.name


async def test_timers_fire_in_order_of_deadline_then_of_arming(autojump_clock):
    fired = []
    async with open_runtime() as runtime:
        for name, delay in [("c", 3), ("a", 1), ("b1", 2), ("b2", 2)]:
            runtime.timers.after(delay, lambda name=name: fired.append((name, trio.current_time())))
        await trio.sleep(5)

    assert fired == [("a", 1), ("b1", 2), ("b2", 2), ("c", 3)]


async def test_a_disarmed_timer_does_not_fire_even_when_it_is_due_in_the_same_step(autojump_clock):
    fired = []
    async with open_runtime() as runtime:
        due = []
        runtime.timers.after(1, lambda: [each.disarm() for each in due])
        due.append(later := runtime.timers.after(1, lambda: fired.append("stale")))
        runtime.timers.after(1, lambda: fired.append("kept"))
        await trio.sleep(2)
        later.disarm()
        assert not later.armed

    assert fired == ["kept"]


async def test_an_earlier_timer_is_not_held_up_by_a_later_one(autojump_clock):
    async with open_runtime() as runtime:
        fired = []
        runtime.timers.after(100, lambda: None)
        await wait_all_tasks_blocked()
        runtime.timers.after(1, lambda: fired.append(trio.current_time()))
        await trio.sleep(2)

        assert fired == [1]


async def test_equal_or_later_deadlines_do_not_wake_the_task(autojump_clock):
    async with open_runtime() as runtime:
        runtime.timers.at(50, lambda: None)
        await wait_all_tasks_blocked()
        steps = Steps("Timers.run")
        trio.lowlevel.add_instrument(steps)
        for deadline in (50, 51, 60):
            runtime.timers.at(deadline, lambda: None)
            await wait_all_tasks_blocked()
        trio.lowlevel.remove_instrument(steps)

        assert steps.count == 0


@pytest.mark.parametrize("began", [0, 3 * SLICE])
async def test_what_is_over_since_ever_is_due_at_once(began, autojump_clock):
    fired = []
    async with open_runtime() as runtime:
        await trio.sleep(began)
        runtime.timers.at(-math.inf, lambda: fired.append(trio.current_time()))
        for _ in range(10):
            await trio.lowlevel.checkpoint()

        assert fired == [began]
        assert len(runtime.timers) == 0


async def test_virtual_time_does_not_advance_for_a_disarmed_timer(autojump_clock):
    async with open_runtime() as runtime:
        times = []
        runtime.timers.after(20, lambda: times.append(trio.current_time()))
        runtime.timers.after(10, lambda: None).disarm()
        steps = Steps("Timers.run")
        trio.lowlevel.add_instrument(steps)
        await trio.sleep(30)
        trio.lowlevel.remove_instrument(steps)

        assert times == [20]
        assert steps.count == 1, "woken once, at 20 and not at 10"


async def test_timers_fire_in_a_context_that_is_not_the_next_ones(autojump_clock):
    from contextvars import ContextVar

    variable, seen = ContextVar("variable", default="clean"), []
    async with open_runtime() as runtime:
        runtime.timers.after(1, lambda: (seen.append(variable.get()), variable.set("dirty")))
        runtime.timers.after(1, lambda: seen.append(variable.get()))
        await trio.sleep(2)

    assert seen == ["clean", "clean"]


@pytest.mark.parametrize("seed", range(20))
async def test_near_and_far_timers_fire_on_time_and_equal_ones_as_they_were_armed(seed, autojump_clock):
    order, fired, armed, began = random.Random(seed), [], [], trio.current_time()
    async with open_runtime() as runtime:

        def arm(number):
            deadline = began + order.choice([0.5, 3, 7, SLICE, SLICE + 1, 20, 21, 21.5, 60])
            if deadline <= trio.current_time():
                return
            timer = runtime.timers.at(deadline, lambda: (fired.append((number, trio.current_time())), armed.remove(me)))
            armed.append(me := (number, deadline, timer))

        for number in range(60):
            arm(number)
            await trio.sleep(order.choice([0, 0, 0.3, 1]))
            if armed and order.random() < 0.4:
                gone = armed.pop(order.randrange(len(armed)))
                gone[2].disarm()
            assert len(runtime.timers) == len(armed) == len(list(runtime.timers))
        due = [*fired, *((number, deadline) for number, deadline, _ in sorted(armed, key=lambda each: each[1]))]
        await trio.sleep(100)

    assert fired == due
    assert [when for _, when in fired] == sorted(when for _, when in fired)


async def test_thousands_of_far_timers_come_due_in_bursts(autojump_clock):
    fired = []
    async with open_runtime() as runtime:
        for number in range(3 * BURST):
            runtime.timers.after(SLICE * 3, lambda number=number: fired.append(number))
        await trio.sleep(SLICE * 4)

    assert fired == list(range(3 * BURST))


def test_far_timers_that_are_disarmed_leave_nothing_behind():
    timers = Timers()
    armed = [timers.at(60 + number % 20, lambda: None) for number in range(10_000)]
    for timer in armed:
        timer.disarm()
        timer.disarm()

    assert (len(timers), timers.stale, list(timers)) == (0, 0, [])


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=300), st.integers())
def test_disarmed_entries_beyond_a_few_never_exceed_half_of_the_heap(entries, seed):
    timers, armed = Timers(), []
    timers._begun = 50 // SLICE
    order = random.Random(seed)
    for deadline, disarm in entries:
        armed.append(timers.at(deadline, lambda: None))
        if disarm:
            armed.pop(order.randrange(len(armed))).disarm()
        assert len(timers) == len(armed)
        assert timers.stale <= max(FEW, len(timers._heap) // 2)
    for timer in armed:
        timer.disarm()
    assert len(timers._heap) <= FEW


class Alarm(Actor):
    def __init__(self):
        self.heard = []

    async def receive(self, message):
        match message:
            case ("start", key, delay, text):
                self.start_timer(key, delay, text)
            case ("stop", key):
                self.stop_timer(key)
            case ("busy", seconds):
                await trio.sleep(seconds)
            case "heard":
                return self.heard
            case _:
                self.heard.append((message, trio.current_time()))
        return None


async def test_an_actors_timer_delivers_its_message_and_the_same_key_replaces_it(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(Alarm)
        ref.tell(("start", "k", 1, "first"))
        ref.tell(("start", "k", 2, "second"))
        ref.tell(("start", "other", 3, "third"))
        ref.tell(("start", "stopped", 1, "never"))
        ref.tell(("stop", "stopped"))
        await trio.sleep(5)

        assert await ref.ask("heard") == [("second", 2), ("third", 3)]
        assert ref._host.actor.timers == {}


@pytest.mark.parametrize("move", ["stop", "replace"])
async def test_a_timer_that_is_due_but_not_yet_handled_is_stale_once_stopped_or_replaced(move, autojump_clock):
    """The race of `cancel_timer` that does not flush: runtime.md §1.8."""

    class Busy(Alarm):
        async def receive(self, message):
            if message == "go":
                self.start_timer("k", 1, "stale")
                await trio.sleep(2)
                if move == "stop":
                    self.stop_timer("k")
                else:
                    self.start_timer("k", 1, "fresh")
                return None
            return await super().receive(message)

    async with open_runtime() as runtime:
        ref = await runtime.start(Busy)
        await ref.ask("go", timeout=60)
        await trio.sleep(5)

        assert await ref.ask("heard") == ([] if move == "stop" else [("fresh", 3)])


async def test_a_timer_overtakes_the_mail_that_waits(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(Alarm)
        ref.tell(("start", "k", 1, "timer"))
        ref.tell(("busy", 2))
        ref.tell("mail")
        await trio.sleep(3)

        assert [text for text, _ in await ref.ask("heard")] == ["timer", "mail"]


async def test_a_timer_that_is_started_in_last_words_is_none(autojump_clock):
    class Late(Actor):
        async def on_stop(self, exit):
            self.start_timer("key", 100, "message")
            self.stop_timer("key")
            self.start_timer("key", 100, "message")

    async with open_runtime() as runtime:
        ref = await runtime.start(Late)
        ref.stop()
        await ref.stopped()

        assert len(runtime.timers) == 0


async def test_timers_end_with_their_incarnation(autojump_clock):
    class Dies(Alarm):
        async def receive(self, message):
            if message == "die":
                raise ValueError(message)
            return await super().receive(message)

    async with open_runtime() as runtime:
        ref = await runtime.start(Dies)
        ref.tell(("start", "k", 1, "of the first life"))
        ref.tell("die")
        await trio.sleep(5)

        assert await ref.ask("heard") == []
        assert len(runtime.timers) == 0
