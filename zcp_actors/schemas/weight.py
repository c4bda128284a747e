"""
What a schema costs: how many subschemas are applied to one place of a value.

Owns that count. Refuses to know the validator, but for one fact: acyclic references are as if written out in place,
so a chain of forty definitions that each use the next one twice is applied 2^40 times, whatever the value is.
The rule: the count is an upper bound, made in time proportional to the schema, before any value is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ANONYMOUS_REFERENCES = 16
"""References by relative URI that are not followed here. Each at most doubles the work: 65 536 times, some 10 ms."""

_SAME_PLACE = ("not", "if", "then", "else", "contentSchema")
_SAME_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_SAME_PLACE_MAPS = ("dependentSchemas", "dependencies")
_BELOW = (
    "items",
    "contains",
    "additionalItems",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_BELOW_LISTS = ("prefixItems", "items")
_BELOW_MAPS = ("properties", "patternProperties")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class Weight:
    """The weight of one schema. Its methods raise `RecursionError` for chains of a thousand references."""

    def __init__(self, schema: Any) -> None:
        self._root = schema
        self._named: dict[str, Any] = {}
        self._everything = list(_subschemas(schema))
        for node in self._everything:
            self._remember(node)
        self._memo: dict[tuple[int, int | None], int] = {}
        self._open: set[tuple[int, int | None]] = set()
        targets = [node[word] for node in self._everything for word in _REFERENCES if isinstance(node.get(word), str)]
        self.anonymous = sum(self._target(target) is None for target in targets)

    def written_out(self) -> int:
        """Applications at the worst path into a value, each cycle of references taken once."""
        return max((self._count(node, None) for node in self._everything), default=1)

    def to_depth(self, depth: int) -> int:
        """Applications at the worst path of that depth, cycles taken as often as the depth allows."""
        return self._count(self._root, depth)

    def _remember(self, node: dict[str, Any]) -> None:
        for word, form in (("$id", "{}"), ("$anchor", "#{}"), ("$dynamicAnchor", "#{}")):
            if isinstance(node.get(word), str):
                self._named.setdefault(form.format(node[word]), node)

    def _count(self, node: Any, depth: int | None) -> int:
        if not isinstance(node, dict) or (depth is not None and depth < 0):
            return 1
        key = (id(node), depth)
        if key in self._memo:
            return self._memo[key]
        if key in self._open:  # a cycle; what begins it counts it
            return 1
        self._open.add(key)
        below = None if depth is None else depth - 1
        count = 1 + sum(self._count(one, depth) for one in self._in_place(node))
        count += max((self._count(one, below) for one in _deeper(node)), default=0)
        self._open.discard(key)
        self._memo[key] = count
        return count

    def _in_place(self, node: dict[str, Any]) -> Iterator[Any]:
        yield from _picked(node, _SAME_PLACE, _SAME_PLACE_LISTS, _SAME_PLACE_MAPS)
        for word in _REFERENCES:
            if word in node:
                yield self._target(node[word])

    def _target(self, reference: Any) -> Any:
        if not isinstance(reference, str):
            return None
        if reference in self._named:
            return self._named[reference]
        start, fragment, pointer = reference.partition("#")
        base = self._root if not start else self._named.get(start)
        return _at(base, pointer) if fragment and (not pointer or pointer.startswith("/")) else None


def _deeper(node: dict[str, Any]) -> Iterator[Any]:
    yield from _picked(node, _BELOW, _BELOW_LISTS, _BELOW_MAPS)


def _picked(
    node: dict[str, Any], single: tuple[str, ...], lists: tuple[str, ...], maps: tuple[str, ...]
) -> Iterator[Any]:
    for word in single:
        if isinstance(node.get(word), dict):
            yield node[word]
    for word in lists:
        if isinstance(node.get(word), list):
            yield from node[word]
    for word in maps:
        if isinstance(node.get(word), dict):
            yield from node[word].values()


def _at(node: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901), or None."""
    for step in pointer.split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = node.get(name)
        elif isinstance(node, list) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        else:
            return None
    return node


def _subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object in the schema: more than its subschemas, which an upper bound may take."""
    todo = [schema]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield node
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)
