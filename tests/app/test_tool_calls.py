"""A tool's call, from the client's arguments to the result: what the handler gets, and what its failures become."""

from __future__ import annotations

import contextvars
import datetime as dt
import functools
import logging
import threading
from typing import Annotated, Any

import attrs
import pytest
import trio
from app.app_calls import FakeContext, Point, call, text

from zcp_actors.app import FastZCP
from zcp_actors.errors import (
    AmbiguousQuestion,
    CallEnding,
    InvalidParams,
    OnceUncertain,
    ReplayMismatch,
    RPCError,
    SchemaError,
    ToolError,
)
from zcp_actors.schemas import Field
from zcp_actors.sessions.context import Context


@pytest.fixture
def app() -> FastZCP:
    return FastZCP("test")


async def test_a_coroutine_function_gets_its_arguments_and_answers_with_text(app):
    @app.tool
    async def echo(text: str, n: int) -> str:
        return text * n

    result = await call(app, "echo", {"text": "ab", "n": 2})
    assert text(result) == "abab"
    assert result.structured_content == {"result": "abab"}
    assert not result.is_error


async def test_a_decorated_function_stays_itself(app):
    @app.tool
    def add(a: int, b: int) -> int:
        return a + b

    @app.tool(name="math.add")
    def plus(a: int, b: int) -> int:
        return a + b

    assert add(1, 2) == plus(1, 2) == 3
    assert list(app.tools) == ["add", "math.add"]


async def test_a_plain_function_runs_in_a_thread_with_the_caller_s_context_variables(app):
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("seen")

    @app.tool
    def where() -> list[Any]:
        return [threading.get_ident() == here, variable.get()]

    here = threading.get_ident()
    assert (await call(app, "where")).structured_content == {"result": [False, "seen"]}


async def test_methods_objects_and_partials_are_tools(app):
    class Counter:
        async def __call__(self, n: int) -> int:
            return n + 1

        def method(self, n: int) -> int:
            return n + 2

    app.add_tool(Counter(), name="object")
    app.add_tool(Counter().method)
    app.add_tool(functools.partial(Counter().method, n=40), name="partial")
    assert text(await call(app, "object", {"n": 1})) == "2"
    assert text(await call(app, "method", {"n": 1})) == "3"
    assert text(await call(app, "partial")) == "42"


async def test_a_plain_function_that_returns_a_coroutine_is_awaited(app):
    async def later(n: int) -> int:
        return n

    @app.tool(name="later")
    def plain(n: int) -> Any:
        return later(n)

    assert text(await call(app, "later", {"n": 5})) == "5"


async def test_arguments_become_what_the_parameters_are_annotated_with(app):
    seen: list[Any] = []

    @app.tool
    async def take(point: Point, day: dt.date, tags: list[str], maybe: Point | None = None) -> None:
        seen.extend([point, day, tags, maybe])

    await call(app, "take", {"point": {"x": 1}, "day": "2026-07-28", "tags": ["a"]})
    assert seen == [Point(1), dt.date(2026, 7, 28), ["a"], None]


async def test_an_integer_is_an_int_however_json_spells_it(app):
    """Source: JSON Schema 2020-12 core 4.2.3: 2.0 is an integer; a model may well write it so."""
    seen: list[Any] = []

    @app.tool
    async def take(
        a: int,
        b: int | None = None,
        c: Annotated[int, "c"] = 0,
        d: float = 0,
        e: float | int = 0,  # noqa: PYI041 - as people write it
    ) -> None:
        seen.extend([a, b, c, d, e])

    await call(app, "take", {"a": 2.0, "b": 2.0, "c": 1e3, "d": 2.0, "e": 2.0})
    assert [(value, type(value)) for value in seen] == [(2, int), (2, int), (1000, int), (2.0, float), (2.0, float)]
    assert (await call(app, "take", {"a": 2.5})).is_error


async def test_a_fraction_that_a_written_schema_allows_is_not_cut_off(app):
    seen: list[Any] = []
    written = {"properties": {"a": {"type": "number"}}}

    @app.tool(input_schema=written)
    async def take(a: int, b: int = 0) -> None:
        seen.extend([a, b])

    await call(app, "take", {"a": 2.7, "b": 0.5})
    assert seen == [2.7, 0.5]


