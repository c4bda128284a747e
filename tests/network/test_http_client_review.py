"""
The HTTP clients and servers that say too much, too early or too often.
"""

from __future__ import annotations

import math
from base64 import b64encode
from hashlib import sha1

import pytest
import trio
from network.test_http_client_old_sse import Old
from opened import GUARD, OpenClient, text
from scripted_http import Manners, scripted

from zcp_actors import open_runtime, sse_client, streamable_http_client, websocket_client
from zcp_actors.errors import StartFailed, UsageError
from zcp_actors.transports.http.old_sse import MAX_EARLY

V2025, V2026 = "2025-11-25", "2026-07-28"

each_era = pytest.mark.parametrize("era", [V2025, V2026])


@each_era
async def test_a_server_that_sends_ever_more_cookies_is_sent_back_a_few(era):
    """Kept without a limit, they made each request longer, until the server took none."""

    class Baker(Manners):
        version, baked = era, 0

        async def tools_call(self, asked, reply):
            self.baked += 1
            cookies = {"set_cookie": f"cookie{self.baked}={'x' * 1000}"}
            await reply.result({"content": [{"type": "text", "text": "x"}], "resultType": "complete"}, **cookies)

    async with OpenClient(Baker(), era) as client:
        for _ in range(10):
            await text(client, "any")
        sent = client.served.asked[-1].headers["cookie"]
        assert "cookie1=" in sent
        assert len(sent) < 5000


async def test_a_notification_beyond_the_limit_is_lost_alone(caplog):
    """It ended the whole client: nobody had asked for the stream that it came by."""
    again = trio.Event()

    class Loud(Manners):
        version, streams = V2025, 0

        async def GET(self, asked, reply):  # noqa: N802 - HTTP's name
            self.streams += 1
            await reply.stream_head()
            if self.streams == 1:
                await reply.body(b"retry: 50\n\ndata: " + b"x" * 20_000)
            else:
                again.set()
            await reply.gone()

    async with OpenClient(Loud(), V2025, max_message=10_000) as client:
        await again.wait()
        assert await text(client, "after") == "after"
    assert "a notification is lost" in caplog.text


@pytest.mark.parametrize("greetings", [1, 100])
async def test_what_an_old_server_says_before_it_is_asked_is_kept_within_a_limit(greetings, caplog):
    class Greeting(Old):
        async def GET(self, asked, reply):  # noqa: N802 - HTTP's name
            await reply.stream_head()
            self.stream = reply
            hello = b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}\n\n'
            await reply.body(b"event: endpoint\ndata: /messages\n\n" + hello * greetings)
            await self.cut.wait()
            reply.cut()

    logged = []
    with trio.fail_after(GUARD):
        async with (
            scripted(Greeting()) as served,
            open_runtime(),
            sse_client(served.url, log_handler=logged.append) as client,
        ):
            assert await text(client, "any") == "any"
    dropped = caplog.text.count("dropped")
    assert len(logged) + dropped == greetings
    assert (dropped > 0) == (greetings > MAX_EARLY)


@pytest.mark.parametrize("scheme", ["https", "wss"])
async def test_a_failed_handshake_of_tls_says_why(scheme):
    with trio.fail_after(GUARD):
        async with scripted(Manners()) as served, open_runtime():
            client = websocket_client if scheme == "wss" else streamable_http_client
            with pytest.raises(StartFailed, match="SSL"):
                await client(served.url.replace("http", scheme)).__aenter__()


async def test_a_server_that_came_to_hang_up_on_newer_questions_is_asked_the_older_ones():
    """It was remembered as newer, and for as long as the program ran no client could be opened again."""

    class Changing(Manners):
        async def server_discover(self, asked, reply):
            if self.version == V2025:
                reply.cut()
            await super().server_discover(asked, reply)

    server = Changing()
    with trio.fail_after(GUARD):
        async with scripted(server) as served, open_runtime():
            async with streamable_http_client(served.url) as client:
                assert client.protocol_version == V2026
            server.version = V2025
            async with streamable_http_client(served.url) as client:
                assert client.protocol_version == V2025


async def test_an_old_server_that_does_not_answer_at_all_is_a_failed_start(monkeypatch):
    monkeypatch.setattr("zcp_actors.transports.http.old_sse.ENDPOINT_SECONDS", 0.1)

    async def silent(asked, reply):
        await reply.gone()
        reply.cut()

    with trio.fail_after(GUARD):
        async with scripted(silent) as served, open_runtime():
            with pytest.raises(StartFailed, match=r"within 0\.1 s"):
                await sse_client(served.url).__aenter__()


