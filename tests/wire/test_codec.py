"""Bytes in, messages out, and every way bytes can be no message."""

from __future__ import annotations

import contextlib
import json
import sys
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire.instances import any_json

from zcp_actors.errors import InvalidMessage, MessageTooLarge, NotJSON
from zcp_actors.wire import CallToolResult, ErrorResponse, Notification, Request, Response, TextContent, decode, encode

ids = st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
objects = st.dictionaries(texts, any_json, max_size=4)
messages = st.one_of(
    st.builds(Request, ids, texts, st.none() | objects),
    st.builds(Notification, texts, st.none() | objects),
    st.builds(Response, ids, objects),
    st.builds(ErrorResponse, st.none() | ids, st.integers(-(2**31), 2**31), texts, any_json),
)


@given(message=messages)
def test_a_message_survives_its_way_through_bytes(message):
    line = encode(message)
    assert b"\n" not in line
    assert b"\r" not in line
    assert decode(line) == message
    assert json.loads(line)["jsonrpc"] == "2.0"


def test_a_number_and_the_string_that_looks_like_it_stay_different_ids():
    number, text = (decode(encode(Request(id, "ping"))).id for id in (1, "1"))
    assert (number, text) == (1, "1")
    assert type(number) is int
    assert type(text) is str


def test_a_model_and_its_raw_form_are_the_same_bytes():
    model = CallToolResult(content=[TextContent(text="ü\n")])
    assert encode(Response(1, model)) == encode(Response(1, model.to_dict()))


@given(data=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_raise_anything_but_invalid_message(data):
    with contextlib.suppress(InvalidMessage):
        decode(data)


@given(value=any_json)
def test_no_json_raises_anything_but_invalid_message(value):
    with contextlib.suppress(InvalidMessage):
        decode(json.dumps(value).encode())


def whole(**fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **fields}).encode()


REFUSED = [
    # bytes, code, id, kind, words
    (b"", -32700, None, None, "not JSON"),
    (b"hello", -32700, None, None, "not JSON"),
    (b'{"jsonrpc":"2.0","id":1,"method":"x"', -32700, None, None, "not JSON"),
    (b"\xff\xfe{}", -32700, None, None, "not JSON"),
    (b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"x"}', -32700, 1, "request", "not JSON"),
    (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"\xff"}}', -32700, 1, "request", "not UTF-8"),
    (b'{"jsonrpc":"2.0","id":"\xff","method":"x"}', -32700, None, "request", "not UTF-8"),
    (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":NaN}}', -32700, 1, "request", "not JSON"),
    (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":-Infinity}}', -32700, 1, "request", "not JSON"),
    (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1e400}}', -32700, 1, "request", "too large for a double"),
    (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"\\ud800"}}', -32700, 1, "request", "not JSON"),
    (b'{"jsonrpc":"2.0","id":"\\ud800","method":"x"}', -32700, None, "request", "not JSON"),
    (
        b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":' + b"9" * 5000 + b"}}",
        -32700,
        1,
        "request",
        "out of range",
    ),
    (b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"x"}', -32700, None, "request", "out of range"),
    (b'{"jsonrpc":"2.0","id":"a\\tb","method":"x","params":{"a":NaN}}', -32700, "a\tb", "request", "not JSON"),
    ('{"jsonrpc":"2.0","id":"\xa0\ufffd","method":"x","a":NaN}'.encode(), -32700, "\xa0\ufffd", "request", "not JSON"),
    (b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1,"a":2}}', -32700, 1, "request", 'duplicate key "a"'),
    (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}', -32700, None, "request", 'duplicate key "id"'),
    (b'{"jsonrpc":"2.0","id":1,"method":"x","method":"y"}', -32700, 1, "request", 'duplicate key "method"'),
    (b"[]", -32600, None, None, "batches are not part"),
    (b'[{"jsonrpc":"2.0","id":1,"method":"x"}]', -32600, None, None, "batches are not part"),
    (b"42", -32600, None, None, "got integer"),
    (b"null", -32600, None, None, "got null"),
    (b'{"id":1,"method":"x"}', -32600, 1, "request", 'jsonrpc must be "2.0", got none'),
    (b'{"jsonrpc":"1.0","id":1,"method":"x"}', -32600, 1, "request", "got string '1.0'"),
    (b'{"jsonrpc":2.0,"id":1,"method":"x"}', -32600, 1, "request", "got number 2.0"),
    (whole(id=None, method="x"), -32600, None, "request", "id must be a string or an integer"),
    (whole(id=True, method="x"), -32600, None, "request", "id must be"),
    (whole(id=1.5, method="x"), -32600, None, "request", "id must be"),
    (whole(id={"a": 1}, method="x"), -32600, None, "request", "id must be"),
    (whole(id=2**63, method="x"), -32600, None, "request", "of 64 bits"),
    (whole(id=10**400, method="x"), -32600, None, "request", "of 64 bits"),
    (whole(id=1, method=3), -32600, 1, "request", "method must be a string, got integer"),
    (whole(id=1, method="x", params=[1]), -32602, 1, "request", "params must be an object, got array"),
    (whole(id=1, method="x", params=None), -32602, 1, "request", "params must be an object, got null"),
    (whole(method="x", params="p"), -32602, None, "notification", "params must be an object"),
    (whole(id=1, method="x", result={}), -32600, 1, "request", "no result and no error"),
    (whole(id=1, result={}, error={"code": 1, "message": "m"}), -32600, 1, "response", "never both"),
    (whole(id=1, result=[]), -32600, 1, "response", "result must be an object"),
    (whole(id=None, result={}), -32600, None, "response", "carries the id"),
    (whole(result={}), -32600, None, "response", "carries the id"),
    (whole(id=1, error="no"), -32600, 1, "response", "error must be an object"),
    (whole(id=1, error={"code": "1", "message": "m"}), -32600, 1, "response", "integer code"),
    (whole(id=1, error={"code": 1}), -32600, 1, "response", "string message"),
    (whole(id=[], error={"code": 1, "message": "m"}), -32600, None, "response", "id must be"),
    (whole(id=1), -32600, 1, None, "this has none"),
    (whole(), -32600, None, None, "this has none"),
]


