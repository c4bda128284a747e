"""Random trees, random moves: every ask ends, nothing is left over, and only declared dependents end with an actor."""

from __future__ import annotations

import contextlib
import math

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from zcp_actors.actors import Actor, Cell, Job, Limit, Ref, Reply, Restart, Strategy, Supervisor, open_runtime
from zcp_actors.errors import ActorError
from zcp_actors.ports import NullRecorder


class Loose(Supervisor):
    """One for one, with a budget that random failures do not exhaust."""

    limit = Limit(restarts=10_000, within=1, backoff=0.01, backoff_max=0.02)

    async def receive(self, message):
        if message == "fail":
            raise ValueError
        return message


class Tied(Loose):
    strategy = Strategy.ONE_FOR_ALL


class Rested(Loose):
    strategy = Strategy.REST_FOR_ONE


class Node(Actor):
    """Takes its time to begin and to end: that, too, can be interrupted."""

    mailbox_size = 2

    async def on_start(self):
        await trio.sleep(0.3)

    async def on_stop(self, exit):
        await trio.sleep(0.2)

    async def receive(self, message):
        match message:
            case "fail":
                raise ValueError
            case "sleep":
                await trio.sleep(1)
            case "later":
                return Reply()
            case Ref():
                self.watch(message, "gone")
        return message


class Sleep(Job):
    __slots__ = ()

    async def run(self):
        await trio.sleep(3)


class Leaf(Cell):
    def receive(self, message):
        match message:
            case "fail":
                raise ValueError
            case "sleep":
                self.submit(Sleep())
            case "later":
                return Reply()
            case Ref():
                self.watch(message, "gone")
        return message


KINDS = ["node", "leaf", "loose", "tied", "rested"]
MOVES = ["ask", "sleep", "later", "fail", "stop", "cancel", "pass", "impatient", "grow", "watch"]

trees = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 100)), min_size=1, max_size=12)
moves = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 100)), max_size=30)


def add(runtime, refs, kind, at):
    """A node below any that can have it: cells anywhere, tasks below supervisors."""
    fitting = [ref for ref in refs if ref.alive and (kind == "leaf" or ref._host._kind() == "supervisor")]
    parent = fitting[at % len(fitting)] if fitting else runtime.root
    try:
        if kind == "leaf":
            refs.append(runtime.host(Leaf(), parent=parent))
        else:
            make = {"node": Node, "loose": Loose, "tied": Tied, "rested": Rested}[kind]
            refs.append(runtime.start_soon(make, parent=parent, restart=Restart.ON_FAILURE, grace=2))
    except ActorError:
        assert parent.status in ("stopping", "restarting", "ended")


class Asks:
    """Asks that are counted when they begin and when they end."""

    def __init__(self, nursery):
        self.nursery, self.begun, self.ended = nursery, 0, 0
        self.open = []

    async def one(self, ref, message, patience):
        self.begun += 1
        self.open.append((ref, message))
        with trio.move_on_after(patience):
            with contextlib.suppress(ActorError):
                await ref.ask(message, timeout=math.inf)
        self.open.remove((ref, message))
        self.ended += 1


class Restarts(NullRecorder):
    """Why actors were restarted."""

    def __init__(self):
        self.errors = set()

    def restart(self, path, exit, delay, attempt, **facts):
        self.errors.add(type(exit.error))


async def play(tree, plan):
    recorder = Restarts()
    async with trio.open_nursery() as nursery:
        asks = Asks(nursery)
        async with open_runtime(root=Loose, recorder=recorder) as runtime:
            refs = [runtime.root]
            for kind, at in tree:
                add(runtime, refs, kind, at)
                await wait_all_tasks_blocked()
            for move, at in plan:
                await make_move(runtime, refs, asks, move, at)
            await trio.sleep(1000)
            assert {message for _, message in asks.open} <= {"later"}, "an ask waits for what never comes"
            assert {node.state for node in runtime.tree().walk()} == {"running"}
        assert all(not ref.alive for ref in refs)
        assert runtime.workers.running == 0
        assert len(runtime.timers) == 0
        nursery.cancel_scope.deadline = trio.current_time() + 1
    assert not nursery.cancel_scope.cancelled_caught, "an ask outlived every actor"
    assert asks.begun == asks.ended
    assert recorder.errors <= {ValueError}, "only what was told to fail has failed"
    assert trio.lowlevel.current_task().child_nurseries == []


async def make_move(runtime, refs, asks, move, at):
    ref = refs[at % len(refs)]
    match move:
        case "ask" | "sleep" | "later" | "fail":
            if ref is not runtime.root:
                asks.nursery.start_soon(asks.one, ref, move, math.inf)
        case "watch":
            with contextlib.suppress(ActorError):
                refs[at * 7 % len(refs)].tell(ref)
        case "impatient":
            asks.nursery.start_soon(asks.one, ref, "sleep", 0.5)
        case "stop" | "cancel":
            if ref is not runtime.root:
                getattr(ref, move)()
        case "pass":
            await trio.sleep(at / 50)
        case "grow":
            add(runtime, refs, KINDS[at % 2], at)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees, moves)
def test_every_ask_ends_and_nothing_is_left_over(tree, plan):
    trio.run(play, tree, plan, clock=MockClock(autojump_threshold=0))


def below(ref, ancestor):
    while ref is not None:
        if ref is ancestor:
            return True
        ref = ref._parent
    return False


async def kill_one(tree, at, how):
    async with open_runtime(root=Loose) as runtime:
        refs = [runtime.root]
        for kind, where in tree:
            add(runtime, refs, kind, where)
            await wait_all_tasks_blocked()
        victim = refs[1 + at % (len(refs) - 1)]
        lives = {ref: getattr(ref._host, "gone", None) for ref in refs}
        {"stop": victim.stop, "cancel": victim.cancel, "fail": lambda: victim.tell("fail")}[how]()
        await trio.sleep(20)

        restarted = how == "fail" and victim._host is not None
        group = [victim, *dependents(victim, refs)] if restarted else [victim]
        for ref in refs:
            if ref in group:
                assert ref.alive is restarted
                assert getattr(ref._host, "gone", None) is not lives[ref] or not restarted
            elif any(below(ref, each) for each in group):
                assert not ref.alive, f"{ref} outlived what it was below"
            else:
                assert ref.alive, f"{ref} ended with {victim}"
                assert getattr(ref._host, "gone", None) is lives[ref], f"{ref} was restarted with {victim}"


def dependents(victim, refs):
    """Those of its siblings that are declared to be restarted with it: tasks, all of them or those started later."""
    siblings = [ref for ref in refs if ref._parent is victim._parent and ref._host._kind() != "cell"]
    match victim._parent._host.actor.strategy:
        case Strategy.ONE_FOR_ONE:
            return []
        case Strategy.ONE_FOR_ALL:
            return [ref for ref in siblings if ref is not victim]
        case Strategy.REST_FOR_ONE:
            return siblings[siblings.index(victim) + 1 :]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees, st.integers(0, 100), st.sampled_from(["stop", "cancel", "fail"]))
def test_killing_an_actor_ends_only_its_declared_dependents(tree, at, how):
    trio.run(kill_one, tree, at, how, clock=MockClock(autojump_threshold=0))
