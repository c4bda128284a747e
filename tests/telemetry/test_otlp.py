"""Spans sent to a collector: the same as were recorded, and a collector that is gone or hangs harms nobody."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import click
import pytest
from hand_made import Maker
from jaeger_model import checked
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otlp_collector import Collector

from zcp_actors.cli.trace_sending import CLOSING, WOKEN, check_sending, collector_of, shown
from zcp_actors.cli.tracing import TraceOptions, Tracing, tracing

ENDING = 2.0
"""Seconds that an ending command may spend on its traces."""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    """Only what a test sets."""
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


@pytest.fixture
def dead():
    """The address of a collector that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def recorded(traces: Tracing) -> InMemorySpanExporter:
    """What the provider of a command records, beside what it sends."""
    memory = InMemorySpanExporter()
    traces.tracer_provider.add_span_processor(SimpleSpanProcessor(memory))
    return memory


def ids_of(memory: InMemorySpanExporter) -> list[tuple[str, str, str]]:
    return sorted(
        (
            f"{span.context.trace_id:032x}",
            f"{span.context.span_id:016x}",
            f"{span.parent.span_id:016x}" if span.parent else "",
        )
        for span in memory.get_finished_spans()
    )


def some_spans(traces: Tracing, count: int = 40) -> None:
    tracer = traces.tracer_provider.get_tracer("test")
    for number in range(count):
        with tracer.start_as_current_span(f"outer {number}"), tracer.start_as_current_span("inner"):
            pass


def test_what_arrives_is_what_was_recorded():
    with Collector() as collector:
        with tracing(TraceOptions(otlp=collector.url), "test") as traces:
            memory = recorded(traces)
            some_spans(traces)

        assert len(collector.spans) == 80
        assert collector.ids == ids_of(memory)
        assert collector.services == {"test"}
        assert set(collector.paths) == {"/v1/traces"}


def test_the_standard_variables_say_where_who_and_with_what(monkeypatch):
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "my-agent")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        with tracing(TraceOptions(), "test") as traces:
            some_spans(traces)

        assert len(collector.spans) == 80
        assert collector.services == {"my-agent"}
        assert {headers["x-key"] for headers in collector.headers} == {"secret"}


@pytest.mark.parametrize("typed", [True, False])
def test_metrics_are_sent_where_they_are_asked_for(monkeypatch, typed):
    with Collector() as collector:
        if not typed:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
        with tracing(TraceOptions(otlp=collector.url if typed else None), "test") as traces:
            traces.meter_provider.get_meter("test").create_counter("made").add(1)

        assert "/v1/metrics" in collector.paths


