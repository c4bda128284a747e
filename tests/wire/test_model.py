"""Models as their users see them."""

from __future__ import annotations

import json

import attrs
import pytest

from zcp_actors.errors import InvalidParams, NotJSON
from zcp_actors.wire import (
    NULL,
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitationCapability,
    ElicitRequestedSchema,
    ElicitRequestFormParams,
    EmbeddedResource,
    ListToolsResult,
    LoggingMessageNotificationParams,
    NumberSchema,
    SamplingMessage,
    StringSchema,
    TextContent,
    TextResourceContents,
    TitledChoice,
    TitledSingleSelectEnumSchema,
    Tool,
    from_wire,
    to_wire,
)
from zcp_actors.wire.v2025_11_25 import Task

ECHO = {"name": "echo", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}


def test_a_field_is_read_by_attribute_and_by_wire_name():
    result = from_wire(ListToolsResult, {"tools": [ECHO], "nextCursor": "p2", "_meta": {"a": 1}})
    assert result.tools[0].input_schema == result["tools"][0]["inputSchema"] == {"type": "object"}
    assert result.tools[0].annotations.read_only_hint is result["tools"][0]["annotations"]["readOnlyHint"] is True
    assert result.next_cursor == result["nextCursor"] == "p2"
    assert result.meta == result["_meta"] == {"a": 1}


def test_a_model_reads_like_the_mapping_of_its_wire_form():
    result = from_wire(ListToolsResult, {"tools": [ECHO]})
    assert dict(result) == result.to_dict() == {"tools": [ECHO]}
    assert list(result) == result.keys() == ["tools"]
    assert "nextCursor" not in result
    assert "next_cursor" not in result
    assert result.get("nextCursor", "none") == "none"
    assert json.loads(json.dumps(dict(result))) == {"tools": [ECHO]}
    with pytest.raises(KeyError):
        result["nextCursor"]


def test_unknown_fields_are_kept_and_written_back():
    raw = {"tools": [{**ECHO, "future": {"deep": [1]}}], "extra": 1}
    result = from_wire(ListToolsResult, raw)
    assert result.tools[0].extra == {"future": {"deep": [1]}}
    assert result["extra"] == 1
    assert to_wire(result) == raw


def test_none_is_absent_on_the_wire():
    assert to_wire(TextContent(text="x", annotations=None)) == {"type": "text", "text": "x"}


def test_null_for_an_optional_field_is_read_as_absent():
    """Ours: peers write null for what they lack, and only structuredContent gives an optional null a meaning."""
    assert to_wire(from_wire(ListToolsResult, {"tools": [], "nextCursor": None})) == {"tools": []}


@pytest.mark.parametrize(
    ("cls", "raw"),
    [
        (Task, {"taskId": "t", "status": "working", "createdAt": "", "lastUpdatedAt": "", "ttl": None}),
        (CallToolResult, {"content": [], "structuredContent": None}),
        (LoggingMessageNotificationParams, {"level": "info", "data": None}),
    ],
)
def test_a_null_that_means_something_survives(cls, raw):
    """Source: 2025-11-25 `Task.ttl`; 2026-07-28 `structuredContent` is any JSON."""
    assert to_wire(from_wire(cls, raw)) == raw


def test_absent_and_null_structured_content_differ():
    assert from_wire(CallToolResult, {"content": []}).structured_content is None
    null = from_wire(CallToolResult, {"content": [], "structuredContent": None})
    assert null.structured_content is NULL
    assert not null.structured_content
    assert null["structuredContent"] is None
    assert "structuredContent" in null


def test_empty_capabilities_say_yes_and_absent_ones_no():
    said = from_wire(ClientCapabilities, {"elicitation": {}, "sampling": {"tools": {}}})
    assert said.elicitation == ElicitationCapability()
    assert said.roots is None
    assert said.sampling.tools == {}
    assert to_wire(said) == {"elicitation": {}, "sampling": {"tools": {}}}
    assert repr(said.elicitation) in repr(said)


@pytest.mark.parametrize("content", [{"type": "text", "text": "x"}, [{"type": "text", "text": "x"}], []])
def test_one_block_stays_one_block_and_a_list_stays_a_list(content):
    message = from_wire(SamplingMessage, {"role": "user", "content": content})
    assert isinstance(message.content, list) == isinstance(content, list)
    assert to_wire(message)["content"] == content


def test_a_member_of_a_union_is_the_class_its_tag_names():
    resource = {"type": "resource", "resource": {"uri": "a:b", "text": "x"}}
    block = from_wire(CallToolResult, {"content": [resource]}).content[0]
    assert isinstance(block, EmbeddedResource)
    assert isinstance(block.resource, TextResourceContents)


