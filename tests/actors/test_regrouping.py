"""Restarting siblings together: nobody is forgotten, and one cause spends one restart. Claims: runtime.md §1.4."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Actor, Child, Limit, Restart, Strategy, Supervisor, open_runtime
from zcp_actors.errors import RestartLimitReached

GROUPING = [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE]


class Member(Actor):
    """Begins in a second; what it does in its second life is up to the test."""

    def __init__(self, lives, name, second_life=None):
        self.lives, self.name, self.second_life = lives, name, second_life

    async def on_start(self):
        await trio.sleep(1)
        self.lives[self.name] = self.lives.get(self.name, 0) + 1
        if self.second_life is not None and self.lives[self.name] == 2:
            self.second_life(self)

    async def receive(self, message):
        if message == "boom":
            raise ValueError
        if message == "busy":
            await trio.sleep(3)
        return self.name


def family(strategy, lives, names="abc", limit=Limit(restarts=3, within=100, backoff=1), **second_lives):  # noqa: B008 - frozen
    class Family(Supervisor):
        def __init__(self):
            super().__init__(
                Child(name, lambda name=name: Member(lives, name, second_lives.get(name))) for name in names
            )

    Family.strategy, Family.limit = strategy, limit
    return Family


def members(runtime):
    return [child.me for child in runtime.root._host._children.values()]


@pytest.mark.parametrize("verb", ["stop", "cancel"])
@pytest.mark.parametrize("when", [0.5, 1.5, 2.5, 3.5])
@pytest.mark.parametrize("strategy", GROUPING)
async def test_a_member_that_is_ended_while_its_group_is_restarted_holds_up_nobody(
    strategy, when, verb, autojump_clock
):
    """At half past each second: while they wait, and while each of the three begins again."""
    lives = {}
    async with open_runtime(root=family(strategy, lives)) as runtime:
        a, b, c = members(runtime)
        a.tell("boom")
        await trio.sleep(when)
        getattr(b, verb)()
        await trio.sleep(60)

        assert not b.alive
        assert await a.ask("?", timeout=10) == "a"
        assert await c.ask("?", timeout=10) == "c"
        assert lives["a"] == lives["c"] == 2


@pytest.mark.parametrize("strategy", GROUPING)
async def test_a_member_that_has_done_its_work_as_it_begins_again_holds_up_nobody(strategy, autojump_clock):
    async with open_runtime(root=family(strategy, {}, b=Member.stop)) as runtime:
        a, b, c = members(runtime)
        a.tell("boom")
        await trio.sleep(60)

        assert b.exit.kind == "normal"
        assert await c.ask("?", timeout=10) == "c"


@pytest.mark.parametrize("strategy", GROUPING)
async def test_a_group_is_restarted_as_often_as_its_limit_allows(strategy, autojump_clock):
    lives = {}
    async with open_runtime(root=family(strategy, lives, limit=Limit(restarts=5, within=1000, backoff=1))) as runtime:
        refs = members(runtime)
        for _ in range(5):
            refs[0].tell("boom")
            await trio.sleep(60)

        assert [await ref.ask("?", timeout=10) for ref in refs] == ["a", "b", "c"]
        assert lives == {"a": 6, "b": 6, "c": 6}


@pytest.mark.parametrize("strategy", GROUPING)
async def test_a_member_that_fails_as_it_begins_again_regroups_once_more(strategy, autojump_clock):
    def fail(member):
        raise OSError(member.name)

    lives = {}
    async with open_runtime(root=family(strategy, lives, b=fail)) as runtime:
        a, b, c = members(runtime)
        a.tell("boom")
        await trio.sleep(60)

        assert [await ref.ask("?", timeout=10) for ref in (a, b, c)] == ["a", "b", "c"]
        assert lives == {"a": 3 if strategy is Strategy.ONE_FOR_ALL else 2, "b": 3, "c": 2}


async def test_members_that_fail_together_spend_one_restart(autojump_clock):
    """As in OTP, where a supervisor that ends a group hears nothing of those that had ended by themselves."""
    lives = {}
    once = Limit(restarts=1, within=100, backoff=1)
    async with open_runtime(root=family(Strategy.ONE_FOR_ALL, lives, "abcdefgh", once)) as runtime:
        refs = members(runtime)
        for ref in refs:
            ref.tell("boom")
        await trio.sleep(60)

        assert [await ref.ask("?", timeout=10) for ref in refs] == list("abcdefgh")
        assert set(lives.values()) == {2}


@pytest.mark.parametrize("strategy", GROUPING)
async def test_a_member_that_fails_while_its_group_is_ended_spends_no_restart_of_its_own(strategy, autojump_clock):
    lives = {}
    once = Limit(restarts=1, within=100, backoff=1)
    async with open_runtime(root=family(strategy, lives, limit=once)) as runtime:
        a, b, c = members(runtime)
        c.tell("busy")
        a.tell("boom")
        await trio.sleep(1)
        assert (a.status, b.status, c.status) == ("restarting", "running", "running")
        b.tell("boom")
        await trio.sleep(60)

        assert [await ref.ask("?", timeout=10) for ref in (a, b, c)] == ["a", "b", "c"]
        assert lives == {"a": 2, "b": 2, "c": 2}


@pytest.mark.parametrize("strategy", GROUPING)
async def test_a_member_that_failed_while_its_group_was_ended_spends_a_restart_when_it_fails_anew(
    strategy, autojump_clock
):
    """The next failure comes while the last one of its group still begins."""
    once = Limit(restarts=1, within=100, backoff=1)
    again = partial(Member.start_timer, key="again", delay=0.1, message="boom")
    with pytest.raises(RestartLimitReached, match="root/b"):
        async with open_runtime(root=family(strategy, {}, limit=once, b=again)) as runtime:
            a, b, c = members(runtime)
            c.tell("busy")
            a.tell("boom")
            await trio.sleep(1)
            b.tell("boom")
            await trio.sleep(60)


@pytest.mark.parametrize("strategy", GROUPING)
async def test_members_that_always_fail_while_the_last_one_begins_reach_the_limit(strategy, autojump_clock):
    """Each failure came while an older one was still noted as waiting, so none of them was ever paid for."""
    begun = []

    class Dies(Actor):
        async def on_start(self):
            begun.append(self)
            self.start_timer("end", 1 if len(begun) > 2 else 11, "boom")

        async def receive(self, message):
            raise ValueError

    class Slow(Actor):
        async def on_start(self):
            await trio.sleep(10)

    class Family(Supervisor):
        limit = Limit(restarts=3, within=1000, backoff=1)

        def __init__(self):
            super().__init__([Child("a", Dies), Child("b", Dies), Child("slow", Slow)])

    Family.strategy = strategy
    with pytest.raises(RestartLimitReached):
        async with open_runtime(root=Family):
            await trio.sleep(900)
    assert len(begun) <= 2 * (1 + 3)


@pytest.mark.parametrize("strategy", GROUPING)
async def test_a_member_that_needs_an_elder_begins_after_it_when_both_have_failed(strategy, autojump_clock):
    def needs_the_elder(member):
        if members(member.runtime)[0].status != "running":
            raise ValueError

    lives = {}
    async with open_runtime(root=family(strategy, lives, b=needs_the_elder)) as runtime:
        refs = members(runtime)
        for ref in refs:
            ref.tell("boom")
        await trio.sleep(60)

        assert [await ref.ask("?", timeout=10) for ref in refs] == ["a", "b", "c"]
        assert lives == {"a": 2, "b": 2, "c": 2}


@pytest.mark.parametrize("strategy", [*GROUPING, Strategy.ONE_FOR_ONE])
async def test_members_that_fail_one_after_the_other_spend_one_restart_each(strategy, autojump_clock):
    once = Limit(restarts=1, within=100, backoff=1)
    with pytest.raises(RestartLimitReached):
        async with open_runtime(root=family(strategy, {}, "ab", once)) as runtime:
            a, b = members(runtime)
            a.tell("boom")
            await trio.sleep(10)
            b.tell("boom")
            await trio.sleep(10)


@pytest.mark.parametrize("strategy", GROUPING)
async def test_a_supervisor_hears_and_answers_while_its_children_regroup(strategy, autojump_clock):
    class Hears(family(strategy, {})):
        async def receive(self, message):
            return "heard"

    async with open_runtime(root=Hears) as runtime:
        began = trio.current_time()
        members(runtime)[0].tell("boom")
        await wait_all_tasks_blocked()

        assert await runtime.root.ask("?") == "heard"
        extra = runtime.start_soon(lambda: Member({}, "extra"), restart=Restart.NEVER)
        assert trio.current_time() == began
        assert await extra.ask("?", timeout=60) == "extra"


async def test_a_child_that_fails_while_everything_is_cut_is_not_left_waiting_for_a_restart(autojump_clock):
    class Exits(Actor):
        async def receive(self, message):
            raise SystemExit(3)

    class Fails(Actor):
        async def receive(self, message):
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError

    with pytest.raises(SystemExit):
        async with open_runtime() as runtime:
            fails = await runtime.start(Fails)
            fails.tell("go")
            await wait_all_tasks_blocked()
            exits = await runtime.start(Exits)
            exits.tell("go")
            await trio.sleep_forever()

    assert fails.exit.kind == "failed"
    assert len(runtime.timers) == 0
