"""A recorder whose spans and metrics stay in the test, and how the test reads them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from jaeger_model import unseen
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from zcp_actors.telemetry import Telemetry
from zcp_actors.telemetry.jaeger_span import to_jaeger


class Recorded:
    """`runtime={"recorder": recorded.telemetry}`; afterwards read `spans`, `tree()`, `metric(...)`."""

    def __init__(self, **options: Any) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meter_provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self.telemetry = Telemetry(self.tracer_provider, self.meter_provider, **options)
        self.tracer = self.tracer_provider.get_tracer("test")

    @property
    def spans(self) -> list[Any]:
        """In the order of their beginning."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time)

    def clear(self) -> None:
        self.exporter.clear()

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str, kind: str | None = None) -> Any:
        found = [span for span in self.named(name) if kind in (None, span.kind.name)]
        assert len(found) == 1, f"{len(found)} spans {name} {kind}:\n{self}"
        return found[0]

    @property
    def traces(self) -> set[int]:
        return {span.context.trace_id for span in self.spans}

    def tree(self, *, kinds: bool = True, of: int | None = None) -> list[str]:
        """One line a span, children indented below their parent; every parent must be there or be remote."""
        spans = [span for span in self.spans if of in (None, span.context.trace_id)]
        known = {span.context.span_id for span in spans}
        below = defaultdict(list)
        for span in spans:
            below[span.parent.span_id if span.parent and span.parent.span_id in known else None].append(span)
        lines: list[str] = []

        def draw(parent: int | None, level: int) -> None:
            for span in below[parent]:
                kind = f" {span.kind.name}" if kinds and span.kind.name != "INTERNAL" else ""
                lines.append(f"{'  ' * level}{span.name}{kind}")
                draw(span.context.span_id, level + 1)

        draw(None, 0)
        return lines

    def __str__(self) -> str:
        return "\n".join(self.tree())

    def unseen(self, *without: str) -> list[str]:
        """The names of the spans that the Jaeger UI would not show, of a file that is `without` these ids."""
        spans = [to_jaeger(span, "p1") for span in self.spans]
        return unseen([span for span in spans if span["spanID"] not in without])

    def metric(self, name: str) -> dict[tuple[Any, ...], Any]:
        """The points of a metric: attribute values in the order of their names -> value, or (count, sum)."""
        found = {}
        for resource in (self.reader.get_metrics_data() or _Nothing).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        for point in metric.data.data_points:
                            key = tuple(value for _, value in sorted(point.attributes.items()))
                            found[key] = point.value if hasattr(point, "value") else (point.count, point.sum)
        return found


class _Nothing:
    resource_metrics = ()


def seconds(span: Any) -> float:
    return (span.end_time - span.start_time) / 1e9


def links(span: Any) -> dict[str, Any]:
    """Type of link -> the span it names."""
    return {link.attributes["zcp.link.type"]: link.context.span_id for link in span.links}
