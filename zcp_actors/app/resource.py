"""
Registered resources and resource templates: what is listed of them, and how they are read.

Owns the forms a reading handler may answer in. Refuses to know the registry. The rule: a resource's contents carry the
URI that was asked for, unless the handler names others itself.
Source: MCP, server/resources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.app import shapes
from zcp_actors.app.failure import as_rpc_error, cancelled_part
from zcp_actors.app.handler import Handler
from zcp_actors.app.media import File, blob_of
from zcp_actors.app.result import text_of
from zcp_actors.app.text_argument import choices_of, reader_for
from zcp_actors.errors import InvalidParams, SchemaError
from zcp_actors.schemas.signature import hints_of_function
from zcp_actors.wire import (
    BlobResourceContents,
    EmbeddedResource,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import trio

    from zcp_actors.app.text_argument import Reader
    from zcp_actors.schemas import Template
    from zcp_actors.wire import CacheScope

_CONTENTS = (TextResourceContents, BlobResourceContents)


@attrs.frozen
class Caching:
    """How long (`ttl_ms`, milliseconds) and for whom a client may keep what it read; None says nothing."""

    ttl_ms: int | None = None
    cache_scope: CacheScope | None = None


@attrs.frozen
class RegisteredResource:
    """One resource with its handler."""

    model: Resource
    handler: Handler
    subscribe: bool
    caching: Caching

    @classmethod
    def of(
        cls,
        model: Resource,
        function: Callable[..., Any],
        limiter: trio.CapacityLimiter,
        *,
        subscribe: bool,
        caching: Caching,
    ) -> RegisteredResource:
        """Read the handler. Raises `SchemaError` when it needs parameters that nothing fills."""
        handler = Handler.of(function, limiter)
        if unfilled := sorted(handler.signature.required):
            raise SchemaError(
                f"resource {model.uri!r}: its handler needs {', '.join(unfilled)}, which nothing fills; "
                "give them defaults, or put them into the URI as {variables}"
            )
        return cls(model, handler, subscribe, caching)

    async def read(self, context: Any, uri: str) -> ReadResourceResult:
        """Read the resource. Raises `RPCError` when the handler fails."""
        return await _read(self, context, uri, {})


@attrs.frozen
class RegisteredTemplate:
    """One resource template with its handler."""

    model: ResourceTemplate
    template: Template
    handler: Handler
    readers: dict[str, Reader]
    """Variables that are more than text -> how their text is read."""
    choices: dict[str, list[str]]
    """Variables of a closed type -> the texts they allow, which complete themselves."""
    subscribe: bool
    caching: Caching

    @classmethod
    def of(
        cls,
        model: ResourceTemplate,
        template: Template,
        function: Callable[..., Any],
        limiter: trio.CapacityLimiter,
        *,
        subscribe: bool,
        caching: Caching,
    ) -> RegisteredTemplate:
        """Read the handler. Raises `SchemaError` when its parameters and the template's variables differ."""
        handler = Handler.of(function, limiter, declared=frozenset(template.variables))
        _check_fit(model.uri_template, handler, template)
        hints = hints_of_function(function, skip=handler.signature.injected)
        readers = {name: reader_for(hints.get(name)) for name in template.variables}
        choices = {name: choices_of(hints.get(name)) for name in template.variables}
        return cls(
            model,
            template,
            handler,
            {name: reader for name, reader in readers.items() if reader is not None},
            {name: texts for name, texts in choices.items() if texts},
            subscribe,
            caching,
        )

    def match(self, uri: str) -> dict[str, Any] | None:
        """Return the variables of `uri` when it is one of the template's, else None. Takes time linear in `uri`."""
        return self.template.match(uri)

    async def read(self, context: Any, uri: str, variables: dict[str, Any]) -> ReadResourceResult:
        """Read the resource with the variables that `match` found.

        Raises `InvalidParams` for a variable that is not of its parameter's type, `RPCError` when the handler fails.
        """
        return await _read(self, context, uri, {name: self._value(name, text) for name, text in variables.items()})

    def _value(self, name: str, text: Any) -> Any:
        if name not in self.readers or not isinstance(text, str):
            return text
        try:
            return self.readers[name](text)
        except (ValueError, RecursionError) as error:
            raise InvalidParams(f"resource template {self.model.uri_template!r}: variable {name!r}: {error}") from None


async def _read(
    entry: RegisteredResource | RegisteredTemplate, context: Any, uri: str, arguments: dict[str, Any]
) -> ReadResourceResult:
    try:
        value = await entry.handler.run(context, arguments)
        result = _result(value, uri, entry.model.mime_type)
    except Exception as error:  # noqa: BLE001 - whatever an author's code raises becomes an answer
        raise as_rpc_error(f"resource {uri!r:.200}", error) from None
    except BaseExceptionGroup as group:
        raise cancelled_part(group) from None
    return attrs.evolve(
        result,
        ttl_ms=entry.caching.ttl_ms if result.ttl_ms is None else result.ttl_ms,
        cache_scope=result.cache_scope or entry.caching.cache_scope,
    )


def _result(value: Any, uri: str, mime_type: str | None) -> ReadResourceResult:
    if isinstance(value, ReadResourceResult):
        return shapes.fresh(value)
    if isinstance(value, (list, tuple)) and value and all(isinstance(each, (*_CONTENTS, File)) for each in value):
        return ReadResourceResult(contents=[_contents(each, uri, mime_type) for each in value])
    return ReadResourceResult(contents=[_contents(value, uri, mime_type)])


def _contents(value: Any, uri: str, mime_type: str | None) -> Any:
    if isinstance(value, File):
        value = value.block()
    if isinstance(value, EmbeddedResource):
        value = value.resource
    if isinstance(value, _CONTENTS):
        return shapes.fresh(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return blob_of(bytes(value), uri=uri, mime_type=mime_type)
    if isinstance(value, str):
        return TextResourceContents(uri=uri, mime_type=mime_type, text=plain(value))
    return TextResourceContents(uri=uri, mime_type=mime_type or "application/json", text=text_of(plain(value)))


def _check_fit(uri_template: str, handler: Handler, template: Template) -> None:
    signature, names = handler.signature, set(template.variables)
    if not signature.open and (extra := sorted(names - signature.client.keys())):
        raise SchemaError(f"resource template {uri_template!r}: its handler does not take {', '.join(extra)}")
    if unfilled := sorted(signature.required - names):
        raise SchemaError(
            f"resource template {uri_template!r}: its handler needs {', '.join(unfilled)}, which no variable fills"
        )
