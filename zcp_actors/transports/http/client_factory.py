"""
The one place where an HTTP client is made.

Owns the settings that this package needs of a client: no redirects followed, no waiting for a connection's slot, and
time limits for what happens before the server has the request. Everything after that is bounded by the request's own
limits. Any client with httpx's asynchronous API can be passed instead; `HTTPClient` says what is used of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_SECONDS = 10.0
"""To reach a server: two lost packets of a TCP handshake are made good in seven."""

KEEPALIVE_SECONDS = 3.0
"""An idle connection is dropped before the server does it: common servers wait five, and a request sent into a closing
connection is lost."""


class HTTPClient(Protocol):
    """What is used of an `httpx.AsyncClient`, or of another client of its API."""

    def build_request(self, method: str, url: str, *, headers: Any = None, content: Any = None) -> Any:
        """A request, with the client's own headers and cookies."""

    async def send(self, request: Any, *, stream: bool = False, follow_redirects: bool = False) -> Any:
        """Send it; with `stream`, return when the response's head is there."""

    async def aclose(self) -> None:
        """Close every connection."""


def make_http_client(
    *, headers: Mapping[str, str] | None = None, auth: Any = None, verify: Any = True, transport: Any = None
) -> HTTPClient:
    """An httpx client as this package wants it. `auth`, `verify` and `transport` are httpx's."""
    import httpx  # a tenth of a second, which programs without HTTP shall not pay

    from zcp_actors.transports.http.client_discretion import FewCookies, hide

    client: HTTPClient = httpx.AsyncClient(
        headers=dict(headers or {}),
        auth=auth,
        cookies=FewCookies(),
        event_hooks={"request": [hide]},
        verify=verify,
        transport=transport,
        follow_redirects=False,
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        # A call may hold its connection while the answers to its questions need others: a limit would be a deadlock.
        limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEPALIVE_SECONDS),
    )
    return client
