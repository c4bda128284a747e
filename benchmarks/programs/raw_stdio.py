"""The raw client of a server behind standard streams. Words: era, the server's command line."""

import trio

from benchmarks.raw import argv_of, lines
from benchmarks.worker import many_at_once, one_after_another, together_on_trio, words, work


async def main(era, server):
    async with lines(argv_of(server), era) as client:
        measures = {"one": one_after_another(client.call), "hundred": many_at_once(client.call, together_on_trio)}
        await work(measures)


if __name__ == "__main__":
    trio.run(main, *words())
