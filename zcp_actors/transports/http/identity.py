"""
Who sends a request, as far as the program that serves it can tell.

Owns the asking and its deadline. Refuses to know how a program finds out.
The rule: where people are asked who they are, no answer lets nobody in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import HTTPRefused
from zcp_actors.transports.http.config import HEADER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

UNKNOWN = "who you are was not found out"


async def principal_of(ask: Callable[[Mapping[str, Any]], Awaitable[str]] | None, scope: Mapping[str, Any]) -> str:
    """The name of who sends this; "" where nobody is asked. Raises `HTTPRefused` (401, 503), and what `ask` raises."""
    if ask is None:
        return ""
    with trio.move_on_after(HEADER_SECONDS):
        found: object = await ask(scope)
        if not isinstance(found, str):
            raise HTTPRefused(401, UNKNOWN)
        return found
    raise HTTPRefused(503, f"{UNKNOWN} within {HEADER_SECONDS:g} s")
