"""
Hearing of changes, with the `mcp` package at the other end, over stdio.

Source: 2025-11-25 server/resources, Subscriptions; 2026-07-28 basic/utilities/subscriptions, listen streams.
"""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import mcp_types as types
import pytest
import trio
from interop.stage import PROGRAMS, STATE_KEY, program
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.subscriptions import ResourceUpdated, ToolsListChanged

from zcp_actors import Changed, Command, ZCPClientSession, open_runtime
from zcp_actors.transports.stdio import ChildWay

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


@asynccontextmanager
async def their_client(mode, **options):
    """A client of the package on our server, within a time limit."""
    server = StdioServerParameters(command=sys.executable, args=[str(PROGRAMS / "zcp_server.py")], env=STATE_KEY)
    with trio.fail_after(30), Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230 - it waits for nothing
        async with Client(stdio_client(server, errlog=nowhere), mode=mode, cache=None, **options) as client:
            yield client


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
async def test_our_client_hears_of_what_it_follows_at_a_server_of_theirs(era):
    heard, enough = [], trio.Event()

    def hear(change):
        heard.append(change)
        if len(heard) == 2:
            enough.set()

    way = ChildWay(Command(program("mcp_server_features.py")))
    with trio.fail_after(30):
        async with open_runtime(), ZCPClientSession(way, era=era, changed_handler=hear) as client:
            await client.subscribe_resource("larder://menu")
            await client.call_tool("change_menu")
            await enough.wait()
    assert sorted(heard, key=str) == sorted([Changed("resources", "larder://menu"), Changed("tools")], key=str)


async def test_a_listen_stream_of_their_client_is_acknowledged_and_fed_by_our_server():
    async with their_client("2026-07-28") as client:
        async with client.listen(tools_list_changed=True, resource_subscriptions=["pantry://menu"]) as stream:
            assert stream.honored.tools_list_changed is True
            assert stream.honored.resource_subscriptions == ["pantry://menu"]
            await client.call_tool("change_menu")
            heard = {await anext(stream), await anext(stream)}
        assert heard == {ResourceUpdated(uri="pantry://menu"), ToolsListChanged()}


async def test_a_subscription_of_their_client_is_kept_by_our_server_until_it_is_taken_back():
    heard, news = [], trio.Event()

    async def hear(message):
        heard.append(message)
        news.set()

    def updated():
        return [str(each.params.uri) for each in heard if isinstance(each, types.ResourceUpdatedNotification)]

    async with their_client("legacy", message_handler=hear) as client:
        await client.subscribe_resource("pantry://menu")
        await client.call_tool("change_menu")
        while not updated():
            await news.wait()
        await client.unsubscribe_resource("pantry://menu")
        await client.call_tool("change_menu")
        while sum(isinstance(each, types.ToolListChangedNotification) for each in heard) < 2:
            news = trio.Event()
            await news.wait()
        assert updated() == ["pantry://menu"]
