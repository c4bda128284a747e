"""
The client of the old HTTP+SSE transport, and servers that fail. Source: MCP 2024-11-05 basic/transports.
"""

from __future__ import annotations

import json

import pytest
import trio
from opened import GUARD, text
from scripted_http import Manners, scripted

from zcp_actors import open_runtime, sse_client
from zcp_actors.errors import ConnectionLost, StartFailed, UnexpectedStatus


class Old(Manners):
    """Responses of POSTs come by the stream of the GET."""

    version = "2024-11-05"

    def __init__(self, endpoint="/messages?session=1"):
        self.endpoint = endpoint
        self.stream = None
        self.cut = trio.Event()

    async def GET(self, asked, reply):  # noqa: N802 - HTTP's name
        await reply.stream_head()
        if self.endpoint is not None:
            await reply.body(f"event: endpoint\ndata: {self.endpoint}\n\n".encode())
        self.stream = reply
        await self.cut.wait()
        reply.cut()

    async def __call__(self, asked, reply):
        if asked.method != "POST":
            await super().__call__(asked, reply)
        elif asked.tool == "refused":
            await reply.empty(500)
        else:
            await reply.empty(202)
            await self.answer(asked)

    async def answer(self, asked):
        if "id" in asked.message and asked.tool != "silent":
            result = {"content": [{"type": "text", "text": asked.tool or ""}]}
            if asked.rpc == "initialize":
                info = {"name": "old", "version": "1"}
                result = {"protocolVersion": self.version, "capabilities": {}, "serverInfo": info}
            message = json.dumps({"jsonrpc": "2.0", "id": asked.message["id"], "result": result})
            await self.stream.body(f"event: message\ndata: {message}\n\n".encode())


async def test_messages_go_where_the_stream_says():
    with trio.fail_after(GUARD):
        async with scripted(Old()) as served, open_runtime(), sse_client(served.url) as client:
            assert client.protocol_version == "2024-11-05"
            assert await text(client, "any") == "any"
    posts = {asked.path for asked in served.asked if asked.method == "POST"}
    assert posts == {"/messages?session=1"}


async def test_a_refused_post_ends_its_own_call():
    with trio.fail_after(GUARD):
        async with scripted(Old()) as served, open_runtime(), sse_client(served.url) as client:
            with pytest.raises(UnexpectedStatus, match="500"):
                await client.call_tool("refused")
            assert await text(client, "after") == "after"


async def test_the_end_of_the_stream_is_the_end_of_the_connection():
    server, lost = Old(), []

    async def call(client):
        with pytest.raises(ConnectionLost) as caught:
            await client.call_tool("silent")
        lost.append(caught.value)

    with trio.fail_after(GUARD):
        async with scripted(server) as served, open_runtime():
            client = sse_client(served.url)
            await client.__aenter__()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call, client)
                while "tools/call" not in served.messages():
                    await trio.lowlevel.checkpoint()
                server.cut.set()
            await client.close()
    assert len(lost) == 1


@pytest.mark.parametrize("endpoint", ["http://evil.example/messages", "//evil.example/messages", "https://127.0.0.1/x"])
async def test_messages_are_not_sent_to_another_origin(endpoint):
    with trio.fail_after(GUARD):
        async with scripted(Old(endpoint)) as served, open_runtime():
            with pytest.raises(StartFailed, match="another origin"):
                await sse_client(served.url).__aenter__()
    assert served.messages() == []


async def test_a_stream_that_ends_before_it_says_where_is_a_failed_start():
    server = Old(None)
    server.cut.set()
    with trio.fail_after(GUARD):
        async with scripted(server) as served, open_runtime():
            with pytest.raises(StartFailed, match="did not say where messages go"):
                await sse_client(served.url).__aenter__()


async def test_a_server_without_that_stream_is_a_failed_start():
    with trio.fail_after(GUARD):
        async with scripted(Manners()) as served, open_runtime():
            with pytest.raises(StartFailed, match="use streamable_http_client"):
                await sse_client(served.url).__aenter__()
