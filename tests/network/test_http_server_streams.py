"""The log behind a response stream, what is kept of it, and the header values: by rule and by property."""

from __future__ import annotations

import base64
import json

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from zcp_actors.errors import ConnectionLost, RPCError
from zcp_actors.transports.http import streams
from zcp_actors.transports.http.headers import Headers, check_params, decode_value, mirrored
from zcp_actors.transports.http.replay import MAX_STREAMS, REPLAY_BYTES, REPLAY_EVENTS, REPLAY_STREAMS, Replay
from zcp_actors.transports.http.streams import HIGH_WATER_EVENTS, LOG, ROOM_SECONDS, Change, Stream

PROGRESS = ("progress", "p")


def numbers(events):
    return [event.number for event in events]


# ------------------------------------------------------------------------------------------------ one stream
async def test_what_is_put_is_handed_out_once_and_in_order():
    stream = Stream()
    reader = stream.attach()
    for number in range(10):
        stream.put(b"%d" % number)
    stream.end()

    assert [event.data for event in stream.take()] == [b"%d" % number for number in range(10)]
    assert stream.take() == []
    assert stream.over(reader)


async def test_a_reader_that_is_behind_gets_the_newest_progress_and_every_answer():
    stream = Stream()
    stream.attach()
    for number in range(10 * HIGH_WATER_EVENTS):
        stream.put(b"%d" % number, PROGRESS)
    stream.put(b"answer")
    taken = [event.data for event in stream.take()]

    assert len(taken) <= HIGH_WATER_EVENTS + 1
    assert taken[-2:] == [b"%d" % (10 * HIGH_WATER_EVENTS - 1), b"answer"]
    assert [int(each) for each in taken[:-1]] == sorted(int(each) for each in taken[:-1])


async def test_a_change_that_was_not_read_yet_is_not_told_again():
    """R43 of the peers' failures: thousands of listeners that do not read, and as many changes."""
    stream = Stream()
    stream.attach()
    listed, updated = Change("notifications/tools/list_changed", None), Change("notifications/resources/updated", "a:b")
    for _ in range(3):
        stream.put(b"listed", listed)
        stream.put(b"updated", updated)
    assert [event.data for event in stream.take()] == [b"listed", b"updated"]

    stream.put(b"listed again", listed)
    assert [event.data for event in stream.take()] == [b"listed again"]


async def test_log_messages_that_were_dropped_are_counted_and_told():
    stream = Stream()
    stream.attach()
    for number in range(HIGH_WATER_EVENTS + 50):
        stream.put(b"%d" % number, LOG)
    told, first, *_, last = stream.take()

    assert "50 log messages were dropped" in json.loads(told.data)["params"]["data"]
    assert (first.data, last.data) == (b"50", b"%d" % (HIGH_WATER_EVENTS + 49)), "the oldest went"


async def test_who_comes_back_is_told_again_of_log_messages_that_were_dropped():
    """What tells of them has no id: its reader may have left before it came."""
    stream = Stream(keeps=True)
    stream.attach()
    for number in range(HIGH_WATER_EVENTS + 5):
        stream.put(b"%d" % number, LOG)
    stream.put(b"answer")
    first = stream.take()
    assert b"5 log messages were dropped" in first[0].data

    for _ in range(2):
        assert stream.rewind(0)
        assert [event.data for event in stream.take()] == [event.data for event in first]
    assert stream.rewind(first[1].number)
    assert [event.data for event in stream.take()] == [event.data for event in first[2:]]


async def test_what_cannot_be_dropped_has_a_limit(monkeypatch):
    monkeypatch.setattr(streams, "HARD_LIMIT_EVENTS", 100)
    stream = Stream()
    for _ in range(100):
        stream.put(b"question")
    with pytest.raises(ConnectionLost, match="does not read"):
        stream.put(b"question")


async def test_a_report_waits_for_its_reader_once_and_not_for_ever(autojump_clock):
    """A handler is not held for ever by a client that does not read; its reports give way to newer ones instead."""
    stream = Stream()
    stream.attach()
    for _ in range(2 * HIGH_WATER_EVENTS):
        stream.put(b"x", LOG)
    await stream.room()
    assert trio.current_time() == pytest.approx(ROOM_SECONDS)
    await stream.room()
    assert trio.current_time() == pytest.approx(ROOM_SECONDS)


async def test_room_comes_with_reading(autojump_clock):
    stream = Stream()
    stream.attach()
    for _ in range(HIGH_WATER_EVENTS):
        stream.put(b"x")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.room)
        await trio.testing.wait_all_tasks_blocked()
        stream.take()

    assert trio.current_time() == 0


async def test_a_new_reader_dismisses_the_old_one():
    stream = Stream(keeps=True)
    old = stream.attach()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.wait, old, 1e9)
        await trio.testing.wait_all_tasks_blocked()
        new = stream.attach()

    assert stream.over(old)
    assert not stream.over(new)


