"""One field of a form, as a typed word fills it in; and the host of an address, as it must be seen."""

from __future__ import annotations

import pytest

from zcp_actors.cli.form import fields_of
from zcp_actors.cli.host_name import shown_host


def field(schema, *, required=True):
    (found,) = fields_of({"properties": {"it": schema}, "required": ["it"] if required else []})
    return found


@pytest.mark.parametrize(
    ("schema", "word", "value"),
    [
        ({"type": "string"}, "7", "7"),
        ({"type": "integer", "minimum": 3}, "4", 4),
        ({"type": "number"}, "0.5", 0.5),
        ({"type": "boolean"}, "yes", True),
        ({"type": "string", "enum": ["a", "b"]}, "2", "b"),
        ({"type": "string", "enum": ["a", "b"], "enumNames": ["Ay", "Bee"]}, "Bee", "b"),
        ({"type": "string", "oneOf": [{"const": "x", "title": "Ex"}]}, "Ex", "x"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "1, b", ["a", "b"]),
        ({"type": "array", "items": {"anyOf": [{"const": "x", "title": "Ex"}]}}, "Ex", ["x"]),
        ({"type": "string", "default": "so"}, "", "so"),
    ],
)
def test_a_word_becomes_the_value_of_its_field(schema, word, value):
    assert field(schema).read(word) == value


def test_an_optional_field_may_be_left_empty():
    assert field({"type": "integer"}, required=False).read("") is None


@pytest.mark.parametrize(
    ("schema", "word", "message"),
    [
        ({"type": "string"}, "", "needs an answer"),
        ({"type": "integer", "minimum": 3}, "2", "3"),
        ({"type": "string", "format": "email"}, "nobody", "email"),
        ({"type": "string", "enum": ["a"]}, "c", "none of the choices"),
        ({"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 1}, "a,b", "1"),
    ],
)
def test_a_word_that_does_not_fit_its_field_is_refused_with_the_reason(schema, word, message):
    with pytest.raises(ValueError, match=message):
        field(schema).read(word)


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        ("https://example.com:8443/x", ["host: example.com"]),
        ("https://user@example.com/", ["host: example.com"]),
        ("https://xn--exmple-4nf.com/", ["host: xn--exmple-4nf.com", "ex\u0430mple.com"]),
        ("https://ex\u0430mple.com/", ["host: ex\u0430mple.com", "xn--exmple-4nf.com"]),
        ("https://[::1", ["its host cannot be read"]),
    ],
)
def test_a_host_is_shown_in_both_spellings_where_they_differ(url, lines):
    shown = shown_host(url)

    assert len(shown) == len(lines)
    assert all(part in line for part, line in zip(lines, shown, strict=True))
