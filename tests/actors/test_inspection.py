"""Trees and traces. Claims: runtime.md §1.14."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Actor, Cell, Supervisor, open_runtime


class Busy(Actor):
    async def receive(self, message):
        await trio.sleep(message)
        return message

    def describe(self):
        return "sleeps"


class Double(Cell):
    def receive(self, message):
        return message * 2


async def test_the_tree_shows_mail_its_age_and_what_is_in_flight(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(Busy, "busy")
        for _ in range(4):
            ref.tell(100)
        await trio.sleep(2)
        ref.tell(0)
        await trio.sleep(3)

        node = runtime.tree().find("root/busy")
        assert (node.kind, node.state, node.depth, node.peak, node.in_flight) == ("actor", "running", 4, 4, 1)
        assert node.oldest == pytest.approx(5)
        assert node.description == "sleeps"
        ref.cancel()


async def test_the_tree_prints_children_below_their_parents(autojump_clock):
    async with open_runtime() as runtime:
        middle = await runtime.start(Supervisor, "middle")
        await runtime.start(Busy, "busy", parent=middle)
        runtime.host(Double(), "cell")

        assert str(runtime.tree()) == (
            "root (supervisor) running\n"
            "  middle (supervisor) running\n"
            "    busy (actor) running, sleeps\n"
            "  cell (cell) running"
        )


async def test_a_restarting_actor_shows_how_its_last_life_ended(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(Busy, "busy")
        ref.tell("not a number")
        await wait_all_tasks_blocked()

        node = runtime.tree().children[0]
        assert (node.state, node.restarts, node.exit.kind) == ("restarting", 1, "failed")
        assert "restarts 1, last exit failed: TypeError" in str(node)


async def test_an_actor_that_cannot_describe_itself_does_not_hide_the_tree():
    class Shy(Cell):
        def describe(self):
            raise OSError("no")

    async with open_runtime() as runtime:
        runtime.host(Shy(), "shy")

        assert "describe() failed: OSError('no')" in str(runtime.tree())


async def test_a_trace_yields_in_out_and_exit_of_what_matches(autojump_clock):
    async with open_runtime() as runtime:
        busy = await runtime.start(Busy, "busy")
        cell = runtime.host(Double(), "cell")
        async with runtime.trace("root/[bc]*") as records:
            await busy.ask(1)
            cell.tell(2)
            cell.stop()
            runtime.host(Double(), "other").tell(1)
        cell.tell("after")

        seen = [(record.kind, record.path, record.message, record.answer) async for record in records]
    assert seen == [
        ("in", "root/busy", 1, None),
        ("out", "root/busy", 1, 1),
        ("in", "root/cell", 2, None),
        ("out", "root/cell", 2, 4),
        ("exit", "root/cell", None, None),
    ]


async def test_a_trace_waits_for_the_next_record():
    async with open_runtime() as runtime, runtime.trace() as records, trio.open_nursery() as nursery:
        cell = runtime.host(Double())

        async def reader():
            assert (await anext(records)).kind == "in"
            nursery.cancel_scope.cancel()

        nursery.start_soon(reader)
        await wait_all_tasks_blocked()
        cell.tell(1)


async def test_a_trace_that_is_not_read_drops_the_oldest_and_counts_them():
    async with open_runtime() as runtime:
        cell = runtime.host(Double())
        async with runtime.trace(kept=3) as records:
            for number in range(5):
                cell.tell(number)

            assert [record.message for record in records.taken()] == [3, 4, 4]
            assert records.dropped == 7


async def test_steps_by_the_owner_are_traced_too():
    async with open_runtime() as runtime:
        cell = Double()
        runtime.host(cell)
        async with runtime.trace() as records:
            assert cell.step(2) == 4

            assert [record.kind for record in records.taken()] == ["in", "out"]
        assert runtime.traces == ()


async def test_a_trace_tells_of_every_life_that_ends(autojump_clock):
    class Mortal(Actor):
        async def receive(self, message):
            raise ValueError(message)

    async with open_runtime() as runtime, runtime.trace("root/x") as trace:
        ref = await runtime.start(Mortal, "x")
        ref.tell("first")
        await trio.sleep(1)
        ref.tell("second")
        await trio.sleep(1)
        ref.stop()
        await ref.stopped()

        seen = [str(record.exit.error or record.exit.kind) for record in trace.taken() if record.kind == "exit"]
    assert seen == ["first", "second", "stopped"]


async def test_two_who_read_one_trace_both_hear_of_its_end(autojump_clock):
    ended = []
    async with open_runtime() as runtime, trio.open_nursery() as nursery:

        async def read(trace):
            ended.extend([record.kind async for record in trace])
            ended.append("end")

        async with runtime.trace() as trace:
            for _ in range(2):
                nursery.start_soon(read, trace)
            await wait_all_tasks_blocked()
            (await runtime.start(Actor)).stop()
            await wait_all_tasks_blocked()

    assert sorted(ended) == ["end", "end", "exit"]
