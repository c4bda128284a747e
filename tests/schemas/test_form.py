from __future__ import annotations

import datetime as dt
import enum
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import attrs
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.errors import SchemaError
from zcp_actors.schemas import Field, Mismatch, apply_defaults, check_form, form_of, unstructure


def form_schema(form):
    return form_of(form).schema


def form_value(form, content):
    found = form_of(form)
    return found.value(found.answers(content))


class Size(enum.Enum):
    SMALL = "s"
    EXTRA_LARGE = "xl"


class Plain(enum.Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Order:
    name: Annotated[str, Field(min_length=1, max_length=20, description="who")]
    size: Size
    colours: Annotated[list[Plain], Field(min_length=1, max_length=2)]
    sizes: list[Size] = attrs.Factory(list)
    kind: Literal["a", "b"] = "a"
    count: Annotated[int, Field(ge=1, lt=10)] = 1
    price: float | None = None
    express: bool = False
    day: dt.date = dt.date(2024, 1, 2)
    mail: Annotated[str, Field(format="email")] = "a@example.org"
    note: str | None = attrs.field(kw_only=True)


ORDER = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "who", "minLength": 1, "maxLength": 20},
        "size": {
            "type": "string",
            "oneOf": [{"const": "s", "title": "Small"}, {"const": "xl", "title": "Extra large"}],
        },
        "colours": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "items": {"type": "string", "enum": ["red", "blue"]},
        },
        "sizes": {
            "type": "array",
            "default": [],
            "items": {"anyOf": [{"const": "s", "title": "Small"}, {"const": "xl", "title": "Extra large"}]},
        },
        "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 1},
        "price": {"type": "number"},
        "express": {"type": "boolean", "default": False},
        "day": {"type": "string", "format": "date", "default": "2024-01-02"},
        "mail": {"type": "string", "format": "email", "default": "a@example.org"},
        "note": {"type": "string"},
    },
    "required": ["name", "size", "colours"],
}


def test_a_record_becomes_a_flat_object_of_primitives():
    """MCP 2025-11-25 and 2026-07-28, PrimitiveSchemaDefinition."""
    assert form_schema(Order) == ORDER
    assert form_schema(ORDER) == ORDER


def test_an_answer_becomes_the_authors_type_with_its_defaults():
    answer = form_value(Order, {"name": "Ada", "size": "xl", "colours": ["red"], "price": None, "undeclared": 1})
    assert answer == Order("Ada", Size.EXTRA_LARGE, [Plain.RED], note=None)


orders = st.builds(
    Order,
    name=st.text(min_size=1, max_size=20),
    size=st.sampled_from(Size),
    colours=st.lists(st.sampled_from(Plain), min_size=1, max_size=2),
    sizes=st.lists(st.sampled_from(Size), max_size=3),
    kind=st.sampled_from(["a", "b"]),
    count=st.integers(1, 9),
    price=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    express=st.booleans(),
    day=st.dates(),
    note=st.none() | st.text(),
)


@given(orders)
def test_every_value_of_the_type_is_an_answer_that_gives_it_back(order):
    answer = json.loads(json.dumps(unstructure(order)))
    assert form_value(Order, answer) == order


@pytest.mark.parametrize("form", [None, "approval"])
def test_an_approval_has_no_fields(form):
    assert form_schema(form) == {"type": "object", "properties": {}}
    assert form_value(form, None) == {}
    assert form_value(form, {"anything": 1}) == {}


@pytest.mark.parametrize(
    ("form", "answer", "value"),
    [(bool, True, True), (Size, "s", Size.SMALL), (Literal["a", "b"], "a", "a"), (list[Plain], ["red"], [Plain.RED])],
)
def test_a_bare_primitive_is_a_form_of_one_field(form, answer, value):
    assert form_schema(form)["required"] == ["value"]
    assert form_value(form, {"value": answer}) == value


@pytest.mark.parametrize("form", [int, int | None])
def test_a_number_that_was_asked_for_is_an_int_however_json_spells_it(form):
    assert repr(form_value(form, {"value": 2.0})) == "2"


@pytest.mark.parametrize("content", [None, {}, {"value": None}])
@pytest.mark.parametrize("form", [str | None, Size | None])
def test_a_bare_primitive_that_may_be_left_out_is_none_then(form, content):
    assert "required" not in form_schema(form)
    assert form_value(form, content) is None
    assert form_value(form, {"value": "xl"}) in ("xl", Size.EXTRA_LARGE)


class Dictionary(TypedDict):
    name: str
    day: NotRequired[dt.date]


@dataclass
class Data:
    name: str
    day: dt.date | None = None


