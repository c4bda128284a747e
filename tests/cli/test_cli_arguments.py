"""Words of the command line become JSON values by the schema they are for."""

from __future__ import annotations

import click
import pytest

from zcp_actors.cli.arguments import read_arguments, read_pairs

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "count": {"type": "integer"},
        "share": {"type": "number"},
        "sure": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "sizes": {"type": "array", "items": {"type": "integer"}},
        "where": {"type": "object"},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "shape": {"$ref": "#/$defs/Shape"},
        "anything": {},
        "odd": {"type": ["nonsense", "integer"]},
    },
    "$defs": {"Shape": {"enum": ["round", "7"]}},
}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("name=7", "7"),
        ("name=a=b", "a=b"),
        ("name=", ""),
        ("count=-7", -7),
        ("share=0.5", 0.5),
        ("share=2", 2),
        ("sure=yes", True),
        ("sure=0", False),
        ('tags=["a","b"]', ["a", "b"]),
        ('where={"x": 1}', {"x": 1}),
        ("limit=3", 3),
        ("limit=null", None),
        ("shape=7", "7"),
        ("anything=7", 7),
        ("anything=seven", "seven"),
        ("odd=3", 3),
    ],
)
def test_a_word_becomes_the_type_that_its_schema_says(word, value):
    (found,) = read_pairs([word], SCHEMA, "tool 't'", "argument").values()

    assert (type(found), found) == (type(value), value)


def test_a_name_that_is_given_several_times_is_a_list_of_its_items():
    found = read_pairs(["tags=1", "tags=b", "sizes=1", "sizes=2"], SCHEMA, "tool 't'", "argument")

    assert found == {"tags": ["1", "b"], "sizes": [1, 2]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["count=x"], "argument 'count' must be an integer, not 'x'"),
        (["count=1.5"], "argument 'count' must be an integer"),
        (["count=true"], "argument 'count' must be an integer"),
        (["sure=maybe"], "argument 'sure' must be yes or no, not 'maybe'"),
        (["where=[1]"], "argument 'where' must be a JSON object"),
        (["count=1", "count=2"], "argument 'count' is given 2 times, and it is no list"),
        (["nmae=x"], "tool 't' has no argument 'nmae'; it has name, count"),
        (["name"], "expected ARGUMENT=VALUE, got 'name'"),
        (["=x"], "expected ARGUMENT=VALUE, got '=x'"),
    ],
)
def test_a_word_that_cannot_be_read_is_an_error_that_names_it(words, message):
    with pytest.raises(click.ClickException) as caught:
        read_pairs(words, SCHEMA, "tool 't'", "argument")

    assert caught.value.message.startswith(message)


def test_a_schema_that_takes_more_properties_is_given_unknown_names():
    schema = {**SCHEMA, "additionalProperties": True}

    assert read_pairs(["new=1"], schema, "tool 't'", "argument") == {"new": 1}


def test_single_arguments_are_added_to_the_json_object():
    found = read_arguments(["count=2"], '{"name": "x", "count": 1}', SCHEMA, "t")

    assert found == {"name": "x", "count": 2}


@pytest.mark.parametrize("text", ["[1]", "{", "7"])
def test_json_that_is_no_object_is_refused(text):
    with pytest.raises(click.ClickException, match="--json"):
        read_arguments([], text, SCHEMA, "t")


def test_a_missing_argument_is_named_before_the_server_is_asked():
    with pytest.raises(click.ClickException, match="tool 't' needs name: pass --arg name=VALUE"):
        read_arguments([], None, {**SCHEMA, "required": ["name"]}, "t")
