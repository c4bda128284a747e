# ruff: noqa: T201  # programs print
"""
A host that starts the child it is told to, says `<guardian's pid> <child's first line>` and waits to be killed.

`doomed_host.py <manner> [fork | exit | early]`: with `fork` a forked process outlives it; with `exit` it ends by itself
without closing; with `early` it is killed, by itself, before the guardian has been told of the started child.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import trio

from zcp_actors.transports import guardian
from zcp_actors.transports.child import open_child
from zcp_actors.transports.command import Command

PEER = Path(__file__).with_name("stdio_peer.py")


def die_before_adding(group: int, inode: int) -> None:
    print(guardian.SHARED.pid, "started", group, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


async def main(manner: str, how: str = "") -> None:
    if how == "early":
        guardian.SHARED.add = die_before_adding
    async with open_child(Command([sys.executable, "-S", PEER, manner])) as child:
        first = await child.lines().__anext__()
        print(guardian.SHARED.pid, first.decode(), flush=True)
        if how == "fork" and not os.fork():
            os.close(1)
            signal.pause()
        if how == "exit":
            os._exit(0)
        await trio.sleep_forever()


trio.run(main, *sys.argv[1:])
