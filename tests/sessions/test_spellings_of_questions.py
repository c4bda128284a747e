"""The shapes in which a handler, or a host, may write a question: what travels is the wire's, whichever they chose."""

from __future__ import annotations

import attrs
import pytest
from session_world import both_eras, opened

from zcp_actors import Context, FastZCP
from zcp_actors.errors import RPCError, SchemaError, UsageError
from zcp_actors.sessions.asked import elicitation, sampling_question
from zcp_actors.wire import (
    CreateMessageRequestParams,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ImageContent,
    ModelPreferences,
    SamplingMessage,
    TextContent,
    Tool,
    to_wire,
)

HI = {"type": "text", "text": "hi"}
USER = {"role": "user", "content": HI}
PICTURE = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
FIELD = {"type": "object", "properties": {"a": {"type": "integer", "default": 4}}}


@pytest.mark.parametrize(
    ("written", "messages"),
    [
        ("hi", [USER]),
        (USER, [USER]),
        ({"role": "user", "content": "hi"}, [USER]),
        (SamplingMessage(role="user", content=TextContent(text="hi")), [USER]),
        (TextContent(text="hi"), [USER]),
        (HI, [USER]),
        ([{"role": "assistant", "content": ["hi", HI]}, "hi"], [{"role": "assistant", "content": [HI, HI]}, USER]),
        ({"messages": ["hi"]}, [USER]),
        ([{"role": "user", "content": {"type": "image", "data": "aGk=", "mime_type": "image/png"}}],
         [{"role": "user", "content": PICTURE}]),
        ([ImageContent(data="aGk=", mime_type="image/png")], [{"role": "user", "content": PICTURE}]),
        ([], []),
    ],
    ids=str,
)  # fmt: skip
def test_a_conversation_is_a_text_a_message_a_block_or_a_list_of_them(written, messages):
    assert to_wire(sampling_question(written, {}))["messages"] == messages


WIRE = {
    "messages": [
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "toolUseId": "1",
                    "isError": True,
                    "content": [PICTURE],
                    "structuredContent": {"mime_type": "free"},
                }
            ],
        }
    ],
    "maxTokens": 5,
    "systemPrompt": "s",
    "stopSequences": ["."],
    "modelPreferences": {"costPriority": 0.5, "hints": [{"name": "small"}]},
    "metadata": {"max_tokens": "free"},
    "tools": [
        {
            "name": "t",
            "inputSchema": {"type": "object", "properties": {"input_schema": {}}},
            "annotations": {"readOnlyHint": True},
        }
    ],
    "toolChoice": {"mode": "required"},
}
SNAKE = {
    "messages": [
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "1",
                    "is_error": True,
                    "content": [{"type": "image", "data": "aGk=", "mime_type": "image/png"}],
                    "structured_content": {"mime_type": "free"},
                }
            ],
        }
    ],
    "max_tokens": 5,
    "system_prompt": "s",
    "stop_sequences": ["."],
    "model_preferences": {"cost_priority": 0.5, "hints": [{"name": "small"}]},
    "metadata": {"max_tokens": "free"},
    "tools": [
        {
            "name": "t",
            "input_schema": {"type": "object", "properties": {"input_schema": {}}},
            "annotations": {"read_only_hint": True},
        }
    ],
    "tool_choice": {"mode": "required"},
}


@pytest.mark.parametrize("written", [WIRE, SNAKE], ids=["camelCase", "snake_case"])
def test_a_sampling_request_may_be_one_mapping_in_either_spelling_at_every_depth(written):
    """What is free JSON (a schema, metadata, structured content) keeps its own names."""
    assert to_wire(sampling_question(written, {})) == WIRE
    options = {name: value for name, value in written.items() if name != "messages"}
    assert to_wire(sampling_question(written["messages"], options)) == WIRE


def test_options_may_be_typed():
    options = {
        "model_preferences": ModelPreferences(cost_priority=0.5),
        "tools": [Tool(name="t", input_schema={"type": "object"})],
        "tool_choice": "auto",
    }
    asked = to_wire(sampling_question("hi", options))
    assert asked["modelPreferences"] == {"costPriority": 0.5}
    assert asked["tools"] == [{"name": "t", "inputSchema": {"type": "object"}}]
    assert asked["toolChoice"] == {"mode": "auto"}
    params = CreateMessageRequestParams(messages=[], max_tokens=1)
    assert sampling_question(params, {}) is params