@pytest.mark.parametrize(("data", "code", "id", "kind", "words"), REFUSED)
def test_what_is_no_message_is_refused_with_its_code_its_id_and_its_kind(data, code, id, kind, words):
    with pytest.raises(InvalidMessage) as caught:
        decode(data)
    assert (caught.value.code, caught.value.id, caught.value.kind) == (code, id, kind)
    assert words in str(caught.value)


@pytest.mark.parametrize("levels", [129, 150, 199, 250, 5000, 100_000, 1_000_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused_with_its_id(levels, opened, closed):
    inner = opened * levels + "1" + closed * levels
    with pytest.raises(InvalidMessage, match="nested") as caught:
        decode(f'{{"jsonrpc":"2.0","id":7,"method":"x","params":{{"a":{inner}}}}}'.encode())
    assert (caught.value.id, caught.value.kind, caught.value.code) == (7, "request", -32600)


def test_nesting_up_to_the_limit_is_read():
    inner = "[" * 126 + "]" * 126
    message = decode(f'{{"jsonrpc":"2.0","id":7,"method":"x","params":{{"a":{inner}}}}}'.encode())
    assert message.id == 7


def test_brackets_inside_a_string_are_no_nesting():
    assert decode(whole(id=1, method="x", params={"a": "[{" * 1000})).params == {"a": "[{" * 1000}


def test_large_integers_in_a_message_round_trip():
    message = Request(1, "x", {"n": [2**53 + 1, 2**64, -(10**300)]})
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    ("data", "id", "kind"),
    [
        (whole(id=7, method="x", params={"a": "y" * 99}), 7, "request"),
        (json.dumps({"method": "x", "params": {"a": "y" * 99}, "jsonrpc": "2.0", "id": "7"}).encode(), "7", "request"),
        (whole(id='é"\\', method="x", params={"a": "y" * 99}), 'é"\\', "request"),
        (json.dumps({"params": {"a": "y" * 99}, "method": "x", "id": 'é"\\'}).encode(), 'é"\\', "request"),
        (whole(id=7, result={"a": "y" * 99}), 7, "response"),
        (json.dumps({"result": {"id": 3, "a": ["y" * 99]}, "jsonrpc": "2.0", "id": 7}).encode(), 7, "response"),
        (whole(id=7, method="x", params={"a": "y" * 99})[:-1] + b',"id":8}', None, "request"),
        (whole(method="x", params={"a": "y" * 99, "id": 3}), None, "notification"),
        (whole(method="x", params={"a": "y" * 2000, "b": ',"id":3}'}), None, "notification"),
        (b"y" * 99, None, None),
    ],
)
def test_a_message_over_the_limit_is_refused_with_the_id_at_either_end(data, id, kind):
    with pytest.raises(MessageTooLarge, match="over the limit of 64") as caught:
        decode(data, max_bytes=64)
    assert (caught.value.id, caught.value.kind) == (id, kind)


def test_a_message_at_the_limit_is_read():
    data = whole(id=1, method="x")
    assert decode(data, max_bytes=len(data)).id == 1


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "\ud800", object(), b"x", {1, 2}, pytest.param(10**5000, id="huge")]
)
def test_a_value_that_json_cannot_carry_is_not_written(value):
    with pytest.raises(NotJSON):
        encode(Response(1, {"a": value}))


def calls(work: Any) -> int:
    """Python and C calls made by `work`: a clock that does not depend on the machine."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    except InvalidMessage:
        pass
    finally:
        sys.setprofile(None)
    return count


MADE_TO_HURT = {
    "duplicates": lambda n: b'{"id":1,"a":1,"a":1,' + b",".join(b'"%d":{}' % i for i in range(n)) + b"}",
    "siblings": lambda n: b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":[' + b"[]," * n + b"1e999]}}",
    "digits": lambda n: b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":[' + b"9" * n + b"]}}",
    "commas": lambda n: b"," * n,
    "quotes": lambda n: b'{"a":"' + b'\\"' * n,
}


@pytest.mark.parametrize("name", MADE_TO_HURT)
def test_twice_the_bytes_cost_at_most_twice_the_steps(name):
    make = MADE_TO_HURT[name]
    once, twice = (calls(partial(decode, make(size))) for size in (2000, 4000))
    assert twice <= 2 * once + 50


@pytest.mark.parametrize("meta", [None, {"a": 1, "own": 2}])
def test_a_stamp_is_in_the_meta_of_results_where_the_result_does_not_say_otherwise(meta):
    result = CallToolResult(content=[], meta=meta)
    wire = json.loads(encode(Response(1, result), None, {"own": 1, "by": "us"}))
    assert wire["result"]["_meta"] == {"by": "us", "own": 1, **(meta or {})}
    assert result.meta == meta


def test_a_stamp_is_on_nothing_but_results():
    for message in (Request(1, "ping", {"a": 1}), ErrorResponse(1, -1, "no"), Notification("n", {})):
        assert encode(message, None, {"own": 1}) == encode(message)
