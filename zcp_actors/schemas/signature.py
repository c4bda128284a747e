"""
The input schema of a handler, from its signature.

Owns which parameters are arguments and what is said about them. Refuses to know contexts, tools and prompts:
the caller names the parameters to skip.
The rule: everything in the schema can be passed by name, because arguments come as one JSON object.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING, Any

import attrs
import typing_extensions

from zcp_actors.errors import SchemaError
from zcp_actors.schemas.derive import Deriver
from zcp_actors.schemas.docstring import docstring_of
from zcp_actors.schemas.field import MISSING, default_of
from zcp_actors.schemas.plain import plain_default

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)


@attrs.frozen
class ObjectSchema:
    """What a handler takes: its JSON Schema, its description, and the defaults that only a `Field` gives.

    `defaults` must be merged below the arguments before the call: Python does not know them.
    """

    schema: dict[str, Any]
    description: str | None = None
    defaults: dict[str, Any] = attrs.field(factory=dict)


def signature_schema(
    function: Callable[..., Any], *, skip: Collection[str] = (), localns: Mapping[str, Any] | None = None
) -> ObjectSchema:
    """The schema of the arguments of `function`, which may be a function, a method, a partial or a callable object.

    Annotations of skipped parameters are not looked at. `localns` resolves names that are local to where the function
    was defined. Raises `SchemaError` naming the parameter and what to write instead.
    """
    documented = docstring_of(_underlying(function))
    deriver = Deriver()
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    required: list[str] = []
    defaults: dict[str, Any] = {}
    hints = hints_of_function(function, skip=skip, localns=localns)
    for parameter in parameters_of(function, skip=skip):
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        hint = hints[parameter.name]
        item = deriver.of(hint, place_of(function, parameter.name))
        if text := documented.parameters.get(parameter.name):
            item.setdefault("description", text)
        _with_default(parameter, hint, item, required, defaults)
        schema["properties"][parameter.name] = item
    if required:
        schema["required"] = required
    rest = _rest(function, skip, hints, deriver)
    if rest != {}:
        schema["additionalProperties"] = rest
    return ObjectSchema(deriver.finished(schema), documented.summary, defaults)


def parameters_of(function: Callable[..., Any], *, skip: Collection[str] = ()) -> list[inspect.Parameter]:
    """The parameters that are arguments. Raises `SchemaError` for those that cannot be passed by name."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        message = f"{function!r} has no signature to read: wrap it in a `def` with annotated parameters"
        raise SchemaError(message) from error
    found = [one for one in signature.parameters.values() if one.name not in skip]
    for one in found:
        if one.kind in _BY_POSITION:
            message = (
                f"{place_of(function, one.name)} can only be passed by position, and arguments come by name: "
                "remove the '/' from the signature, or take one list parameter instead of '*'"
            )
            raise SchemaError(message)
    return found


def hints_of_function(
    function: Callable[..., Any], *, skip: Collection[str] = (), localns: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Resolved annotations by parameter name, `Any` where there is none. Raises `SchemaError`."""
    return {
        one.name: _resolved(function, one.name, one.annotation, localns) for one in parameters_of(function, skip=skip)
    }


def return_hint(function: Callable[..., Any], *, localns: Mapping[str, Any] | None = None) -> Any:
    """The resolved return annotation, or `inspect.Signature.empty`. Raises `SchemaError`."""
    return _resolved(
        function, "return", inspect.signature(function).return_annotation, localns, inspect.Signature.empty
    )


def place_of(function: Callable[..., Any], parameter: str) -> str:
    """How errors name a parameter."""
    name = getattr(_underlying(function), "__qualname__", repr(function))
    return f"return type of {name}()" if parameter == "return" else f"parameter {parameter!r} of {name}()"


def _resolved(
    function: Callable[..., Any], name: str, annotation: Any, localns: Mapping[str, Any] | None, absent: Any = Any
) -> Any:
    if annotation is inspect.Parameter.empty:
        return absent
    holder = types.SimpleNamespace(__annotations__={name: annotation})
    names = getattr(_underlying(function), "__globals__", {})
    try:
        return typing_extensions.get_type_hints(holder, names, dict(localns or {}), include_extras=True)[name]
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        message = (
            f"{place_of(function, name)}: its annotation {annotation!r} cannot be resolved ({error}): "
            "define what it names at module level, outside of `if TYPE_CHECKING`"
        )
        raise SchemaError(message) from error


def _underlying(function: Callable[..., Any]) -> Any:
    """The function whose globals and docstring count."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    if inspect.ismethod(function) or inspect.isfunction(function):
        return getattr(function, "__func__", function)
    return function if isinstance(function, type) else getattr(type(function), "__call__", function)  # noqa: B004


def _with_default(
    parameter: inspect.Parameter, hint: Any, item: dict[str, Any], required: list[str], defaults: dict[str, Any]
) -> None:
    said = default_of(getattr(hint, "__metadata__", ()))
    if parameter.default is not inspect.Parameter.empty:
        try:
            item["default"] = plain_default(parameter.default)
        except SchemaError:
            item.pop("default", None)  # a sentinel: the handler knows what it means, JSON cannot say it
    elif said is not MISSING:
        defaults[parameter.name] = said
    else:
        required.append(parameter.name)


def _rest(function: Callable[..., Any], skip: Collection[str], hints: Mapping[str, Any], deriver: Deriver) -> Any:
    """What undeclared arguments must be: nothing, unless there is `**kwargs`."""
    for one in parameters_of(function, skip=skip):
        if one.kind is inspect.Parameter.VAR_KEYWORD:
            return deriver.of(hints[one.name], place_of(function, one.name))
    return False
