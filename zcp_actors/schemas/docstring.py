"""
Docstrings as descriptions: the first paragraph, and one text per parameter.

Owns the reading of the three common styles (Google, NumPy, Sphinx). Refuses to render markup.
The rule: a docstring never fails; what is not understood is not a description.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import attrs

_SPHINX = re.compile(r"^:(?:param|parameter|arg|argument|key|keyword|var|ivar)\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)$")
_GOOGLE_HEADER = re.compile(r"^(?:Args|Arguments|Parameters|Params|Attributes|Keyword Args|Keyword Arguments):\s*$")
_GOOGLE_ITEM = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_NUMPY_HEADER = re.compile(r"^(?:Parameters|Other Parameters|Attributes)\s*$")
_NUMPY_ITEM = re.compile(r"^\*{0,2}(\w+(?:\s*,\s*\w+)*)\s*(?::.*)?$")


@attrs.frozen
class Docstring:
    """What a docstring says: `summary` is its first paragraph on one line, `parameters` a text per name."""

    summary: str | None = None
    parameters: dict[str, str] = attrs.field(factory=dict)


def docstring_of(thing: Any) -> Docstring:
    """Read a function's, or a class's own, docstring. Generated ones ("Point(x, y)") say nothing and are ignored."""
    raw = vars(thing).get("__doc__") if isinstance(thing, type) else getattr(thing, "__doc__", None)
    if not isinstance(raw, str) or (isinstance(thing, type) and raw.startswith(f"{thing.__name__}(")):
        return Docstring()
    lines = inspect.cleandoc(raw).splitlines()
    return Docstring(_summary(lines), _sphinx(lines) | _numpy(lines) | _google(lines))


def _summary(lines: list[str]) -> str | None:
    taken: list[str] = []
    for line in lines:
        if not line.strip() or _SPHINX.match(line) or _GOOGLE_HEADER.match(line):
            break
        taken.append(line.strip())
    return " ".join(taken) or None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _block(lines: list[str], start: int, above: int) -> list[str]:
    """The lines from `start` on that are blank or indented deeper than `above`."""
    taken: list[str] = []
    for line in lines[start:]:
        if line.strip() and _indent(line) <= above:
            break
        taken.append(line)
    return taken


def _joined(first: str, rest: list[str]) -> str:
    return " ".join(text for text in (first.strip(), *(line.strip() for line in rest)) if text)


def _sphinx(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        if item := _SPHINX.match(line):
            found[item[1]] = _joined(item[2], _block(lines, number + 1, _indent(line)))
    return found


def _google(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        if _GOOGLE_HEADER.match(line):
            found |= _items(_block(lines, number + 1, _indent(line)))
    return found


def _items(block: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    depth = min((_indent(line) for line in block if line.strip()), default=0)
    for number, line in enumerate(block):
        if _indent(line) == depth and (item := _GOOGLE_ITEM.match(line.strip())):
            found[item[1]] = _joined(item[2], _block(block, number + 1, depth))
    return found


def _numpy(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(lines[:-1]):
        if _NUMPY_HEADER.match(line) and set(lines[number + 1].strip()) == {"-"}:
            found |= _numpy_items(lines, number + 2)
    return found


def _numpy_items(lines: list[str], start: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(lines[start:], start):
        if number + 1 < len(lines) and line.strip() and set(lines[number + 1].strip()) == {"-"}:
            break  # the next section's header
        if line and _indent(line) == 0 and (item := _NUMPY_ITEM.match(line)):
            text = _joined("", _block(lines, number + 1, 0))
            found |= dict.fromkeys(re.split(r"\s*,\s*", item[1]), text)
    return found
