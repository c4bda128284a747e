"""What a server automaton of 2026-07-28 answers, rule by rule (wire.md c.4 C and D)."""

from __future__ import annotations

import json

import pytest
from server_asks import ask, call_of, code, request, stateless
from server_world import ServerWorld, form, meta, result

from zcp_actors.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    OVERLOADED,
    UNSUPPORTED_VERSION,
    StateTooLarge,
)
from zcp_actors.protocol.effects import Answer, Seal
from zcp_actors.protocol.questions import Question
from zcp_actors.protocol.serving import MAX_SUBSCRIPTIONS
from zcp_actors.protocol.stateless_server import MAX_LISTENS
from zcp_actors.wire import Notification, Request, to_wire
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, PROTOCOL_VERSION, SUBSCRIPTION_ID


# ---- 2026-07-28: `_meta` is judged first
@pytest.mark.parametrize(
    ("_meta", "method", "expected"),
    [
        ({}, "tools/list", INVALID_PARAMS),
        ({}, "unknown/method", INVALID_PARAMS),
        ({PROTOCOL_VERSION: "1999-01-01"}, "tools/list", UNSUPPORTED_VERSION),
        ({PROTOCOL_VERSION: "1999-01-01"}, "unknown/method", UNSUPPORTED_VERSION),
        ({PROTOCOL_VERSION: ["2026-07-28"]}, "tools/list", INVALID_PARAMS),
        ({PROTOCOL_VERSION: "2026-07-28"}, "tools/list", INVALID_PARAMS),
        ({PROTOCOL_VERSION: "2026-07-28"}, "server/discover", INVALID_PARAMS),
        ({PROTOCOL_VERSION: "2026-07-28"}, "unknown/method", INVALID_PARAMS),
        ({PROTOCOL_VERSION: "2026-07-28", CLIENT_CAPABILITIES: 5}, "tools/list", INVALID_PARAMS),
        (meta(), "unknown/method", METHOD_NOT_FOUND),
        (meta(), "ping", METHOD_NOT_FOUND),
        (meta(), "initialize", METHOD_NOT_FOUND),
        (meta(), "logging/setLevel", METHOD_NOT_FOUND),
        (meta(), "resources/subscribe", METHOD_NOT_FOUND),
        (meta(), "tasks/result", METHOD_NOT_FOUND),
    ],
)
def test_meta_is_judged_before_the_method(_meta, method, expected):
    """D 62: missing required `_meta`, then the version, then the method."""
    assert code(ask(stateless(), method, _meta=_meta)) == expected


def test_an_unsupported_version_is_told_what_is_supported():
    error = ask(stateless(), "tools/list", _meta={PROTOCOL_VERSION: "v999"})

    assert error.data == {"supported": ["2026-07-28"], "requested": "v999"}


@pytest.mark.parametrize("params", [None, {}, {"_meta": None}])
def test_absent_meta_is_a_missing_one(params):
    (send,) = stateless().received(Request(1, "tools/list", params))

    assert code(send.message) == INVALID_PARAMS


def test_what_is_wrong_with_who_asks_is_told_by_its_place():
    wrong = meta(**{CLIENT_CAPABILITIES: {"elicitation": 5}})
    (refusal,) = stateless().received(request("tools/list", {}, 1, wrong))

    place = f"params._meta['{CLIENT_CAPABILITIES}'].elicitation"
    assert refusal.message.message == f"{place}: expected object, got integer"


def test_meta_that_is_no_object_is_invalid():
    (send,) = stateless().received(Request(1, "tools/list", {"_meta": [1]}))

    assert code(send.message) == INVALID_PARAMS


def test_who_asks_need_not_say_its_name():
    """conformance: without clientInfo -> served."""
    nameless = {PROTOCOL_VERSION: "2026-07-28", CLIENT_CAPABILITIES: {}}

    assert ask(stateless(), "server/discover", _meta=nameless).result.supported_versions == ["2026-07-28"]


# ---- 2026-07-28: rounds
def suspended(server, world, messages=("first?", "second?")):
    """A call that asked these and was suspended; the `input_required` result."""
    world.call(list(messages))
    (run,) = world.runs.values()
    for message in messages:
        world.ask(run, message)
    world.quiet(run.call, interrupted=False)
    world.finish(run, result("discarded"))
    ((_, asked),) = world.retries
    return asked


