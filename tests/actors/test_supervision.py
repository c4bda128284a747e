"""Who is restarted, when, how often, and in which order all end. Claims: runtime.md §1.4, §1.9, §4 rows 9 and 10."""

from __future__ import annotations

import itertools

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Actor, Cell, Child, Limit, Restart, Strategy, Supervisor, open_runtime
from zcp_actors.errors import ActorStopped, NameTaken, RestartLimitReached, TooManyChildren, UsageError
from zcp_actors.ports import NullRecorder

CALM = Limit(restarts=3, within=5, backoff=0)


class Tracked(Actor):
    """Writes + when it begins and - when it ends; fails, ends or hangs when told to."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    async def on_start(self):
        self.log.append("+" + self.name)

    async def receive(self, message):
        match message:
            case "boom":
                raise ValueError(self.name)
            case "done":
                self.stop()
            case "hang":
                await trio.sleep_forever()
        return self.name

    async def on_stop(self, exit):
        self.log.append("-" + self.name)


def group(strategy, names="abc", log=None, **options):
    class Group(Supervisor):
        limit = CALM

        def __init__(self):
            super().__init__([Child(name, lambda name=name: Tracked(name, log), **options) for name in names])

    Group.strategy = strategy
    return Group


def child(runtime, path):
    """The reference of a node of the tree."""
    host = runtime.root._host
    for name in path.split("/"):
        host = host._children[name]
    return host.me


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Strategy.ONE_FOR_ONE, ["-b", "+b"]),
        (Strategy.ONE_FOR_ALL, ["-b", "-c", "-a", "+a", "+b", "+c"]),
        (Strategy.REST_FOR_ONE, ["-b", "-c", "+b", "+c"]),
    ],
)
async def test_the_strategy_says_who_is_restarted_and_in_which_order(strategy, expected, autojump_clock):
    log = []
    async with open_runtime(root=group(strategy, log=log)) as runtime:
        assert log == ["+a", "+b", "+c"]
        refs = [child(runtime, name) for name in "abc"]
        log.clear()
        refs[1].tell("boom")
        await trio.sleep(1)

        assert log == expected
        assert [await ref.ask("name") for ref in refs] == ["a", "b", "c"], "references survive"
        assert [node.restarts for node in runtime.tree().children] == [0, 1, 0]
        log.clear()
    assert log == ["-c", "-b", "-a"], "last started, first stopped"


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ONE])
async def test_failures_of_all_children_at_once_end_with_all_of_them_serving(strategy, order, autojump_clock):
    log = []
    async with open_runtime(root=group(strategy, log=log)) as runtime:
        refs = {name: child(runtime, name) for name in "abc"}
        for name in order:
            refs[name].tell("boom")
        await trio.sleep(30)

        assert [await refs[name].ask("name") for name in "abc"] == ["a", "b", "c"]
        for name in "abc":
            assert log.count("+" + name) == log.count("-" + name) + 1


async def test_mail_of_regrouped_siblings_is_kept(autojump_clock):
    async with open_runtime(root=group(Strategy.ONE_FOR_ALL, log=[])) as runtime:
        a, b = child(runtime, "a"), child(runtime, "b")
        a.tell("boom")
        await wait_all_tasks_blocked()
        assert await b.ask("still") == "b"


async def test_a_member_that_does_not_leave_is_cancelled_after_its_grace(autojump_clock):
    log = []
    async with open_runtime(root=group(Strategy.ONE_FOR_ALL, "ab", log, grace=2)) as runtime:
        a, b = child(runtime, "a"), child(runtime, "b")
        b.tell("hang")
        await wait_all_tasks_blocked()
        a.tell("boom")

        assert await b.ask("alive again", timeout=60) == "b"
        assert trio.current_time() == pytest.approx(2)


async def test_a_member_that_is_never_restarted_ends_with_its_group(autojump_clock):
    log = []
    async with open_runtime(root=group(Strategy.ONE_FOR_ALL, "a", log)) as runtime:
        never = await runtime.start(lambda: Tracked("n", log), "n", restart=Restart.NEVER)
        child(runtime, "a").tell("boom")

        assert (await never.stopped()).kind == "stopped"
        await trio.sleep(1)
        assert log == ["+a", "+n", "-a", "-n", "+a"]


@pytest.mark.parametrize(
    ("restart", "message", "restarted"),
    [
        (Restart.ALWAYS, "boom", True),
        (Restart.ALWAYS, "done", True),
        (Restart.ON_FAILURE, "boom", True),
        (Restart.ON_FAILURE, "done", False),
        (Restart.NEVER, "boom", False),
        (Restart.NEVER, "done", False),
    ],
)
async def test_the_policy_says_which_ends_lead_to_a_restart(restart, message, restarted, autojump_clock):
    log = []
    async with open_runtime() as runtime:
        ref = await runtime.start(lambda: Tracked("x", log), restart=restart)
        ref.tell(message)
        await trio.sleep(10)

        assert ref.alive is restarted
        assert log == (["+x", "-x", "+x"] if restarted else ["+x", "-x"])
        if not restarted:
            assert ref.exit.kind == ("failed" if message == "boom" else "normal")


@pytest.mark.parametrize("verb", ["stop", "cancel"])
async def test_an_end_that_was_asked_for_is_final_under_every_policy(verb, autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(lambda: Tracked("x", []), restart=Restart.ALWAYS)
        getattr(ref, verb)()

        assert (await ref.stopped()).kind == {"stop": "stopped", "cancel": "cancelled"}[verb]


async def test_normal_ends_never_spend_the_restart_budget(autojump_clock):
    log = []
    async with open_runtime() as runtime:
        ref = await runtime.start(lambda: Tracked("x", log), restart=Restart.ALWAYS)
        for _ in range(20):
            ref.tell("done")
            await trio.sleep(0.2)
        for _ in range(3):
            ref.tell("boom")
            await trio.sleep(1)

        assert ref.alive
        assert log.count("+x") == 24


@pytest.mark.parametrize("verb", ["stop", "cancel"])
async def test_stopping_an_actor_that_waits_for_its_restart_ends_it_at_once(verb, autojump_clock):
    class Slow(Supervisor):
        limit = Limit(backoff=5)

    async with open_runtime(root=Slow) as runtime:
        ref = await runtime.start(lambda: Tracked("x", []))
        ref.tell("boom")
        await wait_all_tasks_blocked()
        assert ref.status == "restarting"
        ref.tell("undeliverable")
        getattr(ref, verb)()

        assert not ref.alive
        assert len(runtime.timers) == 0
        assert [letter.message for letter in runtime.dead_letters] == ["undeliverable"]
        assert runtime.tree().children == ()


async def test_back_off_doubles_up_to_its_maximum_with_jitter_from_half_to_full(autojump_clock):
    class Patient(Supervisor):
        limit = Limit(restarts=10, within=1000, backoff=1, backoff_max=4)
        chances = iter([1.0, 0.0, 0.5, 1.0])

        def jitter(self):
            return next(self.chances)

    class Restarts(NullRecorder):
        seen = ()

        def restart(self, path, exit, delay, attempt, **facts):
            self.seen = (*self.seen, (path, str(exit.error), delay, attempt))

    recorder = Restarts()
    async with open_runtime(root=Patient, recorder=recorder) as runtime:
        ref = await runtime.start(lambda: Tracked("x", []), "x")
        began = []
        for _ in range(4):
            ref.tell("boom")
            await wait_all_tasks_blocked()
            failed = trio.current_time()
            await ref.ask("again", timeout=60)
            began.append(trio.current_time() - failed)

    assert began == [1.0, 1.0, 3.0, 4.0]
    assert recorder.seen == tuple(("root/x", "x", delay, attempt) for attempt, delay in enumerate(began, 1))


async def test_a_supervisor_is_not_blind_during_back_off(autojump_clock):
    class Slow(Supervisor):
        limit = Limit(backoff=5, backoff_max=5)
        jitter = staticmethod(lambda: 1.0)

        async def receive(self, message):
            return f"heard {message}"

    async with open_runtime(root=Slow) as runtime:
        first = await runtime.start(lambda: Tracked("first", []))
        second = await runtime.start(lambda: Tracked("second", []), restart=Restart.NEVER)
        first.tell("boom")
        await wait_all_tasks_blocked()
        second.tell("boom")

        assert (await second.stopped()).kind == "failed"
        assert await runtime.root.ask("me") == "heard me"
        assert trio.current_time() == 0


async def test_a_failing_factory_counts_as_a_failure(autojump_clock):
    made = []

    def make():
        made.append(1)
        if len(made) == 2:
            raise OSError("no file")
        return Tracked("x", [])

    async with open_runtime() as runtime:
        ref = await runtime.start(make)
        ref.tell("boom")

        assert await ref.ask("third life") == "x"
        assert runtime.tree().children[0].restarts == 2


async def test_a_restart_storm_surfaces_from_the_runtime_as_itself(autojump_clock):
    ref = None
    with pytest.raises(RestartLimitReached, match="root gives up: more than 3 restarts within 5 s") as info:
        async with open_runtime() as runtime:
            ref = await runtime.start(lambda: Tracked("x", []), "x")
            while True:
                ref.tell("boom")
                await trio.sleep(0.9)

    assert isinstance(info.value.__cause__, ValueError)
    assert ref.exit.kind == "failed"
    assert trio.current_time() == pytest.approx(2.7)


async def test_failures_that_are_far_enough_apart_are_forgiven(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(lambda: Tracked("x", []))
        for _ in range(20):
            ref.tell("boom")
            await trio.sleep(2)

        assert ref.alive


async def test_escalation_climbs_the_tree_one_supervisor_at_a_time(autojump_clock):
    starts = []

    class Middle(Supervisor):
        limit = Limit(restarts=1, within=100, backoff=0)

        def __init__(self):
            super().__init__([Child("leaf", lambda: Tracked("leaf", []))])

        async def on_start(self):
            starts.append(trio.current_time())

    class Root(Supervisor):
        limit = Limit(restarts=2, within=1000, backoff=0)

        def __init__(self):
            super().__init__([Child("middle", Middle)])

    with pytest.raises(RestartLimitReached, match="root gives up") as info:
        async with open_runtime(root=Root) as runtime:
            while True:
                child(runtime, "middle/leaf").tell("boom")
                await trio.sleep(1)

    assert len(starts) == 3
    assert "root/middle gives up" in str(info.value.__cause__)
    assert isinstance(info.value.__cause__.__cause__, ValueError)


async def test_a_supervisor_that_gives_up_stops_its_other_children_in_order(autojump_clock):
    log = []

    class Brief(group(Strategy.ONE_FOR_ONE, "abc", log)):
        limit = Limit(restarts=0)

    async with open_runtime() as runtime:
        ref = await runtime.start(Brief, "brief", restart=Restart.NEVER)
        child(runtime, "brief/b").tell("boom")
        await ref.stopped()

        assert log == ["+a", "+b", "+c", "-b", "-c", "-a"]
        assert isinstance(ref.exit.error, RestartLimitReached)


async def test_a_failing_start_is_raised_at_the_starter_and_not_restarted(autojump_clock):
    class Fails(Actor):
        async def on_start(self):
            raise OSError("no port")

    async with open_runtime() as runtime:
        with pytest.raises(OSError, match="no port"):
            await runtime.start(Fails)

        assert runtime.tree().children == ()


async def test_a_failing_start_that_nobody_awaits_is_a_failure_like_any_other(autojump_clock):
    attempts = []

    class Fails(Actor):
        async def on_start(self):
            attempts.append(trio.current_time())
            if len(attempts) < 3:
                raise OSError("not yet")

        async def receive(self, message):
            return "served"

    async with open_runtime() as runtime:
        ref = runtime.start_soon(Fails)

        assert await ref.ask("?") == "served"
    assert len(attempts) == 3


async def test_a_failing_start_of_a_declared_child_fails_its_supervisor_and_ends_those_before():
    log = []

    class Fails(Actor):
        async def on_start(self):
            raise OSError("no port")

    class Root(Supervisor):
        def __init__(self):
            super().__init__([Child("a", lambda: Tracked("a", log)), Child("b", Fails)])

    with pytest.raises(OSError, match="no port"):
        async with open_runtime(root=Root):
            log.append("body")

    assert log == ["+a", "-a"]


async def test_a_starter_that_is_cancelled_leaves_no_child_behind(autojump_clock):
    class Slow(Actor):
        async def on_start(self):
            await trio.sleep_forever()

    async with open_runtime() as runtime:
        with trio.move_on_after(1):
            await runtime.start(Slow)
        await wait_all_tasks_blocked()

        assert runtime.tree().children == ()


async def test_names_are_taken_while_their_actor_lives_and_children_are_bounded():
    async with open_runtime(max_children=2) as runtime:
        ref = await runtime.start(lambda: Tracked("x", []), "x")
        with pytest.raises(NameTaken, match="living child 'x'"):
            runtime.host(Cell(), "x")
        runtime.host(Cell(), "y")
        with pytest.raises(TooManyChildren, match="2 children"):
            await runtime.start(lambda: Tracked("z", []), "z")
        ref.stop()
        await ref.stopped()
        runtime.host(Cell(), "x")


@pytest.mark.parametrize("name", ["a/b", "x" * 257])
async def test_a_name_is_one_short_part_of_a_path(name):
    async with open_runtime() as runtime:
        with pytest.raises(UsageError, match="no slash"):
            runtime.host(Cell(), name)


async def test_an_actor_is_started_below_a_supervisor_and_only_there(autojump_clock):
    async with open_runtime() as runtime:
        middle = runtime.start_soon(group(Strategy.ONE_FOR_ONE, "", []), "middle")
        leaf = await runtime.start(lambda: Tracked("x", []), "leaf", parent=middle)
        assert leaf.path == "root/middle/leaf"

        with pytest.raises(UsageError, match="is no supervisor"):
            await runtime.start(lambda: Tracked("y", []), parent=leaf)
        middle.stop()
        with pytest.raises(ActorStopped):
            await runtime.start(lambda: Tracked("y", []), parent=middle)
        assert (await leaf.stopped()).kind == "stopped"


async def test_cancelling_a_supervisor_cancels_everything_below_with_its_reason(autojump_clock):
    log = []
    async with open_runtime() as runtime:
        middle = await runtime.start(group(Strategy.ONE_FOR_ONE, "ab", log), "middle")
        cell = runtime.host(Cell(), "cell", parent=middle)
        a = child(runtime, "middle/a")
        a.tell("hang")
        await wait_all_tasks_blocked()
        middle.cancel("enough")

        exit = await middle.stopped()
        assert (exit.kind, exit.reason) == ("cancelled", "enough")
        assert (a.exit.kind, a.exit.reason) == ("cancelled", "enough")
        assert (cell.exit.kind, cell.exit.reason) == ("cancelled", "enough")
        assert trio.current_time() == 0


async def test_cancelling_a_supervisor_that_is_draining_cuts_the_draining_short(autojump_clock):
    async with open_runtime() as runtime:
        middle = await runtime.start(group(Strategy.ONE_FOR_ONE, "a", []), "middle")
        child(runtime, "middle/a").tell("hang")
        await wait_all_tasks_blocked()
        middle.stop()
        await trio.sleep(1)
        middle.cancel()
        await middle.stopped()

        assert trio.current_time() == pytest.approx(1)


async def test_a_stuck_child_is_cancelled_after_its_own_grace(autojump_clock):
    async with open_runtime() as runtime:
        await runtime.start(lambda: Tracked("x", []), grace=3)
        runtime.tree()
        child(runtime, runtime.tree().children[0].name).tell("hang")
        await wait_all_tasks_blocked()

    assert trio.current_time() == pytest.approx(3)


async def test_children_without_order_stop_all_at_once_each_with_its_grace(autojump_clock):
    async with open_runtime() as runtime:
        refs = [runtime.start_soon(lambda: Tracked("x", []), grace=seconds) for seconds in (3, 1, 2)]
        for ref in refs:
            ref.tell("hang")
        await wait_all_tasks_blocked()
        ends = {}

        async def watch(index, ref):
            await ref.stopped()
            ends[index] = trio.current_time()

        runtime.root.stop()
        async with trio.open_nursery() as nursery:
            for index, ref in enumerate(refs):
                nursery.start_soon(watch, index, ref)

    assert ends == {0: 3, 1: 1, 2: 2}


async def test_a_raising_child_exit_hook_ends_the_supervisor():
    class Root(Supervisor):
        def on_child_exit(self, ref, exit):
            raise LookupError(ref.name)

    with pytest.raises(LookupError, match="x"):
        async with open_runtime(root=Root) as runtime:
            runtime.host(Cell(), "x").stop()
            await trio.sleep_forever()


async def test_an_actor_can_watch_and_hears_before_its_mail(autojump_clock):
    heard = []

    class Watcher(Actor):
        async def receive(self, message):
            if isinstance(message, tuple):
                self.watch(*message)
                await trio.sleep(1)
            else:
                heard.append(message)

    async with open_runtime() as runtime:
        watcher = await runtime.start(Watcher)
        target = await runtime.start(lambda: Tracked("x", []))
        watcher.tell((target, "gone"))
        watcher.tell("mail")
        await wait_all_tasks_blocked()
        target.stop()
        await trio.sleep(2)
        watcher.tell((target, "already gone"))
        await trio.sleep(2)

    assert heard == ["gone", "mail", "already gone"]


async def test_a_restarted_actor_is_not_watched_as_ended(autojump_clock):
    heard = []

    class Watcher(Actor):
        async def on_start(self):
            self.watch(target, "gone")

        async def receive(self, message):
            heard.append(message)

    async with open_runtime() as runtime:
        target = await runtime.start(lambda: Tracked("x", []))
        await runtime.start(Watcher)
        target.tell("boom")
        await trio.sleep(2)
        assert heard == []
        target.stop()
        await trio.sleep(1)

    assert heard == ["gone"]


async def test_what_lives_around_an_actor_ends_it_by_failing_and_is_left_before_its_last_words(autojump_clock):
    from contextlib import asynccontextmanager

    log = []

    class Around(Actor):
        @asynccontextmanager
        async def around(self):
            async with trio.open_nursery() as nursery:
                log.append("entered")
                nursery.start_soon(self.fails)
                try:
                    yield
                finally:
                    log.append("left")

        async def fails(self):
            await trio.sleep(1)
            raise OSError("background")

        async def on_start(self):
            log.append("started")

        async def on_stop(self, exit):
            log.append(exit.kind)

    async with open_runtime() as runtime:
        ref = await runtime.start(Around, restart=Restart.NEVER)
        exit = await ref.stopped()

    assert log == ["entered", "started", "left", "failed"]
    assert "background" in repr(exit.error)
