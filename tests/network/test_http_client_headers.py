"""
What the streamable HTTP client of 2026-07-28 says in headers, and how it takes requests back.

Source: MCP 2026-07-28 basic/transports/streamable-http, "Request Metadata", "Cancellation".
"""

from __future__ import annotations

import base64
import logging

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from opened import OpenClient, text
from scripted_http import Manners

from zcp_actors.errors import RPCError
from zcp_actors.protocol.header_annotation import BadAnnotation
from zcp_actors.transports.http.client_headers import Annotation, annotated, encoded

V2026 = "2026-07-28"

ENCODED = [
    ("us-west1", "us-west1"),
    ("us west 1", "us west 1"),
    ("", ""),
    ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
    (" padded ", "=?base64?IHBhZGRlZCA=?="),
    ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
    ("\tindented", "=?base64?CWluZGVudGVk?="),
    ("in\tside", "=?base64?aW4Jc2lkZQ==?="),
    ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
    ("=?base64?", "=?base64?"),
]


@pytest.mark.parametrize(("value", "header"), ENCODED)
def test_a_value_is_plain_where_that_is_safe_and_encoded_elsewhere(value, header):
    """Source: the specification's table of encoding examples."""
    assert encoded(value) == header


@given(st.text())
def test_every_value_comes_back_from_its_header(value):
    header = encoded(value)

    assert header.isascii()
    assert header == header.strip()
    assert "\r" not in header
    assert "\n" not in header
    if header.startswith("=?base64?") and header.endswith("?=") and len(header) >= 11:
        header = base64.b64decode(header[9:-2]).decode()
    assert header == value


def tool(name, properties, **more):
    return {"name": name, "inputSchema": {"type": "object", "properties": properties, **more}}


def marked(type="string", name="Mark", **more):
    return {"type": type, "x-mcp-header": name, **more}


GOOD = [
    ({"properties": {"a": marked()}}, [("mcp-param-Mark", ("a",))]),
    ({"properties": {"a": marked("integer"), "b": marked("boolean", "Other")}}, None),
    ({"properties": {"a": {"type": "object", "properties": {"b": marked()}}}}, [("mcp-param-Mark", ("a", "b"))]),
    ({"properties": {"x-mcp-header": {"type": "object"}}}, []),
    ({"properties": {"a": {"default": {"x-mcp-header": ""}}}}, []),
    ({"properties": {"a": {"enum": [{"x-mcp-header": 1}]}}}, []),
    ({"properties": {"properties": marked()}}, [("mcp-param-Mark", ("properties",))]),
    ({"$defs": {"x-mcp-header": {"type": "string"}}}, []),
    ({}, []),
    (None, []),
    ([], []),
]


@pytest.mark.parametrize(("schema", "found"), GOOD)
def test_parameters_that_may_be_marked_are_found(schema, found):
    headers = [(each.header, each.path) for each in annotated(schema)]

    assert len(headers) == 2 if found is None else headers == found


BAD = [
    {"properties": {"a": marked(name="")}},
    {"properties": {"a": marked(name="My Mark")}},
    {"properties": {"a": marked(name="Mark:1")}},
    {"properties": {"a": marked(name="M\xe4rk")}},
    {"properties": {"a": marked(name="Mark\t1")}},
    {"properties": {"a": marked(name="Mark\r\nX: y")}},
    {"properties": {"a": marked(name=7)}},
    {"properties": {"a": marked(name=None)}},
    {"properties": {"a": marked("number")}},
    {"properties": {"a": marked("object")}},
    {"properties": {"a": marked("array")}},
    {"properties": {"a": marked("null")}},
    {"properties": {"a": {"x-mcp-header": "Mark"}}},
    {"properties": {"a": marked(["string"])}},
    {"properties": {"a": marked(name="Mark"), "b": marked(name="Mark")}},
    {"properties": {"a": marked(name="Mark"), "b": marked(name="mARK")}},
    {"properties": {"a": {"type": "array", "items": marked()}}},
    {"properties": {"a": {"anyOf": [marked()]}}},
    {"properties": {"a": {"oneOf": [marked()]}}},
    {"properties": {"a": {"allOf": [marked()]}}},
    {"properties": {"a": {"not": marked()}}},
    {"if": {"properties": {"a": marked()}}},
    {"then": {"properties": {"a": marked()}}},
    {"$defs": {"a": marked()}},
    {"patternProperties": {"a": marked()}},
    {"additionalProperties": marked()},
    marked(),
]


