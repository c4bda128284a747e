"""
A value that is not what its shape says.

Owns the finding: where, what was expected, what came. Refuses to know whether it is a bad request or a bad result;
whoever asked for the reading says that.
"""

from __future__ import annotations

from typing import Any

_JSON_WORDS = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


class Mismatch(ValueError):
    """`path` leads to the value; the text says what was expected and what came."""

    def __init__(self, text: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(text)
        self.text, self.path = text, path

    def under(self, step: str | int) -> Mismatch:
        """The same finding, seen from one level up."""
        return Mismatch(self.text, (step, *self.path))

    def at(self, root: str) -> str:
        """One line: `params.arguments: expected object, got array`."""
        return f"{place(root, self.path)}: {self.text}"


def place(root: str, path: tuple[str | int, ...]) -> str:
    """`("messages", 3, "role")` below `params` is `params.messages[3].role`; long names are cut."""
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{step:.60}" for step in path)


def word(value: Any) -> str:
    """What JSON calls it, or the name of its Python type."""
    return _JSON_WORDS.get(type(value), type(value).__name__)


def expected(what: str, value: Any) -> Mismatch:
    """Something else than `what` came."""
    return Mismatch(f"expected {what}, got {word(value)}")