async def test_the_default_of_a_field_is_the_call_s_own(app):
    seen: list[list[int]] = []

    @app.tool
    async def take(numbers: Annotated[list[int], Field(default=[1])]) -> None:
        numbers.append(2)
        seen.append(numbers)

    await call(app, "take")
    await call(app, "take")
    assert seen == [[1, 2], [1, 2]]


async def test_missing_arguments_are_no_arguments(app):
    @app.tool
    async def nothing() -> str:
        return "ok"

    assert text(await call(app, "nothing", None)) == "ok"


async def test_the_context_is_filled_in_and_not_in_the_schema(app):
    @app.tool
    async def by_type(n: int, where: Context) -> None:
        seen.append(where)

    @app.tool
    async def by_name(n: int, ctx=None) -> None:
        seen.append(ctx)

    seen: list[Any] = []
    context = FakeContext()
    for name in ("by_type", "by_name"):
        assert list(app.tools[name].model.input_schema["properties"]) == ["n"]
        await call(app, name, {"n": 1}, context)
    assert seen == [context, context]


async def test_a_client_cannot_fill_in_the_context(app):
    @app.tool(input_schema={"type": "object"})
    async def who(ctx=None, task=None) -> list[bool]:
        return [isinstance(ctx, FakeContext), task is None]

    assert text(await call(app, "who", {"ctx": "evil", "task": "evil"})) == "[true,true]"


async def test_a_task_parameter_gets_the_call_s_task_or_none(app):
    @app.tool
    async def work(task=None) -> str:
        return "none" if task is None else task

    assert text(await call(app, "work")) == "none"
    assert text(await call(app, "work", context=FakeContext(task="a task"))) == "a task"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "'n' is a required property"),
        ({"n": "1"}, "$.n: "),
        ({"n": 1, "m": 2}, "m"),
        ({"n": float("nan")}, "nan"),
        ({"n": "\ud800"}, "surrogate"),
    ],
)
async def test_arguments_that_do_not_fit_are_an_error_the_model_can_read(app, arguments, problem):
    """2025-11-25, server/tools, Error Handling (SEP-1303): input validation errors are tool execution errors."""

    @app.tool
    async def double(n: int) -> int:
        raise AssertionError

    result = await call(app, "double", arguments)
    assert result.is_error
    assert "tool 'double' was not called: " in text(result)
    assert problem in text(result).replace('"', "'")


async def test_arguments_nested_deeper_than_any_message_are_an_error_result(app):
    @app.tool
    async def take(value: Any) -> str:
        return "taken"

    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    result = await call(app, "take", {"value": deep})
    assert result.is_error
    assert "nested deeper" in text(result)


async def test_a_value_only_its_type_refuses_is_named_by_its_place(app):
    @app.tool
    async def when(day: dt.date) -> None: ...

    result = await call(app, "when", {"day": "2026-02-31"})
    assert result.is_error
    assert "$.day" in text(result)


async def test_a_class_that_fails_to_be_built_fails_the_call_only(app):
    @attrs.frozen
    class Picky:
        n: int

        def __attrs_post_init__(self) -> None:
            raise RuntimeError("no")

    globals()["Picky"] = Picky
    app.add_tool(takes_picky)
    result = await call(app, "takes_picky", {"picky": {"n": 1}})
    assert result.is_error
    assert "$.picky: no" in text(result)


async def takes_picky(picky: Picky) -> None:  # noqa: F821 - set by the test
    """Never called."""


async def test_an_unknown_tool_is_a_protocol_error_that_names_those_there_are(app):
    app.add_tool(lambda: None, name="here")
    with pytest.raises(InvalidParams, match="unknown tool 'there'; there are: here"):
        await call(app, "there")


async def test_a_tool_error_is_its_text_and_is_not_logged(app, caplog):
    @app.tool
    async def refuse() -> str:
        raise ToolError("the disk is full; delete something")

    result = await call(app, "refuse")
    assert result.is_error
    assert text(result) == "the disk is full; delete something"
    assert caplog.records == []


