"""An app as a session sees it: what it declares, lists and announces, and that nobody can change it from outside."""

from __future__ import annotations

from typing import Any, Literal

import attrs
import pytest
from app.app_calls import FakeContext, call, get, read, text
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.app import FastZCP
from zcp_actors.errors import HandlerError, InvalidParams, MethodNotFound, RPCError, SchemaError
from zcp_actors.ports import App, Changed
from zcp_actors.wire import (
    DIALECTS,
    CallToolRequestParams,
    CompleteRequestParams,
    CompletionArgument,
    CompletionContext,
    GetPromptRequestParams,
    Implementation,
    Model,
    PaginatedRequestParams,
    PromptReference,
    ReadResourceRequestParams,
)


async def listed(app: FastZCP, method: str, cursor: str | None = None) -> Any:
    return await app.handle(FakeContext(), method, PaginatedRequestParams(cursor=cursor))


def full() -> FastZCP:
    """An app with one of each."""
    app = FastZCP("full")
    app.add_tool(
        lambda a: a, name="t", input_schema={"properties": {"a": {"type": ["object", "array"]}}}, meta={"m": []}
    )
    app.add_resource(lambda: "r", "r://r", name="r", annotations={"audience": ["user"]})
    app.add_resource_template(lambda x: x, "t://{x}", name="rt")
    app.add_prompt(lambda x: x, name="p")
    app.add_completion(lambda arguments: [], "p")
    return app


LISTS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resource_templates",
    "prompts/list": "prompts",
}


def test_an_app_is_what_the_port_asks_for():
    app: App = FastZCP("a", instructions="be kind")
    assert (app.name, app.version, app.instructions) == ("a", "0.1.0", "be kind")


def test_an_app_says_who_it_is():
    app = FastZCP(
        "a", "2.0", "how", "A", "what", "https://example.com", [{"src": "https://example.com/i.png", "sizes": ["any"]}]
    )
    assert app.implementation() == {
        "name": "a",
        "version": "2.0",
        "title": "A",
        "description": "what",
        "websiteUrl": "https://example.com",
        "icons": [{"src": "https://example.com/i.png", "sizes": ["any"]}],
    }
    assert FastZCP("a").implementation() == Implementation(name="a", version="0.1.0")


def test_only_what_was_registered_is_declared():
    assert FastZCP("a").capabilities() == {"logging": {}}
    assert full().capabilities() == {
        "logging": {},
        "tools": {"listChanged": True},
        "resources": {"listChanged": True},
        "prompts": {"listChanged": True},
        "completions": {},
    }


def test_subscriptions_are_declared_when_a_resource_or_template_has_them():
    for uri in ("r://r", "r://{x}"):
        app = FastZCP("a")
        app.resource(uri, subscribe=True, name="r")(lambda **_: "")
        assert app.capabilities()["resources"] == {"listChanged": True, "subscribe": True}


def test_what_came_and_went_stays_declared_because_it_can_come_again():
    app = full()
    app.remove_tool("t")
    app.remove_resource("r://r")
    app.remove_resource_template("t://{x}")
    app.remove_prompt("p")
    assert set(app.capabilities().keys()) == {"logging", "tools", "resources", "prompts", "completions"}


def test_a_closed_argument_is_reason_enough_to_declare_completions():
    app = FastZCP("a")

    @app.prompt
    def p(yes: Any) -> str:
        return ""

    assert "completions" not in app.capabilities()

    @app.prompt
    def q(yes: bool, way: Literal["in"] = "in") -> str:
        return ""

    assert "completions" in app.capabilities()


@pytest.mark.parametrize("method", LISTS)
async def test_lists_are_paged_in_the_order_of_registration(method):
    app = FastZCP("a", page_size=2)
    for n in range(5):
        app.add_tool(lambda: None, name=f"n{n}")
        app.add_resource(lambda: None, f"r://{n}", name=f"n{n}")
        app.add_resource_template(lambda x: None, f"r{n}://{{x}}", name=f"n{n}")
        app.add_prompt(lambda: None, name=f"n{n}")
    names: list[str] = []
    pages, cursor = 0, None
    while pages == 0 or cursor is not None:
        page = await listed(app, method, cursor)
        names += [each.name for each in getattr(page, LISTS[method])]
        pages, cursor = pages + 1, page.next_cursor
    assert names == [f"n{n}" for n in range(5)]
    assert pages == 3


async def test_a_cursor_of_another_list_or_app_is_invalid_params():
    """server/utilities/pagination, Error Handling: -32602."""
    apps = [FastZCP(name, page_size=1) for name in "ab"]
    for app in apps:
        for n in range(2):
            app.add_tool(lambda: None, name=f"n{n}")
            app.add_prompt(lambda: None, name=f"n{n}")
    cursor = (await listed(apps[0], "tools/list")).next_cursor
    for app, method in ((apps[0], "prompts/list"), (apps[1], "tools/list")):
        with pytest.raises(InvalidParams, match="invalid cursor"):
            await listed(app, method, cursor)


