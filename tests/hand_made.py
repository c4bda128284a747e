"""Spans made by hand, at times of our choosing, for what comes after spans."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

BEGAN = 1_800_000_000_000_000_000
"""Nanoseconds of the epoch at which hand-made spans begin to count their seconds: some time in 2027."""


class Maker:
    """Makes spans that go to an exporter."""

    def __init__(self, exporter: Any, service: str = "agent", *, processor: Any = None) -> None:
        self.provider = TracerProvider(
            resource=Resource({"service.name": service, "process.pid": 7}), shutdown_on_exit=False
        )
        self.provider.add_span_processor(processor or SimpleSpanProcessor(exporter))
        self.tracer = self.provider.get_tracer("hand.made", "1.0")

    def span(
        self,
        name: str,
        begin: float = 0.0,
        end: float = 1.0,
        *,
        parent: Any = None,
        links: dict[str, Any] | None = None,
        error: str | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        **attributes: Any,
    ) -> Any:
        """An ended span; `links` are earlier ones by the type of their link."""
        made = self.tracer.start_span(
            name,
            context=trace.set_span_in_context(parent) if parent is not None else trace.set_span_in_context(NOBODY),
            kind=kind,
            start_time=BEGAN + round(begin * 1e9),
            attributes={key.replace("__", "."): value for key, value in attributes.items()},
            links=[Link(to.get_span_context(), {"zcp.link.type": says}) for says, to in (links or {}).items()],
        )
        if error is not None:
            made.set_status(Status(StatusCode.ERROR, error))
        made.end(BEGAN + round(end * 1e9))
        return made

    def story(self) -> None:
        """A call with a question and a cancelled neighbour; and a second, short trace."""
        agent = self.span("agent run", 0, 5)
        call = self.span("tools/call publish", 0.1, 4.9, parent=agent, kind=SpanKind.CLIENT)
        asked = self.span("wait_for elicitation/create", 1, 4.2, parent=call)
        self.span("sampling/createMessage", 0.4, 0.9, parent=call, error="nothing in 0.5 s", error__type="timeout")
        self.span(
            "tools/call typeset",
            0.2,
            1.3,
            parent=agent,
            links={"cancelled_by": asked},
            error__type="cancelled",
        )
        self.span("tools/list", 6, 6.001)


NOBODY = trace.INVALID_SPAN
