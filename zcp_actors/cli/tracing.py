"""
Where the spans of a command go: a file for the Jaeger UI, a collector, both, or nowhere.

Owns the providers of the OpenTelemetry SDK for the time of one command, and the reading of those `OTEL_*` variables
that say whether to export at all; the SDK and its exporter read the others. Refuses to know what is traced. The rule
that keeps it honest: nothing is set globally, and a collector that is gone delays the end by `CLOSING` seconds at most.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs
import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import TracerProvider

CLOSING = 1.25
"""Seconds in which what is left may still reach a collector when a command ends; two are promised for all of it."""

WOKEN = 0.25
"""Seconds for an exporter to end that was told not to try again."""

QUEUE = 32_768
"""Spans that wait for a collector. The SDK's 2048 are outrun by a second of work; these are 100 MB at the worst."""

FILE_DELAY = 100.0
"""Milliseconds after which a span is on disk: what a program that is killed may lose."""

PARTS_FOLDER = "ZCP_ACTORS_TRACE_PARTS"
"""Environment variable: write spans into a part file of this folder, for the process that started this one to join."""

DEFAULT = "http://localhost:4318"
"""Where collectors, and Jaeger, listen for OTLP over HTTP on the same machine."""

_ALL, _TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_PATH = "/v1/traces"
_INHERITED = ("OTEL_EXPORTER_OTLP_", "OTEL_TRACES_", "OTEL_METRICS_", "OTEL_BSP_")
_INSTALL = 'pip install "zcp-actors[{}]"'


@attrs.frozen(kw_only=True)
class TraceOptions:
    """What was typed."""

    file: Path | None = None
    otlp: str | None = None
    also: tuple[Path, ...] = ()
    """Folders in which other processes leave part files for the same document."""


@attrs.define
class Tracing:
    """Where spans go while a command runs."""

    tracer_provider: TracerProvider | None = None
    meter_provider: Any = None
    file: Any = None
    """The `JaegerFile`, when one is written."""
    url: str | None = None
    """Where they are sent."""

    @property
    def options(self) -> dict[str, Any]:
        """What `open_runtime` takes."""
        given = {"tracer_provider": self.tracer_provider, "meter_provider": self.meter_provider}
        return {name: provider for name, provider in given.items() if provider is not None}

    def environment(self, folder: Path) -> dict[str, str]:
        """Return what a process needs that is started here and is ours: its spans go where these go.

        Those for the file are left in `folder`.
        """
        if self.tracer_provider is None:
            return {}
        told = {name: value for name, value in os.environ.items() if name.startswith(_INHERITED)}
        told |= {_TRACES: self.url} if self.url is not None else {}
        return told | ({PARTS_FOLDER: str(folder)} if self.file is not None else {})


UNTRACED = Tracing()
"""Nowhere."""


@contextmanager
def tracing(options: TraceOptions, service: str) -> Iterator[Tracing]:
    """Provide what `open_runtime` takes for the time of a command; afterwards the file is there.

    `service` is the name in the traces, unless `OTEL_SERVICE_NAME` gives another. Raises `click.ClickException` for
    options that cannot be met, and when the file could not be written in the end.
    """
    parts, url = os.environ.get(PARTS_FOLDER), collector_of(options.otlp)
    if _is_on("OTEL_SDK_DISABLED") or not (options.file or parts or url):
        yield Tracing()
        return
    with ExitStack() as stack:
        found = _providers(stack, options, url, parts, service)
        yield found
    if found.file is not None and found.file.failure is not None:
        why = found.file.failure.strerror or found.file.failure
        raise click.ClickException(f"the trace file {options.file} could not be written: {why}")


def collector_of(typed: str | None) -> str | None:
    """Return the address that spans are posted to; None for nowhere. Raises `click.ClickException`."""
    if typed is not None:
        return _below(_address("--otlp", typed))
    wanted = os.environ.get("OTEL_TRACES_EXPORTER", "").lower()
    if wanted.strip() == "none":
        return None
    if found := os.environ.get(_TRACES):
        return _address(_TRACES, found)
    if found := os.environ.get(_ALL):
        return _below(_address(_ALL, found))
    return _below(_address("", DEFAULT)) if "otlp" in wanted else None


def _below(url: str) -> str:
    """The address of traces below that of a collector; a person may have typed the whole."""
    return url if url.endswith(_PATH) else url.rstrip("/") + _PATH


