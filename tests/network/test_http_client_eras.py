"""
Which era the streamable HTTP client speaks with a server it does not know.

Source: MCP 2026-07-28 basic/transports/streamable-http, "Backward Compatibility"; basic/versioning.
"""

from __future__ import annotations

import pytest
import trio
from opened import GUARD, OpenClient, text
from scripted_http import DISCOVERED, Manners, scripted

from zcp_actors import open_runtime, streamable_http_client
from zcp_actors.errors import ConnectionLost, RequestTimeout, RPCError, UnexpectedStatus, UnsupportedVersion
from zcp_actors.sessions import handshake
from zcp_actors.sessions.timeouts import Timeouts

V2025, V2026 = "2025-11-25", "2026-07-28"


class Answering(Manners):
    """Answers `server/discover` as told, and `initialize` as a server of 2025-11-25."""

    version = V2025

    def __init__(self, *answers):
        self.answers = list(answers)

    async def server_discover(self, asked, reply):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await answer(asked, reply)


def status(code, body=b"", media="text/plain"):
    async def answer(asked, reply):
        await reply.whole(body, code, content_type=media)

    return answer


def error(code, status=400, data=None):
    async def answer(asked, reply):
        await reply.error(code, "no", data, status)

    return answer


def unsupported(*versions):
    return error(-32022, 400, {"supported": list(versions), "requested": V2026})


def discovered(*versions):
    async def answer(asked, reply):
        await reply.result({**DISCOVERED, "resultType": "complete", "supportedVersions": list(versions)})

    return answer


async def sessionless(asked, reply):
    """What SDKs of the older era say to a request without a session."""
    body = {"jsonrpc": "2.0", "id": "server-error", "error": {"code": -32600, "message": "Missing session ID"}}
    await reply.json(body, 400)


OLDER = {
    "400 without a body": status(400),
    "400 with a page": status(400, b"<h1>no</h1>", "text/html"),
    "400 with JSON that is no message": status(400, b'{"detail": "no"}', "application/json"),
    "404": status(404),
    "405": status(405),
    "406": status(406),
    "415": status(415),
    "the error of an older SDK": sessionless,
    "method not found, 404": error(-32601, 404),
    "method not found, 200": error(-32601, 200),
    "invalid params": error(-32602, 400),
    "unsupported, but an older one is": unsupported(V2025),
    "discovered, but older only": discovered(V2025),
}


@pytest.mark.parametrize("answer", OLDER.values(), ids=OLDER)
async def test_a_server_of_the_older_era_is_spoken_to_in_its_way(answer):
    async with OpenClient(Answering(answer)) as client:
        assert client.protocol_version == V2025
        assert await text(client, "any") == "any"
        assert client.served.messages()[:3] == ["server/discover", "initialize", "notifications/initialized"]


async def test_a_server_of_the_newer_era_is_asked_once():
    async with OpenClient(Answering(discovered(V2026))) as client:
        assert client.protocol_version == V2026
        assert client.served.messages() == ["server/discover"]


async def test_a_server_that_wants_another_attempt_with_the_same_version_gets_it():
    """The conformance suite's request-metadata: the first POST is answered -32022, whatever it says."""
    async with OpenClient(Answering(unsupported(V2026), discovered(V2026))) as client:
        assert client.protocol_version == V2026
        assert client.served.messages() == ["server/discover"] * 2


UNDECIDED = {
    "401": (status(401), UnexpectedStatus),
    "403": (status(403), UnexpectedStatus),
    "429": (status(429), UnexpectedStatus),
    "500": (status(500), UnexpectedStatus),
    "503": (status(503), UnexpectedStatus),
    "a page": (status(200, b"<h1>hello</h1>", "text/html"), UnexpectedStatus),
    "a header is wrong": (error(-32020), RPCError),
    "a capability is missing": (error(-32021), RPCError),
    "the same version refused for ever": (unsupported(V2026), RPCError),
    "nothing in common": (unsupported("2030-01-01"), UnsupportedVersion),
    "nothing in common, discovered": (discovered("2030-01-01"), UnsupportedVersion),
}


@pytest.mark.parametrize(("answer", "failure"), UNDECIDED.values(), ids=UNDECIDED)
async def test_what_decides_nothing_is_told_and_no_other_era_is_tried(answer, failure):
    with trio.fail_after(GUARD):
        async with scripted(Answering(answer)) as served, open_runtime():
            with pytest.raises(failure):
                await streamable_http_client(served.url).__aenter__()
    assert "initialize" not in served.messages()


async def test_a_silent_server_is_not_taken_for_one_of_the_older_era(monkeypatch):
    """Over HTTP every request gets some reply; silence is a server that hangs, or starts."""
    monkeypatch.setattr(handshake, "HANDSHAKE", Timeouts(0.2, 0.2))

    async def nothing(asked, reply):
        await reply.gone()
        reply.cut()

    with trio.fail_after(GUARD):
        async with scripted(Answering(nothing)) as served, open_runtime():
            with pytest.raises(RequestTimeout):
                await streamable_http_client(served.url).__aenter__()
    assert served.messages() == ["server/discover"]


async def test_a_server_of_the_transport_before_is_named_as_such():
    class Old(Answering):
        async def initialize(self, asked, reply):
            await reply.empty(405)

    with trio.fail_after(GUARD):
        async with scripted(Old(status(405))) as served, open_runtime():
            with pytest.raises(UnexpectedStatus, match="use sse_client"):
                await streamable_http_client(served.url).__aenter__()


async def test_the_era_of_a_url_is_remembered():
    server = Answering(status(404))
    with trio.fail_after(GUARD):
        async with scripted(server) as served, open_runtime():
            for _ in range(2):
                async with streamable_http_client(served.url) as client:
                    assert client.protocol_version == V2025
    assert served.messages().count("server/discover") == 1
    assert served.messages().count("initialize") == 2


async def test_a_forced_era_is_not_remembered_as_the_servers():
    class Both(Answering):
        pass

    with trio.fail_after(GUARD):
        async with scripted(Both(discovered(V2026, V2025))) as served, open_runtime():
            async with streamable_http_client(served.url, era=V2025) as client:
                assert client.protocol_version == V2025
            async with streamable_http_client(served.url) as client:
                assert client.protocol_version == V2026


async def test_a_remembered_era_that_fails_is_found_out_anew():
    """Source: basic/versioning: "re-probing if the cached assumption later fails"."""
    server = Answering(discovered(V2026))
    with trio.fail_after(GUARD):
        async with scripted(server) as served, open_runtime():
            async with streamable_http_client(served.url) as client:
                assert client.protocol_version == V2026
            server.answers = [status(404)]
            async with streamable_http_client(served.url) as client:
                assert client.protocol_version == V2025


async def test_a_reset_at_the_first_question_is_tried_once_more():
    async def reset(asked, reply):
        reply.cut()

    with trio.fail_after(GUARD):
        async with scripted(Answering(reset)) as served, open_runtime():
            async with streamable_http_client(served.url) as client:
                assert client.protocol_version == V2025
            with pytest.raises(ConnectionLost):
                await streamable_http_client(served.url, era=V2026).__aenter__()
