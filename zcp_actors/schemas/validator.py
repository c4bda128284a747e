"""
Compiled JSON Schema validators.

Owns the choice of draft, the bounds on schemas and values, and the words of a failed check.
Refuses to fetch: a schema is complete in itself, and no validation ever opens a file or a socket.
The rule: schemas and values may both come from a peer, so what they can cost together is bounded before it is spent.
Source: JSON Schema 2020-12 core 8.2 and validation 7.2.1 (`format` is an annotation); MCP 2025-11-25 and 2026-07-28,
"JSON Schema usage" (2020-12 unless `$schema` says otherwise).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import msgspec

from zcp_actors.errors import SchemaError
from zcp_actors.schemas.mismatch import MAX_MESSAGE_CHARS, MAX_PROBLEMS, Mismatch, path_of, shortened, value_text
from zcp_actors.schemas.weight import MAX_ANONYMOUS_REFERENCES, Weight

MAX_SCHEMA_BYTES = 1024 * 1024
"""Largest schema, as JSON. Generated schemas of large APIs reach 200 KiB; compiling 1 MiB takes about 100 ms."""
MAX_SCHEMA_DEPTH = 128
"""Deepest nesting of a schema's JSON. The compiler itself gives up at 255; hand-written schemas stay below 30."""
MAX_VALUE_DEPTH = 512
"""Deepest value checked. Recursive schemas recurse on the C stack, which ends the process near a depth of 100 000."""
MAX_LISTED_NODES = 1000
"""Values with more nodes get only their first problem told: the validator lists all problems or one, and all problems
of 500 000 wrong items took 4 s."""
MAX_APPLICATIONS = 100_000
"""Most subschemas applied to one path of a value. Real schemas stay below 1000; 100 000 take some 10 ms."""
MAX_EXPLANATION = 1_000_000
"""Most applications spent on saying what is wrong, about 200 ms. Beyond that the value is refused without details:
`is_valid` remembers what it has seen in recursive schemas, the explanation does not."""
CACHED_VALIDATORS = 1024
"""Validators kept by `compile`: the tools of some dozens of servers."""
MAX_CACHED_BYTES = 16 * 1024
"""Larger schemas are compiled each time, so that the cache's keys stay under 16 MiB."""

if TYPE_CHECKING:
    from collections.abc import Iterable

_MASK = "\x00"
_OUTSIDE = re.compile(r"Resource '(.*)' is not present in a registry")
_RECURSION = (b'"$ref"', b'"$dynamicRef"', b'"$recursiveRef"', b'"uniqueItems"', b'"enum"', b'"const"')
"""Keywords by which a validator may go deeper into a value than its schema is deep."""
_DRAFT_2020_12 = "https://json-schema.org/draft/2020-12/schema"


class Validator:
    """A compiled schema. Immutable; safe to share between threads."""

    __slots__ = ("_recursive", "_validator", "schema")

    def __init__(self, schema: Any, validator: jsonschema_rs.Validator, *, recursive: bool) -> None:
        self.schema = schema
        self._validator = validator
        self._recursive = recursive  # other schemas look no deeper into a value than they are deep themselves

    def is_valid(self, value: Any) -> bool:
        """Whether the value fits. Values that JSON cannot carry never do."""
        try:
            if self._recursive and _depth(value, MAX_VALUE_DEPTH) > MAX_VALUE_DEPTH:
                return False
            return self._validator.is_valid(value)
        except ValueError:
            return False

    def check(self, value: Any, what: str = "arguments") -> None:
        """Raise `Mismatch` with at most `MAX_PROBLEMS` problems when the value does not fit."""
        if self.is_valid(value):
            return
        depth = _depth(value, MAX_VALUE_DEPTH)
        if depth > MAX_VALUE_DEPTH:
            raise Mismatch(what, [("$", f"nested deeper than {MAX_VALUE_DEPTH} levels")])
        nodes = _nodes(value)
        if not self._explicable(nodes, depth):
            raise Mismatch(what, [("$", "does not fit; the schema and the value are too intricate to say where")])
        try:
            found = self._problems(value, nodes)
        except ValueError as error:
            raise Mismatch(what, [("$", f"not a JSON value: {shortened(str(error), MAX_MESSAGE_CHARS)}")]) from None
        raise Mismatch(what, found)

    def _explicable(self, nodes: int, depth: int) -> bool:
        if not self._recursive:
            return True
        try:
            return Weight(self.schema).to_depth(depth) * nodes <= MAX_EXPLANATION
        except RecursionError:
            return False

    def _problems(self, value: Any, nodes: int) -> list[tuple[str, str]]:
        if nodes <= MAX_LISTED_NODES:
            errors = list(self._validator.iter_errors(value))
            return [_told(error) for error in errors[: MAX_PROBLEMS + 1]]
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return [_told(error)]
        return []


