"""A user's values as plain JSON."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import json
import pathlib
import uuid
from types import MappingProxyType
from typing import Any

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from wire.instances import any_json

from zcp_actors.errors import NotJSON
from zcp_actors.wire import MAX_DEPTH, CallToolResult, TextContent, plain


class Colour(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


@attrs.frozen
class Point:
    x: int
    inner: Any = None


@dataclasses.dataclass
class Line:
    start: Point


class Mail(pydantic.BaseModel):
    to_whom: str = pydantic.Field(alias="toWhom")
    at: dt.date


class Row(msgspec.Struct):
    cell: int


Pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024  # what users have


@given(value=any_json)
def test_json_is_copied_as_it_is(value):
    copy = plain(value)
    assert copy == value
    assert json.dumps(copy) == json.dumps(value)


def test_the_copy_shares_nothing_with_the_original():
    value = {"a": [{"b": []}], "c": {"d": []}}
    copy = plain(value)
    value["a"][0]["b"].append(1)
    value["c"]["d"].append(1)
    assert copy == {"a": [{"b": []}], "c": {"d": []}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        (Pair(1, 2), [1, 2]),
        (Colour.RED, "red"),
        (Size.BIG, 3),
        ({Colour.RED: 1}, {"red": 1}),
        (Point(1, inner=[Point(2)]), {"x": 1, "inner": [{"x": 2, "inner": None}]}),
        (Line(Point(1)), {"start": {"x": 1, "inner": None}}),
        (Mail(toWhom="me", at=dt.date(2026, 1, 2)), {"toWhom": "me", "at": "2026-01-02"}),
        (Row(4), {"cell": 4}),
        (CallToolResult(content=[TextContent(text="x")]), {"content": [{"type": "text", "text": "x"}]}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), "2026-01-02T03:00:00Z"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.10"), "1.10"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        ("ü😀", "ü😀"),
        (True, True),
        (None, None),
    ],
)
def test_what_has_an_obvious_form_in_json_takes_it(value, expected):
    assert plain(value) == expected
    assert plain({"v": value, "l": [value]}) == {"v": expected, "l": [expected]}


def cycle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["again"] = [value]
    return value


def deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": float("nan")}, "arguments.a is nan"),
        ({"a": [1.0, float("-inf")]}, r"arguments.a\[1\] is -inf"),
        ({1: "x"}, "arguments has the key 1; keys of a JSON object are strings, this is an int"),
        ({"a": {None: 1}}, "arguments.a has the key None"),
        ({"a": "\ud800"}, "arguments.a contains half of a surrogate pair"),
        ({"\udfff": 1}, "half of a surrogate pair"),
        (["\ud800"], r"arguments\[0\] contains half"),
        ({"a": b"x"}, "arguments.a is a bytes, which JSON cannot carry"),
        ({"a": bytearray(b"x")}, "bytearray"),
        ({"a": {1, 2}}, "arguments.a is a set"),
        ({"a": frozenset()}, "frozenset"),
        ({"a": object()}, "arguments.a is an object"),
        ({"a": Point}, "arguments.a is a type"),
        ({"a": 1j}, "complex"),
        ({"a": (item for item in ())}, "generator"),
        ({"a": Point(1, inner=b"x")}, "arguments.a.inner is a bytes"),
        (cycle(), "or contains itself"),
        (deep(MAX_DEPTH + 1), f"deeper than {MAX_DEPTH} levels"),
        (deep(5000), f"deeper than {MAX_DEPTH} levels"),
    ],
)
def test_what_no_json_can_carry_is_refused_at_its_place(value, words):
    with pytest.raises(NotJSON, match=words):
        plain(value)


def test_nesting_up_to_the_limit_is_plain():
    assert plain(deep(MAX_DEPTH)) == deep(MAX_DEPTH)


def test_the_place_begins_where_the_caller_says():
    with pytest.raises(NotJSON, match=r"^result\.a is a bytes"):
        plain({"a": b""}, "result")


def test_a_class_whose_json_is_not_its_fields_says_so_itself():
    @attrs.frozen
    class Answer:
        secret: object

        def __plain__(self):
            return {"said": [Answer.__name__, (1,)]}

    assert plain({"a": [Answer(object())]}) == {"a": [{"said": ["Answer", [1]]}]}
    with pytest.raises(NotJSON, match=r"arguments\.a is a type"):
        plain({"a": Answer})
