"""`mcp` to `mcp` over HTTP. Words: mode, sse or json."""

import asyncio
import subprocess
import sys

from mcp.client import Client

from benchmarks.worker import many_at_once, one_after_another, together_on_asyncio, words, work


async def main(mode, responses):
    argv = [sys.executable, __file__.replace("_http.py", "_http_server.py"), responses]
    server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        async with Client(url, mode=mode) as client:

            async def call():
                result = await client.call_tool("echo", {"text": "hello", "n": 1})
                assert result.structured_content == {"result": "hello"}

            measures = {"one": one_after_another(call), "hundred": many_at_once(call, together_on_asyncio)}
            await work(measures, era=client.protocol_version)
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    asyncio.run(main(*words()))
