"""2026-07-28 over HTTP, through the ASGI code. Source: streamable-http of that revision, unless said otherwise."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from network.http_site import BOTH, META, Events, modern, site

from zcp_actors.transports.http.config import KEEPALIVE_SECONDS


def error(response):
    return response.status_code, response.json()["error"]["code"], response.json()["id"]


async def test_a_call_that_reports_nothing_is_answered_with_one_json_object():
    async with site() as server:
        reply = await server.call("add", {"a": 1, "b": 2})

    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["result"]["structuredContent"] == {"result": 3}
    assert reply.json()["result"]["resultType"] == "complete"


async def test_a_call_that_reports_is_answered_with_events_and_the_reply_is_the_last():
    async with site() as server, server.stream("report", {"count": 3}, meta={"progressToken": "p"}) as response:
        messages = await Events(response).rest()

    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-accel-buffering"] == "no"
    assert [each.get("params", {}).get("progress") for each in messages] == [1, 2, 3, None]
    assert messages[-1]["id"] == 1


async def test_no_session_is_begun_and_event_ids_are_not_given():
    """Sessions and Last-Event-ID are not part of this revision."""
    async with site() as server:
        async with server.stream("report", {"count": 1}, meta={"progressToken": "p"}) as response:
            text = (await response.aread()).decode()
        assert len(server.asgi.service.table) == 0

    assert "mcp-session-id" not in response.headers
    assert "id:" not in text.replace('"id":', "")


async def test_nothing_of_an_exchange_stays_in_the_tree_after_it():
    async with site() as server:
        await server.call("add", {"a": 1, "b": 2})
        await server.new("server/discover")
        await trio.testing.wait_all_tasks_blocked()
        (door,) = server.runtime.tree().children

    assert door.children == ()


async def test_equal_ids_of_two_posts_never_cross():
    """c06 of the peers' failures: a real client sends id 1 for everything."""
    async with site() as server:
        texts = {}

        async def call(name):
            texts[name] = (await server.call("gate", {"name": name}, id=1)).json()["result"]["content"][0]["text"]

        async with trio.open_nursery() as nursery:
            for name in ("a", "b", "c"):
                nursery.start_soon(call, name)
            await trio.testing.wait_all_tasks_blocked()
            server.gates.go.set()

    assert texts == {name: f"{name} passed" for name in ("a", "b", "c")}


async def test_closing_the_response_cancels_the_call():
    async with site() as server:
        async with server.stream("told_gate", meta={"progressToken": 1}) as response:
            assert (await Events(response).next())["method"] == "notifications/progress"
            await server.gates.began.wait()
        with trio.fail_after(30):
            await trio.testing.wait_all_tasks_blocked()

        assert server.gates.ended == ["cancelled"]


async def test_a_client_that_leaves_before_any_response_cancels_the_call():
    async with site() as server:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.call, "gate")
            await server.gates.began.wait()
            nursery.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()

        assert server.gates.ended == ["cancelled"]


async def test_a_question_ends_the_request_and_the_retry_brings_the_answer():
    """Multi-round-trip requests: a new id, the same call, `inputResponses` and the state as it came."""
    asks = {"capabilities": {"elicitation": {}}}
    async with site() as server:
        first = (await server.call("approve", **asks)).json()["result"]
        (key,) = first["inputRequests"]
        answer = {"inputResponses": {key: {"action": "accept", "content": {"ok": True}}}}
        params = {"name": "approve", "arguments": {}, **answer, "requestState": first["requestState"]}
        second = (await server.new("tools/call", params, name="approve", id=2, **asks)).json()
        spoilt = {**params, "requestState": first["requestState"] + "-TAMPERED"}
        third = await server.new("tools/call", spoilt, name="approve", id=3, **asks)

    assert first["resultType"] == "input_required"
    assert second["result"]["content"][0]["text"] == "accept True"
    assert error(third) == (400, -32602, 3)


