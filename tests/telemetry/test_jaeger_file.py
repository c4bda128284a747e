"""Traces in a file for the Jaeger UI: the shape of the document, and what survives when things go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
from hand_made import BEGAN, Maker
from hypothesis import given
from hypothesis import strategies as st
from jaeger_model import checked, tags_of
from opentelemetry.sdk.trace.export import SpanExportResult

from zcp_actors.telemetry.jaeger_file import PART, JaegerFile, SpanLines, join_parts
from zcp_actors.telemetry.jaeger_span import tag


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.json"


def named(path: Path) -> dict[str, dict]:
    return {span["operationName"]: span for trace in checked(path.read_bytes()) for span in trace["spans"]}


def test_the_document_is_of_jaegers_model(path):
    file = JaegerFile(path)
    Maker(file).story()
    file.shutdown()

    traces = checked(path.read_bytes())

    assert [len(trace["spans"]) for trace in traces] == [5, 1]
    assert (file.written, file.failure) == (6, None)


def test_times_are_microseconds_and_a_span_ends_where_it_did(path):
    file = JaegerFile(path)
    maker = Maker(file)
    outer = maker.span("outer", 0.000_000_9, 1.000_001_1)
    maker.span("inner", 0.000_001_8, 1.000_001_0, parent=outer)
    file.shutdown()

    outer, inner = named(path)["outer"], named(path)["inner"]

    assert (outer["startTime"], outer["duration"]) == (BEGAN // 1000, 1_000_001)
    assert inner["startTime"] + inner["duration"] == outer["startTime"] + outer["duration"]


def test_parents_and_links_are_the_two_kinds_of_references(path):
    file = JaegerFile(path)
    Maker(file).story()
    file.shutdown()

    spans = named(path)
    cancelled, asked, agent = (
        spans[name] for name in ("tools/call typeset", "wait_for elicitation/create", "agent run")
    )

    assert cancelled["references"] == [
        {"refType": "CHILD_OF", "traceID": agent["traceID"], "spanID": agent["spanID"]},
        {"refType": "FOLLOWS_FROM", "traceID": asked["traceID"], "spanID": asked["spanID"]},
    ]
    assert tags_of(cancelled)["link.1.zcp.link.type"] == "cancelled_by"
    assert agent["references"] == []


def test_an_error_and_a_kind_are_tags_that_jaeger_knows(path):
    file = JaegerFile(path)
    Maker(file).story()
    file.shutdown()

    spans = named(path)
    failed, good = tags_of(spans["sampling/createMessage"]), tags_of(spans["tools/call publish"])

    assert (failed["error"], failed["otel.status_code"]) == (True, "ERROR")
    assert failed["otel.status_description"] == "nothing in 0.5 s"
    assert good["span.kind"] == "client"
    assert "error" not in good


def test_an_event_is_a_log_and_a_resource_is_a_process(path):
    file = JaegerFile(path)
    maker = Maker(file, "desk")
    span = maker.tracer.start_span("eventful", start_time=BEGAN)
    span.add_event("ticked", {"count": 2}, timestamp=BEGAN + 3000)
    span.end(BEGAN + 9000)
    file.shutdown()

    (trace,) = checked(path.read_bytes())

    assert trace["spans"][0]["logs"] == [
        {
            "timestamp": BEGAN // 1000 + 3,
            "fields": [
                {"key": "event", "type": "string", "value": "ticked"},
                {"key": "count", "type": "int64", "value": 2},
            ],
        }
    ]
    assert trace["processes"] == {
        "p1": {"serviceName": "desk", "tags": [{"key": "process.pid", "type": "int64", "value": 7}]}
    }


def test_what_the_sdk_cut_off_is_a_warning(path):
    file = JaegerFile(path)
    span = Maker(file).tracer.start_span("loud", start_time=BEGAN)
    for number in range(200):
        span.add_event(str(number), timestamp=BEGAN)
    span.end(BEGAN)
    file.shutdown()

    assert named(path)["loud"]["warnings"] == ["72 events are not here: a limit of the SDK"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, ("bool", True)),
        (7, ("int64", 7)),
        (2**53, ("int64", "9007199254740992")),
        (0.5, ("float64", 0.5)),
        (float("nan"), ("string", "nan")),
        ("text", ("string", "text")),
        (b"\x00\xff", ("binary", "AP8=")),
        ((1, "ü"), ("string", '[1, "ü"]')),
        (None, ("string", "None")),
    ],
)
def test_a_tag_says_its_type(value, expected):
    """model/json of Jaeger; whole numbers that a browser cannot hold are text there, too."""
    assert tuple(tag("key", value).values()) == ("key", *expected)


scalars = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(), st.binary())


@given(attributes=st.dictionaries(st.text(min_size=1), st.one_of(scalars, st.lists(st.text()))), name=st.text())
def test_whatever_a_span_carries_the_document_is_of_jaegers_model(tmp_path_factory, attributes, name):
    path = tmp_path_factory.mktemp("any") / "out.json"
    file = JaegerFile(path)
    span = Maker(file).tracer.start_span(name, attributes=attributes)
    span.end()
    file.shutdown()

    (trace,) = checked(path.read_bytes())

    assert trace["spans"][0]["operationName"] == name


def test_half_a_character_costs_no_other_span(path):
    """Python has such text, from JSON that a model wrote; UTF-8 has none."""
    file = JaegerFile(path)
    tracer = Maker(file).tracer
    tracer.start_span("bad \ud800", attributes={"list \udfff": ["\ud800"], "good": "ü😀"}).end()
    tracer.start_span("good").end()
    file.shutdown()

    found = named(path)
    assert found.keys() == {"bad �", "good"}
    assert tags_of(found["bad �"])["good"] == "ü😀"


def test_nothing_is_at_the_path_before_the_end_and_the_part_is_gone_after_it(path):
    path.write_text("an earlier run")
    file = JaegerFile(path)
    Maker(file).story()

    before, part = path.read_text(), file.part.exists()
    file.shutdown()

    assert (before, part) == ("an earlier run", True)
    assert [each.name for each in path.parent.iterdir()] == ["out.json"]
    checked(path.read_bytes())


def test_shutting_down_twice_is_shutting_down_once(path):
    file = JaegerFile(path)
    Maker(file).story()
    file.shutdown()
    first = path.read_bytes()
    file.shutdown()

    assert path.read_bytes() == first
    assert file.export([]) is SpanExportResult.FAILURE


def test_a_full_file_keeps_the_first_spans_and_says_how_many_are_missing(path):
    file = JaegerFile(path, max_spans=4)
    Maker(file).story()
    file.shutdown()

    (trace,) = checked(path.read_bytes())

    assert file.written == 4
    assert trace["warnings"] == ["2 spans are missing: this file holds no more"]


KILLED = """
import os, signal, sys
from pathlib import Path
from hand_made import Maker
from zcp_actors.telemetry.jaeger_file import JaegerFile
file = JaegerFile(Path(sys.argv[1]))
Maker(file).story()
print(file.part, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_program_leaves_every_span_in_its_part_file(path):
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)])},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    part = Path(done.stdout.strip())

    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    assert join_parts([part], path) == 6
    assert len(named(path)) == 6


