"""Completions: who suggests what for which argument."""

from __future__ import annotations

import enum
import itertools
from typing import Any, Literal

import pytest
from app.app_calls import complete
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.app import FastZCP
from zcp_actors.errors import InvalidParams, RPCError, SchemaError
from zcp_actors.sessions.context import Context
from zcp_actors.wire import CompleteResult, Completion, PromptReference, ResourceTemplateReference

PROMPT = PromptReference(name="p")
TEMPLATE = ResourceTemplateReference(uri="a://{x}")


class Size(enum.Enum):
    """A size."""

    SMALL = 1
    LARGE = 2


@pytest.fixture
def app() -> FastZCP:
    app = FastZCP("test")
    app.add_prompt(lambda x: x, name="p")
    app.add_resource_template(lambda x: x, "a://{x}", name="t")
    return app


def by_name(value, argument, arguments): ...
def by_place(one, two, three): ...


async def test_a_handler_takes_as_much_of_the_question_as_it_likes(app):
    seen: list[Any] = []

    def nothing():
        seen.append(())

    def typed(text):
        seen.append(text)

    def some(first, second):
        seen.append((first, second))

    def all_three(first, second, third):
        seen.append((first, second, third))

    def named(arguments, value, ctx: Context):
        seen.append((arguments, value, isinstance(ctx, Context)))

    def whole(request):
        seen.append((request.argument.name, request.ref))

    for handler in (nothing, typed, some, all_three, named, whole):
        app.add_completion(handler, PROMPT, replace=True)
        assert await complete(app, PROMPT, "x", "ab", {"y": "1"}) == Completion(values=[])
    given = {"y": "1"}
    assert seen == [(), "ab", ("x", "ab"), ("x", "ab", given), (given, "ab", True), ("x", PROMPT)]


async def test_what_the_handler_gets_is_its_own(app):
    def suggest(arguments: dict[str, str]) -> list[str]:
        arguments["z"] = "changed"
        return []

    app.add_completion(suggest, "p")
    given = {"y": "1"}
    await complete(app, PROMPT, "x", "", given)
    assert given == {"y": "1"}


@pytest.mark.parametrize("ref", ["p", PROMPT, "a://{x}", TEMPLATE])
async def test_a_prompt_s_name_a_template_s_uri_or_a_reference_say_what_is_completed(app, ref):
    @app.completion(ref)
    async def suggest(value: str) -> list[str]:
        return [value + "!"]

    asked = PROMPT if ref in ("p", PROMPT) else TEMPLATE
    other = TEMPLATE if asked is PROMPT else PROMPT
    assert (await complete(app, asked, "x", "a")).values == ["a!"]
    assert (await complete(app, other, "x", "a")).values == []


@pytest.mark.parametrize(
    "value",
    [
        ["a", "b"],
        ("a", "b"),
        (each for each in "ab"),
        Completion(values=["a", "b"]),
        CompleteResult(completion=Completion(values=["a", "b"])),
        {"values": ["a", "b"]},
    ],
)
async def test_texts_and_completions_are_answers(app, value):
    app.add_completion(lambda: value, PROMPT)
    assert (await complete(app, PROMPT, "x", "")).values == ["a", "b"]


@given(st.integers(0, 300))
async def test_at_most_a_hundred_values_are_sent_and_the_rest_is_counted(count):
    """server/utilities/completion: maximum 100 items, with total and hasMore."""
    app = FastZCP("test")
    app.add_prompt(lambda x: x, name="p")
    app.add_completion(lambda: [str(n) for n in range(count)], PROMPT)
    answer = await complete(app, PROMPT, "x", "")
    assert answer.values == [str(n) for n in range(min(count, 100))]
    assert (answer.total, answer.has_more) == ((count, True) if count > 100 else (None, None))


async def test_suggestions_without_an_end_do_not_hold_the_call(app):
    app.add_completion(lambda: map(str, itertools.count()), PROMPT)
    answer = await complete(app, PROMPT, "x", "")
    assert len(answer.values) == 100
    assert answer.has_more


@pytest.mark.parametrize("value", ["ab", 3, [1], ["\ud800"], Completion(values=[1])])
async def test_what_is_no_list_of_texts_is_an_internal_error(app, value):
    app.add_completion(lambda: value, PROMPT)
    with pytest.raises(RPCError) as caught:
        await complete(app, PROMPT, "x", "")
    assert caught.value.code == -32603


async def test_a_handler_that_fails_is_an_internal_error(app, caplog):
    app.add_completion(lambda: 1 / 0, PROMPT)
    with pytest.raises(RPCError, match="the completion of 'p' failed: ZeroDivisionError"):
        await complete(app, PROMPT, "x", "")
    assert "Traceback" in caplog.text


async def test_closed_types_complete_themselves(app):
    @app.prompt
    def choose(color: Literal["Red", "rose", "blue"], size: Size | None = None) -> str:
        return ""

    @app.resource("b://{color}")
    def shown(color: Literal["red", "blue"]) -> str:
        return ""

    ref = PromptReference(name="choose")
    assert (await complete(app, ref, "color", "r")).values == ["Red", "rose"]
    assert (await complete(app, ref, "color", "")).values == ["Red", "rose", "blue"]
    assert (await complete(app, ref, "size", "")).values == ["1", "2"]
    assert (await complete(app, ref, "other", "")).values == []
    assert (await complete(app, ResourceTemplateReference(uri="b://{color}"), "color", "b")).values == ["blue"]


async def test_a_handler_that_suggests_nothing_leaves_a_closed_type_to_itself(app):
    @app.prompt
    def choose(color: Literal["red", "blue"], dish: str, kind: Literal["old"]) -> str:
        return ""

    @app.completion("choose")
    def dishes(argument, value):
        return {"dish": ["soup"], "kind": ["older"]}.get(argument)

    ref = PromptReference(name="choose")
    assert (await complete(app, ref, "color", "r")).values == ["red"]
    assert (await complete(app, ref, "dish", "s")).values == ["soup"]
    assert (await complete(app, ref, "kind", "o")).values == ["older"]


async def test_what_is_not_there_is_invalid_params(app):
    """server/utilities/completion, Error Handling: an invalid prompt name is -32602."""
    for ref in (PromptReference(name="none"), ResourceTemplateReference(uri="none://{x}")):
        with pytest.raises(InvalidParams, match="unknown"):
            await complete(app, ref, "x", "")


def test_a_second_completion_needs_replace(app):
    app.add_completion(lambda value: [value], "p")
    with pytest.raises(SchemaError, match="replace=True"):
        app.add_completion(lambda value: [value], PROMPT)


def test_a_handler_whose_parameters_say_nothing_is_refused(app):
    with pytest.raises(SchemaError, match="it is not clear what fills a, b, c, d"):
        app.add_completion(lambda a, b, c, d: [], "p")