# ------------------------------------------------------------------------------------------------ refusals
@pytest.mark.parametrize("method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "unknown/method"])
async def test_methods_of_the_other_era_are_not_found(method):
    """The era is chosen by headers and `_meta`, never by the method's name: 404 and -32601."""
    async with site() as server:
        reply = await server.new(method, {"uri": "memo://one", "level": "debug"})

    assert error(reply) == (404, -32601, 1)


async def test_a_request_without_a_version_in_meta_is_refused():
    async with site() as server:
        request = modern("tools/list")
        del request["json"]["params"]["_meta"][f"{META}protocolVersion"]
        bare = modern("tools/list", id="x")
        del bare["json"]["params"]
        lacking = modern("tools/list")
        del lacking["json"]["params"]["_meta"][f"{META}clientCapabilities"]

        assert error(await server.http.post("/mcp", **request)) == (400, -32602, 1)
        assert error(await server.http.post("/mcp", **bare)) == (400, -32602, "x")
        assert error(await server.http.post("/mcp", **lacking)) == (400, -32602, 1)


async def test_an_unknown_version_is_refused_with_those_that_are_known():
    version = "v999.0.0"
    async with site() as server:
        both = {"headers": {"mcp-protocol-version": version}, "meta": {f"{META}protocolVersion": version}}
        reply = await server.new("tools/list", **both)
        discovered = (await server.new("server/discover")).json()["result"]["supportedVersions"]
        alone = modern("tools/list", headers={"mcp-protocol-version": version})
        del alone["json"]["params"]["_meta"]
        told = await server.http.post("/mcp", **alone)

    assert error(reply) == error(told) == (400, -32022, 1)
    assert set(reply.json()["error"]["data"]["supported"]) <= set(discovered)
    assert reply.json()["error"]["data"]["requested"] == version


async def test_a_capability_that_was_not_declared_is_refused():
    async with site() as server:
        reply = await server.call("draft")

    assert error(reply) == (400, -32021, 1)
    assert reply.json()["error"]["data"]["requiredCapabilities"] == {"sampling": {}}


@pytest.mark.parametrize(
    ("headers", "without"),
    [
        ({"mcp-method": "tools/call"}, ()),
        ({"mcp-method": "TOOLS/LIST"}, ()),
        ({}, ("mcp-method",)),
        ({}, ("mcp-protocol-version",)),
        ({"mcp-protocol-version": "2025-11-25"}, ()),
    ],
    ids=["other method", "other case", "no method", "no version", "other version"],
)
async def test_headers_that_disagree_with_the_body_are_refused(headers, without):
    async with site() as server:
        reply = await server.new("tools/list", headers=headers, without=without)

    assert error(reply) == (400, -32020, 1)


async def test_a_call_whose_name_header_is_wrong_or_missing_is_not_made():
    async with site() as server:
        arguments = {"name": "add", "arguments": {"a": 1, "b": 2}}

        assert error(await server.new("tools/call", arguments, name="other")) == (400, -32020, 1)
        assert error(await server.new("tools/call", arguments)) == (400, -32020, 1)
        assert (await server.new("tools/call", arguments, name="  add ")).status_code == 200
        assert (await server.new("tools/call", arguments, name="=?base64?YWRk?=")).status_code == 200
        read = await server.new("resources/read", {"uri": "memo://one"}, name="memo://one")
        assert read.json()["result"]["contents"][0]["text"] == "1"


async def test_a_header_that_stands_twice_is_refused():
    async with site() as server:
        request = modern("tools/list")
        pairs = [*request["headers"].items(), ("mcp-method", "tools/list")]
        reply = await server.http.post("/mcp", json=request["json"], headers=pairs)

    assert error(reply) == (400, -32020, 1)


@pytest.mark.parametrize(
    ("arguments", "headers", "status"),
    [
        ({"region": "Hello"}, {"mcp-param-region": "=?base64?SGVsbG8=?="}, 200),
        ({"region": "Hello"}, {"mcp-param-region": "=?base64?SGVsbG8?="}, 400),
        ({"region": "Hello"}, {"mcp-param-region": "=?base64?SGVs!!!bG8=?="}, 400),
        ({"region": "SGVsbG8="}, {"mcp-param-region": "SGVsbG8="}, 200),
        ({"region": "=?base64?SGVsbG8="}, {"mcp-param-region": "=?base64?SGVsbG8="}, 200),
        ({"region": "Hello"}, {}, 400),
        ({"region": "Hello"}, {"Mcp-Param-REGION": "Hello"}, 200),
        ({"region": "Hello"}, {"mcp-param-region": "hello"}, 400),
        ({"region": None}, {}, 200),
        ({"region": None}, {"mcp-param-region": "null"}, 400),
        ({"limit": 42}, {"mcp-param-limit": "42.0"}, 200),
        ({"limit": 42}, {"mcp-param-limit": "43"}, 400),
        ({}, {"mcp-param-other": "anything"}, 200),
    ],
)
async def test_a_mirrored_parameter_is_checked_against_the_arguments(arguments, headers, status):
    async with site() as server:
        reply = await server.call("mirrored", arguments, headers=headers)

    assert reply.status_code == status, reply.text
    if status == 400:
        assert reply.json()["error"]["code"] == -32020


async def test_a_notification_is_accepted_and_a_response_is_not():
    async with site() as server:
        told = await server.new("notifications/cancelled", {"requestId": 7}, id=None)
        request = modern("tools/list")
        request["json"] = {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "m"}}
        answered = await server.http.post("/mcp", **request)

    assert (told.status_code, told.content) == (202, b"")
    assert answered.status_code == 400


async def test_get_and_delete_are_not_of_this_revision():
    headers = {**BOTH, "mcp-protocol-version": "2026-07-28", "mcp-session-id": "x"}
    async with site() as server:
        for method in ("GET", "DELETE", "PUT"):
            reply = await server.http.request(method, "/mcp", headers=headers)
            assert reply.status_code == 405
            assert reply.headers["allow"] == "POST"


# ------------------------------------------------------------------------------------------------ listen
async def test_a_listen_stream_is_acknowledged_first_and_carries_only_what_was_asked_for():
    wish = {"notifications": {"toolsListChanged": True}}
    async with site() as server:
        request = modern("subscriptions/listen", wish, id="s")
        async with server.http.stream("POST", "/mcp", **request) as response:
            events = Events(response)
            first = await events.next()
            server.app.resource_updated("memo://one")
            server.app.tool(lambda: 1, name="late")
            second = await events.next()
            await server.asgi.drain(1)
            last = await events.rest()

    assert first["method"] == "notifications/subscriptions/acknowledged"
    assert second["method"] == "notifications/tools/list_changed"
    assert {each["params"]["_meta"][f"{META}subscriptionId"] for each in (first, second)} == {"s"}
    assert [each["id"] for each in last] == ["s"], "a graceful end answers the request"


async def test_a_listen_stream_ends_with_its_client(autojump_clock):
    async with site() as server:
        request = modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        async with server.http.stream("POST", "/mcp", **request) as response:
            await Events(response).next()
            assert len(server.runtime.tree().children[0].children) == 1
        await trio.testing.wait_all_tasks_blocked()

        assert server.runtime.tree().children[0].children == ()


async def test_a_call_that_takes_long_begins_a_stream_so_that_nobody_in_between_cuts_it(autojump_clock):
    async with site() as server, server.stream("gate") as response:
        assert trio.current_time() >= KEEPALIVE_SECONDS
        assert await anext(aiter(response.stream._stream)) == b": keep-alive\n\n"
