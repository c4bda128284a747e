"""
Which of a handler's parameters come from the runtime rather than from the client.

Owns the reading of a handler's signature: the parameters that take the call's `Context`, the one that takes its task,
and what is left for the client, by name or in one payload. Refuses to know schemas and calls. The rule: everything is
decided once, at registration; a call only fills in what is written down here.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.errors import SchemaError
from zcp_actors.sessions.context import Context
from zcp_actors.tasks.context import TaskContext

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

_CONTEXT_NAMES = frozenset({"ctx", "context"})
_PAYLOAD_NAMES = frozenset({"payload", "input"})
_MAPPINGS = frozenset({"dict", "Dict", "Mapping", "MutableMapping", "Any"})
_KEYWORD_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@attrs.frozen
class Signature:
    """A handler's parameters, sorted by who fills them."""

    context: tuple[str, ...]
    """Filled with the call's `Context`."""
    task: str | None
    """Filled with the call's task, or None when there is none."""
    client: dict[str, inspect.Parameter]
    """Filled with what the client sends, by name, in order."""
    open: bool
    """True when the handler takes any further name (`**kwargs`)."""

    @property
    def injected(self) -> tuple[str, ...]:
        """All the names that the client does not fill and must not see."""
        return self.context if self.task is None else (*self.context, self.task)

    @property
    def required(self) -> frozenset[str]:
        """The names the handler cannot be called without."""
        return frozenset(name for name, given in self.client.items() if given.default is inspect.Parameter.empty)


def read(handler: Callable[..., Any], *, declared: Collection[str] = ()) -> Signature:
    """Sort the parameters of `handler`. `declared` are names that a written schema claims for the client.

    Raises `SchemaError` when it has no readable signature, or a parameter that no name can fill.
    """
    parameters = _parameters(handler)
    hints = _hints(handler)
    named = {name: given for name, given in parameters.items() if given.kind in _KEYWORD_KINDS}
    context = tuple(name for name, given in named.items() if _takes_context(given, hints.get(name), declared))
    task = next((name for name, given in named.items() if _takes_task(given, hints.get(name), declared)), None)
    client = {name: given for name, given in named.items() if name not in context and name != task}
    kinds = {given.kind for given in parameters.values()}
    return Signature(context, task, client, inspect.Parameter.VAR_KEYWORD in kinds)


def payload_of(handler: Callable[..., Any], signature: Signature, *, declared: Collection[str] = ()) -> str | None:
    """Return the parameter that takes all that the client sends as one dict; None when each part goes by its name.

    The rule: besides what the runtime fills there is exactly one parameter; it is called `payload` or `input`; it has
    no annotation, or that of a mapping (`dict`, `Mapping`, `Any`; a TypedDict or a class is the type of one part); and
    no written schema claims the name (`declared`) for a part of its own.
    """
    if signature.open or len(signature.client) != 1:
        return None
    ((name, given),) = signature.client.items()
    if name not in _PAYLOAD_NAMES or name in declared:
        return None
    return name if given.annotation is inspect.Parameter.empty or _is_mapping(_hints(handler).get(name)) else None


def is_async(handler: Callable[..., Any]) -> bool:
    """Tell whether calling `handler` gives a coroutine, as far as its definition shows."""
    return inspect.iscoroutinefunction(inspect.unwrap(underlying(handler)))


def name_of(handler: Callable[..., Any]) -> str:
    """Return the name a handler goes by when its author gives none. Raises `SchemaError` for a nameless one."""
    handler = _bare(handler)
    name = getattr(handler, "__name__", None) or type(handler).__name__
    if name == "<lambda>":
        raise SchemaError("a lambda has no name of its own; pass name=")
    return str(name)


def underlying(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that runs when `handler`, perhaps a partial, a method or an object, is called."""
    handler = _bare(handler)
    return handler if inspect.isroutine(handler) or isinstance(handler, type) else type(handler).__call__


def _bare(handler: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(handler, functools.partial):
        handler = handler.func
    return handler


def _parameters(handler: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        parameters = inspect.signature(handler).parameters
    except (TypeError, ValueError) as error:
        raise SchemaError(f"{handler!r} has no readable signature ({error}); wrap it in a function") from error
    for name, given in parameters.items():
        if given.kind is inspect.Parameter.POSITIONAL_ONLY and given.default is inspect.Parameter.empty:
            raise SchemaError(f"{handler!r} takes {name!r} by position only, clients fill by name: remove the '/'")
    return dict(parameters)


def _hints(handler: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations, evaluated if that is possible, else as they are written."""
    function = inspect.unwrap(underlying(handler))
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - evaluating a string annotation runs the author's code, which may raise anything
        return dict(getattr(function, "__annotations__", {}))


def _takes_context(given: inspect.Parameter, hint: Any, declared: Collection[str]) -> bool:
    if given.annotation is inspect.Parameter.empty:
        return given.name in _CONTEXT_NAMES and given.name not in declared
    return any(_is_a(Context, part) for part in _alternatives(hint))


def _takes_task(given: inspect.Parameter, hint: Any, declared: Collection[str]) -> bool:
    annotated = given.annotation is not inspect.Parameter.empty
    if annotated and any(_is_a(TaskContext, part) for part in _alternatives(hint)):
        return True
    free = not annotated or given.default is None
    return given.name == "task" and free and given.name not in declared


def _alternatives(hint: Any) -> Iterable[Any]:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _alternatives(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        return [part for each in typing.get_args(hint) for part in _alternatives(each)]
    if isinstance(hint, str):
        return [part.strip() for part in hint.removeprefix("Optional[").removesuffix("]").split("|")]
    return [hint]


def _is_mapping(hint: Any) -> bool:
    if isinstance(hint, str):
        return hint.partition("[")[0].rpartition(".")[2].strip() in _MAPPINGS
    kind = typing.get_origin(hint) or hint
    return kind in (typing.Any, dict, Mapping, MutableMapping)


def _is_a(kind: type, part: Any) -> bool:
    if isinstance(part, str):
        return part.rpartition(".")[2] == kind.__name__
    return isinstance(part, type) and issubclass(part, kind)
