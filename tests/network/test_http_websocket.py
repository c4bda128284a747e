"""
The websocket beside the endpoint for HTTP: in `serve_http`, and in the ASGI application by hand.

Source: MCP basic/transports, custom transports, and Security (Origin and Host before any upgrade); the ASGI
specification, websocket scope; RFC 6455, 7.4.1.
"""

from __future__ import annotations

import json
import math
import os
import signal
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
import trio
import trio.testing
import trio_websocket
from network.http_site import Gates, modern, stage

from zcp_actors import HTTPConfig, ServerHandle, create_asgi_app, open_runtime, serve_http, websocket_client
from zcp_actors.errors import HTTPRefused, StartFailed
from zcp_actors.transports.http import hypercorn_websocket, serve
from zcp_actors.transports.http.patience import PatientStream

KEYS = ["a key that only tests would ever use"]
GUARD = 30
MIB = 1 << 20

each_era = pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])


class Served:
    def __init__(self, gates, runtime):
        self.gates, self.runtime = gates, runtime
        self.scope, self.ended, self.outcome = trio.CancelScope(), trio.Event(), None

    async def run(self, start, task_status):
        async with trio.open_nursery() as nursery:
            (self.http,) = await nursery.start(self._serve, start)
            self.port = int(self.http.split(":")[2].split("/")[0])
            self.url = f"ws://127.0.0.1:{self.port}/ws"
            task_status.started()

    async def _serve(self, start, task_status):
        with self.scope:
            self.outcome = await start(task_status=task_status)
        self.ended.set()


@asynccontextmanager
async def served(*, grace=0.1, signals=False, **options):
    """A stage in `serve_http`."""
    gates = Gates()
    with trio.fail_after(GUARD):
        async with open_runtime(grace=1) as runtime, trio.open_nursery() as nursery:
            start = partial(serve_http, runtime, ServerHandle(stage(gates), keys=KEYS), port=0, signals=signals)
            server = Served(gates, runtime)
            await nursery.start(server.run, partial(start, grace=grace, config=HTTPConfig(**options)))
            yield server
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def bare(server, **options):
    """A websocket without a client of ours."""
    stream = await trio.open_tcp_stream("127.0.0.1", server.port)
    try:
        async with trio.open_nursery() as nursery:
            yield await trio_websocket.wrap_client_stream(nursery, stream, "127.0.0.1", "/ws", **options)
            nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)


@asynccontextmanager
async def raw(server):
    """A socket after the upgrade, whose owner neither reads nor answers."""
    async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        head = f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n\r\n"
        await stream.send_all(head.encode())
        while b"\r\n\r\n" not in await stream.receive_some():
            pass
        yield stream


def frame(text):
    """A text in one frame, masked with zeros."""
    size = len(text)
    return (
        b"\x81" + (bytes([128 + size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")) + bytes(4) + text.encode()
    )


async def closing_of(socket):
    """Code and reason of the closing, once everything before has been read."""
    with pytest.raises(trio_websocket.ConnectionClosed) as caught:
        while True:
            await socket.get_message()
    return caught.value.reason.code, caught.value.reason.reason


async def upgrade(server, host="127.0.0.1", path="/ws", more=()):
    """The head of the answer to an upgrade."""
    async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *more, "", ""]
        await stream.send_all("\r\n".join(lines).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some()
    status, *headers = head.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
    return int(status.split()[1]), headers


def call(tool, id=1, **arguments):
    return json.dumps(modern("tools/call", {"name": tool, "arguments": arguments}, id=id)["json"])


async def alive(client):
    return (await client.call_tool("add", {"a": 1, "b": 2})).content[0].text == "3"


# ------------------------------------------------------------------------------------------------ what is said
@each_era
async def test_a_tool_samples_and_elicits_over_the_websocket_of_an_http_server(era):
    heard = []
    answers = {
        "sampling_handler": lambda _: "short",
        "elicitation_handler": lambda _: {"accepted": True, "data": {"ok": True}},
    }
    async with served() as server, websocket_client(server.url, era=era, **answers) as client:
        assert client.protocol_version == era
        assert (await client.call_tool("draft")).content[0].text == "short"
        assert (await client.call_tool("approve")).content[0].text == "accept True"
        await client.call_tool("report", {"count": 3}, on_progress=lambda report: heard.append(report.progress))
    assert heard == [1, 2, 3]


@each_era
async def test_a_client_that_leaves_ends_its_calls_and_no_others(era):
    async with served() as server, websocket_client(server.url) as other:
        client = websocket_client(server.url, era=era)
        await client.__aenter__()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call_tool, "gate")
            await server.gates.until(entered=1)
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await client.close()
                await server.gates.until(ended=1)
        assert server.gates.ended == ["cancelled"]
        assert await alive(other)


async def test_the_subprotocol_is_named_where_it_was_offered_and_nothing_is_compressed():
    async with served() as server:
        async with bare(server, subprotocols=["soap", "mcp"]) as socket:
            assert socket.subprotocol == "mcp"
        async with bare(server) as socket:
            assert socket.subprotocol is None
        status, headers = await upgrade(server, more=["Sec-WebSocket-Extensions: permessage-deflate"])
        assert status == 101
        assert not any(each.startswith("sec-websocket-extensions") for each in headers)


# ------------------------------------------------------------------------------------------------ the upgrade
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://evil.example", 403),
        ("http://127.0.0.1.evil.example", 403),
        ("null", 403),
        ("http://localhost:3000", 101),
        (None, 101),
    ],
)
async def test_the_origin_is_judged_before_the_upgrade(origin, status):
    async with served() as server:
        assert (await upgrade(server, more=[f"Origin: {origin}"] if origin else []))[0] == status