class Model(pydantic.BaseModel):
    name: str = pydantic.Field(description="who", examples=["Ada"])
    size: Size = Size.SMALL
    day: dt.date | None


@pytest.mark.parametrize(
    ("form", "answer", "value"),
    [
        (Dictionary, {"name": "a", "day": "2024-01-01"}, {"name": "a", "day": dt.date(2024, 1, 1)}),
        (Dictionary, {"name": "a"}, {"name": "a"}),
        (Data, {"name": "a", "day": "2024-01-01"}, Data("a", dt.date(2024, 1, 1))),
        (Data, {"name": "a"}, Data("a")),
        (Model, {"name": "a", "size": "xl"}, Model(name="a", size=Size.EXTRA_LARGE, day=None)),
    ],
)
def test_every_kind_of_record_can_ask(form, answer, value):
    assert form_value(form, answer) == value


def test_a_pydantic_form_has_no_references_and_nulls_left():
    assert form_schema(Model)["properties"] == {
        "name": {"type": "string", "title": "Name", "description": "who"},
        "size": {"type": "string", "title": "Size", "default": "s", "enum": ["s", "xl"]},
        "day": {"type": "string", "title": "Day", "format": "date"},
    }
    assert form_schema(Model)["required"] == ["name"]


class Numbers(enum.Enum):
    ONE = 1


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (list[str], "a list of free values"),
        (dict[str, int], "type 'object'"),
        (Data, "type 'object'"),
        (int | str, "a choice between several types"),
        (Numbers, "'enum'"),
        (Annotated[str, Field(pattern="^a")], "forms have no 'pattern'"),
        (Annotated[float, Field(gt=0)], "forms have no 'exclusiveMinimum'"),
        (dt.time, "format 'time'"),
        (Any, "type None"),
        (list[Numbers], "choices that are no strings"),
    ],
)
def test_what_a_form_cannot_ask_names_the_field_and_what_is_allowed(hint, words):
    form = attrs.make_class("Question", {"field": attrs.field(type=hint)})
    with pytest.raises(SchemaError, match="form Question, field 'field'.*allowed are strings") as caught:
        form_schema(form)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array"},
        {"type": "object", "properties": {"a": {"type": "object"}}},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}},
        {"type": "object", "anyOf": [{"required": ["a"]}], "properties": {"a": {"type": "string"}}},
        {"type": "object", "properties": {f"f{n}": {"type": "string"} for n in range(101)}},
    ],
)
def test_a_schema_that_is_no_form_is_refused(schema):
    with pytest.raises(SchemaError, match="form"):
        form_schema(schema)


def test_decoration_is_dropped_and_the_legacy_titles_stay():
    """LegacyTitledEnumSchema."""
    schema = {
        "title": "Ask",
        "type": "object",
        "additionalProperties": False,
        "properties": {"a": {"type": "string", "enum": ["x"], "enumNames": ["X"], "examples": ["x"]}},
    }
    assert form_schema(schema) == {
        "type": "object",
        "properties": {"a": {"type": "string", "enum": ["x"], "enumNames": ["X"]}},
    }


def test_defaults_fill_in_and_undeclared_fields_and_blank_optional_ones_go():
    schema = {"properties": {"a": {"default": 1}, "b": {}, "c": {}, "d": {"default": 2}}, "required": ["c"]}
    assert apply_defaults(schema, {"b": None, "c": None, "d": None, "e": 5}) == {"a": 1, "c": None, "d": 2}
    assert apply_defaults(schema, None) == {"a": 1, "d": 2}


def test_a_default_of_null_leaves_the_field_out():
    """Pydantic writes it for every optional field; an answer's values are texts, numbers, booleans and lists."""
    schema = {"properties": {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}}}
    assert apply_defaults(schema, None) == apply_defaults(schema, {"a": None}) == {}
    assert apply_defaults(schema, {"a": 0}) == {"a": 0}


def test_an_answer_that_does_not_fit_tells_where():
    with pytest.raises(Mismatch, match=r"invalid answers: .*\$\.count") as caught:
        check_form(ORDER, {"name": "a", "size": "s", "colours": ["red"], "count": 11, "mail": "nobody"})
    assert [path for path, _ in caught.value.problems] == ["$.count", "$.mail"]
    with pytest.raises(Mismatch, match='"name" is a required property'):
        form_value(Order, {"size": "s", "colours": ["red"]})


def test_formats_of_answers_are_asserted():
    with pytest.raises(Mismatch, match=r"\$\.day"):
        form_value(Data, {"name": "a", "day": "2024-02-30"})
