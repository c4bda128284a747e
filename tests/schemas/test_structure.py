from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import pathlib
import typing
import uuid
from collections import abc
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, TypedDict

import attrs
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.errors import SchemaError
from zcp_actors.schemas import Field, Mismatch, schema_of, structurer, unstructure
from zcp_actors.schemas import compile as compile_schema
from zcp_actors.schemas.structure import structure


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@attrs.frozen
class Circle:
    radius: float
    _hidden: int = 0


@attrs.frozen
class Square:
    side: float
    colour: Colour = Colour.RED


@dataclass
class Plain:
    name: str
    when: dt.date | None = None
    parts: dict[str, Circle] = field(default_factory=dict)


class Loose(TypedDict):
    name: str
    when: NotRequired[dt.date]


class Flat(TypedDict):
    name: str
    tags: list[str]


class Place(NamedTuple):
    lat: float
    lon: float = 0.0


class Model(pydantic.BaseModel):
    name: str = pydantic.Field(alias="theName")
    when: dt.date


@attrs.frozen
class Everything:
    text: str
    number: int
    real: Annotated[float, Field(ge=-1e6, le=1e6)]
    flag: bool
    colour: Colour
    shape: Circle | Square
    choice: Literal["x", 1]
    moment: dt.datetime
    day: dt.date
    clock: dt.time
    span: dt.timedelta
    key: uuid.UUID
    money: decimal.Decimal
    blob: bytes
    path: pathlib.PurePosixPath
    many: list[Square]
    pair: tuple[int, Colour]
    unique: frozenset[int]
    table: dict[str, Circle]
    place: Place
    loose: Loose
    plain: Plain
    late: dt.date | str
    deeper: Everything | None = None


squares = st.builds(Square, st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(Colour))
circles = st.builds(Circle, st.floats(allow_nan=False, allow_infinity=False), st.integers())
dates = st.dates()
seconds = st.integers(-(10**9), 10**9)
everything = st.builds(
    Everything,
    text=st.text(),
    number=st.integers(-(2**53), 2**53),
    real=st.floats(-1e6, 1e6),
    flag=st.booleans(),
    colour=st.sampled_from(Colour),
    shape=circles | squares,
    choice=st.sampled_from(["x", 1]),
    moment=st.datetimes(timezones=st.just(dt.UTC)),
    day=dates,
    clock=st.times(),
    span=st.builds(lambda n: dt.timedelta(seconds=n), seconds),
    key=st.uuids(),
    money=st.decimals(allow_nan=False, allow_infinity=False, places=2),
    blob=st.binary(),
    path=st.builds(pathlib.PurePosixPath, st.sampled_from(["a", "a/b", "/"])),
    many=st.lists(squares, max_size=2),
    pair=st.tuples(st.integers(), st.sampled_from(Colour)),
    unique=st.frozensets(st.integers(-(2**53), 2**53), max_size=3),
    table=st.dictionaries(st.text(), circles, max_size=2),
    place=st.builds(Place, st.floats(-90, 90), st.floats(-90, 90)),
    loose=st.fixed_dictionaries({"name": st.text()}, optional={"when": dates}),
    plain=st.builds(Plain, st.text(), st.none() | dates, st.dictionaries(st.text(), circles, max_size=1)),
    late=dates | st.just("some day"),
)
nested = everything | st.builds(attrs.evolve, everything, deeper=everything)


@given(nested)
def test_a_value_survives_the_way_through_json_and_fits_its_schema(value):
    plain = json.loads(json.dumps(unstructure(value)))
    compile_schema(schema_of(Everything)).check(plain)
    assert structure(Everything, plain) == value


@pytest.mark.parametrize(
    "hint",
    [
        str, float, bool, None, Any, dict, list, list[str], dict[str, Any], abc.Sequence[str], str | None,
        Annotated[float, "n"], Literal["a", 2], Flat, {"type": "string"}, float | list[str], int | float, Any | int,
        typing.List, typing.Dict, typing.Mapping, abc.Sequence,  # noqa: UP006
    ],
)  # fmt: skip
def test_what_is_python_already_costs_nothing(hint):
    assert structurer(hint) is None


class Count(TypedDict):
    x: int


class Row(TypedDict):
    a: int
    b: list[int]
    c: NotRequired[dt.date]
    d: float


Integral = NewType("Integral", int)


@pytest.mark.parametrize(
    ("hint", "spelled", "value"),
    [
        (int, 2.0, 2),
        (Integral, 1e3, 1000),
        (int | None, 2.0, 2),
        (int | str | None, 2.0, 2),
        (float | int, 2.0, 2.0),
        (list[int], [1, 2.0], [1, 2]),
        (abc.Sequence[int | None], [2.0, None], [2, None]),
        (dict[str, list[int]], {"a": [2.0]}, {"a": [2]}),
        (Annotated[int, "n"] | list[Annotated[int, "n"]], [2.0], [2]),
        (list[int] | dict[str, float], {"a": 2.0}, {"a": 2.0}),
        (Count, {"x": 2.0}, {"x": 2}),
        (Row, {"a": 2.0, "b": [2.0], "c": "2026-07-28", "d": 2.0},
         {"a": 2, "b": [2], "c": dt.date(2026, 7, 28), "d": 2.0}),
        (dt.date | list[int] | int, [2.0], [2]),
        (set[int], [2.0], {2}),
    ],
)  # fmt: skip
def test_an_integer_is_an_int_at_every_depth_however_json_spells_it(hint, spelled, value):
    """Source: JSON Schema 2020-12 core 4.2.3."""
    built = structure(hint, spelled)
    assert (built, repr(built)) == (value, repr(value))


