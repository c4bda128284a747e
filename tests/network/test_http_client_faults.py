"""
The streamable HTTP client and servers that fail: each fault ends what it hits, and nothing else.
"""

from __future__ import annotations

import json
import logging

import pytest
import trio
from opened import GUARD, OpenClient, text
from scripted_http import Manners, scripted

from zcp_actors import open_runtime, streamable_http_client
from zcp_actors.errors import (
    ConnectionLost,
    InvalidResult,
    MessageTooLarge,
    RequestTimeout,
    RPCError,
    StartFailed,
    UnexpectedStatus,
    UsageError,
)
from zcp_actors.sessions.timeouts import Timeouts
from zcp_actors.transports.http.client_factory import make_http_client

V2025, V2026 = "2025-11-25", "2026-07-28"

each_era = pytest.mark.parametrize("era", [V2025, V2026])


class Server(Manners):
    """Calls of the tool `bad` fail as the test says; all others answer."""

    def __init__(self, era, bad=None):
        self.version, self._bad = era, bad
        self.holding = trio.Event()
        self.let_go = trio.Event()

    async def tools_call(self, asked, reply):
        if asked.tool == "bad":
            await self._bad(asked, reply)
            return
        if asked.tool == "held":
            self.holding.set()
            await self.let_go.wait()
        await reply.text(asked.tool)


async def reset(asked, reply):
    reply.cut()


async def reset_in_the_head(asked, reply):
    await reply.raw(b"HTTP/1.1 200 OK\r\nContent-Ty")
    reply.cut()


async def reset_in_the_stream(asked, reply):
    await reply.stream_head()
    await reply.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1}})
    reply.cut()


async def end_without_response(asked, reply):
    await reply.stream_head()
    await reply.end()


async def no_http(asked, reply):
    await reply.raw(b"SSH-2.0-OpenSSH\r\n\r\n")
    await reply.stream.aclose()


async def endless_head(asked, reply):
    await reply.raw(b"HTTP/1.1 200 OK\r\n")
    while True:
        await reply.raw(b"x-more: " + b"x" * 8000 + b"\r\n")


async def packed(asked, reply):
    await reply.whole(b"\x1f\x8b", content_type="application/json", content_encoding="gzip")


async def accepted(asked, reply):
    await reply.empty(202)


async def trouble(asked, reply):
    await reply.whole(b"<h1>oops</h1>", 502, content_type="text/html")


async def page(asked, reply):
    await reply.whole(b"<h1>hello</h1>", content_type="text/html")


async def garbage(asked, reply):
    await reply.whole(b'{"jsonrpc": "2.0", "id"', content_type="application/json")


async def another_request(asked, reply):
    await reply.json({"jsonrpc": "2.0", "id": 99, "result": {"content": []}})


async def notification(asked, reply):
    await reply.json({"jsonrpc": "2.0", "method": "notifications/message"})


FAULTS = [
    (reset, ConnectionLost),
    (reset_in_the_head, ConnectionLost),
    (reset_in_the_stream, ConnectionLost),
    (end_without_response, ConnectionLost),
    (no_http, ConnectionLost),
    (endless_head, ConnectionLost),
    (packed, ConnectionLost),
    (accepted, UnexpectedStatus),
    (trouble, UnexpectedStatus),
    (page, UnexpectedStatus),
    (garbage, InvalidResult),
    (another_request, InvalidResult),
    (notification, InvalidResult),
]


