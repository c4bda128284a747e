"""
The HTTP clients and servers that say too much, too early or too often; and what a client must never write down.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from hashlib import sha1

import pytest
import trio
from network.test_http_client_old_sse import Old
from opened import GUARD, OpenClient, text
from scripted_http import Manners, scripted
from span_world import Recorded

from zcp_actors import open_runtime, sse_client, streamable_http_client, websocket_client
from zcp_actors.errors import StartFailed, UnexpectedStatus, UsageError
from zcp_actors.transports.http.client_address import identity
from zcp_actors.transports.http.client_factory import make_http_client
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
async def test_no_span_metric_or_name_holds_the_credentials_in_a_url(era):
    class Refusing(Manners):
        version = era

        async def tools_call(self, asked, reply):
            await (reply.text("fine") if asked.tool == "good" else reply.empty(500))

    recorded = Recorded()
    with trio.fail_after(GUARD):
        async with (
            scripted(Refusing()) as served,
            open_runtime(recorder=recorded.telemetry) as runtime,
            streamable_http_client(with_secrets(served.url), era=era) as client,
        ):
            await text(client, "good")
            with pytest.raises(UnexpectedStatus):
                await text(client, "bad")
            tree = str(runtime.tree())
    spans = "".join(span.to_json() for span in recorded.spans)
    assert "tools/call bad" in spans
    assert "SECRET" not in spans + tree + str(recorded.reader.get_metrics_data())


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


KEYED = [
    (streamable_http_client, "ftp://user:SECRET@host/mcp"),
    (streamable_http_client, "http://user:SECRET@host:port/mcp?key=SECRET"),
    (streamable_http_client, "http://user:SEC/SECRET@/mcp"),
    (sse_client, "user:SECRET@host/mcp?key=SECRET"),
    (websocket_client, "https://user:SECRET@host/mcp"),
]


@pytest.mark.parametrize(("client", "url"), KEYED)
def test_a_refused_url_is_told_without_its_credentials(client, url):
    with pytest.raises(UsageError, match="expected a URL") as caught:
        client(url)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("client", [streamable_http_client, sse_client, websocket_client])
@pytest.mark.parametrize(
    "headers", [{"authorization": "SECRET\n"}, {"authorization": " SECRET"}, {"x-key": "SECR\u00c9T"}, {"x-key": None}]
)
def test_a_header_that_cannot_be_sent_is_refused_by_name_and_not_shown(client, headers):
    url = "ws://host/ws" if client is websocket_client else "http://host/mcp"
    with pytest.raises(UsageError, match=next(iter(headers))) as caught:
        client(url, headers=headers)
    assert "SECR" not in str(caught.value)


@pytest.mark.parametrize("headers", [{"x key": "1"}, {"": "1"}, {"x-k\u00e9y": "1"}, {7: "1"}])
def test_a_name_that_is_no_headers_is_refused(headers):
    with pytest.raises(UsageError, match="names consist of"):
        streamable_http_client("http://host/mcp", headers=headers)


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_host_that_no_resolver_takes_is_no_urls(scheme, host):
    client = websocket_client if scheme == "ws" else streamable_http_client
    with pytest.raises(UsageError, match="expected a URL"):
        client(f"{scheme}://{host}/mcp")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://[::1]:8000/mcp", "[::1]:8000/mcp"),
        ("http://[::1]/mcp/", "[::1]/mcp"),
        ("http://u:p@host:80/a?k=1", "host:80/a"),
    ],
)
def test_a_client_is_named_by_host_port_and_path(url, name):
    assert streamable_http_client(url).name == name


def test_what_a_server_is_remembered_by_holds_no_credentials_and_still_tells_servers_apart():
    """It is written into the store beside the handles of tasks."""
    urls = ["http://host/mcp", "http://u:SECRET@host/mcp", "http://host/mcp?key=SECRET", "http://host/mcp?key=SECRET2"]
    known = [identity(url) for url in urls]
    assert known[0] == urls[0]
    assert len(set(known)) == len(urls)
    assert all(each.startswith("http://host/mcp") and "SECRET" not in each for each in known)
    assert identity(urls[1]) == known[1]


@pytest.mark.parametrize("given", [None, {"Authorization": "Bearer token"}])
async def test_credentials_in_a_websockets_url_are_sent_unless_a_header_has_others(given):
    async def visit(asked, reply):
        await reply.empty(401)

    with trio.fail_after(GUARD):
        async with scripted(visit) as served, open_runtime():
            url = served.url.replace("http://", "ws://a%40b:c%3Ad@")
            with pytest.raises(StartFailed, match="401"):
                await websocket_client(url, headers=given).__aenter__()
    expected = "Basic " + b64encode(b"a@b:c:d").decode() if given is None else "Bearer token"
    assert [asked.headers["authorization"] for asked in served.asked] == [expected]


async def test_a_websockets_path_may_hold_any_character():
    async def visit(asked, reply):
        await reply.empty(404)

    with trio.fail_after(GUARD):
        async with scripted(visit) as served, open_runtime():
            url = served.url.replace("http:", "ws:").replace("/mcp", "/a b/\u00fc%20?q=\u20ac&x=/?")
            with pytest.raises(StartFailed, match="404"):
                await websocket_client(url).__aenter__()
    assert served.asked[0].path == "/a%20b/%C3%BC%20?q=%E2%82%AC&x=/?"


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
async def test_an_answer_that_is_no_upgrade_is_a_failed_start(answer):
    """The library's own stumbling over it came out as it was, and a refusal without an end was kept in memory."""

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