@pytest.mark.parametrize(("host", "status"), [("localhost:99", 101), ("evil.example", 421), ("a@b", 421)])
async def test_the_host_is_judged_before_the_upgrade(host, status):
    async with served() as server:
        assert (await upgrade(server, host))[0] == status


async def test_no_other_path_and_the_path_that_was_configured_opens_a_websocket():
    async with served(websocket_endpoint="/socket") as server:
        assert [(await upgrade(server, path=path))[0] for path in ("/ws", "/mcp", "/socket", "/socket/")] == [
            404,
            404,
            101,
            101,
        ]


async def test_who_is_not_known_is_refused_and_who_is_keeps_their_name():
    async def authenticate(scope):
        if dict(scope["headers"]).get(b"authorization") != b"Bearer secret":
            raise HTTPRefused(401, "who are you?", headers=[("WWW-Authenticate", "Bearer")])
        return "ada"

    async with served(authenticate=authenticate) as server:
        status, headers = await upgrade(server)
        assert status == 401
        assert "www-authenticate: bearer" in headers
        async with websocket_client(server.url, headers={"Authorization": "Bearer secret"}) as client:
            assert (await client.call_tool("who")).content[0].text == "ada"


async def test_beyond_the_limit_no_websocket_is_opened_until_one_is_closed():
    async with served(max_websockets=1) as server, httpx.AsyncClient() as http:
        ready = server.http.replace("/mcp", "/readyz")
        async with websocket_client(server.url):
            with pytest.raises(StartFailed, match="503"):
                await websocket_client(server.url).__aenter__()
            assert (await http.get(ready)).json() == {"status": "full"}
        while (await http.get(ready)).status_code != 200:
            await trio.lowlevel.checkpoint()
        async with websocket_client(server.url) as client:
            assert await alive(client)


# ------------------------------------------------------------------------------------------------ frames
async def test_a_binary_frame_closes_its_connection_with_1003_and_no_other():
    async with served() as server, websocket_client(server.url) as client, bare(server) as socket:
        await socket.send_message(b"{}")
        assert (await closing_of(socket))[0] == 1003
        assert await alive(client)


@pytest.mark.parametrize("text", ["x" * 2000, "\u20ac" * 500], ids=["characters", "bytes"])
async def test_a_message_beyond_the_limit_closes_its_connection_with_1009_and_no_other(text):
    """The server counts characters, we count what they weigh."""
    async with served(max_message=1000) as server, websocket_client(server.url) as client, bare(server) as socket:
        await socket.send_message(text)
        assert (await closing_of(socket))[0] == 1009
        assert await alive(client)


async def test_who_goes_on_with_a_message_that_is_too_big_is_cut_off_and_nothing_of_it_kept(monkeypatch):
    monkeypatch.setattr(hypercorn_websocket, "CLOSE_SECONDS", 0.2)
    buffers = []
    made = hypercorn_websocket.ForgetfulBuffer.__init__

    def noted(buffer, *arguments):
        made(buffer, *arguments)
        buffers.append(buffer)

    monkeypatch.setattr(hypercorn_websocket.ForgetfulBuffer, "__init__", noted)
    async with served(max_message=1000) as server, raw(server) as stream:
        await stream.send_all(b"\x01\xff" + (MIB * MIB).to_bytes(8, "big") + bytes(4))
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"x" * 1000)
        assert [buffer.value for buffer in buffers] == [None]


