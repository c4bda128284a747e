"""
2025-11-25: the client listens to what belongs to no request before it asks for anything.

Source: basic/transports, "Listening for Messages from the Server". The conformance scenario on elicitation defaults
asks by that stream alone, and a server that keeps no events loses what it says on a stream that is not there yet.
"""

from __future__ import annotations

import trio
from opened import OpenClient, text
from scripted_http import Manners

V2025 = "2025-11-25"

HEAD_START = 0.2
"""Seconds in which a client that does not wait would have called: far less than the client is willing to wait."""


class Listened(Manners):
    """Says in which order it heard of things."""

    version, session = V2025, "s"

    def __init__(self):
        self.order, self.called = [], trio.Event()

    async def tools_call(self, asked, reply):
        self.order.append("called")
        self.called.set()
        await reply.text(asked.tool)


async def test_nothing_is_asked_before_the_stream_for_what_belongs_to_no_request_stands():
    class Slow(Listened):
        async def GET(self, asked, reply):  # noqa: N802 - HTTP's name
            with trio.move_on_after(HEAD_START):
                await self.called.wait()
            self.order.append("listened to")
            await reply.stream_head()
            await reply.gone()

    server = Slow()
    async with OpenClient(server, V2025) as client:
        assert await text(client, "any") == "any"

    assert server.order == ["listened to", "called"]


async def test_a_server_that_does_not_answer_who_listens_is_asked_all_the_same():
    class Silent(Listened):
        async def GET(self, asked, reply):  # noqa: N802 - HTTP's name
            self.order.append("listened to")
            await reply.gone()

    server = Silent()
    async with OpenClient(server, V2025) as client:
        assert await text(client, "any") == "any"

    assert server.order == ["listened to", "called"]


async def test_a_server_without_that_stream_is_asked_at_once():
    server = Listened()
    async with OpenClient(server, V2025) as client:
        assert await text(client, "any") == "any"

        assert [asked.method for asked in client.served.asked if asked.method == "GET"] == ["GET"]
