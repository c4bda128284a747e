"""
A registered tool: what is listed of it, and how it is called.

Owns the path from a call's arguments to its result. Refuses to know the registry. The rule: everything that can be
settled at registration is; a call copies, checks, structures what needs it, runs the handler, and converts what came
back.
Source: MCP, server/tools, "Error Handling" (SEP-1303): arguments that do not fit are a tool execution error, so that
the model can correct itself; only an unknown tool and a malformed request are protocol errors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors import schemas
from zcp_actors.app.failure import cancelled_part, is_the_session_s, logger, settled, text_of
from zcp_actors.app.handler import Handler
from zcp_actors.app.inputs import Inputs, written_schema
from zcp_actors.app.result import BLOCKS, MEDIA, Output, failed
from zcp_actors.app.task_policy import FORBIDDEN
from zcp_actors.errors import NotJSON, SchemaError, ToolError
from zcp_actors.protocol.header_annotation import BadAnnotation, header_annotations
from zcp_actors.protocol.tasks import TaskPolicy
from zcp_actors.wire import CallToolResult, Tool, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    import trio

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
    policy: TaskPolicy
    """Whether, and how, a call runs as a task."""
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
            running = self.handler.run(context, values)
            del values  # they are the handler's own now, which may let go of them while it waits
            value = await running
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
    policy: TaskPolicy = FORBIDDEN,
) -> RegisteredTool:
    """Settle everything a call of `function` needs. `model` is complete but for what the signature says.

    Raises `SchemaError` for a signature or a schema that cannot work.
    """
    where = f"tool {model.name!r}"
    written = None if input_schema is None else written_schema(where, input_schema)
    handler = Handler.of(function, limiter, declared=frozenset((written or {}).get("properties", ())))
    if written is not None:
        taken = schemas.ObjectSchema(written)
    else:
        taken = schemas.signature_schema(function, skip=handler.signature.injected)
    _check_headers(where, taken.schema)
    published, output = _output(model.name, function, output_schema, validate_output=validate_output)
    return RegisteredTool(
        attrs.evolve(model, input_schema=taken.schema, output_schema=published),
        handler,
        output_mode,
        inline_ok,
        policy,
        Inputs.of(where, handler, taken),
        output,
    )


def _check_headers(where: str, schema: Any) -> None:
    """Raises `SchemaError` for annotations for which every client over HTTP would leave the tool out of its list."""
    try:
        header_annotations(schema)
    except BadAnnotation as error:
        raise SchemaError(f"{where}: {error}; clients over HTTP must leave such a tool out") from None


def checked_name(name: object, noun: str = "tool") -> str:
    """Return `name`. Raises `SchemaError` when it is not one a tool may have (MCP, server/tools, "Tool Names")."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SchemaError(f"{noun} {name!r:.200}: a name has 1 to 128 of the characters A-Z a-z 0-9 _ - . and /")
    return name


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