async def test_who_floods_and_ignores_a_goodbye_leaves_nothing_behind(monkeypatch):
    """`abort` is the last thing that happens in the task of a connection."""
    monkeypatch.setattr("zcp_actors.transports.websocket.CLOSE_SECONDS", 0.1)
    over = trio.Event()
    monkeypatch.setattr(PatientStream, "abort", lambda _: over.set())
    async with served() as server, raw(server) as stream:
        await stream.send_all(b"\x82\x80" + bytes(4))
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await stream.send_all(frame("{}") * 100)
        await over.wait()


@pytest.mark.parametrize(("sent", "code"), [("{not json", -32700), ("[]", -32600)])
async def test_a_text_that_is_no_message_is_refused_and_the_next_one_answered(sent, code):
    async with served() as server, bare(server) as socket:
        await socket.send_message(sent)
        await socket.send_message(call("add", 8, a=1, b=2))
        assert json.loads(await socket.get_message())["error"]["code"] == code
        assert json.loads(await socket.get_message())["id"] == 8


async def test_a_client_that_answers_no_ping_is_gone(monkeypatch):
    monkeypatch.setattr(serve, "PING_SECONDS", 0.05)
    monkeypatch.setattr(hypercorn_websocket, "PING_SECONDS", 0.05)
    monkeypatch.setattr(hypercorn_websocket, "PONG_SECONDS", 0.2)

    async def deaf(socket, event):
        pass

    async with served() as server:
        monkeypatch.setattr(trio_websocket.WebSocketConnection, "_handle_ping_event", deaf)
        async with bare(server) as socket:
            await socket.send_message(call("gate"))
            await server.gates.until(ended=1)
    assert server.gates.ended == ["cancelled"]


async def test_a_client_that_answers_pings_is_there(monkeypatch):
    monkeypatch.setattr(serve, "PING_SECONDS", 0.02)
    monkeypatch.setattr(hypercorn_websocket, "PING_SECONDS", 0.02)
    monkeypatch.setattr(hypercorn_websocket, "PONG_SECONDS", 5)
    pings = []
    pong = trio_websocket.WebSocketConnection._handle_ping_event

    async def counted(socket, event):
        await pong(socket, event)
        pings.append(event)

    monkeypatch.setattr(trio_websocket.WebSocketConnection, "_handle_ping_event", counted)
    async with served() as server, websocket_client(server.url) as client:
        while len(pings) < 6:
            await trio.lowlevel.checkpoint()
        assert await alive(client)


async def test_a_client_that_reads_nothing_and_dies_leaves_nothing_behind(monkeypatch):
    """Writer and reader of one connection waited for each other: for room, and for somebody who takes events."""
    monkeypatch.setattr("zcp_actors.transports.websocket.HIGH_WATER_BYTES", 1000)
    async with served() as server:
        async with bare(server, receive_buffer_size=1) as socket:
            for number in range(40):
                await socket.send_message(call("huge", number, size=MIB))
        while "-server-" in str(server.runtime.tree()):
            await trio.lowlevel.checkpoint()


# ------------------------------------------------------------------------------------------------ the end
@pytest.mark.parametrize(("grace", "words"), [(20, "gate passed"), (0.1, "the server is shutting down")])
async def test_after_a_signal_what_is_in_flight_is_answered_or_told_and_the_socket_closed_with_1001(grace, words):
    async with served(grace=grace, signals=True) as server, bare(server) as busy, bare(server) as idle:
        await busy.send_message(call("gate"))
        await server.gates.until(entered=1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await closing_of(idle) == (1001, "the server is shutting down")
        if grace > 1:
            server.gates.go.set()
        assert words in await busy.get_message()
        assert await closing_of(busy) == (1001, "the server is shutting down")
        began = trio.current_time()
        await server.ended.wait()
        assert trio.current_time() - began < 0.9
        assert server.outcome == signal.SIGTERM


async def test_a_cancelled_server_waits_for_no_goodbye():
    async with served() as server, raw(server) as stream:
        await stream.send_all(frame(call("gate")))
        await server.gates.until(entered=1)
        began = trio.current_time()
        server.scope.cancel()
        await server.ended.wait()
        assert trio.current_time() - began < 1


async def test_rest_between_pings_ends_with_the_connection():
    ours, theirs = trio.socket.socketpair()
    with trio.fail_after(GUARD):
        stream = PatientStream(trio.SocketStream(ours))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.rest, 3600)
            await trio.testing.wait_all_tasks_blocked()
            theirs.close()
            assert await stream.receive_some() == b""
        await stream.aclose()


