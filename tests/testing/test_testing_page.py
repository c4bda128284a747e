"""Every example of the page about testing runs."""

from __future__ import annotations

import pytest
import trio
from pages import examples, text_of

from zcp_actors.testing import virtual_clock

PAGE = text_of("testing.md")


@pytest.mark.parametrize("name", examples("testing.md"))
def test_an_example_of_the_page_runs(name):
    trio.run(examples("testing.md")[name], clock=virtual_clock())


def test_the_page_has_examples_of_every_tool():
    import zcp_actors.testing

    tools = {name for name in zcp_actors.testing.__all__ if name[0].islower()}

    assert {name for name in tools if name not in PAGE} == set()
    assert len(examples("testing.md")) >= 9