async def endless_head(reply, accept):
    await reply.raw(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        await reply.raw(b"x-more: " + b"x" * 8000 + b"\r\n")


async def endless_refusal(reply, accept):
    await reply.raw(b"HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await reply.raw(b"10000\r\n" + b"x" * 65536 + b"\r\n")


async def no_http(reply, accept):
    await reply.raw(b"SSH-2.0-OpenSSH\r\n\r\n")


def upgraded(accept, *more):
    lines = ["HTTP/1.1 101 Switching Protocols", "upgrade: websocket", "connection: upgrade", *more]
    return "\r\n".join([*lines, f"sec-websocket-accept: {accept}", "", ""]).encode()


async def wrong_proof(reply, accept):
    await reply.raw(upgraded("wrong"))


async def another_protocol(reply, accept):
    await reply.raw(upgraded(accept, "sec-websocket-protocol: chat"))


async def compression(reply, accept):
    await reply.raw(upgraded(accept, "sec-websocket-extensions: permessage-deflate"))


async def redirect(reply, accept):
    await reply.empty(302, location="http://evil.example/")


NO_UPGRADES = [endless_head, endless_refusal, no_http, wrong_proof, another_protocol, compression, redirect]


@pytest.mark.parametrize("answer", NO_UPGRADES, ids=lambda each: each.__name__)
async def test_an_answer_that_is_no_upgrade_is_a_failed_start(answer, monkeypatch):
    """The library's own stumbling over it came out as it was, and a refusal without an end was kept in memory."""
    monkeypatch.setattr("zcp_actors.transports.websocket_way.OPEN_SECONDS", math.inf)

    async def visit(asked, reply):
        key = asked.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        await answer(reply, b64encode(sha1(key.encode()).digest()).decode())
        await reply.gone()
        reply.cut()

    with trio.fail_after(GUARD):
        async with scripted(visit) as served, open_runtime():
            with pytest.raises(StartFailed, match="did not open a websocket"):
                await websocket_client(served.url.replace("http:", "ws:")).__aenter__()
    assert [asked.path for asked in served.asked] == ["/mcp"]


async def test_identity_is_no_packing_however_it_is_written():
    class Shouting(Manners):
        async def tools_call(self, asked, reply):
            await reply.result({"content": [], "resultType": "complete"}, content_encoding="Identity")

    async with OpenClient(Shouting()) as client:
        assert (await client.call_tool("any")).content == []


@pytest.mark.parametrize("era", [None, V2026])
def test_the_old_transport_refuses_an_era_that_it_cannot_carry(era):
    """It waited for an introduction that this era does not have."""
    with pytest.raises(UsageError, match="2025-11-25 only"):
        sse_client("http://host/sse", era=era)


@pytest.mark.parametrize("client", [streamable_http_client, sse_client])
async def test_a_server_that_asks_and_takes_no_answers_costs_few_sockets_and_no_other_call(client, monkeypatch, caplog):
    """Each answer had a connection of its own, until the host could open no file any more."""
    monkeypatch.setattr("zcp_actors.transports.http.client_stateful.NOTICES_AT_ONCE", 2)
    monkeypatch.setattr("zcp_actors.transports.http.client_stateful.MAX_NOTICES", 5)
    take, taken = trio.Event(), []

    class Deaf(Old if client is sse_client else Manners):
        version = V2025

        async def __call__(self, asked, reply):
            if asked.method != "POST" or asked.rpc:
                await super().__call__(asked, reply)
                return
            taken.append(asked.message["id"])
            await take.wait()
            await reply.empty(202)

        async def tools_call(self, asked, reply):
            await reply.stream_head()
            await self.ask(reply, asked)
            await reply.event(reply.response({"content": [{"type": "text", "text": asked.tool}]}))
            await reply.end()

        async def answer(self, asked):
            await self.ask(self.stream, asked)
            await super().answer(asked)

        async def ask(self, reply, asked):
            for number in range(10 if asked.tool == "asking" else 0):
                await reply.event({"jsonrpc": "2.0", "id": f"ping {number}", "method": "ping"})

    with trio.fail_after(GUARD):
        async with scripted(Deaf()) as served, open_runtime(), client(served.url, era=V2025) as opened:
            assert await text(opened, "asking") == "asking"
            assert await text(opened, "after") == "after"
            while len(taken) < 2:
                await trio.lowlevel.checkpoint()
            assert await text(opened, "again") == "again"
            assert len(taken) == 2
            take.set()
            while len(taken) < 5:
                await trio.lowlevel.checkpoint()
            assert await text(opened, "last") == "last"
    assert sorted(taken) == [f"ping {number}" for number in range(5)]
    assert caplog.text.count("does not take the answers") == 1


async def test_what_a_server_names_is_not_logged_at_length_or_each_time(caplog):
    name = "x" * 100_000
    schema = {"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": f"{name} "}}}

    class Wordy(Manners):
        async def tools_list(self, asked, reply):
            tools = [{"name": name, "inputSchema": schema}]
            await reply.result({"tools": tools, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"})

        async def tools_call(self, asked, reply):
            await reply.stream_head()
            for number in range(100):
                await reply.event({"jsonrpc": "2.0", "id": f"{number}{name}", "result": {}})
            await reply.event(reply.response({"content": [], "resultType": "complete"}))
            await reply.end()

    async with OpenClient(Wordy()) as client:
        assert (await client.list_tools()).tools == []
        assert (await client.call_tool("any")).content == []
    assert "(no. 100)" in caplog.text
    assert len(caplog.text) < 5000
