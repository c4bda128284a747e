"""Opening, living in and closing a runtime. Claims: runtime.md §1.9, §2.1; DESIGN §5."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Actor, Cell, Restart, Runtime, Supervisor, current_runtime, open_runtime
from zcp_actors.errors import ActorStopped, NoRuntime
from zcp_actors.ports import NullRecorder


class Ear(Actor):
    def __init__(self, heard):
        self.heard = heard

    async def receive(self, message):
        self.heard.append(message)
        if message == "hang":
            await trio.sleep_forever()
        return "ok"


async def test_a_cancelled_body_can_still_say_goodbye_to_its_actors(autojump_clock):
    heard = []
    with trio.move_on_after(5) as scope:
        async with open_runtime() as runtime:
            ref = await runtime.start(lambda: Ear(heard))
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                    assert await ref.ask("bye") == "ok"

    assert heard == ["bye"]
    assert scope.cancelled_caught
    assert trio.current_time() == 5


async def test_a_cancelled_body_does_not_cut_the_actors_grace(autojump_clock):
    heard = []

    class Slow(Ear):
        async def receive(self, message):
            await trio.sleep(2)
            return await super().receive(message)

    with trio.move_on_after(5):
        async with open_runtime() as runtime:
            ref = await runtime.start(lambda: Slow(heard))
            await trio.sleep(4)
            ref.tell("in flight")
            await trio.sleep_forever()

    assert heard == ["in flight"]
    assert trio.current_time() == 6


async def test_stuck_actors_cannot_hold_the_runtime_beyond_its_grace(autojump_clock):
    async with open_runtime(grace=4) as runtime:
        for _ in range(3):
            ref = await runtime.start(lambda: Ear([]))
            ref.tell("hang")
        await wait_all_tasks_blocked()

    assert trio.current_time() == pytest.approx(4)
    assert (ref.exit.kind, ref.exit.reason) == ("cancelled", "the runtime's grace ran out")


async def test_last_words_survive_cancellation_but_not_for_ever(autojump_clock):
    said = []

    class Wordy(Actor):
        async def on_stop(self, exit):
            said.append(exit.kind)
            await trio.sleep(0.5)
            said.append("saved")
            await trio.sleep_forever()

    async with open_runtime() as runtime:
        ref = await runtime.start(Wordy)
        ref.cancel()
        await ref.stopped()

    assert said == ["cancelled", "saved"]
    assert trio.current_time() == pytest.approx(1)


async def test_last_words_may_still_use_timers_jobs_and_cells(autojump_clock):
    done = []

    class Cleans(Actor):
        async def on_stop(self, exit):
            event = trio.Event()
            self.runtime.timers.after(0.5, event.set)
            await event.wait()
            done.append(trio.current_time())

    async with open_runtime() as runtime:
        await runtime.start(Cleans)

    assert done == [0.5]


async def test_an_error_of_the_body_is_raised_as_itself():
    with pytest.raises(KeyError, match="mine"):
        async with open_runtime() as runtime:
            await runtime.start(lambda: Ear([]))
            raise KeyError("mine")


async def test_a_group_raised_by_the_body_is_left_whole():
    with pytest.raises(ExceptionGroup) as info:
        async with open_runtime():
            raise ExceptionGroup("mine", [ValueError()])

    assert info.value.message == "mine"


async def test_a_failure_of_the_root_cancels_the_body_and_surfaces_as_itself(autojump_clock):
    class Root(Supervisor):
        async def receive(self, message):
            raise ZeroDivisionError(message)

    left = []
    with pytest.raises(ZeroDivisionError, match="root"):
        async with open_runtime(root=Root) as runtime:
            runtime.root.tell("root")
            try:
                await trio.sleep_forever()
            finally:
                left.append(trio.current_time())
    assert left == [0]


async def test_the_current_runtime_is_known_in_body_actors_and_jobs_and_only_inside():
    class Knows(Actor):
        async def receive(self, message):
            return current_runtime()

    with pytest.raises(NoRuntime, match="async with zcp_actors.open_runtime"):
        current_runtime()
    async with open_runtime() as outer:
        assert current_runtime() is outer
        async with open_runtime() as inner:
            assert current_runtime() is inner
            ref = await outer.start(Knows)
            assert await ref.ask("?") is outer
        assert current_runtime() is outer
    with pytest.raises(NoRuntime):
        current_runtime()


async def test_a_subclass_is_opened_by_its_factory_and_told_of_both_ends():
    log = []

    class Mine(Runtime):
        def __init__(self, *, colour, **options):
            super().__init__(**options)
            self.colour = colour

        async def opened(self):
            log.append(("opened", self.root.status))

        async def closing(self):
            log.append(("closing", self.root.status))

    async with open_runtime(factory=Mine, colour="red", name="mine") as runtime:
        assert runtime.colour == "red"
        assert current_runtime() is runtime
        assert runtime.root.path == "mine"

    assert log == [("opened", "running"), ("closing", "running")]


async def test_references_work_after_the_runtime_is_closed():
    async with open_runtime() as runtime:
        ref = await runtime.start(lambda: Ear([]))

    assert (await ref.stopped()).kind == "stopped"
    with pytest.raises(ActorStopped):
        await ref.ask("?")
    ref.tell("late")
    assert runtime.dead_letters.count == 1
    with pytest.raises(ActorStopped):
        await runtime.start(lambda: Ear([]))
    assert runtime.tree().state == "ended"


class Transitions(NullRecorder):
    enabled = True

    def __init__(self):
        self.seen = []

    def transition(self, subject, path, old, new, **facts):
        self.seen.append((subject, path, f"{old} {new}"))


async def test_every_status_of_an_actor_is_recorded(autojump_clock):
    recorder = Transitions()

    class Dies(Actor):
        async def receive(self, message):
            raise ValueError

    async with open_runtime(recorder=recorder) as runtime:
        ref = await runtime.start(Dies, "x")
        ref.tell("die")
        await trio.sleep(1)
        ref.stop()
        await ref.stopped()
        cell = runtime.host(Cell(), "cell")
        cell.stop()

    of_x = [moves for subject, path, moves in recorder.seen if (subject, path) == ("actor", "root/x")]
    assert of_x == [
        "starting running",
        "running stopping",
        "stopping restarting",
        "restarting starting",
        "starting running",
        "running stopping",
        "stopping ended",
    ]
    of_cell = [moves for _, path, moves in recorder.seen if path == "root/cell"]
    assert of_cell == ["starting running", "running stopping", "stopping ended"]


async def test_actors_do_not_inherit_the_context_of_whoever_started_them():
    from contextvars import ContextVar

    variable = ContextVar("variable", default="clean")

    class Looks(Actor):
        async def receive(self, message):
            return variable.get()

    async with open_runtime() as runtime:
        variable.set("the starter's")
        ref = await runtime.start(Looks)

        assert await ref.ask("?") == "clean"


class Unopened(Actor):
    """Needs something that is not there."""

    async def on_start(self):
        raise OSError("no such disk")

    async def receive(self, message): ...


async def test_who_waits_for_an_actor_to_begin_is_told_why_it_did_not_and_the_log_need_not_be(caplog):
    async with open_runtime() as runtime:
        ref = runtime.start_soon(Unopened, "unopened", restart=Restart.NEVER)
        with pytest.raises(OSError, match="no such disk"):
            await runtime.begun(ref)
        with pytest.raises(OSError, match="no such disk"):
            await runtime.start(Unopened, "awaited")
        assert caplog.text == ""


async def test_the_log_is_told_why_an_actor_did_not_begin_for_which_nobody_waits(caplog):
    async with open_runtime() as runtime:
        runtime.start_soon(Unopened, "unopened", restart=Restart.NEVER)
        await wait_all_tasks_blocked()

    assert "root/unopened failed" in caplog.text
    assert "no such disk" in caplog.text


async def test_a_name_that_is_made_up_is_never_one_that_is_taken():
    async with open_runtime() as runtime:
        for number in (1, 2, 4):
            runtime.host(Cell(), f"cell-{number}")

        assert [runtime.host(Cell()).name for _ in range(2)] == ["cell-3", "cell-5"]
