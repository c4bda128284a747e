from __future__ import annotations

import datetime as dt
import decimal
import enum
import inspect
import pathlib
import typing
import uuid
from collections import abc
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, Optional, TypedDict, TypeVar

import annotated_types
import attrs
import pydantic
import pytest

from zcp_actors.errors import SchemaError
from zcp_actors.schemas import Field, output_schema, schema_of
from zcp_actors.schemas import compile as compile_schema

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@attrs.frozen
class Point:
    """A place on the map.

    It has more to it.

    Attributes:
        x: how far east
    """

    x: int
    _y: float = attrs.field(default=1.5, metadata={"description": "how far north"})
    tags: list[str] = attrs.Factory(list)
    serial: str = attrs.field(factory=lambda: str(uuid.uuid4()))
    cached: int = attrs.field(init=False, default=0)


@attrs.frozen
class Node:
    name: str
    children: list[Node] = attrs.Factory(list)


@attrs.frozen
class Pair:
    left: Point
    right: Point


@attrs.frozen
class Page(Generic[T]):
    items: list[T]


@dataclass
class Plain:
    name: str
    size: int = 3
    parts: dict[str, int] = field(default_factory=dict)


class Loose(TypedDict):
    name: str
    note: NotRequired[str]


class Coordinates(NamedTuple):
    lat: float
    lon: float = 0.0


class Model(pydantic.BaseModel):
    name: str = pydantic.Field(alias="theName", min_length=1)
    child: Optional[Model] = None  # noqa: UP045  # the older spelling is read as well


