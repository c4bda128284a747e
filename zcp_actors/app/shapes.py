"""
Wire models out of what an author writes: a model, or a dict of its shape.

Owns the acceptance of both spellings of a key (`readOnlyHint`, `read_only_hint`) and the copying of models.
Refuses to know what the models mean. The rule: what comes out shares nothing that can change with what went in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from zcp_actors.errors import NotJSON, SchemaError
from zcp_actors.wire import plain
from zcp_actors.wire.converter import structure
from zcp_actors.wire.mismatch import Mismatch
from zcp_actors.wire.model import Model, attributes_by_wire

if TYPE_CHECKING:
    from collections.abc import Iterable

M = TypeVar("M", bound=Model)


def fresh(model: M) -> M:
    """Copy a model, all the way down.

    Raises `NotJSON` for a value in it that no wire can carry, `Mismatch` for a field that is not what its shape says.
    """
    copy: M = structure(type(model), plain(model))
    return copy


def read(cls: Any, value: Any) -> Any:
    """Return the model that `value`, a model or a dict with wire or Python names, stands for. Raises like `fresh`."""
    if isinstance(value, Model):
        value = plain(value)
    elif isinstance(value, dict):
        value = _by_wire_names(cls, plain(value))
    return structure(cls, value)


def declared(cls: type[M], value: M | dict[str, Any] | None, where: str) -> M | None:
    """Return `value` as a model, for a registration. Raises `SchemaError` naming the place when it is no such thing."""
    if value is None:
        return None
    try:
        model: M = read(cls, value)
    except (Mismatch, TypeError) as error:
        raise SchemaError(f"{where}: {error.at(cls.__name__) if isinstance(error, Mismatch) else error}") from None
    return model


def all_declared(cls: type[M], values: Iterable[M | dict[str, Any]] | None, where: str) -> list[M] | None:
    """Return every one of `values` as a model; None stays None. Raises like `declared`."""
    if values is None:
        return None
    return [model for value in values if (model := declared(cls, value, where)) is not None]


def json_declared(value: dict[str, Any], where: str) -> dict[str, Any]:
    """Copy the JSON of a registration. Raises `SchemaError` naming the place when it is none."""
    try:
        copy: dict[str, Any] = plain(value, where)
    except NotJSON as error:
        raise SchemaError(str(error)) from None
    return copy


def _by_wire_names(cls: Any, fields: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(cls, type):
        return fields
    spelled = {attribute: wire for wire, attribute in attributes_by_wire(cls).items()}
    return {spelled.get(name, name): value for name, value in fields.items()}
