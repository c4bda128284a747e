"""Our client of a server at a URL. Words: era, the server's command line, httpx, httpx2 or websocket."""

import trio

from benchmarks.raw import argv_of, serving
from benchmarks.worker import many_at_once, one_after_another, together_on_trio, words, work
from zcp_actors import open_runtime, streamable_http_client, websocket_client


def client_of(url, era, way):
    if way == "websocket":
        return websocket_client(url, era=era)
    if way == "httpx":
        return streamable_http_client(url, era=era)
    import httpx2

    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
    return streamable_http_client(url, era=era, http_client=httpx2.AsyncClient(limits=limits))


async def main(era, server, way):
    async with serving(argv_of(server)) as url, open_runtime(), client_of(url, era, way) as client:

        async def call():
            result = await client.call_tool("echo", {"text": "hello", "n": 1})
            assert result.content[0].text == "hello"

        await work({"one": one_after_another(call), "hundred": many_at_once(call, together_on_trio)})


if __name__ == "__main__":
    trio.run(main, *words())
