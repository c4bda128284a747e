"""
Handlers of several branches against the journal, under every schedule that Hypothesis can think of.

A handler here is a list of branches; a branch is a list of steps, asked or done one after the other. It runs in rounds:
a round interleaves the branches in a drawn order, is suspended at a drawn moment once something was asked, and the
client then answers some of what is open. Between two rounds the journal is dumped and loaded, as over a wire.
"""

from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zcp_actors.errors import ReplayMismatch
from zcp_actors.protocol.journal import MAX_STALLED_ROUNDS, Journal, Open, Recorded, Run
from zcp_actors.protocol.questions import Question

QUESTION, ONCE = "question", "once"
branches_of_kinds = st.lists(st.lists(st.sampled_from([QUESTION, ONCE]), max_size=4), min_size=1, max_size=4)


@attrs.define
class Branch:
    """Where one branch of one run is, and what it has come to know."""

    name: str
    steps: list[str]
    known: list[object] = attrs.Factory(list)
    waits: bool = False

    @property
    def ready(self) -> bool:
        return not self.waits and len(self.known) < len(self.steps)


@attrs.define
class World:
    """One call over all its rounds, with everything that must never change."""

    kinds: list[list[str]]
    explicit: bool
    journal: Journal = attrs.Factory(Journal)
    outcomes: dict[str, object] = attrs.Factory(dict)
    done: list[str] = attrs.Factory(list)
    waiting: dict[str, str] = attrs.Factory(dict)
    """Key -> name of what this run asks and has no answer to."""

    def start(self) -> list[Branch]:
        dumped = json.loads(json.dumps(self.journal.dump()))
        self.journal = Journal()
        self.journal.load(dumped)
        self.waiting.clear()
        assert self.journal.dump() == dumped
        return [Branch(f"b{number}", steps) for number, steps in enumerate(self.kinds)]

    def step(self, branch: Branch) -> None:
        """Let a branch come to its next question or side effect."""
        name = f"{branch.name}.{len(branch.known)}"
        if branch.steps[len(branch.known)] == ONCE:
            found = self.journal.once(name)
            if isinstance(found, Run):
                assert name not in self.done
                self.done.append(name)
                self.journal.ran(name, {"result": name})
            branch.known.append({"result": name} if isinstance(found, Run) else found.outcome)
            assert branch.known[-1] == {"result": name}
            return
        found = self.journal.ask(Question("elicitation/create", {"message": name}, name if self.explicit else None))
        branch.waits = isinstance(found, Open)
        if branch.waits:
            self.waiting[found.key] = name
        if isinstance(found, Recorded):
            assert found.outcome == self.outcomes[name], "a question was given the answer of another one"
            branch.known.append(found.outcome)

    def answer(self, which: list[bool]) -> None:
        """The client answers some of what is open; each answer says what was asked, and is new."""
        assert self.waiting.keys() <= self.journal.awaited().keys()
        for (key, name), now in zip(sorted(self.waiting.items()), which, strict=False):
            if now:
                assert name not in self.outcomes, "a question was asked after its answer"
                self.outcomes[name] = {"result": {"to": name, "number": len(self.outcomes)}}
                assert self.journal.answered(key, self.outcomes[name])


def run_round(world: World, data: st.DataObject) -> bool:
    """One run. True when the handler ended; else it was suspended, and the client answers."""
    branches = world.start()
    while ready := [branch for branch in branches if branch.ready]:
        world.step(data.draw(st.sampled_from(ready)))
        if world.waiting and data.draw(st.booleans(), label="the step closes"):
            break
    if not any(branch.waits or branch.ready for branch in branches):
        world.journal.finish()
        return True
    world.journal.finish(suspended=True, interrupted=any(branch.ready for branch in branches))
    world.answer(data.draw(st.lists(st.booleans(), min_size=16, max_size=16), label="answered"))
    return False


