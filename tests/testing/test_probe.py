"""A probe records what it is told, answers what it is asked, and says clearly what it missed."""

from __future__ import annotations

import pytest
import trio

from zcp_actors import open_runtime
from zcp_actors.errors import ActorStopped, AskTimeout
from zcp_actors.testing import ANY, LATER, open_probe
from zcp_actors.testing.probe import Probe


async def test_messages_are_expected_in_order_by_value_type_and_predicate(autojump_clock):
    async with open_runtime() as runtime:
        probe = open_probe()
        for message in ("a", 5, {"n": 3}, None):
            probe.ref.tell(message)

        assert await probe.expect("a") == "a"
        assert await probe.expect(int) == 5
        assert await probe.expect(lambda message: message["n"] == 3) == {"n": 3}
        assert await probe.expect(ANY) is None
        assert probe.received == ("a", 5, {"n": 3}, None)
        assert runtime.tree().find("root/probe") is not None


async def test_an_expectation_waits_for_a_message_that_comes_later(autojump_clock):
    async with open_runtime() as runtime:
        probe = open_probe()
        runtime.timers.after(3.0, lambda: probe.ref.tell("late"))

        await probe.expect("late", timeout=4.0)

        assert trio.current_time() == pytest.approx(3.0)


async def test_silence_fails_after_the_timeout_in_virtual_time(autojump_clock):
    async with open_runtime():
        probe = open_probe()

        with pytest.raises(AssertionError, match=r"expected 'x' within 7 s; nothing came"):
            await probe.expect("x", timeout=7.0)
        assert trio.current_time() == pytest.approx(7.0)


async def test_another_message_than_the_expected_one_fails_at_once_and_is_named():
    async with open_runtime():
        probe = open_probe()
        probe.ref.tell("surprise")

        with pytest.raises(AssertionError, match="expected an instance of int; the next message is 'surprise'"):
            await probe.expect(int)


async def test_expect_none_lets_all_tasks_come_to_rest_before_it_judges():
    async with open_runtime(), trio.open_nursery() as nursery:
        probe = open_probe()
        await probe.expect_none()

        async def teller():
            for _ in range(5):
                await trio.lowlevel.checkpoint()
            probe.ref.tell("after some steps")

        nursery.start_soon(teller)
        with pytest.raises(AssertionError, match="root/probe to get nothing .*\n  'after some steps'"):
            await probe.expect_none()


async def test_a_function_answers_asks():
    async with open_runtime():
        probe = open_probe(script=lambda message: message * 2)

        assert await probe.ref.ask(21) == 42


async def test_a_list_of_answers_is_used_up_in_order_and_errors_are_raised_at_the_asker(autojump_clock):
    async with open_runtime():
        probe = open_probe(script=[1, ValueError("scripted")])

        assert await probe.ref.ask("first") == 1
        with pytest.raises(ValueError, match="scripted"):
            await probe.ref.ask("second")
        with pytest.raises(AskTimeout):
            await probe.ref.ask("third", timeout=1.0)


async def test_reply_answers_the_message_that_was_expected_last():
    async with open_runtime(), trio.open_nursery() as nursery:
        probe = open_probe(script=lambda _: LATER)
        answers = {}

        async def ask(question):
            answers[question] = await probe.ref.ask(question)

        nursery.start_soon(ask, "a")
        await probe.expect("a")
        nursery.start_soon(ask, "b")
        probe.reply("for a")
        await probe.expect("b")
        probe.reply("for b")
        await trio.testing.wait_all_tasks_blocked()

        assert answers == {"a": "for a", "b": "for b"}


async def test_a_second_reply_and_one_that_nobody_waits_for_are_mistakes(autojump_clock):
    async with open_runtime():
        probe = open_probe()
        with pytest.raises(AssertionError, match="there was none"):
            probe.reply(1)
        with pytest.raises(AskTimeout):
            await probe.ref.ask("given up", timeout=1.0)
        await probe.expect("given up")

        with pytest.raises(AssertionError, match="not waited for any more"):
            probe.reply(1)
        probe.ref.tell("told")
        await probe.expect("told")
        probe.reply(1)
        with pytest.raises(AssertionError, match="answered already"):
            probe.reply(2)


async def test_a_probe_watches_the_end_of_another_actor():
    async with open_runtime():
        probe, other = open_probe("watcher"), open_probe("other")
        probe.watch(other.ref, "it ended")
        other.ref.stop()

        await probe.expect("it ended")


async def test_an_open_ask_ends_with_its_probe():
    async with open_runtime(), trio.open_nursery() as nursery:
        probe = open_probe()

        async def ask():
            with pytest.raises(ActorStopped):
                await probe.ref.ask("never answered")

        nursery.start_soon(ask)
        await probe.expect("never answered")
        probe.ref.stop()


async def test_the_record_is_bounded_and_says_what_it_forgot(autojump_clock):
    async with open_runtime() as runtime:
        probe = Probe(kept=3)
        runtime.host(probe, "small")
        for number in range(5):
            probe.ref.tell(number)

        assert probe.received == (2, 3, 4)
        for number in (2, 3, 4):
            await probe.expect(number)
        with pytest.raises(AssertionError, match=r"\(2 older ones were forgotten: the record keeps 3\)"):
            await probe.expect(5, timeout=1.0)
