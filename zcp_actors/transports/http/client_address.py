"""
What a client is told before it opens anything: where the server is, and what to send along.

Owns the judgement of URLs and headers, and how a URL is shown and remembered. Refuses to connect.
The rule: keys stand in the credentials and in the query of URLs, and in the values of headers; none of the three is
ever written down, in no error, log, tree or store.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from zcp_actors.errors import UsageError
from zcp_actors.protocol.header_annotation import TOKEN

AUTHORIZATION: Final = "authorization"

_VALUE: Final = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")


def checked_url(url: str, schemes: tuple[str, ...] = ("http", "https")) -> str:
    """The URL. Raises `UsageError` for what is none, or names no host."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        usable = parts.scheme.lower() in schemes and bool(host) and parts.port != 0
        # What the resolver would do to a name. An address in brackets is no name.
        usable = usable and (":" in host or bool(host.encode("idna")))
    except (ValueError, AttributeError, TypeError):
        usable = False
    if not usable:
        raise UsageError(f"expected a URL like {schemes[0]}://host/mcp, not {public(url)!r:.200}")
    return url


def public(url: Any) -> Any:
    """What looks like a URL, without what may be secret in it; anything else by its type."""
    if not isinstance(url, str):
        return type(url)
    return re.sub(r"^([^/@]*//)?.*@", r"\1", url, flags=re.DOTALL).partition("?")[0]


def checked_headers(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """The headers. Raises `UsageError` for what HTTP cannot carry, naming the header but not its value."""
    given: Mapping[Any, Any] = headers or {}
    for name, value in given.items():
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            raise UsageError(f"a header is called {name!r:.100}; names consist of ASCII letters, digits and hyphens")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise UsageError(
                f"the value of the header {name!r} must be text of visible ASCII characters, without blanks or line "
                f"ends around it; a token that was read from a file may need .strip()"
            )
    return headers


def shown(url: str) -> str:
    """A URL for errors and logs: the credentials and the query, where keys and session ids stand, are left out."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def name_of(url: str) -> str:
    """What a server is called in a tree: host, port and path."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    named = f"[{host}]" if ":" in host else host
    return f"{named}{f':{parts.port}' if parts.port else ''}{parts.path.rstrip('/')}"


def authorized(headers: Mapping[str, str] | None, url: str) -> Mapping[str, str]:
    """The headers, and with them the credentials in a URL, as Basic authentication, unless the headers have others."""
    given, parts = headers or {}, urlsplit(url)
    if not (parts.username or parts.password) or any(name.lower() == AUTHORIZATION for name in given):
        return given
    who = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return {**given, AUTHORIZATION: f"Basic {b64encode(who.encode()).decode()}"}


def bare(url: str) -> str:
    """The URL without its credentials: to a client's cookies and to redirects they would be part of the host."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url


def identity(url: str) -> str:
    """What the server behind a URL is remembered by: the URL, with a digest in the place of what may be secret in it.

    The password is no part of it: another one leads to the same server, and a digest tells whether a guess is right.
    """
    parts, known = urlsplit(url), shown(url)
    if not parts.username and not parts.query:
        return known
    more = f"{parts.username or ''}@{known}?{parts.query}"
    return f"{known}#{sha256(more.encode('utf-8', 'surrogatepass')).hexdigest()}"
