"""
Python types to JSON Schema 2020-12.

Owns the table from types to schemas. Refuses to validate and to convert:
`validator` and `structure` do, by the same types.
The rule: what has no honest JSON form raises `SchemaError` naming the parameter or attribute,
and says what to do instead.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import enum
import inspect
import pathlib
import types
import typing
import uuid
from collections import abc
from typing import Any

import attrs
import typing_extensions

from zcp_actors.errors import SchemaError
from zcp_actors.schemas.definitions import Definitions, reference
from zcp_actors.schemas.docstring import docstring_of
from zcp_actors.schemas.field import MISSING, annotated
from zcp_actors.schemas.plain import is_pydantic_model, plain_default, says_itself
from zcp_actors.schemas.record import is_open, is_record, members_of

SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    dt.datetime: {"type": "string", "format": "date-time"},
    dt.date: {"type": "string", "format": "date"},
    dt.time: {"type": "string", "format": "time"},
    dt.timedelta: {"type": "string", "format": "duration"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    bytearray: {"type": "string", "contentEncoding": "base64"},
    decimal.Decimal: {"anyOf": [{"type": "string", "pattern": r"^-?\d+(\.\d+)?([eE][+-]?\d+)?$"}, {"type": "number"}]},
}
ANYTHING = (Any, object, inspect.Parameter.empty)
SETS = (set, frozenset, abc.Set, abc.MutableSet)
ARRAYS = (list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection)
OBJECTS = (dict, abc.Mapping, abc.MutableMapping)
ADVICE = (
    "use builtins, Literal, Enum, attrs classes, dataclasses, TypedDict, pydantic models or collections of them, "
    "or pass a JSON Schema"
)


def schema_of(hint: Any, *, place: str = "the type", output: bool = False) -> dict[str, Any]:
    """The JSON Schema of a type; a mapping is taken as a JSON Schema and copied.

    `place` begins the text of errors ("parameter 'when' of book()"). `output` asks for the schema of what the type is
    written as, which differs for pydantic models. Raises `SchemaError`.
    """
    if isinstance(hint, abc.Mapping):
        return dict(hint)
    deriver = Deriver(output=output)
    return deriver.finished(deriver.of(hint, place))


def peeled(hint: Any) -> Any:
    """The hint without the names that `NewType` and type aliases give it; a bare None as its type."""
    while True:
        if isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif isinstance(hint, typing_extensions.TypeAliasType):
            hint = hint.__value__
        elif isinstance(hint, typing.TypeVar):
            hint = hint.__bound__ or Any
        else:
            return type(None) if hint is None else hint


def is_union(hint: Any) -> bool:
    """Whether the hint is `A | B` in either spelling."""
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


@attrs.define
class Deriver:
    """One derivation: its definitions are shared by everything that `of` is asked for, until `finished`."""

    output: bool = False
    _definitions: Definitions = attrs.field(factory=Definitions)

    def of(self, hint: Any, place: str) -> dict[str, Any]:
        """The schema of a hint, with references to definitions that `finished` will write down."""
        hint = peeled(hint)
        if isinstance(hint, abc.Mapping):
            return dict(hint)
        if typing.get_origin(hint) is typing.Annotated:
            base, *metadata = typing.get_args(hint)
            return annotated(self.of(base, place), metadata)
        if not isinstance(hint, abc.Hashable):
            message = f"{place}: {hint!r:.80} is a value, where a type or a JSON Schema is needed"
            raise SchemaError(message)
        if hint in ANYTHING:
            return {}
        if hint in SCALARS:
            return dict(SCALARS[hint])
        for rule in (self._composed, self._collected, self._classed):
            schema = rule(hint, place)
            if schema is not None:
                return schema
        shown = hint if isinstance(hint, str) else getattr(hint, "__qualname__", repr(hint))
        message = f"{place}: {shown} has no JSON Schema: {ADVICE}"
        raise SchemaError(message)

    def finished(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema with its definitions."""
        return self._definitions.written_into(schema)

    def enum(self, cls: type[enum.Enum], place: str) -> dict[str, Any]:
        """The schema of an Enum: its values."""
        if issubclass(cls, enum.Flag):
            message = f"{place}: {cls.__qualname__} is a Flag: use a list of an Enum instead"
            raise SchemaError(message)
        return _choices([member.value for member in cls], place)

    def _composed(self, hint: Any, place: str) -> dict[str, Any] | None:
        if is_union(hint):
            branches = [self.of(branch, place) for branch in typing.get_args(hint)]
            return {} if {} in branches else {"anyOf": branches}
        if typing.get_origin(hint) is typing.Literal:
            return _choices([_literal(value) for value in typing.get_args(hint)], place)
        return None

    def _collected(self, hint: Any, place: str) -> dict[str, Any] | None:
        origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
        if origin is tuple:
            return self._tuple(arguments, place)
        if origin in ARRAYS:
            return self._array(arguments, place)
        if origin in SETS:
            return {**self._array(arguments, place), "uniqueItems": True}
        return self._mapping(arguments, place) if origin in OBJECTS else None

    def _array(self, arguments: tuple[Any, ...], place: str) -> dict[str, Any]:
        items = self.of(arguments[0], place) if arguments else {}
        return {"type": "array", "items": items} if items else {"type": "array"}

    def _tuple(self, arguments: tuple[Any, ...], place: str) -> dict[str, Any]:
        if not arguments or arguments[-1] is Ellipsis:
            return self._array(arguments[:1], place)
        items = [self.of(item, place) for item in arguments if item != ()]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items), "maxItems": len(items)}

    def _mapping(self, arguments: tuple[Any, ...], place: str) -> dict[str, Any]:
        if not arguments:
            return {"type": "object"}
        key, value = (self.of(argument, place) for argument in arguments)
        if key and key.get("type") != "string":
            message = f"{place}: keys of a JSON object are strings: use dict[str, ...], or a list of pairs"
            raise SchemaError(message)
        names = {} if key in ({}, {"type": "string"}) else {"propertyNames": key}
        return {"type": "object", **names, **({"additionalProperties": value} if value else {})}

    def _classed(self, hint: Any, place: str) -> dict[str, Any] | None:
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return self.enum(hint, place)
        if isinstance(hint, type) and issubclass(hint, pathlib.PurePath):
            return {"type": "string", "format": "path"}
        if is_pydantic_model(hint):
            return self._pydantic(hint)
        if self.output and says_itself(hint):
            return {"type": "object"}
        return self._record(hint) if is_record(hint) else None

    def _record(self, cls: Any) -> dict[str, Any]:
        origin = typing.get_origin(cls) or cls
        name, new = self._definitions.name_of(cls, origin.__name__)
        if new:
            self._definitions.schemas[name].update(self._object(cls, origin))
        return reference(name)

    def _object(self, cls: Any, origin: Any) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object", "properties": {}}
        if summary := docstring_of(origin).summary:
            schema["description"] = summary
        members = members_of(cls)
        for member in members:
            place = f"attribute {member.attribute!r} of {origin.__qualname__}"
            item = annotated(self.of(member.hint, place), member.metadata)
            if member.documented:
                item.setdefault("description", member.documented)
            if member.default is not MISSING:
                _with_default(item, member.default)
            schema["properties"][member.name] = item
        if required := [member.name for member in members if member.required]:
            schema["required"] = required
        return schema if is_open(cls) else {**schema, "additionalProperties": False}

    def _pydantic(self, cls: Any) -> dict[str, Any]:
        name, new = self._definitions.name_of(cls, cls.__name__)
        if new:
            mode = "serialization" if self.output else "validation"
            schema = cls.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}", mode=mode)
            for inner, definition in schema.pop("$defs", {}).items():
                self._definitions.schemas[f"{name}.{inner}"] = definition
            self._definitions.schemas[name].update(schema)
        return reference(name)


def _with_default(item: dict[str, Any], default: Any) -> None:
    # A sentinel or an infinity stays out: the class knows what it means, JSON cannot say it.
    with contextlib.suppress(SchemaError):
        item.setdefault("default", plain_default(default))


def _literal(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


_JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def _choices(values: list[Any], place: str) -> dict[str, Any]:
    found = {next((name for cls, name in _JSON_TYPES.items() if isinstance(value, cls)), None) for value in values}
    if None in found or not values:
        message = f"{place}: choices must be strings, numbers, booleans or None, and at least one; got {values!r:.200}"
        raise SchemaError(message)
    plain = [_as_builtin(value) for value in values]
    return {"type": found.pop(), "enum": plain} if len(found) == 1 else {"enum": plain}


def _as_builtin(value: Any) -> Any:
    """A member of `class E(str, Enum)` may carry a str subclass: the builtin is what JSON has."""
    return next((cls(value) for cls in (str, bool, int, float) if isinstance(value, cls)), None)
