"""The life of a task, as a function from a record to a record: any order of events, and a terminal status stands."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.protocol import tasks
from zcp_actors.protocol.tasks import TERMINAL, OpenQuestion, Origin, Place, Status, Task

NOW = 1000.0
QUESTION = OpenQuestion(method="elicitation/create", params={"message": "Sure?"})
YES = {"result": {"action": "accept"}}
DONE = {"result": {"content": [], "isError": False}}
BROKEN = {"error": {"code": -32603, "message": "broke", "data": None}}


def made(status: Status = Status.WORKING, **changes: object) -> Task:
    origin = Origin(method="tools/call", target="slow", params={"name": "slow"}, version="2025-11-25")
    known = {"created": NOW, "updated": NOW, "ttl": 60.0, "poll": 1.0, "revision": 1}
    return Task(place=Place("app", "", "t1"), origin=origin, status=status, **(known | changes))


def test_a_question_moves_it_to_input_required_and_its_answer_back():
    asked = tasks.ask(made(), "k", QUESTION, NOW + 1)
    answered = tasks.answer(asked, "k", YES, NOW + 2)

    assert (asked.status, answered.status) == (Status.INPUT_REQUIRED, Status.WORKING)
    assert (answered.questions, answered.answers) == ({}, {"k": YES})
    assert tasks.take(answered, "k").answers == {}


def test_it_stays_input_required_until_the_last_question_is_answered():
    asked = tasks.ask(tasks.ask(made(), "a", QUESTION, NOW), "b", QUESTION, NOW)

    one = tasks.answer(asked, "a", YES, NOW)

    assert (one.status, list(one.questions)) == (Status.INPUT_REQUIRED, ["b"])
    assert tasks.withdraw(one, "b", NOW).status is Status.WORKING


def test_the_first_answer_to_a_question_stands():
    answered = tasks.answer(tasks.ask(made(), "k", QUESTION, NOW), "k", YES, NOW)

    assert tasks.answer(answered, "k", {"result": {"action": "decline"}}, NOW) is answered
    assert tasks.answer(answered, "unknown", YES, NOW) is answered
    assert tasks.ask(answered, "k", QUESTION, NOW) is answered


def test_a_tools_own_failure_is_told_apart_from_an_error():
    failed_tool = tasks.finish(made(), {"result": {"content": [], "isError": True}}, NOW)

    assert (failed_tool.status, failed_tool.reports_error) == (Status.COMPLETED, True)
    error = tasks.finish(made(), BROKEN, NOW)
    assert (error.status, error.message, error.reports_error) == (Status.FAILED, "broke", False)


def test_time_never_runs_backwards_in_a_record():
    assert tasks.report(made(), "on", NOW - 50).updated == NOW


def test_an_answer_that_others_wrote_is_not_lost_to_our_own_change():
    base = tasks.ask(made(), "k", QUESTION, NOW)
    theirs = attrs.evolve(tasks.answer(base, "k", YES, NOW + 1), revision=2)
    ours = tasks.report(base, "still here", NOW + 2)

    merged = tasks.merge(ours, theirs)

    assert (merged.revision, merged.answers, merged.message) == (2, {"k": YES}, "still here")
    assert merged.status is Status.WORKING


def test_a_cancel_that_others_wrote_first_beats_our_result():
    base = made()
    theirs = attrs.evolve(tasks.cancel(base, "not wanted", NOW), revision=2)

    assert tasks.merge(tasks.finish(base, DONE, NOW), theirs) is theirs


EVENTS = {
    "begin": lambda task: tasks.begin(task, NOW),
    "ask": lambda task: tasks.ask(task, "k", QUESTION, NOW),
    "ask again": lambda task: tasks.ask(task, "l", QUESTION, NOW),
    "answer": lambda task: tasks.answer(task, "k", YES, NOW),
    "withdraw": lambda task: tasks.withdraw(task, "l", NOW),
    "take": lambda task: tasks.take(task, "k"),
    "report": lambda task: tasks.report(task, "on", NOW),
    "complete": lambda task: tasks.finish(task, DONE, NOW),
    "fail": lambda task: tasks.finish(task, BROKEN, NOW),
    "cancel": lambda task: tasks.cancel(task, "no", NOW),
}
ALLOWED = {
    Status.QUEUED: set(Status),
    Status.WORKING: set(Status) - {Status.QUEUED},
    Status.INPUT_REQUIRED: set(Status) - {Status.QUEUED},
}


@given(st.sampled_from([Status.QUEUED, Status.WORKING]), st.lists(st.sampled_from(sorted(EVENTS)), max_size=12))
def test_whatever_happens_in_whatever_order_only_allowed_transitions_are_made(first, events):
    """Source: 2025-11-25 basic/utilities/tasks, Task Status Lifecycle."""
    task = made(first)
    for event in events:
        after = EVENTS[event](task)
        if task.status in TERMINAL:
            assert after is task
        else:
            assert after.status in ALLOWED[task.status]
            assert (after.status is Status.INPUT_REQUIRED) == bool(after.questions)
        task = after
