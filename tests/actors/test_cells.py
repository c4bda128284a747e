"""Actors without a task. Claims: runtime.md §3.2, DESIGN §2 law 1."""

from __future__ import annotations

import itertools

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Cell, Job, Reply, Supervisor, open_runtime
from zcp_actors.errors import ActorStopped, AskTimeout, MailboxFull, UsageError


class Log(Cell):
    """Records what it receives; tells others, fails, stops or answers later when told to."""

    mailbox_size = 5

    def __init__(self, log=None):
        self.log = [] if log is None else log
        self.owed = Reply()

    def receive(self, message):
        self.log.append(message)
        match message:
            case ("tell", ref, *messages):
                for each in messages:
                    ref.tell(each)
                self.log.append("told")
            case "fail":
                raise ValueError(message)
            case "stop":
                self.stop()
            case "later":
                return self.owed
        return message

    def on_stop(self, exit):
        self.log.append(f"-{exit.kind}")


class Wait(Job):
    __slots__ = ("exits",)

    def __init__(self, exits):
        self.exits = exits

    async def run(self):
        await trio.sleep_forever()

    def ended(self, exit):
        self.exits.append(exit)


async def test_tell_send_and_ask_reach_a_cell():
    cell = Log()
    async with open_runtime() as runtime:
        ref = runtime.host(cell, "cell")
        ref.tell("a")
        assert cell.log == ["a"], "in the teller's step"
        await ref.send("b")
        assert await ref.ask("c") == "c"

    assert cell.log == ["a", "b", "c", "-stopped"]


async def test_the_owner_steps_it_directly():
    cell = Log()
    async with open_runtime() as runtime:
        runtime.host(cell)

        assert cell.step("now") == "now"
        later = cell.step("later")
        cell.owed.set("then")
        assert await later.wait() == "then"


async def test_a_message_told_during_a_step_is_handled_after_it_in_order():
    log = []
    async with open_runtime() as runtime:
        ref = runtime.host(Log(log))
        ref.tell(("tell", ref, "x", "y"))

    assert log[1:] == ["told", "x", "y", "-stopped"]


async def test_two_cells_tell_each_other_without_nesting_in_one_of_them():
    class Pong(Cell):
        depth = deepest = count = 0

        def receive(self, message):
            self.depth += 1
            self.deepest = max(self.depth, self.deepest)
            self.count += 1
            if message:
                self.peer.tell(message - 1)
            self.depth -= 1

    a, b = Pong(), Pong()
    async with open_runtime() as runtime:
        b.peer, a.peer = runtime.host(a), runtime.host(b)
        a.peer.tell(2000)

    assert a.count + b.count == 2001
    assert (a.deepest, b.deepest) == (1, 1)


async def test_asks_and_steps_during_a_step_are_answered_after_it():
    class Inner(Cell):
        def receive(self, message):
            if message == "outer":
                self.reply = self.step("inner")
                assert self.reply.open
            return message

    cell = Inner()
    async with open_runtime() as runtime:
        runtime.host(cell)
        assert cell.step("outer") == "outer"
        assert await cell.reply.wait() == "inner"


async def test_what_is_queued_during_a_step_is_bounded():
    async with open_runtime() as runtime:
        cell = Log()
        ref = runtime.host(cell)
        ref.tell(("tell", ref, *range(6)))

        exit = await ref.stopped()
        assert isinstance(exit.error, MailboxFull)
        assert "its mailbox_size" in str(exit.error)


async def test_a_cell_that_makes_work_for_itself_without_end_is_failed_and_not_the_loop():
    class Spins(Cell):
        def receive(self, message):
            self.tell(message)

    async with open_runtime() as runtime:
        ref = runtime.host(Spins())
        ref.tell("spin")

        assert "in one step" in str((await ref.stopped()).error)


