from __future__ import annotations

import socket
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.errors import SchemaError
from zcp_actors.schemas import Mismatch, validator
from zcp_actors.schemas import compile as compile_schema
from zcp_actors.schemas.mismatch import MAX_PROBLEMS, path_of

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "integer"}}},
    "required": ["name"],
}


def problems(schema, value):
    with pytest.raises(Mismatch) as caught:
        compile_schema(schema).check(value)
    return caught.value.problems


def test_a_value_that_fits_passes_in_silence():
    compile_schema(PERSON).check({"name": "Ada", "tags": [1]})
    assert compile_schema(PERSON).is_valid({"name": "Ada"})


def test_each_problem_is_told_with_its_path():
    assert problems(PERSON, {"tags": [1, "two"]}) == (
        ("$", '"name" is a required property'),
        ("$.tags[1]", '"two" is not of type "integer"'),
    )


def test_the_text_is_one_line_and_names_what_was_checked():
    with pytest.raises(Mismatch, match=r'^invalid answers: \$\.name: "a\\nb" is not of type "integer"$') as caught:
        compile_schema({"properties": {"name": {"type": "integer"}}}).check({"name": "a\nb"}, "answers")
    assert isinstance(caught.value, ValueError)
    assert caught.value.what == "answers"


def test_at_most_five_problems_are_told():
    with pytest.raises(Mismatch, match="; and more$") as caught:
        compile_schema({"items": {"type": "integer"}}).check(["x"] * 20)
    assert len(caught.value.problems) == MAX_PROBLEMS == 5


def test_long_values_and_long_lists_of_choices_are_cut():
    ((_, told),) = problems({"type": "integer"}, "z" * 10_000)
    assert len(told) < 120
    ((_, told),) = problems({"enum": [f"choice {n}" for n in range(500)]}, "z")
    assert len(told) <= 300


def test_a_union_tells_the_problem_of_the_branch_that_was_meant():
    schema = {"anyOf": [PERSON, {"type": "null"}]}
    assert problems(schema, {"name": 3}) == (("$.name", '3 is not of type "string"'),)


def test_paths_quote_keys_that_are_no_names():
    assert path_of(["a", 0, "b c", "d-e"]) == '$.a[0]["b c"].d-e'


def test_draft_2020_12_is_the_default_and_another_draft_is_respected():
    """JSON Schema usage, MCP 2025-11-25: 2020-12 unless `$schema` says otherwise."""
    pair = [{"type": "string"}, {"type": "integer"}]
    assert not compile_schema({"prefixItems": pair}).is_valid([1, 1])
    draft7 = {"$schema": "http://json-schema.org/draft-07/schema#", "items": pair}
    assert not compile_schema(draft7).is_valid([1, 1])
    assert compile_schema({"$schema": "http://json-schema.org/draft-07/schema#", "prefixItems": pair}).is_valid([1, 1])


def test_formats_are_annotations_unless_asked_for():
    """JSON Schema 2020-12 validation 7.2.1."""
    for draft in ("https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"):
        schema = {"$schema": draft, "format": "email"}
        assert compile_schema(schema).is_valid("no address")
        assert not compile_schema(schema, formats=True).is_valid("no address")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "nope"}, "$.type"),
        ({"pattern": "("}, "not a usable JSON Schema"),
        ({"$ref": "#/$defs/missing"}, "missing"),
        ({"$schema": "https://example.com/mine"}, "https://example.com/mine"),
        ([], "an object or a boolean"),
        ({"default": object()}, "not JSON"),
    ],
)
def test_what_is_no_schema_is_refused_with_the_reason(schema, words):
    with pytest.raises(SchemaError) as caught:
        compile_schema(schema)
    assert words in str(caught.value)


def test_no_reference_is_ever_fetched(monkeypatch):
    """A schema comes from a peer: fetching for it would let the peer choose where we connect, or what we read."""
    opened = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(socket, "socket", lambda *args, **kwargs: opened.append(args))
        server.settimeout(0)
        target = f"http://127.0.0.1:{server.getsockname()[1]}/schema.json"
        for place in ({"$ref": target}, {"$defs": {"unused": {"$ref": target}}}, {"items": {"$dynamicRef": target}}):
            with pytest.raises(SchemaError, match="never fetched|nothing is ever fetched") as caught:
                compile_schema(place)
            assert target in str(caught.value)
        with pytest.raises(BlockingIOError):  # nobody connected, from Python or from below it
            server.accept()
    assert opened == []
    with pytest.raises(SchemaError, match="file:///etc/hostname"):
        compile_schema({"$ref": "file:///etc/hostname"})


def test_schemas_have_a_largest_size_and_depth():
    deep: dict = {}
    for _ in range(validator.MAX_SCHEMA_DEPTH + 1):
        deep = {"items": deep}
    with pytest.raises(SchemaError, match="nested deeper than"):
        compile_schema(deep)
    with pytest.raises(SchemaError, match="bytes, the limit is"):
        compile_schema({"description": "x" * validator.MAX_SCHEMA_BYTES})


def test_a_schema_that_can_just_be_written_and_not_be_read_any_more_is_too_deep_as_well():
    """The two run out of stack at depths that are a level or two apart."""
    deep: dict = {}
    for level in range(sys.getrecursionlimit()):
        deep = {"items": deep}
        if level >= validator.MAX_SCHEMA_DEPTH:
            with pytest.raises(SchemaError, match="nested deeper than"):
                compile_schema(deep)


