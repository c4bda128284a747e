"""
Web pages of other origins that were named as allowed: what their browsers ask, and what they are told.

Owns the headers of CORS. Refuses to judge an origin: `origins.Doorkeeper` does.
The rule: only an origin that was named gets any. Pages of this machine may speak to us by default, as every program on
it may, but no browser reads our answers to them unless somebody said so. Cookies are not asked for and not read.
Source: WHATWG Fetch, 3.2, HTTP CORS protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zcp_actors.transports.http.headers import Headers

METHODS = "POST, GET, DELETE"

READABLE = "mcp-session-id, www-authenticate, retry-after"
"""What of a response's head a page may read, besides the content's type."""

MAX_AGE_SECONDS = 7200
"""How long a browser need not ask again; Chromium takes no more."""

WANTS_METHOD, WANTS_HEADERS = "access-control-request-method", "access-control-request-headers"


def is_preflight(method: str, headers: Headers) -> bool:
    """A browser asks whether a page may send what it wants to send."""
    return method == "OPTIONS" and headers.get(WANTS_METHOD) is not None


def readable_by(origin: str) -> list[tuple[bytes, bytes]]:
    """What every response to a page of this origin says."""
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", READABLE.encode()),
        (b"vary", b"origin"),
    ]


def permissions(headers: Headers) -> list[tuple[str, str]]:
    """The answer to a preflight: any header, since tools name their own (`Mcp-Param-*`)."""
    wanted = headers.get(WANTS_HEADERS)
    return [
        ("access-control-allow-methods", METHODS),
        *([("access-control-allow-headers", wanted)] if wanted else []),
        ("access-control-max-age", str(MAX_AGE_SECONDS)),
    ]
