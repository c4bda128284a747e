"""The name a question travels under."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zcp_actors.errors import NotJSON, UsageError
from zcp_actors.protocol.questions import MAX_KEY_LENGTH, Question, canonical, default_stem, digest

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


def shuffled(value):
    """The same value with every object written in the opposite order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(values)
def test_the_order_of_members_does_not_change_the_canonical_form(value):
    assert canonical(shuffled(value)) == canonical(value)


@given(values)
def test_the_canonical_form_is_json_of_the_same_value(value):
    assert json.loads(canonical(value)) == value


@given(st.dictionaries(st.text(), scalars, max_size=4), st.dictionaries(st.text(), scalars, max_size=4))
def test_different_params_have_different_digests(one, other):
    one.pop("_meta", None)
    other.pop("_meta", None)

    assert (digest("m", one) == digest("m", other)) == (canonical(one) == canonical(other))


def test_a_whole_number_is_the_same_with_and_without_a_fraction():
    """A peer whose language has one kind of number writes 1.0 as 1 (RFC 8785, 3.2.2.3)."""
    assert canonical({"n": 1.0}) == canonical({"n": 1}) == b'{"n":1}'
    assert canonical(True) != canonical(1)


def test_meta_does_not_count_but_only_at_the_top():
    assert digest("m", {"a": 1, "_meta": {"progressToken": 7}}) == digest("m", {"a": 1})
    assert digest("m", {"a": {"_meta": 1}}) != digest("m", {"a": {}})


def test_the_method_counts():
    assert digest("roots/list", {}) != digest("elicitation/create", {})


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, b"bytes", {1: 2}, {"a": object()}],
    ids=["nan", "infinity", "bytes", "number as a name", "object"],
)
def test_what_is_not_json_has_no_canonical_form(value):
    with pytest.raises(NotJSON, match="expected plain JSON"):
        canonical(value)


def test_a_value_nested_too_deeply_is_refused_and_not_a_crash():
    value: list[object] = []
    for _ in range(100_000):
        value = [value]

    with pytest.raises(NotJSON, match="nested too deeply"):
        canonical(value)


@pytest.mark.parametrize(
    ("method", "stem"),
    [
        ("elicitation/create", "elicit-3f9a2c71"),
        ("sampling/createMessage", "sample-3f9a2c71"),
        ("roots/list", "roots-3f9a2c71"),
        ("other/thing", "other-thing-3f9a2c71"),
    ],
)
def test_a_default_key_is_short_and_says_what_is_asked(method, stem):
    assert default_stem(method, "3f9a2c71" + "0" * 24) == stem


@pytest.mark.parametrize("key", ["", "x" * (MAX_KEY_LENGTH + 1), "two\nlines"])
def test_a_key_that_is_no_name_is_refused_where_it_is_given(key):
    with pytest.raises(UsageError, match="printable characters"):
        Question("roots/list", {}, key)


@example("\ud800")
@example({"\ud800": 2**70})
@given(values)
def test_either_writer_writes_the_same(value):
    """The digest names a question in journals that are kept: it must not depend on which of the two wrote it."""
    settled = json.loads(canonical([value]))
    assert canonical(settled) == json.dumps(settled, sort_keys=True, separators=(",", ":")).encode()