@given(st.lists(st.sampled_from(["put", "progress", "log", "take", "trim", "rewind"]), max_size=60), st.data())
def test_a_kept_stream_repeats_exactly_what_came_after_the_event_or_tells_of_a_gap(steps, data):
    """The whole promise of resumption, over any history."""
    spent = []
    stream = Stream(keeps=True, spend=spent.append)
    stream.attach()
    put: dict[int, bytes] = {}
    for step in steps:
        if step in ("put", "progress", "log"):
            body = b"x" * data.draw(st.integers(0, 3))
            stream.put(body, {"put": None, "progress": PROGRESS, "log": LOG}[step])
            put[len(put) + 1] = body
        elif step == "take":
            stream.take()
        elif step == "trim" and stream.kept:
            stream.trim()
        elif step == "rewind":
            after = data.draw(st.integers(0, stream.handed_to))
            complete = stream.rewind(after)
            again = numbers(stream.take())
            if complete:
                assert again == [number for number in put if number > after]
            else:
                assert again == [number for number in put if number > max(after, stream.lost_to)]
        assert sum(spent) == sum(len(event.data) for event in stream.events)
        assert 0 <= stream.kept <= len(stream.events)
        assert stream.unread + stream.kept <= len(stream.events)


# ------------------------------------------------------------------------------------------------ many streams
def test_what_is_kept_of_a_session_is_bounded():
    replay = Replay()
    for _ in range(100):
        number, stream = replay.open()
        reader = stream.attach()
        for _ in range(20):
            stream.put(b"x" * 1000)
        stream.end()
        stream.take()
        stream.detach(reader)
        replay.finished(number)
        replay.trim()

    assert replay.spent <= REPLAY_BYTES
    assert sum(stream.kept for stream in replay.streams.values()) <= REPLAY_EVENTS
    assert len(replay.streams) <= REPLAY_STREAMS
    assert replay.spent == sum(len(event.data) for each in replay.streams.values() for event in each.events)


def test_what_was_not_sent_is_not_let_go():
    replay = Replay()
    _, stream = replay.open()
    stream.put(b"x" * (2 * REPLAY_BYTES))
    replay.trim()

    assert stream.unread == 1


def test_what_is_on_its_way_is_not_let_go():
    """A connection that breaks while a large answer is sent loses nothing."""
    replay = Replay()
    _, stream = replay.open()
    reader = stream.attach()
    stream.put(b"x" * (2 * REPLAY_BYTES))
    stream.take()
    replay.trim()
    stream.detach(reader)

    assert stream.rewind(0)
    assert len(stream.take()) == 1


def test_answers_that_nobody_came_for_make_room_for_new_calls():
    replay = Replay()
    _, waiting = replay.open()
    for _ in range(2 * MAX_STREAMS):
        _, stream = replay.open()
        stream.put(b"answer")
        stream.end()

    assert len(replay.streams) == MAX_STREAMS
    assert waiting in replay.streams.values(), "a call in flight keeps its stream"


# ------------------------------------------------------------------------------------------------ header values
@given(st.text())
def test_any_text_travels_in_its_base64_form(text):
    assert decode_value("h", f"=?base64?{base64.b64encode(text.encode()).decode()}?=") == text


@given(st.text(max_size=40))
def test_any_value_is_read_or_refused_as_a_mismatch(text):
    try:
        assert isinstance(decode_value("h", text), str)
    except RPCError as error:
        assert error.code == -32020  # noqa: PT017 - it need not be refused


SCHEMA = {
    "properties": {
        "where": {"properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
        "list": {"items": {"properties": {"deep": {"x-mcp-header": "Deep"}}}},
        "bad": {"x-mcp-header": "no spaces"},
        "flag": {"type": "boolean", "x-mcp-header": "Flag"},
    }
}


def test_parameters_are_found_at_any_depth_that_names_alone_lead_to():
    assert [(each.header, each.path) for each in mirrored(SCHEMA)] == [
        ("mcp-param-region", ("where", "region")),
        ("mcp-param-flag", ("flag",)),
    ]


@pytest.mark.parametrize(
    ("arguments", "headers", "refused"),
    [
        ({"where": {"region": "x"}, "flag": True}, {"mcp-param-region": "x", "mcp-param-flag": "true"}, False),
        ({"flag": True}, {"mcp-param-flag": "True"}, True),
        ({"flag": False}, {"mcp-param-flag": "false"}, False),
        ({"where": "text"}, {}, False),
        ("no object", {}, False),
        (None, {"mcp-param-flag": "true"}, True),
    ],
)
def test_nested_and_boolean_parameters_are_compared(arguments, headers, refused):
    pairs = Headers([(name.encode(), value.encode()) for name, value in headers.items()])
    if refused:
        with pytest.raises(RPCError):
            check_params(pairs, mirrored(SCHEMA), arguments)
    else:
        check_params(pairs, mirrored(SCHEMA), arguments)


def test_a_schema_without_end_is_searched_to_its_limit():
    schema: dict = {}
    schema["properties"] = {"again": schema}

    assert mirrored(schema) == []
