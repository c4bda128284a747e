"""
A question to the client, and the name it travels under.

Owns canonical JSON, the digest of a question and the form of a key. Refuses to know when a question is asked or
answered: `journal` has that. The rule that keeps it honest: equal questions have equal digests whatever wrote them, so
whatever a JSON writer is free to choose (order of members, `1` or `1.0`) is decided here.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import attrs
import msgspec

from zcp_actors.errors import NotJSON, UsageError

MAX_KEY_LENGTH = 128
"""Characters of an explicit key. It rides in every round and in front of people; it is a name, not a message."""

LARGEST_EXACT = 2**53
"""Up to here a float that is a whole number is that number, and peers may write it either way (RFC 8785, 3.2.2.3)."""

DELETE = "\x7f"
"""The one character of ASCII that JSON lets be written either way, and is."""

DIGEST_BYTES = 16
"""Enough that no two questions share a digest by chance; each is kept in every round's state, so no more than that."""

SHORT_NAMES = {"elicitation/create": "elicit", "sampling/createMessage": "sample", "roots/list": "roots"}


@attrs.frozen
class Question:
    """What a handler asks the client: `params` is the plain JSON object that would go over the wire."""

    method: str
    params: dict[str, Any]
    key: str | None = attrs.field(default=None)
    """The author's own name for it; None numbers equal questions in the order they are asked."""

    @key.validator
    def _check_key(self, _: Any, key: str | None) -> None:
        if key is not None and not (0 < len(key) <= MAX_KEY_LENGTH and key.isprintable()):
            raise UsageError(f"key= must be 1 to {MAX_KEY_LENGTH} printable characters, not {key[:MAX_KEY_LENGTH]!r}")

    @property
    def digest(self) -> str:
        """See `digest`."""
        return digest(self.method, self.params)


def digest(method: str, params: Any) -> str:
    """32 hexadecimal digits that name the contents of a question. `_meta` is about the message, so it does not count.

    Raises `NotJSON` when the params are not plain JSON.
    """
    counted = {name: value for name, value in params.items() if name != "_meta"}
    return hashlib.blake2b(canonical([method, counted]), digest_size=DIGEST_BYTES).hexdigest()


def default_stem(method: str, contents: str) -> str:
    """The part of a default key that equal questions share, e.g. `elicit-3f9a2c71`; their number follows it."""
    return f"{SHORT_NAMES.get(method, method.replace('/', '-'))}-{contents[:8]}"


def canonical(value: Any) -> bytes:
    """The one way to write a JSON value: members sorted, nothing between tokens, whole numbers without a fraction.

    Raises `NotJSON` when the value is not plain JSON, or is nested too deeply to be written.
    """
    try:
        if _is_settled(value):
            return msgspec.json.encode(value, order="sorted")
        return json.dumps(_settled(value), sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise NotJSON(f"expected plain JSON: {error}") from None
    except RecursionError:
        raise NotJSON("expected plain JSON, got a value that is nested too deeply") from None


def _is_settled(value: Any) -> bool:
    """There is but one way to write it, which the fast writer knows: all ASCII, no fractions, no large integers."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii()) and DELETE not in value
    if kind is dict:
        for name, member in value.items():
            if type(name) is not str or not name.isascii() or DELETE in name:
                return False
            if not _is_settled(member):
                return False
        return True
    if kind is list:
        return all(map(_is_settled, value))
    if kind is int:
        return bool(-LARGEST_EXACT <= value <= LARGEST_EXACT)
    return value is None or kind is bool


def _settled(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_EXACT:
        return int(value)
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise TypeError(f"member names must be strings, not {next(n for n in value if not isinstance(n, str))!r}")
        return {name: _settled(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_settled(item) for item in value]
    return value
