"""A server that is silent at first because it starts slowly, not because it is of the older era."""

from __future__ import annotations

import pytest
import trio

from zcp_actors.errors import RPCError
from zcp_actors.testing.scripted_server import CAPABILITIES, scripted_server

NEWER = "2026-07-28"
DISCOVERED = {
    "supportedVersions": [NEWER],
    "capabilities": CAPABILITIES,
    "resultType": "complete",
    "ttlMs": 0,
    "cacheScope": "private",
}
REFUSED = RPCError(-32600, "connection is serving the 2026-07-28 protocol; the initialize handshake is not accepted")
"""What a server of both eras says that heard `server/discover` first, late as it was (mcp 2.3.0)."""


class Answers:
    """Answers in their order; None says nothing."""

    def __init__(self, *answers: object) -> None:
        self.left = list(answers)

    def __call__(self, request: object) -> object:
        return self.left.pop(0)


async def test_a_slow_server_of_both_eras_that_refuses_initialize_is_asked_in_the_newer_way_again(autojump_clock):
    discover = Answers(None, DISCOVERED)
    with trio.fail_after(30):
        automatic = {"server/discover": discover, "initialize": REFUSED}
        async with scripted_server(NEWER, era=None, automatic=automatic) as (client, peer):
            assert client.protocol_version == NEWER
            ids = [sent["id"] for sent in peer.transcript.of("client") if "id" in sent]

    assert discover.left == []
    assert len(ids) == len(set(ids))


async def test_a_slow_server_that_refuses_both_ways_is_reported_with_what_it_said_to_initialize(autojump_clock):
    automatic = {"server/discover": Answers(None, RPCError(-32601, "what?")), "initialize": REFUSED}
    with trio.fail_after(30), pytest.raises(RPCError, match="the initialize handshake is not accepted"):
        async with scripted_server(NEWER, era=None, automatic=automatic):
            pass


async def test_a_server_that_said_no_to_discover_is_not_asked_again(autojump_clock):
    discover = Answers(RPCError(-32601, "what?"))
    with trio.fail_after(30), pytest.raises(RPCError, match="the initialize handshake is not accepted"):
        async with scripted_server(NEWER, era=None, automatic={"server/discover": discover, "initialize": REFUSED}):
            pass

    assert discover.left == []
