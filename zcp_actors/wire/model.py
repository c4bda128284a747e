"""
`Model`: what every message shape is made of.

Owns the mapping between Python attributes and wire names, the fields nobody declared (`extra`), and the two ways to
read a model: by attribute, which gives models, and by wire name, which gives plain JSON.
Refuses to know bytes, methods and revisions; `only` merely notes on a field the one revision that has it.
The rule: on the wire `None` is absent. Where JSON's null says something, the field is required, or holds `NULL`.
"""

from __future__ import annotations

import enum
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    _Read = Callable[[Any], Any]
    _Write = Callable[[Any, Any], None]

T = TypeVar("T")
M = TypeVar("M", bound="Model")

ONLY: Final = "zcp_actors.only"
WIRE: Final = "zcp_actors.wire"
NULLABLE: Final = "zcp_actors.nullable"
SPOKEN: Final = "zcp_actors.spoken"


class Null(enum.Enum):
    """JSON's null in an optional field, where it is a value (`structuredContent` of 2026-07-28) and not an absence."""

    NULL = "null"

    def __bool__(self) -> bool:
        """False, like the null it stands for."""
        return False


NULL: Final = Null.NULL


def only(version: str) -> Any:
    """An optional field that exists in one revision: a peer of another never sees it, and may mean anything by it."""
    return attrs.field(default=None, metadata={ONLY: version})


def nullable() -> Any:
    """An optional field in which JSON's null is a value: `NULL`; None is absence, as everywhere."""
    return attrs.field(default=None, metadata={NULLABLE: True})


def spoken() -> Any:
    """A required field that may be null, and is written then; a peer whose serializer drops nulls is understood."""
    return attrs.field(default=None, metadata={SPOKEN: True})


def named(wire: str, default: Any = None) -> Any:
    """A field whose wire name is not the camelCase of its attribute."""
    return attrs.field(default=default, metadata={WIRE: wire})


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Model:
    """Base of all message shapes: immutable, keyword-only, and readable as a mapping of wire names.

    `model.input_schema` and `model["inputSchema"]` are the same field; the second is plain JSON, nested models
    included. `dict(model)` and `model.to_dict()` are the wire form. A model equals another of its class with equal
    fields, or the plain dict of its wire form.
    """

    extra: dict[str, Any] = attrs.field(factory=dict)
    """Fields of the message that its shape does not declare, by wire name: kept, and written back."""

    def to_dict(self) -> dict[str, Any]:
        """The wire form, as plain JSON."""
        wire: dict[str, Any] = _plain(self)
        return wire

    __plain__ = to_dict
    """What a handler's value is written as, wherever it holds a model."""

    def keys(self) -> list[str]:
        """The wire names that are present."""
        return list(self.to_dict())

    def get(self, name: str, default: Any = None) -> Any:
        """The plain value under a wire name, or the default where it is absent."""
        try:
            return self[name]
        except KeyError:
            return default

    def __getitem__(self, name: str) -> Any:
        cls: Any = type(self)
        attribute = attributes_by_wire(cls).get(name)
        if attribute is None:
            return self.extra[name]
        value = getattr(self, attribute)
        if value is None and not required(cls, attribute):
            raise KeyError(name)
        return _plain(value)

    def __contains__(self, name: object) -> bool:
        try:
            self[name]  # type: ignore[index]  # any object may be asked for, as in a dict
        except (KeyError, TypeError):
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Model):
            return type(self) is type(other) and all(
                getattr(self, field.name) == getattr(other, field.name) for field in attrs.fields(type(self))
            )
        return self.to_dict() == other if isinstance(other, dict) else NotImplemented

    def __repr__(self) -> str:
        told = [(field.name, getattr(self, field.name), field.default) for field in attrs.fields(type(self))]
        shown = [f"{name}={value!r}" for name, value, usual in told if (value if name == "extra" else value != usual)]
        return f"{type(self).__name__}({', '.join(shown)})"

    __hash__ = None  # type: ignore[assignment]  # models hold dicts


_unstructure: Callable[[Any], Any] | None = None


def _plain(value: Any) -> Any:
    global _unstructure  # noqa: PLW0603  # the converter needs the models, the models need it only when they are read
    if _unstructure is None:
        from zcp_actors.wire.converter import unstructure  # see above

        _unstructure = unstructure
    return _unstructure(value)


@cache
def _slots(cls: Any) -> tuple[_Read, tuple[_Write, ...], dict[str, _Write]]:
    """A reader of all fields and a writer of each, also by name: the slots' own, which no frozen class guards."""
    writers = {field.name: getattr(cls, field.name).__set__ for field in attrs.fields(cls)}
    return reader_of(*writers), tuple(writers.values()), writers


def reader_of(first: str, *others: str) -> Callable[[Any], tuple[Any, ...]]:
    """What reads these attributes as a tuple, be it one; `attrgetter` gives one alone without a tuple around it."""
    return attrgetter(first, *others) if others else lambda model: (getattr(model, first),)


def replaced(model: T, **changes: Any) -> T:
    """A copy with some fields changed: `attrs.evolve` at a fifth of its cost, for what happens with every message.

    Of a model, or of any attrs class with slots.
    """
    cls: Any = type(model)
    copy: T = object.__new__(cls)
    read, writers, named = _slots(cls)
    for write, value in zip(writers, read(model), strict=True):
        write(copy, value)
    for name, value in changes.items():
        named[name](copy, value)
    return copy


@cache
def attributes_by_wire(cls: Any) -> Mapping[str, str]:
    """Wire name -> attribute name of a class of models, without `extra`."""
    return {wire_name(field): field.name for field in attrs.fields(cls) if field.name != "extra"}


def required(cls: type[Model], attribute: str) -> bool:
    """Whether the shape demands this attribute, so that None in it means null."""
    field = getattr(attrs.fields(cls), attribute)
    demanded: bool = field.default is attrs.NOTHING or SPOKEN in field.metadata
    return demanded


def wire_name(field: attrs.Attribute[Any]) -> str:
    """The camelCase of the attribute's name unless it says otherwise; `meta` is `_meta` everywhere."""
    if field.name == "meta":
        return "_meta"
    head, *tail = field.name.rstrip("_").split("_")
    return str(field.metadata.get(WIRE) or head + "".join(part.capitalize() for part in tail))
