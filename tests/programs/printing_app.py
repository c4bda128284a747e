"""An app that prints wherever its author could: at import, in every kind of tool, and when all is over."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading

import trio

from zcp_actors import FastZCP

STRAY = "stray"

app = FastZCP("printer")
over = threading.Event()


def say(where: str) -> None:
    """Print in each way that a program has: Python's, the descriptor's, a child process's."""
    print(f"{STRAY} {where}")  # noqa: T201
    print(f"{STRAY} {where}, unfinished", end="")  # noqa: T201
    sys.__stdout__.buffer.write(f"{STRAY} {where}, bytes\n".encode())
    os.write(1, f"{STRAY} {where}, descriptor\n".encode())
    subprocess.run(["echo", f"{STRAY} {where}, child"], check=True)


def keep_talking() -> None:
    """Print as long as the process lives."""
    while not over.wait(0.001):
        print(f"{STRAY} thread of the import", flush=True)  # noqa: T201


@app.tool
def in_a_worker() -> str:
    """Print in the thread that runs a plain function."""
    say("in a worker")
    return "done"


@app.tool
async def on_the_loop() -> str:
    """Print in a coroutine, and in a thread of its own."""
    say("on the loop")
    await trio.to_thread.run_sync(say, "in a thread")
    return "done"


@app.tool(task="optional")
async def for_ever() -> str:
    """Print when it is cancelled, which is when the runtime ends."""
    try:
        await trio.sleep_forever()
    finally:
        say("at its end")
    return "never"


say("at import")
threading.Thread(target=keep_talking, daemon=True).start()
atexit.register(say, "at exit")
atexit.register(over.set)
