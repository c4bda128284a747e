"""Telling, sending and asking task actors, on a virtual clock. Claims: runtime.md §1.2, §1.3, §4."""

from __future__ import annotations

import itertools

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Actor, Cell, Job, Reply, Restart, open_runtime
from zcp_actors.actors.mailbox import Envelope, Mailbox
from zcp_actors.errors import ActorStopped, AskCycle, AskTimeout, MailboxFull


class Echo(Actor):
    async def receive(self, message):
        if isinstance(message, Exception):
            raise message
        if message == "slow":
            await trio.sleep(10)
        return message


async def test_an_ask_returns_what_receive_returned():
    async with open_runtime() as runtime:
        ref = await runtime.start(Echo)

        assert await ref.ask("hi") == "hi"


async def test_an_ask_of_a_stopped_actor_raises_instead_of_hanging():
    async with open_runtime() as runtime:
        ref = await runtime.start(Echo)
        ref.stop()
        assert (await ref.stopped()).kind == "stopped"

        with pytest.raises(ActorStopped, match="root/echo-1 ended"):
            await ref.ask("hi")


async def test_the_running_and_the_queued_ask_fail_when_their_actor_is_cancelled(autojump_clock):
    ends = {}
    async with open_runtime() as runtime:
        ref = await runtime.start(Echo)

        async def asker(message):
            with pytest.raises(ActorStopped) as info:
                await ref.ask(message, timeout=60)
            ends[message] = info.value.exit.kind

        async with trio.open_nursery() as nursery:
            for message in ("slow", "queued"):
                nursery.start_soon(asker, message)
                await wait_all_tasks_blocked()
            ref.cancel("enough")

        assert (await ref.stopped()).reason == "enough"
    assert ends == {"slow": "cancelled", "queued": "cancelled"}


