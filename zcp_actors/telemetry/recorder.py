"""
The recorder: what the layers report becomes spans and metrics.

Owns the sorting of reports to those who draw them, and the promise that a report never raises and never waits.
Refuses to own an SDK: it takes providers, and never sets a global one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from opentelemetry import metrics as otel_metrics
from opentelemetry import trace as otel_trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider

from zcp_actors.ports import NullSpan
from zcp_actors.telemetry.actors import Actors
from zcp_actors.telemetry.clock import Clock
from zcp_actors.telemetry.drawing import Drawing
from zcp_actors.telemetry.metrics import Metrics
from zcp_actors.telemetry.requests import Requests
from zcp_actors.telemetry.sessions import Sessions
from zcp_actors.telemetry.span import Followed
from zcp_actors.telemetry.tasks import LONG_SECONDS, Tasks
from zcp_actors.telemetry.waits import LONG_MAIL, Waits

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

    from zcp_actors.ports import Span
    from zcp_actors.telemetry.propagation import Trust

SCOPE = "zcp_actors"
VERSION = "0.1.0"


class Telemetry:
    """Records by OpenTelemetry: `open_runtime(recorder=Telemetry(tracer_provider, meter_provider))`.

    Without a provider it uses the global one, where the application has set any; without that either, it is not
    `enabled` and costs one look at an attribute. One instance serves one runtime after another.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        content: bool = False,
        trust: Trust = None,
        polls: Literal["changed", "all", "none"] = "changed",
        long_task_seconds: float = LONG_SECONDS,
        long_mail_seconds: float = LONG_MAIL,
        clock: Clock | None = None,
    ) -> None:
        """`content`: arguments, results, reasons and the words of errors become visible; else they never leave.

        `trust`: whose trace context becomes a parent; everybody's (True), nobody's (False), what a function of
        (transport, principal) says, or (None) those of this process and of pipes. Others are linked to.
        `polls`: which `tasks/get` are drawn. `long_task_seconds`: a task whose ttl is longer has a trace of its own.
        `long_mail_seconds`: a message that waits as long in a mailbox is drawn.
        """
        self.tracer_provider = tracer_provider or otel_trace.get_tracer_provider()
        self.meter_provider = meter_provider or otel_metrics.get_meter_provider()
        self.enabled = is_real(self.tracer_provider) or is_real(self.meter_provider)
        tracer = lightened(self.tracer_provider.get_tracer(SCOPE, VERSION))
        clock = clock or Clock()
        meter = self.meter_provider.get_meter(SCOPE, VERSION)
        self._metrics = Metrics(meter, clock, live=is_real(self.meter_provider))
        self._drawing = Drawing(tracer, clock, self._metrics, trust, content)
        self._tasks = Tasks(self._drawing, long_task_seconds)
        self._requests = Requests(self._drawing, polls, self._tasks)
        self._waits = Waits(self._drawing, long_mail_seconds)
        self._actors = Actors(self._drawing)
        self._sessions = Sessions(self._drawing)
        self._draws: dict[str, Any] = {
            "task": self._tasks.moved,
            "pending": self._waits.moved,
            "actor": self._actors.moved,
            "session": self._sessions.moved,
        }
        self.subjects: Collection[str] = frozenset(self._draws)

    def opened(self, runtime: Any) -> None:
        """See `ports.Recorder`."""
        self._drawing.clock.let_go()
        self._metrics.mail = runtime.mail
        self._requests.home = self._requests.around()

    def closed(self) -> None:
        """See `ports.Recorder`."""
        self._drawing.guarded(self._tasks.close)
        self._metrics.mail = None
        self._drawing.clock.let_go()

    def transition(self, subject: str, path: str, old: str, new: str, **facts: Any) -> None:
        """See `ports.Recorder`."""
        moved = self._draws.get(subject)
        if moved is not None:
            self._drawing.guarded(moved, path, old, new, facts)

    def wait(self, thing: str, path: str, began: float, ended: float, outcome: str, **facts: Any) -> None:
        """See `ports.Recorder`."""
        self._drawing.guarded(self._waits.waited, thing, path, (began, ended), outcome, facts)

    def restart(self, path: str, exit: Any, delay: float, attempt: int, **facts: Any) -> None:
        """See `ports.Recorder`."""
        self._drawing.guarded(self._actors.restarts, path, exit, attempt, facts)

    def begin(
        self,
        subject: str,
        path: str,
        *,
        under: Span | None = None,
        method: str = "",
        target: str = "",
        id: Any = None,
        version: str = "",
        transport: str = "",
        meta: Mapping[str, Any] | None = None,
        principal: str = "",
        arguments: Any = None,
        **facts: Any,
    ) -> Span:
        """See `ports.Recorder`."""
        # The facts of most requests have names here, so that no dict of them is made to be taken apart.
        try:
            within = under if isinstance(under, Followed) else None
            if subject == "request" or subject == "call":  # noqa: PLR1714 - half the steps of a membership
                return self._requests.side(
                    subject,
                    within,
                    facts,
                    method=method,
                    target=target,
                    id=id,
                    version=version,
                    transport=transport,
                    meta=meta,
                    principal=principal,
                    arguments=arguments,
                )
            facts |= {"id": id, "version": version}
            if subject == "question":
                return self._requests.question(path, within, facts, method=method, meta=meta)
            return self._requests.inner(subject, within, facts, method=method, target=target, meta=meta)
        except Exception as error:  # noqa: BLE001 - see `Drawing.guarded`
            self._drawing.failed(error)
            return NullSpan()

    def following(self, subject: str, path: str) -> Span | None:
        """See `ports.Recorder`."""
        if subject == "task":
            return self._tasks.following(path)
        return self._requests.waiting(path) if subject == "question" else self._sessions.following(path)


def lightened(tracer: Tracer) -> Tracer:
    """The tracer at a lower price, where there is one. An SDK is only looked at where its tracer is here already."""
    if type(tracer).__module__ != "opentelemetry.sdk.trace":
        return tracer
    try:
        from zcp_actors.telemetry.light_span import light

        return light(tracer)
    except (ImportError, AttributeError, TypeError):  # another version of the SDK: its spans are as good, and slower
        return tracer


def is_real(provider: Any) -> bool:
    """Whether somebody has set it up; the API's own providers do nothing."""
    nothing = (NoOpTracerProvider, ProxyTracerProvider, NoOpMeterProvider)
    return not isinstance(provider, nothing) and type(provider).__name__ != "_ProxyMeterProvider"
