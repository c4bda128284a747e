"""Which return annotations promise structured content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from zcp_actors.schemas import output_schema


@pytest.mark.parametrize("annotation", [list, list[Any], tuple, tuple[Any, ...], Sequence[Any]])
def test_a_list_of_whatever_is_content_where_there_are_content_classes(annotation):
    """A tool that returns blocks is often annotated so; a schema of it would promise nothing."""

    class Block: ...

    assert output_schema(annotation, content=(Block,)) == (None, False)
    assert output_schema(annotation)[1]
