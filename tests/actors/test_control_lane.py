"""Timers, watches, cancels and mail that come together. Claims: runtime.md §2.2, §2.3, §4 row 4; DESIGN §5."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Actor, Cell, Envelope, Reply, Restart, open_runtime
from zcp_actors.actors.actor import BATCH
from zcp_actors.errors import ActorStopped


class Listens(Actor):
    """Watches what it is told to, and does what the messages say."""

    def __init__(self, handled):
        self.handled = handled

    async def receive(self, message):
        if isinstance(message, tuple):
            self.watch(*message)
            return None
        self.handled.append(message)
        if message == "fail":
            raise ValueError
        if message == "cancel":
            self.me.cancel()
        return message


async def test_mail_that_was_taken_when_a_control_message_failed_waits_for_the_next_incarnation(autojump_clock):
    handled = []
    async with open_runtime() as runtime:
        ref, cell = await runtime.start(lambda: Listens(handled)), runtime.host(Cell())
        await ref.ask((cell, "fail"))
        await wait_all_tasks_blocked()
        ref.tell("mail")  # goes straight to the waiting task, which has not run when the cell ends
        cell.stop()

        assert await ref.ask("after") == "after"
    assert handled == ["fail", "mail", "after"]
    assert len(runtime.dead_letters) == 0


@pytest.mark.parametrize("control", ["fail", "cancel"])
async def test_an_ask_that_was_taken_when_a_control_message_ended_its_actor_fails(control, autojump_clock):
    handled = []
    async with open_runtime() as runtime:
        ref = await runtime.start(lambda: Listens(handled), restart=Restart.NEVER)
        cell = runtime.host(Cell())
        await ref.ask((cell, control))

        asked = Envelope("mail", trio.current_time(), reply=Reply())
        await wait_all_tasks_blocked()
        ref._host.mailbox.post(asked)  # goes straight to the waiting task, which has not run when the cell ends
        cell.stop()

        with pytest.raises(ActorStopped):
            await asked.reply.wait()
    assert handled == [control]


async def test_a_control_message_that_cancels_is_the_last_that_is_begun(autojump_clock):
    handled = []
    async with open_runtime() as runtime:
        ref = await runtime.start(lambda: Listens(handled))
        cells = [runtime.host(Cell()) for _ in range(2)]
        for cell in cells:
            await ref.ask((cell, "cancel"))
        await wait_all_tasks_blocked()
        for cell in cells:
            cell.stop()
        ref.tell("mail")
        await ref.stopped()

    assert handled == ["cancel"]
    assert [letter.message for letter in runtime.dead_letters] == ["mail"]


async def test_a_flood_of_control_messages_gives_way_to_other_tasks():
    """An actor that watches the dead hears of it at once, and could go on like that for ever."""
    heard = []

    class Flooded(Actor):
        async def receive(self, message):
            heard.append(message)
            self.watch(dead, "again")

    async with open_runtime() as runtime:
        dead = runtime.host(Cell())
        dead.stop()
        ref = await runtime.start(Flooded)
        ref.tell("begin")
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        assert len(heard) <= 6 * BATCH
        ref.cancel()


async def test_the_peak_of_a_mailbox_counts_what_was_sent_with_patience(autojump_clock):
    class Slow(Actor):
        async def receive(self, message):
            await trio.sleep(1)

    async with open_runtime() as runtime:
        ref = await runtime.start(Slow)
        for number in range(5):
            await ref.send(number)
        node = runtime.tree().children[0]

    assert (node.depth, node.peak) == (4, 4)
