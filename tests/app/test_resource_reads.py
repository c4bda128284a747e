"""Resources and templates: what a URI leads to, what a handler may return, and what the client gets."""

from __future__ import annotations

import datetime as dt
import enum
import json
import time
from typing import Any, Literal

import pytest
from app.app_calls import FakeContext, read

from zcp_actors.app import FastZCP, File
from zcp_actors.errors import CallEnding, InvalidParams, RPCError, SchemaError, ToolError
from zcp_actors.wire import BlobResourceContents, ReadResourceResult, TextResourceContents


class Color(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


@pytest.fixture
def app() -> FastZCP:
    return FastZCP("test")


A = TextResourceContents(uri="docs://other", text="a")


@pytest.mark.parametrize(
    ("value", "contents"),
    [
        ("text", [{"uri": "docs://x", "mimeType": "text/plain", "text": "text"}]),
        (b"\x00\xff", [{"uri": "docs://x", "mimeType": "text/plain", "blob": "AP8="}]),
        (A, [A]),
        ([A, A], [A, A]),
        (ReadResourceResult(contents=[A]), [A]),
        (File(b"a", name="f.txt"), [{"uri": "file:///f.txt", "mimeType": "text/plain", "text": "a"}]),
    ],
)
async def test_the_value_of_a_handler_becomes_the_resource_s_contents(app, value, contents):
    app.add_resource(lambda: value, "docs://x", name="x", mime_type="text/plain")
    assert (await read(app, "docs://x")).contents == contents


@pytest.mark.parametrize("value", [{"a": [1]}, [1, 2], None, 3, []])
async def test_json_is_read_as_json_text(app, value):
    @app.resource("docs://x")
    async def x() -> Any:
        return value

    (contents,) = (await read(app, "docs://x")).contents
    assert contents.mime_type == "application/json"
    assert contents.text == json.dumps(value, separators=(",", ":"))


async def test_the_mime_type_is_not_guessed_for_text_and_bytes(app):
    app.add_resource(lambda: b"", "docs://x", name="x")
    assert (await read(app, "docs://x")).contents == [BlobResourceContents(uri="docs://x", blob="")]


async def test_variables_reach_the_parameters_of_their_names_and_types(app):
    seen: list[Any] = []

    @app.resource("log://{day}/{level}/{line}{?all}")
    async def line(day: dt.date, level: Color, line: int, all: bool = False, ctx=None) -> str:  # noqa: A002
        seen.append((day, level, line, all, ctx))
        return "ok"

    context = FakeContext()
    (contents,) = (await read(app, "log://2026-07-28/red/7?all=true", context)).contents
    assert contents.uri == "log://2026-07-28/red/7?all=true"
    await read(app, "log://2026-07-28/red/7", context)
    day = dt.date(2026, 7, 28)
    assert seen == [(day, Color.RED, 7, True, context), (day, Color.RED, 7, False, context)]
    assert list(app.resource_templates) == ["log://{day}/{level}/{line}{?all}"]
    assert not app.resources


@pytest.mark.parametrize("uri", ["log://x/red/7", "log://2026-07-28/green/7", "log://2026-07-28/red/seven"])
async def test_a_variable_of_another_type_is_the_client_s_error(app, uri):
    @app.resource_template("log://{day}/{level}/{line}")
    async def line(day: dt.date, level: Literal["red", "blue"], line: int) -> str:
        raise AssertionError

    with pytest.raises(InvalidParams, match="variable"):
        await read(app, uri)


async def test_an_exact_uri_comes_before_templates_and_these_in_their_order(app):
    app.add_resource_template(lambda x: "first", "a://{x}", name="first")
    app.add_resource_template(lambda x: "second", "a://{+x}", name="second")
    app.add_resource(lambda: "exact", "a://exact", name="exact")
    texts = [(await read(app, uri)).contents[0].text for uri in ("a://exact", "a://other", "a://b/c")]
    assert texts == ["exact", "first", "second"]


async def test_an_unknown_uri_is_an_error_that_carries_it(app):
    """2025-11-25, server/resources, Error Handling: -32002 with the URI as data."""
    with pytest.raises(RPCError) as caught:
        await read(app, "docs://nowhere")
    assert (caught.value.code, caught.value.data) == (-32002, {"uri": "docs://nowhere"})


async def test_a_handler_that_fails_is_an_internal_error_without_a_traceback(app, caplog):
    def fail() -> str:
        raise OSError("disk")

    async def explain() -> str:
        raise ToolError("the archive is closed \ud800")

    app.add_resource(fail, "docs://fail")
    app.add_resource(explain, "docs://explain")
    with pytest.raises(RPCError) as caught:
        await read(app, "docs://fail")
    assert (caught.value.code, caught.value.message) == (-32603, "resource 'docs://fail' failed: OSError: disk")
    assert len(caplog.records) == 1
    with pytest.raises(RPCError, match="resource 'docs://explain' failed: the archive is closed [?]"):
        await read(app, "docs://explain")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("error", [RPCError(-32002, "gone"), CallEnding("over")])
async def test_errors_that_the_session_decides_on_pass_through(app, error):
    @app.resource("docs://x")
    async def x() -> str:
        raise ExceptionGroup("g", [error])

    with pytest.raises(type(error)) as caught:
        await read(app, "docs://x")
    assert caught.value is error


@pytest.mark.parametrize("value", [object(), {"a": float("nan")}, "\ud800", TextResourceContents(uri=1, text="x")])
async def test_contents_that_no_wire_accepts_are_an_internal_error(app, value):
    app.add_resource(lambda: value, "docs://x", name="x")
    with pytest.raises(RPCError) as caught:
        await read(app, "docs://x")
    assert caught.value.code == -32603


async def test_caching_hints_are_the_author_s_unless_the_result_has_its_own(app):
    own = ReadResourceResult(contents=[], ttl_ms=1, cache_scope="private")
    app.add_resource(lambda: "x", "a://x", name="x", ttl_ms=60_000, cache_scope="public")
    app.add_resource(lambda: own, "a://own", name="own", ttl_ms=60_000, cache_scope="public")
    results = [await read(app, uri) for uri in ("a://x", "a://own")]
    assert [(each.ttl_ms, each.cache_scope) for each in results] == [(60_000, "public"), (1, "private")]


async def test_what_a_handler_keeps_can_be_changed_by_nobody_else(app):
    kept = ReadResourceResult(contents=[A])
    app.add_resource(lambda: kept, "docs://x", name="x")
    (await read(app, "docs://x")).contents.clear()
    assert kept.contents == [A]


async def test_the_longest_uri_is_matched_in_linear_time(app):
    """A template of many variables against a URI made to be ambiguous."""

    @app.resource_template("a://" + "-".join(f"{{v{n}}}" for n in range(12)))
    async def many(**variables: Any) -> str:
        raise AssertionError

    began = time.process_time()
    with pytest.raises(RPCError):
        await read(app, "a://" + "-" * 8000 + "/")
    assert time.process_time() - began < 5  # quadratic time would be minutes


@pytest.mark.parametrize(
    ("uri", "handler", "message"),
    [
        ("docs", lambda: "", "a URI starts with a scheme, as in docs://docs"),
        ("docs://x", lambda y: "", "needs y, which nothing fills"),
        ("docs://{x}", lambda: "", "does not take x"),
        ("docs://{x}", lambda x, y: "", "needs y, which no variable fills"),
        ("docs://{x", lambda x: "", "RFC 6570"),
    ],
)
def test_what_cannot_work_is_refused_at_registration(app, uri, handler, message):
    with pytest.raises(SchemaError, match=message):
        app.resource(uri, name="x")(handler)
    assert not app.resources
    assert not app.resource_templates


def test_a_template_has_no_size(app):
    with pytest.raises(SchemaError, match="no common size"):
        app.resource("docs://{x}", size=3)


def test_what_the_author_says_is_listed(app):
    @app.resource(
        "docs://faq",
        title="FAQ",
        mime_type="text/plain",
        size=10,
        annotations={"priority": 1.0, "audience": ["user"]},
        meta={"a": 1},
    )
    def faq() -> str:
        """Questions.

        And answers.
        """
        return ""

    assert app.resources["docs://faq"].model == {
        "uri": "docs://faq",
        "name": "faq",
        "title": "FAQ",
        "description": "Questions.",
        "mimeType": "text/plain",
        "size": 10,
        "annotations": {"priority": 1.0, "audience": ["user"]},
        "_meta": {"a": 1},
    }
