"""The ASGI application inside another one, on an ASGI server that is not ours."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from network.http_site import modern
from starlette.applications import Starlette
from starlette.routing import Mount

from zcp_actors import FastZCP, HTTPConfig, create_asgi_app, open_runtime, streamable_http_client, websocket_client
from zcp_actors.sessions.state_keys import STATE_KEYS
from zcp_actors.transports.http.app import NOT_ON_TRIO
from zcp_actors.transports.http.in_process import InProcessTransport

ERAS = ["2025-11-25", "2026-07-28"]


@pytest.fixture(autouse=True)
def state_key(monkeypatch):
    monkeypatch.setenv(STATE_KEYS, "a key that only tests would ever use")


def application(**options):
    app = FastZCP("Inside")

    @app.tool
    async def add(a: int, b: int) -> int:
        return a + b

    return create_asgi_app(app, HTTPConfig(**options))


@asynccontextmanager
async def hypercorn(asgi, root_path=""):
    """Another's server, around which there is no runtime; where it listens."""
    config = Config()
    config.bind, config.root_path, config.errorlog = ["127.0.0.1:0"], root_path, None
    config.graceful_timeout = 0.2
    over = trio.Event()
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(partial(serve, asgi, config, shutdown_trigger=over.wait))
        yield address.removeprefix("http://")
        over.set()


async def added(client):
    async with client:
        return (await client.call_tool("add", {"a": 1, "b": 2})).structured_content


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("path", "root_path", "endpoint"),
    [("/tools/mcp", "", "/mcp"), ("/proxied/tools/mcp", "/proxied", "/mcp"), ("/tools/", "", "/")],
)
async def test_an_application_that_hands_on_its_lifespan_is_all_that_is_needed(era, path, root_path, endpoint):
    """`Starlette(routes=[Mount("/tools", mcp)], lifespan=mcp.lifespan)` under `hypercorn --worker-class trio`."""
    mcp = application(endpoint=endpoint)
    outside = Starlette(routes=[Mount("/tools", mcp)], lifespan=mcp.lifespan)
    with trio.fail_after(30):
        async with hypercorn(outside, root_path) as address, open_runtime(grace=1):
            over_http = await added(streamable_http_client(f"http://{address}{path}", era=era))
            over_websocket = await added(websocket_client(f"ws://{address}{root_path}/tools/ws", era=era))

    assert over_http == over_websocket == {"result": 3}


async def test_without_the_lifespan_a_request_is_told_what_is_missing():
    outside = Starlette(routes=[Mount("/tools", application())])
    with trio.fail_after(30):
        async with hypercorn(outside) as address, httpx.AsyncClient() as http:
            reply = await http.post(f"http://{address}/tools/mcp", **modern("tools/list"))

    assert reply.status_code == 503
    assert "lifespan=mcp.lifespan" in reply.json()["error"]["message"]


async def test_a_lifespan_can_be_lived_again():
    """As a test client does, once in every test. A request between two lives is sent away, not served by chance."""
    mcp = application()
    statuses = []
    with trio.fail_after(30):
        async with open_runtime(grace=1) as runtime, visitor(runtime, mcp) as http:
            for _ in range(2):
                async with mcp.lifespan():
                    statuses.append((await http.post("/mcp", **modern("tools/list"))).status_code)
                statuses.append((await http.post("/mcp", **modern("tools/list"))).status_code)

    assert statuses == [200, 503, 200, 503]


async def test_the_end_of_a_lifespan_tells_what_is_open(autojump_clock):
    app = FastZCP("Inside")
    began = trio.Event()

    @app.tool
    async def never() -> str:
        began.set()
        await trio.sleep_forever()

    mcp = create_asgi_app(app)
    replies = []

    async def call(http):
        replies.append(await http.post("/mcp", **modern("tools/call", {"name": "never"}, name="never")))

    async with (
        open_runtime(grace=1) as runtime,
        visitor(runtime, mcp) as http,
        trio.open_nursery() as nursery,
        mcp.lifespan(),
    ):
        nursery.start_soon(call, http)
        await began.wait()

    assert "the server is shutting down" in replies[0].text


def visitor(runtime, asgi):
    return httpx.AsyncClient(transport=InProcessTransport(runtime, asgi), base_url="http://localhost", timeout=None)


def test_a_server_that_does_not_run_on_trio_is_told_at_its_start_and_its_requests_after_it():
    """uvicorn, say: asyncio's own errors about trio's parts would tell nobody what to do."""
    mcp = application()
    sent = []

    async def send(event):
        sent.append(event)

    async def told_to_start():
        return {"type": "lifespan.startup"}

    async def visit():
        scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": [(b"host", b"localhost")]}
        await mcp({"type": "lifespan"}, told_to_start, send)
        await mcp(scope, None, send)

    asyncio.run(visit())
    assert sent[0] == {"type": "lifespan.startup.failed", "message": NOT_ON_TRIO}
    assert sent[1]["status"] == 503
    assert NOT_ON_TRIO.encode() in sent[2]["body"]
