# ruff: noqa: T201  # programs print
"""
The server end: answers each line with itself, and does on request what pollutes a wire.

A line that names one of `TRICKS` plays it first. Says `bye` on standard error when its lines have ended.
"""

from __future__ import annotations

import os
import subprocess
import sys

import trio

from zcp_actors.errors import ConnectionLost, InvalidMessage
from zcp_actors.transports.standard_streams import open_standard_streams

TRICKS = {
    b"print": lambda: print("printed"),
    b"write": lambda: os.write(1, b"written\n"),
    b"subprocess": lambda: subprocess.run([sys.executable, "-S", "-c", "print('from below', input())"], check=False),
    b"input": lambda: print("stole", sys.stdin.readline()),
}


async def serve(limit: int) -> None:
    async with open_standard_streams(limit) as streams:
        try:
            async for line in streams.lines():
                if isinstance(line, InvalidMessage):
                    streams.post(b"invalid: " + type(line).__name__.encode())
                    continue
                TRICKS.get(line, int)()
                streams.post(line)
                await streams.room()
        except ConnectionLost as error:
            print("lost:", error)
        print("unflushed", end="")
    os.write(2, b"\nbye\n")


print("before")
trio.run(serve, int(sys.argv[1]) if sys.argv[1:] else 1024 * 1024)
print("after")
