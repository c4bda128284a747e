"""
The parser of server-sent events. Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.errors import MessageTooLarge
from zcp_actors.transports.http.sse import FIELD_ROOM, Event, EventParser

LIMIT = 1000


def parse(*chunks, limit=LIMIT):
    parser = EventParser(limit)
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [Event(data=b"a")]),
        (b"data:a\r\n\r\n", [Event(data=b"a")]),
        (b"data:  a\r\r", [Event(data=b" a")]),
        (b"data: a\ndata: b\n\n", [Event(data=b"a\nb")]),
        (b"data\n\n", [Event(data=b"")]),
        (b"data:\n\n", [Event(data=b"")]),
        (b": a comment\n\n", []),
        (b":\n\ndata: a\n\n", [Event(data=b"a")]),
        (b"id: 1\nretry: 500\ndata: \n\n", [Event(data=b"", id="1", retry=0.5)]),
        (b"id: 1\n\n", [Event(id="1")]),
        (b"id\ndata: a\n\n", [Event(data=b"a", id="")]),
        (b"id: a\0b\ndata: a\n\n", [Event(data=b"a")]),
        (b"event: ping\ndata: a\n\n", [Event("ping", b"a")]),
        (b"event:\ndata: a\n\n", [Event("message", b"a")]),
        (b"retry: soon\ndata: a\n\n", [Event(data=b"a")]),
        (b"retry: 9999999999\ndata: a\n\n", [Event(data=b"a")]),
        (b"colour: red\ndata: a\n\n", [Event(data=b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event(data=b"a")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Event(data=b"a")]),
        (b"data: a\n", []),
        (b"data: a", []),
    ],
)
def test_a_stream_means_its_events(stream, events):
    assert parse(stream) == events


FIELDS = st.sampled_from([b"data: x", b"data:\xc3\xa9", b"id: 7", b"retry: 20", b"event: e", b": c", b"", b""])
STREAMS = st.lists(st.tuples(FIELDS, st.sampled_from([b"\n", b"\r", b"\r\n"]))).map(
    lambda lines: b"".join(field + end for field, end in lines)
)


@given(STREAMS, st.data())
def test_the_events_do_not_depend_on_the_chunks(stream, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    assert parse(*chunks) == parse(stream)
    assert parse(*[bytes([byte]) for byte in stream]) == parse(stream)


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_are_read_without_another_error(chunks):
    parse(*chunks)


@pytest.mark.parametrize(
    "stream",
    [
        b"data: " + b"x" * (LIMIT + 1) + b"\n\n",
        b"data: " + b"x" * (LIMIT + FIELD_ROOM),
        (b"data: " + b"x" * 99 + b"\n") * 11,
        b"x" * (LIMIT + FIELD_ROOM + 1),
        b"data:\n" * (LIMIT + 2),
    ],
    ids=["one line", "no end", "many lines", "no field", "empty lines"],
)
def test_an_event_beyond_the_limit_is_refused(stream):
    with pytest.raises(MessageTooLarge, match="max_message"):
        parse(stream)


def test_an_event_of_just_the_limit_is_read():
    assert parse(b"data: " + b"x" * LIMIT + b"\n\n") == [Event(data=b"x" * LIMIT)]


def test_many_events_are_more_than_the_limit_together():
    assert len(parse((b"data: " + b"x" * 99 + b"\n\n") * 100)) == 100


def cost(size):
    """Processor seconds for one event of this size that comes in pieces of 1 KiB."""
    parser, piece = EventParser(2 * size), b"x" * 1024
    parser.feed(b"data: ")
    began = time.process_time()
    for _ in range(size // len(piece)):
        parser.feed(piece)
    assert len(parser.feed(b"\n\n")) == 1
    return time.process_time() - began


def test_a_long_event_in_small_pieces_costs_linear_time():
    """Quadratic copying would cost sixteen times as much for four times the size; noise does not reach ten."""
    small = min(cost(1 << 20) for _ in range(3))
    large = min(cost(1 << 22) for _ in range(3))

    assert large < 10 * small + 0.02
