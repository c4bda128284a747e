from __future__ import annotations

import enum
import functools
import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import pytest

from zcp_actors.errors import SchemaError
from zcp_actors.schemas import Field, return_hint, signature_schema, structurer_of_signature

if TYPE_CHECKING:
    from elsewhere import Context


@attrs.frozen
class Trip:
    to: str


async def book(
    ctx: Context, city: Annotated[str, "where to"], nights: int = 2, trip: Trip | None = None, anything=7
) -> Trip:
    """Book a room
    for a trip.

    Everything else is small print.

    Args:
        city: not this one
        nights (int): how long,
            in nights
        *rest: nothing

    Returns:
        trip: not an argument
    """
    raise NotImplementedError


def test_parameters_become_properties_and_the_docstring_describes_them():
    found = signature_schema(book, skip={"ctx"})
    assert found.description == "Book a room for a trip."
    assert found.schema == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "where to"},
            "nights": {"type": "integer", "description": "how long, in nights", "default": 2},
            "trip": {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {"to": {"type": "string"}},
                        "required": ["to"],
                        "additionalProperties": False,
                    },
                    {"type": "null"},
                ],
                "default": None,
            },
            "anything": {"default": 7},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_annotations_of_skipped_parameters_are_not_looked_at():
    with pytest.raises(SchemaError, match=r"parameter 'ctx' of book\(\).*TYPE_CHECKING"):
        signature_schema(book)
    assert "ctx" not in signature_schema(book, skip=("ctx",)).schema["properties"]


def test_only_parameters_that_need_it_are_structured():
    builders = structurer_of_signature(book, skip={"ctx"})
    assert list(builders) == ["nights", "trip"]
    assert builders["trip"]({"to": "Rome"}) == Trip("Rome")
    assert builders["trip"](None) is None
    assert (builders["nights"](2), repr(builders["nights"](2.0))) == (2, "2")


def test_the_return_annotation_is_resolved():
    assert return_hint(book) is Trip


def numpy_style(a: int, b: int):
    """Add.

    Parameters
    ----------
    a : int
        the first
        of two
    b
        the second

    Returns
    -------
    int
        the sum
    """


def sphinx_style(a: int, b: int):
    """Add.

    :param a: the first
        of two
    :param int b: the second
    :returns: the sum
    """


@pytest.mark.parametrize("function", [numpy_style, sphinx_style])
def test_numpy_and_sphinx_docstrings_are_read(function):
    properties = signature_schema(function).schema["properties"]
    assert properties["a"]["description"] == "the first of two"
    assert properties["b"]["description"] == "the second"
    assert signature_schema(function).description == "Add."


def test_keyword_catch_alls_open_the_object_with_their_type():
    def anything(**rest): ...

    def numbers(**rest: int): ...

    assert "additionalProperties" not in signature_schema(anything).schema
    assert signature_schema(numbers).schema["additionalProperties"] == {"type": "integer"}


def positional(a: int, /): ...


def variadic(*names: str): ...


@pytest.mark.parametrize(("function", "name"), [(positional, "a"), (variadic, "names")])
def test_what_cannot_be_passed_by_name_is_an_error_with_advice(function, name):
    with pytest.raises(SchemaError, match=f"parameter '{name}' of {function.__name__}.*arguments come by name"):
        signature_schema(function)


def test_an_unusable_type_names_its_parameter():
    def f(z: complex): ...

    with pytest.raises(SchemaError, match=r"parameter 'z' of .*f\(\): complex has no JSON Schema"):
        signature_schema(f)


def test_a_default_that_only_a_field_gives_is_handed_to_the_caller():
    def f(a: Annotated[int, Field(default=4)], b: Annotated[int, Field(default=5)] = 6): ...

    found = signature_schema(f)
    assert "required" not in found.schema
    assert found.defaults == {"a": 4}
    assert found.schema["properties"]["a"]["default"] == 4
    assert found.schema["properties"]["b"]["default"] == 6


def test_a_default_without_json_form_makes_optional_and_says_no_more():
    marker = object()

    def f(a: Any = marker): ...

    assert signature_schema(f).schema["properties"]["a"] == {}


class Mood(str, enum.Enum):  # noqa: UP042 - the older spelling, which is everywhere
    CALM = "calm"


class Step(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(("default", "plain"), [(Mood.CALM, "calm"), (Step.ONE, 1), ([Mood.CALM], ["calm"])])
def test_a_default_is_written_as_builtins_whatever_it_is_a_subclass_of(default, plain):
    """What is listed is written to a wire, which takes nothing else."""

    @attrs.frozen
    class Record:
        a: Any = default

    def f(a: Any = default, r: Record | None = None): ...

    found = signature_schema(f, localns=locals()).schema["properties"]
    for written in (found["a"]["default"], found["r"]["anyOf"][0]["properties"]["a"]["default"]):
        assert (written, type(written)) == (plain, type(plain))
        assert json.dumps(written) == json.dumps(plain)
        assert not isinstance(written[0] if isinstance(written, list) else written, enum.Enum)


@pytest.mark.parametrize("default", [math.inf, -math.inf, math.nan, "\ud800", [math.inf]])
def test_a_default_that_json_cannot_say_is_not_listed(default):
    @attrs.frozen
    class Record:
        a: Any = default

    def f(r: Record, a: Any = default): ...

    found = signature_schema(f, localns=locals()).schema
    assert found["properties"]["a"] == {}
    assert found["properties"]["r"]["properties"] == {"a": {}}
    assert found["required"] == ["r"]


def test_methods_partials_wrapped_functions_and_callable_objects_have_signatures_too():
    class Service:
        """Not this."""

        def call(self, trip: Trip) -> None: ...

        def __call__(self, trip: Trip) -> None:
            """Called."""

    @functools.wraps(book)
    def wrapper(*args, **kwargs): ...

    assert list(signature_schema(Service().call).schema["properties"]) == ["trip"]
    assert list(signature_schema(Service()).schema["properties"]) == ["trip"]
    assert signature_schema(Service()).description == "Called."
    assert "city" in signature_schema(wrapper, skip={"ctx"}).schema["properties"]
    bound = signature_schema(functools.partial(book, nights=5), skip={"ctx"})
    assert bound.schema["properties"]["nights"]["default"] == 5


def test_names_local_to_the_definition_resolve_through_localns():
    @attrs.frozen
    class Local:
        n: int

    def f(a: Local): ...

    assert signature_schema(f, localns=locals()).schema["required"] == ["a"]