@pytest.mark.parametrize("method", LISTS)
async def test_an_empty_list_is_a_list(method):
    page = await listed(FastZCP("a"), method)
    assert getattr(page, LISTS[method]) == []
    assert page.next_cursor is None


async def test_lists_carry_the_author_s_caching_hints():
    page = await listed(FastZCP("a", list_ttl_ms=5, list_cache_scope="public"), "tools/list")
    assert (page.ttl_ms, page.cache_scope) == (5, "public")


async def test_a_method_that_is_not_served_is_method_not_found():
    with pytest.raises(MethodNotFound):
        await FastZCP("a").handle(FakeContext(), "tasks/get", None)


def test_every_change_is_announced_with_its_kind():
    app = FastZCP("a")
    heard: list[Changed] = []
    forget = app.listen(heard.append)
    app.add_tool(lambda: None, name="t")
    app.add_resource(lambda: "", "r://r", name="r")
    app.add_resource_template(lambda x: "", "r://{x}", name="r")
    app.add_prompt(lambda: "", name="p")
    app.resource_updated("r://r")
    app.remove_tool("t")
    kinds = ["tools", "resources", "resources", "prompts"]
    assert heard == [*map(Changed, kinds), Changed("resources", "r://r"), Changed("tools")]
    forget()
    app.remove_prompt("p")
    assert len(heard) == 6


def test_a_taken_name_is_refused_for_everything_and_nothing_is_announced():
    app = full()
    heard: list[Changed] = []
    app.listen(heard.append)
    for add in (
        lambda **o: app.add_tool(lambda: None, name="t", **o),
        lambda **o: app.add_resource(lambda: None, "r://r", name="r", **o),
        lambda **o: app.add_resource_template(lambda x: None, "t://{x}", name="r", **o),
        lambda **o: app.add_prompt(lambda: None, name="p", **o),
    ):
        with pytest.raises(SchemaError, match="already is"):
            add()
        assert heard == []
        add(replace=True)
        heard.clear()


async def test_a_tool_that_replaces_another_is_called_from_then_on():
    app = FastZCP("a")
    app.add_tool(lambda: "old", name="t")
    app.add_tool(lambda: "new", name="t", replace=True)
    assert text(await call(app, "t")) == "new"


def test_a_page_without_entries_is_refused():
    with pytest.raises(SchemaError, match="at least 1"):
        FastZCP("a", page_size=0)


