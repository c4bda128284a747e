"""Keys to references. Claims: runtime.md §1.6, §4 row 17."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Actor, Cell, Registry, open_runtime
from zcp_actors.errors import NameTaken, TooManyChildren, UsageError


class Slow(Actor):
    made = 0

    async def on_start(self):
        type(self).made += 1
        await trio.sleep(1)

    async def receive(self, message):
        await trio.sleep(message)


async def test_the_first_caller_starts_and_those_who_come_meanwhile_get_the_same(autojump_clock):
    Slow.made = 0
    found = []
    async with open_runtime() as runtime, trio.open_nursery() as nursery:

        async def find():
            found.append(await runtime.registry.get_or_start("key", Slow))
            assert found[-1].status == "running"

        for _ in range(3):
            nursery.start_soon(find)
        await trio.sleep(2)

        assert len(found) == 3
        assert len(set(found)) == 1
        assert Slow.made == 1
        assert runtime.registry.lookup("key") is found[0]
        assert runtime.registry.lookup("other") is None


async def test_an_entry_is_gone_in_the_step_in_which_its_actor_ends():
    async with open_runtime() as runtime:
        ref = runtime.registry.get_or_host("key", Cell)
        assert runtime.registry.get_or_host("key", Cell) is ref
        ref.stop()

        assert runtime.registry.lookup("key") is None
        assert runtime.registry.get_or_host("key", Cell) is not ref


async def test_one_that_is_ending_is_waited_for_and_replaced(autojump_clock):
    async with open_runtime() as runtime:
        old = await runtime.registry.get_or_start("key", Slow)
        old.tell(5)
        await wait_all_tasks_blocked()
        old.stop()
        await trio.sleep(3)
        old.cancel()
        new = await runtime.registry.get_or_start("key", Slow)

        assert not old.alive
        assert new is not old


async def test_a_failing_start_is_raised_at_every_caller(autojump_clock):
    class Fails(Actor):
        async def on_start(self):
            await trio.sleep(1)
            raise OSError("no")

    async with open_runtime() as runtime, trio.open_nursery() as nursery:

        async def find():
            with pytest.raises(OSError, match="no"):
                await runtime.registry.get_or_start("key", Fails)

        nursery.start_soon(find)
        nursery.start_soon(find)
        await trio.sleep(1.01)
        runtime.registry.lookup("key").cancel()


async def test_keys_are_bounded_in_length_and_number():
    async with open_runtime() as runtime:
        registry = Registry(runtime, max_keys=1, max_key=8)
        ref = runtime.host(Cell())
        for bad in ("", "x" * 9):
            with pytest.raises(UsageError, match="1 to 8 characters"):
                registry.register(bad, ref)
        registry.register("a", ref)
        with pytest.raises(TooManyChildren, match="its max_keys"):
            registry.get_or_host("b", Cell)
        assert len(runtime.tree().children) == 1


async def test_a_living_entry_is_never_overwritten():
    async with open_runtime() as runtime:
        one, two = runtime.host(Cell()), runtime.host(Cell())
        runtime.registry.register("a", one)
        with pytest.raises(NameTaken):
            runtime.registry.register("a", two)
        runtime.registry.unregister("a")
        runtime.registry.register("a", two)
        one.stop()

        assert runtime.registry.lookup("a") is two
