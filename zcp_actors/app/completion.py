"""
Completions: suggestions for an argument that somebody is typing.

Owns how a completion handler is called and how its answer is cut to what a message may carry. Refuses to know prompts
and templates; it is given what to suggest from. The rule: a handler may take as much or as little of the question as
it likes.
Source: MCP, server/utilities/completion: at most 100 values, with `total` and `hasMore` for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.app import shapes
from zcp_actors.app.failure import as_rpc_error, cancelled_part
from zcp_actors.app.handler import Handler
from zcp_actors.errors import INTERNAL_ERROR, RPCError, SchemaError
from zcp_actors.wire import (
    CompleteRequestParams,
    CompleteResult,
    Completion,
    PromptReference,
    ResourceTemplateReference,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import trio

MAX_VALUES = 100
"""The specification's limit on the values of one answer."""
MAX_CONSIDERED = 100_000
"""Values of a handler's iterable that are counted for `total`: a generator without an end must not hold the call."""

_ROLES = {
    "argument": ("argument", "argument_name", "name"),
    "value": ("value", "prefix", "text", "partial"),
    "arguments": ("arguments", "context_arguments", "given", "others"),
    "request": ("request", "params"),
}
_BY_COUNT = {0: (), 1: ("value",), 2: ("argument", "value"), 3: ("argument", "value", "arguments")}


@attrs.frozen
class RegisteredCompletion:
    """The completion handler of one prompt or resource template."""

    ref: str
    handler: Handler
    roles: dict[str, str]
    """The handler's parameter -> what of the question fills it."""

    @classmethod
    def of(cls, ref: str, function: Callable[..., Any], limiter: trio.CapacityLimiter) -> RegisteredCompletion:
        """Read the handler's signature. Raises `SchemaError` when a parameter's meaning cannot be told."""
        handler = Handler.of(function, limiter)
        return cls(ref, handler, _roles(ref, list(handler.signature.client)))

    async def complete(self, context: Any, params: CompleteRequestParams) -> CompleteResult:
        """Ask the handler. Raises `RPCError` when it fails."""
        try:
            value = await self.handler.run(context, {name: _part(params, role) for name, role in self.roles.items()})
            return _result(value)
        except Exception as error:  # noqa: BLE001 - whatever an author's code raises becomes an answer
            raise as_rpc_error(f"the completion of {self.ref!r}", error) from None
        except BaseExceptionGroup as group:
            raise cancelled_part(group) from None


def key_of(ref: Any) -> str:
    """Return what a completion is registered and looked up under: the prompt's name, or the template's URI."""
    if isinstance(ref, PromptReference):
        return ref.name
    return ref.uri if isinstance(ref, ResourceTemplateReference) else str(ref)


def suggestions(choices: Iterable[str], typed: str) -> CompleteResult:
    """Return those of `choices` that start with what is typed, whatever its case."""
    start = typed.casefold()
    return _result([choice for choice in choices if choice.casefold().startswith(start)])


def nothing() -> CompleteResult:
    """Return the answer of somebody who has no suggestion."""
    return CompleteResult(completion=Completion(values=[]))


def _roles(ref: str, names: list[str]) -> dict[str, str]:
    known = {spelling: role for role, spellings in _ROLES.items() for spelling in spellings}
    if all(name in known for name in names):
        return {name: known[name] for name in names}
    if len(names) in _BY_COUNT:
        return dict(zip(names, _BY_COUNT[len(names)], strict=True))
    raise SchemaError(
        f"completion of {ref!r}: it is not clear what fills {', '.join(names)}; "
        "take (argument, value, arguments), fewer of them, or one request"
    )


def _part(params: CompleteRequestParams, role: str) -> Any:
    if role == "argument":
        return params.argument.name
    if role == "value":
        return params.argument.value
    if role == "arguments":
        return plain(params.context.arguments or {}) if params.context else {}
    return shapes.fresh(params)


def _result(value: Any) -> CompleteResult:
    if isinstance(value, CompleteResult):
        return CompleteResult(completion=_cut(shapes.fresh(value.completion)), meta=plain(value.meta))
    if isinstance(value, Completion):
        return CompleteResult(completion=_cut(shapes.fresh(value)))
    if isinstance(value, Mapping):
        return CompleteResult(completion=_cut(shapes.read(Completion, dict(value))))
    if value is None:
        return nothing()
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise RPCError(INTERNAL_ERROR, f"a completion handler returned {type(value).__name__}, not a list of texts")
    found = [_text(each) for each in islice(value, MAX_CONSIDERED)]
    return CompleteResult(completion=_cut(Completion(values=found)))


def _cut(completion: Completion) -> Completion:
    values = completion.values
    if len(values) <= MAX_VALUES:
        return completion
    total = len(values) if completion.total is None else completion.total
    return attrs.evolve(completion, values=values[:MAX_VALUES], total=total, has_more=True)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise RPCError(INTERNAL_ERROR, f"a completion handler returned {type(value).__name__} in a list of texts")
    return plain(value)  # type: ignore[no-any-return]  # refuses text that UTF-8 cannot write
