"""What a client automaton sends and takes, rule by rule (wire.md c.4 C to F: MCP 2025-11-25 and 2026-07-28)."""

from __future__ import annotations

import pytest
from client_world import ASK, CAPABILITIES, DONE, ClientWorld, client_of, input_required

from zcp_actors.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    OVERLOADED,
    InvalidResult,
    Overloaded,
    RequestCancelled,
    RPCError,
)
from zcp_actors.protocol.effects import Deliver, Pend, Send, Settle
from zcp_actors.protocol.stateful_client import MAX_QUESTIONS, StatefulClient
from zcp_actors.protocol.stateless_client import MAX_QUESTIONS_PER_ROUND, MAX_ROUNDS, StatelessClient
from zcp_actors.wire import (
    CallToolRequestParams,
    ElicitResult,
    ErrorResponse,
    Notification,
    Request,
    Response,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    to_wire,
)
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROTOCOL_VERSION

both_eras = pytest.mark.parametrize("kind", [StatefulClient, StatelessClient])
CALL = CallToolRequestParams(name="t", arguments={}, meta={"mine": 1})


def sent_by(client, slot="slot", params=CALL):
    """A request, and what went over the wire for it."""
    sent, (send,) = client.request(slot, "tools/call", params)
    return sent, send.message


def outcome_of(effects):
    (settle,) = effects
    assert isinstance(settle, Settle)
    return settle.outcome


def asks(client, method, params, id="q"):
    (effect,) = client.received(Request(id, method, params))
    return effect


# ---- requests
def test_every_request_of_2026_says_who_asks():
    """c.2: version, client and capabilities in every request's `_meta`."""
    client = client_of(StatelessClient)
    _, request = sent_by(client)

    assert to_wire(request.params)["_meta"] == {
        "mine": 1,
        PROTOCOL_VERSION: "2026-07-28",
        CLIENT_INFO: {"name": "c", "version": "1"},
        CLIENT_CAPABILITIES: CAPABILITIES,
        "progressToken": request.id,
    }
    client.set_log_level("error")
    _, request = sent_by(client)
    assert to_wire(request.params)["_meta"][LOG_LEVEL] == "error"


def test_a_request_of_2025_carries_only_its_token():
    _, request = sent_by(client_of(StatefulClient))

    assert to_wire(request.params)["_meta"] == {"mine": 1, "progressToken": request.id}


@both_eras
def test_the_callers_params_are_not_written_to(kind):
    sent_by(client_of(kind))

    assert to_wire(CALL) == {"name": "t", "arguments": {}, "_meta": {"mine": 1}}


@both_eras
def test_requests_in_flight_are_bounded(kind):
    client = client_of(kind, max_requests=2)
    first, _ = sent_by(client)
    sent_by(client)

    with pytest.raises(Overloaded):
        client.request("slot", "tools/call", CALL)
    client.cancel(first, "left")
    sent_by(client)


def test_initialize_is_never_cancelled():
    """F 85."""
    client = client_of(StatefulClient)
    sent, _ = client.request("slot", "initialize", client.handshake())

    assert client.cancel(sent, "too slow") == []
    assert client.requests == {}


@both_eras
def test_a_cancelled_request_tells_the_server_once_and_drops_its_late_answer(kind):
    client = client_of(kind)
    sent, request = sent_by(client)

    (send,) = client.cancel(sent, "left")
    assert send.message.method == "notifications/cancelled"
    assert to_wire(send.message.params) == {"requestId": request.id, "reason": "left"}
    assert client.cancel(sent, "left") == []
    assert client.received(Response(request.id, DONE)) == []


# ---- results
@both_eras
@pytest.mark.parametrize("result", [{}, {"content": 5}, {"content": [], "resultType": "surprise"}])
def test_a_result_of_no_known_shape_is_invalid(kind, result):
    """D 63: an unknown resultType is invalid (where the revision has one)."""
    client = client_of(kind)
    _, request = sent_by(client)
    outcome = outcome_of(client.received(Response(request.id, result)))

    if kind is StatefulClient and "resultType" in result:
        assert outcome.content == []
    else:
        assert isinstance(outcome, InvalidResult)


def test_an_absent_result_type_is_complete():
    """D 63."""
    client = client_of(StatelessClient)
    _, request = sent_by(client)

    assert outcome_of(client.received(Response(request.id, DONE))).content[0].text == "done"


@both_eras
def test_an_error_reaches_the_caller_whole(kind):
    client = client_of(kind)
    _, request = sent_by(client)
    error = outcome_of(client.received(ErrorResponse(request.id, -32050, "no", {"why": [1]})))

    assert (type(error), error.code, error.message, error.data) == (RPCError, -32050, "no", {"why": [1]})


