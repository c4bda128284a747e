"""The client automata where a request becomes a task: late ones, unasked ones, progress (wire.md c.4: 27, 28, 36)."""

from __future__ import annotations

import pytest
from client_world import CAPABILITIES, DONE, client_of

from zcp_actors.errors import ConnectionLost, InvalidResult
from zcp_actors.protocol import asking, stateful_client
from zcp_actors.protocol.effects import Progress, Send, Settle
from zcp_actors.protocol.stateful_client import StatefulClient
from zcp_actors.protocol.stateless_client import StatelessClient
from zcp_actors.wire import CallToolRequestParams, ErrorResponse, Notification, Response, TaskMetadata, to_wire

STATED = {"taskId": "t1", "status": "working", "createdAt": "2026-08-01T00:00:00Z"}
STATED |= {"lastUpdatedAt": "2026-08-01T00:00:00Z"}
NESTED = {"task": {**STATED, "ttl": None}}
FLAT = {"resultType": "task", **STATED, "ttlMs": None}
both = pytest.mark.parametrize(("kind", "created"), [(StatefulClient, NESTED), (StatelessClient, FLAT)])


def called(kind, method="tools/call", **params):
    """A client that has called a tool, as a task where it is the one to say."""
    client = client_of(kind, CAPABILITIES)
    task = TaskMetadata() if kind is StatefulClient else None
    sent, _ = client.request(object(), method, CallToolRequestParams(name="slow", **{"task": task, **params}))
    return client, sent


def methods(effects):
    return [effect.message.method for effect in effects if isinstance(effect, Send)]


@both
def test_a_late_task_is_cancelled_once(kind, created):
    client, sent = called(kind)
    id = sent.id
    told = client.cancel(sent, "left")
    late = client.received(Response(id, created))

    assert methods(told) == ([] if kind is StatefulClient else ["notifications/cancelled"])
    assert methods(late) == ["tasks/cancel"]
    (effect,) = late
    assert (to_wire(effect.message.params)["taskId"], effect.message.id != id) == ("t1", True)
    assert client.received(Response(id, created)) == []
    assert client.received(Response(effect.message.id, {})) == []


@both
@pytest.mark.parametrize("late", [DONE, {"content": 5}, {"task": 5}, {}])
def test_a_late_answer_that_is_no_task_is_dropped(kind, created, late):
    client, sent = called(kind)
    id = sent.id
    client.cancel(sent, "left")
    assert client.received(Response(id, late)) == []
    assert client.received(ErrorResponse(id, -1, "no")) == []


@both
def test_a_call_that_has_ended_well_is_not_remembered(kind, created):
    client, sent = called(kind)
    id = sent.id
    client.received(Response(id, DONE))
    client.cancel(sent, "left")
    assert client.given_up == {}
    assert client.received(Response(id, created)) == []


@both
def test_what_was_given_up_is_bounded_and_forgotten_with_the_connection(kind, created):
    client, first = called(kind)
    id = first.id
    client.cancel(first, "left")
    for _ in range(asking.MAX_GIVEN_UP):
        sent, _ = client.request(object(), "tools/call", first.params)
        client.cancel(sent, "left")
    assert len(client.given_up) == asking.MAX_GIVEN_UP
    assert client.received(Response(id, created)) == []
    client.lost(ConnectionLost("gone"), final=False)
    assert client.given_up == {}


def test_a_call_of_the_older_generation_that_cannot_be_a_task_is_taken_back_as_ever():
    client, sent = called(StatefulClient, task=None)
    assert methods(client.cancel(sent, "left")) == ["notifications/cancelled"]


def test_a_task_that_was_not_asked_for_is_no_result():
    client, sent = called(StatefulClient, task=None)
    (effect,) = client.received(Response(sent.id, NESTED))
    assert isinstance(effect, Settle)
    assert isinstance(effect.outcome, InvalidResult)


def progress(client, token):
    return client.received(Notification("notifications/progress", {"progressToken": token, "progress": 1}))


def test_the_token_of_a_task_is_heard_until_the_task_has_ended():
    client, sent = called(StatefulClient)
    token = sent.token
    client.received(Response(sent.id, NESTED))
    assert [type(effect) for effect in progress(client, token)] == [Progress]
    client.task_ended("another")
    assert [effect.sent for effect in progress(client, token)] == [sent]
    client.task_ended("t1")
    client.task_ended("t1")
    assert progress(client, token) == []


def test_tasks_whose_progress_is_heard_are_bounded(monkeypatch):
    monkeypatch.setattr(stateful_client, "MAX_REPORTING", 2)
    client, first = called(StatefulClient)
    token = first.token
    client.received(Response(first.id, NESTED))
    for number in (2, 3):
        sent, _ = client.request(object(), "tools/call", first.params)
        client.received(Response(sent.id, {"task": {**NESTED["task"], "taskId": f"t{number}"}}))
    assert progress(client, token) == []
    assert len(progress(client, sent.token)) == 1
