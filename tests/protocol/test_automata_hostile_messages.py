"""No message of a peer raises in an automaton, and every request is answered, refused or begun (DESIGN 10)."""

from __future__ import annotations

import pytest
from client_world import client_of
from hypothesis import given, settings
from hypothesis import strategies as st
from server_world import initialize, meta, profile

from zcp_actors.errors import RPCError
from zcp_actors.protocol.effects import Open, Send, Settle, Start
from zcp_actors.protocol.stateful_client import StatefulClient
from zcp_actors.protocol.stateful_server import StatefulServer
from zcp_actors.protocol.stateless_client import StatelessClient
from zcp_actors.protocol.stateless_server import StatelessServer
from zcp_actors.wire import CallToolRequestParams, ErrorResponse, Notification, Request, Response
from zcp_actors.wire.meta_keys import CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROTOCOL_VERSION

METHODS = [
    "initialize",
    "ping",
    "tools/call",
    "tools/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "server/discover",
    "subscriptions/listen",
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/message",
    "notifications/resources/updated",
    "notifications/subscriptions/acknowledged",
    "tasks/get",
    "no/such",
    "",
]
NAMES = [
    "_meta", "name", "arguments", "uri", "cursor", "level", "ref", "argument", "context", "requestId",
    "reason", "task", "progressToken", "progress", "messages", "maxTokens", "tools", "mode", "message",
    "requestedSchema", "url", "content", "inputResponses", "requestState", "inputRequests", "resultType",
    "notifications", "resourceSubscriptions", "action", "capabilities", "clientInfo", "protocolVersion",
    "roots", "method", "params", "type", "text", "role", "model",
    PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL,
]  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "info", "form", "url", "2026-07-28", "2025-11-25", "text", "accept", "input_required"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner),
    max_leaves=5,
)
objects = st.dictionaries(st.sampled_from(NAMES), values, max_size=4)
ids = st.integers(0, 5) | st.sampled_from(["", "x", "1"])
params = st.none() | objects | objects.map(lambda found: {**found, "_meta": meta()})
messages = st.one_of(
    st.builds(Request, ids, st.sampled_from(METHODS), params),
    st.builds(Notification, st.sampled_from(METHODS), params),
    st.builds(Response, ids, objects),
    st.builds(ErrorResponse, ids | st.none(), st.integers(), st.text(max_size=3), values),
)


@pytest.mark.parametrize("kind", [StatefulServer, StatelessServer])
@given(received=st.lists(messages, max_size=5), open_first=st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_server_answers_refuses_or_begins_every_request_once(kind, received, open_first):
    server = kind(profile)
    if open_first and kind is StatefulServer:
        server.received(initialize("first"))
    for message in received:
        effects = server.received(message)

        if isinstance(message, Request):
            assert len(effects) == 1
            (effect,) = effects
            if isinstance(effect, Send):
                assert effect.call == message.id
            else:
                assert isinstance(effect, Start | Open)
                assert effect.call.id == message.id
        elif isinstance(message, Notification):
            assert not any(isinstance(effect, Send) for effect in effects)


@given(state=values, responses=values)
@settings(max_examples=100, deadline=None)
def test_a_journal_of_any_shape_ends_at_most_its_call(state, responses):
    """Authentic, and still nonsense: sealed by a version that kept something else."""
    server = StatelessServer(profile)
    given_params = {"name": "t", "requestState": "s", "inputResponses": responses, "_meta": meta()}
    (effect,) = server.received(Request(1, "tools/call", given_params))
    if isinstance(effect, Open):
        (effect,) = server.opened(effect.call, state, "nonce")

    assert isinstance(effect, Start | Send)
    assert (1 in server.calls) == isinstance(effect, Start)


@pytest.mark.parametrize("kind", [StatefulClient, StatelessClient])
@given(received=st.lists(messages, max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_client_settles_each_request_once_whatever_comes(kind, received):
    client = client_of(kind)
    settled: list[str] = []
    for slot in ("a", "b"):
        client.request(slot, "tools/call", CallToolRequestParams(name="t"))
    for message in received:
        effects = client.received(message)

        settled += [effect.sent.slot for effect in effects if isinstance(effect, Settle)]
        if isinstance(message, Request) and kind is StatefulClient:
            assert len(effects) == 1
        if kind is StatelessClient:
            assert not any(isinstance(getattr(e, "message", None), Response | ErrorResponse) for e in effects)
    settled += [e.sent.slot for e in client.lost(RPCError(-1, "end"), final=True) if isinstance(e, Settle)]

    assert sorted(settled) == ["a", "b"]
    assert client.tokens == client.requests == {}