@each_era
@pytest.mark.parametrize(("fault", "error"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
async def test_a_fault_of_one_post_ends_one_call_and_no_other(era, fault, error):
    """reliability R56: one reset connection used to end every call of a client."""
    server, answers = Server(era, fault), []

    async def hold(client):
        answers.append(await text(client, "held"))

    with trio.fail_after(GUARD):
        async with (
            scripted(server) as served,
            open_runtime(),
            streamable_http_client(served.url, era=era) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(hold, client)
            await server.holding.wait()
            with pytest.raises(error):
                await client.call_tool("bad")
            assert await text(client, "after") == "after"
            server.let_go.set()
    assert answers == ["held"]


@each_era
async def test_an_error_status_with_an_error_object_is_that_error(era):
    async def refuse(asked, reply):
        await reply.error(-32602, "no such thing", status=400)

    async with OpenClient(Server(era, refuse), era) as client:
        with pytest.raises(RPCError, match="no such thing") as caught:
            await client.call_tool("bad")
        assert caught.value.code == -32602


@each_era
@pytest.mark.parametrize("form", ["JSON", "one event", "many events"])
async def test_an_endless_body_is_cut_off_at_the_limit(era, form):
    async def flood(asked, reply):
        if form == "JSON":
            await reply.head(content_type="application/json", transfer_encoding="chunked")
        else:
            await reply.stream_head()
            await reply.body(b"data: ")
        while form != "many events":
            await reply.body(b"x" * 65536)
        await reply.body(b"x" * 5_000)
        await reply.body(b"\n\n")
        for _ in range(100):
            await reply.body(b"event: other\ndata: " + b"x" * 9_000 + b"\n\n")
        await reply.event(reply.response({"content": [{"type": "text", "text": "whole"}], "resultType": "complete"}))

    async with OpenClient(Server(era, flood), era, max_message=10_000) as client:
        if form == "many events":
            assert await text(client, "bad") == "whole"
        else:
            with pytest.raises(MessageTooLarge, match="10000 bytes"):
                await client.call_tool("bad")
        assert await text(client, "after") == "after"


@each_era
async def test_a_head_that_never_ends_is_ended_by_the_calls_own_limit(era):
    gone = trio.Event()

    async def dawdle(asked, reply):
        await reply.raw(b"HTTP/1.1 200 OK\r\nx-slow: ")
        await reply.gone()
        gone.set()
        reply.cut()

    async with OpenClient(Server(era, dawdle), era) as client:
        with pytest.raises(RequestTimeout):
            await client.call_tool("bad", timeouts=Timeouts(idle=0.2, total=0.2))
        assert await text(client, "after") == "after"
        if era == V2026:
            await gone.wait()


REDIRECTS = [
    (307, "http://localhost:{port}/mcp", "another origin"),
    (308, "https://127.0.0.1:{port}/mcp", "another origin"),
    (307, "http://127.0.0.1:1/mcp", "another origin"),
    (307, "//evil.example/mcp", "another origin"),
    (302, "/elsewhere", "turn it into a GET"),
    (303, "/elsewhere", "turn it into a GET"),
]


@each_era
@pytest.mark.parametrize(("status", "location", "why"), REDIRECTS)
async def test_a_redirect_to_another_origin_is_not_followed(era, status, location, why):
    async def redirect(asked, reply):
        port = asked.headers["host"].partition(":")[2]
        await reply.empty(status, location=location.format(port=port))

    async with OpenClient(Server(era, redirect), era) as client:
        with pytest.raises(ConnectionLost, match=why):
            await client.call_tool("bad")
        assert [asked.path for asked in client.served.asked if asked.tool == "bad"] == ["/mcp"]
        assert await text(client, "after") == "after"


@each_era
async def test_a_redirect_within_the_origin_is_followed_with_the_same_request(era):
    async def redirect(asked, reply):
        if asked.path == "/mcp":
            await reply.empty(307, location="/elsewhere")
        else:
            await reply.text("there")

    async with OpenClient(Server(era, redirect), era) as client:
        assert await text(client, "bad") == "there"
        first, second = [asked for asked in client.served.asked if asked.tool == "bad"]
        assert (first.path, second.path) == ("/mcp", "/elsewhere")
        assert first.body == second.body


async def test_redirects_in_a_circle_end():
    async def redirect(asked, reply):
        await reply.empty(307, location="/mcp")

    async with OpenClient(Server(V2026, redirect), V2026) as client:
        with pytest.raises(ConnectionLost, match="more than 5 times"):
            await client.call_tool("bad")


async def test_a_server_that_is_not_there_is_told_at_the_opening():
    listening = trio.socket.socket()
    await listening.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
    with trio.fail_after(GUARD), listening:
        async with open_runtime():
            with pytest.raises(StartFailed, match="cannot be reached"):
                await streamable_http_client(url).__aenter__()


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host/mcp", "http://", "http://host:port/", "http://[::1"])
def test_what_is_no_url_is_refused_before_anything_is_opened(url):
    with pytest.raises(UsageError, match="expected a URL"):
        streamable_http_client(url)


@each_era
async def test_a_response_under_another_requests_id_is_dropped(era, caplog):
    """Answers must not cross: a stream is for one request."""

    async def mix(asked, reply):
        await reply.stream_head()
        stolen = {"content": [{"type": "text", "text": "stolen"}], "resultType": "complete"}
        for id in (held_id, str(asked.message["id"]), 12345):
            await reply.event({"jsonrpc": "2.0", "id": id, "result": stolen})
        await reply.event(reply.response({"content": [{"type": "text", "text": "own"}], "resultType": "complete"}))
        await reply.end()

    server, answers = Server(era, mix), []

    async def hold(client):
        answers.append(await text(client, "held"))

    async with OpenClient(server, era) as client, trio.open_nursery() as nursery:
        nursery.start_soon(hold, client)
        await server.holding.wait()
        held_id = next(asked.message["id"] for asked in client.served.asked if asked.tool == "held")
        with caplog.at_level(logging.WARNING):
            assert await text(client, "bad") == "own"
        server.let_go.set()
    assert answers == ["held"]
    assert caplog.text.count("dropped") == 1


@each_era
async def test_an_event_that_is_no_message_is_skipped(era):
    async def stutter(asked, reply):
        await reply.stream_head()
        await reply.body(b": hello\n\ndata: {not json\n\nevent: ping\ndata: 1\n\ndata:\n\n")
        await reply.event(reply.response({"content": [{"type": "text", "text": "whole"}], "resultType": "complete"}))
        await reply.end()

    async with OpenClient(Server(era, stutter), era) as client:
        assert await text(client, "bad") == "whole"


@each_era
async def test_a_response_that_cannot_be_read_fails_its_request(era):
    async def stutter(asked, reply):
        await reply.stream_head()
        await reply.body(b'data: {"jsonrpc":"2.0","id":%d,"result":{},"result":{}}\n\n' % asked.message["id"])
        await reply.gone()

    async with OpenClient(Server(era, stutter), era) as client:
        with pytest.raises(InvalidResult):
            await client.call_tool("bad")


@each_era
async def test_closing_leaves_a_server_that_answers_nothing_any_more(era):
    """reliability R08, R09: a stale connection, a DELETE without an answer."""

    class Frozen(Server):
        session = "s-1"

        async def DELETE(self, asked, reply):  # noqa: N802 - HTTP's name
            await reply.gone()
            reply.cut()

    with trio.fail_after(GUARD):
        async with scripted(Frozen(era)) as served, open_runtime():
            client = streamable_http_client(served.url, era=era)
            await client.__aenter__()
            began = trio.current_time()
            await client.__aexit__(None, None, None)
            assert trio.current_time() - began < 5
    assert [asked.method for asked in served.asked].count("DELETE") == (era == V2025)


@each_era
async def test_a_call_into_a_dead_server_fails_at_once(era):
    """reliability R04: a server that crashed while it worked."""
    server = Server(era)
    with trio.fail_after(GUARD):
        async with open_runtime():
            async with scripted(server) as served:
                client = streamable_http_client(served.url, era=era)
                await client.__aenter__()
                lost = []

                async def hold():
                    try:
                        await client.call_tool("held")
                    except ConnectionLost as error:
                        lost.append(error)

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(hold)
                    await server.holding.wait()
                    served.die()
            assert lost
            with pytest.raises(ConnectionLost, match="cannot be reached"):
                await client.call_tool("after")
            await client.close()


@each_era
async def test_what_both_ends_say_is_tapped(era):
    lines = []
    async with OpenClient(Server(era), era, tap=lambda *line: lines.append(line)) as client:
        await client.call_tool("any")
    out = [json.loads(line).get("method") for side, line in lines if side == "out"]
    assert out[-1] == "tools/call"
    assert json.loads([line for side, line in lines if side == "in"][-1])["result"]["content"]


@each_era
async def test_a_body_that_a_hook_of_the_client_has_read_is_read_by_the_session_all_the_same(era):
    """Hooks of httpx, and its authentication, may: https://www.python-httpx.org/advanced/event-hooks/."""

    read = []

    async def hook(response):
        if response.headers.get("content-type") == "application/json":
            read.append(await response.aread())

    client = make_http_client()
    client.event_hooks = {"response": [hook]}
    with trio.fail_after(GUARD):
        async with (
            scripted(Server(era)) as served,
            open_runtime(),
            client,
            streamable_http_client(served.url, era=era, http_client=client) as session,
        ):
            assert (await session.call_tool("good")).content[0].text == "good"
    assert any(b"good" in body for body in read)
