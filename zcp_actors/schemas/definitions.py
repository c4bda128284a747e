"""
Named schemas under `$defs`, and the references to them.

Owns names, references and the decision what stays in `$defs`. Refuses to know Python's types beyond their identity.
The rule: what is used once and does not contain itself is written in place, because models read a flat schema better;
what is recursive, or used twice, stays a definition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "#/$defs/"


class Definitions:
    """Collects definitions while a schema is derived, then writes them into it."""

    def __init__(self) -> None:
        self.schemas: dict[str, dict[str, Any]] = {}
        self._names: dict[Any, str] = {}

    def name_of(self, key: Any, wish: str) -> tuple[str, bool]:
        """The name that stands for `key`, and whether it is new. `wish` is taken if it is free."""
        if key in self._names:
            return self._names[key], False
        name, number = wish, 1
        while name in self.schemas:
            number += 1
            name = f"{wish}{number}"
        self._names[key] = name
        self.schemas[name] = {}
        return name, True

    def written_into(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The finished schema: what is used once in place, the rest under `$defs`, and the root no bare reference."""
        while (root := _name(schema)) is not None:
            schema = {**self.schemas[root], **_siblings(schema)}
        kept = self._kept(schema)
        result: dict[str, Any] = self._expanded(schema, kept)
        if kept:
            result["$defs"] = {name: self._expanded(self.schemas[name], kept) for name in self.schemas if name in kept}
        return result

    def _kept(self, schema: dict[str, Any]) -> set[str]:
        uses: dict[str, int] = {}
        todo: list[Any] = [schema]
        while todo:
            for name in _references(todo.pop()):
                uses[name] = uses.get(name, 0) + 1
                if uses[name] == 1:
                    todo.append(self.schemas[name])
        return {name for name, count in uses.items() if count > 1 or self._recursive(name)}

    def _recursive(self, name: str) -> bool:
        seen: set[str] = set()
        todo = [name]
        while todo:
            for found in _references(self.schemas[todo.pop()]):
                if found == name:
                    return True
                if found not in seen:
                    seen.add(found)
                    todo.append(found)
        return False

    def _expanded(self, node: Any, kept: set[str]) -> Any:
        if isinstance(node, list):
            return [self._expanded(item, kept) for item in node]
        if not isinstance(node, dict):
            return node
        name = _name(node)
        if name is not None and name in self.schemas and name not in kept:
            node = {**self.schemas[name], **_siblings(node)}
        return {key: self._expanded(value, kept) for key, value in node.items()}


def reference(name: str) -> dict[str, Any]:
    """A schema that is the definition of that name."""
    return {"$ref": PREFIX + name}


def _name(node: dict[str, Any]) -> str | None:
    target = node.get("$ref")
    return target[len(PREFIX) :] if isinstance(target, str) and target.startswith(PREFIX) else None


def _siblings(node: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key != "$ref"}


def _references(node: Any) -> Iterator[str]:
    todo = [node]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            if (name := _name(item)) is not None:
                yield name
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