# What the guide's programs write, as they write it.
async def test_the_guide_s_tools_resources_and_task_aware_tools_register_and_work():
    app = FastZCP("Demo")

    @app.tool(
        name="math.add",
        description="Add two integers.",
        input_schema={
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
        output_mode="scalar",
        inline_ok=True,
    )
    def add(a: int, b: int):
        return {"sum": a + b}

    @app.tool(
        name="weather.refresh",
        description="Refresh weather data.",
        input_schema={
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        output_mode="scalar",
        inline_ok=True,
        execution={"taskSupport": "optional"},
    )
    async def refresh(city: str, task=None, ctx=None):
        if task is not None:
            await task.update_status(f"Refreshing {city}")
        return {"city": city, "status": "done"}

    @app.tool(name="cells.write", description="Write cells.", input_schema={"type": "object"})
    def write_cells():
        return {"written": 1}

    @app.tool(
        name="report.build",
        description="Build a report.",
        input_schema={"type": "object"},
        metadata={"_meta": {"groups": ["workflow", "reporting"], "stages": ["build"]}},
    )
    def build_report():
        return {"built": True}

    @app.resource("docs://faq", name="FAQ", mime_type="text/plain")
    def faq():
        return "ZCP keeps MCP compatibility and adds a native compact path."

    class Task:
        async def update_status(self, text: str) -> None:
            said.append(text)

    said: list[str] = []
    results = [
        await call(app, "math.add", {"a": 2, "b": 3}),
        await call(app, "weather.refresh", {"city": "Hangzhou"}),
        await call(app, "weather.refresh", {"city": "Hangzhou"}, FakeContext(task=Task())),
        await call(app, "cells.write", {"ignored": 1}),
        await call(app, "report.build"),
    ]
    assert [each.structured_content for each in results] == [
        {"sum": 5},
        {"city": "Hangzhou", "status": "done"},
        {"city": "Hangzhou", "status": "done"},
        {"written": 1},
        {"built": True},
    ]
    assert said == ["Refreshing Hangzhou"]
    tools = {each.name: each for each in (await listed(app, "tools/list")).tools}
    assert tools["report.build"].meta == {"groups": ["workflow", "reporting"], "stages": ["build"]}
    assert tools["weather.refresh"].execution == {"taskSupport": "optional"}
    assert (await read(app, "docs://faq")).contents[0].mime_type == "text/plain"


def changeable(value: Any) -> dict[int, Any]:
    """Every dict and list inside a value, by identity."""
    if isinstance(value, Model):
        inner = [getattr(value, field.name) for field in attrs.fields(type(value))]
        return {key: each for part in inner for key, each in changeable(part).items()}
    if isinstance(value, (dict, list)):
        parts = value.values() if isinstance(value, dict) else value
        return {id(value): value} | {key: each for part in parts for key, each in changeable(part).items()}
    return {}


@pytest.mark.parametrize("method", LISTS)
async def test_what_is_listed_can_be_changed_without_changing_the_app(method):
    app = full()
    first, second = await listed(app, method), await listed(app, method)
    assert first == second
    assert not changeable(first).keys() & changeable(second).keys()
    for each in changeable(first).values():
        each.clear()
    assert await listed(app, method) == second


async def test_a_handler_shares_nothing_that_can_change_with_the_caller():
    app = FastZCP("a")
    seen: list[Any] = []

    @app.tool
    async def t(value: dict[str, Any]) -> dict[str, Any]:
        seen.append(value)
        value["deep"]["list"].append(2)
        return value

    arguments = {"value": {"deep": {"list": [1]}}}
    result = await call(app, "t", arguments)
    assert arguments == {"value": {"deep": {"list": [1]}}}
    assert result.structured_content == {"deep": {"list": [1, 2]}}
    assert not changeable(result).keys() & changeable(seen).keys()


async def test_prompt_arguments_are_the_handler_s_own():
    app = FastZCP("a")

    @app.prompt(arguments=["a"])
    async def p(**given: str) -> str:
        given.clear()
        return "x"

    arguments = {"a": "1"}
    await get(app, "p", arguments)
    assert arguments == {"a": "1"}


async def test_schemas_the_author_keeps_can_be_changed_without_changing_the_tool():
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
    meta: dict[str, Any] = {"groups": []}
    app = FastZCP("a")
    app.add_tool(lambda a: a, name="t", input_schema=schema, meta=meta)
    schema["properties"].clear()
    meta["groups"].append("x")
    assert app.tools["t"].model.input_schema["properties"] == {"a": {"type": "integer"}}
    assert app.tools["t"].model.meta == {"groups": []}


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=6,
)
TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(["t", "p", "r://r", "t://x", "t://{x}"])
PARAMS = st.one_of(
    st.tuples(
        st.just("tools/call"),
        st.builds(CallToolRequestParams, name=TEXT, arguments=st.none() | st.dictionaries(TEXT, HOSTILE, max_size=3)),
    ),
    st.tuples(st.just("resources/read"), st.builds(ReadResourceRequestParams, uri=TEXT)),
    st.tuples(
        st.just("prompts/get"),
        st.builds(
            GetPromptRequestParams,
            name=TEXT,
            arguments=st.none() | st.dictionaries(st.just("x") | TEXT, TEXT, max_size=2),
        ),
    ),
    st.tuples(st.sampled_from(list(LISTS)), st.builds(PaginatedRequestParams, cursor=st.none() | TEXT)),
    st.tuples(
        st.just("completion/complete"),
        st.builds(
            CompleteRequestParams,
            ref=st.builds(PromptReference, name=TEXT),
            argument=st.builds(CompletionArgument, name=TEXT, value=TEXT),
            context=st.none() | st.builds(CompletionContext, arguments=st.none() | st.dictionaries(TEXT, TEXT)),
        ),
    ),
    st.tuples(TEXT, st.none()),
)


@given(PARAMS)
async def test_whatever_a_client_sends_is_answered_or_refused_and_the_answer_fits_every_wire(request_):
    method, params = request_
    try:
        result = await full().handle(FakeContext(), method, params)
    except (RPCError, HandlerError):
        return
    for dialect in DIALECTS.values():
        dialect.to_wire(result)


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ({"a": {"type": "number", "x-mcp-header": "A"}}, "on type 'number'"),
        ({"a": {"type": "string", "x-mcp-header": ""}}, "not an HTTP token"),
        ({"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}, "stands twice"),
        ({"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}, "reached by properties alone"),
    ],
)
def test_a_tool_that_clients_over_http_would_leave_out_is_refused_at_registration(properties, why):
    """2026-07-28 streamable-http, "Schema Extension": they drop it, and its author would never hear why."""
    app = FastZCP("Marked")

    with pytest.raises(SchemaError, match=why):

        @app.tool(input_schema={"type": "object", "properties": properties})
        async def marked(**values: Any) -> str:
            return "never"
