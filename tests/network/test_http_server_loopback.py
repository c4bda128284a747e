"""The HTTP server on a socket of this machine: clients of others, resets, readers that do not read, memory."""

from __future__ import annotations

import gc
import json
import socket
import struct
import tracemalloc
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import pairwise
from statistics import median

import httpx
import mcp_types as types
import pytest
import trio
import trio.testing
from h11 import LocalProtocolError
from mcp import Client
from network.http_site import Gates, modern, site, stage

from zcp_actors import ServerHandle, open_runtime
from zcp_actors.errors import StartFailed, UsageError
from zcp_actors.sessions.state_keys import STATE_KEYS
from zcp_actors.transports.http import serve
from zcp_actors.transports.http.config import IDLE_SECONDS, HTTPConfig
from zcp_actors.transports.http.hypercorn_websocket import Attended
from zcp_actors.transports.http.patience import PatientStream
from zcp_actors.transports.http.serve import serve_http

MODES = {"legacy": "2025-11-25", "auto": "2026-07-28"}

pytestmark = pytest.mark.filterwarnings(
    "ignore::mcp.shared.exceptions.MCPDeprecationWarning",
    # The package's client leaves its generators to the garbage collector whenever it stops reading events.
    "ignore:Exception ignored in. <async_generator object:pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(autouse=True)
def state_key(monkeypatch):
    monkeypatch.setenv(STATE_KEYS, "a key that only tests would ever use")


class Served:
    def __init__(self, url, gates, app, runtime):
        self.url, self.gates, self.app, self.runtime = url, gates, app, runtime
        self.address = ("127.0.0.1", int(url.split(":")[2].split("/")[0]))

    async def connect(self):
        return await trio.open_tcp_stream(*self.address)

    async def send(self, request):
        """A request on a socket of its own, whose response is not read."""
        stream = await self.connect()
        body = json.dumps(request["json"]).encode()
        head = {**request["headers"], "host": "localhost", "content-type": "application/json"}
        lines = [f"{name}: {value}" for name, value in {**head, "content-length": len(body)}.items()]
        await stream.send_all("\r\n".join(["POST /mcp HTTP/1.1", *lines, "", ""]).encode() + body)
        return stream


@asynccontextmanager
async def served(**options):
    gates = Gates()
    app = stage(gates)
    with trio.fail_after(30):
        async with open_runtime(grace=1) as runtime, trio.open_nursery() as nursery:
            start = partial(serve_http, runtime, ServerHandle(app), port=0, signals=False, config=HTTPConfig(**options))
            (url,) = await nursery.start(start)
            yield Served(url, gates, app, runtime)
            nursery.cancel_scope.cancel()


def call(tool, arguments=None, **more):
    return modern("tools/call", {"name": tool, "arguments": arguments or {}}, name=tool, **more)


def reset(stream):
    """Close with RST instead of FIN, as a crash or a router does."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


# ------------------------------------------------------------------------------------------------ a client of others
@pytest.mark.parametrize("mode", MODES)
async def test_the_mcp_package_s_client_uses_every_part_of_a_call(mode):
    asked = []

    async def person(_, params):
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"ok": True})

    async def model(_, params):
        text = types.TextContent(type="text", text=f"{params.messages[0].content.text} short")
        return types.CreateMessageResult(role="assistant", content=text, model="tiny")

    async def heard(progress, total, message):
        asked.append(progress)

    async with served() as server:
        options = {"elicitation_callback": person, "sampling_callback": model}
        async with Client(server.url, mode=mode, cache=None, **options) as client:
            assert client.protocol_version == MODES[mode]
            assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}
            assert (await client.call_tool("draft", {})).content[0].text == "Write short"
            assert (await client.call_tool("approve", {})).content[0].text == "accept True"
            await client.call_tool("report", {"count": 3}, progress_callback=heard)
            assert asked == ["Sure?", 1, 2, 3]
            assert (await client.read_resource("memo://one")).contents[0].text == "1"


@pytest.mark.parametrize("mode", MODES)
async def test_the_mcp_package_s_client_cancels_a_call(mode):
    async with served() as server, Client(server.url, mode=mode, cache=None) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call_tool, "gate", {})
            await server.gates.began.wait()
            nursery.cancel_scope.cancel()
        await server.gates.until(ended=1)
        assert server.gates.ended == ["cancelled"]
        assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}


@pytest.mark.parametrize("mode", MODES)
async def test_a_hundred_calls_of_two_clients_at_once_get_their_own_answers(mode):
    """R46, R48 of the peers' failures."""
    async with served() as server, Client(server.url, mode=mode) as one, Client(server.url, mode=mode) as two:
        results = {}

        async def add(client, a, b):
            results[a, b] = (await client.call_tool("add", {"a": a, "b": b})).structured_content["result"]

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(add, one, number, 1000)
                nursery.start_soon(add, two, number, 2000)

    assert results == {(a, b): a + b for a in range(50) for b in (1000, 2000)}


# ------------------------------------------------------------------------------------------------ bad connections
async def test_a_reset_ends_one_call_and_no_other():
    """c15 of the peers' failures: the whole client died."""
    async with served() as server, httpx.AsyncClient(timeout=None) as http, trio.open_nursery() as nursery:
        replies = []

        async def other():
            replies.append((await http.post(server.url, **call("gate", {"name": "other"}))).json())

        nursery.start_soon(other)
        await server.gates.began.wait()
        stream = await server.send(call("gate", {"name": "cut"}))
        await server.gates.until(entered=2)
        reset(stream)
        await server.gates.until(ended=1)
        assert server.gates.ended == ["cancelled"]
        server.gates.go.set()

    assert replies[0]["result"]["content"][0]["text"] == "other passed"


async def test_clients_that_break_off_in_the_middle_of_anything_harm_nobody():
    """R52, R78: half a head, half a body, no HTTP at all; then a reset."""
    async with served() as server, httpx.AsyncClient() as http:
        whole = (
            b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
        )
        for cut in (b"POST /m", b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9\r\n\r\n", whole, whole[:60]):
            for _ in range(10):
                stream = await server.connect()
                await stream.send_all(cut)
                reset(stream)
        reply = await http.post(server.url, **call("add", {"a": 1, "b": 2}))

        assert reply.json()["result"]["structuredContent"] == {"result": 3}


async def test_an_upgrade_that_is_none_ends_its_connection_and_leaves_no_traceback_in_the_log(caplog, monkeypatch):
    """R52: anybody can send such bytes, as often as they like."""
    monkeypatch.setattr(serve, "HEADER_SECONDS", 0.1)
    upgrade = b"GET /%s HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n%s\r\n\r\n"
    bad = (
        upgrade % (b"ws", b"upgrade: websocket\r\nsec-websocket-version: 7\r\nsec-websocket-key: AAAA") + b"\xff" * 50,
        upgrade % (b"ws", b"upgrade: websocket\r\nsec-websocket-version: 7\r\nsec-websocket-key: AAAA"),
        upgrade % (b"healthz", b"upgrade: h2c\r\nhttp2-settings: A"),
    )
    async with served() as server:
        for data in bad:
            async with await server.connect() as stream:
                await stream.send_all(data)
                while await stream.receive_some():
                    pass

    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_a_response_that_crosses_one_to_bytes_that_are_no_http_is_nobody_s_error():
    """hypercorn answers a malformed body itself; the application may have begun to."""

    async def answer(*_):
        await trio.lowlevel.checkpoint()
        raise fault

    fault: Exception = LocalProtocolError("can't handle event type Response when state=SEND_BODY")
    attended = Attended(answer, PatientStream(None))
    scope = {"type": "http", "http_version": "1.1"}
    await attended(scope, None, None, None, None)
    fault = KeyError("ours")
    with pytest.raises(KeyError):
        await attended(scope, None, None, None, None)


async def test_a_head_that_does_not_come_is_not_waited_for(monkeypatch):
    """c14 of the peers' failures: half-open connections were never closed."""
    monkeypatch.setattr(serve, "HEADER_SECONDS", 0.1)
    async with served() as server:
        silent, slow = await server.connect(), await server.connect()
        await slow.send_all(b"POST /mcp HTTP/1.1\r\nhost: local")

        async with silent, slow:
            assert await silent.receive_some() == b""
            assert await slow.receive_some() == b""


async def test_a_client_of_http_2_that_only_greets_is_not_waited_for(monkeypatch):
    """RFC 9113, 3.4: hypercorn takes the preface for a request, after which it waits for the next one without end."""
    monkeypatch.setattr(serve, "HEADER_SECONDS", 0.1)
    async with served() as server, await server.connect() as stream:
        await stream.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0")
        while await stream.receive_some():
            pass


async def test_one_connection_too_many_is_closed_at_once_and_the_others_are_served(monkeypatch):
    """Without a limit the process would run out of files, and then serve nobody."""
    monkeypatch.setattr(serve, "MAX_CONNECTIONS", 3)
    async with served() as server, httpx.AsyncClient() as http:
        assert (await http.post(server.url, **call("add", {"a": 1, "b": 2}))).status_code == 200
        kept = [await server.connect() for _ in range(2)]
        one_too_many = await server.connect()
        with suppress(trio.BrokenResourceError):
            assert await one_too_many.receive_some() == b""
        assert (await http.post(server.url, **call("add", {"a": 2, "b": 2}))).status_code == 200
        for stream in (*kept, one_too_many):
            await stream.aclose()


async def test_a_stream_that_nobody_reads_leaves_the_others_alone():
    """c08: one held stream made the others wait a second."""
    async with served() as server, httpx.AsyncClient() as http:

        async def latency():
            times = []
            for _ in range(40):
                began = trio.current_time()
                await http.post(server.url, **call("add", {"a": 1, "b": 2}))
                times.append(trio.current_time() - began)
            return median(times)

        alone = await latency()
        chatty = {"meta": {"io.modelcontextprotocol/logLevel": "info"}}
        held = await server.send(call("chatter", {"count": 200_000}, **chatty))
        beside = await latency()
        await held.aclose()

    assert beside < 3 * alone + 0.005


async def test_a_peer_that_reads_nothing_is_taken_for_gone():
    ours, theirs = trio.socket.socketpair()
    with trio.fail_after(30):
        stream = PatientStream(trio.SocketStream(ours), stall=0.05)
        with pytest.raises(trio.BrokenResourceError, match="not read"):
            await stream.send_all(b"x" * (1 << 24))
    theirs.close()


async def test_a_peer_that_reads_slowly_is_waited_for():
    ours, theirs = trio.socket.socketpair()
    received = 0
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            stream = PatientStream(trio.SocketStream(ours), stall=5)
            nursery.start_soon(stream.send_all, b"x" * (1 << 22))
            while received < 1 << 22:
                received += len(await theirs.recv(1 << 14))
        await stream.aclose()
    theirs.close()


async def test_the_server_ends_at_once_when_it_is_cancelled_though_a_client_reads_nothing():
    """hypercorn writes in a shield without an end."""
    async with served() as server:
        stream = await server.send(call("huge", {"size": 1 << 23}))
        await stream.receive_some(1)
    await stream.aclose()


# ------------------------------------------------------------------------------------------------ where it listens
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "mcp.example.com"])
async def test_others_are_not_served_without_authentication_unless_that_was_said(host):
    async with open_runtime() as runtime:
        with pytest.raises(UsageError, match="unprotected=True"):
            await serve_http(runtime, stage(Gates()), host=host, port=0)


