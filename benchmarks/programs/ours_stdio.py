"""Our client of a server behind standard streams. Words: era, the server's command line."""

import trio

from benchmarks.raw import argv_of
from benchmarks.worker import many_at_once, one_after_another, together_on_trio, words, work
from zcp_actors import Command, open_runtime, stdio_client


async def main(era, server):
    async with open_runtime(), stdio_client(Command(argv_of(server)), era=era) as client:

        async def call():
            result = await client.call_tool("echo", {"text": "hello", "n": 1})
            assert result.content[0].text == "hello"

        await work({"one": one_after_another(call), "hundred": many_at_once(call, together_on_trio)})


if __name__ == "__main__":
    trio.run(main, *words())
