"""Who may speak to the server, and what it takes: hosts, origins, types, sizes, times, paths."""

from __future__ import annotations

import json

import pytest
import trio
import trio.testing
from network.http_site import BOTH, modern, site

from zcp_actors.errors import HTTPRefused
from zcp_actors.transports.http.config import BODY_SECONDS
from zcp_actors.transports.http.origins import Doorkeeper

PING = {"json": {"jsonrpc": "2.0", "id": 1, "method": "ping"}}


# ------------------------------------------------------------------------------------------------ hosts and origins
@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "127.0.0.1:80", "[::1]:8000", "127.8.9.1", "LOCALHOST", "ip6-localhost"],
)
def test_a_loopback_host_is_ours(host):
    Doorkeeper().check(host, None)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1:80.evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "evil.example:8000",
        "localhost:80/evil.example",
        "localhost:port",
        "localhost:",
        "127.0.0.1 evil.example",
        "192.0.2.1",
        "",
        None,
    ],
)
def test_any_other_host_is_sent_away(host):
    """c10 of the peers' failures: prefix tricks passed."""
    with pytest.raises(HTTPRefused) as caught:
        Doorkeeper().check(host, None)
    assert caught.value.status == 421


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:8000"])
def test_a_page_of_this_machine_may_speak(origin):
    Doorkeeper().check("localhost", origin)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:80@evil.example",
        "http://localhost.evil.example",
        "http://localhost:80/evil",
        "null",
        "file://",
        "chrome-extension://localhost",
        "localhost",
        "",
    ],
)
def test_any_other_page_may_not(origin):
    with pytest.raises(HTTPRefused) as caught:
        Doorkeeper().check("localhost", origin)
    assert caught.value.status == 403


def test_what_is_allowed_is_compared_whole():
    keeper = Doorkeeper(["mcp.example.com", "other.example:8443"], ["https://app.example.com"])
    keeper.check("mcp.example.com:443", "https://app.example.com")
    keeper.check("MCP.example.com", "https://APP.example.com")
    keeper.check("other.example:8443", None)
    for host, origin in [
        ("other.example:1", None),
        ("x.mcp.example.com", None),
        ("localhost", "http://app.example.com"),
        ("localhost", "https://app.example.com.evil.example"),
    ]:
        with pytest.raises(HTTPRefused):
            keeper.check(host, origin)


def test_an_address_is_no_rebound_name_so_servers_for_others_take_it():
    Doorkeeper(addresses=True).check("192.0.2.1:8000", None)
    with pytest.raises(HTTPRefused):
        Doorkeeper(addresses=True).check("evil.example", None)


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_stranger_s_page_is_refused_whatever_it_does(method):
    async with site() as server:
        session = await server.session()
        reply = await server.http.request(method, "/mcp", headers={**session.headers, "origin": "http://evil.example"})
        rebound = await server.http.request(method, "/mcp", headers={**session.headers, "host": "evil.example"})
        assert (await session.post(**PING["json"])).status_code == 200

    assert reply.status_code == 403
    assert reply.json()["id"] is None
    assert rebound.status_code == 421


# ------------------------------------------------------------------------------------------------ what is taken
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-encoding": "gzip"}, 415),
        ({"accept": "application/json"}, 406),
        ({"accept": "text/event-stream"}, 406),
        ({"accept": "application/json, text/event-stream;q=0"}, 406),
        ({"accept": "*/*"}, 200),
        ({"accept": "application/*;q=0.5, text/*"}, 200),
    ],
)
async def test_a_request_says_what_it_is_and_what_it_takes(headers, status):
    async with site() as server:
        reply = await server.new("tools/list", headers={"content-type": "application/json", **headers})

    assert reply.status_code == status
    if status != 200:
        assert reply.json()["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("body", "code", "id"),
    [
        (b"{", -32700, None),
        (b"[]", -32600, None),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600, None),
        (b'{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}', -32602, 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"a","method":"b"}', -32700, 7),
        (b'{"jsonrpc":"2.0","id":7}', -32600, 7),
        (b"", -32700, None),
        (b'{"jsonrpc":"2.0","id":"\xff","method":"ping"}', -32700, None),
    ],
)
async def test_what_is_no_message_gets_an_error_with_its_id_where_it_has_one(body, code, id):
    async with site() as server:
        for headers in (BOTH, {**BOTH, "mcp-protocol-version": "2026-07-28"}):
            kind = {"content-type": "application/json"}
            reply = await server.http.post("/mcp", content=body, headers={**headers, **kind})
            assert (reply.status_code, reply.json()["error"]["code"], reply.json()["id"]) == (400, code, id)


