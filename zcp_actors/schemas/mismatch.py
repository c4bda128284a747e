"""
What is wrong with a value, told so that whoever sent it can mend it.

Owns the one exception of validation and how JSON paths and values are written in it.
Refuses to know what was validated, and why: whoever catches it makes it a JSON-RPC error,
a tool error or a new question.
The rule: one line, bounded in length, whatever the value was.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_PROBLEMS = 5
"""Problems told at once. A model or a person mends a handful in one go; more is noise, and costs tokens."""
MAX_VALUE_CHARS = 80
"""How much of an offending value is shown: one terminal line, enough to recognise it, too little to leak a document."""
MAX_MESSAGE_CHARS = 300
"""Longest message of one problem: enumerations and key lists are written by peers and can be of any length."""

_BARE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,79}", re.ASCII)


class Mismatch(ValueError):
    """A value does not fit its schema or its type.

    `what` names the value ("arguments"), `problems` are pairs of JSON path and message, at most `MAX_PROBLEMS`.
    """

    def __init__(self, what: str, problems: Iterable[tuple[str, str]], *, more: bool = False) -> None:
        told = tuple(problems)
        self.what = what
        self.problems = told[:MAX_PROBLEMS]
        self.more = more or len(told) > MAX_PROBLEMS
        listed = "; ".join(f"{path}: {message}" for path, message in self.problems)
        super().__init__(f"invalid {what}: {listed}{'; and more' if self.more else ''}")


def path_of(steps: Sequence[str | int]) -> str:
    """`["a", 0, "b c"]` as `$.a[0]["b c"]`."""
    return shortened("$" + "".join(_step(step) for step in steps), MAX_MESSAGE_CHARS)


def value_text(value: Any) -> str:
    """The value as JSON, cut at `MAX_VALUE_CHARS`."""
    if isinstance(value, str):  # a text of 16 MiB is cut before it is quoted
        value = value[: MAX_VALUE_CHARS + 1]
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = f"<{type(value).__name__}>"
    return shortened(text, MAX_VALUE_CHARS)


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters of the text, on one line, with an ellipsis where something is missing."""
    text = text.replace("\r", " ").replace("\n", " ")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _BARE_KEY.fullmatch(step) else f"[{value_text(step)}]"
