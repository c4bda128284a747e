"""
`zcp-actors serve`: an app over this process's standard streams.

Owns the log on standard error and the silence of standard output while the app is imported. Refuses to know signals and
streams: `serve_stdio` does.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio

from zcp_actors.cli.target import load_app
from zcp_actors.sessions import ServerHandle, open_runtime
from zcp_actors.transports import serve_stdio

if TYPE_CHECKING:
    from collections.abc import Iterator


def serve_app(text: str, era: str | None, log_level: str) -> int:
    """Serve the app that `text` names until the input ends or a signal comes; return the exit code."""
    logging.basicConfig(
        stream=sys.stderr, level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    with _standard_output_kept():
        found = load_app(text)
    handle = found if isinstance(found, ServerHandle) else ServerHandle(found)
    ended_by = trio.run(_serve, handle if era is None else attrs.evolve(handle, era=era))
    return 128 + signal.SIGINT if ended_by is signal.SIGINT else 0


async def _serve(handle: Any) -> signal.Signals | None:
    async with open_runtime() as runtime:
        return await serve_stdio(runtime, handle)


@contextmanager
def _standard_output_kept() -> Iterator[None]:
    """Send what a module prints while it is imported to standard error: the first line of a server is an answer."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
