"""
A registered tool: what is listed of it, and how it is called.

Owns the path from a call's arguments to its result. Refuses to know the registry. The rule: everything that can be
settled at registration is; a call copies, checks, structures what needs it, runs the handler, and converts what came
back.
Source: MCP, server/tools, "Error Handling" (SEP-1303): arguments that do not fit are a tool execution error, so that
the model can correct itself; only an unknown tool and a malformed request are protocol errors.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors import schemas
from zcp_actors.app.failure import cancelled_part, is_the_session_s, logger, settled, text_of
from zcp_actors.app.handler import Handler
from zcp_actors.app.result import BLOCKS, MEDIA, Output, failed
from zcp_actors.errors import NotJSON, SchemaError, ToolError
from zcp_actors.wire import CallToolResult, Tool, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    import trio

    Structure = Callable[[Any], Any]

CONTENT = (*BLOCKS, *MEDIA, CallToolResult)
"""Return types that are content already, and have no schema."""

_NAME = re.compile(r"[A-Za-z0-9_.\-/]{1,128}")


@attrs.frozen
class RegisteredTool:
    """One tool with its handler, and what the author said about how its output is shown."""

    model: Tool
    handler: Handler
    output_mode: str | None
    """"scalar" or "handle": how a native surface hands the output over."""
    inline_ok: bool
    """True when a native surface may put the output into its answer."""
    _inputs: Inputs
    _output: Output

    async def call(self, context: Any, arguments: dict[str, Any] | None) -> CallToolResult:
        """Call the tool. `arguments` are the caller's and are copied.

        Raises `RPCError` where the handler did, and the `HandlerError`s that the session decides on.
        Anything else that goes wrong is in the result.
        """
        try:
            values = self._inputs.values(arguments)
        except (schemas.Mismatch, NotJSON) as error:
            return failed(f"tool {self.model.name!r} was not called: {error}")
        except Exception as error:  # noqa: BLE001 - building an argument may run an author's class
            return self._failed(settled(error))
        try:
            value = await self.handler.run(context, values)
        except Exception as error:  # noqa: BLE001 - whatever an author's code raises becomes an answer
            return self._failed(settled(error))
        except BaseExceptionGroup as group:
            raise cancelled_part(group) from None
        return self._output.result(value)

    def _failed(self, error: Exception) -> CallToolResult:
        if is_the_session_s(error):
            raise error
        if not isinstance(error, ToolError):
            logger.error("tool %r failed", self.model.name, exc_info=error)
        return failed(text_of(error))


@attrs.frozen
class Inputs:
    """How the arguments of a call become the values of a handler's parameters."""

    validator: schemas.Validator
    structures: tuple[tuple[str, Structure], ...]
    """Parameters whose value is not the JSON that came."""
    dropped: frozenset[str] | None
    """When the schema lets names through that the handler does not take: the names it does take."""
    unchecked: frozenset[str]
    """Names the handler needs and the schema does not require."""
    defaults: dict[str, Any]
    """Values of absent arguments that the signature does not know."""

    def values(self, arguments: dict[str, Any] | None) -> dict[str, Any]:
        """Return the handler's values, which share nothing with `arguments`. Raises `Mismatch` or `NotJSON`."""
        values: dict[str, Any] = plain(arguments) if arguments else {}
        if not self.validator.is_valid(values):
            self.validator.check(values)
        if self.dropped is not None:
            values = {name: value for name, value in values.items() if name in self.dropped}
        if self.unchecked and not self.unchecked <= values.keys():
            missing = sorted(self.unchecked - values.keys())
            raise schemas.Mismatch("arguments", [("$", f"{name!r} is needed") for name in missing])
        for name, structure in self.structures:
            if name in values:
                values[name] = _structured(name, structure, values[name])
        for name, value in self.defaults.items():
            if name not in values:
                values[name] = copy.deepcopy(value)
        return values