# ------------------------------------------------------------------------------------------------ ASGI by hand
class Visit:
    """One websocket scope of an application, played by the test."""

    def __init__(self, asgi, **scope):
        headers = [(b"host", b"localhost"), *scope.pop("headers", [])]
        known = {"type": "websocket", "path": "/ws", "subprotocols": [], "extensions": {}}
        self.asgi, self.scope = asgi, {**known, **scope, "headers": headers}
        self._in, self._taken = trio.open_memory_channel(math.inf)
        self._put, self.out = trio.open_memory_channel(math.inf)
        self.say("websocket.connect")

    def say(self, type, **event):
        self._in.send_nowait({"type": type, **event})

    async def run(self):
        await self.asgi(self.scope, self._taken.receive, self._put.send)
        self._put.close()

    async def rest(self):
        return [event async for event in self.out]


@asynccontextmanager
async def by_hand(**options):
    """Gives what begins a visit."""
    with trio.fail_after(GUARD):
        async with open_runtime(grace=1) as runtime, trio.open_nursery() as nursery:
            handle = ServerHandle(stage(Gates()), keys=KEYS)
            asgi = create_asgi_app(handle, HTTPConfig(**options), runtime=runtime)

            def begin(**scope):
                visit = Visit(asgi, **scope)
                nursery.start_soon(visit.run)
                return visit

            yield begin
            nursery.cancel_scope.cancel()


EVIL = {"headers": [(b"origin", b"https://evil.example")]}


async def test_a_refusal_is_a_response_where_the_server_can_give_one():
    async with by_hand() as begin:
        start, body = await begin(**EVIL, extensions={"websocket.http.response": {}}).rest()
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
        assert dict(start["headers"])[b"content-type"] == b"application/json"
        assert b"allowed_origins" in body["body"]


async def test_a_refusal_is_a_closing_before_the_upgrade_elsewhere():
    async with by_hand(max_websockets=0) as begin:
        (refused,) = await begin(**EVIL).rest()
        assert (refused["type"], refused["code"]) == ("websocket.close", 1008)
        (full,) = await begin().rest()
        assert (full["type"], full["code"]) == ("websocket.close", 1013)


async def test_a_visitor_is_accepted_answered_and_may_leave():
    async with by_hand() as begin:
        visit = begin(subprotocols=["mcp"], path="/mount/ws", root_path="/mount")
        accepted = await visit.out.receive()
        assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", "mcp")
        visit.say("websocket.receive", text=call("add", 5, a=1, b=2))
        said = json.loads((await visit.out.receive())["text"])
        assert (said["id"], said["result"]["content"][0]["text"]) == (5, "3")
        visit.say("websocket.disconnect", code=1001)
        assert await visit.rest() == []


async def test_a_goodbye_waits_for_its_answer():
    async with by_hand() as begin:
        visit = begin()
        await visit.out.receive()
        visit.say("websocket.receive", bytes=b"{}")
        closed = await visit.out.receive()
        assert (closed["type"], closed["code"]) == ("websocket.close", 1003)
        with pytest.raises(trio.WouldBlock):
            visit.out.receive_nowait()
        visit.say("websocket.disconnect", code=1003)
        assert await visit.rest() == []


async def test_a_draining_application_closes_its_visitors_and_takes_no_more():
    async with by_hand() as begin:
        visit = begin()
        await visit.out.receive()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visit.asgi.drain, 1)
            closed = await visit.out.receive()
            visit.say("websocket.disconnect", code=1001)
        assert (closed["type"], closed["code"]) == ("websocket.close", 1001)
        (refused,) = await begin().rest()
        assert refused["code"] == 1013


async def test_nobody_is_let_in_while_a_draining_application_still_answers(autojump_clock):
    async with by_hand() as begin:
        busy = begin()
        await busy.out.receive()
        busy.say("websocket.receive", text=call("gate"))
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(busy.asgi.drain, 10)
            await trio.testing.wait_all_tasks_blocked()
            (refused,) = await begin().rest()
            assert refused["code"] == 1013
            busy.say("websocket.disconnect", code=1001)
