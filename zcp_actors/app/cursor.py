"""
The opaque cursors of paginated lists.

Owns their bytes: a version, a position, and a digest that ties both to one list of one app and to the entry before the
position. Refuses to know what is listed. The rule: a cursor is answered with the entries that come after it, each
exactly once, or refused; it is never answered with a guess. It carries no secret and needs none: whoever forges one
gains a page it could have asked for.
Source: MCP, server/utilities/pagination: cursors are opaque, an invalid one SHOULD be answered with -32602.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from typing import TYPE_CHECKING

from zcp_actors.errors import InvalidParams

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSION = 1
_LAYOUT = struct.Struct(">BI8s")
_LENGTH = len(base64.urlsafe_b64encode(bytes(_LAYOUT.size)).rstrip(b"="))


def page(names: Sequence[str], cursor: str | None, size: int, *, scope: str) -> tuple[slice, str | None]:
    """Say which part of `names` the page at `cursor` is, and the cursor of the page after it (None at the end).

    `scope` names the app and the list. Entries added behind the cursor since it was given are served;
    when an entry before it went away, positions have moved and the cursor is stale.

    Raises:
        InvalidParams: the cursor is damaged, is of another list, or is stale.

    """
    start = 0 if cursor is None else _position(names, cursor, scope)
    end = min(start + size, len(names))
    return slice(start, end), None if end == len(names) else _cursor(end, names[end - 1], scope)


def _position(names: Sequence[str], cursor: str, scope: str) -> int:
    version, position, digest = _LAYOUT.unpack(_bytes(cursor))
    if version != _VERSION:
        raise _refusal("it was not given by this version of the server")
    if not 0 < position <= len(names) or digest != _digest(position, names[position - 1], scope):
        raise _refusal("it is of another list, or the list has changed since it was given")
    return int(position)


def _cursor(position: int, before: str, scope: str) -> str:
    packed = _LAYOUT.pack(_VERSION, position, _digest(position, before, scope))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


def _bytes(cursor: str) -> bytes:
    # The length is looked at first so that a cursor of megabytes costs nothing; the bytes are encoded again
    # because base64 decoders forgive foreign characters and stray bits, and a cursor is exactly what was given.
    if len(cursor) == _LENGTH and cursor.isascii():
        try:
            packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except binascii.Error:
            packed = b""
        if base64.urlsafe_b64encode(packed).rstrip(b"=").decode("ascii") == cursor:
            return packed
    raise _refusal("it is not one that this server gave")


def _digest(position: int, before: str, scope: str) -> bytes:
    text = f"{position}\0{scope}\0{before}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8, person=b"zcp.cursor").digest()


def _refusal(why: str) -> InvalidParams:
    return InvalidParams(f"invalid cursor: {why}; list again from the start, without a cursor")
