"""
How a server is offered over HTTP, and every limit of it.

Owns the numbers, each with its reason, and the one object in which a program changes them. Refuses to do anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

from zcp_actors.wire import MAX_BYTES

HEADER_SECONDS = 10.0
"""For the head of a request, and for the next one on a connection: a slow phone needs a tenth of it."""

BODY_SECONDS = 30.0
"""For a request's body: 16 MiB at 4.5 Mbit/s."""

STALL_SECONDS = 30.0
"""A reader that takes no byte for this long is gone, as far as anybody can tell; its connection is closed."""

KEEPALIVE_SECONDS = 15.0
"""A comment on a silent stream: under the 30 s at which the more impatient of common proxies cut a connection."""

PRIME_SECONDS = 0.1
"""How long an answer of 2025-11-25 may take and still be plain JSON; then the stream begins that can be resumed."""

IDLE_SECONDS = 300.0
"""A session with nothing open is forgotten after this: nine in ten clients never say goodbye."""

MAX_SESSIONS = 10_000
"""Sessions of 2025-11-25 at once: with 10 KiB each what one small machine can spare."""

MAX_REQUESTS = 10_000
"""HTTP requests being answered at once, long streams among them: each costs a task and, mostly, a descriptor."""

MAX_WEBSOCKETS = 1000
"""Websockets at once: each holds a descriptor, of which a process commonly has 1 024, as long as its client lives."""

RETRY_MS = 1000
"""What a client whose stream was let go waits before it comes back: often enough for a person who watches."""


@attrs.frozen(kw_only=True)
class HTTPConfig:
    """What `create_asgi_app` and `serve_http` take. Times are in seconds, sizes in bytes."""

    endpoint: str = "/mcp"
    websocket_endpoint: str = "/ws"
    """Where the same app is served over a websocket, both eras too."""
    allowed_hosts: Sequence[str] = ()
    """Names this server is reached by, besides loopback ones: "mcp.example.com", or with a port. "*" allows any."""
    allowed_origins: Sequence[str] = ()
    """Web pages that may speak to it, besides those of loopback: "https://app.example.com". "*" allows any.

    Only pages that are named here may read its answers in a browser (CORS), those of loopback too.
    """
    authenticate: Callable[[Mapping[str, Any]], Awaitable[str]] | None = None
    """Given the ASGI scope of a request, return who sends it (a stable name), or raise `HTTPRefused` (401, 403).

    "" is everybody without a name, None is a 401, too. It has `HEADER_SECONDS`.
    A websocket's upgrade is a request, too; its scope has no method.
    """
    max_message: int = MAX_BYTES
    max_sessions: int = MAX_SESSIONS
    max_requests: int = MAX_REQUESTS
    """An open websocket counts as one."""
    max_websockets: int = MAX_WEBSOCKETS
    idle_seconds: float = IDLE_SECONDS
    body_seconds: float = BODY_SECONDS
    prime_seconds: float = PRIME_SECONDS
    keepalive_seconds: float = KEEPALIVE_SECONDS
    poll_seconds: float | None = None
    """Let every stream of 2025-11-25 go after this time, and its client come back for the rest; None: keep it."""
    retry_ms: int = RETRY_MS