async def test_a_body_beyond_the_limit_is_refused_with_its_id():
    async with site(max_message=1000) as server:
        reply = await server.call("huge", {"size": 1, "more": "x" * 1000}, id="big")
        small = await server.call("huge", {"size": 1}, id="small")

    assert (reply.status_code, reply.json()["id"]) == (413, "big")
    assert "limit of 1000" in reply.json()["error"]["message"]
    assert small.status_code == 200


class Wire:
    """One ASGI request made by hand: the body comes as the test says, and what is sent is kept."""

    def __init__(self, request, *parts, then=None) -> None:
        headers = [(name.encode(), value.encode()) for name, value in request["headers"].items()]
        headers += [(b"host", b"localhost"), (b"content-type", b"application/json")]
        self.scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers}
        self.parts, self.then, self.sent = list(parts), then, []

    async def receive(self):
        await trio.lowlevel.checkpoint()
        if self.parts:
            return self.parts.pop(0)
        if self.then is not None:
            return self.then
        await trio.sleep_forever()
        raise AssertionError

    async def send(self, event):
        await trio.lowlevel.checkpoint()
        self.sent.append(event)


def part(body, *, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_that_comes_in_parts_is_one_message():
    request = modern("tools/list")
    text = json.dumps(request["json"]).encode()
    wire = Wire(request, *(part(text[at : at + 7]) for at in range(0, len(text), 7)), part(b"", more=False))
    async with site() as server:
        await server.asgi(wire.scope, wire.receive, wire.send)

    assert wire.sent[0]["status"] == 200


async def test_a_body_that_does_not_come_is_not_waited_for(autojump_clock):
    wire = Wire(modern("tools/list"), part(b'{"jsonrpc"'))
    async with site() as server:
        await server.asgi(wire.scope, wire.receive, wire.send)

    assert wire.sent[0]["status"] == 408
    assert trio.current_time() == pytest.approx(BODY_SECONDS)


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_nobody_s_error():
    """R52 of the peers' failures."""
    wire = Wire(modern("tools/list"), part(b'{"jsonrpc"'), then={"type": "http.disconnect"})
    async with site() as server:
        await server.asgi(wire.scope, wire.receive, wire.send)
        assert server.asgi.service.requests == 0

    assert wire.sent == []


async def test_a_body_without_end_is_not_read_to_its_end():
    wire = Wire(modern("tools/list"), then=part(b"x" * 1000))
    async with site(max_message=10_000) as server:
        await server.asgi(wire.scope, wire.receive, wire.send)

    assert wire.sent[0]["status"] == 413


# ------------------------------------------------------------------------------------------------ paths
PAGE = "https://app.example.com"


async def test_a_page_that_was_named_is_let_through_by_its_browser():
    """WHATWG Fetch, 3.2: what a page on another origin needs, before it sends JSON and to read the answer."""
    asks = {"origin": PAGE, "access-control-request-method": "POST"}
    wants = {"access-control-request-headers": "authorization,content-type,mcp-method,mcp-param-region"}
    async with site(allowed_origins=[PAGE], authenticate=refuse_everybody) as server:
        asked = await server.http.options("/mcp", headers={**asks, **wants})
        refused = await server.call("add", {"a": 1, "b": 2}, headers={"origin": PAGE})
    async with site(allowed_origins=[PAGE]) as server:
        session = await server.session(headers={"origin": PAGE})
        answered = await session.call(1, "add", {"a": 1, "b": 2})
        async with session.stream(2, "report", {"count": 3}, progressToken="p") as response:
            streamed = response

    assert asked.status_code == 204, "a browser sends no credentials with it"
    assert asked.headers["access-control-allow-headers"] == wants["access-control-request-headers"]
    assert {"POST", "GET", "DELETE"} <= set(asked.headers["access-control-allow-methods"].split(", "))
    assert (refused.status_code, answered.status_code) == (401, 200)
    for reply in (asked, refused, answered, streamed):
        assert reply.headers["access-control-allow-origin"] == PAGE
        assert "mcp-session-id" in reply.headers["access-control-expose-headers"]
        assert reply.headers["vary"] == "origin"


@pytest.mark.parametrize("origin", [None, "http://localhost:3000", "https://other.example.com"])
async def test_no_other_page_may_read_an_answer(origin):
    """One of this machine may speak to us, as every program on it may; its browser is told nothing more."""
    headers = {"access-control-request-method": "POST", **({"origin": origin} if origin else {})}
    async with site(allowed_origins=[PAGE]) as server:
        asked = await server.http.options("/mcp", headers=headers)
        replied = await server.call("add", {"a": 1, "b": 2}, headers=headers)

    assert asked.status_code in (403, 405)
    assert not any(name.startswith("access-control") for reply in (asked, replied) for name in reply.headers)


async def refuse_everybody(_):
    raise HTTPRefused(401, "who are you?")


async def test_health_and_readiness_are_told_without_a_host_of_ours():
    async with site() as server:
        for path in ("/healthz", "/readyz"):
            assert (await server.http.get(path, headers={"host": "10.0.0.1"})).status_code == 200
        assert (await server.http.get("/other")).status_code == 404
        await server.asgi.drain(0)
        assert (await server.http.get("/healthz")).status_code == 200
        assert (await server.http.get("/readyz")).status_code == 503
        assert (await server.call("add", {"a": 1, "b": 1})).status_code == 503


async def test_who_asks_for_no_websocket_where_one_is_served_is_told_so():
    """RFC 9110, 15.5.22."""
    async with site() as server:
        reply = await server.http.get("/ws")

    assert (reply.status_code, reply.headers["upgrade"]) == (426, "websocket")


async def test_it_can_be_mounted_in_another_application():
    """In Starlette, say: its paths are below the mount, and nobody tells it of a start-up."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    async with site() as server:
        server.http._transport._app = Starlette(routes=[Mount("/tools", server.asgi)])
        reply = await server.http.post("/tools/mcp", **modern("tools/list"))
        ready = await server.http.get("/tools/readyz")

    assert len(reply.json()["result"]["tools"]) > 5
    assert ready.status_code == 200


async def test_too_many_requests_at_once_are_told_to_come_back():
    async with site(max_requests=1) as server, trio.open_nursery() as nursery:
        nursery.start_soon(server.call, "gate")
        await server.gates.began.wait()
        reply = await server.call("add", {"a": 1, "b": 2})
        server.gates.go.set()

    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "1"


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
async def test_a_server_of_one_era_names_it_to_the_other(era):
    older = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
    async with site(handle={"era": era}) as server:
        if era == "2026-07-28":
            reply = await server.http.post("/mcp", json=older, headers=BOTH)
            assert (await server.http.get("/mcp", headers=BOTH)).status_code == 405
        else:
            reply = await server.new("tools/list")

    assert (reply.status_code, reply.json()["error"]["code"]) == (400, -32022)
    assert era in reply.json()["error"]["data"]["supported"]


async def test_the_life_of_an_asgi_server_opens_a_runtime_and_ends_it():
    from zcp_actors import FastZCP, ServerHandle
    from zcp_actors.transports.http.app import create_asgi_app

    asgi = create_asgi_app(ServerHandle(FastZCP("Alone")))
    told = []
    to_app, events = trio.open_memory_channel(2)

    async def send(event):
        await trio.lowlevel.checkpoint()
        told.append(event["type"])

    wire = Wire(modern("server/discover"), part(json.dumps(modern("server/discover")["json"]).encode(), more=False))
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asgi, {"type": "lifespan"}, events.receive, send)
            await to_app.send({"type": "lifespan.startup"})
            await trio.testing.wait_all_tasks_blocked()
            await asgi(wire.scope, wire.receive, wire.send)
            await to_app.send({"type": "lifespan.shutdown"})

    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert wire.sent[0]["status"] == 200


async def test_without_a_runtime_it_says_what_is_missing():
    from zcp_actors import FastZCP, ServerHandle
    from zcp_actors.transports.http.app import create_asgi_app

    wire = Wire(modern("server/discover"))
    await create_asgi_app(ServerHandle(FastZCP("Alone")))(wire.scope, wire.receive, wire.send)

    assert wire.sent[0]["status"] == 503
    assert b"open_runtime" in wire.sent[1]["body"]
