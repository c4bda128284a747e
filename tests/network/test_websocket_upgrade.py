"""The upgrade to a websocket: who is let in, who is not, and what those are told."""

from __future__ import annotations

import pytest
import trio
from network.test_websocket import Desk, port_of, serving
from opened import text

from zcp_actors import FastZCP, open_runtime, serve_websocket, websocket_client
from zcp_actors.errors import HTTPRefused, StartFailed, UsageError
from zcp_actors.transports import websocket_door
from zcp_actors.transports.http import identity
from zcp_actors.transports.http.config import HTTPConfig


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (["Origin: https://evil.example"], 403),
        (["Origin: http://127.0.0.1.evil.example"], 403),
        (["Origin: http://127.0.0.1@evil.example"], 403),
        (["Origin: null"], 403),
        (["Origin: http://localhost:3000"], 101),
        ([], 101),
    ],
)
async def test_the_origin_is_judged_before_the_upgrade(origin, status):
    """reliability R89, R100: a page of another site must not speak to a server of this machine."""
    async with serving(Desk()) as (_, url):
        assert await upgrade(url, "127.0.0.1", more=origin) == status


async def upgrade(url, host, path="/ws", more=()):
    """The status that an upgrade with this Host header gets."""
    async with await trio.open_tcp_stream("127.0.0.1", port_of(url)) as stream:
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *more, "", ""]
        await stream.send_all("\r\n".join(lines).encode())
        answer = await stream.receive_some()
    return int(answer.split()[1])


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 101), ("localhost:99", 101), ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("a@b", 421)],
)
async def test_the_host_is_judged_before_the_upgrade(host, status):
    """DNS rebinding: the name is the attacker's, the address is ours."""
    async with serving(Desk()) as (_, url):
        assert await upgrade(url, host) == status


async def test_another_path_is_not_found():
    async with serving(Desk()) as (_, url):
        assert await upgrade(url, "127.0.0.1", "/other") == 404


async def test_who_is_not_known_is_not_let_in_and_who_is_keeps_their_name():
    names = []

    async def authenticate(scope):
        token = dict(scope["headers"]).get(b"authorization")
        if token != b"Bearer secret":
            raise HTTPRefused(401, "who are you?", headers=[("WWW-Authenticate", "Bearer")])
        names.append(scope["type"])
        return "ada"

    async with serving(Desk(), config=HTTPConfig(authenticate=authenticate)) as (_, url):
        with pytest.raises(StartFailed, match="401"):
            await websocket_client(url).__aenter__()
        async with websocket_client(url, headers={"Authorization": "Bearer secret"}) as client:
            assert await text(client, "echo", arguments={"said": "x"}) == "x"
    assert names == ["websocket"]


async def test_who_is_not_found_out_in_time_is_told(monkeypatch):
    for module in (identity, websocket_door):
        monkeypatch.setattr(module, "HEADER_SECONDS", 0.1)

    async def authenticate(scope):
        await trio.sleep_forever()

    async with serving(Desk(), config=HTTPConfig(authenticate=authenticate)) as (_, url):
        with pytest.raises(StartFailed, match="503"):
            await websocket_client(url).__aenter__()


async def test_others_than_this_machine_are_not_served_without_authentication():
    async with open_runtime() as runtime:
        with pytest.raises(UsageError, match="unprotected=True"):
            await serve_websocket(runtime, FastZCP("x"), host="0.0.0.0", port=0)


async def test_beyond_its_limit_a_server_takes_no_more_connections():
    async with serving(Desk(), max_connections=1) as (_, url), websocket_client(url):
        with pytest.raises(StartFailed, match="503"):
            await websocket_client(url).__aenter__()


async def test_who_does_not_ask_in_time_is_sent_away(monkeypatch):
    monkeypatch.setattr(websocket_door, "HEADER_SECONDS", 0.1)
    async with serving(Desk()) as (_, url):
        async with await trio.open_tcp_stream("127.0.0.1", port_of(url)) as stream:
            await stream.send_all(b"GET /ws HT")
            assert await stream.receive_some() == b""
        async with websocket_client(url) as client:
            assert await text(client, "echo", arguments={"said": "x"}) == "x"