@pytest.fixture
def world():
    return ServerWorld(stateless())


def send_again(world, asked, responses, id="again", state=None):
    world.scripts[id] = ["first?", "second?"]
    params = {"name": "tool", "arguments": {}, "inputResponses": responses}
    if (state or asked.request_state) is not None:
        params["requestState"] = state or asked.request_state
    world.perform(world.server.received(request("tools/call", params, id)))
    return world.replies.get(id, [None])[0]


def test_questions_of_one_step_travel_in_one_result(world):
    asked = suspended(world.server, world)

    assert len(asked.input_requests) == 2
    assert [each.params.message for each in asked.input_requests.values()] == ["first?", "second?"]
    assert world.server.calls == {}


def test_a_retry_gives_recorded_answers_at_once_and_asks_again_what_is_missing(world):
    """C 60."""
    asked = suspended(world.server, world)
    first, second = asked.input_requests

    send_again(world, asked, {first: {"action": "decline"}})
    (run,) = world.runs.values()
    world.ask(run, "first?")
    world.ask(run, "second?")

    assert [answer.action for answer in run.slots["first?"]] == ["decline"]
    assert run.slots["second?"] == []
    assert run.keys["second?"] == second
    assert list(run.call.open) == [second]


@pytest.mark.parametrize(
    "answer",
    [
        {"action": "accept", "content": {}},
        {"of": "an extension"},
        {"content": "an extension's"},
        {"action": None},
        {"roots": 5},
        {},
        5,
        None,
        [],
    ],
)
def test_answers_to_what_was_never_asked_are_ignored(world, answer):
    """C 60."""
    asked = suspended(world.server, world)

    assert send_again(world, asked, {"nobody-asked": answer}) is None
    (run,) = world.runs.values()
    assert len(run.call.journal.awaited()) == 2


@pytest.mark.parametrize("answer", [5, {}, {"action": "perhaps"}, {"roots": []}, None])
def test_a_malformed_answer_is_invalid(world, answer):
    """C 60; an answer of another question's shape is malformed too."""
    asked = suspended(world.server, world)
    key = next(iter(asked.input_requests))

    assert code(send_again(world, asked, {key: answer})) == INVALID_PARAMS
    assert world.runs == {}


def brought(server, responses, key):
    """A new call with these answers asks a question under this key: the call, and what the asker got."""
    server.received(request("tools/call", {"name": "t", "inputResponses": responses}, "new"))
    call, slot = server.calls["new"], object()
    _, effects = server.asked(call, Question("elicitation/create", to_wire(form("first?")), key), form("first?"), slot)
    return call, [effect.outcome for effect in effects if isinstance(effect, Answer)]


def test_answers_without_a_state_answer_no_question_that_its_author_gave_no_key(world):
    """C 59: without a state the call is a new one."""
    asked = suspended(world.server, world)
    key = next(iter(asked.input_requests))

    call, outcomes = brought(stateless(), {key: {"action": "accept"}}, None)

    assert not call.replaying
    assert outcomes == []
    assert list(call.open) == [key]


def test_an_answer_may_come_with_the_first_request_to_a_question_with_a_key():
    """conformance: input-required-result-ignore-extra-params sends no state, and extra keys."""
    responses = {"name": {"action": "accept", "content": {"a": "b"}}, "unknown": {"action": "accept"}}

    call, (outcome,) = brought(stateless(), responses, "name")

    assert outcome.content == {"a": "b"}
    assert call.open == {}
    assert call.journal.awaited() == {}
    assert call.journal.unconsumed() == []


def test_an_answer_of_another_shape_that_comes_with_the_first_request_is_asked_for():
    call, outcomes = brought(stateless(), {"name": {"roots": []}}, "name")

    assert outcomes == []
    assert list(call.open) == ["name"]


def test_a_value_returned_after_suspension_is_discarded(world):
    suspended(world.server, world)

    assert [type(reply[0].result).__name__ for reply in world.replies.values()] == ["InputRequiredResult"]


