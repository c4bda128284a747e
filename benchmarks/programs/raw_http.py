"""The raw client of an HTTP server, a connection for each of its callers. Words: era, the server's command line."""

import trio

from benchmarks.raw import HTTP, argv_of, serving
from benchmarks.worker import HUNDRED, many_at_once, one_after_another, together_on_trio, words, work


async def main(era, server):
    async with serving(argv_of(server)) as url:
        first = HTTP(url, era)
        session = await first.open()
        crowd = [HTTP(url, era) for _ in range(HUNDRED)]
        for each in crowd:
            await each.open(session)
        free = list(crowd)

        async def call():
            mine = free.pop()
            await mine.call()
            free.append(mine)

        await work({"one": one_after_another(first.call), "hundred": many_at_once(call, together_on_trio)})


if __name__ == "__main__":
    trio.run(main, *words())