def _address(what: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise click.ClickException(f"{what}: expected an address such as {DEFAULT}, got {url!r}")
    spoken = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if spoken and spoken != "http/protobuf":
        raise click.ClickException(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {spoken!r}; only http/protobuf is spoken here, mostly on port 4318"
        )
    return url


def _is_on(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() == "true"


def _providers(stack: ExitStack, options: TraceOptions, url: str | None, parts: str | None, service: str) -> Tracing:
    if find_spec("opentelemetry.sdk") is None:
        raise click.ClickException(f"traces need the OpenTelemetry SDK: {_INSTALL.format('telemetry')}")
    from opentelemetry.sdk.trace import TracerProvider

    # The SDK must not wait at the exit of the interpreter; the stack closes everything within its limits.
    provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
    found = Tracing(provider, file=_written(stack, provider, options), url=url)
    if parts is not None:
        _part(stack, provider, Path(parts), service)
    if url is not None:
        _sent(stack, found, url)
    return found


def _resource(service: str) -> Any:
    from opentelemetry.sdk.resources import Resource

    told = Resource.create({"host.name": socket.gethostname(), "process.pid": os.getpid()})
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return told if named else told.merge(Resource({"service.name": service}))


def _written(stack: ExitStack, provider: TracerProvider, options: TraceOptions) -> Any:
    if options.file is None:
        return None
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from zcp_actors.telemetry.jaeger_file import JaegerFile

    try:
        file = JaegerFile(options.file, also=options.also)
    except OSError as error:
        raise click.ClickException(f"the trace file {options.file} cannot be made: {error.strerror}") from error
    processor = BatchSpanProcessor(file, max_queue_size=QUEUE, schedule_delay_millis=FILE_DELAY)
    provider.add_span_processor(processor)
    stack.callback(processor.shutdown)
    return file


def _part(stack: ExitStack, provider: TracerProvider, folder: Path, service: str) -> None:
    """Write every span at once, so that a process which is killed has left what it did."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    from zcp_actors.telemetry.jaeger_file import PART, SpanLines

    try:
        lines = SpanLines(folder / f"{service}-{os.getpid()}{PART}")
    except OSError as error:
        raise click.ClickException(f"{PARTS_FOLDER}: {error.strerror}: {folder}") from error
    provider.add_span_processor(SimpleSpanProcessor(lines))
    stack.callback(lines.shutdown)


def _sent(stack: ExitStack, found: Tracing, url: str) -> None:
    if find_spec("opentelemetry.exporter") is None or find_spec("opentelemetry.exporter.otlp.proto.http") is None:
        raise click.ClickException(f"sending traces to {url} needs the OTLP exporter: {_INSTALL.format('otlp')}")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    assert found.tracer_provider is not None
    try:
        exporter = OTLPSpanExporter(endpoint=url)
    except (ValueError, OSError) as error:
        raise click.ClickException(f"the OTEL_EXPORTER_OTLP_* variables cannot be used: {error}") from error
    size = None if os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE") else QUEUE
    processor = BatchSpanProcessor(exporter, max_queue_size=size)
    found.tracer_provider.add_span_processor(processor)
    found.meter_provider = _metrics(found.tracer_provider.resource)
    complaints = stack.enter_context(_complaints(url))
    stack.callback(_close, [processor, *filter(None, [found.meter_provider])], exporter, complaints)


def _metrics(resource: Any) -> Any:
    """Metrics only where they are asked for: Jaeger, where most traces go, refuses them."""
    if "otlp" not in os.environ.get("OTEL_METRICS_EXPORTER", "").lower():
        return None
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    return MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)


def _close(exporting: list[Any], exporter: Any, complaints: _Complaints) -> None:
    """Close in threads that may be left behind: an exporter waits for as long as its collector lets it."""
    threads = [threading.Thread(target=one.shutdown, name="zcp-actors closing", daemon=True) for one in exporting]
    for thread in threads:
        thread.start()
    if not _joined(threads, CLOSING):
        complaints.lose(f"what was left was not taken within {CLOSING:g} s")
        exporter.shutdown()  # one that sleeps before another try is woken, and says its last words to us
        _joined(threads, WOKEN)


def _joined(threads: list[threading.Thread], seconds: float) -> bool:
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


@contextmanager
def _complaints(url: str) -> Iterator[_Complaints]:
    """Say in one line, at the end, that spans did not arrive; the exporter says it for every batch."""
    logger, heard = logging.getLogger("opentelemetry"), _Complaints()
    kept, logger.propagate = logger.propagate, False
    logger.addHandler(heard)
    try:
        yield heard
    finally:
        logger.removeHandler(heard)
        logger.propagate = kept
        if heard.lost:
            click.echo(f"zcp-actors: traces did not all reach {url}: {heard.lost}", err=True)


class _Complaints(logging.Handler):
    """Keeps why spans were lost first; the log of `serve` has it at once. A retry is no loss yet."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lost = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        if record.levelno >= logging.ERROR or text.startswith(_LOSSES):
            self.lose(text)

    def lose(self, why: str) -> None:
        if not self.lost:
            self.lost = why
            logging.getLogger("zcp_actors.tracing").warning("traces do not all arrive: %s", why)


_LOSSES = ("Queue full", "Dropping", "Shutdown in progress")
"""How the SDK's warnings begin that mean a loss."""
