"""Prompts: which arguments they take, what a handler may return, and which messages come of it."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import pytest
from app.app_calls import Point, get

from zcp_actors.app import FastZCP, Image
from zcp_actors.errors import InvalidParams, RPCError, SchemaError
from zcp_actors.sessions.context import Context
from zcp_actors.wire import GetPromptResult, PromptArgument, PromptMessage, TextContent


class Tone(enum.Enum):
    """How it is said."""

    SHORT = "short"
    LONG = "long"


@pytest.fixture
def app() -> FastZCP:
    return FastZCP("test")


HI = PromptMessage(role="user", content=TextContent(text="hi"))
HO = PromptMessage(role="assistant", content=TextContent(text="ho"))


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ("hi", [HI]),
        (HI, [HI]),
        (TextContent(text="hi"), [HI]),
        (("assistant", "ho"), [HO]),
        ([("user", "hi"), ("assistant", "ho")], [HI, HO]),
        (["hi", HO], [HI, HO]),
        ({"role": "assistant", "content": "ho"}, [HO]),
        ({"role": "user", "content": {"type": "text", "text": "hi"}}, [HI]),
        ({"role": "user", "content": ["hi", TextContent(text="hi")]}, [HI, HI]),
        (("user", "assistant"), [PromptMessage(role="user", content=TextContent(text="assistant"))]),
        ([], []),
        (None, []),
        (GetPromptResult(messages=[HI]), [HI]),
        ({"messages": [("user", "hi")], "description": "d"}, [HI]),
    ],
)
async def test_the_value_of_a_handler_becomes_messages(app, value, messages):
    app.add_prompt(lambda: value, name="p")
    assert (await get(app, "p")).messages == messages


async def test_a_picture_is_a_message(app):
    app.add_prompt(lambda: ("user", Image(b"", format="png")), name="p")
    assert (await get(app, "p")).messages[0].content.type == "image"


async def test_the_description_comes_along(app):
    app.add_prompt(lambda: "x", name="p", description="what it does")
    app.add_prompt(lambda: {"messages": [], "description": "own"}, name="own", description="what it does")
    assert [(await get(app, name)).description for name in ("p", "own")] == ["what it does", "own"]


async def test_arguments_come_from_the_signature_and_are_read_by_their_types(app):
    seen: list[Any] = []

    @app.prompt
    async def review(
        code: str,
        lines: int,
        tone: Tone = Tone.SHORT,
        strict: bool | None = None,
        *,
        where: Annotated[Point | None, "place"] = None,
        ctx: Context | None = None,
    ) -> str:
        """Review code.

        Args:
            code: what to review
        """
        seen.append((code, lines, tone, strict, where))
        return "ok"

    assert app.prompts["review"].model.arguments == [
        PromptArgument(name="code", description="what to review", required=True),
        PromptArgument(name="lines", required=True),
        PromptArgument(name="tone", required=False),
        PromptArgument(name="strict", required=False),
        PromptArgument(name="where", required=False),
    ]
    await get(app, "review", {"code": "12", "lines": "12"})
    await get(app, "review", {"code": "", "lines": "-1", "tone": "long", "strict": "false", "where": '{"x": 3}'})
    assert seen == [("12", 12, Tone.SHORT, None, None), ("", -1, Tone.LONG, False, Point(3))]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (None, "needs the argument 'n'"),
        ({"n": "1", "m": "2"}, "has no argument 'm'; it takes: n, way"),
        ({"n": "one"}, "argument 'n': expected an integer, got 'one'"),
        ({"n": "1.5"}, "expected an integer"),
        ({"n": "\ud800"}, "expected an integer"),
        ({"n": 1}, "must be a string"),
        ({"n": "1", "way": "up"}, "expected one of 'in', 'out', got 'up'"),
    ],
)
async def test_arguments_that_do_not_fit_are_invalid_params(app, arguments, message):
    """server/prompts, Error Handling: missing required arguments are -32602."""

    @app.prompt
    async def p(n: int, way: Literal["in", "out"] = "in") -> str:
        raise AssertionError

    with pytest.raises(InvalidParams, match=message):
        await get(app, "p", arguments)


async def test_an_unknown_prompt_is_invalid_params(app):
    """server/prompts, Error Handling: an invalid prompt name is -32602."""
    with pytest.raises(InvalidParams, match="unknown prompt 'x'; there are no prompts"):
        await get(app, "x")


async def test_written_arguments_replace_those_of_the_signature(app):
    @app.prompt(arguments=[{"name": "topic", "required": True, "title": "Topic"}, "style"])
    async def p(**given: str) -> str:
        return ",".join(f"{name}={value}" for name, value in given.items())

    assert [each.name for each in app.prompts["p"].model.arguments or ()] == ["topic", "style"]
    assert (await get(app, "p", {"topic": "a"})).messages[0].content.text == "topic=a"
    with pytest.raises(InvalidParams, match="needs the argument 'topic'"):
        await get(app, "p", {"style": "a"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["b"], "does not take b"),
        (["a"], "needs a, which no required argument fills"),
        ([{"nam": "a"}], "name: missing"),
    ],
)
def test_written_arguments_that_do_not_fit_the_handler_are_refused(app, arguments, message):
    with pytest.raises(SchemaError, match=message):
        app.add_prompt(lambda a: a, name="p", arguments=arguments)


@pytest.mark.parametrize(
    "value",
    [
        3,
        object(),
        {"role": "system", "content": "x"},
        {"role": "user"},
        {"role": "user", "content": {"type": "odd"}},
        "\ud800",
    ],
)
async def test_a_value_that_is_no_message_is_an_internal_error_that_says_so(app, value):
    app.add_prompt(lambda: value, name="p")
    with pytest.raises(RPCError) as caught:
        await get(app, "p")
    assert caught.value.code == -32603
    assert caught.value.message.startswith("prompt 'p' failed: ")


async def test_what_a_handler_keeps_can_be_changed_by_nobody_else(app):
    kept = GetPromptResult(messages=[HI], meta={"a": []})
    app.add_prompt(lambda: kept, name="p")
    result = await get(app, "p")
    result.messages.clear()
    result.meta["a"].append(1)
    assert kept == GetPromptResult(messages=[HI], meta={"a": []})
