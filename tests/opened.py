"""A scripted HTTP server and an open client of it, in a runtime, under a guard."""

from __future__ import annotations

from contextlib import AsyncExitStack

import trio
from scripted_http import scripted

from zcp_actors import open_runtime, streamable_http_client

GUARD = 30
"""Seconds; reached only when something hangs."""


class OpenClient:
    """`async with` gives the client; its `served` is the server."""

    def __init__(self, server, era=None, **options):
        self.server, self.era, self.options = server, era, options
        self.stack = AsyncExitStack()

    async def __aenter__(self):
        async with AsyncExitStack() as stack:
            stack.enter_context(trio.fail_after(GUARD))
            served = await stack.enter_async_context(scripted(self.server))
            await stack.enter_async_context(open_runtime())
            client = streamable_http_client(served.url, era=self.era, **self.options)
            client.served = served
            await stack.enter_async_context(client)
            self.stack = stack.pop_all()
        return client

    async def __aexit__(self, *failure):
        return await self.stack.__aexit__(*failure)


async def text(client, tool, **options):
    """What a tool says."""
    return (await client.call_tool(tool, **options)).content[0].text
