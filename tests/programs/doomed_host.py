# ruff: noqa: T201  # programs print
"""
A host that starts the child it is told to and waits to be killed.

It says the pids of its guardian, of the process it forked (or None), of its child and of its child's children.

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
    print(guardian.SHARED.pid, None, group, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


async def main(manner: str, how: str = "") -> None:
    if how == "early":
        guardian.SHARED.add = die_before_adding
    async with open_child(Command([sys.executable, "-S", PEER, manner])) as child:
        first = await child.lines().__anext__()
        forked = os.fork() if how == "fork" else None
        if forked == 0:
            os.close(1)
            signal.pause()
        print(guardian.SHARED.pid, forked, *first.decode().split()[1:], flush=True)
        if how == "exit":
            os._exit(0)
        await trio.sleep_forever()


trio.run(main, *sys.argv[1:])