@both_eras
def test_one_and_the_text_one_are_different_ids(kind):
    client = client_of(kind)
    _, request = sent_by(client)

    assert client.received(Response(str(request.id), DONE)) == []
    assert client.received(Response(request.id, DONE)) != []


@both_eras
@pytest.mark.parametrize(
    "message",
    [
        ErrorResponse(None, -32700, "what?"),
        Notification("notifications/unknown"),
        Notification("notifications/progress", {"progressToken": 999, "progress": 1}),
        Notification("notifications/progress", {"progressToken": 1}),
        Notification("notifications/cancelled", {}),
        Notification("notifications/cancelled", {"requestId": 1}),
        Notification("notifications/message", {"level": "loud"}),
    ],
)
def test_what_means_nothing_changes_nothing(kind, message):
    client = client_of(kind)
    sent, _ = sent_by(client)

    assert client.received(message) == []
    assert not sent.settled


@both_eras
def test_notifications_for_the_application_are_delivered(kind):
    (effect,) = client_of(kind).received(Notification("notifications/tools/list_changed"))

    assert isinstance(effect, Deliver)


# ---- questions of 2025
QUESTIONS = [
    ({}, "elicitation/create", ASK["params"], METHOD_NOT_FOUND),
    ({"elicitation": {"url": {}}}, "elicitation/create", ASK["params"], INVALID_PARAMS),
    ({"elicitation": {}}, "elicitation/create", ASK["params"], None),
    (
        {"elicitation": {}},
        "elicitation/create",
        {"mode": "url", "message": "?", "url": "https://x.y", "elicitationId": "e"},
        INVALID_PARAMS,
    ),
    ({}, "sampling/createMessage", {"messages": [], "maxTokens": 1}, METHOD_NOT_FOUND),
    ({"sampling": {}}, "sampling/createMessage", {"messages": [], "maxTokens": 1}, None),
    ({"sampling": {}}, "sampling/createMessage", {"messages": [], "maxTokens": 1, "tools": []}, INVALID_PARAMS),
    ({"sampling": {"tools": {}}}, "sampling/createMessage", {"messages": [], "maxTokens": 1, "tools": []}, None),
    ({"sampling": {}}, "sampling/createMessage", {"messages": []}, INVALID_PARAMS),
    ({}, "roots/list", {}, METHOD_NOT_FOUND),
    ({"roots": {}}, "roots/list", None, None),
    (CAPABILITIES, "unknown/method", {}, METHOD_NOT_FOUND),
]


@pytest.mark.parametrize(("declared", "method", "params", "refusal"), QUESTIONS)
def test_what_was_not_declared_is_refused_with_the_right_code(declared, method, params, refusal):
    """E 71, 74."""
    effect = asks(client_of(StatefulClient, declared), method, params)

    if refusal is None:
        assert isinstance(effect, Pend)
    else:
        assert isinstance(effect, Send)
        assert (effect.message.id, effect.message.code) == ("q", refusal)


def test_a_ping_is_answered_at_once():
    """F 85."""
    effect = asks(client_of(StatefulClient), "ping", None)

    assert to_wire(effect.message.result) == {}


def test_an_id_of_a_question_in_flight_cannot_be_used_again():
    client = client_of(StatefulClient)
    asks(client, **ASK)

    assert asks(client, **ASK).message.code == INVALID_REQUEST
    assert len(client.questions) == 1


def test_questions_of_one_server_are_bounded():
    client = client_of(StatefulClient)
    for number in range(MAX_QUESTIONS):
        asks(client, **ASK, id=number)

    assert asks(client, **ASK, id="more").message.code == OVERLOADED


@pytest.mark.parametrize(
    ("outcome", "seen"), [(RPCError(-1, "no", 7), (-1, "no", 7)), (ValueError("secret"), (INTERNAL_ERROR,))]
)
def test_a_question_that_fails_is_answered_with_an_error(outcome, seen):
    client = client_of(StatefulClient)
    question = asks(client, **ASK).question
    (send,) = client.answered(question, outcome)

    assert (send.message.code, send.message.message, send.message.data)[: len(seen)] == seen
    assert "secret" not in send.message.message


# ---- rounds of 2026
@pytest.fixture
def world():
    return ClientWorld(client_of(StatelessClient))


def test_a_retry_waits_for_every_answer_and_echoes_the_state_under_a_new_id(world):
    """C 59."""
    caller = world.request()
    world.reply(1, 5)
    first, second = world.pending.values()

    world.answer(first, well=True)
    assert caller.ids == [1]
    world.answer(second, well=True)

    assert caller.ids == [1, 2]
    assert world.flying == {2: caller}


