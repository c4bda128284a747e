"""Every example of the page about testing runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trio

from zcp_actors.testing import virtual_clock

PAGE = Path(__file__).parent.parent.parent / "docs" / "testing.md"


def examples() -> dict[str, object]:
    """The page's code, run from top to bottom as one program; its tests by name."""
    names: dict[str, object] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"{PAGE.name}, example {number}", "exec"), names)
    return {name: value for name, value in names.items() if name.startswith("test_")}


@pytest.mark.parametrize("name", examples())
def test_an_example_of_the_page_runs(name):
    trio.run(examples()[name], clock=virtual_clock())


def test_the_page_has_examples_of_every_tool():
    import zcp_actors.testing

    tools = {name for name in zcp_actors.testing.__all__ if name[0].islower()}

    assert {name for name in tools if name not in PAGE.read_text()} == set()
    assert len(examples()) >= 9