async def test_a_taken_port_is_told():
    async with served() as server, open_runtime() as runtime:
        with pytest.raises(StartFailed, match="choose another port"):
            await serve_http(runtime, stage(Gates()), port=server.address[1])


async def test_a_server_for_others_is_reached_by_an_address():
    gates = Gates()
    with trio.fail_after(30):
        async with open_runtime(grace=1) as runtime, trio.open_nursery() as nursery:
            start = partial(serve_http, runtime, stage(gates), host="0.0.0.0", port=0, unprotected=True, signals=False)
            (url,) = await nursery.start(start)
            async with httpx.AsyncClient() as http:
                request = modern("server/discover")
                for host, status in (("192.0.2.7:80", 200), ("evil.example", 421)):
                    headers = {**request["headers"], "host": host}
                    reply = await http.post(url.replace("0.0.0.0", "127.0.0.1"), **{**request, "headers": headers})
                    assert reply.status_code == status
            nursery.cancel_scope.cancel()


# ------------------------------------------------------------------------------------------------ memory
async def growth(count, *, delete=False, wait=0.0):
    """What each of so many sessions adds to the process, twice; the smaller, for what is paid once is not theirs."""

    async def live(server, number):
        for _ in range(number):
            session = await server.session()
            await session.call(1, "add", {"a": 1, "b": 2})
            if delete:
                await session.delete()
        await trio.sleep(wait)

    async with site() as server:
        await live(server, 20)
        tracemalloc.start()
        try:
            sizes = []
            for number in (0, count, count):
                await live(server, number)
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    return min(after - before for before, after in pairwise(sizes)) / count


@pytest.mark.parametrize(
    ("delete", "count", "limit"), [(True, 300, 1024), (False, 100, 10 * 1024)], ids=["deleted", "abandoned"]
)
async def test_sessions_cost_little_and_those_that_ended_nothing(delete, count, limit):
    """c02: abandoned sessions of the peers cost 40 KiB each. trio keeps up to a thousand stale deadlines, 200 kB."""
    assert await growth(count, delete=delete) < limit


async def test_sessions_that_expired_cost_nothing_any_more(autojump_clock):
    assert await growth(100, wait=IDLE_SECONDS + 1) < 1024


async def test_a_listener_that_reads_nothing_costs_a_bounded_amount():
    """R43 of the peers' failures: ten thousand changes, and nobody reads."""
    async with site() as server:
        session = await server.session()
        connection = server.asgi.service.table.find("", session.headers["mcp-session-id"])
        for number in range(10_000):
            server.app.tool(lambda: 1, name="late", replace=True)
            if number % 1000 == 0:
                await trio.lowlevel.checkpoint()
        assert connection.replay.spent < 100_000
        assert (await session.post(id=1, method="ping")).json()["result"] == {}
