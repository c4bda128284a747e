"""
The HTTP clients and servers that say too much, too early or too often; and what a client must never write down.
"""

from __future__ import annotations

import logging

import pytest
import trio
from network.test_http_client_old_sse import Old
from opened import GUARD, OpenClient, text
from scripted_http import Manners, scripted

from zcp_actors import open_runtime, sse_client, streamable_http_client
from zcp_actors.transports.http.old_sse import MAX_EARLY

V2025, V2026 = "2025-11-25", "2026-07-28"

each_era = pytest.mark.parametrize("era", [V2025, V2026])


def with_secrets(url):
    return url.replace("://", "://user:SECRET@") + "?api_key=SECRET"


@each_era
async def test_no_logger_of_any_package_is_told_the_credentials_in_a_url(era, caplog):
    """httpx logs each request with its URL, at the level that programs commonly show."""

    class Server(Manners):
        version = era

    caplog.set_level(logging.DEBUG)
    with trio.fail_after(GUARD):
        async with (
            scripted(Server()) as served,
            open_runtime(),
            streamable_http_client(with_secrets(served.url), era=era) as client,
        ):
            await text(client, "any")
    call = next(asked for asked in served.asked if asked.tool == "any")
    assert call.path == "/mcp?api_key=SECRET"
    assert call.headers["authorization"] == "Basic dXNlcjpTRUNSRVQ="
    assert served.url in caplog.text
    assert "SECRET" not in caplog.text


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