def registered(
    model: Tool,
    function: Callable[..., Any],
    limiter: trio.CapacityLimiter,
    *,
    input_schema: Any = None,
    output_schema: Any = None,
    validate_output: bool = True,
    output_mode: str | None = None,
    inline_ok: bool = False,
) -> RegisteredTool:
    """Settle everything a call of `function` needs. `model` is complete but for what the signature says.

    Raises `SchemaError` for a signature or a schema that cannot work.
    """
    written = None if input_schema is None else _written(model.name, input_schema)
    handler = Handler.of(function, limiter, declared=frozenset((written or {}).get("properties", ())))
    if written is not None:
        taken = schemas.ObjectSchema(written)
    else:
        taken = schemas.signature_schema(function, skip=handler.signature.injected)
    published, output = _output(model.name, function, output_schema, validate_output=validate_output)
    return RegisteredTool(
        attrs.evolve(model, input_schema=taken.schema, output_schema=published),
        handler,
        output_mode,
        inline_ok,
        _inputs(model.name, handler, taken),
        output,
    )


def checked_name(name: object) -> str:
    """Return `name`. Raises `SchemaError` when it is not one a tool may have (MCP, server/tools, "Tool Names")."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SchemaError(f"tool {name!r:.200}: a name has 1 to 128 of the characters A-Z a-z 0-9 _ - . and /")
    return name


def _written(name: str, input_schema: Any) -> dict[str, Any]:
    """Return a schema that the author gave, as JSON or a type. Raises `SchemaError` when it is not of an object."""
    if not isinstance(input_schema, dict):
        input_schema = schemas.schema_of(input_schema, place=f"input schema of tool {name!r}")
    schemas.compile(input_schema)
    schema: dict[str, Any] = {"type": "object", **plain(input_schema)}
    if schema["type"] != "object":
        raise SchemaError(
            f'tool {name!r}: arguments are a JSON object; its input schema says "type": {schema["type"]!r}'
        )
    return schema


def _output(
    name: str, function: Callable[..., Any], output_schema: Any, *, validate_output: bool
) -> tuple[dict[str, Any] | None, Output]:
    """Return the output schema to publish, and what results are held to."""
    derived = output_schema is None
    hint = schemas.return_hint(function) if derived else output_schema
    if isinstance(hint, dict):
        published: dict[str, Any] | None = plain(hint)
        wrapped = False
    else:
        published, wrapped = schemas.output_schema(hint, content=CONTENT)
    if published is None:
        return None, Output(name)
    return published, Output(
        name,
        schemas.compile(published) if validate_output else None,
        structured=True,
        text_fits=derived and hint is str,
        wrapped=wrapped,
        bare=published.get("type", "object") != "object",
        typed=not isinstance(hint, dict),
    )


def _inputs(name: str, handler: Handler, taken: schemas.ObjectSchema) -> Inputs:
    signature, schema, defaults = handler.signature, taken.schema, taken.defaults
    declared = schema.get("properties", {}).keys()
    closed = schema.get("additionalProperties") is False
    if not signature.open and (extra := sorted(declared - signature.client.keys())):
        raise SchemaError(f"tool {name!r}: its handler does not take {', '.join(extra)}; take them, or **kwargs")
    if closed and (unfilled := sorted(signature.required - declared - defaults.keys())):
        raise SchemaError(f"tool {name!r}: its handler needs {', '.join(unfilled)}, which its schema does not allow")
    return Inputs(
        schemas.compile(schema),
        tuple(schemas.structurer_of_signature(handler.function, skip=signature.injected).items()),
        None if signature.open or closed else frozenset(signature.client),
        signature.required - frozenset(schema.get("required", ())) - defaults.keys(),
        defaults,
    )


def _structured(name: str, structure: Structure, value: Any) -> Any:
    try:
        return structure(value)
    except schemas.Mismatch as error:
        problems = [(f"$.{name}{path.removeprefix('$')}", message) for path, message in error.problems]
        raise schemas.Mismatch("arguments", problems, more=error.more) from error