@pytest.mark.parametrize(
    "state", ["", "{}", "s\u00fc\u2028\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "x" * 10_000]
)
def test_a_state_is_echoed_exactly(state):
    client = client_of(StatelessClient)
    _, request = sent_by(client)
    (send,) = client.received(Response(request.id, input_required(state)))

    assert send.message.params.request_state == state
    assert send.message.id != request.id


def test_no_state_is_invented_and_the_last_rounds_is_not_kept(world):
    """C 59: the state is for that retry only."""
    client = client_of(StatelessClient)
    _, request = sent_by(client)
    (pend,) = client.received(Response(request.id, input_required("one", "k")))
    (send,) = client.answered(pend.question, ElicitResult(action="cancel"))
    (pend,) = client.received(Response(send.message.id, input_required(None, "l")))
    (send,) = client.answered(pend.question, ElicitResult(action="decline"))

    wire = to_wire(send.message.params)
    assert "requestState" not in wire
    assert wire["inputResponses"] == {"l": {"action": "decline"}}


@pytest.mark.parametrize(
    "round_",
    [
        {"resultType": "input_required"},
        {"resultType": "input_required", "inputRequests": {}},
        {"resultType": "input_required", "inputRequests": []},
        {"resultType": "input_required", "inputRequests": {"k": {"method": "tools/call", "params": {"name": "t"}}}},
        {"resultType": "input_required", "inputRequests": {"k": {"method": "elicitation/create"}}},
        {"resultType": "input_required", "requestState": 5},
    ],
)
def test_a_round_that_breaks_the_rules_fails_the_call(round_):
    """C 55, 56."""
    client = client_of(StatelessClient)
    _, request = sent_by(client)

    assert isinstance(outcome_of(client.received(Response(request.id, round_))), InvalidResult)
    assert client.tokens == {}


@pytest.mark.parametrize(("declared", "method", "params", "refusal"), [case for case in QUESTIONS if case[3]])
def test_a_round_that_asks_what_was_not_declared_fails_the_call(declared, method, params, refusal):
    """C 57."""
    client = client_of(StatelessClient, declared)
    _, request = sent_by(client)
    params = {name: value for name, value in (params or {}).items() if name != "elicitationId"}
    asked = {"resultType": "input_required", "inputRequests": {"k": {"method": method, "params": params}}}

    assert isinstance(outcome_of(client.received(Response(request.id, asked))), InvalidResult)


def test_only_three_methods_may_ask():
    """C 55."""
    client = client_of(StatelessClient)
    _, (send,) = client.request("slot", "tools/list", CALL)

    outcome = outcome_of(client.received(Response(send.message.id, input_required("s", "k"))))
    assert isinstance(outcome, InvalidResult)


def test_rounds_and_questions_are_bounded():
    client = client_of(StatelessClient)
    _, request = sent_by(client)
    many = [f"k{number}" for number in range(MAX_QUESTIONS_PER_ROUND + 1)]
    assert "questions at once" in str(outcome_of(client.received(Response(request.id, input_required("s", *many)))))

    _, request = sent_by(client)
    id = request.id
    for _ in range(MAX_ROUNDS):
        (send,) = client.received(Response(id, input_required("s")))
        id = send.message.id
    assert "still has no result" in str(outcome_of(client.received(Response(id, input_required("s")))))


def test_a_question_that_fails_fails_the_call_and_withdraws_the_others(world):
    """The retry has no place for an error."""
    caller = world.request()
    world.reply(1, 5)
    first, second = world.pending.values()

    world.answer(first, well=False)

    assert [type(outcome) for outcome in caller.outcomes] == [RPCError]
    assert world.ended[second.number] == "withdrawn"
    assert caller.ids == [1]


def test_what_waits_for_a_person_outlives_a_connection(world):
    """DESIGN 5: in the stateless era a call that waits for an answer of ours survives the loss."""
    waiting, flying = world.request(), world.request()
    world.reply(1, 4)
    (question,) = world.pending.values()

    world.lose(final=False)
    assert (len(waiting.outcomes), len(flying.outcomes)) == (0, 1)
    world.answer(question, well=True)
    assert waiting.ids == [1]
    world.reconnect()

    assert waiting.ids == [1, 3]


def test_a_server_that_cancels_a_listen_stream_ends_it():
    """D 65: all that a server of 2026 may cancel."""
    client = client_of(StatelessClient)
    params = SubscriptionsListenRequestParams(notifications=SubscriptionFilter(tools_list_changed=True))
    _, (send,) = client.request("stream", "subscriptions/listen", params)
    called, request = sent_by(client)

    for id in (send.message.id, request.id):
        effects = client.received(Notification("notifications/cancelled", {"requestId": id, "reason": "restart"}))
        if id == send.message.id:
            assert isinstance(outcome_of(effects), RequestCancelled)
        else:
            assert effects == []

    assert list(client.tokens.values()) == [called]


def test_a_server_of_2026_cannot_send_requests():
    """D 67."""
    assert client_of(StatelessClient).received(Request(1, "ping")) == []
    assert client_of(StatelessClient).received(Request(1, ASK["method"], ASK["params"])) == []