def test_a_state_that_cannot_be_sealed_fails_the_call(world):
    world.call(["first?"])
    (run,) = world.runs.values()
    world.ask(run, "first?")
    world.quiet(run.call, interrupted=False)
    effects = world.server.finished(run.call, result())
    assert effects == [Seal(run.call)]

    (send,) = world.server.sealing_failed(run.call, StateTooLarge("too much to remember"))

    assert code(send.message) == INTERNAL_ERROR
    assert "StateTooLarge: too much" in send.message.message
    assert world.server.calls == {}
    assert world.server.sealing_failed(run.call, StateTooLarge("again")) == []


def test_a_call_cancelled_while_it_is_suspending_is_never_answered(world):
    world.call(["first?"])
    (run,) = world.runs.values()
    world.ask(run, "first?")
    world.quiet(run.call, interrupted=False)
    world.cancel("call-1")
    world.finish(run, result())

    assert world.replies == {}


def test_a_journal_of_another_format_fails_only_its_call(world):
    """A state sealed by another version of the library is authentic and still cannot be used."""
    asked = suspended(world.server, world)

    reply = send_again(world, asked, {}, state=json.dumps({"format": 999, "entries": [], "stalled": 0}))

    assert code(reply) == INVALID_PARAMS
    assert world.server.calls == {}


# ---- 2026-07-28: listen streams
def listen(server, id="l", **wanted):
    return ask(server, "subscriptions/listen", {"notifications": wanted}, id)


def test_a_listen_stream_is_acknowledged_first_and_hears_only_what_it_asked_for():
    """D 66."""
    server = stateless()
    acknowledged = listen(server, "l", toolsListChanged=True, promptsListChanged=True, resourceSubscriptions=["a:b"])

    assert acknowledged.method == "notifications/subscriptions/acknowledged"
    assert to_wire(acknowledged.params) == {
        "_meta": {SUBSCRIPTION_ID: "l"},
        "notifications": {"toolsListChanged": True, "resourceSubscriptions": ["a:b"]},
    }
    heard = [*server.announced("tools", None), *server.announced("resources", "a:b")]
    assert [(send.call, send.message.method) for send in heard] == [
        ("l", "notifications/tools/list_changed"),
        ("l", "notifications/resources/updated"),
    ]
    assert all(send.message.params["_meta"][SUBSCRIPTION_ID] == "l" for send in heard)
    assert server.announced("prompts", None) == []
    assert server.announced("resources", None) == []
    assert server.announced("resources", "c:d") == []


def test_a_graceful_end_answers_listen_streams():
    server = stateless()
    listen(server, "l", toolsListChanged=True)

    (send,) = server.closed("the end")

    assert (send.message.id, send.call) == ("l", "l")
    assert to_wire(send.message.result)["_meta"] == {SUBSCRIPTION_ID: "l"}
    assert server.announced("tools", None) == []


def test_a_cancelled_listen_stream_is_not_answered():
    server = stateless()
    listen(server, "l", toolsListChanged=True)

    assert server.received(Notification("notifications/cancelled", {"requestId": "l"})) == []
    assert server.announced("tools", None) == []
    assert server.closed("the end") == []


def test_listen_streams_and_calls_share_one_space_of_ids():
    server = stateless()
    listen(server, 1, toolsListChanged=True)
    call_of(server, 2)

    assert code(ask(server, "tools/call", {"name": "t"}, id=1)) == INVALID_REQUEST
    assert code(listen(server, 2, toolsListChanged=True)) == INVALID_REQUEST
    assert code(listen(server, 1, toolsListChanged=True)) == INVALID_REQUEST
    assert len(server.listens) == 1


def test_listen_streams_are_bounded():
    server = stateless()
    for number in range(MAX_LISTENS):
        listen(server, number, toolsListChanged=True)

    assert code(listen(server, "more", toolsListChanged=True)) == OVERLOADED
    uris = [f"a:{number}" for number in range(MAX_SUBSCRIPTIONS + 1)]
    server.listens.clear()
    assert code(listen(server, "wide", resourceSubscriptions=uris)) == OVERLOADED
