"""
Python values to plain JSON builtins.

Owns how attrs, dataclass, pydantic, NamedTuple, Enum, time and path values look as JSON; `structure` is its inverse.
Refuses to know schemas. A value it does not know stays as it is: the codec that writes bytes names it with its place.
The rule: whatever leaves here by a type that `derive` knows fits the schema derived from that type.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import pathlib
import typing
import uuid
from typing import TYPE_CHECKING, Any

import cattrs
import msgspec
import typing_extensions
from cattrs.cols import is_namedtuple, namedtuple_dict_unstructure_factory

from zcp_actors.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

MSGSPEC_SCALARS = (
    dt.datetime,
    dt.date,
    dt.time,
    dt.timedelta,
    uuid.UUID,
    decimal.Decimal,
    bytes,
    bytearray,
)
"""Types whose text form is msgspec's: RFC 3339 times, ISO 8601 durations, base64 bytes."""

ATOMS = (str, int, float, bool, type(None))


def is_pydantic_model(cls: Any) -> bool:
    """Whether a class is a pydantic model, told by its methods so that pydantic is never imported."""
    return isinstance(cls, type) and hasattr(cls, "model_json_schema") and hasattr(cls, "model_validate")


def says_itself(cls: Any) -> bool:
    """Whether a class writes its own JSON, by a method `__plain__` that returns a dict: its fields are not its JSON."""
    cls = typing.get_origin(cls) or cls
    return isinstance(cls, type) and hasattr(cls, "__plain__")


def unstructure(value: Any) -> Any:
    """The value as dicts with string keys, lists, strings, numbers, booleans and None."""
    return value if type(value) in ATOMS else _CONVERTER.unstructure(value)


def plain_default(value: Any) -> Any:
    """A default or example as JSON. Raises `SchemaError` when it has no JSON form."""
    try:
        # There and back: what comes out are builtins, whatever subclasses of them went in, and no infinite number.
        text = json.dumps(unstructure(value), allow_nan=False, ensure_ascii=False)
        return json.loads(text.encode("utf-8"))
    except (TypeError, ValueError, RecursionError):
        message = f"the default or example {value!r:.80} has no JSON form: give one made of builtins, or none"
        raise SchemaError(message) from None


def _model_dump(value: Any) -> Any:
    return value.model_dump(mode="json", by_alias=True)


def _enum_value(value: enum.Enum) -> Any:
    return unstructure(value.value)


def _converter() -> cattrs.Converter:
    collections: dict[type, Callable[[Any], Any]] = dict.fromkeys((set, frozenset, tuple, list), list)
    converter = cattrs.Converter(use_alias=True, unstruct_collection_overrides=collections)
    for cls in MSGSPEC_SCALARS:
        converter.register_unstructure_hook(cls, msgspec.to_builtins)
    converter.register_unstructure_hook(pathlib.PurePath, str)
    converter.register_unstructure_hook(enum.Enum, _enum_value)
    converter.register_unstructure_hook_func(is_pydantic_model, _model_dump)
    converter.register_unstructure_hook_func(
        typing_extensions.is_typeddict, lambda value: {key: unstructure(member) for key, member in value.items()}
    )
    converter.register_unstructure_hook_factory(
        is_namedtuple, lambda cls: namedtuple_dict_unstructure_factory(cls, converter)
    )
    converter.register_unstructure_hook_func(says_itself, lambda value: unstructure(value.__plain__()))
    return converter


_CONVERTER = _converter()
