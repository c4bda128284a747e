"""
What a handler takes by name: the schema of it, and how a client's JSON becomes the values of its parameters.

Owns the fit of schema and signature, and the checking and structuring of values. Refuses to know tools and tasks:
`where` names the entry in errors. The rule: a schema that the handler cannot serve is refused at registration; values
that leave here share nothing with what came.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors import schemas
from zcp_actors.errors import SchemaError
from zcp_actors.wire import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcp_actors.app.handler import Handler

    Structure = Callable[[Any], Any]


@attrs.frozen
class Inputs:
    """How what a client sends becomes the values of a handler's parameters."""

    validator: schemas.Validator
    structures: tuple[tuple[str, Structure], ...]
    """Parameters whose value is not the JSON that came."""
    dropped: frozenset[str] | None
    """When the schema lets names through that the handler does not take: the names it does take."""
    unchecked: frozenset[str]
    """Names the handler needs and the schema does not require."""
    defaults: dict[str, Any]
    """Values of absent arguments that the signature does not know."""
    what: str
    """What errors call all of it: "arguments"."""

    @classmethod
    def of(cls, where: str, handler: Handler, taken: schemas.ObjectSchema, *, what: str = "arguments") -> Inputs:
        """Fit `handler` to the schema. Raises `SchemaError` when it cannot serve all that the schema lets through."""
        signature, schema, defaults = handler.signature, taken.schema, taken.defaults
        declared = schema.get("properties", {}).keys()
        closed = schema.get("additionalProperties") is False
        if not signature.open and (extra := sorted(declared - signature.client.keys())):
            raise SchemaError(f"{where}: its handler does not take {', '.join(extra)}; take them, or **kwargs")
        if closed and (unfilled := sorted(signature.required - declared - defaults.keys())):
            raise SchemaError(f"{where}: its handler needs {', '.join(unfilled)}, which its schema does not allow")
        return cls(
            schemas.compile(schema),
            tuple(schemas.structurer_of_signature(handler.function, skip=signature.injected).items()),
            None if signature.open or closed else frozenset(signature.client),
            signature.required - frozenset(schema.get("required", ())) - defaults.keys(),
            defaults,
            what,
        )

    def values(self, given: dict[str, Any] | None) -> dict[str, Any]:
        """Return the handler's values, which share nothing with `given`. Raises `Mismatch` or `NotJSON`."""
        values: dict[str, Any] = plain(given, self.what) if given else {}
        if not self.validator.is_valid(values):
            self.validator.check(values, self.what)
        if self.dropped is not None:
            values = {name: value for name, value in values.items() if name in self.dropped}
        if self.unchecked and not self.unchecked <= values.keys():
            missing = sorted(self.unchecked - values.keys())
            raise schemas.Mismatch(self.what, [("$", f"{name!r} is needed") for name in missing])
        for name, structure in self.structures:
            if name in values:
                values[name] = self._structured(name, structure, values[name])
        for name, value in self.defaults.items():
            if name not in values:
                values[name] = copy.deepcopy(value)
        return values

    def _structured(self, name: str, structure: Structure, value: Any) -> Any:
        try:
            return structure(value)
        except schemas.Mismatch as error:
            problems = [(f"$.{name}{path.removeprefix('$')}", message) for path, message in error.problems]
            raise schemas.Mismatch(self.what, problems, more=error.more) from error


def written_schema(where: str, input_schema: Any) -> dict[str, Any]:
    """Return a schema that the author gave, as JSON or a type. Raises `SchemaError` when it is not of an object."""
    if not isinstance(input_schema, dict):
        input_schema = schemas.schema_of(input_schema, place=f"input schema of {where}")
    schemas.compile(input_schema)
    schema: dict[str, Any] = {"type": "object", **plain(input_schema)}
    if schema["type"] != "object":
        raise SchemaError(f'{where}: arguments are a JSON object; its input schema says "type": {schema["type"]!r}')
    return schema
