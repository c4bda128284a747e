"""
Every race over a task whose receiver is the client, in every order (MCP 2025-11-25 basic/utilities/tasks).

The rules: a task ends once, and stands; its question is asked once and ends once, answered or withdrawn; every request
about it gets one reply, unless its server gave it up or is gone; no table keeps anything.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from client_world import ASK, client_of
from hypothesis import given, settings
from hypothesis import strategies as st

from zcp_actors.errors import INVALID_REQUEST, METHOD_NOT_FOUND, ConnectionLost, RPCError
from zcp_actors.protocol.effects import Entrust, Pend, Send, Tracked, Withdraw
from zcp_actors.protocol.stateful_client import StatefulClient
from zcp_actors.wire import ElicitResult, ErrorResponse, Notification, Request, Response, to_wire
from zcp_actors.wire.meta_keys import RELATED_TASK

TASKS = {"list": {}, "cancel": {}, "requests": {"elicitation": {"create": {}}}}
CAPABILITIES = {"elicitation": {}, "sampling": {}, "tasks": TASKS}
ANSWER = ElicitResult(action="accept", content={"n": 1})
PROMPT = {"messages": [], "maxTokens": 1}


class ReceiverWorld:
    """A host and a server for the tasks of a client: effects are performed at once, and account is kept."""

    def __init__(self) -> None:
        self.client = client_of(StatefulClient, CAPABILITIES)
        self.now, self.ids, self.names = 1e9, itertools.count(1), itertools.count(1)
        self.owed: set[Any] = set()
        """Ids of the server's requests that have no reply yet."""
        self.replies: dict[Any, Any] = {}
        self.pending: dict[str, Any] = {}
        """Task -> its open question."""
        self.questions: dict[str, Any] = {}
        self.kept: dict[str, str] = {}
        """Task -> status, as the host was told."""
        self.ended: dict[str, str] = {}
        """Task -> the terminal status that it had first."""
        self.notices: dict[str, list[str]] = {}

    def perform(self, effects: list[Any]) -> None:
        for effect in effects:
            match effect:
                case Send(message):
                    self._sent(message)
                case Entrust():
                    self.perform(self.client.entrusted(effect, f"t{next(self.names)}", self.now))
                case Pend(question):
                    assert question.as_task not in self.questions, "a question was asked twice"
                    self.pending[question.as_task] = self.questions[question.as_task] = question
                case Withdraw(question, _):
                    assert not question.open, "a withdrawn question could still be answered"
                    del self.pending[question.as_task]  # asked, and neither answered nor withdrawn before
                case Tracked(_, old, new):
                    self._tracked(old, new)

    def _sent(self, message: Any) -> None:
        if isinstance(message, Notification):
            told = to_wire(message.params)
            self.notices.setdefault(told["taskId"], []).append(told["status"])
        else:
            self.owed.remove(message.id)  # asked, and neither answered nor given up
            self.replies[message.id] = message

    def _tracked(self, old: Any, new: Any) -> None:
        assert (None if old is None else old.status.value) == self.kept.get((old or new).id)
        if new is None:
            del self.kept[old.id]
            return
        self.kept[new.id] = new.status.value
        if new.ended:
            assert new.id not in self.ended, "a task ended twice"
            self.ended[new.id] = new.status.value

    def ask(self, method: str, params: Any) -> int:
        id = next(self.ids)
        self.owed.add(id)
        self.perform(self.client.received(Request(id, method, params)))
        return id

    def create(self) -> str:
        reply = self.replies[self.ask(ASK["method"], {**ASK["params"], "task": {}})]
        assert reply.result.task.status == "working"
        task: str = reply.result.task.task_id
        return task

    def give_up(self, id: Any) -> None:
        self.owed.discard(id)
        self.perform(self.client.received(Notification("notifications/cancelled", {"requestId": id})))

    def answer(self, task: str, *, well: bool) -> None:
        self.pending.pop(task, None)
        outcome = ANSWER if well else RPCError(-1, "no")
        self.perform(self.client.tasks.answered(self.questions[task], outcome, self.now))

    def expire(self, task: str) -> None:
        self.perform(self.client.tasks.expire(task))

    def lose(self, *, renewed: bool) -> None:
        """The connection ends, or another session begins over it: nobody waits any more."""
        self.owed.clear()
        effects = self.client.renewed() if renewed else self.client.lost(ConnectionLost("gone"), final=True)
        self.perform(effects)

    def check(self) -> None:
        for task, status in self.kept.items():
            shown = self.replies[self.ask("tasks/get", {"taskId": task})].result.status
            assert shown == status == self.ended.get(task, "working")
            assert (status == "working") == (task in self.pending), "a task and its question disagree"
        assert set(self.pending) <= set(self.kept)
        assert self.notices == {task: [status] for task, status in self.ended.items()}

    def finish(self) -> None:
        self.lose(renewed=False)
        assert (self.pending, self.kept, self.owed) == ({}, {}, set())
        assert (self.client.tasks.rows, self.client.tasks.waiting, self.client.questions) == ({}, {}, {})


EVENTS = {
    "answer": lambda world, task: world.answer(task, well=True),
    "refuse": lambda world, task: world.answer(task, well=False),
    "cancel": lambda world, task: world.ask("tasks/cancel", {"taskId": task}),
    "expire": lambda world, task: world.expire(task),
    "wait": lambda world, task: world.ask("tasks/result", {"taskId": task}),
    "renew": lambda world, _: world.lose(renewed=True),
    "lose": lambda world, _: world.lose(renewed=False),
}
ENDS = {"answer": "completed", "refuse": "failed", "cancel": "cancelled"}
FORGET = {"expire", "renew", "lose"}


