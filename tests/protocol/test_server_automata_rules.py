"""What a server automaton answers, rule by rule (wire.md c.4 C to F: MCP 2025-11-25 and 2026-07-28)."""

from __future__ import annotations

import json

import pytest
from server_world import ServerWorld, form, initialize, meta, profile, result

from zcp_actors.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_CAPABILITY,
    OVERLOADED,
    RESOURCE_NOT_FOUND_2025,
    UNSUPPORTED_VERSION,
    CapabilityMissing,
    RPCError,
    StateTooLarge,
)
from zcp_actors.protocol.effects import Answer, Cancel, Seal, Send, Start
from zcp_actors.protocol.questions import Question
from zcp_actors.protocol.serving import MAX_SUBSCRIPTIONS
from zcp_actors.protocol.stateful_server import StatefulServer
from zcp_actors.protocol.stateless_server import MAX_LISTENS, StatelessServer
from zcp_actors.wire import (
    CreateMessageRequestParams,
    ElicitRequestURLParams,
    Notification,
    Request,
    RequestParams,
    Response,
    to_wire,
)
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, LOG_LEVEL, PROTOCOL_VERSION, SUBSCRIPTION_ID

both_eras = pytest.mark.parametrize("kind", [StatefulServer, StatelessServer])


def opened(version="2025-11-25", capabilities=None, **options) -> StatefulServer:
    server = StatefulServer(profile, **options)
    hello = initialize(0, version) if capabilities is None else initialize(0, version, capabilities)
    server.received(hello)
    return server


def stateless(**options) -> StatelessServer:
    return StatelessServer(profile, **options)


MAKE = {StatefulServer: opened, StatelessServer: stateless}


def ask(server, method, params=None, id=1, _meta=None):
    """The one message that a request is answered with."""
    effects = server.received(request(method, params, id, _meta))
    assert len(effects) == 1
    return effects[0].message


def request(method, params=None, id=1, _meta=None):
    return Request(id, method, {**(params or {}), "_meta": meta() if _meta is None else _meta})


def call_of(server, id=1, _meta=None, **params):
    """The call that a request began."""
    (start,) = server.received(request("tools/call", {"name": "t", **params}, id, _meta))
    assert isinstance(start, Start)
    return start.call


def code(message):
    return getattr(message, "code", None)


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
    assert server.received(Notification("notifications/cancelled", {"requestId": 1})) != []
    assert call.id == 1


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


@pytest.mark.parametrize("answer", [{"action": "accept", "content": {}}, {"of": "an extension"}, {}, 5, None, []])
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


# ---- the end
@both_eras
def test_the_end_cancels_every_call_and_answers_none(kind):
    server = MAKE[kind]()
    calls = [call_of(server, number) for number in range(3)]

    effects = server.closed("the end")

    assert effects == [Cancel(call, "the end") for call in calls]
    assert [server.finished(call, result()) for call in calls] == [[], [], []]
    assert not any(isinstance(effect, Send) for effect in effects)