@pytest.mark.parametrize("verb", ["tell", "step", "ask"])
async def test_an_error_ends_the_cell_and_reaches_its_supervisor_and_not_the_teller(verb):
    seen = []

    class Root(Supervisor):
        def on_child_exit(self, ref, exit):
            seen.append((ref.path, exit.kind, str(exit.error)))

    async with open_runtime(root=Root) as runtime:
        cell = Log()
        ref = runtime.host(cell, "cell")
        if verb == "tell":
            ref.tell("fail")
        else:
            with pytest.raises(ActorStopped):
                cell.step("fail") if verb == "step" else await ref.ask("fail")

        assert seen == [("root/cell", "failed", "fail")]
        assert cell.log == ["fail", "-failed"]
        assert not ref.alive


async def test_the_error_of_a_cell_deep_down_reaches_the_nearest_supervisor():
    seen = []

    class Root(Supervisor):
        def on_child_exit(self, ref, exit):
            seen.append((ref.path, exit.kind))

    async with open_runtime(root=Root) as runtime:
        outer = Log()
        runtime.host(outer, "outer")
        inner = outer.host(Log(), "inner")
        inner.tell("fail")

        assert seen == [("root/outer/inner", "failed")]
        assert outer.me.alive


async def test_what_was_queued_when_it_failed_is_settled():
    async with open_runtime() as runtime:
        replies = []

        class Feeder(Cell):
            def receive(self, message):
                replies.append(cell.step("queued"))
                cell.tell("letter")
                cell.tell("late")

        feeder = runtime.host(Feeder())

        class Bad(Log):
            def receive(self, message):
                feeder.tell("now")
                raise ValueError

        cell = Bad()
        bad = runtime.host(cell)
        bad.tell("go")

        with pytest.raises(ActorStopped):
            await replies[0].wait()
        assert [letter.message for letter in runtime.dead_letters] == ["letter", "late"]


async def test_an_ask_is_answered_later_by_the_reply_that_receive_returned():
    async with open_runtime() as runtime:
        cell = Log()
        ref = runtime.host(cell)
        answers = []

        async def asker():
            answers.append(await ref.ask("later"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(asker)
            nursery.start_soon(asker)
            await wait_all_tasks_blocked()
            assert runtime.tree().children[0].in_flight == 1
            cell.owed.set("both")

        assert answers == ["both", "both"]
        assert runtime.tree().children[0].in_flight == 0


async def test_an_asker_that_runs_out_of_time_leaves_the_others_waiting(autojump_clock):
    async with open_runtime() as runtime:
        cell = Log()
        ref = runtime.host(cell)
        async with trio.open_nursery() as nursery:

            async def patient():
                assert await ref.ask("later", timeout=10) == "answer"

            nursery.start_soon(patient)
            with pytest.raises(AskTimeout):
                await ref.ask("later", timeout=1)
            assert cell.owed.open
            cell.owed.set("answer")


@pytest.mark.parametrize("how", ["stop", "cancel", "fail"])
async def test_an_answer_still_owed_fails_when_the_cell_ends(how):
    async with open_runtime() as runtime:
        ref = runtime.host(Log())
        async with trio.open_nursery() as nursery:

            async def asker():
                with pytest.raises(ActorStopped):
                    await ref.ask("later")

            nursery.start_soon(asker)
            await wait_all_tasks_blocked()
            {"stop": ref.stop, "cancel": ref.cancel, "fail": lambda: ref.tell("fail")}[how]()


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (lambda ref: ref.stop(), "stopped"),
        (lambda ref: ref.cancel("why"), "cancelled"),
        (lambda ref: ref.tell("stop"), "normal"),
        (lambda ref: ref.tell("fail"), "failed"),
    ],
)
async def test_the_exit_says_how_it_ended_also_to_those_who_come_late(end, kind):
    cell = Log()
    async with open_runtime() as runtime:
        ref = runtime.host(cell)
        end(ref)

        exit = await ref.stopped()
        assert exit.kind == kind
        assert exit.reason == ("why" if kind == "cancelled" else "")
        assert cell.log[-1] == f"-{kind}"
        assert ref.status == "ended"
        ref.stop()
        ref.cancel()
        ref.tell("dead")
        assert [letter.message for letter in runtime.dead_letters] == ["dead"]
        with pytest.raises(ActorStopped):
            await ref.ask("dead")


