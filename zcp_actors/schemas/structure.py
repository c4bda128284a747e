"""
Validated JSON to the Python values that an author's type hints promise.

Owns the converter. Refuses to validate shapes: the schema of the same type has done so; what a schema cannot say
(an impossible date, an attrs validator) raises `Mismatch` here.
The rule: a type whose JSON form is already its Python form costs nothing: its structurer is None. Only ints, which JSON
may spell 2.0, cost a look.
"""

from __future__ import annotations

import pathlib
import typing
from collections import abc
from typing import TYPE_CHECKING, Any

import cattrs
import msgspec
from cattrs.cols import is_namedtuple, namedtuple_dict_structure_factory

from zcp_actors.errors import SchemaError
from zcp_actors.schemas.derive import ANYTHING, ARRAYS, OBJECTS, is_union, peeled, schema_of
from zcp_actors.schemas.mismatch import MAX_MESSAGE_CHARS, Mismatch, shortened
from zcp_actors.schemas.plain import MSGSPEC_SCALARS, is_pydantic_model, unstructure
from zcp_actors.schemas.record import is_open, is_record, members_of
from zcp_actors.schemas.signature import hints_of_function
from zcp_actors.schemas.validator import compile as compile_schema
from zcp_actors.schemas.whole import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["structure", "structurer", "structurer_of_signature", "unstructure"]

_SAME = (str, int, float, bool, type(None))


def structurer(hint: Any) -> Callable[[Any], Any] | None:
    """A function from validated JSON to a value of the type, or None when they are the same thing.

    The function raises `Mismatch` for what only Python can refuse. Raises `SchemaError` for a type without a schema.
    """
    if isinstance(hint, abc.Mapping):
        return None
    if _same(hint):
        return whole(hint)
    schema_of(hint)
    try:
        hook = _CONVERTER.get_structure_hook(hint)
    except (NameError, cattrs.StructureHandlerNotFoundError) as error:
        message = f"{hint!r:.200} cannot be built from JSON: {error}"
        raise SchemaError(message) from error

    def structured(value: Any) -> Any:
        try:
            return hook(value, hint)
        except Mismatch:
            raise
        except (cattrs.BaseValidationError, ValueError, TypeError, KeyError, ArithmeticError) as error:
            raise Mismatch("value", _problems(error)) from error

    return structured


def structure(hint: Any, value: Any) -> Any:
    """Build one value; where a type is used more than once, keep its `structurer`."""
    build = structurer(hint)
    return value if build is None else build(value)


def structurer_of_signature(
    function: Callable[..., Any], *, skip: Collection[str] = (), localns: Mapping[str, Any] | None = None
) -> dict[str, Callable[[Any], Any]]:
    """The structurers of those parameters whose arguments are not already what the handler wants."""
    hints = hints_of_function(function, skip=skip, localns=localns)
    found = {name: structurer(hint) for name, hint in hints.items()}
    return {name: build for name, build in found.items() if build is not None}


def _same(hint: Any) -> bool:
    """Whether valid JSON of this type needs no conversion."""
    hint = peeled(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _same(arguments[0])
    if isinstance(hint, abc.Mapping) or hint in ANYTHING or hint in _SAME:
        return True
    if origin is typing.Literal:
        return all(type(value) in _SAME for value in arguments)
    if is_open(hint):
        return all(_same_member(member.hint) for member in members_of(hint))
    if is_union(hint) or (origin or hint) in ARRAYS or (origin or hint) in OBJECTS:
        return all(_same(argument) for argument in arguments)
    return False


def _same_member(hint: Any) -> bool:
    # A member that is a record again might be this one, and is converted rather than followed for ever.
    return not is_record(hint) and _is_flat(hint) and _same(hint)


def _is_flat(hint: Any) -> bool:
    return all(not is_record(argument) and _is_flat(argument) for argument in typing.get_args(hint))


def _problems(error: BaseException) -> list[tuple[str, str]]:
    lines = cattrs.transform_error(error, path="$", format_exception=_format)
    found = [line.rpartition(" @ ") for line in lines]
    return [(path, shortened(message, MAX_MESSAGE_CHARS)) for message, _, path in found]


def _format(error: BaseException, hint: Any) -> str:
    if isinstance(error, KeyError):
        return f"required member {error} is missing"
    name = getattr(hint, "__name__", None) or repr(hint)
    return str(error) or f"not a valid {name}"


def _converted(value: Any, cls: Any) -> Any:
    try:
        return msgspec.convert(value, cls)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def _exactly(value: Any, cls: Any) -> Any:
    """An integral float is an integer to JSON Schema, and a whole number is a number: give what the hint says."""
    return value if type(value) is cls else cls(value)


def _union_factory(union: Any) -> Callable[[Any, Any], Any]:
    """Choose the first branch that the value fits and that can be built from it: exactly what `anyOf` means."""
    branches = typing.get_args(union)
    if len(branches) == 2 and type(None) in branches:  # noqa: PLR2004  # Optional
        (branch,) = (one for one in branches if one is not type(None))
        return lambda value, _: None if value is None else _CONVERTER.structure(value, branch)
    checks = [(_builder(branch), compile_schema(schema_of(branch))) for branch in branches]

    def choose(value: Any, _: Any) -> Any:
        failure: Exception | None = None
        for build, validator in checks:
            if validator.is_valid(value):
                try:
                    return build(value)
                except (cattrs.BaseValidationError, ValueError, TypeError) as error:
                    failure = failure or error
        raise failure or ValueError(f"fits none of {', '.join(map(str, branches))}")

    return choose


def _builder(branch: Any) -> Callable[[Any], Any]:
    if _same(branch):
        return whole(branch) or (lambda value: value)
    return lambda value: _CONVERTER.structure(value, branch)


def _typed_dict_factory(cls: Any) -> Callable[[Any, Any], Any]:
    """By our own reading of the members: string annotations hide `NotRequired` from the class itself."""
    hints = {member.name: member.hint for member in members_of(cls)}
    changing = {name: hint for name, hint in hints.items() if not _same(hint) or whole(hint)}

    def build(value: Any, _: Any) -> Any:
        built = {name: _CONVERTER.structure(value[name], hint) for name, hint in changing.items() if name in value}
        return {**value, **built}

    return build


def _validate_model(value: Any, cls: Any) -> Any:
    return cls.model_validate(value)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(use_alias=True)
    for cls in MSGSPEC_SCALARS:
        converter.register_structure_hook(cls, _converted)
    for same in (int, float):
        converter.register_structure_hook(same, _exactly)
    converter.register_structure_hook_func(lambda cls: cls in ANYTHING, lambda value, _: value)
    converter.register_structure_hook_func(
        lambda cls: isinstance(cls, type) and issubclass(cls, pathlib.PurePath), lambda value, cls: cls(value)
    )
    converter.register_structure_hook_func(is_pydantic_model, _validate_model)
    converter.register_structure_hook_factory(
        is_namedtuple, lambda cls: namedtuple_dict_structure_factory(cls, converter)
    )
    converter.register_structure_hook_factory(is_open, _typed_dict_factory)
    converter.register_structure_hook_factory(is_union, _union_factory)
    return converter


_CONVERTER = _converter()
