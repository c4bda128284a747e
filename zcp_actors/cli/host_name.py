"""
The host of an address, as somebody must see it before they trust it.

Owns both spellings of a host, with letters of any script and in ASCII (punycode). Refuses to resolve or open anything.
Source: RFC 3492; MCP client/elicitation, "Safe URL Handling".
"""

from __future__ import annotations

from urllib.parse import urlsplit


def shown_host(url: str) -> list[str]:
    """Return lines about the host: as it reads, and in ASCII or in its letters where that differs."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ["its host cannot be read"]
    plain, lettered = punycode(host), letters(host)
    lines = [f"host: {host}"]
    if plain != host:
        lines.append(f"host in ASCII: {plain}  (letters of other scripts can look like these)")
    if lettered != host:
        lines.append(f"host in its letters: {lettered}  (they can look like others)")
    return lines


def punycode(host: str) -> str:
    """Return the host with every label in ASCII."""
    return ".".join(_ascii(label) for label in host.split("."))


def letters(host: str) -> str:
    """Return the host with every label in its own letters."""
    return ".".join(_lettered(label) for label in host.split("."))


def _ascii(label: str) -> str:
    return label if label.isascii() else f"xn--{label.lower().encode('punycode').decode()}"


def _lettered(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode().decode("punycode")
    except UnicodeError:
        return label
