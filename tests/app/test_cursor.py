"""The cursors of paginated lists, alone: what a client may do to one, and what it gets for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.app.cursor import page
from zcp_actors.errors import InvalidParams

NAMES = st.lists(st.text(max_size=8), unique=True, max_size=30)


def walk(names: list[str], size: int, *, scope: str = "app") -> tuple[list[str], list[str]]:
    """Every name served from page to page, and every cursor given on the way."""
    served: list[str] = []
    cursors: list[str] = []
    cursor = None
    while True:
        part, cursor = page(names, cursor, size, scope=scope)
        served += names[part]
        if cursor is None:
            return served, cursors
        cursors.append(cursor)


@given(NAMES, st.integers(1, 9))
def test_walking_the_cursors_serves_every_name_once_and_in_order(names: list[str], size: int) -> None:
    served, cursors = walk(names, size)
    assert served == names
    assert len(cursors) == max(0, -(-len(names) // size) - 1)


def test_a_cursor_is_given_only_when_there_is_more() -> None:
    """MCP, pagination: nextCursor if more results exist."""
    assert page(["a", "b"], None, 2, scope="app") == (slice(0, 2), None)
    assert page(["a", "b", "c"], None, 2, scope="app")[1] is not None
    assert page([], None, 2, scope="app") == (slice(0, 0), None)


@given(st.text())
def test_text_that_is_no_cursor_is_invalid_params(text: str) -> None:
    with pytest.raises(InvalidParams, match="invalid cursor"):
        page(["a", "b", "c"], text, 1, scope="app")


@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_a_cursor_with_one_character_changed_is_invalid_params(place: int, character: str) -> None:
    names = list("abcdef")
    _, cursors = walk(names, 2)
    place %= len(cursors[0])
    damaged = cursors[0][:place] + character + cursors[0][place + 1 :]
    if damaged == cursors[0]:
        assert names[page(names, damaged, 2, scope="app")[0]] == ["c", "d"]
    else:
        with pytest.raises(InvalidParams):
            page(names, damaged, 2, scope="app")


def test_a_cursor_of_another_list_is_invalid_params() -> None:
    _, cursors = walk(["a", "b", "c"], 1, scope="tools")
    with pytest.raises(InvalidParams, match="another list"):
        page(["a", "b", "c"], cursors[0], 1, scope="prompts")


def test_a_cursor_is_stale_when_an_entry_before_it_went_away() -> None:
    _, cursors = walk(["a", "b", "c"], 2)
    with pytest.raises(InvalidParams, match="has changed since"):
        page(["b", "c"], cursors[0], 2, scope="app")


def test_a_cursor_outlives_entries_that_are_added_behind_it() -> None:
    _, cursors = walk(["a", "b", "c"], 2)
    longer = ["a", "b", "c", "d"]
    part, following = page(longer, cursors[0], 2, scope="app")
    assert longer[part] == ["c", "d"]
    assert following is None
