"""Copies of models equal what writing and reading them gives, and share nothing with them."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire.instances import EXTENSION, V2025, V2026, definitions, instances

from zcp_actors import wire
from zcp_actors.errors import InvalidParams
from zcp_actors.wire import Model, tasks_extension, v2025_11_25
from zcp_actors.wire.converter import structure, unstructure
from zcp_actors.wire.copying import copy_of

SPACES = {V2025: (v2025_11_25, wire), V2026: (wire,), EXTENSION: (tasks_extension, wire)}


def model_of(name: str, definition: str) -> Any:
    found = (getattr(space, definition, None) for space in SPACES[name])
    return next((each for each in found if isinstance(each, type) and issubclass(each, Model)), None)


def containers(value: Any) -> list[int]:
    """Everything inside that can be changed."""
    if isinstance(value, Model):
        value = [getattr(value, field.name) for field in attrs.fields(type(value))]
    elif isinstance(value, dict):
        return [id(value), *(each for member in value.values() for each in containers(member))]
    elif not isinstance(value, list):
        return []
    else:
        return [id(value), *(each for item in value for each in containers(item))]
    return [each for item in value for each in containers(item)]


def same(one: Any, other: Any) -> bool:
    """Equal, with equal classes all the way down: True is not 1, and a model is not its wire form."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Model):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in attrs.fields(type(one)))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


MODELS = [
    pytest.param(name, each, id=f"{name}-{each}")
    for name in SPACES
    for each in definitions(name)
    if model_of(name, each)
]


@pytest.mark.parametrize(("name", "definition"), MODELS)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(choice=st.data())
def test_a_copy_is_what_writing_and_reading_gives_and_shares_nothing(name, definition, choice):
    """Source: the three schema files, for what models there are."""
    model = structure(model_of(name, definition), choice.draw(instances(name, definition)))
    held = containers(model)  # an id may be used again once its holder is gone

    slow = structure(type(model), unstructure(model))
    copies = [wire.copied(model), *([copy] if (copy := copy_of(model)) is not None else [])]

    assert all(same(copy, slow) for copy in copies)
    assert all(set(containers(copy)).isdisjoint(held) for copy in copies)


@pytest.mark.parametrize(
    "model",
    [
        wire.ElicitRequestFormParams(message="Go on?", requested_schema={"type": "object", "properties": {}}),
        wire.ElicitResult(action="accept", content={"names": ["a", "b"], "agreed": True}),
        wire.CallToolResult(content=[wire.TextContent(text="yes")], structured_content={"result": 1.5}),
        wire.CreateMessageRequestParams(
            messages=[wire.SamplingMessage(role="user", content=wire.TextContent(text="hi"))], max_tokens=20
        ),
        wire.CreateMessageResult(role="assistant", content=wire.TextContent(text="short"), model="m"),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_questions_are_made_of_is_copied_without_writing_it(model):
    assert same(copy_of(model), structure(type(model), unstructure(model)))


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (wire.ElicitRequestFormParams(message=7, requested_schema={}), "message: expected string"),
        (wire.ElicitResult(action="maybe"), "action: expected one of"),
    ],
)
def test_a_model_that_is_not_as_its_class_says_is_refused_when_it_is_copied(model, problem):
    with pytest.raises(InvalidParams, match=problem):
        wire.copied(model)


def test_a_form_of_models_is_copied_as_the_plain_form_that_a_peer_would_read():
    form = wire.ElicitRequestedSchema(properties={"agreed": wire.BooleanSchema()})
    copy = wire.copied(wire.ElicitRequestFormParams(message="Go on?", requested_schema=form))
    assert copy.requested_schema == {"type": "object", "properties": {"agreed": {"type": "boolean"}}}
    assert type(copy.requested_schema) is dict


@attrs.frozen(kw_only=True, eq=False, repr=False, slots=False)
class Foreign(Model):
    """A class of somebody else's: without slots."""

    tags: list[str]


def test_a_model_of_a_class_without_slots_is_copied_too():
    model = Foreign(tags=["a"])
    copy = wire.copied(model)
    assert same(copy, model)
    assert copy.tags is not model.tags
