"""
What an HTTP client is told before it opens anything, sends along, and never writes down: URLs, headers, credentials.
"""

from __future__ import annotations

import logging
from base64 import b64encode

import pytest
import trio
from network.test_http_client_old_sse import Old
from opened import GUARD, text
from scripted_http import Manners, scripted
from span_world import Recorded

from zcp_actors import open_runtime, sse_client, streamable_http_client, websocket_client
from zcp_actors.errors import StartFailed, UnexpectedStatus, UsageError
from zcp_actors.transports.http.client_address import identity
from zcp_actors.transports.http.client_factory import make_http_client

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
    assert identity("http://u:ANOTHER@host/mcp") == known[1], "a digest of a password tells whether a guess is right"
    assert identity("http://v:SECRET@host/mcp") != known[1]


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


async def test_the_cookies_of_a_server_come_back_to_it_also_where_a_url_has_credentials():
    """A load balancer that tells by a cookie where the session is: to httpx's the credentials belonged to the host."""

    class Balanced(Manners):
        async def tools_call(self, asked, reply):
            content = [{"type": "text", "text": asked.headers.get("cookie", "none")}]
            await reply.result({"content": content, "resultType": "complete"}, set_cookie="node=7")

    with trio.fail_after(GUARD):
        async with (
            scripted(Balanced()) as served,
            open_runtime(),
            streamable_http_client(served.url.replace("://", "://user:word@")) as client,
        ):
            assert await text(client, "any") == "none"
            assert await text(client, "any") == "node=7"


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
async def test_credentials_in_a_url_are_sent_with_a_client_that_was_passed_unless_a_header_has_others(client):
    basic, bearer, own = "Basic dXNlcjp3b3Jk", "Bearer t", "Basic YTpi"
    for headers, auth, sent in (({}, None, basic), ({"Authorization": bearer}, None, bearer), ({}, ("a", "b"), own)):
        with trio.fail_after(GUARD):
            async with (
                scripted(Old() if client is sse_client else Manners()) as served,
                open_runtime(),
                make_http_client(auth=auth) as http_client,
                client(served.url.replace("://", "://user:word@"), http_client=http_client, headers=headers) as opened,
            ):
                await text(opened, "any")
        assert {asked.headers["authorization"] for asked in served.asked} == {sent}


@pytest.mark.parametrize("client", [streamable_http_client, sse_client])
def test_authentication_that_a_passed_client_would_not_use_is_refused(client):
    with pytest.raises(UsageError, match="give it to that client"):
        client("http://host/mcp", http_client=object(), auth=("user", "word"))
