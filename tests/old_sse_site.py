"""
An app behind the old HTTP+SSE transport, which the package speaks as a client only: one stream, and POSTs to its side.

Source: MCP 2024-11-05 basic/transports, "HTTP with SSE".
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager

import trio
from scripted_http import scripted

from zcp_actors import ServerHandle
from zcp_actors.wire import decode, encode


class StreamEnd:
    """What is posted here waits for the stream."""

    transport, full = "tcp", False
    dialect = stamp = None

    def __init__(self):
        self._post, self.posted = trio.open_memory_channel(math.inf)

    def post(self, message, call=None):
        self._post.send_nowait(encode(message, self.dialect, self.stamp))

    async def room(self):
        await trio.lowlevel.checkpoint()

    def hang_up(self):
        self._post.close()


@asynccontextmanager
async def old_sse_site(runtime, app):
    """The URL of the stream."""
    sessions = {}

    async def serve(asked, reply):
        if asked.method == "POST":
            sessions[asked.path].feed(decode(asked.body))
            await reply.empty(202)
            return
        end, place = StreamEnd(), f"/messages?session={len(sessions)}"
        session = sessions[place] = ServerHandle(app).host(runtime, end)
        try:
            await reply.stream_head()
            await reply.body(f"event: endpoint\ndata: {place}\n\n".encode())
            async for message in end.posted:
                await reply.body(b"event: message\ndata: " + message + b"\n\n")
        finally:
            session.me.stop()

    async with scripted(serve) as served:
        yield served.url
