"""What a call has asked, and what its replay may and may not do (DESIGN of the journal: the module's docstring)."""

from __future__ import annotations

import json

import pytest

from zcp_actors.errors import AmbiguousQuestion, Overloaded, ReplayMismatch
from zcp_actors.protocol.journal import MAX_ENTRIES, MAX_STALLED_ROUNDS, Journal, Open, Recorded, Run
from zcp_actors.protocol.questions import Question

YES = {"result": {"action": "accept"}}
NO = {"error": {"code": -1, "message": "declined", "data": None}}


def asking(message: str, key: str | None = None) -> Question:
    return Question("elicitation/create", {"message": message}, key)


def reopened(journal: Journal) -> Journal:
    """The journal as the next process has it."""
    after = Journal()
    after.load(json.loads(json.dumps(journal.dump())))
    return after


def with_answers(*keys: str) -> Journal:
    """A journal whose first run asked the questions of these keys, and whose client answered them."""
    journal = Journal()
    for key in keys:
        journal.ask(asking(key, key))
    journal.finish(suspended=True)
    journal = reopened(journal)
    assert all(journal.answered(key, YES) for key in keys)
    return journal


# ---- keys
def test_a_first_question_is_open_under_a_short_readable_key():
    step = Journal().ask(asking("Publish?"))

    assert isinstance(step, Open)
    assert step.key == f"elicit-{asking('Publish?').digest[:8]}-1"


def test_an_equal_question_after_the_answer_is_the_second_occurrence():
    journal = Journal()
    first = journal.ask(asking("More?"))
    journal.answered(first.key, YES)
    second = journal.ask(asking("More?"))

    assert isinstance(second, Open)
    assert second.key == first.key[:-1] + "2"


def test_two_equal_questions_open_at_once_are_ambiguous():
    journal = Journal()
    journal.ask(asking("Which?"))

    with pytest.raises(AmbiguousQuestion, match="pass key="):
        journal.ask(asking("Which?"))


def test_two_equal_questions_with_keys_are_open_side_by_side():
    journal = Journal()

    assert journal.ask(asking("Which?", "left")) == Open("left")
    assert journal.ask(asking("Which?", "right")) == Open("right")
    assert list(journal.awaited()) == ["left", "right"]


def test_a_key_is_used_once_in_a_run():
    journal = Journal()
    journal.ask(asking("A", "k"))
    journal.answered("k", YES)

    with pytest.raises(ReplayMismatch, match="already used in this run"):
        journal.ask(asking("A", "k"))
    with pytest.raises(ReplayMismatch, match="already used in this run"):
        journal.once("k")


def test_open_questions_come_out_in_the_same_order_whoever_asked_first():
    one, other = Journal(), Journal()
    for name in "abc":
        one.ask(asking(name, name))
    for name in "cab":
        other.ask(asking(name, name))

    assert list(one.awaited()) == list(other.awaited()) == ["a", "b", "c"]


# ---- outcomes
@pytest.mark.parametrize("outcome", [YES, NO], ids=["result", "error"])
def test_a_replayed_question_has_its_outcome_at_once(outcome):
    journal = Journal()
    key = journal.ask(asking("Publish?")).key
    journal = reopened(journal)
    journal.answered(key, outcome)

    assert journal.ask(asking("Publish?")) == Recorded(key, outcome)


def test_the_first_outcome_stands():
    journal = Journal()
    journal.ask(asking("A", "k"))

    assert journal.answered("k", YES)
    assert not journal.answered("k", NO)
    journal.begin()
    assert journal.ask(asking("A", "k")) == Recorded("k", YES)


def test_an_answer_that_nobody_waits_for_is_not_taken():
    assert not Journal().answered("unknown", YES)


@pytest.mark.parametrize("outcome", [{}, {"result": 1, "error": 2}, {"action": "accept"}], ids=repr)
def test_an_outcome_is_a_result_or_an_error(outcome):
    journal = Journal()
    journal.ask(asking("A", "k"))

    with pytest.raises(ValueError, match="either a result or an error"):
        journal.answered("k", outcome)


