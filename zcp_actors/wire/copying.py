"""
Copies of models: what crosses a border within one process, so that nobody holds what another can change.

Owns a plan of each class, made of its annotations: how each type that its fields may hold is copied. Refuses to judge:
what the plan does not foresee (a wrong type, an undeclared field, a subclass) is nobody's copy here, and whoever asked
writes and reads it instead, which converts, or says what is wrong.
The rule: a copy equals what writing and reading the model would give.
"""

from __future__ import annotations

from functools import cache, partial
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from zcp_actors.wire.model import Model, reader_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Plan = Mapping[type, Callable[[Any], Any] | None]
    """By the type of a value: how it is copied; None for what nobody can change."""

M = TypeVar("M", bound=Model)

TAGS = ("type", "method", "mode")
"""The fields whose default tells the members of a union apart."""

UNFORESEEN = (KeyError, RecursionError, AttributeError, NameError, TypeError)
"""A value, or a class of somebody else's (without slots, with annotations that nobody can resolve), of no plan."""

_ATOMS: tuple[type, ...] = (str, bool, int, NoneType)


def copy_of(model: M) -> M | None:
    """A copy that shares nothing that can be changed; None for a model that is not just as its class says."""
    try:
        return _model(model)
    except UNFORESEEN:
        return None


def _model(model: M) -> M:
    cls: Any = type(model)
    if model.extra:
        raise KeyError("extra")
    copy: M = object.__new__(cls)
    read, fields = _fields(cls)
    for value, (write, plan) in zip(read(model), fields, strict=True):
        how = plan[type(value)]
        write(copy, value if how is None else how(value))
    return copy


@cache
def _fields(cls: Any) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[tuple[Callable[[Any, Any], None], Plan], ...]]:
    """A reader of all fields; the writer and the plan of each: the slots' own, which no frozen class guards."""
    hints, names = get_type_hints(cls), [field.name for field in attrs.fields(cls)]
    return reader_of(*names), tuple((getattr(cls, name).__set__, _plan(hints[name])) for name in names)


def _plan(hint: Any) -> Plan:
    origin, within = get_origin(hint), get_args(hint)
    if hint is Any:
        return _JSON
    if origin is Literal:
        return {str: partial(_choice, frozenset(within))}
    if origin is Union or origin is UnionType:
        return _one_of(within)
    if origin is dict:
        return {dict: _object if within[1] is Any else partial(_mapping, _plan(within[1]))}
    if origin is list:
        return {list: partial(_list, _plan(within[0]))}
    if isinstance(hint, type) and issubclass(hint, Model):
        return {hint: _model}
    return {hint: None} if hint in _ATOMS else {}


def _one_of(members: tuple[Any, ...]) -> Plan:
    plan: dict[type, Any] = {}
    for member in members:
        plan.update(_plan(member))
    models = [kind for kind in plan if issubclass(kind, Model)]
    if (dict in plan and models) or not _told_apart(models):
        for kind in models:
            del plan[kind]
    return plan


def _told_apart(models: list[type[Model]]) -> bool:
    """Reading knows each by its tag, or by what it alone requires; see `unions`. It could confuse others."""
    tags = [frozenset(_tags(each).items()) for each in models]
    for each, own in zip(models, tags, strict=True):
        others = [other for other in models if other is not each]
        alone = _required(each) - {name for other in others for name in attrs.fields_dict(other)}
        if not alone and not own - frozenset().union(*(_tags(other).items() for other in others)):
            return False
    return True


def _tags(cls: type[Model]) -> dict[str, Any]:
    return {field.name: field.default for field in attrs.fields(cls) if field.name in TAGS}


def _required(cls: type[Model]) -> set[str]:
    return {field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING}


def _choice(choices: frozenset[Any], value: str) -> str:
    if value not in choices:
        raise KeyError(value)
    return value


def _list(plan: Plan, items: list[Any]) -> list[Any]:
    return [_planned(plan, item) for item in items]


def _mapping(plan: Plan, members: dict[Any, Any]) -> dict[str, Any]:
    return {_name(name): _planned(plan, member) for name, member in members.items()}


def _planned(plan: Plan, value: Any) -> Any:
    how = plan[type(value)]
    return value if how is None else how(value)


def _object(members: dict[Any, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = {}
    for name, value in members.items():
        if type(name) is not str:
            raise KeyError(name)
        how = _JSON[type(value)]
        copy[name] = value if how is None else how(value)
    return copy


def _array(items: list[Any]) -> list[Any]:
    return [value if (how := _JSON[type(value)]) is None else how(value) for value in items]


def _finite(value: float) -> float:
    if value - value != 0:
        raise KeyError(value)
    return value


_JSON: Plan = {**dict.fromkeys(_ATOMS), dict: _object, list: _array, float: _finite}


def _name(name: Any) -> str:
    if type(name) is not str:
        raise KeyError(name)
    return name
