"""A process that writes an intent, performs its side effect, says so, and never gets to write the outcome."""

from __future__ import annotations

import sys

import trio

from zcp_actors.tasks import SqliteOnceStore


async def main(path: str) -> None:
    async with SqliteOnceStore(path) as store:
        for key in ("finished", "cut-short"):
            await store.begin(("press", "", "nonce"), key)
            if key == "finished":
                await store.finish(("press", "", "nonce"), key, "receipt")
        print("begun", flush=True)  # noqa: T201  # what the test waits for
        await trio.sleep_forever()


trio.run(main, sys.argv[1])