@pytest.mark.parametrize(
    "variables",
    [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}],
    ids=["none", "disabled", "no exporter"],
)
def test_nothing_is_made_where_nothing_is_wanted(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")

    with tracing(TraceOptions(), "test") as traces:
        assert traces.options == {}


@pytest.mark.parametrize(
    ("typed", "variables", "url"),
    [
        ("http://c:4318", {}, "http://c:4318/v1/traces"),
        ("http://c:4318/", {}, "http://c:4318/v1/traces"),
        ("https://c/base", {}, "https://c/base/v1/traces"),
        ("http://c:4318/v1/traces", {}, "http://c:4318/v1/traces"),
        (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1"}, "http://c:1/v1/traces"),
        (None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:1/x"}, "http://c:1/x"),
        ("http://a:1", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:1/x"}, "http://a:1/v1/traces"),
        (None, {"OTEL_TRACES_EXPORTER": "otlp"}, "http://localhost:4318/v1/traces"),
        (None, {"OTEL_TRACES_EXPORTER": "console"}, None),
    ],
)
def test_the_address_is_that_of_the_specification(monkeypatch, typed, variables, url):
    """OpenTelemetry, "OTLP Exporter Configuration": the path is added to the general address only."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert collector_of(typed) == url


@pytest.mark.parametrize("typed", ["localhost:4318", "grpc://c:4317", "", "http://", "http://[::1"])
def test_what_is_no_address_is_refused_in_one_line(typed):
    with pytest.raises(click.ClickException, match="--otlp: expected an address such as http://localhost:4318, got"):
        collector_of(typed)


def test_a_protocol_that_is_not_spoken_is_refused(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")

    with pytest.raises(click.ClickException, match="only http/protobuf is spoken here, mostly on port 4318"):
        check_sending("http://localhost:4317")


class Missing:
    """An importer that says that a package is not there."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, *more: object) -> None:
        if name == self.package or name.startswith(f"{self.package}."):
            raise ModuleNotFoundError(name)


@pytest.fixture(params=["opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.exporter.otlp.proto.http"])
def missing(request, monkeypatch):
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{request.param}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(request.param), *sys.meta_path])
    return request.param


def test_a_missing_extra_is_named_in_one_line(missing, tmp_path):
    options = TraceOptions(otlp="http://me:secret@127.0.0.1:9", file=tmp_path / "out.json")
    line = r'sending traces to http://127.0.0.1:9/v1/traces needs .* pip install "zcp-actors\[otlp\]"$'

    with pytest.raises(click.ClickException, match=line), tracing(options, "test"):
        raise AssertionError("the command was begun")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["opentelemetry.sdk"], indirect=True)
def test_a_trace_file_without_the_sdk_is_refused(missing, tmp_path):
    options = TraceOptions(file=tmp_path / "out.json")

    with pytest.raises(click.ClickException, match=r'pip install "zcp-actors\[telemetry\]"$'), tracing(options, "test"):
        raise AssertionError("the command was begun")


def test_a_variable_that_cannot_be_followed_costs_a_line_and_no_command(missing, monkeypatch, capsys):
    """Somebody's shell has it for other programs."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")

    with tracing(TraceOptions(), "test") as traces:
        assert traces.options == {}
    assert capsys.readouterr().err.startswith("zcp-actors: no traces are sent: sending traces to http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-5"),
    ],
)
def test_a_variable_that_the_sdk_refuses_costs_a_line_and_neither_command_nor_file(
    variable, value, monkeypatch, capsys, tmp_path
):
    """A batch larger than its queue, and a time before now, are errors of the SDK's."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv(variable, value)
    path = tmp_path / "out.json"

    with tracing(TraceOptions(file=path), "test") as traces:
        some_spans(traces, 1)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("zcp-actors: no traces are sent: the OTEL_* variables cannot be used: ")
    assert len(checked(path.read_bytes())) == 1

    options = TraceOptions(otlp="http://127.0.0.1:9")
    with pytest.raises(click.ClickException, match="cannot be used"), tracing(options, "test"):
        raise AssertionError("the command was begun")


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_METRICS_EXEMPLAR_FILTER", "foo"), ("OTEL_METRIC_EXPORT_INTERVAL", "-5")]
)
def test_a_variable_of_the_metrics_costs_a_line_and_no_span(variable, value, monkeypatch, capsys):
    """Spans were asked for where they are typed, and are sent; metrics are only asked for by a variable."""
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    monkeypatch.setenv(variable, value)
    with Collector() as collector:
        with tracing(TraceOptions(otlp=collector.url), "test") as traces:
            assert list(traces.options) == ["tracer_provider"]
            some_spans(traces, 1)
        assert len(collector.spans) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("zcp-actors: no metrics are sent: the OTEL_* variables cannot be used: ")


def test_a_limit_of_the_sdk_that_is_no_number_costs_a_line_and_no_command():
    """The SDK reads it when it is imported, so another process does."""
    code = """
from zcp_actors.cli.tracing import TraceOptions, tracing
with tracing(TraceOptions(), "test") as traces:
    print(traces.options)
"""
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "x"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **told}, capture_output=True, text=True, timeout=60, check=True
    )

    assert ran.stdout == "{}\n"
    (line,) = ran.stderr.splitlines()
    assert line.startswith("zcp-actors: no traces are sent: the OTEL_* variables cannot be used: ")


def test_what_the_sdk_remarks_of_a_variable_is_a_line_each(monkeypatch, capsys):
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "many")
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with tracing(TraceOptions(), "test") as traces:
            some_spans(traces, 1)
        assert len(collector.spans) == 2

    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith("zcp-actors: ") for line in lines)