@pytest.mark.parametrize("hint", [int, int | None, list[int], dict[str, int], Count])
@pytest.mark.parametrize("value", [2.5, "x", True, None, [2.5, "x"], {"x": 2.5}, {"x": "x"}])
def test_what_is_no_whole_number_is_not_made_one(hint, value):
    """A schema that an author wrote beside the hints may allow it."""
    assert structurer(hint)(value) == value


@pytest.mark.parametrize(
    ("hint", "plain", "value"),
    [
        (Colour, "r", Colour.RED),
        (Literal[Colour.RED, "x"], "r", Colour.RED),
        (list[Colour], ["b"], [Colour.BLUE]),
        (set[int], [1, 2], {1, 2}),
        (tuple[int, ...], [1, 2], (1, 2)),
        (dt.date | None, None, None),
        (dt.date | None, "2024-02-29", dt.date(2024, 2, 29)),
        (Circle, {"radius": 1, "hidden": 2}, Circle(1.0, 2)),
        (Circle | Square, {"side": 2}, Square(2.0)),
        (Circle | Square | str, "round", "round"),
        (Plain, {"name": "a", "parts": {"p": {"radius": 1}}}, Plain("a", None, {"p": Circle(1.0)})),
        (Loose, {"name": "a", "when": "2024-01-01"}, {"name": "a", "when": dt.date(2024, 1, 1)}),
        (Place, {"lat": 1}, Place(1.0)),
        (dt.timedelta, "PT90S", dt.timedelta(seconds=90)),
        (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
        (bytes, "aGk=", b"hi"),
        (Annotated[Colour, "c"], "b", Colour.BLUE),
    ],
)
def test_json_becomes_the_annotated_type(hint, plain, value):
    compile_schema(schema_of(hint)).check(plain)
    built = structure(hint, plain)
    assert built == value
    assert type(built) is type(value)


def test_an_integral_float_is_the_integer_that_the_member_wants():
    """JSON Schema 2020-12 core 4.2.3: 1.0 is an integer."""

    @attrs.frozen
    class Count:
        n: int

    assert type(structure(Count, {"n": 1.0}).n) is int


def test_a_pydantic_model_validates_itself_and_dumps_by_alias():
    value = structure(list[Model], [{"theName": "a", "when": "2024-01-01"}])
    assert value == [Model(theName="a", when=dt.date(2024, 1, 1))]
    assert unstructure(value) == [{"theName": "a", "when": "2024-01-01"}]


@pytest.mark.parametrize(
    ("hint", "plain", "path"),
    [
        (dt.date, "2024-02-30", "$"),
        (list[dt.date], ["2024-02-01", "never"], "$[1]"),
        (Plain, {"name": "a", "when": "never"}, "$.when"),
        (Model, {"theName": "a", "when": "never"}, "$"),
        (uuid.UUID, "no", "$"),
    ],
)
def test_what_only_python_can_refuse_is_a_mismatch_with_its_path(hint, plain, path):
    compile_schema(schema_of(hint)).check(plain)
    with pytest.raises(Mismatch) as caught:
        structure(hint, plain)
    assert caught.value.problems[0][0] == path


def test_the_words_of_an_attrs_validator_reach_the_mismatch():
    def no_zero(instance, attribute, value):
        if value == 0:
            raise ValueError("zero is not a size")

    @attrs.frozen
    class Size:
        n: int = attrs.field(validator=no_zero)

    with pytest.raises(Mismatch, match="zero is not a size"):
        structure(Size, {"n": 0})


@pytest.mark.parametrize("said", [Field(examples=[1, 2]), Field(default=[1]), Field(examples=[{"a": 1}])])
def test_what_is_said_of_a_type_within_another_may_hold_lists(said):
    for hint in (list[Annotated[int, said]], dict[str, Annotated[int, said]], Annotated[int, said] | None):
        assert schema_of(hint)
        assert structurer(hint) is not None


def test_a_type_without_a_schema_is_refused_when_the_structurer_is_built():
    with pytest.raises(SchemaError, match="complex"):
        structurer(complex)


def test_unstructured_values_are_plain_builtins():
    value = {"a": (Colour.RED, {1}, Circle(1.0)), "b": [Place(1.0)], "c": pathlib.PurePosixPath("x")}
    assert unstructure(value) == {
        "a": ["r", [1], {"radius": 1.0, "hidden": 0}],
        "b": [{"lat": 1.0, "lon": 0.0}],
        "c": "x",
    }
    assert unstructure("text") == "text"


@attrs.frozen
class Node:
    name: str
    children: list["Node"] = attrs.field(factory=list)  # noqa: UP037 - a name inside of a type stays a name


@dataclass
class Branch:
    name: str
    children: list["Branch"] = field(default_factory=list)  # noqa: UP037


def test_a_class_that_holds_others_of_its_own_is_built_from_json_and_written_back():
    """Source: names in annotations are text, and inside of `list[...]` cattrs looks none of them up."""
    tree = {"name": "a", "children": [{"name": "b", "children": []}]}

    assert structure(Node, tree) == Node("a", [Node("b")])
    assert structure(Branch, tree) == Branch("a", [Branch("b")])
    assert unstructure(Node("a", [Node("b")])) == unstructure(Branch("a", [Branch("b")])) == tree


def test_a_recursive_class_local_to_a_function_is_built_and_written_too():
    @attrs.frozen
    class Link:
        following: Link | None = None

    class Step(NamedTuple):
        following: Step | None = None

    @dataclass
    class Hop:
        following: Hop | None = None

    chain = {"following": {"following": None}}
    for cls in (Link, Step, Hop):
        built = structure(cls, chain)
        assert built == cls(cls())
        assert unstructure(built) == chain
