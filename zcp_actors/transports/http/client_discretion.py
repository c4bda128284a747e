"""
What an httpx client of ours keeps of a server, and what it tells of it.

Owns the room for a server's cookies, and the form in which httpx logs where a request goes. Refuses to know requests.
The rules: a server that sends ever more cookies makes no later request too long; a URL is written down without its
credentials and its query, in which keys stand.
"""

from __future__ import annotations

from http.cookiejar import Cookie, CookieJar

import httpx

from zcp_actors.transports.http.client_address import shown

COOKIE_ROOM = 4096
"""Bytes of names and values: a load balancer's cookies, and half of the 8 KiB that common servers allow a head."""


class FewCookies(CookieJar):
    """Cookies up to a sum; what comes beyond is not kept."""

    def set_cookie(self, cookie: Cookie) -> None:
        """Keep it, in the place of the one that it replaces, if there is room."""
        others = (each for each in self if place_of(each) != place_of(cookie))
        if size_of(cookie) + sum(map(size_of, others)) <= COOKIE_ROOM:
            super().set_cookie(cookie)


def place_of(cookie: Cookie) -> tuple[str, str, str]:
    """What a cookie shares with the one that replaces it."""
    return cookie.domain, cookie.path, cookie.name


def size_of(cookie: Cookie) -> int:
    """What it costs in the head of a request, nearly."""
    return len(cookie.name) + len(cookie.value or "")


class ShownURL(httpx.URL):
    """A URL that is another as text only: httpx logs each request's."""

    def __str__(self) -> str:
        return shown(super().__str__())


async def hide(request: httpx.Request) -> None:
    """A hook of httpx's, before a request is sent."""
    request.url = ShownURL(request.url)
