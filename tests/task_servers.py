"""Server processes that share one file of tasks, raw clients of them, and what their handlers did."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import asynccontextmanager

import pytest
import trio
from raw_peer import Refused, http_peer, talking
from task_forks import forked

LEASE = 0.5
"""Seconds: a holder that is stopped, or dead, is replaced after this and a third of it."""
UNCERTAIN = re.compile(r"OnceUncertain: ")
"""What a task says whose effect was begun, and of whose outcome nothing is known."""


@asynccontextmanager
async def open_world(folder):
    """A file, and a guard."""
    async with trio.open_nursery() as nursery:
        with trio.fail_after(60):
            yield World(folder, nursery)
        nursery.cancel_scope.cancel()


class World:
    """A file, a log, and the servers that share them."""

    def __init__(self, folder, nursery):
        self.store, self.log = folder / "tasks.sqlite3", folder / "log"
        self._nursery = nursery

    async def server(self, era, way="stdio", *, lease=LEASE, tools="", app="Works", answer=None):
        """A peer of a new server process."""
        words = [way, str(self.store), str(self.log), str(lease), tools, app]
        return await self._nursery.start(self._live, words, era, way, answer)

    async def servers(self, *eras, way="stdio", **options):
        """The same, several at once."""
        peers = {}

        async def start(n, era):
            peers[n] = await self.server(era, way, **options)

        async with trio.open_nursery() as nursery:
            for n, era in enumerate(eras):
                nursery.start_soon(start, n, era)
        return [peers[n] for n in range(len(eras))]

    async def http_server(self, *, lease=LEASE):
        """The URL of a new server process that is reached over HTTP, for any number of peers."""
        return await self._nursery.start(self._serve, ["http", str(self.store), str(self.log), str(lease)])

    async def _serve(self, words, task_status):
        async with forked(*words) as process:
            task_status.started(await url_of(process))
            await trio.sleep_forever()

    async def peer(self, url, era, name="ann", answer=None):
        """A client of a server over HTTP, which says that it is `name`."""
        return await self._nursery.start(self._visit, url, era, name, answer)

    async def _visit(self, url, era, name, answer, task_status):
        async with http_peer(url, era, name, answer) as peer:
            task_status.started(peer)
            await trio.sleep_forever()

    async def _live(self, words, era, way, answer, task_status):
        async with forked(*words) as process:
            if way == "stdio":
                talk = talking(process.stdout, process.stdin, era, answer)
            else:
                talk = http_peer(await url_of(process), era, answer=answer)
            async with talk as peer:
                peer.process = process
                if way == "stdio":
                    await peer.introduce()
                task_status.started(peer)
                await trio.sleep_forever()

    def deeds(self, name, what=None):
        """What handlers did under this name, in order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        deeds = [json.loads(line) for line in lines]
        return [deed for deed in deeds if deed["name"] == name and what in (None, deed["what"])]

    async def deed(self, name, what, *, count=1):
        """Wait until it was done so often; returns the last time."""
        while len(deeds := self.deeds(name, what)) < count:  # noqa: ASYNC110 - another process did it
            await trio.sleep(0.01)
        return deeds[count - 1]

    def open_gate(self, name):
        """Let the handler of this name through."""
        self.log.with_name(f"{self.log.name}.{name}").touch()

    def row(self, id):
        """Owner, fence and revision of a task, as the file has them."""
        connection = sqlite3.connect(self.store)
        try:
            return connection.execute("SELECT owner, fence, revision FROM tasks WHERE id = ?", (id,)).fetchone()
        finally:
            connection.close()


async def url_of(process):
    """What a server over HTTP says first."""
    said = b""
    while not said.endswith(b"\n"):
        piece = await process.stdout.receive_some()
        assert piece, "it ended before it served"
        said += piece
    return said.decode().strip()


async def refusal(asking):
    with pytest.raises(Refused) as refused:
        await asking
    return refused.value
