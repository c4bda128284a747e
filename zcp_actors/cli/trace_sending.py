"""
Spans, and metrics, on their way to a collector by OTLP over HTTP.

Owns the address, the exporters, their end within a limit, and the one line that says that not all arrived. Refuses to
know why they are sent. The rule that keeps it honest: whatever a collector does costs an ending command `CLOSING` and
`WOKEN` seconds at most, and the others nothing.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk.trace import TracerProvider

CLOSING = 1.25
"""Seconds in which what is left may still reach a collector when a command ends; two are promised for all of it."""

WOKEN = 0.25
"""Seconds for an exporter to end that was told not to try again."""

QUEUE = 32_768
"""Spans that wait for a collector. The SDK's 2048 are outrun by a second of work; these are 100 MB at the worst."""

DEFAULT = "http://localhost:4318"
"""Where collectors, and Jaeger, listen for OTLP over HTTP on the same machine."""

ENDPOINT, TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
METRICS_ENDPOINT, METRICS_PROTOCOL = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"
PROTOCOL, TRACES_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
TRACES_EXPORTER, METRICS_EXPORTER = "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"
TRACES, METRICS = "/v1/traces", "/v1/metrics"

UNUSABLE = "the OTEL_* variables cannot be used"


def collector_of(typed: str | None) -> str | None:
    """Return the address that spans are posted to; None for nowhere. Raises `click.ClickException`."""
    if typed is not None:
        return _below(_address("--otlp", typed))
    wanted = _exporters(TRACES_EXPORTER)
    if wanted and not _is_otlp(wanted):
        return None
    if found := os.environ.get(TRACES_ENDPOINT):
        return _address(TRACES_ENDPOINT, found)
    if found := os.environ.get(ENDPOINT):
        return _below(_address(ENDPOINT, found))
    return _below(DEFAULT) if wanted else None


def wants_metrics() -> bool:
    """Tell whether metrics are to be sent. Only where they are asked for: Jaeger, where most traces go, refuses them.

    Raises `click.ClickException` for an address that is none.
    """
    if not _is_otlp(_exporters(METRICS_EXPORTER)):
        return False
    for name in (METRICS_ENDPOINT, ENDPOINT):
        if found := os.environ.get(name):
            _address(name, found)
    return True


def _exporters(variable: str) -> set[str]:
    return {each.strip() for each in os.environ.get(variable, "").lower().split(",")} - {""}


def _is_otlp(exporters: set[str]) -> bool:
    return any(each.startswith("otlp") for each in exporters)


def _below(url: str) -> str:
    """The address of traces below that of a collector; a person may have typed the whole."""
    return url if url.endswith(TRACES) else url.rstrip("/") + TRACES


def _address(what: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise click.ClickException(f"{what}: expected an address such as {DEFAULT}, got {url.rpartition('@')[2]!r}")
    return url


def shown(url: str) -> str:
    """Return the address without a password in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def check_sending(url: str, protocol: str = TRACES_PROTOCOL) -> None:
    """Raises `click.ClickException` when nothing can be sent from here."""
    name = protocol if os.environ.get(protocol) else PROTOCOL
    spoken = os.environ.get(name)
    if spoken and spoken != "http/protobuf":
        raise click.ClickException(f"{name} is {spoken!r}; only http/protobuf is spoken here, mostly on port 4318")
    if not has("opentelemetry.sdk") or not has("opentelemetry.exporter.otlp.proto.http"):
        what = "metrics" if protocol == METRICS_PROTOCOL else "traces"
        raise click.ClickException(
            f'sending {what} to {shown(url)} needs OpenTelemetry\'s OTLP exporter: pip install "zcp-actors[otlp]"'
        )


def has(module: str) -> bool:
    """Tell whether this module is installed."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False


def send(
    stack: ExitStack, provider: TracerProvider, url: str | None, *, metrics: bool = False
) -> tuple[Any, Complaints]:
    """Send the spans of this provider, if there is an address, and metrics, if wanted, until the stack is closed.

    Returns the meter provider, or None, and what tells afterwards whether all arrived. Raises `click.ClickException`
    for variables of the spans that the SDK cannot use. Those of the metrics cost a line and no span: nobody typed them.
    """
    try:
        exporting = [] if url is None else [_processor(provider, url)]
    except (ValueError, OSError) as error:
        raise click.ClickException(f"{UNUSABLE}: {error}") from error
    meters = None
    try:
        meters = _meters(provider.resource, url) if metrics else None
    except (ValueError, OSError) as error:
        click.echo(f"zcp-actors: no metrics are sent: {UNUSABLE}: {' '.join(str(error).split())}", err=True)
    complaints = stack.enter_context(_complaints("metrics" if url is None else "traces", url or metrics_address()))
    exporter = exporting[0].span_exporter if exporting else None
    stack.callback(_close, [*exporting, *filter(None, [meters])], exporter, complaints)
    return meters, complaints


def _processor(provider: TracerProvider, url: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    size = None if os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE") else QUEUE
    processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=url), max_queue_size=size)
    provider.add_span_processor(processor)
    return processor