@pytest.mark.parametrize("order", list(itertools.permutations(["stop", "cancel", "fail"])))
async def test_of_stop_cancel_and_failure_within_one_step_the_gravest_decides(order):
    """A stop lets what is queued be handled; a cancel does not; an error is never hidden."""

    class Ends(Log):
        def receive(self, message):
            if message == "go":
                self.tell("queued")
                for move in order:
                    if move == "fail":
                        raise ValueError
                    {"stop": self.stop, "cancel": self.me.cancel}[move]()
            return super().receive(message)

    async with open_runtime() as runtime:
        cell = Ends()
        ref = runtime.host(cell)
        ref.tell("go")

        assert ref.exit.kind == "failed"
        assert "queued" not in cell.log


async def test_a_stop_during_a_step_handles_what_is_queued_first():
    class Stops(Log):
        def receive(self, message):
            if message == "go":
                self.stop()
                self.tell("queued")
            return super().receive(message)

    async with open_runtime() as runtime:
        cell = Stops()
        runtime.host(cell).tell("go")

    assert cell.log == ["go", "queued", "-normal"]


async def test_a_cell_ends_after_its_children_and_jobs_and_they_with_it(autojump_clock):
    log, exits = [], []
    async with open_runtime() as runtime:
        cell = Log(log)
        ref = runtime.host(cell, "parent")
        child = cell.host(Log(log), "child")
        cell.submit(Wait(exits))
        await wait_all_tasks_blocked()
        ref.cancel("all of it")
        assert (child.exit.kind, child.exit.reason) == ("cancelled", "all of it")
        assert ref.status == "stopping"
        assert log == ["-cancelled"]

        assert (await ref.stopped()).kind == "cancelled"
        assert [(exit.kind, exit.reason) for exit in exits] == [("cancelled", "all of it")]
        assert log == ["-cancelled", "-cancelled"]
        assert runtime.tree().children == ()


async def test_a_stopping_cell_takes_no_mail_no_children_and_no_jobs():
    async with open_runtime() as runtime:
        cell = Log()
        ref = runtime.host(cell)
        cell.submit(Wait([]))
        await wait_all_tasks_blocked()
        ref.stop()

        ref.tell("late")
        assert runtime.dead_letters.count == 1
        with pytest.raises(ActorStopped):
            cell.host(Log(), "late")
        with pytest.raises(ActorStopped):
            cell.submit(Wait([]))
        with pytest.raises(ActorStopped):
            cell.step("late")
        await ref.stopped()


async def test_last_words_that_fail_are_not_the_exit(caplog):
    class Mute(Log):
        def on_stop(self, exit):
            raise OSError("no voice")

    async with open_runtime() as runtime:
        ref = runtime.host(Mute(), "mute")
        ref.stop()

        assert ref.exit.kind == "stopped"
    assert "last words of root/mute failed" in caplog.text


async def test_a_cell_can_watch():
    async with open_runtime() as runtime:
        watcher, watched = Log(), runtime.host(Log())
        runtime.host(watcher)
        watcher.watch(watched, "gone")
        watched.stop()
        watcher.watch(watched, "already gone")

        assert watcher.log == ["gone", "already gone"]


async def test_one_instance_has_one_address():
    async with open_runtime() as runtime:
        cell = Log()
        runtime.host(cell, "one")
        with pytest.raises(UsageError, match="already has an address, root/one"):
            runtime.host(cell, "two")


async def test_a_cell_that_fails_at_what_it_missed_ends_all_the_same(caplog):
    class Misses(Cell):
        def receive(self, message):
            self.me.tell("missed")
            raise ValueError(message)

        def missed(self, message):
            raise KeyError(message)

    async with open_runtime() as runtime:
        ref = runtime.host(Misses(), "m")
        ref.tell("fatal")

        assert ref.exit.kind == "failed"
        assert runtime.tree().children == ()
    assert "root/m failed at a message it missed" in caplog.text
