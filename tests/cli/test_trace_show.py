"""`zcp-actors trace show` and `trace join`: what is drawn, what is left out, and files that are no traces."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from pathlib import Path

import pytest
from hand_made import BEGAN, Maker
from hypothesis import given
from hypothesis import strategies as st
from jaeger_model import checked

from zcp_actors.cli.commands import run
from zcp_actors.cli.trace_file import NoTrace, Span, read_spans
from zcp_actors.cli.trace_show import read_duration
from zcp_actors.cli.trace_tree import MAX_DEPTH, traces_of
from zcp_actors.telemetry.jaeger_file import JaegerFile, SpanLines


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.json"


@pytest.fixture
def story(path):
    file = JaegerFile(path)
    Maker(file).story()
    file.shutdown()
    return path


@pytest.fixture
def outcome(capsys, monkeypatch):
    """Run the command line in this process: (exit code, lines of standard output, standard error)."""
    monkeypatch.setenv("COLUMNS", "100")

    def go(*words: object) -> tuple[int, list[str], str]:
        capsys.readouterr()
        code = run(["trace", *map(str, words)])
        said = capsys.readouterr()
        return code, [line.rstrip() for line in said.out.splitlines()], said.err

    return go


def drawn(lines: list[str]) -> list[tuple[str, str, str]]:
    """Name, bar and duration of every span."""
    found = []
    for line in lines:
        bar = "".join(c for c in line if c in "█░")
        if bar:
            name, _, time = line.replace(bar, "\0").partition("\0")
            found.append((name.rstrip(), bar, time.strip()))
    return found


def test_the_tree_shows_names_bars_and_durations(outcome, story):
    code, lines, err = outcome("show", story)

    assert (code, err) == (0, "")
    assert [(name, time) for name, _, time in drawn(lines)] == [
        ("agent run", "5.00 s"),
        ("├─ tools/call publish", "4.80 s"),
        ("│  ├─ ✗ sampling/createMessage [timeout]", "500 ms"),
        ("│  └─ wait_for elicitation/create", "3.20 s"),
        ("└─ ✗ tools/call typeset [cancelled]", "1.10 s"),
        ("tools/list", "1.0 ms"),
    ]


def test_the_headline_counts_spans_failures_and_the_time_that_was_waited(outcome, story):
    _, lines, _ = outcome("show", story)

    trace = checked(story.read_bytes())[0]["traceID"]
    headline = " ".join(lines[:2])
    assert headline.startswith(f"trace {trace} · 5 spans · 2 spans not well · 5.00 s · waited 3.20 s · ")


def test_a_wait_is_told_from_work_and_stands_where_it_was(outcome, story):
    _, lines, _ = outcome("show", story)

    bars = {name.lstrip("│├└─ "): bar for name, bar, _ in drawn(lines)}
    whole = next(line for line in lines if line.startswith("agent run"))
    wait = next(line for line in lines if "wait_for" in line)
    assert set(bars["wait_for elicitation/create"]) == {"░"}
    assert set(bars["tools/call publish"]) == {"█"}
    assert wait.index("░") - whole.index("█") == pytest.approx(len(bars["agent run"]) / 5, abs=1)
    assert len(bars["wait_for elicitation/create"]) == pytest.approx(len(bars["agent run"]) * 3.2 / 5, abs=2)


@pytest.mark.parametrize("name", ["task.input_required", "task.queued", "wait_for capacity", "wait_for"])
def test_everything_that_is_a_wait_by_its_name_is_drawn_as_one(name):
    assert Span("t", "s", name, 0, 1).waits
    assert not Span("t", "s", "task.working", 0, 1).waits


def test_why_it_failed_and_what_it_is_linked_to_stand_below(outcome, story):
    _, lines, _ = outcome("show", story)

    below = {line.split(" [")[0].lstrip("│├└─ "): lines[number + 1] for number, line in enumerate(lines[:-1])}
    assert below["✗ sampling/createMessage"].strip(" │") == "nothing in 0.5 s"
    assert below["✗ tools/call typeset"].strip() == "→ cancelled_by: wait_for elicitation/create"


def test_what_is_said_of_a_span_does_not_cut_the_line_to_its_children(outcome, path):
    file = JaegerFile(path)
    maker = Maker(file)
    first = maker.span("first")
    outer = maker.span("outer", 1, 3, parent=first, links={"continues": first})
    maker.span("inner", 2, 3, parent=outer)
    file.shutdown()

    _, lines, _ = outcome("show", path)

    assert lines[3] == "   │  → continues: first"


def test_a_link_into_another_trace_names_it(outcome, path):
    file = JaegerFile(path)
    maker = Maker(file)
    call = maker.span("tools/call slow")
    maker.span("task slow", 0, 9, links={"created_by": call})
    file.shutdown()

    _, lines, _ = outcome("show", path)

    trace = f"{call.get_span_context().trace_id:032x}"
    assert f"→ created_by: tools/call slow in trace {trace[:8]}" in "\n".join(lines)


def test_errors_keeps_what_failed_and_what_encloses_it(outcome, story):
    code, lines, _ = outcome("show", story, "--errors")

    assert code == 0
    assert [name for name, _, _ in drawn(lines)] == [
        "agent run",
        "├─ tools/call publish",
        "│  └─ ✗ sampling/createMessage [timeout]",
        "└─ ✗ tools/call typeset [cancelled]",
    ]
    assert "1 hidden" in " ".join(lines)


def test_min_duration_hides_what_was_faster(outcome, story):
    _, lines, _ = outcome("show", story, "--min-duration", "2s")

    assert [name for name, _, _ in drawn(lines)] == [
        "agent run",
        "└─ tools/call publish",
        "   └─ wait_for elicitation/create",
    ]


def test_a_trace_is_chosen_by_the_beginning_of_its_id(outcome, story):
    last = checked(story.read_bytes())[1]["traceID"]

    code, lines, _ = outcome("show", story, "--trace", last[:12])

    assert code == 0
    assert [name for name, _, _ in drawn(lines)] == ["tools/list"]


def test_filters_that_leave_nothing_say_so(outcome, story):
    assert outcome("show", story, "--min-duration", "1h", "--errors") == (
        0,
        [],
        "no span failed and took at least 1h\n",
    )


def test_of_many_traces_the_longest_are_drawn_in_the_order_of_time(outcome, path):
    file = JaegerFile(path)
    maker = Maker(file)
    for number in range(30):
        maker.span(f"call {number}", number, number + 0.1 * (1 + number % 3))
    file.shutdown()

    _, some, _ = outcome("show", path)
    _, whole, _ = outcome("show", path, "--all")

    names = [name for name, _, _ in drawn(some)]
    assert len(names) == 20
    assert not any(int(name.split()[1]) % 3 == 0 for name in names)
    assert names == sorted(names, key=lambda name: int(name.split()[1]))
    assert some[-1] == "10 shorter traces are not shown; --all shows them"
    assert len(drawn(whole)) == 30


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_no_line_is_longer_than_the_terminal(outcome, story, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))

    _, lines, _ = outcome("show", story)

    assert max(map(len, lines)) <= width
    assert any("5.00 s" in line for line in lines)


def test_a_pipe_gets_no_colours(outcome, story):
    _, lines, _ = outcome("show", story)

    assert "\x1b" not in "".join(lines)


def test_a_terminal_gets_colours_unless_told_otherwise(outcome, story, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")

    assert "\x1b[31m" in "".join(outcome("show", story)[1])
    assert "\x1b[31m" not in "".join(outcome("show", story, "--no-color")[1])


def test_a_terminal_of_ascii_is_drawn_in_ascii(story, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "100")
    with (tmp_path / "said").open("w", encoding="ascii") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert run(["trace", "show", str(story)]) == 0

    said = (tmp_path / "said").read_text()
    assert "|- tools/call publish" in said
    assert "......" in said


def test_a_part_file_of_a_killed_program_is_shown(outcome, path):
    lines = SpanLines(path)
    Maker(lines).story()
    lines.shutdown()
    path.write_bytes(path.read_bytes()[:-5])

    code, shown, _ = outcome("show", path)

    assert code == 0
    assert len(drawn(shown)) == 5


def test_a_span_whose_parent_is_not_there_is_shown_and_said_to_lack_it(outcome, story):
    document = json.loads(story.read_bytes())
    document["data"][0]["spans"] = [
        span for span in document["data"][0]["spans"] if span["operationName"] != "agent run"
    ]
    story.write_text(json.dumps(document))

    _, lines, _ = outcome("show", story)

    assert sum("(its parent is elsewhere)" in line for line in lines) == 2


def test_a_service_is_named_where_it_takes_over(outcome, path, tmp_path):
    mine, theirs = JaegerFile(path), JaegerFile(tmp_path / "other.json")
    call = Maker(mine, "host").span("call")
    server = Maker(theirs, "server")
    server.span("work", 0.2, 0.8, parent=server.span("serve", 0.1, 0.9, parent=call))
    mine.shutdown()
    theirs.shutdown()

    _, lines, _ = outcome("show", path, tmp_path / "other.json")

    assert [name for name, _, _ in drawn(lines)] == ["call (host)", "└─ serve (server)", "   └─ work"]


def test_what_a_terminal_would_obey_is_not_printed(outcome, path):
    file = JaegerFile(path)
    Maker(file).span("\x1b[2Jname\nof two lines", error="\x1b]0;title\x07")
    file.shutdown()

    _, lines, _ = outcome("show", path)

    assert "\x1b" not in "".join(lines)
    assert drawn(lines)[0][0].startswith("✗ �[2Jname of two lines")


def test_a_ring_of_parents_and_a_deep_nest_are_drawn():
    ring = [Span("t", str(n), f"n{n}", n, 1, parent=str((n + 1) % 3)) for n in range(3)]
    deep = [Span("u", str(n), f"n{n}", n, 1, parent=str(n - 1) if n else None) for n in range(5000)]

    found = {trace.id: trace for trace in traces_of([*ring, *deep])}

    assert {row.span.name for row in found["t"].rows} == {"n0", "n1", "n2"}
    assert [row.span.name for row in found["u"].rows] == [f"n{n}" for n in range(5000)]
    # Each level told of by each row would be the square of them.
    assert max(len(row.last) for row in found["u"].rows) == MAX_DEPTH


def test_what_a_trace_is_as_a_whole_is_found_out_once():
    """A row asks for it: of a hundred thousand each would look at all."""
    (trace,) = traces_of([Span("t", str(n), "n", n, 1) for n in range(3)])

    assert trace.spans is trace.spans
    assert (trace.start, trace.end, trace.duration) == (0, 3, 3)


@pytest.mark.parametrize("width", [30, 80, 200, 400])
def test_the_name_of_a_span_is_seen_however_deep_it_stands(outcome, path, monkeypatch, width):
    file = JaegerFile(path)
    maker, above = Maker(file), None
    for number in range(60):
        above = maker.span(f"level{number}", parent=above)
    file.shutdown()
    monkeypatch.setenv("COLUMNS", str(width))

    _, lines, _ = outcome("show", path)

    names = [line for line in lines if "level" in line]
    assert [re.search(r"level\d+", line)[0] for line in names] == [f"level{number}" for number in range(60)]
    assert max(map(len, names)) <= width
    assert names[-1].startswith("…")


@pytest.mark.parametrize(
    "form",
    [
        lambda traces: json.dumps({"data": traces}),
        lambda traces: "\ufeff" + json.dumps({"data": traces}),
        json.dumps,
        lambda traces: "\n".join(map(json.dumps, traces)) + "\n",
        lambda traces: "\n".join(json.dumps({"data": trace}) for trace in traces),
    ],
    ids=["as Jaeger answers", "with a mark of its encoding", "a list", "a trace a line", "an answer a line"],
)
def test_every_form_that_the_jaeger_ui_opens_is_shown_and_joined(outcome, story, tmp_path, form):
    """`readJsonFile` and `FileLoader` of Jaeger UI 2.20."""
    other, whole = tmp_path / "other.json", tmp_path / "whole.json"
    other.write_text(form(json.loads(story.read_bytes())["data"]), encoding="utf-8")

    assert outcome("show", other)[1] == outcome("show", story)[1]
    assert outcome("join", whole, other)[0] == 0
    assert outcome("show", whole)[1] == outcome("show", story)[1]


def test_the_time_waited_counts_overlapping_waits_once():
    waits = [
        Span("t", str(n), "wait_for x", begin, length) for n, (begin, length) in enumerate([(0, 10), (5, 10), (40, 5)])
    ]

    (trace,) = traces_of(waits)

    assert trace.waited == 20


GOOD = {"traceID": "a", "spanID": "b", "operationName": "c", "startTime": 1, "duration": 1}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{]", "not JSON"),
        ("\x00\xff", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("7", "data should be a list, not int '7'"),
        ('{"resourceSpans": []}', "this is OTLP"),
        ('{"data": {}}', "'spans' of a trace should be a list, not missing"),
        ('{"data": 7}', "data should be a list, not int '7'"),
        ('{"resourceSpans": []}\n{"resourceSpans": []}', "this is OTLP"),
        ('{"data": [1]}', "a trace should be an object, not int '1'"),
        ('{"data": [{}]}', "'spans' of a trace should be a list, not missing"),
        ('{"data": [{"spans": [{}]}]}', "'traceID' should be text, not missing"),
        (json.dumps({"spans": [{**GOOD, "startTime": "x"}]}), "'startTime' should be a number of microseconds"),
        (json.dumps({"spans": [{**GOOD, "duration": -1}]}), "'duration' should be a number of microseconds"),
        (json.dumps({"spans": [{**GOOD, "duration": 1e300}]}), "'duration' should be a number of microseconds"),
        (json.dumps({"spans": [{**GOOD, "tags": {"a": 1}}]}), "'tags' of a span should be a list"),
        (json.dumps({"spans": [{**GOOD, "references": [None]}]}), "a reference should be an object"),
        (json.dumps({"spans": [GOOD], "processes": []}), ""),
        (json.dumps({"spans": [GOOD], "processes": {"p1": 7}}), "a process should be an object"),
    ],
)
def test_a_file_that_is_no_trace_is_refused_in_one_line(outcome, path, text, why):
    path.write_text(text, encoding="latin-1")

    code, _, err = outcome("show", path)

    if why:
        assert code == 2
        assert err.startswith(f"zcp-actors: error: {path} is no trace file of Jaeger's JSON: {why}")
        assert err.count("\n") == 1
    else:
        assert code == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*GOOD, "spans", "data", "tags", "references", "key", "process"]), inner)
    ),
    max_leaves=12,
)


@given(document=json_values)
def test_any_json_is_read_or_refused(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("any") / "any.json"
    path.write_text(json.dumps(document))
    with contextlib.suppress(NoTrace):
        traces_of(read_spans([path]))


def test_a_missing_file_is_named_and_what_a_killed_run_left_of_it(outcome, path):
    assert outcome("show", path)[2] == f"zcp-actors: error: there is no file {path}\n"
    SpanLines(path.with_name("out.json.77.part")).shutdown()

    code, _, err = outcome("show", path)

    assert code == 2
    assert "out.json.77.part, which can be shown too" in err


def test_a_folder_and_an_empty_document_are_refused(outcome, path, tmp_path):
    path.write_text('{"data": []}')

    assert "cannot be read: Is a directory" in outcome("show", tmp_path)[2]
    assert f"there is no span in {path}" in outcome("show", path)[2]


def test_an_id_that_no_trace_has_is_refused(outcome, story):
    assert outcome("show", story, "--trace", "zz")[::2] == (
        2,
        "zcp-actors: error: no trace has an id that begins with 'zz'\n",
    )


@pytest.mark.parametrize(("text", "micros"), [("10ms", 10_000), ("1.5s", 1_500_000), ("250us", 250), ("2", 2_000_000)])
def test_a_duration_is_read_with_its_unit(text, micros):
    assert read_duration(text) == micros


def test_a_duration_that_is_none_is_refused_before_the_file_is_read(outcome):
    code, _, err = outcome("show", "nowhere", "--min-duration", "soon")

    assert code == 2
    assert "expected a time such as 10ms, 1.5s or 250us, got 'soon'" in err


def test_join_makes_one_file_of_finished_files_and_parts(outcome, path, story, tmp_path):
    part = SpanLines(tmp_path / "other.part")
    Maker(part, "other").span("alone")
    part.shutdown()
    whole = tmp_path / "all.json"

    code, lines, _ = outcome("join", whole, story, part.path)

    assert (code, lines) == (0, [f"7 spans in {whole}"])
    assert len(checked(whole.read_bytes())) == 3
    assert {span.service for span in read_spans([whole])} == {"agent", "other"}


def test_join_does_not_touch_its_target_when_a_file_is_wrong(outcome, story, tmp_path):
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{]")
    before = story.read_bytes()

    assert outcome("join", story, story, wrong)[0] == 2
    assert story.read_bytes() == before


def test_times_are_read_in_microseconds(story):
    spans = {span.name: span for span in read_spans([Path(story)])}

    assert (spans["agent run"].start, spans["agent run"].duration) == (BEGAN // 1000, 5_000_000)
