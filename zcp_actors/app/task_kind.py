"""
A registered kind of task: work that is a task from the beginning, and no tool.

Owns the two styles of its handler, the path from a task's input to its result, and what its failures become. Refuses to
know the registry, and how tasks are kept and run. The rule of the styles is `injection.payload_of`: a lone `payload`
gets everything in one dict, every other signature is read like a tool's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors import schemas
from zcp_actors.app import injection
from zcp_actors.app.failure import as_rpc_error, cancelled_part, settled, text_of
from zcp_actors.app.handler import Handler
from zcp_actors.app.inputs import Inputs, written_schema
from zcp_actors.errors import InvalidParams, MethodNotFound, NotJSON, SchemaError
from zcp_actors.protocol.tasks import TaskPolicy
from zcp_actors.wire import Result, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    import trio

TASK = "task"
"""Where a payload has its task, and so what an input of that style cannot have."""


@attrs.frozen
class Payload:
    """The style of one dict: the input, and under "task" the task."""

    parameter: str
    validator: schemas.Validator | None
    """None when any object will do."""

    def values(self, given: dict[str, Any] | None, task: Any) -> dict[str, Any]:
        """Return the handler's one value. Raises `Mismatch` or `NotJSON`."""
        content: dict[str, Any] = plain(given, "input") if given else {}
        if TASK in content:
            raise schemas.Mismatch("input", [(f"$.{TASK}", "is the name of the task itself; use another")])
        if self.validator is not None:
            self.validator.check(content, "input")
        return {self.parameter: {**content, TASK: task}}


@attrs.frozen
class RegisteredKind:
    """One kind of task with its handler."""

    kind: str
    title: str | None
    description: str | None
    input_schema: dict[str, Any] | None
    """JSON Schema of the input; None when any object will do."""
    handler: Handler
    policy: TaskPolicy
    _takes: Payload | Inputs

    @classmethod
    def of(
        cls,
        kind: str,
        function: Callable[..., Any],
        limiter: trio.CapacityLimiter,
        policy: TaskPolicy,
        *,
        input_schema: Any = None,
        title: str | None = None,
        description: str | None = None,
    ) -> RegisteredKind:
        """Settle everything a run of `function` needs. Raises `SchemaError` for what cannot work."""
        where = f"task kind {kind!r}"
        written = None if input_schema is None else written_schema(where, input_schema)
        declared = frozenset((written or {}).get("properties", ()))
        handler = Handler.of(function, limiter, declared=declared)
        payload = injection.payload_of(function, handler.signature, declared=declared)
        if payload is not None:
            if TASK in declared:
                raise SchemaError(f"{where}: payload[{TASK!r}] is the task; give that part of the input another name")
            takes: Payload | Inputs = Payload(payload, None if written is None else schemas.compile(written))
            schema = written
        else:
            skip = handler.signature.injected
            taken = schemas.signature_schema(function, skip=skip) if written is None else schemas.ObjectSchema(written)
            takes, schema = Inputs.of(where, handler, taken, what="input"), taken.schema
        return cls(kind, title, description, schema, handler, policy, takes)

    async def run(self, context: Any, given: dict[str, Any] | None) -> Result:
        """Run the handler in the task of `context`, which there must be, on a copy of `given`.

        What it returned is the result: a JSON object is the result itself, anything else is under "result".
        Raises `InvalidParams` for an input that does not fit, `MethodNotFound` outside of a task, `RPCError` when the
        handler fails, and the `HandlerError`s that the session decides on.
        """
        subject = f"task kind {self.kind!r}"
        task = getattr(context, "task", None)
        if task is None:
            raise MethodNotFound("tasks/create")
        try:
            result: Result = _result(await self.handler.run(context, self._values(given, task)))
        except Exception as error:  # noqa: BLE001 - whatever an author's code raises becomes an answer
            raise as_rpc_error(subject, error) from None
        except BaseExceptionGroup as group:
            raise cancelled_part(group) from None
        return result

    def check(self, given: dict[str, Any] | None) -> None:
        """Raises `InvalidParams` for an input that does not fit."""
        try:
            self._values(given, None)
        except InvalidParams:
            raise
        except Exception as error:  # noqa: BLE001 - building an argument may run an author's class
            raise InvalidParams(f"task kind {self.kind!r} was not run: {text_of(settled(error))}") from None

    def _values(self, given: dict[str, Any] | None, task: Any) -> dict[str, Any]:
        try:
            return self._takes.values(given, task) if isinstance(self._takes, Payload) else self._takes.values(given)
        except (schemas.Mismatch, NotJSON) as error:
            raise InvalidParams(f"task kind {self.kind!r} was not run: {error}") from None


def _result(value: Any) -> Result:
    """Return what the wire carries of a handler's value. Raises `NotJSON` for what it cannot."""
    content = plain(value, "result")
    body: dict[str, Any] = content if isinstance(content, dict) else {"result": content}
    if "resultType" in body:
        raise NotJSON("result.resultType is a word of the protocol's own; return it under another name")
    meta = body.pop("_meta", None)
    if meta is not None and not isinstance(meta, dict):
        raise NotJSON(f"result._meta is kept for an object of notes, not {meta!r:.80}; return it under another name")
    return Result(extra=body, meta=meta)
