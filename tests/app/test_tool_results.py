"""What a handler may return, and what of it reaches the client."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any, TypedDict

import attrs
import pydantic
import pytest
from app.app_calls import Point, call, text
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.app import Audio, FastZCP, File, Image
from zcp_actors.app.result import Output
from zcp_actors.sessions import Elicited
from zcp_actors.wire import (
    DIALECTS,
    NULL,
    Annotations,
    CallToolResult,
    CreateMessageResult,
    ImageContent,
    ResourceLink,
    Root,
    TextContent,
    TextResourceContents,
)

LINK = ResourceLink(name="doc", uri="docs://a")


@dataclasses.dataclass
class Plain:
    n: int


class Typed(TypedDict):
    n: int


class Pydantic(pydantic.BaseModel):
    n: int


async def returned(value: Any, **options: Any) -> CallToolResult:
    app = FastZCP("test")

    async def tool():
        return value

    app.add_tool(tool, **options)
    return await call(app, "tool")


async def test_none_is_no_content():
    assert await returned(None) == CallToolResult(content=[])


async def test_text_is_text():
    assert await returned("hé") == CallToolResult(content=[TextContent(text="hé")])


@pytest.mark.parametrize("value", [{"n": 1}, Plain(1), Typed(n=1), Pydantic(n=1)])
async def test_an_object_is_structured_content_and_the_same_as_json_text(value):
    """server/tools, Structured Content: SHOULD also return the serialized JSON in a TextContent block."""
    result = await returned(value)
    assert result.structured_content == {"n": 1}
    assert json.loads(text(result)) == {"n": 1}


@pytest.mark.parametrize("value", [1, 2.5, True, [1, "a"], [], ("a", "b")])
async def test_other_json_is_wrapped_so_that_structured_content_is_an_object(value):
    result = await returned(value)
    value = list(value) if isinstance(value, tuple) else value
    assert result.structured_content == {"result": value}
    assert json.loads(text(result)) == value


async def test_a_block_and_a_list_with_blocks_are_content():
    picture = Image(b"\x89PNG", format="png")
    assert (await returned(picture)).content == [ImageContent(data="iVBORw==", mime_type="image/png")]
    result = await returned(["see", LINK, {"a": 1}, picture, Audio(b"RIFF", format="wav")])
    assert [block.type for block in result.content] == ["text", "resource_link", "text", "image", "audio"]
    assert result.content[2] == TextContent(text='{"a":1}')
    assert result.structured_content is None


async def test_a_finished_result_is_sent_as_it_is():
    result = CallToolResult(
        content=[TextContent(text="x", annotations=Annotations(priority=0.5))],
        structured_content={"a": [1]},
        is_error=True,
        meta={"k": "v"},
        extra={"later": 1},
    )
    assert await returned(result) == result


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": {"b": float("nan")}}, "result.a.b"),
        ({"a": b"bytes"}, "result.a"),
        ({1: "a"}, "result"),
        ("\ud800", "result"),
        ([object()], "result[0]"),
        ({"a": {1, 2}}, "result.a"),
        (CallToolResult(content="text"), "content"),
        (CallToolResult(content=[TextContent(text=3)]), "content[0].text"),
        (CallToolResult(content=[], structured_content={"a": float("inf")}), "inf"),
    ],
)
async def test_what_no_wire_accepts_is_an_error_result_that_names_the_place(value, place, caplog):
    result = await returned(value)
    assert result.is_error
    assert "tool 'tool' is broken" in text(result)
    assert place in text(result)
    assert "is broken" in caplog.text


async def test_a_value_that_contains_itself_is_an_error_result():
    value: list[Any] = []
    value.append(value)
    assert (await returned(value)).is_error


async def test_a_derived_output_schema_is_published_and_kept():
    app = FastZCP("test")

    @app.tool
    async def good() -> Point:
        return Point(1, 2)

    @app.tool
    async def bad() -> Point:
        return {"x": "one"}

    @app.tool
    async def absent() -> Point:
        return None

    @app.tool
    async def empty() -> str | None:
        return None

    result = await call(app, "good")
    assert result.structured_content == {"x": 1, "y": 2}
    assert app.tools["good"].model.output_schema["required"] == ["x"]
    for name in ("bad", "absent"):
        result = await call(app, name)
        assert result.is_error, name
        assert "only its author can mend it" in text(result)
    assert (await call(app, "empty")).structured_content == {"result": None}


async def test_a_type_that_is_not_always_an_object_is_always_wrapped():
    app = FastZCP("test")

    @app.tool
    async def either(number: bool) -> Point | int:
        return 3 if number else Point(1)

    assert (await call(app, "either", {"number": True})).structured_content == {"result": 3}
    assert (await call(app, "either", {"number": False})).structured_content == {"result": {"x": 1, "y": 0}}


async def test_an_object_that_fails_to_become_json_is_an_error_result():
    class Broken(pydantic.BaseModel):
        @pydantic.model_serializer
        def dump(self) -> Any:
            raise RuntimeError("no")

    loop: dict[str, Any] = {}
    loop["again"] = loop
    for value in (Broken(), loop):
        for options in ({}, {"output_schema": dict[str, Any]}):
            result = await returned(value, **options)
            assert result.is_error
            assert "is broken" in text(result)


async def test_a_tool_annotated_with_content_promises_no_structure():
    app = FastZCP("test")

    @app.tool
    async def blocks() -> list[TextContent]:
        return [TextContent(text="a")]

    @app.tool
    async def media() -> Image | str:
        return "none"

    @app.tool
    async def whole() -> CallToolResult:
        return CallToolResult(content=[])

    assert [tool.model.output_schema for tool in app.tools.values()] == [None, None, None]
    assert text(await call(app, "blocks")) == "a"


async def test_an_author_s_output_schema_is_kept():
    """server/tools, Output Schema: servers MUST provide structured results that conform to it."""
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    assert (await returned({"sum": 3}, output_schema=schema)).structured_content == {"sum": 3}
    for value in ({"sum": "3"}, "three", None, TextContent(text="3"), CallToolResult(content=[])):
        result = await returned(value, output_schema=schema)
        assert result.is_error, value
        assert "is broken" in text(result)
    error = CallToolResult(content=[], is_error=True)
    assert await returned(error, output_schema=schema) == error


async def test_an_output_schema_about_no_object_is_about_the_value_itself():
    """2026-07-28, CallToolResult.structuredContent: any JSON value."""
    result = await returned([1, 2], output_schema={"type": "array", "items": {"type": "integer"}})
    assert result.structured_content == [1, 2]
    assert (await returned(None, output_schema={"type": "null"})).structured_content is NULL
    assert (await returned(["a"], output_schema={"type": "array", "items": {"type": "integer"}})).is_error


async def test_validation_of_results_can_be_switched_off():
    app = FastZCP("test", validate_output=False)

    @app.tool
    async def wrong() -> Point:
        return {"x": "one"}

    result = await call(app, "wrong")
    assert result.structured_content == {"x": "one"}
    assert app.tools["wrong"].model.output_schema is not None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
ANYTHING = st.recursive(
    JSON | st.binary() | st.floats() | st.sets(st.integers()) | st.just(LINK) | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_json_comes_back_as_structured_content_and_text(value):
    result = Output("t").result(value)
    assert not result.is_error
    if value is None:
        assert result.content == []
    elif isinstance(value, str):
        assert text(result) == value
    else:
        assert result.structured_content == (value if isinstance(value, dict) else {"result": value})
        assert json.loads(text(result)) == value


@given(ANYTHING)
def test_whatever_is_returned_the_result_can_be_written_to_every_wire(value):
    result = Output("t").result(value)
    for dialect in DIALECTS.values():
        json.dumps(dialect.to_wire(result)).encode()


@given(JSON.filter(lambda value: isinstance(value, dict)))
def test_the_result_shares_nothing_that_can_change_with_what_was_returned(value):
    result = Output("t").result(value)
    before = json.dumps(result.structured_content)
    value["new"] = 1
    for inner in value.values():
        if isinstance(inner, (list, dict)):
            inner.clear()
    assert json.dumps(result.structured_content) == before


async def test_a_result_that_the_handler_keeps_can_be_changed_by_nobody_else():
    kept = CallToolResult(content=[LINK], structured_content={"a": [1]}, meta={"m": []})
    result = await returned(kept)
    result.content.clear()
    result.structured_content["a"].append(2)
    result.meta["m"].append(1)
    assert kept == CallToolResult(content=[LINK], structured_content={"a": [1]}, meta={"m": []})


def test_pictures_and_sounds_are_read_when_they_are_made(tmp_path):
    path = tmp_path / "p.jpg"
    path.write_bytes(b"jpg")
    picture = Image(path=path)
    path.unlink()
    assert picture.block() == ImageContent(data=base64.b64encode(b"jpg").decode(), mime_type="image/jpeg")
    assert Audio(b"", format="mpeg").block().mime_type == "audio/mpeg"


def test_a_picture_of_unknown_kind_is_refused(tmp_path):
    with pytest.raises(TypeError):
        Image(b"x", "png")
    for bad in ({"data": b"x"}, {}, {"data": b"x", "path": "a.png"}, {"path": tmp_path / "a.txt"}):
        with pytest.raises(Exception, match="image"):
            Image(**bad)


def test_a_file_is_text_where_its_type_and_bytes_are(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("{}")
    resource = File(path=path).block().resource
    assert resource == TextResourceContents(uri=path.as_uri(), mime_type="application/json", text="{}")
    assert File(b"\xff", name="a.txt").block().resource == {
        "uri": "file:///a.txt",
        "mimeType": "text/plain",
        "blob": "/w==",
    }
    assert File(b"ab", name="a.bin").block().resource["blob"] == "YWI="
    with pytest.raises(Exception, match="a File needs"):
        File()


async def test_a_client_s_answer_in_a_dict_looks_the_same_with_and_without_a_return_annotation():
    app = FastZCP("a")
    given = {"draft": CreateMessageResult(role="assistant", content=TextContent(text="hi"), model="m")}

    def typed() -> dict:
        return given

    app.add_tool(typed)
    app.add_tool(lambda: given, name="bare")
    assert (await call(app, "typed")).structured_content == (await call(app, "bare")).structured_content


async def test_a_client_s_answer_is_written_as_on_the_wire_wherever_a_result_holds_it():
    @attrs.frozen
    class Receipt:
        draft: CreateMessageResult
        approval: Elicited[Any]

    app = FastZCP("a")
    draft = CreateMessageResult(role="assistant", content=TextContent(text="hi"), model="m", stop_reason="endTurn")

    def receipt():
        return Receipt(draft, Elicited("accept", {"ok": True}, {"ok": True}))

    def roots() -> list[Root]:
        return [Root(uri="file:///a")]

    receipt.__annotations__["return"] = Receipt
    app.add_tool(receipt)
    app.add_tool(roots)
    assert (await call(app, "receipt")).structured_content == {
        "draft": {
            "role": "assistant",
            "content": {"type": "text", "text": "hi"},
            "model": "m",
            "stopReason": "endTurn",
        },
        "approval": {"action": "accept", "accepted": True, "content": {"ok": True}, "data": {"ok": True}},
    }
    assert (await call(app, "roots")).structured_content == {"result": [{"uri": "file:///a"}]}
    assert app.tools["roots"].model.output_schema["properties"] == {
        "result": {"type": "array", "items": {"type": "object"}}
    }