@given(kinds=branches_of_kinds, explicit=st.booleans(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_handler_that_repeats_itself_ends_under_every_schedule(kinds, explicit, data):
    """Every side effect ran once, every question was answered once, and no branch ever saw another outcome."""
    world = World(kinds, explicit)
    rounds = 0
    while not run_round(world, data):
        rounds += 1
        assume(rounds < 40)

    steps = {f"b{n}.{m}": kind for n, branch in enumerate(kinds) for m, kind in enumerate(branch)}
    assert sorted(world.done) == sorted(name for name, kind in steps.items() if kind == ONCE)
    assert sorted(world.outcomes) == sorted(name for name, kind in steps.items() if kind == QUESTION)


@given(kinds=branches_of_kinds, data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_handler_that_drops_a_step_never_ends_well(kinds, data):
    """Whatever the schedule: once an outcome is recorded, a run that does not come to it cannot succeed."""
    world = World(kinds, explicit=True)
    for _ in range(3):
        if run_round(world, data):
            break
    recorded = [(n, m) for n, b in enumerate(kinds) for m in range(len(b)) if is_recorded(world, f"b{n}.{m}")]
    assume(recorded)
    number, place = data.draw(st.sampled_from(recorded), label="dropped")

    branches = world.start()
    branches[number].steps = branches[number].steps[:place]
    while ready := [branch for branch in branches if branch.ready]:
        world.step(ready[0])
    for suspended in (False, True):
        with pytest.raises(ReplayMismatch, match="did not repeat itself"):
            world.journal.finish(suspended=suspended)
    assert f"b{number}.{place}" in world.journal.unconsumed()


def is_recorded(world: World, key: str) -> bool:
    return key in world.done or key in world.outcomes


@given(interrupted=st.lists(st.booleans(), min_size=MAX_STALLED_ROUNDS + 1, max_size=MAX_STALLED_ROUNDS + 1))
def test_a_handler_that_never_asks_the_same_is_stopped_within_the_bound(interrupted):
    """A clock in the question: at once where every branch waited, and in any case after the bound."""
    journal, rounds = Journal(), 0
    try:
        for working in [False, *interrupted]:
            key = journal.ask(Question("elicitation/create", {"message": f"at {rounds}"})).key
            journal.finish(suspended=True, interrupted=working)
            rounds += 1
            dumped = journal.dump()
            journal = Journal()
            journal.load(dumped)
            journal.answered(key, {"result": {}})
    except ReplayMismatch:
        assert rounds == min([*interrupted, False].index(False), MAX_STALLED_ROUNDS) + 1
    else:
        raise AssertionError(f"{rounds} rounds without an end")


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["ask", "answer", "give up", "late", "again"]), st.sampled_from("abc")), max_size=25
    )
)
def test_keys_live_once_whatever_the_order_of_asking_answering_and_giving_up(steps):
    """Model: a key is open, then recorded or released for ever (default keys; see the module's docstring)."""
    journal = Journal()
    ends: dict[str, str] = {}
    open_keys: dict[str, str] = {}
    for action, letter in steps:
        key = open_keys.get(letter)
        if action == "ask" and key is None:
            step = journal.ask(Question("elicitation/create", {"message": letter}))
            if isinstance(step, Open):
                assert step.key not in ends, "a key was given out twice"
                open_keys[letter] = step.key
            else:
                assert ends[step.key] == step.outcome["result"]
        if action == "answer" and key is not None:
            ends[open_keys.pop(letter)] = key
            assert journal.answered(key, {"result": key})
        if action == "give up" and key is not None:
            ends[open_keys.pop(letter)] = "released"
            journal.gave_up(key)
        if action == "late":
            assert not any(journal.answered(key, {"result": "late"}) for key in ends)
        if action == "again":
            journal.load(json.loads(json.dumps(journal.dump())))
            open_keys.clear()
        assert set(open_keys.values()) <= set(journal.awaited())
        assert not set(ends) & set(journal.awaited())
