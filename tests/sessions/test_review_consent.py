"""
Consent is explicit, and a conversation with tools is whole.

Source: MCP client/elicitation (decline and cancel are the person's right), client/sampling ("Tool Result Messages").
"""

from __future__ import annotations

import pytest

from zcp_actors import FastZCP, memory_client, open_runtime
from zcp_actors.errors import UsageError
from zcp_actors.protocol.capabilities import SAMPLING, refusal
from zcp_actors.sessions.answers import elicited
from zcp_actors.wire import ClientCapabilities, CreateMessageRequestParams, ElicitRequestFormParams, from_wire

APPROVAL = ElicitRequestFormParams(message="Sure?", requested_schema={"type": "object", "properties": {}})
NAME = from_wire(
    ElicitRequestFormParams,
    {"message": "Name?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}},
)


@pytest.mark.parametrize("refusal", [{"status": "no"}, {"approved": False}, {"accept": False}, {}, {"declined": True}])
@pytest.mark.parametrize("asked", [APPROVAL, NAME])
def test_a_refusal_in_an_unknown_shape_does_not_pass_for_consent(asked, refusal):
    with pytest.raises(UsageError, match="explicit consent"):
        elicited(asked, refusal)


@pytest.mark.parametrize(
    ("status", "action"),
    [("accepted", "accept"), ("declined", "decline"), ("cancelled", "cancel"), ("cancel", "cancel")],
)
def test_the_guides_status_is_understood(status, action):
    assert elicited(NAME, {"status": status, "data": {"name": "x"}}).action == action


def test_fields_that_the_form_declares_are_an_answer():
    assert elicited(NAME, {"name": "x"}).content == {"name": "x"}


def text(role):
    return {"role": role, "content": {"type": "text", "text": "x"}}


def use(*ids):
    return {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "t", "input": {}} for id in ids]}


def results(*ids):
    return {"role": "user", "content": [{"type": "tool_result", "toolUseId": id, "content": []} for id in ids]}


@pytest.mark.parametrize(
    ("messages", "fine"),
    [
        ([text("user")], True),
        ([text("user"), use("a", "b"), results("b", "a"), text("user")], True),
        ([text("user"), use("a"), text("user")], False),
        ([text("user"), use("a")], False),
        ([text("user"), results("a")], False),
        ([use("a", "b"), results("a")], False),
        ([use("a"), {"role": "user", "content": [*results("a")["content"], text("user")["content"]]}], False),
    ],
)
def test_tool_uses_and_results_that_do_not_match_are_refused(messages, fine):
    asked = from_wire(CreateMessageRequestParams, {"messages": messages, "maxTokens": 5})
    refused = refusal(ClientCapabilities(sampling={"tools": {}}), SAMPLING, asked)
    assert (refused is None) == fine
    assert fine or refused.code == -32602


async def test_the_guides_keywords_are_taken(autojump_clock):
    app = FastZCP("Demo")

    @app.tool
    async def hello() -> str:
        return "hello"

    async with open_runtime(), memory_client(app) as client:
        assert await client.initialize(capabilities={"roots": {}}) == client.introduction.result
        assert (await client.call_tool("hello", {}, profile="semantic")).content[0].text == "hello"
