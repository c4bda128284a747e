"""
Arguments that travel as text: those of prompts, and the variables of URI templates.

Owns the reading of a text by the type its parameter is annotated with, and the list of texts that a closed type
allows. Refuses to know where the text came from. The rule: what JSON Schema would call a string stays as it came; a
number or a boolean is read as JSON writes it; anything with structure is JSON text.
"""

from __future__ import annotations

import enum
import inspect
import types
import typing
from typing import TYPE_CHECKING, Any

import msgspec

from zcp_actors import schemas

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[str], Any]

_AS_IT_CAME = (None, str, Any, object, inspect.Parameter.empty)
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def reader_for(hint: Any) -> Reader | None:
    """Return the function that reads a text as `hint`, or None when the text is the value. It raises `ValueError`."""
    hint = _core(hint)
    if hint in _AS_IT_CAME or isinstance(hint, (str, typing.TypeVar)):
        return None
    if hint is bool:
        return _boolean
    if hint in (int, float):
        return lambda text: _number(hint, text)
    if choices := _choices(hint):
        return lambda text: _chosen(choices, text)
    structure = schemas.structurer(hint)
    return lambda text: _structured(structure, text)


def choices_of(hint: Any) -> list[str]:
    """Return the texts that a Literal or an Enum allows, in order; empty for any other type."""
    return list(_choices(_core(hint)))


def _core(hint: Any) -> Any:
    """Peel off Annotated and an optional None: what is absent is not given at all."""
    while typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        if len(parts) == 1:
            return _core(parts[0])
    return hint


def _choices(hint: Any) -> dict[str, Any]:
    if typing.get_origin(hint) is typing.Literal:
        return {_spelled(value): value for value in typing.get_args(hint)}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {_spelled(member.value): member for member in hint}
    return {}


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode("utf-8")


def _boolean(text: str) -> bool:
    if (value := _BOOLEANS.get(text.lower())) is None:
        raise ValueError(f'expected "true" or "false", got {_shown(text)}')
    return value


def _number(kind: type[int | float], text: str) -> int | float:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise ValueError(f"expected {'an integer' if kind is int else 'a number'}, got {_shown(text)}") from None


def _chosen(choices: dict[str, Any], text: str) -> Any:
    if text not in choices:
        raise ValueError(f"expected one of {', '.join(map(repr, choices))}, got {_shown(text)}")
    return choices[text]


def _structured(structure: Callable[[Any], Any] | None, text: str) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        value = text  # a date, a path or a UUID is text of its own, not JSON
    try:
        return structure(value) if structure else value
    except ValueError:
        if structure is None or value is text:
            raise
        return structure(text)  # what looks like a number may be the text of a decimal or of a year


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004 - enough to recognise it in one line
