"""The raw client of a websocket server. Words: era, the server's command line, a subprotocol."""

import trio

from benchmarks.raw import argv_of, serving, websocket
from benchmarks.worker import many_at_once, one_after_another, together_on_trio, words, work


async def main(era, server, *subprotocols):
    async with serving(argv_of(server)) as url, websocket(url, era, subprotocols) as client:
        measures = {"one": one_after_another(client.call), "hundred": many_at_once(client.call, together_on_trio)}
        await work(measures)


if __name__ == "__main__":
    trio.run(main, *words())