def _meters(resource: Any, url: str | None) -> Any:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    told = any(os.environ.get(name) for name in (ENDPOINT, METRICS_ENDPOINT))
    exporter = OTLPMetricExporter(endpoint=None if told else (url or DEFAULT).removesuffix(TRACES) + METRICS)
    reader = PeriodicExportingMetricReader(exporter)
    return MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)


def metrics_address() -> str:
    """Return where metrics are sent that go alone."""
    return os.environ.get(METRICS_ENDPOINT) or os.environ.get(ENDPOINT) or DEFAULT


def _close(exporting: Sequence[Any], exporter: Any, complaints: Complaints) -> None:
    """Close in threads that may be left behind: an exporter waits for as long as its collector lets it."""
    threads = [threading.Thread(target=one.shutdown, name="zcp-actors closing", daemon=True) for one in exporting]
    for thread in threads:
        thread.start()
    if not _joined(threads, CLOSING):
        complaints.lose(f"what was left was not taken within {CLOSING:g} s")
        if exporter is not None:
            exporter.shutdown()  # one that sleeps before another try is woken, and says its last words to us
        _joined(threads, WOKEN)


def _joined(threads: Sequence[threading.Thread], seconds: float) -> bool:
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


@contextmanager
def _complaints(what: str, url: str) -> Iterator[Complaints]:
    """Say in one line, at the end, that spans did not arrive; the exporter says it for every batch."""
    heard = Complaints()
    try:
        with _hearing(heard):
            yield heard
    finally:
        if heard.lost:
            click.echo(f"zcp-actors: {what} did not all reach {shown(url)}: {heard.lost}", err=True)


@contextmanager
def remarks() -> Iterator[None]:
    """Say what the SDK says of variables that it cannot read, a line each: it would print traces of its own code."""
    with _hearing(_Remarks()):
        yield


@contextmanager
def _hearing(handler: logging.Handler) -> Iterator[None]:
    logger = logging.getLogger("opentelemetry")
    kept, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = kept


class _Remarks(logging.Handler):
    """Prints a remark once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        if text not in self._said:
            self._said.add(text)
            click.echo(f"zcp-actors: {text}", err=True)


_LOSSES = ("Queue full", "Dropping", "Shutdown in progress")
"""How the SDK's warnings begin that mean a loss."""


class Complaints(logging.Handler):
    """Keeps why spans were lost first; the log of `serve` has it at once. A retry is no loss yet."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lost = ""
        """Why something was lost first; empty when nothing was."""

    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        if record.levelno >= logging.ERROR or text.startswith(_LOSSES):
            self.lose(text)

    def lose(self, why: str) -> None:
        if not self.lost:
            self.lost = why
            logging.getLogger("zcp_actors.tracing").warning("traces do not all arrive: %s", why)