@pytest.mark.parametrize(
    ("messages", "options", "words"),
    [
        ("hi", {"maxtokens": 5}, "has no maxtokens"),
        ("hi", {"max_tokens": "five"}, "maxTokens: expected integer"),
        ({"maxTokens": 5}, {}, r"messages\[0\]"),
        ("hi", {"tool_choice": "maybe"}, "toolChoice.mode"),
    ],
)
def test_what_is_no_sampling_request_is_its_authors_mistake(messages, options, words):
    """Not `InvalidParams`: as an answer to the client that would blame the client's own request."""
    with pytest.raises(UsageError, match=words):
        sampling_question(messages, options)


@pytest.mark.parametrize(
    "written",
    [
        {"mode": "url", "message": "Go", "url": "https://a.example", "elicitationId": "7"},
        {"mode": "url", "message": "Go", "url": "https://a.example", "elicitation_id": "7"},
        {"kind": "url", "prompt": "Go", "url": "https://a.example", "elicitation_id": "7"},
        ElicitRequestURLParams(message="Go", url="https://a.example", elicitation_id="7"),
    ],
)
def test_a_page_to_visit_may_be_one_mapping(written):
    asked = elicitation(written)
    assert isinstance(asked, ElicitRequestURLParams)
    assert (asked.message, asked.url, asked.elicitation_id) == ("Go", "https://a.example", "7")


def test_a_page_without_an_id_gets_one_of_its_own():
    asked = [elicitation({"mode": "url", "message": "Go", "url": "https://a.example"}) for _ in range(2)]
    assert asked[0].elicitation_id
    assert asked[0].elicitation_id != asked[1].elicitation_id


@pytest.mark.parametrize(
    "written",
    [
        {"message": "?", "requestedSchema": FIELD},
        {"message": "?", "requested_schema": FIELD},
        {"prompt": "?", "schema": FIELD},
        ElicitRequestFormParams(message="?", requested_schema=FIELD),
    ],
)
def test_a_form_may_be_one_mapping(written):
    assert to_wire(elicitation(written).params) == {"mode": "form", "message": "?", "requestedSchema": FIELD}


@attrs.define
class Approval:
    agreed: bool = True


@pytest.mark.parametrize(
    ("written", "schema", "error", "words"),
    [
        (5, None, UsageError, "not int"),
        ({"requestedSchema": FIELD}, None, UsageError, "'message'"),
        ({"mode": "url", "url": "https://a.example"}, None, UsageError, "'message'"),
        ({"mode": "url", "message": "Go"}, None, UsageError, "'url'"),
        ("?", Approval(), SchemaError, "is a value, where a type"),
    ],
)
def test_what_is_no_elicitation_is_its_authors_mistake(written, schema, error, words):
    with pytest.raises(error, match=words):
        elicitation(written, schema)


@both_eras
async def test_every_way_to_ask_for_a_page_asks_for_that_page(era, autojump_clock):
    """Never for a form in its place: who accepts that has agreed to something else."""
    app, asked = FastZCP("pages"), []

    @app.tool
    async def visit(ctx: Context) -> list[str]:
        one = await ctx.elicit({"kind": "url", "prompt": "Go", "url": "https://a.example/1"})
        two = await ctx.elicit({"mode": "url", "message": "Go", "url": "https://a.example/2"})
        three = await ctx.elicit_url("Go", "https://a.example/3")
        return [one.action, two.action, three.action]

    def person(request):
        asked.append((request.mode, request.url))
        return True

    pages = [("url", f"https://a.example/{number}") for number in (1, 2, 3)]
    async with opened(app, era=era, elicitation_handler=person) as client:
        result = await client.call_tool("visit")
        assert result.structured_content == {"result": ["accept", "accept", "accept"]}
        assert asked == pages
        assert (await client.elicit("url", "Go", url="https://a.example/4")).action == "accept"
        assert asked == [*pages, ("url", "https://a.example/4")]
        with pytest.raises(RPCError, match="only http and https"):
            await client.elicit({"mode": "url", "message": "Go", "url": "javascript:alert(1)"})


@both_eras
async def test_a_host_asks_its_own_model_with_names_in_either_spelling(era, autojump_clock):
    def model(request):
        return f"{request.max_tokens} {request.system_prompt}"

    async with opened(FastZCP("a"), era=era, sampling_handler=model) as client:
        for options in ({"max_tokens": 7, "system_prompt": "s"}, {"maxTokens": 7, "systemPrompt": "s"}):
            assert (await client.create_message("hi", **options)).text == "7 s"
