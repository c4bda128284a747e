"""The pages of the documentation, as their tests read them: their text, their blocks of code, their programs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"


def text_of(page: str) -> str:
    """A page as it is written."""
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Its blocks of this language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)


def names_of(page: str) -> dict[str, Any]:
    """What its code defines, run from top to bottom as one program."""
    names: dict[str, Any] = {"__name__": page}
    for number, block in enumerate(blocks(page, "python"), 1):
        exec(compile(block, f"{page}, example {number}", "exec", dont_inherit=True), names)
    return names


def examples(page: str) -> dict[str, Any]:
    """The tests among them, by name."""
    return {name: value for name, value in names_of(page).items() if name.startswith("test_")}
