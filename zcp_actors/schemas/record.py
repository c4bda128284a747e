"""
Classes with named, typed members, seen as one thing: attrs, dataclasses, TypedDict, NamedTuple.

Owns what a member is. Refuses to know JSON Schema: `derive` and `form` turn members into properties.
The rule: a member's `name` is its key in JSON, which for attrs is the alias, that is the name its constructor takes.
"""

from __future__ import annotations

import dataclasses
import typing
from typing import TYPE_CHECKING, Any

import attrs
import typing_extensions
from cattrs.cols import is_namedtuple

from zcp_actors.errors import SchemaError
from zcp_actors.schemas.docstring import docstring_of
from zcp_actors.schemas.field import MISSING, Field

if TYPE_CHECKING:
    from collections.abc import Mapping

_FRESH_AND_EMPTY = (list, dict, set, tuple, frozenset)
"""The only default factories that are called for a schema: any other may be slow, random, or have effects."""
_QUALIFIERS = (typing.Required, typing.NotRequired, typing_extensions.ReadOnly)


@attrs.frozen
class Member:
    """One member: JSON key, Python attribute, type hint, whether it must be given, and what is said about it."""

    name: str
    attribute: str
    hint: Any
    required: bool
    default: Any = MISSING
    metadata: tuple[Any, ...] = ()
    documented: str | None = None
    """What the class's docstring says of it: a description for want of a better one."""


def is_record(cls: Any) -> bool:
    """Whether a type (or a subscripted generic one) has members."""
    cls = typing.get_origin(cls) or cls
    if not isinstance(cls, type):
        return typing_extensions.is_typeddict(cls)
    return attrs.has(cls) or dataclasses.is_dataclass(cls) or typing_extensions.is_typeddict(cls) or is_namedtuple(cls)


def is_open(cls: Any) -> bool:
    """Whether a value of the record may carry undeclared members: only a TypedDict, which is a dict, can keep them."""
    return typing_extensions.is_typeddict(typing.get_origin(cls) or cls)


def members_of(cls: Any) -> tuple[Member, ...]:
    """The members that a constructor call takes, in order. Raises `SchemaError` when a hint cannot be resolved."""
    origin = typing.get_origin(cls) or cls
    resolved = hints_of(origin)
    _settle(origin, resolved)
    hints = {name: _bound(hint, cls) for name, hint in resolved.items()}
    if attrs.has(origin):
        found = [_of_attrs(field, hints) for field in attrs.fields(origin) if field.init]
    elif dataclasses.is_dataclass(origin):
        found = [_of_dataclass(field, hints) for field in dataclasses.fields(origin) if field.init]
    elif typing_extensions.is_typeddict(origin):
        found = [_of_typed_dict(name, hint, origin) for name, hint in hints.items()]
    else:
        found = [_of_named_tuple(name, hints, origin) for name in origin._fields]
    documented = docstring_of(origin).parameters
    return tuple(_described(member, documented) for member in found)


def hints_of(cls: type) -> Mapping[str, Any]:
    """The resolved annotations of a class, its own name included though it may be local to a function."""
    try:
        return typing_extensions.get_type_hints(cls, localns={**vars(cls), cls.__name__: cls}, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        message = (
            f"the annotations of {cls.__qualname__} cannot be resolved ({error}): "
            "define the types they name at module level, outside of `if TYPE_CHECKING`"
        )
        raise SchemaError(message) from error


def _settle(cls: Any, hints: Mapping[str, Any]) -> None:
    """Write resolved hints where cattrs looks: it finds no names in `list["Tree"]`, nor those local to a function."""
    if attrs.has(cls):
        for field in attrs.fields(cls):
            if field.name in hints:
                object.__setattr__(field, "type", hints[field.name])  # as `attrs.resolve_types` does
    elif dataclasses.is_dataclass(cls):
        for one in dataclasses.fields(cls):
            one.type = hints.get(one.name, one.type)
    elif is_namedtuple(cls):
        cls.__annotations__ = {**cls.__annotations__, **hints}


def _bound(hint: Any, cls: Any) -> Any:
    """The hint with the type variables of a generic class replaced by the arguments it was subscripted with."""
    origin = typing.get_origin(cls)
    if origin is None:
        return hint
    arguments = dict(zip(getattr(origin, "__parameters__", ()), typing.get_args(cls), strict=False))
    if isinstance(hint, typing.TypeVar):
        return arguments.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    return hint[tuple(arguments.get(one, one) for one in parameters)] if parameters else hint


def _said(metadata: Mapping[Any, Any]) -> tuple[Any, ...]:
    fields = tuple(value for value in metadata.values() if isinstance(value, Field))
    texts = {key: metadata[key] for key in ("description", "title") if isinstance(metadata.get(key), str)}
    return (*fields, Field(**texts)) if texts else fields


def _of_attrs(field: attrs.Attribute[Any], hints: Mapping[str, Any]) -> Member:
    default = field.default
    required = default is attrs.NOTHING
    if required:
        default = MISSING
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # the stubs call a class a function
        factory = default.factory  # type: ignore[union-attr]
        default = factory() if factory in _FRESH_AND_EMPTY else MISSING
    name = field.alias or field.name
    return Member(name, field.name, hints.get(field.name, Any), required, default, _said(field.metadata))


def _of_dataclass(field: dataclasses.Field[Any], hints: Mapping[str, Any]) -> Member:
    default = MISSING if field.default is dataclasses.MISSING else field.default
    factory = field.default_factory
    if factory is not dataclasses.MISSING and factory in _FRESH_AND_EMPTY:
        default = factory()
    required = field.default is dataclasses.MISSING and factory is dataclasses.MISSING
    return Member(field.name, field.name, hints.get(field.name, Any), required, default, _said(field.metadata))


def _of_typed_dict(name: str, hint: Any, cls: Any) -> Member:
    while typing.get_origin(hint) in _QUALIFIERS:
        required, hint = typing.get_origin(hint), typing.get_args(hint)[0]
        if required is typing.NotRequired:
            return Member(name, name, hint, required=False)
        if required is typing.Required:
            return Member(name, name, hint, required=True)
    return Member(name, name, hint, required=name in cls.__required_keys__)


def _of_named_tuple(name: str, hints: Mapping[str, Any], cls: Any) -> Member:
    default = cls._field_defaults.get(name, MISSING)
    return Member(name, name, hints.get(name, Any), default is MISSING, default)


def _described(member: Member, documented: Mapping[str, str]) -> Member:
    text = documented.get(member.attribute) or documented.get(member.name)
    return attrs.evolve(member, documented=text) if text else member
