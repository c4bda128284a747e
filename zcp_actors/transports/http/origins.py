"""
Who may speak to a server that is reached by a browser's machine.

Owns the judgement of `Host` and `Origin`, against web pages that make a browser speak to a server on its own machine
(DNS rebinding). Refuses to know the request behind the two headers; a websocket's upgrade is judged by the same object.
The rule: both are parsed and compared whole. A prefix, a user name before an "@" or a suffix decides nothing.
Source: MCP basic/transports of both revisions, Security; RFC 6454; RFC 9110, 7.2.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zcp_actors.errors import HTTPRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

KNOWN_HOSTS = 64
"""Hosts that were judged to be ours and are not judged again: a server is called by a handful of names."""

LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})

_ANY = "*"


def is_loopback(host: str) -> bool:
    """True for a name or address that means this machine to itself."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_address(host: str) -> bool:
    """True for an IP address written out: no name was asked for, so no name can have been rebound."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class Doorkeeper:
    """Judges the two headers. `addresses` lets any IP address pass as a host, for servers that others reach."""

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = (), *, addresses: bool = False) -> None:
        self._hosts = frozenset(each.lower() for each in hosts)
        self._origins = frozenset(each.lower().rstrip("/") for each in origins)
        self._addresses = addresses
        self._known: set[str | None] = set()

    def check(self, host: str | None, origin: str | None) -> None:
        """Raises `HTTPRefused`: 421 for a host that is not ours, 403 for a page that may not speak to us."""
        if host not in self._known:
            if _ANY not in self._hosts and not self._is_ours(host):
                raise HTTPRefused(421, f"Host {host!r:.200} is not served here; add it to allowed_hosts")
            if len(self._known) < KNOWN_HOSTS:
                self._known.add(host)
        if origin is not None and _ANY not in self._origins and not self._is_welcome(origin):
            raise HTTPRefused(403, f"Origin {origin!r:.200} may not use this server; add it to allowed_origins")

    def names(self, origin: str) -> bool:
        """This origin was allowed by name, or every one was."""
        return _ANY in self._origins or origin.lower() in self._origins

    def _is_ours(self, host: str | None) -> bool:
        authority = (host or "").lower()
        name = _host_of(f"//{authority}")
        if name is None:
            return False
        if authority in self._hosts or name in self._hosts or is_loopback(name):
            return True
        return self._addresses and is_address(name)

    def _is_welcome(self, origin: str) -> bool:
        lowered = origin.lower()
        if self.names(origin):
            return True
        if not lowered.startswith(("http://", "https://")):
            return False
        name = _host_of(lowered)
        return name is not None and is_loopback(name)


def _host_of(url: str) -> str | None:
    """The host of an authority or an origin, without its port. None for anything that is more, or less, than one."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    more = parts.path or parts.query or parts.fragment or "@" in parts.netloc or parts.netloc.endswith(":")
    before, _, after = parts.netloc.rpartition("]")
    beside = before and (not before.startswith("[") or (after and not after.startswith(":")))
    if more or beside or port == 0 or not url.isascii() or not url.isprintable() or " " in url:
        return None
    return parts.hostname