def compile(schema: Any, *, formats: bool = False) -> Validator:  # noqa: A001  # the verb of the trade
    """Compile a JSON Schema (a mapping or a boolean), or find it compiled already.

    `formats` makes known formats assertions instead of annotations.
    Raises `SchemaError` for what is no schema, is too large or too deep, or refers to something outside of itself.
    """
    if not isinstance(schema, (dict, bool)):
        message = f"a JSON Schema is an object or a boolean, not {type(schema).__name__}"
        raise SchemaError(message)
    text = _canonical(schema)
    if len(text) <= MAX_CACHED_BYTES:
        return _cached(text, formats)
    _check_depth(schema)
    if len(text) > MAX_SCHEMA_BYTES:
        message = f"the schema has {len(text)} bytes, the limit is {MAX_SCHEMA_BYTES}: describe less, or split the tool"
        raise SchemaError(message)
    return _build(text, formats)


def _check_depth(schema: Any) -> None:
    if _depth(schema, MAX_SCHEMA_DEPTH) > MAX_SCHEMA_DEPTH:
        raise _too_deep()


def _too_deep() -> SchemaError:
    return SchemaError(f"the schema is nested deeper than {MAX_SCHEMA_DEPTH} levels: use $defs and $ref")


def _canonical(schema: Any) -> bytes:
    try:
        return msgspec.json.encode(schema, order="sorted")
    except (TypeError, ValueError, RecursionError) as error:
        _check_depth(schema)
        message = f"the schema is not JSON: {error}"
        raise SchemaError(message) from error


def _decoded(text: bytes) -> Any:
    try:
        schema = msgspec.json.decode(text)
    except RecursionError:  # reading takes a little more of the stack than writing did
        raise _too_deep() from None
    _check_depth(schema)
    return schema


def _build(text: bytes, formats: bool) -> Validator:  # noqa: FBT001  # part of the cache's key
    schema = _decoded(text)
    try:
        validator = jsonschema_rs.validator_for(_with_draft(schema), offline=True, validate_formats=formats, mask=_MASK)
    except ValueError as error:
        raise SchemaError(_refusal(error)) from None
    recursive = any(word in text for word in _RECURSION)
    if recursive:
        _check_weight(schema)
    return Validator(schema, validator, recursive=recursive)


def _check_weight(schema: Any) -> None:
    weight = Weight(schema)
    try:
        bounded = weight.anonymous <= MAX_ANONYMOUS_REFERENCES and weight.written_out() <= MAX_APPLICATIONS
    except RecursionError:
        bounded = False
    if not bounded:
        message = (
            f"the schema's references, written out, apply more than {MAX_APPLICATIONS} subschemas to one value: "
            "use fewer alternatives of alternatives, and refer to definitions as #/$defs/name"
        )
        raise SchemaError(message)


_cached = lru_cache(maxsize=CACHED_VALIDATORS)(_build)


def _with_draft(schema: Any) -> Any:
    return {"$schema": _DRAFT_2020_12, **schema} if isinstance(schema, dict) else schema


def _refusal(error: ValueError) -> str:
    text = getattr(error, "message", str(error)).replace(_MASK, value_text(getattr(error, "instance", None)))
    if outside := _OUTSIDE.search(text):
        return (
            f"the schema refers to {shortened(outside[1], MAX_MESSAGE_CHARS)!r}, which is not part of it, "
            "and nothing is ever fetched: copy it into $defs"
        )
    path = path_of(getattr(error, "instance_path", ()))
    return f"not a usable JSON Schema: {path}: {shortened(text, MAX_MESSAGE_CHARS)}"


def _told(error: jsonschema_rs.ValidationError) -> tuple[str, str]:
    error = _nearest(error)
    text = error.message.replace(_MASK, value_text(error.instance)) if _MASK in error.message else error.message
    return path_of(error.instance_path), shortened(text, MAX_MESSAGE_CHARS)


def _nearest(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """For a failed union, the problem of the branch that was meant, if exactly one branch got below the surface."""
    while error.kind.name in {"anyOf", "oneOf"}:
        depth = len(error.instance_path)
        branches = [branch for branch in error.kind.as_dict().get("context", ()) if branch]
        meant = [branch for branch in branches if all(len(inner.instance_path) > depth for inner in branch)]
        if len(meant) != 1:
            break
        error = meant[0][0]
    return error


def _depth(value: Any, limit: int) -> int:
    """How deep containers nest, at most `limit` + 1; level by level, so a wide value costs its size once."""
    level = _containers([value])
    for depth in range(limit + 1):
        if not level:
            return depth
        level = _containers(inner for outer in level for inner in _inside(outer))
    return limit + 1


def _nodes(value: Any) -> int:
    """How many values there are inside, the value itself included."""
    count, level = 1, _containers([value])
    while level:
        count += sum(map(len, level))
        level = _containers(inner for outer in level for inner in _inside(outer))
    return count


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, (dict, list, tuple))]


def _inside(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
