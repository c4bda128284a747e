"""
Models <-> plain JSON.

Owns the cattrs converters that read (a fast one, and for each revision one that finds where a failure is) and one that
writes per revision. Refuses to know methods and bytes. Reading is strict about types, lenient about unknown fields
(kept) and about null in an optional field (absent); writing leaves out what is None, and what belongs to another
revision only.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from cattrs.gen import make_dict_unstructure_fn, override
from cattrs.preconf.msgspec import MsgspecJsonConverter, make_converter

from zcp_actors.errors import InvalidParams, NotJSON
from zcp_actors.wire.copying import copy_of
from zcp_actors.wire.mismatch import Mismatch
from zcp_actors.wire.model import ONLY, SPOKEN, Model, Null, wire_name
from zcp_actors.wire.reading import reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

M = TypeVar("M", bound=Model)

_SCALARS = frozenset({str, int, bool, type(None)})

_fast = reader(detailed=False)
_hooks: dict[Any, Callable[[Any, Any], Any]] = {}
"""What `_fast` reads each shape with: as many as there are shapes."""


@cache
def _careful(version: str | None) -> MsgspecJsonConverter:
    return reader(detailed=True, version=version)


def structure(cls: Any, raw: Any, version: str | None = None) -> Any:
    """Read `raw` as a `cls` (a model, or a union of models that is part of one), as a peer of `version` means it.

    Raises `Mismatch` with the place. What does not fit a field of another revision is no mismatch: it is in `extra`.
    """
    hook = _hooks.get(cls)
    if hook is None:
        hook = _hooks[cls] = _fast.get_structure_hook(cls)
    try:
        return hook(raw, cls)
    except Exception:  # noqa: BLE001  # whatever went wrong, the careful reading says what and where
        return _careful(version).structure(raw, cls)


def from_wire(cls: type[M], raw: Any, version: str | None = None, *, place: str = "") -> M:
    """Read plain JSON as a model, as a peer of `version` means it.

    Raises `InvalidParams` naming the place (that of `raw` is `place`), what was expected and what came.
    """
    try:
        model: M = structure(cls, raw, version)
    except Mismatch as error:
        raise InvalidParams(error.at(place or getattr(cls, "__name__", "value"))) from None
    return model


def copied(value: Any) -> Any:
    """A model with contents that nobody else holds; anything else as it is. Raises as writing and reading it does."""
    if not isinstance(value, Model):
        return value
    copy = copy_of(value)
    return from_wire(type(value), unstructure(value)) if copy is None else copy


class Writer:
    """Models to plain JSON, for one revision (or for none: every field that is set).

    `finish` holds, by class, what the revision demands beyond leaving fields out; a subclass inherits it.
    """

    def __init__(
        self, version: str | None = None, finish: Mapping[type[Model], Callable[[dict[str, Any]], None]] | None = None
    ) -> None:
        self._version, self._finish = version, finish or {}
        converter = make_converter(detailed_validation=False)
        converter.register_unstructure_hook_factory(_is_model, self._model_hook)
        converter.register_unstructure_hook_factory(_is_open, lambda _: self.write)
        converter.register_unstructure_hook(float, finite)
        self._converter: MsgspecJsonConverter = converter
        self._hooks: dict[type, Callable[[Any], Any]] = {}

    def write(self, value: Any) -> Any:
        """Plain JSON of a model, or of JSON with models in it. Raises `NotJSON` for anything else."""
        kind = type(value)
        if kind in _SCALARS:
            return value
        if kind is dict:
            return {name: item if type(item) in _SCALARS else self.write(item) for name, item in value.items()}
        if kind is list:
            return [item if type(item) in _SCALARS else self.write(item) for item in value]
        return (self._hooks.get(kind) or self._hook(kind, value))(value)

    def _hook(self, kind: type, value: Any) -> Callable[[Any], Any]:
        if issubclass(kind, Model):
            hook = self._hooks[kind] = self._converter.get_unstructure_hook(kind)
            return hook
        if kind is float:
            return finite
        if kind is Null:
            return _null
        raise NotJSON(f"{kind.__name__} is no JSON value; `plain` turns objects into JSON: {value!r:.80}")

    def _model_hook(self, cls: type[Model]) -> Callable[[Any], Any]:
        overrides = {field.name: self._override(cls, field) for field in attrs.fields(cls)}
        write = make_dict_unstructure_fn(cls, self._converter, **overrides)
        finish = next((self._finish[base] for base in cls.__mro__ if base in self._finish), None)

        def hook(model: Model) -> dict[str, Any]:
            wire: dict[str, Any] = write(model)
            if model.extra:
                wire = {**self.write(model.extra), **wire}
            if finish is not None:
                finish(wire)
            return wire

        return hook

    def _override(self, cls: type[Model], field: attrs.Attribute[Any]) -> Any:
        elsewhere = self._version is not None and field.metadata.get(ONLY, self._version) != self._version
        if field.name == "extra" or elsewhere:
            return override(omit=True)
        return override(rename=wire_name(field), omit_if_default=field.default is None and SPOKEN not in field.metadata)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model)


def _is_open(kind: Any) -> bool:
    """Anything whose instances are only known when they are seen, and everything that contains others."""
    return kind is Any or not isinstance(kind, type) or kind is Null or getattr(kind, "__origin__", None) is not None


def finite(value: float) -> float:
    """The number itself. Raises `NotJSON` for NaN and the infinities, which JSON cannot write."""
    if value - value != 0:
        raise NotJSON(f"{value} is no JSON number")
    return value


def _null(_: Null) -> None:
    return None


_everything = Writer()
unstructure = _everything.write
