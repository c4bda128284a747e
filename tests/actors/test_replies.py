"""One-shot answers. Claims: runtime.md §1.3 and §4 rows 5 and 6."""

from __future__ import annotations

import itertools
import traceback

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.actors import Reply, Timers
from zcp_actors.errors import UsageError


async def test_the_first_settlement_wins_and_later_ones_are_refused():
    reply = Reply()

    assert reply.set(1) is True
    assert reply.set(2) is False
    assert reply.fail(ValueError()) is False
    assert await reply.wait() == 1
    assert reply.result() == 1


async def test_a_failure_is_raised_at_whoever_waits():
    reply = Reply()
    reply.fail(KeyError("gone"))

    with pytest.raises(KeyError, match="gone"):
        await reply.wait()


async def test_waiting_is_a_checkpoint_even_when_the_answer_is_there():
    reply = Reply()
    reply.set(1)

    with trio.testing.assert_checkpoints():
        await reply.wait()


async def test_an_open_reply_has_no_result():
    with pytest.raises(UsageError, match="open"):
        Reply().result()


async def outcome_of(reply, scope, outcomes, *, timers=None, deadline=1.0):
    with scope:
        try:
            outcomes.append(await reply.wait(deadline, timers))
        except trio.TooSlowError:
            outcomes.append("too slow")
        except ValueError:
            outcomes.append("failed")
        return
    outcomes.append("cancelled")


@pytest.mark.parametrize("order", list(itertools.permutations(["set", "fail", "cancel", "expire"])))
async def test_of_answer_failure_cancel_and_expiry_in_one_step_the_first_decides(order, autojump_clock):
    reply, scope, outcomes = Reply(), trio.CancelScope(), []
    timers = Timers()
    taken = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: outcome_of(reply, scope, outcomes, timers=timers))
        await wait_all_tasks_blocked()
        waiter = reply._tasks
        moves = {
            "set": lambda: reply.set("answer"),
            "fail": lambda: reply.fail(ValueError()),
            "cancel": scope.cancel,
            "expire": lambda: reply._expire(waiter),
        }
        for move in order:
            taken[move] = moves[move]()

    expected = {"set": "answer", "fail": "failed", "cancel": "cancelled", "expire": "too slow"}[order[0]]
    if order[0] == "expire" and order.index("cancel") == 1:
        expected = "too slow"
    assert outcomes == [expected]
    assert reply.abandoned is (order[0] in ("cancel", "expire"))
    assert taken["set"] is (order[0] == "set")
    assert taken["fail"] is (order[0] == "fail")
    assert len(timers) == 0


