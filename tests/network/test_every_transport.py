"""
One tool that asks in the middle of its work, over every transport, in both eras, for every kind of question.

Source: the promise that a handler never touches the wire: it is written once, and this is where it must not matter.
"""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from old_sse_site import old_sse_site

from zcp_actors import (
    Command,
    Context,
    FastZCP,
    ServerHandle,
    memory_client,
    open_runtime,
    serve_http,
    serve_stdio,
    serve_websocket,
    sse_client,
    stdio_client,
    stdio_server,
    streamable_http_client,
    streamable_http_server,
    websocket_client,
    websocket_server,
)

GUARD = 30
KEYS = ["a key that only tests would ever use"]

app = FastZCP("Everywhere")


@attrs.define
class Dish:
    name: str
    hot: bool = False


@app.tool
async def sample(ctx: Context) -> str:
    return (await ctx.sample("Say something", max_tokens=5)).content.text


@app.tool
async def elicit(ctx: Context) -> str:
    answer = await ctx.elicit("What shall it be?", Dish)
    return f"{answer.action} {answer.data.name} {answer.data.hot}"


@app.tool
async def roots(ctx: Context) -> str:
    return " ".join(root.uri for root in await ctx.list_roots())


@app.tool
async def everything(ctx: Context) -> str:
    first = await sample(ctx)
    second = await elicit(ctx)
    await ctx.progress(1, 1, "asked twice")
    return f"{first}, {second}, {await roots(ctx)}"


EXPECTED = {"sample": "soup", "elicit": "accept stew True", "roots": "file:///work"}
EXPECTED["everything"] = ", ".join(EXPECTED.values())


@asynccontextmanager
async def in_memory(runtime):
    yield partial(memory_client, app, strict=True)


@asynccontextmanager
async def over_stdio(runtime):
    paths = os.pathsep.join(str(parent) for parent in Path(__file__).parents[1:3])
    environment = {"ZCP_ACTORS_STATE_KEYS": KEYS[0], "PYTHONPATH": paths}
    yield partial(stdio_client, Command([sys.executable, __file__], env=environment))


@asynccontextmanager
async def over_http(runtime):
    async with trio.open_nursery() as nursery:
        serve = partial(serve_http, runtime, ServerHandle(app, keys=KEYS), port=0, signals=False)
        (url,) = await nursery.start(serve)
        yield partial(streamable_http_client, url)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def over_a_websocket_beside_http(runtime):
    async with over_http(runtime) as client_of:
        [url] = client_of.args
        yield partial(websocket_client, url.replace("http://", "ws://").replace("/mcp", "/ws"))


@asynccontextmanager
async def by_http_in_process(runtime):
    yield partial(streamable_http_client, streamable_http_server(app))


@asynccontextmanager
async def over_a_websocket(runtime):
    async with trio.open_nursery() as nursery:
        serve = partial(serve_websocket, runtime, ServerHandle(app, keys=KEYS), port=0, signals=False)
        (url,) = await nursery.start(serve)
        yield partial(websocket_client, url)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def by_a_websockets_names_in_process(runtime):
    yield partial(websocket_client, websocket_server(app))


@asynccontextmanager
async def by_stdios_names_in_process(runtime):
    yield partial(stdio_client, stdio_server(app))


@asynccontextmanager
async def over_the_old_sse(runtime):
    async with old_sse_site(runtime, app) as url:
        yield partial(sse_client, url)


TRANSPORTS = [
    in_memory,
    over_stdio,
    by_stdios_names_in_process,
    over_http,
    by_http_in_process,
    over_a_websocket,
    over_a_websocket_beside_http,
    by_a_websockets_names_in_process,
]

PLACES = [(transport, era) for transport in TRANSPORTS for era in ("2025-11-25", "2026-07-28")]
PLACES.append((over_the_old_sse, "2025-11-25"))  # it ended before the newer era began


@pytest.mark.parametrize("question", EXPECTED)
@pytest.mark.parametrize(("transport", "era"), PLACES, ids=[f"{place.__name__} {era}" for place, era in PLACES])
async def test_a_tool_asks_in_the_middle_of_its_work(transport, era, question):
    heard = []
    with trio.fail_after(GUARD):
        async with (
            open_runtime() as runtime,
            transport(runtime) as client_of,
            client_of(
                era=era,
                sampling_handler=lambda _: "soup",
                elicitation_handler=lambda _: {"accepted": True, "data": {"name": "stew", "hot": True}},
                roots_provider=lambda: ["file:///work"],
            ) as client,
        ):
            assert client.protocol_version == era
            result = await client.call_tool(question, on_progress=lambda report: heard.append(report.message))
    assert result.content[0].text == EXPECTED[question]
    assert heard == (["asked twice"] if question == "everything" else [])


async def serve_this():
    async with open_runtime() as runtime:
        await serve_stdio(runtime, app)


if __name__ == "__main__":
    trio.run(serve_this)