@pytest.mark.parametrize("first", EVENTS)
def test_a_task_survives_every_race_of_four(first):
    for rest in itertools.permutations(EVENTS, 3):
        race = (first, *rest)
        world = ReceiverWorld()
        task = world.create()
        waiting = world.ask("tasks/result", {"taskId": task})
        for event in race:
            EVENTS[event](world, task)
            world.check()

        decisive = next((event for event in race if event in ENDS or event in FORGET), None)
        assert world.ended.get(task) == ENDS.get(decisive), race
        if decisive in ENDS:
            reply = world.replies[waiting]
            assert isinstance(reply, Response if decisive == "answer" else ErrorResponse), race
        world.finish()


def test_the_second_of_two_cancels_is_refused_and_the_first_stands():
    world = ReceiverWorld()
    task = world.create()
    first, second = (world.ask("tasks/cancel", {"taskId": task}) for _ in range(2))

    assert world.replies[first].result.status == "cancelled"
    assert world.replies[second].code == -32602
    world.check()


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=60))
@settings(max_examples=300, deadline=None)
def test_whatever_the_order_every_task_ends_once(schedule):
    world = ReceiverWorld()
    steps: list[Any] = [*EVENTS.values(), lambda world, _: world.create(), lambda world, _: world.create()]
    for choice, which in schedule:
        tasks = list(world.questions)
        step = steps[choice % len(steps)] if tasks else steps[-1]
        if choice == 200 and world.owed:
            world.give_up(sorted(world.owed)[which % len(world.owed)])
        else:
            step(world, tasks[which % len(tasks)] if tasks else "")
        world.check()

    world.finish()


# ---- what a client that did not declare it does with `task`
@pytest.mark.parametrize("tasks", [None, {}, {"requests": {}}, {"requests": {"sampling": {"createMessage": {}}}}])
def test_task_is_ignored_where_it_was_not_declared(tasks):
    """2: the question is asked plainly, and nobody sees `task`."""
    capabilities = {"elicitation": {}} if tasks is None else {"elicitation": {}, "tasks": tasks}
    client = client_of(StatefulClient, capabilities)
    (pend,) = client.received(Request("q", ASK["method"], {**ASK["params"], "task": {"ttl": 5}}))

    assert isinstance(pend, Pend)
    assert "task" not in to_wire(pend.question.params)
    (send,) = client.answered(pend.question, ANSWER)
    assert send.message == Response("q", ANSWER)


@pytest.mark.parametrize(
    ("declared", "method"),
    [(None, "tasks/get"), (None, "tasks/list"), ({"cancel": {}}, "tasks/list"), ({"list": {}}, "tasks/cancel")],
)
def test_methods_of_tasks_that_were_not_declared_are_not_found(declared, method):
    """1."""
    capabilities = {"elicitation": {}} if declared is None else {"elicitation": {}, "tasks": declared}
    (send,) = client_of(StatefulClient, capabilities).received(Request("q", method, {"taskId": "x"}))

    assert send.message.code == METHOD_NOT_FOUND


def test_an_id_that_waits_for_a_result_cannot_be_used_again():
    """JSON-RPC: an id belongs to one request until it is answered."""
    world = ReceiverWorld()
    task = world.create()
    id = world.ask("tasks/result", {"taskId": task})
    for method, params in (("tasks/get", {"taskId": task}), (ASK["method"], ASK["params"])):
        (send,) = world.client.received(Request(id, method, params))
        assert send.message.code == INVALID_REQUEST

    world.answer(task, well=True)
    assert isinstance(world.replies[id], Response)


def test_a_late_answer_of_an_earlier_session_is_nothing_to_the_next():
    world = ReceiverWorld()
    task = world.create()
    world.lose(renewed=True)

    assert world.client.tasks.answered(world.questions[task], ANSWER, world.now) == []


def test_a_cursor_of_another_session_is_refused():
    """22: it would be answered with a guess."""
    one, other = ReceiverWorld(), ReceiverWorld()
    other.names = itertools.count(1000)
    for world in (one, other):
        for _ in range(51):
            world.create()
    cursor = one.replies[one.ask("tasks/list", {})].result.next_cursor

    assert isinstance(one.replies[one.ask("tasks/list", {"cursor": cursor})], Response)
    assert other.replies[other.ask("tasks/list", {"cursor": cursor})].code == -32602


def test_what_was_asked_is_not_kept_when_it_is_answered():
    world = ReceiverWorld()
    task = world.create()
    world.answer(task, well=True)

    assert world.client.tasks.rows[task].question is None


def test_a_result_that_is_fetched_twice_is_not_written_to_in_between():
    world = ReceiverWorld()
    task = world.create()
    world.answer(task, well=True)
    first, second = (world.replies[world.ask("tasks/result", {"taskId": task})].result for _ in range(2))

    expected = {"action": "accept", "content": {"n": 1}, "_meta": {RELATED_TASK: {"taskId": task}}}
    assert to_wire(first) == to_wire(second) == expected
    first.extra["content"]["n"] = 2
    third = world.replies[world.ask("tasks/result", {"taskId": task})].result
    assert to_wire(third) == expected
