"""What a server automaton answers, rule by rule (wire.md c.4 C to F: MCP 2025-11-25 and 2026-07-28)."""

from __future__ import annotations

import pytest
from server_asks import MAKE, ask, both_eras, call_of, code, opened, request, stateless
from server_world import form, initialize, meta, profile, result

from zcp_actors.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    OVERLOADED,
    RESOURCE_NOT_FOUND_2025,
    CapabilityMissing,
    RPCError,
)
from zcp_actors.protocol.effects import Cancel, Send
from zcp_actors.protocol.questions import Question
from zcp_actors.protocol.serving import MAX_SUBSCRIPTIONS
from zcp_actors.protocol.stateful_server import StatefulServer
from zcp_actors.protocol.stateless_server import StatelessServer
from zcp_actors.wire import (
    CreateMessageRequestParams,
    ElicitRequestURLParams,
    Notification,
    RequestParams,
    Response,
    to_wire,
)
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, LOG_LEVEL, PROTOCOL_VERSION


# ---- 2025-11-25: the handshake
@pytest.mark.parametrize("method", ["tools/list", "tools/call", "logging/setLevel", "unknown/method"])
def test_before_initialize_nothing_but_ping_is_served(method):
    server = StatefulServer(profile)

    assert code(ask(server, method)) == INVALID_REQUEST
    assert to_wire(ask(server, "ping").result) == {}


