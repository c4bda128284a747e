"""
The helpers that take an app where others take an address: each takes an app, a handle, and nothing else.
"""

from __future__ import annotations

import pytest
import trio
from opened import GUARD

from zcp_actors import (
    FastZCP,
    ServerHandle,
    memory_client,
    open_runtime,
    stdio_client,
    stdio_server,
    streamable_http_client,
    streamable_http_server,
    websocket_client,
    websocket_server,
)
from zcp_actors.errors import RPCError, UsageError

PAIRS = [
    (stdio_client, stdio_server),
    (streamable_http_client, streamable_http_server),
    (websocket_client, websocket_server),
]
each_pair = pytest.mark.parametrize(("client", "server"), PAIRS, ids=[client.__name__ for client, _ in PAIRS])

app = FastZCP("In process")


@app.tool
async def double(number: int) -> int:
    return 2 * number


@each_pair
@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("form", ["app", "handle", "server of an app", "server of a handle"])
async def test_an_app_is_reached_in_every_form_that_it_may_have(client, server, era, form):
    target = {
        "app": app,
        "handle": ServerHandle(app),
        "server of an app": server(app),
        "server of a handle": server(ServerHandle(app)),
    }[form]
    with trio.fail_after(GUARD):
        async with open_runtime(), client(target, era=era) as opened:
            assert (await opened.call_tool("double", {"number": 21})).structured_content == {"result": 42}


@each_pair
async def test_the_options_of_a_server_count_for_a_handle_too(client, server):
    only = server(ServerHandle(app), era="2025-11-25")
    with trio.fail_after(GUARD):
        async with open_runtime():
            with pytest.raises(RPCError):
                await client(only, era="2026-07-28").__aenter__()
            async with client(only) as opened:
                assert opened.protocol_version == "2025-11-25"


@pytest.mark.parametrize("helper", [*(server for _, server in PAIRS), memory_client, streamable_http_client])
@pytest.mark.parametrize("target", [None, 7, object(), double, FastZCP])
def test_what_is_no_app_is_refused_where_it_is_given(helper, target):
    with pytest.raises(UsageError, match="expected an app or a server handle"):
        helper(target)


@pytest.mark.parametrize("helper", [stdio_client, websocket_client, memory_client, stdio_server, websocket_server])
def test_an_app_dressed_for_http_is_visited_over_http_alone(helper):
    with pytest.raises(UsageError, match="not HTTPServerHandle"):
        helper(streamable_http_server(app))


def test_an_option_that_could_only_be_ignored_is_refused():
    with pytest.raises(UsageError, match="http_client"):
        streamable_http_client(app, http_client=object())
    with pytest.raises(UsageError, match="memory_client"):
        websocket_client(app, tap=print)


async def test_apps_at_the_same_endpoint_are_not_taken_for_one_another():
    """Each seems to be served at the same place when nobody says otherwise, and the era of a place is remembered."""
    with trio.fail_after(GUARD):
        async with open_runtime():
            async with streamable_http_client(streamable_http_server(app, era="2025-11-25")) as older:
                assert older.protocol_version == "2025-11-25"
            async with streamable_http_client(app) as newer:
                assert newer.protocol_version == "2026-07-28"