def test_a_line_that_was_cut_off_costs_only_itself(path):
    lines = SpanLines(path.with_name("x.part"))
    Maker(lines).story()
    lines.shutdown()
    whole = lines.path.read_bytes()
    lines.path.write_bytes(whole[:-10])

    assert join_parts([lines.path], path) == 5
    checked(path.read_bytes())


def test_parts_of_several_processes_become_one_trace(path, tmp_path):
    mine, theirs = SpanLines(tmp_path / "a.part"), SpanLines(tmp_path / "b.part")
    call = Maker(mine, "host").span("call")
    Maker(theirs, "server").span("serve", 0.1, 0.9, parent=call)
    for lines in (mine, theirs):
        lines.shutdown()

    assert join_parts([mine.path, theirs.path, theirs.path], path) == 2
    (trace,) = checked(path.read_bytes())
    services = {span["operationName"]: trace["processes"][span["processID"]] for span in trace["spans"]}
    assert {name: process["serviceName"] for name, process in services.items()} == {"call": "host", "serve": "server"}


def test_two_files_of_the_same_name_in_two_processes_do_not_share_a_part(path):
    file = JaegerFile(path)

    assert file.part.name == f"out.json.{os.getpid()}{PART}"
    file.shutdown()


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        JaegerFile(tmp_path / "none" / "out.json")


def test_when_the_document_cannot_be_put_in_place_the_part_stays(path):
    file = JaegerFile(path)
    Maker(file).story()
    path.mkdir()
    file.shutdown()

    assert isinstance(file.failure, OSError)
    assert file.part.exists()
    assert sorted(each.name for each in path.parent.iterdir()) == ["out.json", file.part.name]


def test_memory_does_not_grow_with_the_spans_of_a_file(path):
    """A span of the SDK has about 3 kB; five thousand that were kept would be fifteen megabytes."""
    file = JaegerFile(path)
    maker = Maker(file)
    maker.span("first")
    tracemalloc.start()
    try:
        for _ in range(5000):
            maker.span("another")
        file.shutdown()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert file.written == 5001
    assert most < 2_000_000


class Full:
    """A disk that takes nothing."""

    def write(self, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    def close(self) -> None: ...


def test_a_full_disk_loses_spans_and_nothing_else(path):
    file = JaegerFile(path)
    file._lines._file.close()
    file._lines._file = Full()
    Maker(file).story()
    file.shutdown()

    assert file.failure.strerror == "No space left on device"
    assert json.loads(path.read_bytes())["data"] == []


class NearlyFull(Full):
    """A disk that takes the first bytes of one write."""

    def __init__(self, file) -> None:
        self.file, self.pieces = file, []

    def write(self, data: bytes) -> int:
        self.pieces.append(data)
        return self.file.write(data[:100] if len(self.pieces) == 2 else data)

    def close(self) -> None:
        self.file.close()


def test_a_write_that_was_torn_does_not_spoil_the_next(path):
    file = JaegerFile(path)
    maker = Maker(file)
    file._lines._file = NearlyFull(file._lines._file)
    for name in ("first", "torn", "next"):
        maker.span(name)
    file.shutdown()

    assert set(named(path)) == {"first", "next"}
    assert file.failure.strerror == "No space left on device"


def test_spans_of_many_threads_are_all_written_whole(path):
    file = JaegerFile(path)
    maker = Maker(file)
    threads = [threading.Thread(target=lambda: [maker.span("x") for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.shutdown()

    assert file.written == 400
    checked(path.read_bytes())