async def test_any_other_exception_is_a_short_error_result_and_is_logged_in_full(app, caplog):
    @app.tool
    async def divide() -> float:
        return 1 / 0

    result = await call(app, "divide")
    assert result.is_error
    assert text(result) == "ZeroDivisionError: division by zero"
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("zcp_actors.app", logging.ERROR)
    assert "Traceback" in caplog.text


async def test_an_exception_without_words_is_named_by_its_type(app):
    class Broken(Exception):
        def __str__(self) -> str:
            raise ValueError

    async def silent() -> None:
        raise KeyboardError

    async def broken() -> None:
        raise Broken

    class KeyboardError(Exception): ...

    app.add_tool(silent)
    app.add_tool(broken)
    assert text(await call(app, "silent")) == "KeyboardError"
    assert text(await call(app, "broken")) == "Broken: (its message could not be read)"


async def test_the_words_of_an_exception_are_made_writable(app):
    @app.tool
    async def fail() -> None:
        raise ToolError("half \ud800 a pair")

    assert text(await call(app, "fail")) == "half ? a pair"


@pytest.mark.parametrize(
    "error",
    [
        RPCError(-32042, "mine", {"a": 1}),
        AmbiguousQuestion("two"),
        ReplayMismatch("no"),
        OnceUncertain("?"),
        CallEnding("end"),
    ],
)
async def test_errors_that_the_session_decides_on_pass_through_as_they_are(app, error):
    @app.tool
    async def fail(grouped: bool) -> None:
        if grouped:
            raise ExceptionGroup("g", [ExceptionGroup("h", [error])])
        raise error

    for grouped in (False, True):
        with pytest.raises(type(error)) as caught:
            await call(app, "fail", {"grouped": grouped})
        assert caught.value is error


@pytest.mark.parametrize("error", [RPCError(-1, "no", {"a": object()}), RPCError(-1, "half \ud800")])
async def test_a_protocol_error_that_no_wire_can_carry_is_still_an_answer(app, error, caplog):
    @app.tool
    async def fail() -> None:
        raise error

    with pytest.raises(RPCError) as caught:
        await call(app, "fail")
    assert caught.value.code == -32603
    assert str(caught.value).isascii()
    assert "cannot be sent as it is" in caplog.text


async def test_a_nursery_s_single_error_is_reported_as_that_error(app):
    @app.tool
    async def fail() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)

    async def child() -> None:
        raise ToolError("from a child")

    assert text(await call(app, "fail")) == "from a child"


async def test_of_several_errors_the_session_s_comes_first_and_otherwise_all_are_told(app):
    @app.tool
    async def fail(ending: bool) -> None:
        errors: list[Exception] = [ToolError("one"), ValueError("two")]
        raise ExceptionGroup("g", [*errors, CallEnding("over")] if ending else errors)

    assert text(await call(app, "fail", {"ending": False})) == "one; ValueError: two"
    with pytest.raises(CallEnding, match="over"):
        await call(app, "fail", {"ending": True})


async def test_a_cancelled_call_is_cancelled_and_nothing_else(app):
    @app.tool
    async def wait() -> str:
        await trio.sleep_forever()
        return ""

    with trio.move_on_after(0) as scope:
        await call(app, "wait")
    assert scope.cancelled_caught


async def test_a_cancelled_handler_whose_clean_up_fails_is_still_only_cancelled(app, caplog):
    @app.tool
    async def wait() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clean_up_badly)
            await trio.sleep_forever()

    async def clean_up_badly() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("clean-up")

    with trio.CancelScope() as scope:
        scope.cancel()
        await call(app, "wait")
    assert scope.cancelled_caught
    assert "failed while it was cleaning up" in caplog.text


async def test_an_exit_of_the_program_is_not_turned_into_a_result(app):
    @app.tool
    async def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        await call(app, "leave")


async def test_a_cancel_does_not_wait_for_a_plain_function(app):
    started, release = threading.Event(), threading.Event()
    ended = trio.Event()
    token = trio.lowlevel.current_trio_token()

    @app.tool
    def wait() -> None:
        started.set()
        release.wait(30)
        token.run_sync_soon(ended.set)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, app, "wait")
            await trio.to_thread.run_sync(started.wait, 30)
            nursery.cancel_scope.cancel()
        assert not ended.is_set()
        release.set()
        await ended.wait()


