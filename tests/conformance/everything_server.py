"""
The server under test: the everything-app over HTTP, in both revisions at one URL.

Owns the process. Its first line on standard output is the URL; SIGTERM ends it.
"""

from __future__ import annotations

import secrets
import sys
from functools import partial

import trio
from conformance.everything_app import app

from zcp_actors import ServerHandle, open_runtime, serve_http


async def main() -> None:
    """Serve at a free port of this machine until a signal."""
    handle = ServerHandle(app, keys=[secrets.token_bytes(32)])
    async with open_runtime() as runtime, trio.open_nursery() as nursery:
        (url,) = await nursery.start(partial(serve_http, runtime, handle, port=0))
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main)