def test_a_question_still_open_keeps_its_key_when_it_is_asked_again():
    """A durable task whose process died asks the same question under the same key."""
    journal = Journal()
    key = journal.ask(asking("Publish?")).key
    journal = reopened(journal)

    assert journal.awaited() == {key: "elicitation/create"}
    assert journal.ask(asking("Publish?")) == Open(key)


def test_a_key_whose_question_changed_is_a_mismatch():
    journal = with_answers("approve")

    with pytest.raises(ReplayMismatch, match="'approve' stood for a elicitation/create question"):
        journal.ask(asking("something else", "approve"))


# ---- giving up
def test_a_released_key_takes_no_late_answer():
    journal = Journal()
    journal.ask(asking("A", "k"))
    journal.gave_up("k")

    assert not journal.answered("k", YES)
    assert journal.awaited() == {}


def test_an_equal_question_after_giving_up_has_a_new_key():
    """Keys are unique over a task's life (tasks extension: inputRequests keys MUST NOT be reused)."""
    journal = Journal()
    first = journal.ask(asking("Now?"))
    journal.gave_up(first.key)

    assert journal.ask(asking("Now?")).key == first.key[:-1] + "2"


def test_a_replay_passes_over_the_numbers_that_were_given_up():
    journal = Journal()
    journal.gave_up(journal.ask(asking("Now?")).key)
    second = journal.ask(asking("Now?")).key
    journal = reopened(journal)
    journal.answered(second, YES)

    assert journal.ask(asking("Now?")) == Recorded(second, YES)
    journal.finish()


def test_a_released_key_may_be_asked_again_by_a_replay_but_not_for_another_question():
    journal = Journal()
    journal.ask(asking("A", "k"))
    journal.gave_up("k")

    with pytest.raises(ReplayMismatch, match="two questions need two keys"):
        reopened(journal).ask(asking("B", "k"))
    assert reopened(journal).ask(asking("A", "k")) == Open("k")


def test_giving_up_after_the_answer_changes_nothing():
    journal = Journal()
    journal.ask(asking("A", "k"))
    journal.answered("k", YES)
    journal.gave_up("k")

    assert reopened(journal).ask(asking("A", "k")) == Recorded("k", YES)


# ---- side effects
def test_a_side_effect_runs_once_and_is_recorded_from_then_on():
    journal = Journal()
    assert journal.once("publish") == Run("publish")
    journal.ran("publish", {"result": 7})

    assert reopened(journal).once("publish") == Recorded("publish", {"result": 7})


def test_a_side_effect_that_failed_may_be_tried_again_in_the_same_run():
    journal = Journal()
    journal.once("publish")
    journal.gave_up("publish")

    assert journal.once("publish") == Run("publish")


def test_a_side_effect_without_an_outcome_is_not_kept():
    """Its intent is the store's affair; the journal knows outcomes."""
    journal = Journal()
    journal.once("publish")

    assert journal.dump()["entries"] == []
    assert reopened(journal).once("publish") == Run("publish")


def test_a_question_cannot_take_the_key_of_a_side_effect():
    journal = Journal()
    journal.once("k")
    journal.ran("k", {"result": None})
    journal.begin()

    with pytest.raises(ReplayMismatch, match="stood for a side effect"):
        journal.ask(asking("A", "k"))


# ---- the judgement
def test_a_run_that_asks_the_same_ends_well():
    journal = with_answers("a", "b")
    journal.ask(asking("b", "b"))
    journal.ask(asking("a", "a"))

    journal.finish()


def test_a_run_that_ends_with_an_outcome_unconsumed_is_a_mismatch_that_names_it():
    journal = with_answers("a", "b")
    journal.ask(asking("a", "a"))

    assert journal.unconsumed() == ["b"]
    with pytest.raises(ReplayMismatch, match="left 'b' unasked"):
        journal.finish()


def test_a_run_that_waits_for_another_question_instead_is_a_mismatch_that_names_both():
    """The common mistake: a clock or a random number in the question."""
    journal = Journal()
    journal.ask(asking("It is 12:00, publish?"))
    journal.finish(suspended=True)
    journal = reopened(journal)
    (before,) = journal.awaited()
    journal.answered(before, YES)
    now = journal.ask(asking("It is 12:01, publish?")).key

    with pytest.raises(ReplayMismatch, match=f"left '{before}' unasked and asked '{now}' instead"):
        journal.finish(suspended=True)


