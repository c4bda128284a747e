"""
Arguments as people type them, `name=value`, read by the schema they are for.

Owns the reading of words as JSON values. Refuses to judge values beyond their type: the server does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

_TRUE, _FALSE = ("true", "yes", "y", "1", "on"), ("false", "no", "n", "0", "off")


def read_arguments(pairs: Iterable[str], json_text: str | None, schema: Mapping[str, Any], tool: str) -> dict[str, Any]:
    """Return the arguments of a call. Raises `click.ClickException` for what the schema does not know or cannot be."""
    arguments = _read_object(json_text) if json_text is not None else {}
    arguments |= read_pairs(pairs, schema, f"tool {tool!r}", "argument")
    missing = [name for name in schema.get("required") or () if name not in arguments]
    if missing:
        raise click.ClickException(f"tool {tool!r} needs {', '.join(missing)}: pass --arg {missing[0]}=VALUE")
    return arguments


def read_pairs(pairs: Iterable[str], schema: Mapping[str, Any], owner: str, kind: str) -> dict[str, Any]:
    """Return `name=value` words as values of the schema's properties; a name given several times is a list."""
    words: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.ClickException(f"expected {kind.upper()}=VALUE, got {pair!r}")
        words.setdefault(name, []).append(value)
    properties = schema.get("properties") or {}
    _refuse_unknown([name for name in words if name not in properties], properties, schema, f"{owner} has no {kind}")
    return {name: _value(f"{kind} {name!r}", found, properties.get(name), schema) for name, found in words.items()}


def _refuse_unknown(unknown: list[str], properties: Any, schema: Mapping[str, Any], what: str) -> None:
    if unknown and properties and not schema.get("additionalProperties"):
        raise click.ClickException(f"{what} {unknown[0]!r}; it has {', '.join(properties)}")


def _read_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise click.ClickException(f"--json is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.ClickException(f"--json must be one object, such as '{{\"a\": 1}}'; got {text!r}")
    return found


def _value(what: str, words: list[str], schema: Any, root: Mapping[str, Any]) -> Any:
    kinds = kinds_of(schema, root)
    if len(words) == 1:
        return read_word(what, words[0], kinds)
    if kinds and "array" not in kinds:
        raise click.ClickException(f"{what} is given {len(words)} times, and it is no list")
    items = schema.get("items") if isinstance(schema, Mapping) else None
    return [read_word(what, word, kinds_of(items, root)) for word in words]


def kinds_of(schema: Any, root: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the JSON types that a schema allows; none when it does not tell."""
    if not isinstance(schema, Mapping):
        return ()
    target = str(schema.get("$ref", "")).rpartition("/")[2]
    if target:
        return kinds_of({**root.get("definitions", {}), **root.get("$defs", {})}.get(target), {})
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return tuple(kind for branch in branches for kind in kinds_of(branch, root))
    said = schema.get("type")
    if said is None and "enum" in schema:
        return ("string",) if all(isinstance(one, str) for one in schema["enum"]) else ()
    return tuple(kind for kind in ([said] if isinstance(said, str) else said or ()) if kind in _ORDER)


def read_word(what: str, word: str, kinds: tuple[str, ...]) -> Any:
    """Return the word as the first of these types that it can be, text last; without types, as any JSON or text."""
    if not kinds:
        return _json_or_text(word)
    for kind in sorted(kinds, key=_ORDER.index):
        value = _READERS[kind](word)
        if value is not None:
            return value.value
    raise click.ClickException(f"{what} must be {' or '.join(_NAMES[kind] for kind in kinds)}, not {word!r}")


class _Read:
    """A value that was read, where None would be ambiguous."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _json_or_text(word: str) -> Any:
    try:
        return json.loads(word)
    except ValueError:
        return word


def _as(kind: type | tuple[type, ...]) -> Callable[[str], _Read | None]:
    def read(word: str) -> _Read | None:
        value = _json_or_text(word)
        right = isinstance(value, kind) and (not isinstance(value, bool) or kind is bool)
        return _Read(value) if right else None

    return read


def _boolean(word: str) -> _Read | None:
    said = word.strip().lower()
    return _Read(said in _TRUE) if said in _TRUE + _FALSE else None


_ORDER = ("null", "integer", "number", "boolean", "array", "object", "string")
_READERS: dict[str, Callable[[str], _Read | None]] = {
    "null": lambda word: _Read(None) if word == "null" else None,
    "integer": _as(int),
    "number": _as((int, float)),
    "boolean": _boolean,
    "array": _as(list),
    "object": _as(dict),
    "string": _Read,
}
_NAMES = {
    "null": "null",
    "integer": "an integer",
    "number": "a number",
    "boolean": "yes or no",
    "array": "a JSON array",
    "object": "a JSON object",
    "string": "text",
}
