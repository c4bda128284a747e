"""
Whose message was that? Finding the id of bytes that could not be accepted.

Owns the two ways: reading again without the rule that failed, and looking at the ends of a message that is too large.
Refuses to guess: an id that stands twice, was damaged, or might be inside something else, is no id.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import jiter

from zcp_actors.errors import MessageTooLarge
from zcp_actors.wire.envelope import Kind, seems
from zcp_actors.wire.jsonrpc import RequestId

EDGE: Final = 1024
"""Bytes looked at on both ends of a message that is too large: every implementation writes the id first or last."""
_ID_DIGITS: Final = 20
"""Characters of the longest integer of 64 bits, with its sign."""

_STRING = rb'"(?:[^"\\]|\\.)*"'
_SCALAR = rb"(?:" + _STRING + rb"|-?\d+)"
_HEAD = re.compile(rb"\s*\{(?:\s*" + _STRING + rb"\s*:\s*" + _SCALAR + rb"\s*,)*")
_TAIL = re.compile(rb"(?:,\s*" + _STRING + rb"\s*:\s*" + _SCALAR + rb"\s*){1,3}\}\s*$")
_NEXT_KEY = re.compile(rb"\s*(" + _STRING + rb")\s*:")


def from_rereading(raw: bytes) -> tuple[Kind | None, RequestId | None]:
    """Of text that a lenient reader accepts: duplicate keys, NaN, endless digits, half surrogates, a byte order mark.

    An id that stands twice is none, and still tells a request from a notification; another key that does still tells
    the kind, so that a spoilt request never ends a request of ours that has the same id. What nests too deeply is
    looked at from its ends.
    """
    outermost: list[tuple[str, Any]] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal outermost
        outermost = pairs
        return dict(pairs)

    text = raw.decode(errors="surrogateescape").removeprefix("\ufeff")
    try:
        value = json.loads(text, object_pairs_hook=note, parse_int=_integer, strict=False)
    except RecursionError:
        return from_edges(raw[:EDGE], raw[-EDGE:])
    except ValueError:
        return None, None
    if not isinstance(value, dict):
        return None, None
    kind, id = seems(value)
    return _writable(kind, id if sum(name == "id" for name, _ in outermost) == 1 else None)


def _integer(digits: str) -> int | None:
    """What may be an id; longer ones are none, and Python refuses to read very long ones at all."""
    return int(digits) if len(digits) <= _ID_DIGITS else None


def _writable(kind: Kind | None, id: RequestId | None) -> tuple[Kind | None, RequestId | None]:
    """An id that a reply can carry: half a surrogate, and a byte that is no UTF-8, cannot be written."""
    if isinstance(id, str):
        try:
            id.encode()
        except UnicodeEncodeError:
            return kind, None
    return kind, id


def from_edges(head: bytes, tail: bytes) -> tuple[Kind | None, RequestId | None]:
    """Of a message whose ends are kept: the scalar fields before the first nested value and after the last one."""
    first, last = _head_members(head), _tail_members(tail)
    members = first | last
    if first.get("id", members.get("id")) != members.get("id"):
        members["id"] = None
    return seems(members)


def too_large(size: int, limit: int, head: bytes, tail: bytes) -> MessageTooLarge:
    """The refusal of an overlong message, with its id if one stands at either end."""
    kind, id = from_edges(head, tail)
    text = f"message of {size} bytes is over the limit of {limit}; send less, or raise the receiver's limit"
    return MessageTooLarge(text, id=id, kind=kind)


def _head_members(head: bytes) -> dict[str, Any]:
    found = _HEAD.match(head)
    if found is None:
        return {}
    members = _object(found.group().rstrip().rstrip(b",") + b"}")
    follows = _NEXT_KEY.match(head, found.end())
    if follows is not None and (name := _text(follows.group(1))) in {"method", "params", "result", "error"}:
        members.setdefault(name, None)
    return members


def _tail_members(tail: bytes) -> dict[str, Any]:
    found = _TAIL.search(tail)
    return {} if found is None else _object(b"{" + found.group().lstrip(b","))


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = jiter.from_json(raw, catch_duplicate_keys=True)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _text(raw: bytes) -> str:
    try:
        return str(jiter.from_json(raw))
    except ValueError:
        return ""