def test_a_side_effect_left_out_is_a_mismatch():
    journal = Journal()
    journal.once("publish")
    journal.ran("publish", {"result": 1})
    journal.begin()

    with pytest.raises(ReplayMismatch, match="left 'publish' unasked"):
        journal.finish()


def test_a_branch_cut_off_at_work_may_come_back_to_its_outcome_in_a_later_round():
    journal = with_answers("slow", "fast")
    journal.ask(asking("fast", "fast"))
    journal.ask(asking("next", "next"))
    journal.finish(suspended=True, interrupted=True)

    journal = reopened(journal)
    journal.answered("next", YES)
    for key in ("fast", "next", "slow"):
        assert journal.ask(asking(key, key)) == Recorded(key, YES)
    journal.finish()


def test_patience_with_interrupted_runs_ends_when_nothing_new_is_ever_consumed():
    journal = with_answers("first")
    for number in range(MAX_STALLED_ROUNDS):
        journal.ask(asking(f"at {number}"))
        journal.finish(suspended=True, interrupted=True)
        journal = reopened(journal)
    journal.ask(asking("at last"))

    with pytest.raises(ReplayMismatch, match="left 'first' unasked"):
        journal.finish(suspended=True, interrupted=True)


def test_patience_is_renewed_by_an_outcome_consumed_for_the_first_time():
    journal = with_answers("slow", "a0")
    for number in range(2 * MAX_STALLED_ROUNDS):
        for step in range(number + 1):
            journal.ask(asking(f"a{step}", f"a{step}"))
        journal.ask(asking(f"a{number + 1}", f"a{number + 1}"))
        journal.finish(suspended=True, interrupted=True)
        journal = reopened(journal)
        journal.answered(f"a{number + 1}", YES)

    assert "slow" in journal.unconsumed()


def test_an_answer_after_the_run_is_consumed_for_the_first_time_by_the_next_one():
    """Else a round that goes on with it would count as one that goes nowhere."""
    journal = with_answers("slow")
    journal.ask(asking("next", "next"))
    journal.finish(suspended=True, interrupted=True)
    journal.answered("next", YES)
    journal.begin()
    journal.ask(asking("next", "next"))
    journal.finish(suspended=True, interrupted=True)

    assert journal.dump()["stalled"] == 0


def test_patience_does_not_cover_the_end_of_the_run():
    journal = with_answers("slow")

    with pytest.raises(ReplayMismatch):
        journal.finish(interrupted=True)


def test_it_replays_until_it_came_to_all_that_an_earlier_run_came_to():
    journal = Journal()
    assert not journal.replaying
    journal.ask(asking("a", "a"))
    journal.answered("a", YES)
    journal.ask(asking("b", "b"))
    assert not journal.replaying

    journal = reopened(journal)
    assert journal.replaying
    journal.ask(asking("a", "a"))
    assert journal.replaying
    journal.ask(asking("b", "b"))
    assert not journal.replaying


# ---- bounds and formats
def test_a_call_that_asks_without_end_is_stopped():
    journal = Journal()
    for number in range(MAX_ENTRIES):
        journal.answered(journal.ask(asking(f"{number}")).key, YES)

    with pytest.raises(Overloaded, match=str(MAX_ENTRIES)):
        journal.ask(asking("one more"))
    with pytest.raises(Overloaded, match=str(MAX_ENTRIES)):
        journal.ask(asking("one more"))


@pytest.mark.parametrize("dumped", [None, {}, {"format": 2}, {"format": 1, "stalled": 0, "entries": [["k"]]}], ids=repr)
def test_a_journal_that_cannot_be_read_is_a_mismatch_and_changes_nothing(dumped):
    journal = with_answers("a")

    with pytest.raises(ReplayMismatch, match="journal of this call"):
        journal.load(dumped)
    assert journal.unconsumed() == ["a"]