@pytest.mark.parametrize(
    ("asked", "agreed"),
    [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2024-11-05", "2024-11-05"),
        ("1999-01-01", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ],
)
def test_the_server_answers_the_version_asked_for_or_its_newest(asked, agreed):
    """F 81."""
    (send,) = StatefulServer(profile).received(initialize(0, asked))

    assert send.message.result.protocol_version == agreed


def test_a_second_initialize_is_refused():
    assert code(ask(opened(), "initialize", initialize().params)) == INVALID_REQUEST


@pytest.mark.parametrize("params", [{}, {"protocolVersion": 5}, {"protocolVersion": "2025-11-25", "capabilities": []}])
def test_a_malformed_initialize_leaves_the_session_uninitialized(params):
    server = StatefulServer(profile)

    assert code(ask(server, "initialize", params, _meta={})) == INVALID_PARAMS
    assert code(ask(server, "tools/list")) == INVALID_REQUEST


def test_initialize_cannot_be_cancelled():
    """F 85."""
    server = StatefulServer(profile)
    (send,) = server.received(initialize(0))

    assert isinstance(send.message, Response)
    assert server.received(Notification("notifications/cancelled", {"requestId": 0})) == []
    assert not isinstance(ask(server, "ping"), RPCError)


# ---- both: what is refused
@both_eras
def test_an_unknown_method_is_not_found(kind):
    assert code(ask(MAKE[kind](), "unknown/method")) == METHOD_NOT_FOUND


@both_eras
@pytest.mark.parametrize("params", [{}, {"name": 5}, {"name": "t", "arguments": []}])
def test_malformed_params_are_invalid(kind, params):
    assert code(ask(MAKE[kind](), "tools/call", params)) == INVALID_PARAMS


@both_eras
@pytest.mark.parametrize("token", [True, 1.5, [], {}])
def test_a_progress_token_is_a_string_or_an_integer(kind, token):
    assert code(ask(MAKE[kind](), "tools/call", {"name": "t"}, _meta=meta(progressToken=token))) == INVALID_PARAMS


@both_eras
def test_one_and_the_text_one_are_different_ids(kind):
    """DESIGN 10."""
    server = MAKE[kind]()
    first, second = call_of(server, 1), call_of(server, "1")

    (reply,) = server.finished(second, result("second"))
    assert reply.message.id == "1"
    (reply,) = server.finished(first, result("first"))
    assert reply.message.id == 1


@both_eras
@pytest.mark.parametrize("id", [True, 1.0, "1", [1]])
def test_only_its_very_id_cancels_a_call(kind, id):
    """To Python `True == 1 == 1.0`."""
    server = MAKE[kind]()
    call = call_of(server, 1)

    assert server.received(Notification("notifications/cancelled", {"requestId": id})) == []
    (cancel,) = server.received(Notification("notifications/cancelled", {"requestId": 1}))
    assert cancel.call is call


@both_eras
def test_more_calls_than_the_limit_are_turned_away(kind):
    server = MAKE[kind](max_calls=2)
    first, _ = call_of(server, 1), call_of(server, 2)

    assert code(ask(server, "tools/call", {"name": "t"}, id=3)) == OVERLOADED
    server.finished(first, result())
    assert call_of(server, 3)


@both_eras
@pytest.mark.parametrize(
    "message",
    [
        Notification("notifications/cancelled", {"requestId": 77}),
        Notification("notifications/cancelled", {"requestId": []}),
        Notification("notifications/cancelled", None),
        Notification("notifications/unknown", {"x": 1}),
        Notification("notifications/initialized"),
        Response(77, {"action": "accept"}),
        Response(77, {}),
    ],
)
def test_what_needs_no_answer_gets_none(kind, message):
    assert MAKE[kind]().received(message) == []


@both_eras
def test_a_bug_of_a_handler_is_an_internal_error_that_tells_nothing(kind):
    server = MAKE[kind]()
    (reply,) = server.finished(call_of(server), ValueError("the password is 1234"))

    assert (code(reply.message), reply.message.message) == (INTERNAL_ERROR, "internal error")


@pytest.mark.parametrize(
    ("kind", "seen"), [(StatefulServer, RESOURCE_NOT_FOUND_2025), (StatelessServer, INVALID_PARAMS)]
)
def test_a_missing_resource_has_the_code_of_its_era(kind, seen):
    server = MAKE[kind]()
    (reply,) = server.finished(call_of(server), RPCError(RESOURCE_NOT_FOUND_2025, "not found", {"uri": "x:y"}))

    assert (code(reply.message), reply.message.data) == (seen, {"uri": "x:y"})


@both_eras
@pytest.mark.parametrize("part", ["id", "method", "token", "version", "level"])
def test_a_refusal_repeats_little_of_what_it_refuses(kind, part):
    server, much = MAKE[kind](), "x" * 100_000
    said = meta(**{"token": {"progressToken": [much]}, "version": {PROTOCOL_VERSION: much}}.get(part, {}))
    said |= {LOG_LEVEL: much} if part == "level" else {}
    asked = request(
        "no/" + much if part == "method" else "tools/call", {"name": "t"}, much if part == "id" else 1, said
    )
    for effect in [*server.received(asked), *server.received(asked)]:
        assert len(getattr(getattr(effect, "message", None), "message", "")) < 1000


# ---- both: what a client must have declared before it is asked
CASES = [
    ({}, "elicitation/create", form("?"), {"elicitation": {"form": {}}}),
    ({"elicitation": {"url": {}}}, "elicitation/create", form("?"), {"elicitation": {"form": {}}}),
    ({"elicitation": {}}, "elicitation/create", form("?"), None),
    ({"elicitation": {"form": {}}}, "elicitation/create", form("?"), None),
    (
        {"elicitation": {}},
        "elicitation/create",
        ElicitRequestURLParams(message="?", url="https://x.y"),
        {"elicitation": {"url": {}}},
    ),
    ({"elicitation": {"url": {}}}, "elicitation/create", ElicitRequestURLParams(message="?", url="https://x.y"), None),
    ({}, "sampling/createMessage", CreateMessageRequestParams(messages=[], max_tokens=1), {"sampling": {}}),
    ({"sampling": {}}, "sampling/createMessage", CreateMessageRequestParams(messages=[], max_tokens=1), None),
    (
        {"sampling": {}},
        "sampling/createMessage",
        CreateMessageRequestParams(messages=[], max_tokens=1, tools=[]),
        {"sampling": {"tools": {}}},
    ),
    (
        {"sampling": {"tools": {}}},
        "sampling/createMessage",
        CreateMessageRequestParams(messages=[], max_tokens=1, tools=[]),
        None,
    ),
    ({}, "roots/list", RequestParams(), {"roots": {}}),
    ({"roots": {}}, "roots/list", RequestParams(), None),
]


@both_eras
@pytest.mark.parametrize(("declared", "method", "params", "missing"), CASES)
def test_only_what_the_client_declared_is_asked(kind, declared, method, params, missing):
    """C 57, E 71 and 74."""
    if kind is StatefulServer:
        server = opened(capabilities=declared)
        call = call_of(server)
    else:
        server = stateless()
        call = call_of(server, _meta=meta(**{CLIENT_CAPABILITIES: declared}))
    question = Question(method, to_wire(params))

    if missing is None:
        key, effects = server.asked(call, question, params, [])
        assert key in call.open
        assert effects
        return
    with pytest.raises(CapabilityMissing) as caught:
        server.asked(call, question, params, [])
    assert (caught.value.code, caught.value.data) == (MISSING_CAPABILITY, {"requiredCapabilities": missing})
    assert call.open == {}


def test_an_earlier_request_declares_nothing_for_a_later_one():
    """D 64."""
    server = stateless()
    call_of(server, 1)
    call = call_of(server, 2, _meta=meta(**{CLIENT_CAPABILITIES: {}}))

    with pytest.raises(CapabilityMissing):
        server.asked(call, Question("elicitation/create", {"message": "?"}), form("?"), [])


def test_who_asks_is_read_once_however_often_it_is_written_and_never_taken_for_what_only_equals_it():
    """Each request declares for itself; a client that is read from a wire sends another object each time."""
    server = stateless()
    askers = []
    for id, there in enumerate((True, True, 1)):
        said = {**meta(), CLIENT_CAPABILITIES: {"experimental": {"x": {"there": there}}}}
        [effect] = server.received(request("tools/call", {"name": "a"}, id, said))
        askers.append(effect.call.capabilities)

    assert askers[0] is askers[1]
    assert askers[2].experimental["x"]["there"] is not True


# ---- progress and logs
@both_eras
def test_progress_rises_and_goes_only_to_who_asked(kind):
    server = MAKE[kind]()
    silent, asked = call_of(server, 1), call_of(server, 2, _meta=meta(progressToken="p"))

    assert server.progressed(silent, 1, None, None) == []
    sent = [len(server.progressed(asked, value, 10, None)) for value in (1, 1, 0.5, 2, float("nan"), 3)]
    assert sent == [1, 0, 0, 1, 0, 1]
    server.finished(asked, result())
    assert server.progressed(asked, 9, None, None) == []


def test_logs_follow_set_level():
    """2025-11-25 server/utilities/logging; until it is set, everything but debugging."""
    server = opened()
    call = call_of(server)

    assert [len(server.logged(call, level, "x", None)) for level in ("debug", "info")] == [0, 1]
    assert to_wire(ask(server, "logging/setLevel", {"level": "error"}, id=2).result) == {}
    assert [len(server.logged(call, level, "x", None)) for level in ("warning", "error", "emergency")] == [0, 1, 1]
    assert code(ask(server, "logging/setLevel", {"level": "loud"}, id=3)) == INVALID_PARAMS
    assert server.log_level == "error"


def test_logs_follow_the_request_where_there_is_no_session():
    server = stateless()
    silent, asked = call_of(server, 1), call_of(server, 2, _meta=meta(**{LOG_LEVEL: "warning"}))

    assert server.logged(silent, "emergency", "x", None) == []
    assert [len(server.logged(asked, level, "x", None)) for level in ("info", "warning", "alert")] == [0, 1, 1]
    assert code(ask(server, "tools/list", id=3, _meta=meta(**{LOG_LEVEL: "loud"}))) == INVALID_PARAMS


# ---- 2025-11-25: subscriptions
def test_a_subscriber_hears_of_its_resource_and_everybody_of_lists():
    server = opened()
    ask(server, "resources/subscribe", {"uri": "a:b"})

    assert [send.message.method for send in server.announced("resources", "a:b")] == ["notifications/resources/updated"]
    assert server.announced("resources", "c:d") == []
    assert [send.message.method for send in server.announced("tools", None)] == ["notifications/tools/list_changed"]
    ask(server, "resources/unsubscribe", {"uri": "a:b"})
    assert server.announced("resources", "a:b") == []


def test_nothing_is_announced_before_initialize():
    assert StatefulServer(profile).announced("tools", None) == []


def test_subscriptions_are_bounded_and_idempotent():
    server = opened()
    for number in range(MAX_SUBSCRIPTIONS):
        ask(server, "resources/subscribe", {"uri": f"a:{number}"})

    assert code(ask(server, "resources/subscribe", {"uri": "a:more"})) == OVERLOADED
    assert code(ask(server, "resources/subscribe", {"uri": "a:0"})) is None


# ---- the end
@both_eras
def test_the_end_cancels_every_call_and_answers_none(kind):
    server = MAKE[kind]()
    calls = [call_of(server, number) for number in range(3)]

    effects = server.closed("the end")

    assert effects == [Cancel(call, "the end") for call in calls]
    assert [server.finished(call, result()) for call in calls] == [[], [], []]
    assert not any(isinstance(effect, Send) for effect in effects)
