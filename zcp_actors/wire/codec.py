"""
Bytes <-> messages.

Owns what makes bytes a JSON-RPC message of this protocol, and the one refusal (`InvalidMessage`) for all that does not.
Refuses to know methods and shapes: params and results stay plain dicts, a dialect reads them.
The rule: no input raises anything else, takes more than linear time, or recurses; and a usable id is never lost,
because its owner waits for a reply. Source: RFC 8259; JSON-RPC 2.0; MCP "basic", Messages (no batches, no null ids).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import jiter
import msgspec

from zcp_actors.errors import INVALID_REQUEST, PARSE_ERROR, InvalidMessage, NotJSON
from zcp_actors.wire.converter import copied, from_wire, unstructure
from zcp_actors.wire.envelope import read, seems
from zcp_actors.wire.jsonrpc import ErrorResponse, Message, Request, Response
from zcp_actors.wire.plainness import MAX_DEPTH
from zcp_actors.wire.salvage import EDGE, from_rereading, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcp_actors.wire.dialect import Dialect
    from zcp_actors.wire.model import Model

__all__ = ["MAX_BYTES", "MAX_DEPTH", "copied", "decode", "encode", "from_wire", "to_wire"]

MAX_BYTES: Final = 16 * 1024 * 1024
"""One message. Large enough for a photograph in base64, small enough that a hundred peers cannot fill a machine."""

_NUMERALS: Final = bytes.maketrans(b"123456789E", b"000000000e")
"""Makes all numbers of one length look alike, so that a plain search finds the long ones."""
_MANY_DIGITS: Final = b"0" * 200
"""Beyond 1.8e308, where doubles end, are only exponents of three digits and numbers of very many digits."""

_encoder = msgspec.json.Encoder()


def decode(data: bytes | bytearray | memoryview, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Message:
    """Read one message. Linear in `len(data)`.

    Raises `InvalidMessage` (`MessageTooLarge` beyond `max_bytes`) with the JSON-RPC code, the kind of message it seems
    to be, and the id where one can be read.
    """
    if len(data) > max_bytes:
        raise too_large(len(data), max_bytes, bytes(data[:EDGE]), bytes(data[-EDGE:]))
    raw = data if isinstance(data, bytes) else bytes(data)
    try:
        value = jiter.from_json(raw, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise _unreadable(raw, str(error)) from None
    if raw.count(b"[") + raw.count(b"{") > max_depth:
        _refuse_deep(value, max_depth)
    numerals = raw.translate(_NUMERALS)
    if b"e000" in numerals or b"e+000" in numerals or _MANY_DIGITS in numerals:
        _refuse_infinite(value)
    return read(value)


def encode(message: Message, dialect: Dialect | None = None, stamp: dict[str, Any] | None = None) -> bytes:
    """One line of JSON without its newline, as a peer of `dialect` may see it (None: every field that is set).

    `stamp` is what the dialect puts into the `_meta` of every result, as plain JSON.
    Raises `NotJSON` for a value that JSON cannot carry.
    """
    try:
        return _encoder.encode(_envelope(message, dialect, stamp))
    except (ValueError, OverflowError, TypeError, RecursionError) as error:
        raise NotJSON(f"message cannot be written as JSON: {error}") from None


def to_wire(model: Model | dict[str, Any], dialect: Dialect | None = None) -> dict[str, Any]:
    """The plain JSON of a model, as a peer of `dialect` may see it (None: every field that is set)."""
    wire: dict[str, Any] = (unstructure if dialect is None else dialect.to_wire)(model)
    return wire


def _envelope(message: Message, dialect: Dialect | None, stamp: dict[str, Any] | None) -> dict[str, Any]:
    write = unstructure if dialect is None else dialect.writer.write
    if isinstance(message, Response):
        result = write(message.result)
        if stamp is not None:
            result["_meta"] = {**stamp, **result.get("_meta", {})}
        return {"jsonrpc": "2.0", "id": message.id, "result": result}
    if isinstance(message, ErrorResponse):
        error = {"code": message.code, "message": message.message}
        if message.data is not None:
            error["data"] = write(message.data)
        return {"jsonrpc": "2.0", "id": message.id, "error": error}
    wire: dict[str, Any] = {"jsonrpc": "2.0"}
    if isinstance(message, Request):
        wire["id"] = message.id
    wire["method"] = message.method
    if message.params is not None:
        wire["params"] = write(message.params)
    return wire


def _unreadable(raw: bytes, why: str) -> InvalidMessage:
    kind, id = from_rereading(raw)
    for sign, text, code in _REASONS:
        if sign in why:
            return InvalidMessage(f"{text}: {why}", code=code, id=id, kind=kind)
    return InvalidMessage(f"not JSON: {why}", code=PARSE_ERROR, id=id, kind=kind)


_REASONS: Final = (
    ("duplicate key", "ambiguous JSON, a key may stand once", PARSE_ERROR),
    ("unicode code point", "not UTF-8", PARSE_ERROR),
    ("recursion limit", "nested too deeply", INVALID_REQUEST),
)
"""What the parser's words mean to the peer."""


def _refuse_deep(value: Any, limit: int) -> None:
    """Level by level, so that depth costs no stack; each value is seen once."""
    for depth, _ in enumerate(_levels(value)):
        if depth >= limit:
            kind, id = seems(value)
            raise InvalidMessage(f"nested deeper than {limit} levels", id=id, kind=kind)


def _refuse_infinite(value: Any) -> None:
    for level in _levels(value):
        for container in level:
            for item in container.values() if type(container) is dict else container:
                if type(item) is float and item - item != 0:
                    kind, id = seems(value)
                    raise InvalidMessage("a number is too large for a double", code=PARSE_ERROR, id=id, kind=kind)


def _levels(value: Any) -> Iterator[list[Any]]:
    """The arrays and objects of each level, from the outside in."""
    level = [value] if type(value) in (dict, list) else []
    while level:
        yield level
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