def test_metrics_are_sent_without_traces(monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        with tracing(TraceOptions(), "test") as traces:
            assert list(traces.options) == ["meter_provider"]
            traces.meter_provider.get_meter("test").create_counter("counted").add(1)

        assert collector.paths == ["/v1/metrics"]


def test_an_exporter_of_another_kind_is_asked_for_in_vain(monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")

    assert collector_of(None) is None


def test_a_password_in_an_address_is_not_shown():
    assert shown("https://me:secret@c:1/v1/traces") == "https://c:1/v1/traces"
    with pytest.raises(click.ClickException) as raised:
        collector_of("me:secret@c:4318")
    assert "secret" not in raised.value.format_message()


@pytest.mark.parametrize("kind", ["hanging", "dead"])
def test_a_collector_that_is_no_help_ends_with_one_line_and_in_time(capsys, dead, kind):
    with Collector(hangs=True) as collector:
        url = collector.url if kind == "hanging" else dead
        with tracing(TraceOptions(otlp=url), "test") as traces:
            some_spans(traces)
            began = time.monotonic()
        seconds = time.monotonic() - began

    assert seconds < ENDING
    assert traces.complaints.lost
    assert CLOSING + WOKEN < ENDING
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"zcp-actors: traces did not all reach {url}/v1/traces: ")


def test_work_goes_on_while_a_collector_hangs():
    """More spans than a batch holds, so the exporter is stuck in its first request while the others are made."""
    with Collector(hangs=True) as collector, tracing(TraceOptions(otlp=collector.url), "test") as traces:
        memory = recorded(traces)
        some_spans(traces, 600)
        assert collector.asked.wait(30)
        some_spans(traces, 600)

        assert len(memory.get_finished_spans()) == 2400
        assert collector.spans == []


def test_a_hanging_collector_costs_less_than_the_spans_themselves():
    """The ratio is generous, for machines that do other work: what blocked would cost seconds for each batch."""

    def seconds(count: int, url: str) -> float:
        with tracing(TraceOptions(otlp=url), "test") as traces:
            began = time.monotonic()
            some_spans(traces, count)
            return time.monotonic() - began

    with Collector() as good, Collector(hangs=True) as hanging:
        seconds(200, good.url)
        least = min(seconds(2000, good.url) for _ in range(2))

        assert min(seconds(2000, hanging.url) for _ in range(2)) < 5 * least


def test_a_file_and_a_collector_get_the_same(tmp_path):
    with Collector() as collector:
        options = TraceOptions(otlp=collector.url, file=tmp_path / "out.json")
        with tracing(options, "test") as traces:
            some_spans(traces)
        spans = [span for trace in checked(options.file.read_bytes()) for span in trace["spans"]]

        assert sorted((span["traceID"], span["spanID"]) for span in spans) == [ids[:2] for ids in collector.ids]


def test_a_file_is_written_while_the_collector_hangs(tmp_path):
    with Collector(hangs=True) as collector:
        options = TraceOptions(otlp=collector.url, file=tmp_path / "out.json")
        with tracing(options, "test") as traces:
            some_spans(traces)

    assert sum(len(trace["spans"]) for trace in checked(options.file.read_bytes())) == 80


def test_a_file_is_written_when_the_command_fails(tmp_path):
    options = TraceOptions(file=tmp_path / "out.json")
    with pytest.raises(RuntimeError, match="boom"), tracing(options, "test") as traces:
        some_spans(traces)
        raise RuntimeError("boom")

    assert options.file.exists()


def test_a_trace_file_that_cannot_be_made_is_refused_at_once(tmp_path):
    options = TraceOptions(file=tmp_path / "none" / "out.json")
    with (
        pytest.raises(click.ClickException, match="cannot be made: No such file or directory"),
        tracing(options, "test"),
    ):
        raise AssertionError("the command was begun")


def test_a_trace_file_that_cannot_be_written_in_the_end_is_said(tmp_path):
    options = TraceOptions(file=tmp_path / "out.json")
    with (
        pytest.raises(click.ClickException, match="could not be written: Is a directory"),
        tracing(options, "test") as traces,
    ):
        some_spans(traces)
        options.file.mkdir()


def test_spans_of_a_child_that_is_killed_are_in_the_folder_of_its_parent(tmp_path, monkeypatch):
    monkeypatch.setenv("ZCP_ACTORS_TRACE_PARTS", str(tmp_path))
    with tracing(TraceOptions(), "child") as traces:
        some_spans(traces, 3)

        (part,) = tmp_path.glob("*.part")
        assert part.read_bytes().count(b"operationName") == 6


def test_hand_made_spans_and_the_collector_agree_on_links():
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    with Collector() as collector:
        maker = Maker(OTLPSpanExporter(endpoint=f"{collector.url}/v1/traces"))
        maker.story()
        maker.provider.shutdown()

        linked = {span.name: [link.span_id.hex() for link in span.links] for span in collector.spans if span.links}
        asked = next(span for span in collector.spans if span.name == "wait_for elicitation/create")
        assert linked == {"tools/call typeset": [asked.span_id.hex()]}