@pytest.mark.parametrize("schema", [{"items": {"$ref": "#"}}, {"const": [1]}, {"uniqueItems": True}, {"type": "array"}])
def test_a_value_nested_without_end_cannot_end_the_process(schema):
    """The validator recurses on the C stack."""
    value: list = []
    for _ in range(100_000):
        value = [value]
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(compile_schema(schema).is_valid(value)))
    thread.start()
    thread.join()
    assert verdicts == [schema == {"type": "array"}]
    if not verdicts[0]:
        with pytest.raises(Mismatch, match="nested deeper"):
            compile_schema(schema).check(value)
    while value:  # taken apart by hand, for the interpreter recurses too
        value = value.pop()


@pytest.mark.parametrize("value", [object(), {1: 2}, "\ud800", {"a": {3}}])
def test_what_is_no_json_does_not_fit_and_raises_nothing_else(value):
    schema = compile_schema({"type": ["object", "string"], "properties": {"a": {"type": "string"}}, "minProperties": 0})
    assert schema.is_valid(value) is False
    with pytest.raises(Mismatch):
        schema.check(value)


def test_a_large_wrong_value_is_refused_at_once():
    """Listing every problem of 500 000 items took seconds; the first is told and it ends."""
    began = time.process_time()
    assert len(problems({"items": {"type": "integer"}}, ["x"] * 500_000)) == 1
    assert time.process_time() - began < 2


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a+)+\\1$"])
def test_no_pattern_takes_exponential_time(pattern):
    began = time.process_time()
    assert not compile_schema({"pattern": pattern}).is_valid("a" * 60 + "!")
    assert time.process_time() - began < 2


def test_equal_schemas_are_compiled_once_and_the_cache_is_bounded():
    assert compile_schema({"type": "string", "minLength": 7}) is compile_schema({"minLength": 7, "type": "string"})
    assert compile_schema({"minLength": 7}) is not compile_schema({"minLength": 7}, formats=True)
    assert validator._cached.cache_info().maxsize == validator.CACHED_VALIDATORS


def test_a_schema_changed_after_compiling_does_not_change_the_validator():
    schema = {"type": "string"}
    compiled = compile_schema(schema)
    schema["type"] = "integer"
    assert compiled.is_valid("x")
    assert compile_schema({"type": "string"}).schema == {"type": "string"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_check_and_is_valid_agree_on_every_value(value):
    schema = compile_schema({"anyOf": [PERSON, {"type": "array", "items": {"type": ["integer", "string"]}}]})
    if schema.is_valid(value):
        schema.check(value)
    else:
        with pytest.raises(Mismatch) as caught:
            schema.check(value)
        assert caught.value.problems
        assert "\n" not in str(caught.value)


def doubling(levels, below):
    """Definitions of which each uses the next one twice, at the same place or one level below."""
    step = (lambda target: {"properties": {"a": target}}) if below else (lambda target: target)
    definitions = {f"d{n}": {"allOf": [step({"$ref": f"#/$defs/d{n + 1}"})] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{levels}": {"type": "object"}}}


def tower(levels, top):
    for _ in range(levels):
        top = {"a": top}
    return top


@pytest.mark.parametrize("below", [True, False])
def test_a_schema_whose_references_double_is_refused_before_it_meets_a_value(below):
    """Forty such definitions take 2 KiB and would take hours."""
    with pytest.raises(SchemaError, match="written out, apply more than"):
        compile_schema(doubling(40, below))
    assert compile_schema(doubling(8, below)).is_valid(tower(8, {}))


def test_an_endless_chain_of_references_is_refused_too():
    definitions = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(5000)}
    with pytest.raises(SchemaError, match="written out"):
        compile_schema({"$ref": "#/$defs/d0", "$defs": {**definitions, "d5000": True}})


@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_a_recursive_schema_that_doubles_per_level_is_decided_at_once_and_explained_only_where_that_is_cheap(word):
    branch = {"properties": {"a": {"$ref": "#"}, "b": {"type": "integer"}}}
    schema = compile_schema({word: [branch, {**branch, "minProperties": 1}], "type": "object"})
    began = time.process_time()
    with pytest.raises(Mismatch, match="too intricate"):
        schema.check(tower(60, {"b": "no"}))
    with pytest.raises(Mismatch, match='"no"'):
        schema.check(tower(2, {"b": "no"}))
    assert time.process_time() - began < 2


def test_recursive_values_of_everyday_size_are_explained():
    node = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    }
    schema = compile_schema({"$ref": "#/$defs/node", "$defs": {"node": node}})
    value = {"n": "no", "next": None}
    for _ in range(20):
        value = {"n": 1, "next": value}
    with pytest.raises(Mismatch, match=r'next\.n: "no" is not of type "integer"'):
        schema.check(value)


def test_references_by_name_and_by_address_are_followed_within_the_schema():
    names = {"a": {"$anchor": "named", "type": "integer"}, "b": {"$id": "https://example.com/b", "type": "string"}}
    schema = {"properties": {"x": {"$ref": "#named"}, "y": {"$ref": "https://example.com/b"}}, "$defs": names}
    assert compile_schema(schema).is_valid({"x": 1, "y": "s"})
    assert not compile_schema(schema).is_valid({"x": "s"})
    assert compile_schema({"$ref": "https://json-schema.org/draft/2020-12/schema"}).is_valid({"type": "string"})
