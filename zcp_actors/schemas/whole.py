"""
Ints that JSON spells 2.0.

Owns the way from such JSON to what a hint of ints says, for hints whose JSON form is their Python form otherwise.
Refuses to judge: what is no whole number, or stands where none is expected, stays as it is.
The rule: JSON without such numbers comes back as it came, and is looked through, not built anew.
Source: JSON Schema 2020-12 core 4.2.3: 2.0 is an integer. To `range` and to an index it is none.
"""

from __future__ import annotations

import decimal
import typing
from typing import TYPE_CHECKING, Any

from zcp_actors.schemas.derive import ANYTHING, ARRAYS, OBJECTS, is_union, peeled
from zcp_actors.schemas.record import is_open, members_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Whole = Callable[[Any], Any]

_NUMBERS = frozenset({float, decimal.Decimal, *ANYTHING})
"""Beside these in a union, 2.0 is meant as it is."""


def whole(hint: Any) -> Whole | None:
    """A function from JSON of this type to the same with ints where the hint has them, or None where it has none."""
    hint = peeled(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return whole(arguments[0])
    if hint is int:
        return _int
    if is_union(hint):
        return _union([peeled(branch) for branch in arguments])
    if arguments and origin in ARRAYS:  # the bare `typing.List` has none
        return _array(whole(arguments[0]))
    if arguments and origin in OBJECTS:
        return _object(whole(arguments[1]))
    return _record(hint) if is_open(hint) else None


def _int(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def _union(branches: list[Any]) -> Whole | None:
    """Each branch looks at its own kind of JSON only, so they may all have their turn."""
    numbers = _NUMBERS.isdisjoint(branches)
    found = [each for branch in branches if (numbers or branch is not int) and (each := whole(branch))]
    if len(found) < 2:  # noqa: PLR2004  # most often an int or None
        return found[0] if found else None

    def build(value: Any) -> Any:
        for each in found:
            value = each(value)
        return value

    return build


def _array(item: Whole | None) -> Whole | None:
    if item is None:
        return None

    def build(value: Any) -> Any:
        if type(value) is not list or (item is _int and float not in map(type, value)):
            return value
        return [item(each) for each in value]

    return build


def _object(item: Whole | None) -> Whole | None:
    if item is None:
        return None
    return lambda value: {name: item(each) for name, each in value.items()} if type(value) is dict else value


def _record(cls: Any) -> Whole | None:
    members = {member.name: each for member in members_of(cls) if (each := whole(member.hint))}
    if not members:
        return None

    def build(value: Any) -> Any:
        if type(value) is not dict:
            return value
        return {name: members[name](item) if name in members else item for name, item in value.items()}

    return build
