"""
The server of `mcp_server_features.py` over streamable HTTP, on a free port; its URL is the first line it writes.

`json`: responses are JSON where they can be. `resumable`: streams have ids and can be taken up again. `stateless`: no
session ids. `sse`: the old HTTP+SSE transport instead.
"""

from __future__ import annotations

import socket
import sys

import uvicorn
from mcp.server.mcpserver import Context
from mcp.server.streamable_http import EventMessage, EventStore
from mcp_server_features import server


class Events(EventStore):
    """Everything, for ever: tests are short."""

    def __init__(self):
        self.kept = []

    async def store_event(self, stream_id, message):
        self.kept.append((stream_id, message))
        return str(len(self.kept) - 1)

    async def replay_events_after(self, last_event_id, send_callback):
        stream = self.kept[int(last_event_id)][0]
        for number, (of, message) in enumerate(self.kept):
            if number > int(last_event_id) and of == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


@server.tool()
async def interrupted(ctx: Context) -> str:
    """End the stream twice before the result, which has to be fetched."""
    for number in (1, 2):
        await ctx.report_progress(number, 2, f"part {number}")
        await ctx.close_sse_stream()
    return "whole"


def app(words):
    if "sse" in words:
        return server.sse_app()
    return server.streamable_http_app(
        json_response="json" in words,
        stateless_http="stateless" in words,
        event_store=Events() if "resumable" in words else None,
        retry_interval=100 if "resumable" in words else None,
    )


if __name__ == "__main__":
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    path = "/sse" if "sse" in sys.argv else "/mcp"
    sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}{path}\n")
    sys.stdout.flush()
    config = uvicorn.Config(app(sys.argv[1:]), log_level="error", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listening])
