"""
The HTTP clients and servers that mislead: places that are no URLs, and what must not be written down.
"""

from __future__ import annotations

import logging
import tracemalloc
from urllib.parse import urlsplit

import pytest
import trio
from network.http_site import Events, site
from opened import GUARD, OpenClient, text
from scripted_http import Manners, scripted

from zcp_actors import Context, open_runtime, sse_client, streamable_http_client
from zcp_actors.errors import HEADER_MISMATCH, ConnectionLost, HTTPRefused, RPCError, StartFailed, UnexpectedStatus
from zcp_actors.transports.http.origins import Doorkeeper

V2025, V2026 = "2025-11-25", "2026-07-28"

each_era = pytest.mark.parametrize("era", [V2025, V2026])

NO_URLS = ["http://[", "//[x", "http://127.0.0.1:99999/mcp", "http://127.0.0.1:port/mcp"]


class Misleading(Manners):
    """Calls of the tool `bad` are sent to a place; all others answer."""

    def __init__(self, era, location):
        self.version, self._location = era, location

    async def tools_call(self, asked, reply):
        if asked.tool == "bad":
            await reply.empty(307, location=self._location)
        else:
            await reply.text(asked.tool)


@each_era
@pytest.mark.parametrize("location", NO_URLS)
async def test_a_redirect_to_what_is_no_url_ends_its_call_alone(era, location):
    async with OpenClient(Misleading(era, location), era) as client:
        with pytest.raises(ConnectionLost, match="no URL|Invalid URL"):  # the latter is httpx's
            await client.call_tool("bad")
        assert await text(client, "after") == "after"


@pytest.mark.parametrize("endpoint", NO_URLS)
async def test_an_old_server_whose_endpoint_is_no_url_is_told_at_the_opening(endpoint):
    class Old(Manners):
        async def GET(self, asked, reply):  # noqa: N802 - HTTP's name
            await reply.stream_head()
            await reply.body(f"event: endpoint\ndata: {endpoint}\n\n".encode())
            await trio.sleep_forever()

    with trio.fail_after(GUARD):
        async with scripted(Old()) as served, open_runtime():
            with pytest.raises(StartFailed, match="no URL"):
                await sse_client(served.url).__aenter__()


def with_secrets(url):
    parts = urlsplit(url)
    return f"{parts.scheme}://user:SECRET@{parts.netloc}{parts.path}?api_key=SECRET"


@pytest.mark.parametrize("client", [streamable_http_client, sse_client])
async def test_an_error_about_a_server_that_is_not_there_names_no_credentials(client):
    listening = trio.socket.socket()
    await listening.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
    with trio.fail_after(GUARD), listening:
        async with open_runtime():
            with pytest.raises(StartFailed) as caught:
                await client(with_secrets(url)).__aenter__()
    assert url in str(caught.value)
    assert "SECRET" not in str(caught.value)


@each_era
async def test_errors_and_logs_of_a_refused_call_name_no_credentials(era, caplog):
    caplog.set_level(logging.DEBUG, "zcp_actors")

    class Refusing(Manners):
        version = era

        async def tools_call(self, asked, reply):
            await reply.empty(500)

    with trio.fail_after(GUARD):
        async with scripted(Refusing()) as served, open_runtime():
            client = streamable_http_client(with_secrets(served.url), era=era)
            with pytest.raises(UnexpectedStatus) as caught:
                async with client:
                    await client.call_tool("any")
    assert served.url in str(caught.value)
    assert "SECRET" not in f"{caught.value} {caught.value.url} {caplog.text}"


@pytest.mark.parametrize("host", ["[::1].evil.example", "[::1]evil.example:80", "evil.example[::1]"])
def test_what_stands_beside_the_brackets_of_an_address_is_not_overlooked(host):
    with pytest.raises(HTTPRefused):
        Doorkeeper().check(host, None)
    with pytest.raises(HTTPRefused):
        Doorkeeper().check("localhost", f"http://{host}")
    Doorkeeper().check("[::1]:80", "http://[::1]:80")


async def test_unread_answers_cost_later_calls_nothing(monkeypatch):
    size = 1_000_000
    monkeypatch.setattr("zcp_actors.transports.http.stateful.HARD_LIMIT_BYTES", 2 * size)
    async with site(prime_seconds=0) as at:
        go = trio.Event()

        @at.app.tool
        async def late(ctx: Context) -> str:
            await ctx.progress(1)
            await go.wait()
            return "x" * (size // 3)

        session = await at.session()
        for id in range(1, 6):
            async with session.stream(id, "late", progressToken=id) as left:
                await Events(left).next()
        (connection,) = at.asgi.service.table._by_key.values()
        go.set()
        while connection.routes:
            await trio.lowlevel.checkpoint()
        answered = await session.call(9, "huge", {"size": size // 2})
        assert '"result"' in answered.text
        assert "was lost" not in answered.text


class Disagreeing(Manners):
    """Headers are always wrong, and the list of tools, when it is looked at again, is as the test says."""

    version = V2026

    def __init__(self, result):
        self._result, self.pages = result, 0

    async def __call__(self, asked, reply):
        if str(asked.message.get("id", "")).startswith("tools-of-"):
            self.pages += 1
            await reply.json({"jsonrpc": "2.0", "id": asked.message["id"], "result": self._result})
        else:
            await super().__call__(asked, reply)

    async def tools_call(self, asked, reply):
        if asked.tool != "bad":
            await reply.text(asked.tool)
            return
        error = {"code": HEADER_MISMATCH, "message": "header mismatch"}
        await reply.json({"jsonrpc": "2.0", "id": asked.message["id"], "error": error}, status=400)


async def test_pages_of_tools_are_looked_at_one_at_a_time():
    page = {"tools": [], "nextCursor": "on", "resultType": "complete", "more": [str(each) for each in range(10_000)]}
    server = Disagreeing(page)
    async with OpenClient(server, V2026) as client:
        tracemalloc.start()
        try:
            with pytest.raises(RPCError, match="mismatch"):
                await client.call_tool("bad")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert server.pages == 100
    assert peak < 10_000_000  # all of them are 60 MB


@pytest.mark.parametrize("result", [[], "tools", 7, None])
async def test_a_list_of_tools_that_is_no_list_ends_its_call_alone(result):
    async with OpenClient(Disagreeing(result), V2026) as client:
        with pytest.raises(RPCError, match="mismatch"):
            await client.call_tool("bad")
        assert await text(client, "after") == "after"
