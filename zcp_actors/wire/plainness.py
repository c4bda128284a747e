"""
`plain`: a user's value as fresh, plain JSON.

Owns what counts as JSON-able and the errors that say why something is not. Refuses to guess: bytes, sets and unknown
objects are the author's to convert, because the wire has no one way to carry them.
"""

from __future__ import annotations

import datetime as dt
import enum
import pathlib
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from zcp_actors.errors import NotJSON

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH: Final = 128
"""Levels of arrays and objects in one message. Real messages stay below 30, a syntax tree as JSON below 100; the
parsers of
other peers give up from about 200 on."""

_WRITABLE_BY_MSGSPEC = (dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID, Decimal)


def plain(value: Any, path: str = "arguments") -> Any:
    """A deep copy of `value` as dicts, lists, strings, numbers, booleans and None.

    Tuples become arrays; models, attrs classes, dataclasses, pydantic models and msgspec structs become objects; an
    enum becomes its value; dates, UUIDs, decimals and paths become strings. A class whose JSON is not its fields says
    so in a method `__plain__`, which returns a dict.
    Raises `NotJSON`, naming the place below `path`, for what no JSON can carry: NaN and infinities, keys that are not
    strings, lone surrogates, bytes, sets, other objects, cycles, and nesting beyond `MAX_DEPTH`.
    """
    kind = type(value)
    if kind is dict:
        return _object(value, path, 0)
    return _value(value, path, 0)


def _object(value: dict[Any, Any], path: str, depth: int) -> dict[str, Any]:
    if depth >= MAX_DEPTH:
        raise NotJSON(f"{path} is nested deeper than {MAX_DEPTH} levels, or contains itself")
    copy: dict[str, Any] = {}
    for name, item in value.items():
        if type(name) is not str or not name.isascii():
            name = _key(name, path)  # noqa: PLW2901  # the checked key is the key
        kind = type(item)
        if kind is str:
            copy[name] = item if item.isascii() else _text(item, path, name)
        elif kind is int or kind is bool or item is None:
            copy[name] = item
        else:
            copy[name] = _value(item, f"{path}.{name}", depth + 1)
    return copy


def _value(value: Any, path: str, depth: int) -> Any:
    if value is None or value is True or value is False:
        return value
    convert = _BY_TYPE.get(type(value))
    return _other(value, path, depth) if convert is None else convert(value, path, depth)


def _array(value: Any, path: str, depth: int) -> list[Any]:
    if depth >= MAX_DEPTH:
        raise NotJSON(f"{path} is nested deeper than {MAX_DEPTH} levels, or contains itself")
    return [
        item if (kind := type(item)) is int or kind is bool else _value(item, f"{path}[{index}]", depth + 1)
        for index, item in enumerate(value)
    ]


def _key(name: Any, path: str) -> str:
    if isinstance(name, enum.Enum):
        name = name.value
    if not isinstance(name, str):
        raise NotJSON(f"{path} has the key {name!r:.40}; keys of a JSON object are strings, this is {_article(name)}")
    return _text(str(name), path, "<key>")


def _text(value: str, path: str, name: str = "") -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        place = f"{path}.{name}" if name else path
        raise NotJSON(f"{place} contains half of a surrogate pair, which UTF-8 cannot carry: {value!r:.60}") from None
    return value


def _number(value: float, path: str, _: int) -> float:
    if value - value != 0:
        raise NotJSON(f"{path} is {value}, which JSON cannot write")
    return value


def _other(value: Any, path: str, depth: int) -> Any:
    """Everything that is not exactly a JSON type: subclasses first, then objects that know their fields."""
    if isinstance(value, enum.Enum):
        return _value(value.value, path, depth + 1)
    for base, convert in _BY_BASE:
        if isinstance(value, base):
            return convert(value, path, depth)
    fields = _fields(value, path)
    if fields is None:
        raise NotJSON(f"{path} is {_article(value)}, which JSON cannot carry; convert it first")
    return _object(fields, path, depth)


def _fields(value: Any, path: str) -> dict[str, Any] | None:
    """The fields of an object that declares some; nested objects come out as they are, their turn is next."""
    if isinstance(value, type):
        return None
    if (own := getattr(type(value), "__plain__", None)) is not None:
        return own(value)  # type: ignore[no-any-return]  # the one promise of this method
    if attrs.has(type(value)):
        return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
    if callable(dump := getattr(value, "model_dump", None)):
        return _dumped(dump, path)
    if isinstance(names := getattr(value, "__dataclass_fields__", None), dict):
        return {name: getattr(value, name) for name in names}
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    return None


def _dumped(dump: Callable[..., Any], path: str) -> dict[str, Any]:
    try:
        dumped: dict[str, Any] = dump(mode="json", by_alias=True)
    except Exception as error:
        raise NotJSON(f"{path} could not be turned into JSON by its own model: {error}") from error
    return dumped


def _article(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


_BY_TYPE: dict[type, Callable[[Any, str, int], Any]] = {
    dict: _object,
    list: _array,
    tuple: _array,
    str: lambda value, path, _: value if value.isascii() else _text(value, path),
    int: lambda value, _path, _depth: value,
    float: _number,
}
_BY_BASE: list[tuple[type | tuple[type, ...], Callable[[Any, str, int], Any]]] = [
    (str, lambda value, path, _: _text(str(value), path)),
    (int, lambda value, _path, _depth: int(value)),
    (float, lambda value, path, _: _number(float(value), path, 0)),
    (Mapping, lambda value, path, depth: _object(dict(value), path, depth)),
    ((list, tuple), _array),
    (_WRITABLE_BY_MSGSPEC, lambda value, _path, _depth: msgspec.to_builtins(value)),
    (pathlib.PurePath, lambda value, path, _: _text(str(value), path)),
]