def test_a_form_may_be_built_from_models_or_given_raw():
    built = ElicitRequestedSchema(
        properties={
            "name": StringSchema(min_length=1, default="you"),
            "age": NumberSchema(type="integer", minimum=0),
            "colour": TitledSingleSelectEnumSchema(one_of=[TitledChoice(const="r", title="Red")]),
        },
        required=["name"],
    )
    raw = to_wire(built)
    assert raw["properties"]["colour"] == {"type": "string", "oneOf": [{"const": "r", "title": "Red"}]}
    assert from_wire(ElicitRequestedSchema, raw) == built
    made, given = (ElicitRequestFormParams(message="?", requested_schema=schema) for schema in (built, raw))
    assert to_wire(made) == to_wire(given) == {"mode": "form", "message": "?", "requestedSchema": raw}


def test_models_inside_open_values_are_written_by_their_wire_names():
    params = CallToolRequestParams(
        name="x", arguments={"tools": [Tool(name="t", input_schema={})]}, meta={"c": ClientCapabilities()}
    )
    assert to_wire(params) == {
        "name": "x",
        "arguments": {"tools": [{"name": "t", "inputSchema": {}}]},
        "_meta": {"c": {}},
    }


def test_an_object_in_an_open_value_is_refused_by_name():
    with pytest.raises(NotJSON, match="object is no JSON value"):
        to_wire(CallToolRequestParams(name="x", arguments={"a": object()}))


def test_a_model_cannot_be_changed():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        TextContent(text="x").text = "y"


def test_models_are_equal_by_value_and_to_their_wire_form():
    assert TextContent(text="x") == TextContent(text="x") == {"type": "text", "text": "x"}
    assert TextContent(text="x") != TextContent(text="y")
    assert TextContent(text="x") != SamplingMessage(role="user", content=[])


def test_a_repr_shows_only_what_is_set():
    assert repr(TextContent(text="x", meta={"a": 1})) == "TextContent(meta={'a': 1}, text='x')"


@pytest.mark.parametrize(
    ("cls", "raw", "why"),
    [
        (
            CallToolRequestParams,
            {"name": "x", "arguments": []},
            r"CallToolRequestParams\.arguments: expected object, got array",
        ),
        (CallToolRequestParams, {}, r"CallToolRequestParams\.name: missing"),
        (CallToolRequestParams, {"name": 1}, r"\.name: expected string, got integer"),
        (CallToolRequestParams, [], "CallToolRequestParams: expected object, got array"),
        (CallToolResult, {"content": "abc"}, r"\.content: expected array, got string"),
        (
            CallToolResult,
            {"content": [{"type": "film"}]},
            r"\.content\[0\]\.type: expected one of 'text', .*, got 'film'",
        ),
        (CallToolResult, {"content": [{"text": "x"}]}, r"\.content\[0\]\.type: missing"),
        (CallToolResult, {"content": [], "isError": 1}, r"\.isError: expected boolean, got integer"),
        (CreateMessageRequestParams, {"messages": [], "maxTokens": 1.5}, r"\.maxTokens: expected integer, got number"),
        (
            CreateMessageRequestParams,
            {"messages": [], "maxTokens": True},
            r"\.maxTokens: expected integer, got boolean",
        ),
        (
            CreateMessageResult,
            {"role": "system", "model": "m", "content": []},
            r"\.role: expected one of 'assistant', 'user', got 'system'",
        ),
        (
            SamplingMessage,
            {"role": "user", "content": [{"type": "tool_result", "toolUseId": "1", "content": [{"type": "text"}]}]},
            r"\.content\[0\]\.content\[0\]\.text: missing",
        ),
    ],
)
def test_a_mismatch_says_where_what_was_expected_and_what_came(cls, raw, why):
    with pytest.raises(InvalidParams, match=why):
        from_wire(cls, raw)


def test_a_whole_number_with_a_point_is_an_integer():
    """Source: JSON Schema 2020-12 validation, 6.1.1: a number with a zero fractional part is an integer."""
    assert from_wire(CreateMessageRequestParams, {"messages": [], "maxTokens": 5.0}).max_tokens == 5


def test_a_field_that_must_be_spoken_is_written_as_null_and_understood_when_it_is_left_out():
    """`ttl` of a task is required and may be null (MCP 2025-11-25); mcp 1.30.0 leaves it out then."""
    told = {"taskId": "1", "status": "working", "createdAt": "x", "lastUpdatedAt": "y"}
    read = from_wire(Task, told)

    assert read.ttl is None
    assert read.to_dict() == {**told, "ttl": None}
    assert read["ttl"] is None
