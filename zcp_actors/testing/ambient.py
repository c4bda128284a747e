"""
The runtime around a test, or one of its own.

Owns that choice and nothing else.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from zcp_actors.actors import current_runtime
from zcp_actors.errors import NoRuntime
from zcp_actors.sessions import open_runtime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def runtime_around() -> Any:
    """The runtime around this code, or None."""
    try:
        return current_runtime()
    except NoRuntime:
        return None


@asynccontextmanager
async def ambient_runtime() -> AsyncIterator[Any]:
    """The runtime around this code; where there is none, one that lasts as long as the block."""
    runtime = runtime_around()
    if runtime is not None:
        yield runtime
        return
    async with open_runtime() as own:
        yield own
