"""
Servers in child processes that are reached over a socket: started, asked for their URL, and ended by whoever uses them.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import trio

PROGRAMS = Path(__file__).parent / "programs"


@asynccontextmanager
async def served(program, *words):
    """Run a test program; its first line is the URL it is reached at."""
    async with serving([sys.executable, str(PROGRAMS / program), *words]) as url:
        yield url


@asynccontextmanager
async def serving(argv, **options):
    """Run a command whose first line is the URL it is reached at."""
    async with child(argv, stdout=subprocess.PIPE, **options) as process:
        line = bytearray()
        while not line.endswith(b"\n"):
            piece = await process.stdout.receive_some()
            assert piece, f"{argv} ended before it served"
            line += piece
        yield line.decode().strip()


@asynccontextmanager
async def child(argv, **options):
    """A process that is gone when the block is left."""
    process = await trio.lowlevel.open_process(argv, **options)
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 10):
            process.terminate()
            with trio.move_on_after(5):
                await process.wait()
            process.kill()
            await process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    await stream.aclose()
