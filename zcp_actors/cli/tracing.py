"""
Where the spans of a command go: a file for the Jaeger UI, a collector, both, or nowhere.

Owns the providers of the OpenTelemetry SDK for the time of one command, and the reading of those `OTEL_*` variables
that say whether to export at all; the SDK and its exporters read the others. Refuses to know what is traced. The rules
that keep it honest: nothing is set globally; and what was typed is done or refused, while a variable of the environment
that cannot be followed costs a line and no command.
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from zcp_actors.cli.trace_sending import (
    METRICS_PROTOCOL,
    QUEUE,
    TRACES_ENDPOINT,
    UNUSABLE,
    check_sending,
    collector_of,
    has,
    metrics_address,
    remarks,
    send,
    wants_metrics,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import TracerProvider

    from zcp_actors.cli.trace_sending import Complaints

FILE_DELAY = 100.0
"""Milliseconds after which a span is on disk: what a program that is killed may lose."""

BATCH = 512
"""Spans that are written at a time, as the SDK would have it."""

FILE_SECONDS = 30
"""Patience with a disk, as the SDK would have it."""

CHILD_DELAY = "200"
"""Milliseconds between two batches of a process started here: it may be killed, and is looked at soon."""

PARTS_FOLDER = "ZCP_ACTORS_TRACE_PARTS"
"""Environment variable: write spans into a part file of this folder, for the process that started this one to join."""

_INHERITED = ("OTEL_EXPORTER_OTLP_", "OTEL_TRACES_", "OTEL_METRICS_", "OTEL_BSP_")


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
    complaints: Complaints | None = None
    """What did not arrive there, as far as is known."""

    @property
    def options(self) -> dict[str, Any]:
        """What `open_runtime` takes."""
        given = {"tracer_provider": self.tracer_provider, "meter_provider": self.meter_provider}
        return {name: provider for name, provider in given.items() if provider is not None}

    def environment(self, folder: Path) -> dict[str, str]:
        """Return what a process needs that is started here and is ours: its spans go where these go.

        Those for the file are left in `folder`.
        """
        if self.tracer_provider is None and self.meter_provider is None:
            return {}
        told = {"OTEL_BSP_SCHEDULE_DELAY": CHILD_DELAY}
        told |= {name: value for name, value in os.environ.items() if name.startswith(_INHERITED)}
        told |= {TRACES_ENDPOINT: self.url} if self.url is not None else {}
        return told | ({PARTS_FOLDER: str(folder)} if self.file is not None else {})


UNTRACED = Tracing()
"""Nowhere."""


@contextmanager
def tracing(options: TraceOptions, service: str) -> Iterator[Tracing]:
    """Provide what `open_runtime` takes for the time of a command; afterwards the file is there.

    `service` is the name in the traces, unless `OTEL_SERVICE_NAME` gives another. Raises `click.ClickException` for
    options that cannot be met, and when the file could not be written in the end.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield UNTRACED
        return
    url, metrics, parts = _collector(options), _metrics(), os.environ.get(PARTS_FOLDER)
    if not (options.file or parts or url or metrics):
        yield UNTRACED
        return
    with ExitStack() as stack:
        with remarks():
            found = _providers(stack, options, url, parts, service, metrics=metrics)
        yield found
    if found.file is not None and found.file.failure is not None:
        why = found.file.failure.strerror or found.file.failure
        raise click.ClickException(f"the trace file {options.file} could not be written: {why}")


def _collector(options: TraceOptions) -> str | None:
    with _refused(options.otlp is not None, "traces"):
        url = collector_of(options.otlp)
        if url is not None:
            check_sending(url)
        return url
    return None


def _metrics() -> bool:
    with _refused(False, "metrics"):
        wanted = wants_metrics()
        if wanted:
            check_sending(metrics_address(), METRICS_PROTOCOL)
        return wanted
    return False


@contextmanager
def _refused(typed: bool, what: str) -> Iterator[None]:  # noqa: FBT001 - reads as the claim it is
    """What was typed is refused; what a variable asks for costs a line."""
    try:
        yield
    except click.ClickException as error:
        if typed:
            raise
        click.echo(f"zcp-actors: no {what} are sent: {error.format_message()}", err=True)


def _providers(
    stack: ExitStack, options: TraceOptions, url: str | None, parts: str | None, service: str, *, metrics: bool
) -> Tracing:
    found = Tracing()
    with _refused(bool(options.file or options.otlp), "traces"):
        provider = found.tracer_provider = _tracer_provider(service)
        # First what can be refused: a file is opened only for a command that will run.
        if url is not None or metrics:
            with _refused(options.otlp is not None, "traces"):
                found.meter_provider, found.complaints = send(stack, provider, url, metrics=metrics)
                found.url = url
        if parts is not None:
            _write_part(stack, provider, Path(parts))
        if options.file is not None:
            found.file = _write_file(stack, provider, options.file, options.also)
        if not (parts or found.file or found.url):
            found.tracer_provider = None
    return found


def _tracer_provider(service: str) -> TracerProvider:
    if not has("opentelemetry.sdk"):
        raise click.ClickException('traces need the OpenTelemetry SDK: pip install "zcp-actors[telemetry]"')
    try:
        from opentelemetry.sdk.trace import TracerProvider

        # The SDK must not wait at the exit of the interpreter; the stack closes everything within its limits.
        return TracerProvider(resource=_resource(service), shutdown_on_exit=False)
    except ValueError as error:
        raise click.ClickException(f"{UNUSABLE}: {error}") from error


def _resource(service: str) -> Any:
    from opentelemetry.sdk.resources import Resource

    told = Resource.create({"host.name": socket.gethostname(), "process.pid": os.getpid()})
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return told if named else told.merge(Resource({"service.name": service}))


def _write_file(stack: ExitStack, provider: TracerProvider, path: Path, also: tuple[Path, ...]) -> Any:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from zcp_actors.telemetry.jaeger_file import JaegerFile

    try:
        file = JaegerFile(path, also=also)
    except OSError as error:
        raise click.ClickException(f"the trace file {path} cannot be made: {error.strerror}") from error
    # All of its numbers: what the variables say is about sending.
    processor = BatchSpanProcessor(
        file,
        max_queue_size=QUEUE,
        schedule_delay_millis=FILE_DELAY,
        max_export_batch_size=BATCH,
        export_timeout_millis=1000 * FILE_SECONDS,
    )
    provider.add_span_processor(processor)
    stack.callback(processor.shutdown)
    return file


def _write_part(stack: ExitStack, provider: TracerProvider, folder: Path) -> None:
    """Write every span at once, so that a process which is killed has left what it did."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    from zcp_actors.telemetry.jaeger_file import PART, SpanLines

    try:
        lines = SpanLines(folder / f"{os.getpid()}{PART}")
    except OSError as error:
        raise click.ClickException(f"{PARTS_FOLDER}: {error.strerror}: {folder}") from error
    provider.add_span_processor(SimpleSpanProcessor(lines))
    stack.callback(lines.shutdown)
