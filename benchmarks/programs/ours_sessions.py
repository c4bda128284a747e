"""Many sessions of ours. Words: era, how many."""

import trio

from benchmarks.programs.ours_call import echo_app
from benchmarks.programs.sessions import Sessions
from benchmarks.worker import together_on_trio, words
from zcp_actors import memory_client, open_runtime


async def main(era, count):
    app = echo_app()
    async with open_runtime() as runtime:

        async def opener():
            client = memory_client(app, era=era)
            await client.open(runtime, None)

            async def call():
                await client.call_tool("echo", {"text": "hello", "n": 1})

            return call, client.close

        await Sessions(opener, int(count), together_on_trio).work()


if __name__ == "__main__":
    trio.run(main, *words())