async def test_a_proxy_of_the_environment_is_used_and_told_of_without_its_credentials(monkeypatch):
    asked = []

    async def proxy(request, reply):
        asked.append((request.path, request.headers.get("proxy-authorization")))
        await reply.empty(407)

    with trio.fail_after(GUARD):
        async with scripted(proxy) as served, open_runtime():
            monkeypatch.setenv("HTTP_PROXY", served.url.replace("://", "://user:SECRET@"))
            with pytest.raises(UnexpectedStatus, match="407") as caught:
                await streamable_http_client("http://backend.example/mcp").__aenter__()
    assert asked == [("http://backend.example/mcp", "Basic dXNlcjpTRUNSRVQ=")]
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["gopher://user:SECRET@host:1", "http://user:SECRET@host:port"])
@pytest.mark.parametrize("client", [streamable_http_client, sse_client])
async def test_a_proxy_that_cannot_be_used_is_a_failed_start(client, proxy, monkeypatch):
    """Whatever httpx raised for it came out, of a program that had never heard of the proxy."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    async with open_runtime():
        with pytest.raises(StartFailed, match="NO_PROXY=backend.example") as caught:
            await client("http://backend.example/mcp").__aenter__()
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("client", [streamable_http_client, sse_client, websocket_client])
def test_what_a_debugger_shows_of_a_way_holds_no_credentials(client):
    url = "ws://u:SECRET@host/ws?k=SECRET" if client is websocket_client else "http://u:SECRET@host/mcp?k=SECRET"
    opened = client(url, headers={"authorization": "SECRET"})
    assert "SECRET" not in f"{opened!r} {vars(opened)!r}"


async def test_identity_is_no_packing_however_it_is_written():
    class Shouting(Manners):
        async def tools_call(self, asked, reply):
            await reply.result({"content": [], "resultType": "complete"}, content_encoding="Identity")

    async with OpenClient(Shouting()) as client:
        assert (await client.call_tool("any")).content == []


@pytest.mark.parametrize("place", ["/there", "http://{host}/there", "http://other:word@{host}/there"])
async def test_a_server_that_sends_us_elsewhere_has_no_say_in_our_credentials(place):
    """Most name themselves without any in a `Location`; what came then was asked for by nobody."""

    class Moved(Manners):
        async def tools_call(self, asked, reply):
            if asked.path == "/mcp":
                await reply.empty(307, location=place.format(host=asked.headers["host"]))
            else:
                await reply.text(asked.headers.get("authorization", "nobody"))

    with trio.fail_after(GUARD):
        async with (
            scripted(Moved()) as served,
            open_runtime(),
            streamable_http_client(served.url.replace("://", "://user:word@")) as client,
        ):
            assert await text(client, "any") == "Basic dXNlcjp3b3Jk"


async def test_an_old_servers_endpoint_is_sent_the_credentials_of_its_stream():
    class Absolute(Old):
        async def GET(self, asked, reply):  # noqa: N802 - HTTP's name
            self.endpoint = f"http://{asked.headers['host']}/messages"
            await super().GET(asked, reply)

    server = Absolute()
    with trio.fail_after(GUARD):
        async with (
            scripted(server) as served,
            open_runtime(),
            sse_client(served.url.replace("://", "://user:word@")) as client,
        ):
            await text(client, "any")
    assert {asked.headers["authorization"] for asked in served.asked} == {"Basic dXNlcjp3b3Jk"}


@pytest.mark.parametrize("client", [streamable_http_client, sse_client])
async def test_headers_go_with_every_request_of_a_client_that_was_passed(client):
    """They were left out without a word, and the server refused who had given a token."""
    server = Old() if client is sse_client else Manners()
    with trio.fail_after(GUARD):
        async with (
            scripted(server) as served,
            open_runtime(),
            make_http_client(headers={"x-its": "own"}) as http_client,
            client(served.url, http_client=http_client, headers={"x-token": "t", "Accept": "never"}) as opened,
        ):
            await text(opened, "any")
    assert {(asked.headers["x-its"], asked.headers["x-token"]) for asked in served.asked} == {("own", "t")}
    assert all("never" not in asked.headers["accept"] for asked in served.asked)


@pytest.mark.parametrize("client", [streamable_http_client, sse_client])
def test_authentication_that_a_passed_client_would_not_use_is_refused(client):
    with pytest.raises(UsageError, match="give it to that client"):
        client("http://host/mcp", http_client=object(), auth=("user", "word"))


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