@pytest.mark.parametrize("schema", BAD)
def test_marks_that_break_the_rules_are_refused(schema):
    with pytest.raises(BadAnnotation, match="x-mcp-header"):
        annotated(schema)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ({"a": {"b": "x"}}, "x"),
        ({"a": {"b": ""}}, ""),
        ({"a": {"b": True}}, "true"),
        ({"a": {"b": False}}, "false"),
        ({"a": {"b": 42}}, "42"),
        ({"a": {"b": -7}}, "-7"),
        ({"a": {"b": 42.0}}, "42"),
        ({"a": {"b": None}}, None),
        ({"a": {"b": [1]}}, None),
        ({"a": {}}, None),
        ({"a": "b"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_a_header_repeats_the_value_at_its_path_or_is_left_out(arguments, value):
    assert Annotation("mcp-param-x", ("a", "b")).value(arguments) == value


# over the wire -----------------------------------------------------------------------------------


class Server(Manners):
    """A server of 2026-07-28 whose tools say how they want to be called."""

    def __init__(self, *tools):
        self.tools = list(tools)
        self.started, self.gone = trio.Event(), trio.Event()

    async def tools_list(self, asked, reply):
        start = int(asked.message["params"].get("cursor", "0"))
        more = {"nextCursor": str(start + 1)} if start + 1 < len(self.tools) else {}
        page = {"tools": self.tools[start : start + 1], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        await reply.result({**page, **more})

    async def resources_read(self, asked, reply):
        await reply.result({"contents": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"})

    async def prompts_get(self, asked, reply):
        await reply.result({"messages": [], "resultType": "complete"})

    async def tools_call(self, asked, reply):
        if asked.tool == "endless":
            await reply.stream_head()
            self.started.set()
            await reply.gone()
            self.gone.set()
            reply.cut()
        await reply.text(asked.tool)


async def test_every_post_names_its_version_its_method_and_what_it_is_about():
    async with OpenClient(Server(), V2026) as client:
        await client.call_tool("my-tool")
        await client.call_tool(" werkzeug für alle ")
        await client.read_resource("file:///path/to/file%20name.txt")
        await client.get_prompt("a prompt")
        named = {asked.rpc: asked.headers.get("mcp-name") for asked in client.served.asked}
        names = [asked.headers.get("mcp-name") for asked in client.served.asked if asked.rpc == "tools/call"]
        for asked in client.served.asked:
            assert asked.headers["mcp-method"] == asked.rpc
            assert asked.headers["mcp-protocol-version"] == V2026
            assert asked.headers["accept"] == "application/json, text/event-stream"
            assert "mcp-session-id" not in asked.headers
    assert named["server/discover"] is None
    assert named["resources/read"] == "file:///path/to/file%20name.txt"
    assert named["prompts/get"] == "a prompt"
    assert names == ["my-tool", "=?base64?IHdlcmt6ZXVnIGbDvHIgYWxsZSA=?="]
    assert {asked.method for asked in client.served.asked} == {"POST"}


async def test_marked_parameters_of_listed_tools_are_repeated_in_headers():
    listed = tool(
        "query", {"region": marked(name="Region"), "dry": marked("boolean", "Dry"), "sql": {"type": "string"}}
    )

    async with OpenClient(Server(listed), V2026) as client:
        await client.list_tools()
        await client.call_tool("query", {"region": "us west", "dry": None, "sql": "SELECT"})
        headers = client.served.asked[-1].headers
    assert {name: value for name, value in headers.items() if name.startswith("mcp-param-")} == {
        "mcp-param-region": "us west"
    }


async def test_a_tool_that_breaks_the_rules_is_left_out_of_the_list_and_logged(caplog):
    async with OpenClient(Server(tool("bad", {"a": marked(name="")}), tool("good", {})), V2026) as client:
        with caplog.at_level(logging.WARNING):
            first = await client.list_tools()
        second = await client.list_tools(cursor=first.next_cursor)
    assert [each.name for each in [*first.tools, *second.tools]] == ["good"]
    assert "tool 'bad' is left out" in caplog.text


async def test_in_the_older_era_nothing_is_left_out():
    class Older(Server):
        version = "2025-11-25"

    async with OpenClient(Older(tool("bad", {"a": marked(name="")})), "2025-11-25") as client:
        assert [each.name for each in (await client.list_tools()).tools] == ["bad"]


class Strict(Server):
    """Refuses calls whose headers do not repeat what it wants to be repeated."""

    async def tools_call(self, asked, reply):
        if asked.headers.get("mcp-param-region") != asked.message["params"]["arguments"]["region"]:
            await reply.error(-32020, "Header mismatch: Mcp-Param-Region is missing", status=400)
        else:
            await reply.text("done")


async def test_after_a_header_mismatch_the_tools_are_looked_at_again_and_the_call_is_repeated():
    """Source: "Client Behavior": call tools/list to check for changes, then retry the original request."""
    server = Strict(tool("other", {}), tool("query", {"region": marked(name="Region")}))

    async with OpenClient(server, V2026) as client:
        assert await text(client, "query", arguments={"region": "eu"}) == "done"
        assert await text(client, "query", arguments={"region": "us"}) == "done"
        assert client.served.messages() == [
            "server/discover",
            "tools/call",
            "tools/list",
            "tools/list",
            "tools/call",
            "tools/call",
        ]


async def test_a_header_mismatch_that_another_look_does_not_cure_is_the_calls_error():
    async with OpenClient(Strict(tool("query", {})), V2026) as client:
        with pytest.raises(RPCError, match="Header mismatch"):
            await client.call_tool("query", {"region": "eu"})
        assert client.served.messages().count("tools/call") == 1


async def test_a_cancelled_call_closes_its_stream_and_says_nothing_else():
    server = Server()
    async with OpenClient(server, V2026) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call_tool, "endless")
            await server.started.wait()
            nursery.cancel_scope.cancel()
        await server.gone.wait()
        assert await text(client, "after") == "after"
        assert client.served.messages() == ["server/discover", "tools/call", "tools/call"]


async def test_a_broken_listen_stream_is_opened_again_and_the_gap_is_told():
    class Listening(Server):
        streams = 0

        async def subscriptions_listen(self, asked, reply):
            self.streams += 1
            id = asked.message["id"]
            await reply.stream_head()
            params = {"notifications": {}, "_meta": {"io.modelcontextprotocol/subscriptionId": id}}
            method = "notifications/subscriptions/acknowledged"
            await reply.event({"jsonrpc": "2.0", "method": method, "params": params})
            if self.streams == 1:
                reply.cut()
            await reply.gone()

    changes, told = [], trio.Event()

    def changed(change):
        changes.append(change)
        told.set()

    server = Listening()
    async with OpenClient(server, V2026, changed_handler=changed):
        await told.wait()
    assert server.streams == 2
    assert all(change.gap for change in changes)
