"""Lines out of bytes, however they are cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.errors import MessageTooLarge
from zcp_actors.wire import Lines

HEAD = b'{"jsonrpc":"2.0","id":7,"method":"x","params":{"a":"'
TAIL = b'"},"jsonrpc":"2.0","id":"t"}'


def fed(lines: Lines, *chunks: bytes) -> list[Any]:
    return [line for chunk in chunks for line in lines.feed(chunk)]


@given(
    lines=st.lists(st.binary(min_size=1, max_size=30).filter(lambda raw: raw == raw.strip() and b"\n" not in raw)),
    ends=st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \t\r\n"]),
    cut=st.integers(1, 7),
)
def test_lines_are_the_same_however_the_stream_is_cut(lines, ends, cut):
    stream = b"".join(line + ends for line in lines)
    splitter = Lines(64)
    assert fed(splitter, *(stream[i : i + cut] for i in range(0, len(stream), cut))) == lines
    assert splitter.end() == []


def test_a_last_line_without_its_newline_comes_at_the_end():
    splitter = Lines()
    assert fed(splitter, b"a\nb") == [b"a"]
    assert splitter.end() == [b"b"]
    assert splitter.end() == []


@pytest.mark.parametrize("cut", [1, 3, 17, 100, 10_000])
@pytest.mark.parametrize(
    ("line", "id", "kind"),
    [
        (HEAD + b"y" * 3000 + b'"}}', 7, "request"),
        (b'{"method":"x","params":{"a":"' + b"y" * 3000 + TAIL, "t", "request"),
        (b'{"result":{"a":"' + b"y" * 3000 + TAIL, "t", "response"),
        (b"y" * 3000, None, None),
    ],
)
def test_an_overlong_line_is_reported_once_with_its_id_and_the_next_one_is_read(line, id, kind, cut):
    stream = b"before\n" + line + b"\nafter\n"
    before, refused, after = fed(Lines(100), *(stream[i : i + cut] for i in range(0, len(stream), cut)))
    assert (before, after) == (b"before", b"after")
    assert isinstance(refused, MessageTooLarge)
    assert (refused.id, refused.kind) == (id, kind)


def test_an_endless_line_is_reported_before_its_end_when_it_has_said_whose_it_is():
    (refused,) = fed(Lines(100), HEAD + b"y" * 100)
    assert refused.id == 7


def test_an_overlong_line_that_the_end_cuts_off_is_reported_then():
    splitter = Lines(100)
    assert fed(splitter, b"y" * 3000) == []
    (refused,) = splitter.end()
    assert isinstance(refused, MessageTooLarge)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_of_exactly_the_limit_is_read(end):
    assert fed(Lines(10), b"y" * 10, end) == [b"y" * 10]
    (refused,) = fed(Lines(10), b"y" * 11, end)
    assert isinstance(refused, MessageTooLarge)


class Counted(bytearray):
    """A buffer that notes how much of it was searched, and how long it ever was."""

    searched = 0
    longest = 0

    def find(self, sub: Any, start: Any = 0) -> int:  # type: ignore[override]
        self.longest = max(self.longest, len(self))
        found = super().find(sub, start)
        self.searched += (found if found >= 0 else len(self)) - start
        return found


@pytest.mark.parametrize("chunk", [64 * 1024, 1024 * 1024])
def test_64_mib_without_a_newline_are_searched_once_and_not_kept(chunk):
    splitter = Lines(1024 * 1024)
    buffer = splitter._buffer = Counted()
    total = 64 * 1024 * 1024
    for _ in range(total // chunk):
        assert splitter.feed(b"y" * chunk) == []
    assert buffer.searched <= total
    assert buffer.longest <= 1024 * 1024 + 1 + chunk
    (refused,) = splitter.feed(b"\n")
    assert isinstance(refused, MessageTooLarge)
    assert str(total) in str(refused)


def test_a_line_that_comes_byte_by_byte_is_searched_once():
    splitter = Lines()
    buffer = splitter._buffer = Counted()
    for _ in range(10_000):
        splitter.feed(b"y")
    assert splitter.feed(b"\n") == [b"y" * 10_000]
    assert buffer.searched <= 10_001
