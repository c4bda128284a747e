"""
How plain JSON is read into models: the strict hooks.

Owns what counts as a string, an integer, a member of a union. Refuses to convert: a number is not a string, and true is
not 1. Only 5.0 for an integer is allowed, as JSON Schema allows it.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import attrs
from cattrs.errors import ClassValidationError
from cattrs.gen import make_dict_structure_fn, override
from cattrs.preconf.msgspec import MsgspecJsonConverter, make_converter

from zcp_actors.wire.mismatch import Mismatch, expected
from zcp_actors.wire.model import NULL, NULLABLE, ONLY, Model, attributes_by_wire, wire_name
from zcp_actors.wire.unions import TABLES, table

if TYPE_CHECKING:
    from collections.abc import Callable

    Hook = Callable[[Any, Any], Any]


def reader(*, detailed: bool, version: str | None = None) -> MsgspecJsonConverter:
    """A converter that reads models. With `detailed` it is slower and every failure is a `Mismatch` with its path.

    With a `version`, fields of another revision are what they are to a peer of that one: unknown, and kept as they are.
    """
    converter = make_converter(detailed_validation=detailed)
    converter.register_structure_hook(str, _string)
    converter.register_structure_hook(int, _integer)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(bool, _boolean)
    converter.register_structure_hook_factory(_is(Literal), _literal)
    converter.register_structure_hook_factory(_is(list), lambda kind: _list(kind, converter))
    converter.register_structure_hook_factory(_is(dict), lambda kind: _dict(kind, converter))
    converter.register_structure_hook_factory(_is_id, _id)
    converter.register_structure_hook_factory(_is_optional, lambda kind: _optional(kind, converter))
    converter.register_structure_hook_factory(_is_model, lambda cls: _model(cls, converter, version))
    converter.register_structure_hook_factory(
        lambda kind: table(kind) is not None, lambda kind: _union(kind, converter)
    )
    return converter


def _is(generic: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) is generic


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else ()


def _is_optional(kind: Any) -> bool:
    members = _members(kind)
    return len(members) == _WITH_NONE and NoneType in members


_WITH_NONE = 2
"""Members of a union that is a kind or nothing."""


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model)


def _string(value: Any, _: Any) -> str:
    if isinstance(value, str):
        return value
    raise expected("string", value)


def _integer(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise expected("integer", value)


def _number(value: Any, _: Any) -> float:
    if type(value) is int or type(value) is float:
        return value
    raise expected("number", value)


def _boolean(value: Any, _: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise expected("boolean", value)


def _is_id(kind: Any) -> bool:
    return {*_members(kind)} - {NoneType} == {int, str}


def _id(kind: Any) -> Hook:
    """Of a request, or a progress token: to Python true is 1, to a peer it is no id."""
    needed = NoneType not in get_args(kind)

    def read(value: Any, _: Any) -> int | str | None:
        if type(value) is int or isinstance(value, str) or (value is None and not needed):
            return value
        raise expected("string or integer", value)

    return read


def _literal(kind: Any) -> Hook:
    choices = get_args(kind)
    wanted = "one of " + ", ".join(repr(choice) for choice in choices) if len(choices) > 1 else repr(choices[0])

    def read(value: Any, _: Any) -> Any:
        if isinstance(value, str) and value in choices:
            return value
        if isinstance(value, str):
            raise Mismatch(f"expected {wanted}, got {value[:40]!r}")
        raise expected(wanted, value)

    return read


def _optional(kind: Any, converter: MsgspecJsonConverter) -> Hook:
    (of,) = (member for member in get_args(kind) if member is not NoneType)
    hook: Hook | None = None

    def read(value: Any, _: Any) -> Any:
        nonlocal hook
        if value is None:
            return None
        if hook is None:  # not sooner: a shape may contain itself
            hook = converter.get_structure_hook(of)
        return hook(value, of)

    return read


def _list(kind: Any, converter: MsgspecJsonConverter) -> Hook:
    (of,) = get_args(kind)
    hook = converter.get_structure_hook(of)

    def read(value: Any, _: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise expected("array", value)
        items: list[Any] = []
        try:
            for item in value:
                items.append(hook(item, of))  # noqa: PERF401  # the length tells which item failed
        except Mismatch as error:
            raise error.under(len(items)) from None
        return items

    return read


def _dict(kind: Any, converter: MsgspecJsonConverter) -> Hook:
    _, of = get_args(kind)
    if of is Any:
        return _object
    hook = converter.get_structure_hook(of)

    def read(value: Any, _: Any) -> dict[str, Any]:
        items: dict[str, Any] = {}
        name = ""
        try:
            for name, item in _object(value, None).items():
                items[name] = hook(item, of)
        except Mismatch as error:
            raise (error.under(name) if name else error) from None
        return items

    return read


def _object(value: Any, _: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if isinstance(value, Model):
        return value.to_dict()
    raise expected("object", value)


def _model(cls: Any, converter: MsgspecJsonConverter, version: str | None) -> Hook:
    foreign = {field.name for field in attrs.fields(cls) if version and field.metadata.get(ONLY, version) != version}
    overrides: dict[str, Any] = {
        field.name: override(rename=wire_name(field), omit=field.name == "extra" or field.name in foreign)
        for field in attrs.fields(cls)
    }
    generated = make_dict_structure_fn(cls, converter, **overrides)
    known = {name for name, attribute in attributes_by_wire(cls).items() if attribute not in foreign}
    nullables = [(field.name, wire_name(field)) for field in attrs.fields(cls) if field.metadata.get(NULLABLE)]

    def read(raw: Any, _: Any) -> Any:
        if not isinstance(raw, dict):
            if isinstance(raw, cls):
                return raw
            raise expected("object", raw)
        try:
            model = generated(raw, cls)
        except ClassValidationError as error:
            raise _mismatch(cls, error) from None
        if not raw.keys() <= known:
            object.__setattr__(model, "extra", {name: value for name, value in raw.items() if name not in known})
        for attribute, name in nullables:
            if name in raw and raw[name] is None:
                object.__setattr__(model, attribute, NULL)
        return model

    return read


def _mismatch(cls: type[Model], group: ClassValidationError) -> Mismatch:
    """The first finding of a careful reading, under the wire name of its field."""
    noted, _ = group.group_exceptions()
    error, note = noted[0]
    name = wire_name(getattr(attrs.fields(cls), note.name))
    if isinstance(error, Mismatch):
        return error.under(name)
    return Mismatch("missing", (name,)) if isinstance(error, KeyError) else Mismatch(str(error), (name,))


def _union(kind: Any, converter: MsgspecJsonConverter) -> Hook:
    """Read by the union's table; it answers with the member to read, or raises the `Mismatch` itself."""
    choose = TABLES[frozenset(get_args(kind))]
    hooks: dict[Any, Hook] = {}

    def read(value: Any, _: Any) -> Any:
        member = choose(value)
        if member is None:
            return None
        hook = hooks.get(member)
        if hook is None:
            hook = hooks[member] = converter.get_structure_hook(member)
        return hook(value, member)

    return read