UserId = typing.NewType("UserId", int)


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, {"type": "null"}),
        (Any, {}),
        (object, {}),
        (list, {"type": "array"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (abc.Sequence[Any], {"type": "array"}),
        (set[str], {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (
            tuple[int, str],
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "items": False,
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        (dict, {"type": "object"}),
        (dict[str, Any], {"type": "object"}),
        (abc.Mapping[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (
            dict[Literal["a"], int],
            {
                "type": "object",
                "propertyNames": {"type": "string", "enum": ["a"]},
                "additionalProperties": {"type": "integer"},
            },
        ),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Literal[True], {"type": "boolean", "enum": [True]}),
        (Literal[Colour.RED], {"type": "string", "enum": ["r"]}),
        (Colour, {"type": "string", "enum": ["r", "b"]}),
        (Level, {"type": "integer", "enum": [1, 2]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (Optional[str], {"anyOf": [{"type": "string"}, {"type": "null"}]}),  # noqa: UP045
        (str | Any, {}),
        (UserId, {"type": "integer"}),
        (dt.datetime, {"type": "string", "format": "date-time"}),
        (dt.date, {"type": "string", "format": "date"}),
        (dt.time, {"type": "string", "format": "time"}),
        (dt.timedelta, {"type": "string", "format": "duration"}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (pathlib.Path, {"type": "string", "format": "path"}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
    ],
)
def test_each_type_has_its_schema(hint, schema):
    assert schema_of(hint) == schema


def test_a_decimal_may_be_a_number_or_its_text():
    validator = compile_schema(schema_of(decimal.Decimal))
    assert validator.is_valid("1.10")
    assert validator.is_valid(1.5)
    assert not validator.is_valid("one")


def test_a_json_schema_is_taken_as_it_is():
    schema = {"type": "string", "x-mine": True}
    assert schema_of(schema) == schema
    assert schema_of(schema) is not schema


def test_a_bare_string_in_annotated_is_the_description():
    assert schema_of(Annotated[int, "how many"]) == {"type": "integer", "description": "how many"}


def test_a_field_says_everything_that_a_schema_can():
    number = Field(description="d", title="t", ge=0, lt=9, multiple_of=3, examples=[3, 6], default=3)
    assert schema_of(Annotated[int, number]) == {
        "type": "integer",
        "description": "d",
        "title": "t",
        "minimum": 0,
        "exclusiveMaximum": 9,
        "multipleOf": 3,
        "examples": [3, 6],
        "default": 3,
    }
    text = Field(min_length=1, max_length=0, pattern="^a", format="email", gt=None)
    assert schema_of(Annotated[str, text]) == {
        "type": "string",
        "minLength": 1,
        "maxLength": 0,
        "pattern": "^a",
        "format": "email",
    }


def test_lengths_count_what_the_type_has():
    bounds = Field(min_length=1, max_length=2)
    assert schema_of(Annotated[list[int], bounds])["maxItems"] == 2
    assert schema_of(Annotated[dict[str, int], bounds])["maxProperties"] == 2
    assert schema_of(Annotated[str | None, bounds])["maxLength"] == 2


def test_annotated_types_and_pydantic_fields_are_understood_by_their_attributes():
    hint = Annotated[int, annotated_types.Interval(ge=1, le=5), pydantic.Field(description="n", gt=0, examples=[2])]
    assert schema_of(hint) == {
        "type": "integer",
        "minimum": 1,
        "maximum": 5,
        "exclusiveMinimum": 0,
        "description": "n",
        "examples": [2],
    }
    assert schema_of(Annotated[str, annotated_types.Len(2, 3), object(), int]) == {
        "type": "string",
        "minLength": 2,
        "maxLength": 3,
    }


def test_an_attrs_class_is_a_closed_object_with_its_constructor_names():
    assert schema_of(Point) == {
        "type": "object",
        "description": "A place on the map.",
        "properties": {
            "x": {"type": "integer", "description": "how far east"},
            "y": {"type": "number", "default": 1.5, "description": "how far north"},
            "tags": {"type": "array", "items": {"type": "string"}, "default": []},
            "serial": {"type": "string"},
        },
        "required": ["x"],
        "additionalProperties": False,
    }


def test_a_recursive_class_refers_to_its_definition_and_the_root_is_still_an_object():
    schema = schema_of(Node)
    assert schema["type"] == "object"
    assert schema["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}
    validator = compile_schema(schema)
    assert validator.is_valid({"name": "a", "children": [{"name": "b", "children": []}]})
    assert not validator.is_valid({"name": "a", "children": [{"name": 1}]})


def test_a_class_used_twice_is_defined_once_and_a_class_used_once_is_written_in_place():
    schema = schema_of(Pair)
    assert schema["properties"]["left"] == {"$ref": "#/$defs/Point"} == schema["properties"]["right"]
    assert list(schema["$defs"]) == ["Point"]
    assert "$defs" not in schema_of(list[Point])


def test_a_generic_class_is_derived_with_its_arguments():
    assert schema_of(Page[int])["properties"]["items"] == {"type": "array", "items": {"type": "integer"}}


def test_dataclasses_typed_dicts_and_named_tuples_are_objects():
    assert schema_of(Plain)["required"] == ["name"]
    assert schema_of(Plain)["properties"]["size"] == {"type": "integer", "default": 3}
    assert "description" not in schema_of(Plain)  # the generated docstring says nothing
    assert schema_of(Loose) == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "note": {"type": "string"}},
        "required": ["name"],
    }
    assert schema_of(Coordinates)["required"] == ["lat"]


def test_a_pydantic_model_gives_its_own_schema_with_its_definitions_moved_to_the_root():
    schema = schema_of(list[Model])
    validator = compile_schema(schema)
    assert validator.is_valid([{"theName": "a", "child": {"theName": "b"}}])
    assert not validator.is_valid([{"theName": "a", "child": {"theName": ""}}])
    assert schema_of(Model)["type"] == "object"
    assert compile_schema(schema_of(Model)).is_valid({"theName": "a", "child": {"theName": "b"}})


@attrs.frozen
class Broken:
    when: complex


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Broken, "attribute 'when' of Broken: complex has no JSON Schema"),
        (dict[int, str], "keys of a JSON object are strings"),
        (Literal[b"x"], "choices must be strings"),
        (enum.Flag("Bits", "A B"), "use a list of an Enum"),
        (typing.Callable[[], int], "has no JSON Schema"),
    ],
)
def test_what_has_no_schema_is_named_with_advice(hint, words):
    with pytest.raises(SchemaError, match=r"the type|attribute") as caught:
        schema_of(hint)
    assert words in str(caught.value)


def test_a_hint_that_cannot_be_resolved_names_the_class():
    @attrs.frozen
    class Local:
        other: Nowhere  # noqa: F821

    with pytest.raises(SchemaError, match="annotations of .*Local cannot be resolved"):
        schema_of(Local)


class Block:
    pass


class Image(Block):
    pass


@pytest.mark.parametrize("hint", [None, Any, Block, list[Block], str | Image, tuple[str, Image], Annotated[Image, 1]])
def test_nothing_anything_and_content_have_no_output_schema(hint):
    assert output_schema(hint, content=(Block,)) == (None, False)


def test_a_missing_return_annotation_has_no_output_schema():
    assert output_schema(inspect.Signature.empty) == (None, False)


def test_objects_are_their_own_output_and_everything_else_is_wrapped():
    """MCP 2025-11-25, server/tools: structuredContent is an object."""
    assert output_schema(Point) == (schema_of(Point), False)
    assert output_schema(dict[str, int]) == ({"type": "object", "additionalProperties": {"type": "integer"}}, False)
    for hint in (int, list[Node], str | None, tuple[int, int], Point | Node):
        schema, wrapped = output_schema(hint)
        assert wrapped
        assert schema is not None
        assert schema["required"] == ["result"]
        compile_schema(schema)


def test_a_wrapped_recursive_output_keeps_its_definitions_where_references_find_them():
    schema, _ = output_schema(list[Node])
    assert compile_schema(schema).is_valid({"result": [{"name": "a", "children": [{"name": "b"}]}]})
    assert not compile_schema(schema).is_valid({"result": [{"name": "a", "children": [{}]}]})