async def test_a_queued_ask_fails_when_its_actor_dies_for_good(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(Echo, restart=Restart.NEVER)
        ref.tell("slow")
        ref.tell(ValueError("dies"))

        with pytest.raises(ActorStopped, match="dies"):
            await ref.ask("queued", timeout=60)


async def test_the_asker_of_the_fatal_message_hears_of_the_error(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(Echo, restart=Restart.NEVER)

        with pytest.raises(ActorStopped) as info:
            await ref.ask(KeyError("mine"))

        assert isinstance(info.value.exit.error, KeyError)


async def test_mail_waits_while_its_actor_is_restarted(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(Echo)
        ref.tell(ValueError("once"))
        ref.tell("kept")

        assert await ref.ask("after", timeout=60) == "after"
        assert ref.alive


async def test_work_for_an_asker_that_ran_out_of_time_is_not_started(autojump_clock):
    seen = []

    class Spy(Echo):
        async def receive(self, message):
            seen.append(message)
            return await super().receive(message)

    async with open_runtime() as runtime:
        ref = await runtime.start(Spy)
        ref.tell("slow")
        await wait_all_tasks_blocked()
        with pytest.raises(AskTimeout, match="did not answer within 1 s"):
            await ref.ask("late", timeout=1)

        assert await ref.ask("next", timeout=60) == "next"
    assert seen == ["slow", "next"]


async def test_room_and_answer_share_one_deadline(autojump_clock):
    class Narrow(Echo):
        mailbox_size = 1

    async with open_runtime() as runtime:
        ref = await runtime.start(Narrow)
        ref.tell("slow")  # until 10 s
        await wait_all_tasks_blocked()
        ref.tell("slow")  # room at 10 s, done at 20 s

        with pytest.raises(AskTimeout, match="did not answer"):
            await ref.ask("x", timeout=15)
        assert trio.current_time() == pytest.approx(15)
        ref.cancel()


async def test_an_ask_that_finds_no_room_in_time_was_not_delivered(autojump_clock):
    class Narrow(Echo):
        mailbox_size = 1

    async with open_runtime() as runtime:
        ref = await runtime.start(Narrow)
        ref.tell("slow")
        await wait_all_tasks_blocked()
        ref.tell("waits")

        with pytest.raises(AskTimeout, match="had no room within 2 s; the message was not delivered"):
            await ref.ask("x", timeout=2)
        ref.cancel()


async def test_tell_refuses_when_full_and_send_waits(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(Echo)
        ref.tell("slow")
        await wait_all_tasks_blocked()
        for number in range(64):
            ref.tell(number)

        with pytest.raises(MailboxFull, match="64 messages waiting"):
            ref.tell("one too many")
        assert trio.current_time() == 0
        await ref.send("waits for room")
        assert trio.current_time() == pytest.approx(10)


async def test_a_send_that_waits_for_room_becomes_a_dead_letter_when_the_actor_ends(autojump_clock):
    class Narrow(Echo):
        mailbox_size = 1

    async with open_runtime() as runtime:
        ref = await runtime.start(Narrow, restart=Restart.NEVER)
        ref.tell("slow")
        await wait_all_tasks_blocked()
        ref.tell("queued")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ref.send, "blocked")
            await wait_all_tasks_blocked()
            ref.cancel()

        assert {letter.message for letter in runtime.dead_letters} == {"queued", "blocked"}


async def test_a_message_to_the_dead_is_a_dead_letter_and_the_ring_is_bounded():
    async with open_runtime() as runtime:
        ref = await runtime.start(Echo)
        ref.stop()
        await ref.stopped()
        for number in range(1500):
            ref.tell(number)

        assert runtime.dead_letters.count == 1500
        assert [letter.message for letter in runtime.dead_letters] == list(range(500, 1500))
        assert next(iter(runtime.dead_letters)).ref is ref


async def test_what_was_queued_before_stop_is_handled(autojump_clock):
    async with open_runtime() as runtime:
        ref = await runtime.start(Echo, grace=20)
        ref.tell("slow")
        answers = []

        async def asker():
            answers.append(await ref.ask("last", timeout=60))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(asker)
            await wait_all_tasks_blocked()
            ref.stop()

        assert answers == ["last"]
        assert (await ref.stopped()).kind == "stopped"


async def test_an_actor_may_answer_later_with_a_reply():
    class Later(Actor):
        async def receive(self, message):
            if message == "question":
                self.owed = Reply()
                return self.owed
            return self.owed.set(message)

    async with open_runtime() as runtime:
        ref = await runtime.start(Later)
        async with trio.open_nursery() as nursery:

            async def asker():
                assert await ref.ask("question") == "answer"

            nursery.start_soon(asker)
            await wait_all_tasks_blocked()
            assert await ref.ask("answer") is True


async def test_an_answer_still_owed_fails_when_the_actor_ends():
    class Never(Actor):
        async def receive(self, message):
            return Reply()

    async with open_runtime() as runtime:
        ref = await runtime.start(Never)
        async with trio.open_nursery() as nursery:

            async def asker():
                with pytest.raises(ActorStopped):
                    await ref.ask("question")

            nursery.start_soon(asker)
            await wait_all_tasks_blocked()
            ref.stop()


class Asks(Actor):
    def __init__(self, peers, name):
        self.peers, self.name = peers, name

    async def receive(self, message):
        return await self.peers[self.name].ask("again")


async def test_a_cycle_of_asks_is_refused_at_once_and_names_the_path(autojump_clock):
    peers = {}
    async with open_runtime() as runtime:
        refs = {
            name: await runtime.start(lambda name=name: Asks(peers, name), name, restart=Restart.NEVER)
            for name in "abc"
        }
        peers.update(a=refs["b"], b=refs["c"], c=refs["a"])

        with pytest.raises(ActorStopped) as info:
            await refs["a"].ask("go")

        error = info.value
        while isinstance(error, ActorStopped):
            error = error.exit.error
        assert isinstance(error, AskCycle)
        assert str(error) == "root/a -> root/b -> root/c -> root/a"
        assert trio.current_time() == 0


async def test_an_actor_that_asks_while_nobody_asks_it_is_in_its_own_chain(autojump_clock):
    """What it handles was told to it; it waits for the other all the same, so an ask back would never be answered."""
    heard = []

    class There(Actor):
        async def receive(self, message):
            heard.append(await back.ask("?", timeout=60))

    class Back(Actor):
        async def receive(self, message):
            try:
                return await there.ask("?", timeout=60)
            except AskCycle as error:
                return str(error)

    async with open_runtime() as runtime:
        there, back = await runtime.start(There, "there"), await runtime.start(Back, "back")
        there.tell("go")
        await trio.sleep(100)

    assert heard == ["root/there -> root/back -> root/there"]


@pytest.mark.parametrize("when", ["on_start", "receive", "on_stop"])
async def test_an_actor_that_asks_itself_is_refused_at_once(when, autojump_clock):
    refused = []

    class Narcissus(Actor):
        async def ask_itself(self, now):
            if now == when:
                with pytest.raises(AskCycle, match="^root/n -> root/n$"):
                    await self.me.ask("?")
                refused.append(trio.current_time())

        async def on_start(self):
            await self.ask_itself("on_start")

        async def receive(self, message):
            await self.ask_itself("receive")

        async def on_stop(self, exit):
            await self.ask_itself("on_stop")

    async with open_runtime() as runtime:
        ref = await runtime.start(Narcissus, "n")
        ref.tell("message")
    assert refused == [0]


async def test_a_task_started_by_a_handler_is_in_nobodys_chain(autojump_clock):
    """runtime.md §4 row 2: tasks spawned by a handler start with an empty chain."""

    class Spawns(Actor):
        async def receive(self, message):
            if message == "go":
                self.nursery.start_soon(self.later)
                await trio.sleep(1)
            return message

        async def later(self):
            self.answer.set(await self.me.ask("from the side"))

    async with open_runtime() as runtime, trio.open_nursery() as nursery:
        Spawns.nursery, Spawns.answer = nursery, Reply()
        ref = await runtime.start(Spawns)
        await ref.ask("go")
        assert await Spawns.answer.wait() == "from the side"


@pytest.mark.parametrize("order", list(itertools.permutations(["answer", "cancel the asker", "cancel the actor"])))
async def test_every_ask_ends_once_in_every_order_of_answer_and_cancels(order, autojump_clock):
    owed = Reply()

    class Owes(Actor):
        async def receive(self, message):
            return owed

    outcome = []
    async with open_runtime() as runtime:
        ref = await runtime.start(Owes, restart=Restart.NEVER)
        scope = trio.CancelScope()

        async def asker():
            with scope:
                try:
                    outcome.append(await ref.ask("?", timeout=100))
                except ActorStopped:
                    outcome.append("stopped")

        moves = {
            "answer": lambda: owed.set("answer"),
            "cancel the asker": scope.cancel,
            "cancel the actor": ref.cancel,
        }
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asker)
            await wait_all_tasks_blocked()
            for move in order:
                moves[move]()
    # Cancelling the actor takes effect when its task runs, so it comes after both others, which are synchronous.
    first = next(move for move in order if move != "cancel the actor")
    assert outcome == (["answer"] if first == "answer" else [])
    assert owed.settled is (first == "answer")


async def test_the_envelope_carries_the_senders_context_and_deadline(autojump_clock):
    from contextvars import ContextVar

    principal = ContextVar("principal", default="nobody")

    class Looks(Actor):
        async def receive(self, message):
            return principal.get(), self.envelope.context[principal], self.envelope.deadline

    async with open_runtime() as runtime:
        ref = await runtime.start(Looks)
        principal.set("alice")

        assert await ref.ask("?", timeout=7) == ("nobody", "alice", 7.0)


async def test_mail_that_is_drained_after_a_stop_may_still_need_jobs_and_cells(autojump_clock):
    class Quick(Job):
        __slots__ = ("reply",)

        def __init__(self, reply):
            self.reply = reply

        async def run(self):
            self.reply.set("by a job")

    class Delegates(Echo):
        async def receive(self, message):
            if message != "delegate":
                return await super().receive(message)
            self.host(Cell(), "cell")
            self.submit(Quick(reply := Reply()))
            return await reply.wait()

    async with open_runtime() as runtime:
        ref = await runtime.start(Delegates, grace=20)
        ref.tell("slow")
        async with trio.open_nursery() as nursery:

            async def asker():
                assert await ref.ask("delegate", timeout=60) == "by a job"

            nursery.start_soon(asker)
            await wait_all_tasks_blocked()
            ref.stop()
        await ref.stopped()


@pytest.mark.parametrize("size", [10, 100])
async def test_a_handler_that_never_waits_does_not_outrun_a_cancel(size):
    handled = []

    class Hasty(Actor):
        mailbox_size = 100

        async def receive(self, message):
            handled.append(message)
            if message == 3:
                self.me.cancel()

    async with open_runtime() as runtime:
        ref = await runtime.start(Hasty)
        for number in range(size):
            ref.tell(number)
        await ref.stopped()

    assert handled == [0, 1, 2, 3]


async def test_a_send_that_is_cancelled_when_it_was_added_is_not_called_cancelled():
    """Else its sender would say it again, and it would be handled twice."""

    class Cancelled(Mailbox):
        def post(self, envelope):
            added = super().post(envelope)
            scope.cancel()
            return added

    mail, added = Cancelled(2), False
    with trio.CancelScope() as scope:
        added = await mail.put(Envelope("once", 0.0))

    assert added
    assert not scope.cancelled_caught
    assert mail.depth == 1
