"""`streamable_http_server(app)` and its client: no sockets, the real HTTP code on both ends."""

from __future__ import annotations

import httpx
import pytest
import trio
import trio.testing
from network.http_site import Gates, modern, stage

from zcp_actors import (
    HTTPConfig,
    ServerHandle,
    create_asgi_app,
    open_runtime,
    streamable_http_client,
    streamable_http_server,
)
from zcp_actors.errors import UsageError
from zcp_actors.transports.http.in_process import InProcessTransport


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
async def test_a_tool_asks_reports_and_answers(era):
    told = []
    with trio.fail_after(30):
        async with open_runtime(grace=1):
            client = streamable_http_client(
                streamable_http_server(stage(Gates()), endpoint="http://tools.example/zcp"),
                era=era,
                sampling_handler=lambda request: f"{request.messages[0].content.text} short",
                elicitation_handler=lambda request: {"accepted": True, "data": {"ok": True}},
                progress_handler=told.append,
            )
            async with client:
                assert (await client.call_tool("draft"))["content"][0]["text"] == "Write short"
                assert (await client.call_tool("approve"))["content"][0]["text"] == "accept True"
                assert (await client.call_tool("report", {"count": 3}))["content"][0]["text"] == "reported"

    assert len(told) == 3


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
async def test_a_cancel_reaches_the_handler(era):
    gates = Gates()
    with trio.fail_after(30):
        async with open_runtime(grace=1), streamable_http_client(stage(gates), era=era) as client:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.call_tool, "gate")
                await gates.began.wait()
                nursery.cancel_scope.cancel()
            await gates.until(ended=1)

    assert gates.ended == ["cancelled"]


async def test_two_clients_visit_one_server():
    with trio.fail_after(30):
        async with open_runtime(grace=1) as runtime:
            server = streamable_http_server(stage(Gates()), config=HTTPConfig(max_sessions=1))
            async with streamable_http_client(server, era="2025-11-25"):
                assert len(server.app(runtime).service.table) == 1
                request = modern("server/discover")
                transport = InProcessTransport(runtime, server.app(runtime))
                async with httpx.AsyncClient(transport=transport) as http:
                    assert (await http.post(server.endpoint, **request)).status_code == 200


async def test_an_endpoint_is_a_url():
    with pytest.raises(UsageError, match="expected a URL"):
        streamable_http_server(stage(Gates()), endpoint="/mcp")


async def test_a_reader_that_waits_holds_its_writer_back():
    """The joint has no buffer of its own: what a slow client does over a socket, it does here."""
    written = []

    async def asgi(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
            written.append(number)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    with trio.fail_after(30):
        async with (
            open_runtime(grace=1) as runtime,
            httpx.AsyncClient(transport=InProcessTransport(runtime, asgi), base_url="http://localhost") as http,
            http.stream("GET", "/") as response,
        ):
            await trio.testing.wait_all_tasks_blocked()
            assert written == []
            assert await response.aread() == b"012"

    assert written == [0, 1, 2]


async def test_an_application_that_fails_is_a_lost_connection():
    async def asgi(scope, receive, send):
        raise ValueError("broken")

    with trio.fail_after(30):
        async with open_runtime(grace=1) as runtime:
            transport = InProcessTransport(runtime, asgi)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                with pytest.raises(httpx.RemoteProtocolError, match="broken"):
                    await http.get("/")


def test_a_handle_is_served_as_it_says():
    handle = ServerHandle(stage(Gates()), era="2025-11-25")

    assert create_asgi_app(handle).handle == handle
    assert create_asgi_app(handle.app).handle.served