async def test_every_waiter_gets_the_answer():
    reply, outcomes = Reply(), []
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(outcome_of, reply, trio.CancelScope(), outcomes)
        await wait_all_tasks_blocked()
        reply.set("all")

    assert outcomes == ["all"] * 3


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_it_is_abandoned_only_when_the_last_waiter_gives_up(order):
    reply, outcomes = Reply(), []
    scopes = [trio.CancelScope() for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for scope in scopes:
            nursery.start_soon(outcome_of, reply, scope, outcomes)
            await wait_all_tasks_blocked()
        for number, place in enumerate(order, 1):
            assert reply.open
            scopes[place].cancel()
            await wait_all_tasks_blocked()
            assert outcomes == ["cancelled"] * number
        assert reply.abandoned
        assert reply.set("late") is False


@pytest.mark.parametrize("gone", range(3))
async def test_of_many_waiters_those_who_stay_get_the_answer(gone):
    reply, outcomes = Reply(), []
    scopes = [trio.CancelScope() for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for scope in scopes:
            nursery.start_soon(outcome_of, reply, scope, outcomes)
            await wait_all_tasks_blocked()
        scopes[gone].cancel()
        await wait_all_tasks_blocked()
        reply.set("theirs")

    assert outcomes == ["cancelled", "theirs", "theirs"]


async def test_a_waiter_who_is_cancelled_as_his_time_runs_out_takes_no_others_wait_with_him(autojump_clock):
    """Whether the cancel or the timer is first in that step is chance, hence the many rounds."""
    timers, outcomes, rounds = Timers(), [], 40
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timers.run)
        for _ in range(rounds):
            reply, due = Reply(), trio.current_time() + 1
            async with trio.open_nursery() as waiters:
                waiters.start_soon(
                    lambda reply=reply, due=due: outcome_of(
                        reply, trio.CancelScope(deadline=due), [], timers=timers, deadline=due
                    )
                )
                await wait_all_tasks_blocked()
                waiters.start_soon(outcome_of, reply, trio.CancelScope(), outcomes)
                await trio.sleep_until(due)
                await wait_all_tasks_blocked()
                reply.set("answer")
        nursery.cancel_scope.cancel()

    assert outcomes == ["answer"] * rounds


async def test_an_abandoned_reply_refuses_to_be_waited_for_instead_of_hanging():
    reply = Reply()
    with trio.CancelScope() as scope:
        scope.cancel()
        await reply.wait()

    with pytest.raises(UsageError, match="abandoned"):
        await reply.wait()


async def test_listeners_hear_of_settlement_and_of_abandonment_once_and_at_once():
    settled, abandoned, heard = Reply(), Reply(), []
    settled.then(heard.append)
    abandoned.then(heard.append)
    settled.set(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await abandoned.wait()
    settled.then(heard.append)
    settled.set(2)

    assert heard == [settled, abandoned, settled]


async def test_a_follower_gets_the_answer_and_its_abandonment_abandons_the_followed():
    first, follower = Reply(), Reply()
    follower.follow(first)
    first.set("through")
    assert await follower.wait() == "through"

    first, follower = Reply(), Reply()
    follower.follow(first)
    with trio.CancelScope() as scope:
        scope.cancel()
        await follower.wait()
    assert first.abandoned


async def test_a_followed_reply_is_abandoned_only_by_its_last_follower():
    first, one, two = Reply(), Reply(), Reply()
    one.follow(first)
    two.follow(first)
    with trio.CancelScope() as scope:
        scope.cancel()
        await one.wait()
    assert first.open

    first.set("through")
    assert await two.wait() == "through"


async def test_an_error_that_many_wait_for_holds_the_frames_of_one(autojump_clock):
    """A traceback that each of them lengthened would keep the frames of all, as long as anybody keeps the error."""
    error, replies = ValueError("for all"), [Reply() for _ in range(50)]

    async def wait(reply):
        with pytest.raises(ValueError, match="for all"):
            await reply.wait()

    async with trio.open_nursery() as nursery:
        for reply in replies:
            nursery.start_soon(wait, reply)
        await wait_all_tasks_blocked()
        for reply in replies:
            reply.fail(error)

    assert len(traceback.extract_tb(error.__traceback__)) <= 3


async def test_an_error_keeps_the_way_it_came_before_it_was_waited_for(autojump_clock):
    reply = Reply()
    try:
        int("no number")
    except ValueError as error:
        reply.fail(error)
    with pytest.raises(ValueError, match="no number") as caught:
        await reply.wait()

    assert 'int("no number")' in "".join(traceback.format_tb(caught.value.__traceback__))


async def test_who_follows_still_gets_the_answer_when_the_last_who_waits_gives_up(autojump_clock):
    followed, follower = Reply(), Reply()
    follower.follow(followed)
    with trio.move_on_after(1):
        await followed.wait()
    assert followed.open
    async with trio.open_nursery() as nursery:

        async def waits():
            assert await follower.wait() == "answer"

        nursery.start_soon(waits)
        await wait_all_tasks_blocked()
        assert followed.set("answer")


async def test_a_reply_without_any_who_waits_or_follows_is_abandoned_whoever_left_last(autojump_clock):
    followed, follower = Reply(), Reply()
    follower.follow(followed)
    for each in (followed, follower):
        with trio.move_on_after(1):
            await each.wait()

    assert followed.abandoned


async def test_to_follow_what_was_given_up_fails_at_once_instead_of_hanging(autojump_clock):
    given_up, follower = Reply(), Reply()
    with trio.move_on_after(1):
        await given_up.wait()
    follower.follow(given_up)

    with pytest.raises(UsageError, match="was abandoned"):
        await follower.wait()
