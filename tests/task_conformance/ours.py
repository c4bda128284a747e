"""Our own server as a process: `task_app.py`, served by the command line or as a program, ended with the block."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager

import trio
from interop.stage import STATE_KEY
from peers import PROGRAMS
from served import child

APP = PROGRAMS / "task_app.py"
SERVE = (sys.executable, "-m", "zcp_actors.cli", "serve", f"{APP}:app")
"""The command that serves it over stdio."""


def environment(folder):
    """What it is started with, so that its tasks are kept in this folder and nowhere else."""
    return {**os.environ, **STATE_KEY, "ZCP_ACTORS_STATE_DIR": str(folder)}


@asynccontextmanager
async def served_over_http(variables):
    """Serve it on a free port; gives the URL."""
    argv = [*SERVE, "--http", ":0"]
    async with child(argv, stderr=subprocess.PIPE, env=variables) as process, trio.open_nursery() as nursery:
        said = b""
        while (found := re.search(rb"serving Kitchen at (\S+)\n", said)) is None:
            piece = await process.stderr.receive_some()
            assert piece, said.decode()
            said += piece
        nursery.start_soon(drained, process.stderr)
        yield found[1].decode()
        nursery.cancel_scope.cancel()


async def drained(stream):
    async for _ in stream:
        pass
