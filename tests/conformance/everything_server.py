"""
The server under test: the everything-app over HTTP, in both revisions at one URL.

Owns the process. Its first line on standard output is the URL; SIGTERM ends it.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
from functools import partial
from pathlib import Path

import trio
from conformance.everything_app import app

from zcp_actors import ServerHandle, open_runtime, serve_http
from zcp_actors.tasks import SqliteTaskStore


async def main() -> None:
    """Serve at a free port of this machine until a signal, with tasks in a file that goes with the process."""
    with tempfile.TemporaryDirectory(prefix="everything-") as folder:
        async with open_runtime() as runtime, SqliteTaskStore(Path(folder) / "tasks.sqlite3") as store:
            handle = ServerHandle(app, keys=[secrets.token_bytes(32)], task_store=store)
            async with trio.open_nursery() as nursery:
                (url,) = await nursery.start(partial(serve_http, runtime, handle, port=0))
                sys.stdout.write(f"{url}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main)
