"""Kinds of tasks: what their handlers are given, what becomes of what they return, and of how they fail."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, TypedDict

import attrs
import pytest
import trio
from app.app_calls import FakeContext, FakeTask, Point, call, create

from zcp_actors.app import FastZCP
from zcp_actors.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    AmbiguousQuestion,
    MethodNotFound,
    RPCError,
    SchemaError,
    ToolError,
    UsageError,
)
from zcp_actors.protocol.tasks import TaskPolicy
from zcp_actors.sessions.asked import Elicited
from zcp_actors.sessions.context import Context
from zcp_actors.wire import DIALECTS, V2025_11_25, V2026_07_28, CreateMessageResult, Result, TextContent


@pytest.fixture
def app() -> FastZCP:
    return FastZCP("test")


def written(result: Result, version: str = V2025_11_25) -> dict[str, Any]:
    return DIALECTS[version].to_wire(result)


class Topic(TypedDict):
    topic: str


@attrs.frozen
class Asked:
    topic: str


# ---------------------------------------------------------------------- the guide's program, as it writes it
async def test_the_guide_s_review_runs_as_it_is_written(app):
    @app.task("review.run")
    async def run_review(payload):
        task = payload["task"]
        await task.update_status("Collecting context")
        draft = await task.create_message(
            {
                "messages": [{"role": "user", "content": f"Summarize {payload['topic']} briefly."}],
                "maxTokens": 120,
            }
        )
        approval = await task.elicit({"kind": "approval", "prompt": "Approve sending the draft?"})
        return {"draft": draft, "approval": approval}

    task = FakeTask()
    result = written(await create(app, "review.run", {"topic": "transports"}, FakeContext(task=task)))
    assert task.said == ["Collecting context"]
    assert json.loads(json.dumps(result)) == {
        "draft": {
            "role": "assistant",
            "content": {"type": "text", "text": "re: Summarize transports briefly."},
            "model": "m",
        },
        "approval": {"action": "accept", "accepted": True, "content": {}, "data": {}},
    }


def test_a_decorated_handler_stays_itself_and_is_seen_among_the_tasks(app):
    @app.task("k", title="Kind", on_restart="fail", task_ttl=60)
    async def handler(payload):
        """Do it.

        At length.
        """

    entry = app.tasks["k"]
    assert entry.handler.function is handler
    assert (entry.kind, entry.title, entry.description, entry.input_schema) == ("k", "Kind", "Do it.", None)
    assert entry.policy == TaskPolicy(support="required", after=0.0, on_restart="fail", ttl=60.0)
    assert app.task_policy("tasks/create", "k") is entry.policy
    with pytest.raises(TypeError):
        app.tasks["other"] = entry  # type: ignore[index]


# ---------------------------------------------------------------------- styles
def lone_payload(payload): ...
def lone_input(input): ...
def as_dict(payload: dict): ...
def as_typed_dict(payload: dict[str, Any]): ...
def as_mapping(payload: Mapping[str, Any]): ...
def as_mutable(payload: MutableMapping[str, Any]): ...
def as_any(payload: Any): ...
def as_unreadable(payload: dict[str, NoSuchName]): ...  # type: ignore[name-defined]  # noqa: F821
def with_context(payload, ctx: Context): ...
def with_task(payload, task): ...
def with_default(payload=None): ...


@pytest.mark.parametrize(
    "handler",
    [
        lone_payload,
        lone_input,
        as_dict,
        as_typed_dict,
        as_mapping,
        as_mutable,
        as_any,
        as_unreadable,
        with_context,
        with_task,
        with_default,
    ],
)
async def test_a_lone_payload_gets_all_of_the_input_in_one_dict(app, handler):
    seen = []
    task = FakeTask()

    def record(**given):
        seen.append(given)

    entry = app.add_task(handler, "k")
    assert entry.input_schema is None
    app.add_task(_recording(handler, record), "k", replace=True)
    await create(app, "k", {"a": [1]}, FakeContext(task=task))
    ((name, value),) = [(name, value) for name, value in seen[0].items() if name in {"payload", "input"}]
    assert name in {"payload", "input"}
    assert value == {"a": [1], "task": task}


def _recording(handler, record):
    """A function of the same signature that records what it is called with."""
    import functools

    @functools.wraps(handler)
    def recorded(**given):
        record(**given)

    return recorded


def by_name(topic): ...
def two(payload, more): ...
def class_typed(payload: Asked): ...
def typed_dict(payload: Topic): ...
def text_typed(payload: str): ...
def open_ended(payload, **rest): ...


@pytest.mark.parametrize("handler", [by_name, two, class_typed, typed_dict, text_typed, open_ended])
def test_every_other_signature_is_read_like_a_tool_s(app, handler):
    entry = app.add_task(handler, "k")
    assert entry.input_schema is not None
    assert {"topic", "payload"} & entry.input_schema["properties"].keys()


def test_a_written_schema_that_claims_the_name_makes_it_a_part_of_the_input(app):
    schema = {"properties": {"payload": {"type": "string"}}}
    entry = app.add_task(lone_payload, "k", input_schema=schema)
    assert entry.input_schema == {"type": "object", **schema}


async def test_named_parameters_are_checked_and_structured_as_a_tool_s(app):
    @app.task("k")
    async def handler(at: Point, ctx: Context, times: int = 2, task=None):
        return {"x": at.x * times, "ctx": isinstance(ctx, FakeContext), "task": task.id}

    result = await create(app, "k", {"at": {"x": 4}})
    assert written(result) == {"x": 8, "ctx": True, "task": "a-task"}
    assert app.tasks["k"].input_schema["properties"].keys() == {"at", "times"}


async def test_a_written_schema_holds_for_either_style(app):
    schema = {"properties": {"n": {"type": "integer"}}, "required": ["n"]}
    app.add_task(lambda payload: payload["n"], "whole", input_schema=schema)
    app.add_task(lambda n: n, "parts", input_schema=schema)
    for kind in ("whole", "parts"):
        assert written(await create(app, kind, {"n": 3})) == {"result": 3}
        with pytest.raises(RPCError, match=rf"task kind '{kind}' was not run: invalid input: \$: \"n\"") as caught:
            await create(app, kind, {})
        assert caught.value.code == INVALID_PARAMS


async def test_a_type_can_be_the_schema_of_a_payload(app):
    app.add_task(lambda payload: payload["x"] + payload.get("y", 0), "k", input_schema=Point)
    assert written(await create(app, "k", {"x": 1, "y": 2})) == {"result": 3}
    with pytest.raises(RPCError, match=r"\$\.x"):
        await create(app, "k", {"x": "one"})


async def test_no_input_is_an_empty_one(app):
    app.add_task(lambda payload: [*payload], "k")
    assert written(await create(app, "k", None)) == {"result": ["task"]}


async def test_the_handler_s_input_is_its_own(app):
    given = {"a": [1]}

    @app.task("k")
    def handler(payload):
        payload["a"].append(2)
        payload["b"] = 3
        return payload["a"]

    assert written(await create(app, "k", given)) == {"result": [1, 2]}
    assert given == {"a": [1]}


async def test_an_input_cannot_take_the_place_of_the_task(app):
    app.add_task(lambda payload: payload["task"].id, "k")
    with pytest.raises(RPCError, match=r"\$\.task: is the name of the task itself") as caught:
        await create(app, "k", {"task": "mine"})
    assert caught.value.code == INVALID_PARAMS


@pytest.mark.parametrize("bad", [float("nan"), "\ud800"])
async def test_an_input_that_is_no_json_is_the_client_s_mistake(app, bad):
    app.add_task(lambda payload: None, "whole")
    app.add_task(lambda n: None, "parts")
    for kind in ("whole", "parts"):
        with pytest.raises(RPCError, match=r"input\.n") as caught:
            await create(app, kind, {"n": bad})
        assert caught.value.code == INVALID_PARAMS


# ---------------------------------------------------------------------- registration
@pytest.mark.parametrize(
    ("kind", "options", "why"),
    [
        ("", {}, "task kind ''"),
        ("a b", {}, "task kind 'a b'"),
        ("k" * 129, {}, "1 to 128"),
        (7, {}, "task kind 7"),
        ("k", {"on_restart": "again"}, "task kind 'k': on_restart"),
        ("k", {"task_ttl": -1}, "task kind 'k': task_ttl"),
        ("k", {"input_schema": {"type": "array"}}, "task kind 'k': arguments are a JSON object"),
        ("k", {"input_schema": {"type": "nonsense"}}, "nonsense"),
        ("k", {"input_schema": {"properties": {"task": {}}}}, "payload['task'] is the task"),
    ],
)
def test_what_cannot_work_is_refused_at_registration(app, kind, options, why):
    with pytest.raises(SchemaError) as caught:
        app.add_task(lone_payload, kind, **options)
    assert why in str(caught.value)
    assert not app.tasks


def test_a_handler_that_does_not_fit_its_schema_is_refused(app):
    with pytest.raises(SchemaError, match="task kind 'k': its handler does not take m; take them"):
        app.add_task(lambda n: n, "k", input_schema={"properties": {"n": {}, "m": {}}})


def test_a_decorator_without_a_kind_says_what_to_write(app):
    with pytest.raises(SchemaError, match=r'@app\.task\("some\.kind"\)'):

        @app.task
        async def handler(payload): ...


async def test_a_kind_is_taken_once_unless_it_is_replaced(app):
    app.add_task(lambda payload: "old", "k")
    with pytest.raises(SchemaError, match="already is a task kind 'k'"):
        app.add_task(lambda payload: "new", "k")
    assert written(await create(app, "k")) == {"result": "old"}
    app.add_task(lambda payload: "new", "k", replace=True)
    assert written(await create(app, "k")) == {"result": "new"}


def test_a_kind_that_is_not_there_cannot_be_removed(app):
    app.add_task(lone_payload, "k")
    app.remove_task("k")
    assert not app.tasks
    with pytest.raises(UsageError, match="no task kind 'k' to remove"):
        app.remove_task("k")


def test_a_kind_may_have_the_name_of_a_tool(app):
    app.add_tool(lambda: "tool", name="same")
    app.add_task(lambda payload: "task", "same")
    assert list(app.tools) == list(app.tasks) == ["same"]


def test_nobody_is_told_of_new_kinds(app):
    """No revision has a notification for it."""
    heard = []
    app.listen(heard.append)
    app.add_task(lone_payload, "k")
    app.remove_task("k")
    assert heard == []


# ---------------------------------------------------------------------- serving
async def test_an_unknown_kind_is_refused_without_a_word_of_the_others(app):
    app.add_task(lone_payload, "secret")
    with pytest.raises(RPCError) as caught:
        await create(app, "other")
    assert (caught.value.code, caught.value.message) == (INVALID_PARAMS, "unknown task kind 'other'")
    assert caught.value.data is None


async def test_a_kind_does_not_run_outside_of_a_task(app):
    ran = []

    @app.task("k")
    def handler(payload):
        ran.append(payload)

    with pytest.raises(MethodNotFound):
        await create(app, "k", context=FakeContext())
    assert ran == []


async def test_a_kind_is_no_tool(app):
    app.add_task(lone_payload, "k")
    with pytest.raises(RPCError, match="unknown tool 'k'"):
        await call(app, "k")


# ---------------------------------------------------------------------- results
@attrs.frozen
class Note:
    text: str
    at: Point


MESSAGE = CreateMessageResult(role="assistant", content=TextContent(text="hi"), model="m")
MESSAGE_JSON = {"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"}


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ({"a": 1}, {"a": 1}),
        ({}, {}),
        (None, {"result": None}),
        ("text", {"result": "text"}),
        (0, {"result": 0}),
        ([1, (2,)], {"result": [1, [2]]}),
        ({"result": 1}, {"result": 1}),
        (Note("n", Point(1)), {"text": "n", "at": {"x": 1, "y": 0}}),
        ([Note("n", Point(1))], {"result": [{"text": "n", "at": {"x": 1, "y": 0}}]}),
        (MESSAGE, MESSAGE_JSON),
        ({"draft": MESSAGE}, {"draft": MESSAGE_JSON}),
        (Elicited("decline"), {"action": "decline", "accepted": False}),
        (
            {"deep": [Elicited("accept", Point(1), {"x": 1})]},
            {"deep": [{"action": "accept", "accepted": True, "content": {"x": 1}, "data": {"x": 1}}]},
        ),
        ({"a": 1, "_meta": {"example.com/n": 2}}, {"a": 1, "_meta": {"example.com/n": 2}}),
    ],
)
async def test_a_json_object_is_the_result_itself_and_anything_else_is_under_result(app, value, result):
    app.add_task(lambda payload: value, "k")
    answer = await create(app, "k")
    assert written(answer) == result
    assert written(answer, V2026_07_28) == {**result, "resultType": "complete"}
    json.dumps(written(answer))


async def test_a_result_shares_nothing_with_the_handler_s_value(app):
    kept = {"a": [1]}
    app.add_task(lambda payload: kept, "k")
    result = await create(app, "k")
    kept["a"].append(2)
    assert written(result) == {"a": [1]}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "result is an object"),
        ({"a": {1, 2}}, "result.a is a set"),
        ({"a": float("inf")}, "result.a is inf"),
        ({"resultType": "pdf"}, "result.resultType is a word of the protocol's own"),
        ({"_meta": 3}, "result._meta is kept for an object of notes, not 3"),
    ],
)
async def test_what_no_wire_can_carry_is_the_handler_s_failure(app, caplog, value, why):
    app.add_task(lambda payload: value, "k")
    with pytest.raises(RPCError) as caught:
        await create(app, "k")
    assert caught.value.code == INTERNAL_ERROR
    assert "task kind 'k' failed" in caught.value.message
    assert why in caught.value.message
    assert [each.message for each in caplog.records] == ["task kind 'k' failed"]


# ---------------------------------------------------------------------- failures
def failing(error: BaseException) -> Any:
    async def handler(payload):
        raise error

    return handler


async def test_a_handler_s_fault_is_an_error_that_names_it_and_is_logged(app, caplog):
    app.add_task(failing(ValueError("no such page")), "k")
    with pytest.raises(RPCError) as caught:
        await create(app, "k")
    assert (caught.value.code, caught.value.message) == (
        INTERNAL_ERROR,
        "task kind 'k' failed: ValueError: no such page",
    )
    assert caplog.records[0].levelno == logging.ERROR


async def test_a_tool_error_is_told_as_it_was_meant_and_is_no_fault(app, caplog):
    app.add_task(failing(ToolError("the press is out of paper")), "k")
    with pytest.raises(RPCError, match="task kind 'k' failed: the press is out of paper"):
        await create(app, "k")
    assert caplog.records == []


@pytest.mark.parametrize("error", [RPCError(-5, "mine", {"a": 1}), AmbiguousQuestion("two")])
async def test_errors_of_the_protocol_and_of_the_session_pass_as_they_are(app, error):
    app.add_task(failing(error), "k")
    with pytest.raises(type(error)) as caught:
        await create(app, "k")
    assert caught.value is error


async def test_a_group_of_one_is_that_one(app):
    error = RPCError(-5, "mine")
    app.add_task(failing(ExceptionGroup("g", [error])), "k")
    with pytest.raises(RPCError) as caught:
        await create(app, "k")
    assert caught.value is error


async def test_a_cancelled_handler_is_cancelled_and_nothing_else(app, autojump_clock):
    ended = []

    @app.task("k")
    async def handler(payload):
        try:
            await trio.sleep_forever()
        finally:
            ended.append(True)

    with trio.move_on_after(1) as scope:
        await create(app, "k")
    assert scope.cancelled_caught
    assert ended == [True]
