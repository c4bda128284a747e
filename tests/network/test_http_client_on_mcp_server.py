"""
The streamable HTTP client, and the old one, on servers of the `mcp` package that are set up in other ways than usual.

What every server offers is tested in tests/interop, over HTTP as over stdio.
"""

from __future__ import annotations

import pytest
import trio
from opened import GUARD, text
from served import served

from zcp_actors import open_runtime, sse_client, streamable_http_client
from zcp_actors.errors import ConnectionLost

V2025, V2026 = "2025-11-25", "2026-07-28"


def person(_):
    return {"accepted": True, "data": {"name": "soup"}}


async def test_responses_in_json_are_read_in_both_eras():
    with trio.fail_after(GUARD):
        async with served("mcp_http_server.py", "json") as url, open_runtime():
            for era in (V2025, V2026):
                async with streamable_http_client(url, era=era, elicitation_handler=person) as client:
                    assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"total": 3}
            assert (await ask(url, V2026)) == "accept name='soup' hot=False"


async def ask(url, era):
    async with streamable_http_client(url, era=era, elicitation_handler=person) as client:
        return await text(client, "order")


async def test_a_server_without_sessions_is_served_in_the_older_era():
    with trio.fail_after(GUARD):
        async with (
            served("mcp_http_server.py", "stateless") as url,
            open_runtime(),
            streamable_http_client(url, era=V2025) as client,
        ):
            assert len((await client.list_tools()).tools) > 5
            assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"total": 3}


async def test_a_stream_that_the_server_ends_twice_is_resumed_without_a_loss():
    """Source: SEP-1699, polling: the server closes, the client comes back with the last id after `retry`."""
    heard = []
    with trio.fail_after(GUARD):
        async with (
            served("mcp_http_server.py", "resumable") as url,
            open_runtime(),
            streamable_http_client(url, era=V2025) as client,
        ):
            result = await client.call_tool("interrupted", on_progress=lambda report: heard.append(report.progress))
            assert result.content[0].text == "whole"
    assert heard == [1, 2]


async def test_the_old_transport_carries_calls_questions_and_cancels():
    with trio.fail_after(GUARD):
        async with (
            served("mcp_http_server.py", "sse") as url,
            open_runtime(),
            sse_client(url, elicitation_handler=person, sampling_handler=lambda _: "short") as client,
        ):
            assert await text(client, "order") == "accept name='soup' hot=False"
            assert (await text(client, "summarise", arguments={"text": "x"})).endswith("short")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.call_tool, "simmer")
                await told(client, "simmer started")
                nursery.cancel_scope.cancel()
            await told(client, "simmer ended")


async def told(client, event):
    while not (await client.call_tool("tell")).structured_content.get(event):
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_a_supervised_backend_outlives_its_servers_end(era):
    """Nothing is lost but the calls: the client stays open, and each call says what is the matter."""
    with trio.fail_after(GUARD):
        async with open_runtime() as runtime:
            async with served("mcp_http_server.py") as url:
                client = await runtime.connect(streamable_http_client(url, era=era))
                assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"total": 3}
            with pytest.raises(ConnectionLost):
                await client.call_tool("add", {"a": 1, "b": 2})
            await client.close()


async def test_any_client_of_the_same_api_may_be_passed():
    """httpx2 is the maintained successor of httpx; it is not asked for, only accepted."""
    import httpx2

    with trio.fail_after(GUARD):
        async with served("mcp_http_server.py") as url, open_runtime(), httpx2.AsyncClient(timeout=None) as http_client:
            for era in (V2025, V2026):
                async with streamable_http_client(url, era=era, http_client=http_client) as client:
                    assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"total": 3}
            assert not http_client.is_closed
