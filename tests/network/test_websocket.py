"""
Sessions over websockets, our client and our server, and peers that do not behave.

Source: the project's promises for the transport; RFC 6455; reliability R100: origins, sizes, binary frames, silence.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import asynccontextmanager
from functools import partial

import attrs
import pytest
import trio
import trio.testing
import trio_websocket
from opened import GUARD, text

from zcp_actors import (
    Context,
    FastZCP,
    ServerHandle,
    ZCPClientSession,
    open_runtime,
    serve_websocket,
    websocket_client,
    websocket_server,
)
from zcp_actors.errors import ConnectionLost, RPCError, StartFailed, UsageError
from zcp_actors.transports import websocket
from zcp_actors.transports.http.config import HTTPConfig

V2025, V2026 = "2025-11-25", "2026-07-28"
KEYS = ["a key that only tests would ever use"]

each_era = pytest.mark.parametrize("era", [V2025, V2026])


@attrs.define
class Approval:
    sure: bool = True


class Desk:
    """An app, and what happened in it."""

    def __init__(self):
        self.app = FastZCP("Desk")
        self.started, self.ended = trio.Event(), trio.Event()
        self.app.tool(self.publish)
        self.app.tool(self.echo)
        self.app.tool(self.work)
        self.app.tool(self.wait)

    async def publish(self, topic: str, ctx: Context) -> str:
        draft = await ctx.sample(f"Summarise {topic}", max_tokens=20)
        answer = await ctx.elicit("Publish?", Approval)
        return f"{draft.content.text} {answer.action}"

    async def echo(self, said: str) -> str:
        return said

    async def work(self, steps: int, ctx: Context) -> str:
        for step in range(steps):
            await ctx.progress(step + 1, steps)
        return "worked"

    async def wait(self) -> str:
        self.started.set()
        try:
            await trio.sleep_forever()
        finally:
            self.ended.set()
        return "never"


@asynccontextmanager
async def serving(desk, **options):
    """A runtime, and the app served in it; gives the runtime and the URL."""
    with trio.fail_after(GUARD):
        async with open_runtime() as runtime, trio.open_nursery() as nursery:
            serve = partial(serve_websocket, runtime, ServerHandle(desk.app, keys=KEYS), port=0, **options)
            (url,) = await nursery.start(serve)
            yield runtime, url
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def raw(url, **options):
    """A bare websocket."""
    stream = await trio.open_tcp_stream("127.0.0.1", port_of(url))
    try:
        async with trio.open_nursery() as nursery:
            socket = await trio_websocket.wrap_client_stream(nursery, stream, "127.0.0.1", "/ws", **options)
            yield socket
            with trio.move_on_after(5):
                await socket.aclose()
            nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)


def port_of(url):
    return int(url.rpartition(":")[2].partition("/")[0])


async def closed(socket):
    """The closing code, once whatever was said before has been read."""
    with pytest.raises(trio_websocket.ConnectionClosed) as caught:
        while True:
            await socket.get_message()
    return caught.value.reason


@each_era
async def test_a_tool_samples_and_elicits_over_a_websocket(era):
    async with (
        serving(Desk()) as (_, url),
        websocket_client(
            url,
            era=era,
            sampling_handler=lambda _: "short",
            elicitation_handler=lambda _: {"accepted": True, "data": {"sure": True}},
        ) as client,
    ):
        assert client.protocol_version == era
        assert [tool.name for tool in (await client.list_tools()).tools] == ["publish", "echo", "work", "wait"]
        assert await text(client, "publish", arguments={"topic": "x"}) == "short accept"


async def test_the_newest_era_is_agreed_on_and_the_subprotocol_named():
    async with serving(Desk()) as (_, url):
        async with websocket_client(url) as client:
            assert client.protocol_version == V2026
        async with raw(url, subprotocols=["soap", "mcp"]) as socket:
            assert socket.subprotocol == "mcp"
        async with raw(url) as socket:
            assert socket.subprotocol is None


@each_era
async def test_progress_comes_in_order_before_the_result(era):
    heard = []
    async with serving(Desk()) as (_, url), websocket_client(url, era=era) as client:
        result = await client.call_tool("work", {"steps": 5}, on_progress=lambda report: heard.append(report.progress))
    assert result.content[0].text == "worked"
    assert heard == [1, 2, 3, 4, 5]


@each_era
async def test_a_cancelled_call_ends_the_tool_and_the_connection_goes_on(era):
    desk = Desk()
    async with serving(desk) as (_, url), websocket_client(url, era=era) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call_tool, "wait")
            await desk.started.wait()
            nursery.cancel_scope.cancel()
        await desk.ended.wait()
        assert await text(client, "echo", arguments={"said": "x"}) == "x"


@each_era
async def test_many_calls_at_once_get_answers_of_their_own(era):
    said = {}

    async def echo(client, number):
        said[number] = await text(client, "echo", arguments={"said": str(number)})

    async with serving(Desk()) as (_, url), websocket_client(url, era=era) as client, trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(echo, client, number)
    assert said == {number: str(number) for number in range(100)}


@each_era
async def test_when_a_client_leaves_its_tools_end(era):
    desk = Desk()
    async with serving(desk) as (_, url):
        client = websocket_client(url, era=era)
        await client.__aenter__()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call_tool, "wait")
            await desk.started.wait()
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await client.close()
                await desk.ended.wait()


@each_era
async def test_a_server_that_is_cut_off_fails_what_is_in_flight(era):
    desk, lost = Desk(), []

    async def call(client):
        with pytest.raises(ConnectionLost) as caught:
            await client.call_tool("wait")
        lost.append(caught.value)

    with trio.fail_after(GUARD):
        async with open_runtime() as runtime, trio.open_nursery() as nursery:
            served = trio.CancelScope()
            url = await nursery.start(until, served, runtime, ServerHandle(desk.app, keys=KEYS), 0)
            client = websocket_client(url, era=era)
            await client.__aenter__()
            async with trio.open_nursery() as calls:
                calls.start_soon(call, client)
                await desk.started.wait()
                served.cancel()
            await client.close()
    assert "ended" in str(lost[0])


async def test_a_supervised_client_comes_back_to_a_server_that_comes_back():
    desk = Desk()
    with trio.fail_after(GUARD):
        async with open_runtime() as runtime:
            handle = ServerHandle(desk.app, keys=KEYS)
            async with trio.open_nursery() as nursery:
                first, second = trio.CancelScope(), trio.CancelScope()
                url = await nursery.start(until, first, runtime, handle, 0)
                client = await runtime.connect(websocket_client(url))
                assert await text(client, "echo", arguments={"said": "1"}) == "1"
                first.cancel()
                await nursery.start(until, second, runtime, handle, port_of(url))
                assert await said_again(client) == "2"
                second.cancel()


async def said_again(client):
    while True:
        try:
            return await text(client, "echo", arguments={"said": "2"})
        except ConnectionLost:
            await trio.lowlevel.checkpoint()


async def until(cancelled, runtime, handle, port, task_status):
    """Serve until the scope is cancelled."""
    with cancelled:
        async with trio.open_nursery() as nursery:
            (url,) = await nursery.start(partial(serve_websocket, runtime, handle, port=port))
            task_status.started(url)


# frames ------------------------------------------------------------------------------------------


async def test_a_binary_frame_closes_its_connection_with_1003_and_no_other():
    async with serving(Desk()) as (_, url), websocket_client(url) as client, raw(url) as socket:
        await socket.send_message(b"{}")
        assert (await closed(socket)).code == 1003
        assert await text(client, "echo", arguments={"said": "x"}) == "x"


async def test_a_message_beyond_the_limit_closes_its_connection_with_1009_and_no_other():
    config = HTTPConfig(max_message=1000)
    async with serving(Desk(), config=config) as (_, url), websocket_client(url) as client, raw(url) as socket:
        await socket.send_message("x" * 2000)
        assert (await closed(socket)).code == 1009
        assert await text(client, "echo", arguments={"said": "x"}) == "x"


@pytest.mark.parametrize(
    ("sent", "code"),
    [("{not json", -32700), ("[]", -32600), ('{"jsonrpc":"2.0","id":7,"method":"x","params":[]}', -32602)],
)
async def test_a_text_that_is_no_message_is_refused_and_the_next_one_answered(sent, code):
    async with serving(Desk()) as (_, url), raw(url) as socket:
        await socket.send_message(sent)
        refused = json.loads(await socket.get_message())
        await socket.send_message('{"jsonrpc":"2.0","id":8,"method":"nothing"}')
        assert refused["error"]["code"] == code
        assert json.loads(await socket.get_message())["id"] == 8


@asynccontextmanager
async def peer(act):
    """Gives the URL of a server that answers discover like the newest servers, then acts."""

    async def handle(request):
        socket = await request.accept(subprotocol="mcp")
        asked = json.loads(await socket.get_message())
        result = {"resultType": "complete", "supportedVersions": [V2026], "capabilities": {}, "ttlMs": 0}
        await socket.send_message(
            json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": {**result, "cacheScope": "private"}})
        )
        await act(socket)

    with trio.fail_after(GUARD):
        async with trio.open_nursery() as nursery:
            serve = partial(trio_websocket.serve_websocket, handle, "127.0.0.1", 0, None)
            server = await nursery.start(serve)
            yield f"ws://127.0.0.1:{server.port}/any"
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("sent", "why"), [(b"\x00", "binary frames are not accepted"), ("x" * 5000, "1009")], ids=["binary", "too big"]
)
async def test_a_servers_frame_that_is_not_accepted_ends_the_clients_connection(sent, why):
    async def act(socket):
        await socket.get_message()
        await socket.send_message(sent)
        await closed(socket)

    async with peer(act) as url, open_runtime():
        client = websocket_client(url, max_message=2000)
        await client.__aenter__()
        with pytest.raises(ConnectionLost, match=why):
            await client.call_tool("any")
        await client.close()


async def test_a_peer_that_answers_no_ping_is_gone(monkeypatch):
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.05)
    monkeypatch.setattr(websocket, "PONG_SECONDS", 0.1)

    async def deaf(socket, event):
        pass

    async def act(socket):
        await closed(socket)

    monkeypatch.setattr(trio_websocket.WebSocketConnection, "_handle_ping_event", deaf)

    async with peer(act) as url, open_runtime():
        client = websocket_client(url)
        await client.__aenter__()
        with pytest.raises(ConnectionLost, match="no answer to a ping"):
            await client.call_tool("any")
        await client.close()


async def test_a_peer_that_answers_pings_is_there(monkeypatch):
    monkeypatch.setattr(websocket, "PING_SECONDS", 0.01)
    monkeypatch.setattr(websocket, "PONG_SECONDS", 5)
    pings = []
    ping = trio_websocket.WebSocketConnection.ping

    async def counted(socket, payload=None):
        await ping(socket, payload)
        pings.append(socket)

    monkeypatch.setattr(trio_websocket.WebSocketConnection, "ping", counted)
    async with serving(Desk()) as (_, url), websocket_client(url) as client:
        while len(pings) < 6:
            await trio.lowlevel.checkpoint()
        assert await text(client, "echo", arguments={"said": "x"}) == "x"


async def test_a_peer_that_does_not_read_is_told_to_senders_and_lost_beyond_the_limit(monkeypatch):
    monkeypatch.setattr(websocket, "HARD_LIMIT_BYTES", 200_000)

    async def act(socket):
        await trio.sleep_forever()

    async with peer(act) as url, open_runtime():
        client = websocket_client(url)
        await client.__aenter__()
        connection = client._session.connection
        with pytest.raises(ConnectionLost, match="does not read"):
            await client.call_tool("any", {"big": "x" * 300_000})
        assert connection._queue == connection._queue.__class__()
        await client.close()


async def test_where_nobody_listens_the_opening_fails():
    with trio.fail_after(GUARD):
        async with open_runtime():
            with trio.socket.socket() as unused:
                await unused.bind(("127.0.0.1", 0))
                url = f"ws://127.0.0.1:{unused.getsockname()[1]}/ws"
                with pytest.raises(StartFailed, match="cannot be reached"):
                    await websocket_client(url).__aenter__()


async def test_a_server_that_hangs_up_at_the_upgrade_is_a_failed_start_at_once():
    async def hang_up(stream):
        await stream.receive_some()
        await stream.aclose()

    with trio.fail_after(GUARD):
        async with open_runtime(), trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1"))
            began = trio.current_time()
            with pytest.raises(StartFailed, match="did not open a websocket"):
                await websocket_client(f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/").__aenter__()
            assert trio.current_time() - began < 5
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("url", ["", "http://host/ws", "ws://", "ws:host"])
def test_what_is_no_websockets_url_is_refused(url):
    with pytest.raises(UsageError, match="expected a URL"):
        websocket_client(url)


async def test_an_app_in_this_process_is_joined_without_a_wire():
    async with open_runtime(), websocket_client(websocket_server(Desk().app)) as client:
        assert isinstance(client, ZCPClientSession)
        assert await text(client, "echo", arguments={"said": "x"}) == "x"


# the end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", [None, "at once", "later"])
async def test_after_a_signal_calls_in_flight_are_told_and_the_socket_closed_with_1001(second):
    """After the grace period, or at a second signal."""
    desk, grace = Desk(), 3600 if second else 0.1
    ended = []
    with trio.fail_after(GUARD):
        async with open_runtime() as runtime, trio.open_nursery() as nursery:

            async def serve(task_status):
                handle = ServerHandle(desk.app, keys=KEYS)
                ended.append(await serve_websocket(runtime, handle, port=0, grace=grace, task_status=task_status))

            (url,) = await nursery.start(serve)
            async with raw(url) as socket:
                meta = {
                    "io.modelcontextprotocol/protocolVersion": V2026,
                    "io.modelcontextprotocol/clientCapabilities": {},
                }
                call = {"name": "wait", "arguments": {}, "_meta": meta}
                await socket.send_message(
                    json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call})
                )
                await desk.started.wait()
                os.kill(os.getpid(), signal.SIGTERM)
                if second == "later":
                    await trio.testing.wait_all_tasks_blocked(0.05)
                if second:
                    os.kill(os.getpid(), signal.SIGINT)
                told = json.loads(await socket.get_message())
                assert (await closed(socket)).code == 1001
    assert (told["id"], told["error"]["message"]) == (1, "the server is shutting down")
    assert ended == [signal.SIGTERM]


async def test_a_protocol_error_of_the_server_reaches_the_caller():
    async with serving(Desk()) as (_, url), websocket_client(url) as client:
        with pytest.raises(RPCError):
            await client.call_tool("nothing of that name")