async def test_plain_functions_run_at_once_only_up_to_the_limit():
    app = FastZCP("test", sync_limit=2)
    running, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2)

    @app.tool
    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(30)
        with lock:
            running -= 1

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(call, app, "work")
    assert most == 2


async def test_names_that_the_written_schema_lets_through_but_the_handler_does_not_take_are_dropped(app):
    @app.tool(input_schema={"type": "object"})
    async def take(a=0) -> int:
        return a

    assert text(await call(app, "take", {"a": 1, "b": 2})) == "1"


async def test_a_handler_with_open_keywords_gets_everything(app):
    @app.tool(input_schema={"type": "object"})
    async def take(**rest: Any) -> dict[str, Any]:
        return rest

    assert (await call(app, "take", {"a": 1})).structured_content == {"a": 1}


async def test_what_the_handler_needs_and_the_written_schema_does_not_require_is_asked_for(app):
    @app.tool(input_schema={"properties": {"city": {"type": "string"}}})
    async def take(city: str) -> str:
        return city

    result = await call(app, "take", {})
    assert result.is_error
    assert "'city' is needed" in text(result)
    assert app.tools["take"].model.input_schema["type"] == "object"


async def test_a_type_can_say_what_the_arguments_are(app):
    @app.tool(input_schema=Point)
    async def take(x: int, y: int = 7) -> list[int]:
        return [x, y]

    assert text(await call(app, "take", {"x": 1})) == "[1,7]"


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 129, "a:b"])
def test_a_name_that_no_tool_may_have_is_refused(app, name):
    """2025-11-25, server/tools, Tool Names."""
    with pytest.raises(SchemaError, match="1 to 128 of the characters"):
        app.add_tool(lambda: None, name=name or " ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_schema": {"type": "array"}}, "arguments are a JSON object"),
        ({"input_schema": {"type": "objekt"}}, "not a usable JSON Schema"),
        ({"input_schema": {"properties": 3}}, "not a usable JSON Schema"),
        ({"input_schema": {"properties": {"a": {}, "b": {}}}}, "its handler does not take b"),
        ({"input_schema": {"additionalProperties": False}}, "needs a, which its schema does not allow"),
        ({"output_schema": {"type": "objekt"}}, "not a usable JSON Schema"),
        ({"task": "sometimes"}, "tool 't': task"),
        ({"task": "required", "execution": {"taskSupport": "forbidden"}}, "say it once"),
        ({"annotations": {"readOnlyHint": "yes"}}, "expected boolean"),
        ({"icons": [{"source": "x"}]}, "icons: Icon.src: missing"),
        ({"meta": {"a": {1, 2}}}, "set"),
    ],
)
def test_what_cannot_work_is_refused_at_registration(app, options, message):
    async def t(a: int) -> None: ...

    with pytest.raises(SchemaError, match=message):
        app.add_tool(t, **options)
    assert not app.tools


def test_what_cannot_be_called_is_refused(app):
    with pytest.raises(SchemaError, match="cannot be called"):
        app.add_tool("name", name="x")


def test_what_the_author_says_is_listed(app):
    @app.tool(
        name="math/div-2",
        title="Divide",
        annotations={"readOnlyHint": True, "open_world_hint": False},
        icons=[{"src": "https://example.com/i.png"}],
        task="optional",
        metadata={"_meta": {"groups": ["workflow"]}},
        meta={"more": 1},
        output_mode="scalar",
        inline_ok=True,
    )
    async def divide(a: int) -> Point:
        """Divide by two.

        Args:
            a: what is divided
        """
        return Point(a)

    tool = app.tools["math/div-2"]
    assert tool.model == {
        "name": "math/div-2",
        "title": "Divide",
        "description": "Divide by two.",
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
        "icons": [{"src": "https://example.com/i.png"}],
        "execution": {"taskSupport": "optional"},
        "_meta": {"groups": ["workflow"], "more": 1},
        "inputSchema": tool.model.input_schema,
        "outputSchema": tool.model.output_schema,
    }
    assert tool.model.input_schema["properties"]["a"]["description"] == "what is divided"
    assert tool.model.output_schema["properties"].keys() == {"x", "y"}
    assert (tool.output_mode, tool.inline_ok) == ("scalar", True)
