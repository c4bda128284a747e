"""Waiting for an actor to serve: also by many, by those who give up, and while it is restarted. Claims: DESIGN §5."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Actor, Restart, Strategy, Supervisor, open_runtime
from zcp_actors.errors import ActorStopped


class Slow(Actor):
    """Takes a second to begin, and half a second to say its last words."""

    async def on_start(self):
        await trio.sleep(1)

    async def receive(self, message):
        if message == "boom":
            raise ValueError
        return message

    async def on_stop(self, exit):
        await trio.sleep(0.5)


async def test_who_gave_up_waiting_for_a_beginning_can_wait_again(autojump_clock):
    async with open_runtime() as runtime:
        ref = runtime.start_soon(Slow)
        for _ in range(3):
            with trio.move_on_after(0.1) as scope:
                await runtime.begun(ref)
            assert scope.cancelled_caught
        await runtime.begun(ref)

        assert (ref.status, trio.current_time()) == ("running", 1)
        await runtime.begun(ref)


async def test_a_caller_of_get_or_start_who_gives_up_harms_nobody_who_comes_later(autojump_clock):
    async with open_runtime() as runtime:
        with trio.move_on_after(0.1):
            await runtime.registry.get_or_start("key", Slow)
        ref = await runtime.registry.get_or_start("key", Slow)

        assert ref.status == "running"
        assert len(runtime.tree().children) == 1


async def test_the_beginning_of_an_actor_that_is_restarted_is_that_of_its_next_life(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(Slow)
        ref.tell("boom")
        await trio.sleep(0.51)
        assert ref.status == "restarting"
        await runtime.begun(ref)

        assert ref.status == "running"


async def test_get_or_start_finds_an_actor_again_that_was_in_its_last_words_before_a_restart(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.registry.get_or_start("key", Slow)
        ref.tell("boom")
        await trio.sleep(0.1)
        assert ref.status == "stopping"
        with trio.fail_after(60):
            assert await runtime.registry.get_or_start("key", Slow) is ref

        assert ref.status == "running"


async def test_who_waits_for_a_next_life_that_cannot_begin_is_told_why(autojump_clock):
    lives = []

    class Once(Slow):
        async def on_start(self):
            lives.append(1)
            if len(lives) == 2:
                raise OSError("no second life")

    async with open_runtime() as runtime:
        ref = await runtime.start(Once)
        ref.tell("boom")
        await trio.sleep(0.51)
        with pytest.raises(OSError, match="no second life"):
            await runtime.begun(ref)


@pytest.mark.parametrize("verb", ["stop", "cancel"])
async def test_who_waits_for_a_next_life_that_is_called_off_is_told_so(verb, autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(Slow)
        ref.tell("boom")
        await trio.sleep(0.51)
        async with trio.open_nursery() as nursery:

            async def waits():
                with pytest.raises(ActorStopped):
                    await runtime.begun(ref)

            nursery.start_soon(waits)
            await wait_all_tasks_blocked()
            getattr(ref, verb)()


async def test_a_child_is_started_below_a_supervisor_that_is_being_restarted_when_it_serves_again(autojump_clock):
    class Middle(Supervisor):
        async def receive(self, message):
            raise ValueError

    class Root(Supervisor):
        strategy = Strategy.ONE_FOR_ALL

    async with open_runtime(root=Root) as runtime:
        middle = await runtime.start(Middle, "middle")
        middle.tell("boom")
        await wait_all_tasks_blocked()
        assert middle.status == "restarting"
        leaf = await runtime.start(Slow, "leaf", parent=middle, restart=Restart.NEVER)

        assert (leaf.path, leaf.status) == ("root/middle/leaf", "running")


async def test_a_failure_is_logged_though_somebody_asked_for_an_actor_that_had_begun(caplog, autojump_clock):
    """Only a beginning that somebody waits for, and that fails, is told to them instead."""
    async with open_runtime() as runtime:
        ref = await runtime.start(Slow, restart=Restart.NEVER)
        await runtime.begun(ref)
        ref.tell("boom")
        await ref.stopped()

    assert [record.getMessage() for record in caplog.records] == [f"{ref.path} failed"]
