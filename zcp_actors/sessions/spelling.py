"""
Names as authors write them, turned into those of the wire, at every depth.

Owns the reading of mappings in snake_case or camelCase by the shape they are meant for. Refuses to know questions.
The rule: only names that a shape declares are touched; what is free JSON (a schema, metadata, a tool's input) stays.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import attrs

from zcp_actors.errors import InvalidParams, UsageError
from zcp_actors.wire import Model, from_wire, plain
from zcp_actors.wire.model import attributes_by_wire, wire_name

P = TypeVar("P", bound=Model)


def snake_keys(cls: type[Model], given: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with the wire names it uses replaced by the model's attribute names; others stay."""
    names: Mapping[str, str] = attributes_by_wire(cls)  # type: ignore[arg-type]  # attrs classes are hashable
    return {names.get(key, key): value for key, value in given.items()}


def model_from(cls: type[P], given: Mapping[str, Any]) -> P:
    """A model from attribute names; nested values may be models, or mappings in either spelling.

    Raises `UsageError` for what the model has not, or cannot hold.
    """
    fields = _wire_names(cls)  # type: ignore[arg-type]  # attrs classes are hashable
    if not given.keys() <= fields.keys():
        unknown = sorted(given.keys() - fields.keys())
        raise UsageError(f"{cls.__name__} has no {', '.join(unknown)}; it has {', '.join(sorted(fields))}")
    wire = {fields[name]: plain(value, name) for name, value in given.items() if value is not None}
    try:
        return from_wire(cls, wire_spelling(cls, wire))
    except InvalidParams as error:
        raise UsageError(error.message) from None


def wire_spelling(hint: Any, value: Any) -> Any:
    """Plain JSON that is meant as this model, union or list of models, with wire names for those in snake_case."""
    if isinstance(value, list):
        return [wire_spelling(hint, each) for each in value]
    if not isinstance(value, dict) or not (names := _names(hint)):
        return value
    known = ((*names.get(name, (name, None)), each) for name, each in value.items())
    return {wire: each if inner is None else wire_spelling(inner, each) for wire, inner, each in known}


@cache
def _wire_names(cls: Any) -> Mapping[str, str]:
    return {field.name: wire_name(field) for field in attrs.fields(cls)}


@cache
def _names(hint: Any) -> Mapping[str, tuple[str, Any]]:
    """Either spelling -> (wire name, hint), of every field of the models that the hint speaks of."""
    found: dict[str, tuple[str, Any]] = {}
    for cls in _models(hint):
        hints = typing.get_type_hints(cls)
        for attribute, wire in _wire_names(cls).items():  # type: ignore[arg-type]  # as above
            found.setdefault(attribute, (wire, hints[attribute]))
            found.setdefault(wire, (wire, hints[attribute]))
    return found


def _models(hint: Any) -> list[type[Model]]:
    if isinstance(hint, type) and issubclass(hint, Model):
        return [hint]
    inner = () if typing.get_origin(hint) in (dict, Mapping) else typing.get_args(hint)
    return [cls for each in inner for cls in _models(each)]
