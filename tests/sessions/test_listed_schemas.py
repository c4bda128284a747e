"""What a server listed of a tool holds for its results: a client that knows the schema checks them. Source: MCP,
server/tools, "Output Schema": clients SHOULD validate structured results against it."""

from __future__ import annotations

import pytest
from session_world import STATELESS, both_eras, opened, strictly_or_not

from zcp_actors import FastZCP
from zcp_actors.errors import InvalidResult
from zcp_actors.wire import NULL, CallToolResult, TextContent

NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def lying_app():
    """Publishes schemas, and keeps none of them."""
    app = FastZCP("liar", validate_output=False)

    @app.tool(output_schema=NUMBER)
    async def number(kind: str):
        if kind == "silent":
            return CallToolResult(content=[TextContent(text="1")])
        if kind == "failed":
            return CallToolResult(content=[TextContent(text="no")], is_error=True)
        return {"right": {"n": 1}, "wrong": {"n": "one"}, "missing": {}}[kind]

    return app


@both_eras
@strictly_or_not
async def test_a_result_that_breaks_what_was_listed_never_reaches_the_caller(era, strict, autojump_clock):
    async with opened(lying_app(), era=era, strict=strict) as client:
        assert (await client.call_tool("number", {"kind": "wrong"})).structured_content == {"n": "one"}  # not known yet
        await client.list_tools()
        for kind in ("wrong", "missing", "silent"):
            with pytest.raises(InvalidResult, match="output schema"):
                await client.call_tool("number", {"kind": kind})
        assert (await client.call_tool("number", {"kind": "right"})).structured_content == {"n": 1}
        assert (await client.call_tool("number", {"kind": "failed"})).is_error


@strictly_or_not
async def test_null_is_a_result_where_the_schema_says_so(strict, autojump_clock):
    """2026-07-28: structured content is any JSON."""
    app = FastZCP("null")

    @app.tool(output_schema={"type": ["integer", "null"]})
    async def maybe(n: int | None = None):
        return n

    @app.tool(output_schema={"type": "integer"})
    async def always():
        return CallToolResult(content=[], structured_content=NULL)

    async with opened(app, era=STATELESS, strict=strict) as client:
        await client.list_tools()
        assert (await client.call_tool("maybe")).structured_content is NULL
        assert (await client.call_tool("maybe"))["structuredContent"] is None
        assert (await client.call_tool("maybe", {"n": 3})).structured_content == 3
        assert (await client.call_tool("always")).is_error
