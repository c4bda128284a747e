"""
A registered prompt: what is listed of it, and how it is filled in.

Owns the prompt's arguments and the forms its handler may answer in. Refuses to know the registry. The rule: arguments
are checked before the handler runs, so that a missing one is the client's error and never a Python traceback.
Source: MCP, server/prompts: missing required arguments and unknown names are -32602.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import attrs

from zcp_actors.app import injection, shapes
from zcp_actors.app.failure import as_rpc_error, cancelled_part
from zcp_actors.app.handler import Handler
from zcp_actors.app.result import block_of, is_content
from zcp_actors.app.text_argument import choices_of, reader_for
from zcp_actors.errors import InvalidParams, NotJSON, SchemaError
from zcp_actors.schemas.docstring import docstring_of
from zcp_actors.schemas.signature import hints_of_function
from zcp_actors.wire import GetPromptResult, Prompt, PromptArgument, PromptMessage, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import trio

    from zcp_actors.app.text_argument import Reader

_ROLES = frozenset(get_args(Role))


@attrs.frozen
class RegisteredPrompt:
    """One prompt with its handler."""

    model: Prompt
    handler: Handler
    required: tuple[str, ...]
    readers: dict[str, Reader]
    """Arguments that are more than text -> how their text is read."""
    choices: dict[str, list[str]]
    """Arguments of a closed type -> the texts they allow, which complete themselves."""

    @classmethod
    def of(
        cls,
        model: Prompt,
        function: Callable[..., Any],
        limiter: trio.CapacityLimiter,
        arguments: Iterable[PromptArgument | dict[str, Any] | str] | None,
    ) -> RegisteredPrompt:
        """Read the handler; `arguments` replace what its signature says. Raises `SchemaError` when they do not fit."""
        handler = Handler.of(function, limiter)
        listed = _from_signature(handler) if arguments is None else _as_written(model.name, arguments)
        _check_fit(model.name, handler, listed)
        hints = hints_of_function(function, skip=handler.signature.injected)
        readers = {each.name: reader_for(hints.get(each.name)) for each in listed}
        choices = {each.name: choices_of(hints.get(each.name)) for each in listed}
        return cls(
            attrs.evolve(model, arguments=listed or None),
            handler,
            tuple(each.name for each in listed if each.required),
            {name: reader for name, reader in readers.items() if reader is not None},
            {name: texts for name, texts in choices.items() if texts},
        )

    async def get(self, context: Any, arguments: dict[str, str] | None) -> GetPromptResult:
        """Fill the prompt in.

        Raises `InvalidParams` for arguments that are missing, unknown or unreadable, `RPCError` when the handler fails.
        """
        values = self._values(dict(arguments or {}))
        try:
            return self._result(await self.handler.run(context, values))
        except Exception as error:  # noqa: BLE001 - whatever an author's code raises becomes an answer
            raise as_rpc_error(f"prompt {self.model.name!r}", error) from None
        except BaseExceptionGroup as group:
            raise cancelled_part(group) from None

    def _values(self, arguments: dict[str, str]) -> dict[str, Any]:
        known = [each.name for each in self.model.arguments or ()]
        if missing := [name for name in self.required if name not in arguments]:
            raise InvalidParams(f"prompt {self.model.name!r} needs the argument {', '.join(map(repr, missing))}")
        if unknown := [name for name in arguments if name not in known]:
            taken = f"it takes: {', '.join(known)}" if known else "it takes none"
            raise InvalidParams(f"prompt {self.model.name!r} has no argument {unknown[0]!r:.80}; {taken}")
        return {name: self._value(name, text) for name, text in arguments.items()}

    def _value(self, name: str, text: Any) -> Any:
        if not isinstance(text, str):
            raise InvalidParams(f"prompt {self.model.name!r}: argument {name!r} must be a string")
        try:
            return self.readers[name](text) if name in self.readers else text
        except (ValueError, RecursionError) as error:
            raise InvalidParams(f"prompt {self.model.name!r}: argument {name!r}: {error}") from None

    def _result(self, value: Any) -> GetPromptResult:
        if isinstance(value, dict) and "messages" in value:
            messages = list(_messages(value["messages"]))
            rest = {name: each for name, each in value.items() if name != "messages"}
            filled: GetPromptResult = shapes.read(GetPromptResult, {**rest, "messages": []})
            return attrs.evolve(filled, messages=messages)
        if isinstance(value, GetPromptResult):
            return shapes.fresh(value)
        return GetPromptResult(messages=list(_messages(value)), description=self.model.description)


def _messages(value: Any) -> Iterator[PromptMessage]:
    """Give the messages that a handler's value, in any of its forms, stands for."""
    if value is None:
        return
    if isinstance(value, PromptMessage):
        yield shapes.fresh(value)
    elif isinstance(value, str) or is_content(value):
        yield PromptMessage(role="user", content=block_of(value))
    elif isinstance(value, dict):
        yield from _message_of(value.get("role"), value.get("content"))
    elif isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and value[0] in _ROLES:  # noqa: PLR2004 - (role, content)
        yield from _message_of(*value)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _messages(each)
    else:
        raise _no_message(value)


def _message_of(role: Any, content: Any) -> Iterator[PromptMessage]:
    if isinstance(content, (list, tuple)):
        for each in content:
            yield from _message_of(role, each)
    elif isinstance(content, str) or is_content(content):
        yield PromptMessage(role=_role(role), content=block_of(content))
    elif isinstance(content, dict):
        yield shapes.read(PromptMessage, {"role": _role(role), "content": content})
    else:
        raise _no_message(content)


def _role(role: Any) -> Role:
    if role not in _ROLES:
        raise NotJSON(f"a prompt's message has the role 'user' or 'assistant', not {role!r:.80}")
    return role  # type: ignore[no-any-return]  # one of the literals, by the check above


def _no_message(value: Any) -> NotJSON:
    what = f"{type(value).__name__}: {value!r:.80}"
    return NotJSON(f"a prompt returns texts, content blocks, (role, content) pairs or messages, not {what}")


def _from_signature(handler: Handler) -> list[PromptArgument]:
    described = docstring_of(injection.underlying(handler.function)).parameters
    return [
        PromptArgument(name=name, description=described.get(name), required=name in handler.signature.required)
        for name in handler.signature.client
    ]


def _as_written(prompt: str, arguments: Iterable[PromptArgument | dict[str, Any] | str]) -> list[PromptArgument]:
    written = [{"name": each} if isinstance(each, str) else each for each in arguments]
    return shapes.all_declared(PromptArgument, written, f"prompt {prompt!r}: arguments") or []


def _check_fit(prompt: str, handler: Handler, listed: list[PromptArgument]) -> None:
    signature, names = handler.signature, {each.name for each in listed}
    if not signature.open and (extra := sorted(names - signature.client.keys())):
        raise SchemaError(f"prompt {prompt!r}: its handler does not take {', '.join(extra)}; take them, or **kwargs")
    if unfilled := sorted(signature.required - {each.name for each in listed if each.required}):
        raise SchemaError(
            f"prompt {prompt!r}: its handler needs {', '.join(unfilled)}, which no required argument fills; "
            "list them with required=True, or give them defaults"
        )
