"""
What is counted: durations as histograms, what waits and what lives as numbers that a reader asks for.

Owns the instruments. Counters on hot paths are plain ints in dicts; a reader's thread reads them when it collects, so a
change costs no call into an SDK. No id is ever an attribute of a metric, and names that peers choose are bounded.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import CallbackOptions, Observation

from zcp_actors.telemetry import conventions as names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from opentelemetry.metrics import Meter

    from zcp_actors.telemetry.clock import Clock

Key = tuple[tuple[str, Any], ...]

MOST_NAMES = 1000
"""Different targets, methods and kinds that metrics tell apart; a server lists fewer, and a peer may invent any."""

MEASURED = frozenset(
    {
        names.METHOD,
        names.ERROR_TYPE,
        names.TOOL,
        names.PROMPT,
        names.TASK_KIND,
        names.STATUS_CODE,
        names.OPERATION,
        names.PROTOCOL_VERSION,
        names.TRANSPORT,
        names.PROTOCOL_NAME,
        names.SERVER_ADDRESS,
        names.SERVER_PORT,
    }
)
"""The attributes of a request's span that its histogram has as well."""

INVENTED = (names.METHOD, names.TOOL, names.PROMPT, names.TASK_KIND, names.STATUS_CODE, names.ERROR_TYPE)
"""Those among them whose values a peer may invent: names, and codes of errors."""


class Metrics:
    """The instruments of one recorder, and the numbers behind them."""

    def __init__(self, meter: Meter, clock: Clock, *, live: bool) -> None:
        self._clock = clock
        self.live = live
        """Somebody reads them."""
        self._known: set[str] = set()
        self.actors: Counter[Key] = Counter()
        self.restarts: Counter[Key] = Counter()
        self.tasks: Counter[Key] = Counter()
        self.pending: Counter[Key] = Counter()
        self.polls: Counter[Key] = Counter()
        self.cancellations: Counter[Key] = Counter()
        self.failures: Counter[Key] = Counter()
        """Errors of the recorder itself, by type: they are swallowed, so at least they are counted."""
        self.waiting: dict[str, tuple[str, int]] = {}
        """Open input requests: path -> (method, since)."""
        self.mail: Callable[[], Mapping[str, tuple[int, int]]] | None = None
        """Actor kind -> messages waiting in all mailboxes, and in the fullest."""
        self._histograms = dict(self._durations(meter))
        self._observe(meter)

    def _durations(self, meter: Meter) -> Iterator[tuple[str, Any]]:
        for name, bounds, told in (
            ("mcp.client.operation.duration", names.BUCKETS, "From a request to its reply, at the side that asks"),
            ("mcp.server.operation.duration", names.BUCKETS, "From a request to its reply, at the side that answers"),
            ("mcp.client.session.duration", names.BUCKETS, "How long a client's session was ready"),
            ("mcp.server.session.duration", names.BUCKETS, "How long a server's session lived"),
            ("zcp.mailbox.wait.duration", names.BUCKETS, "How long a message waited in a mailbox"),
            ("zcp.task.state.duration", names.LONG_BUCKETS, "How long a task was in a status"),
            ("zcp.input_request.wait.duration", names.LONG_BUCKETS, "How long somebody waited for an answer"),
        ):
            yield name, meter.create_histogram(name, "s", told, explicit_bucket_boundaries_advisory=bounds)

    def _observe(self, meter: Meter) -> None:
        up_down = meter.create_observable_up_down_counter
        up_down("zcp.actor.count", [reading(self.actors)], "{actor}", "Actors that serve")
        up_down("zcp.task.active", [reading(self.tasks)], "{task}", "Tasks that have not ended")
        up_down("zcp.input_request.pending", [reading(self.pending)], "{request}", "Questions that wait for an answer")
        count = meter.create_observable_counter
        count("zcp.actor.restarts", [reading(self.restarts)], "{restart}", "Actors started again")
        count("zcp.task.polls", [reading(self.polls)], "{poll}", "Times that a task was asked for its status")
        count("zcp.cancellations", [reading(self.cancellations)], "{cancellation}", "What was cancelled")
        count("zcp.telemetry.failures", [reading(self.failures)], "{failure}", "Errors of the recorder itself")
        gauge = meter.create_observable_gauge
        gauge("zcp.input_request.oldest_age", [self._ages], "s", "Age of the question that waits longest")
        gauge("zcp.mailbox.depth", [self._depths], "{message}", "Messages waiting in all mailboxes")
        gauge("zcp.mailbox.depth.max", [self._deepest], "{message}", "Messages waiting in the fullest mailbox")

    def seconds(self, name: str, nanoseconds: int, attributes: Mapping[str, Any]) -> None:
        """Record a duration."""
        if self.live:
            self._histograms[name].record(max(nanoseconds, 0) / 1e9, attributes)

    def measured(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes of a request's span that a metric may have."""
        return self.bounded({key: value for key, value in attributes.items() if key in MEASURED})

    def bounded(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """These attributes, with no more different values than a metric bears."""
        for key in INVENTED:
            if key in attributes:
                attributes[key] = self.named(attributes[key])
        return attributes

    def named(self, name: str) -> str:
        """A name that a peer may have invented; beyond the bound they are all one."""
        if name not in self._known:
            if len(self._known) >= MOST_NAMES:
                return names.OTHER
            self._known.add(name)
        return name

    # Read in the reader's thread: `list` of a dict's view is one step of the interpreter.
    def _ages(self, _: CallbackOptions) -> Iterable[Observation]:
        now, oldest = self._clock.now(), {key[0][1]: 0.0 for key in list(self.pending)}
        for method, since in list(self.waiting.values()):
            oldest[method] = max(oldest.get(method, 0.0), (now - since) / 1e9)
        return [Observation(age, {names.INPUT_METHOD: method}) for method, age in oldest.items()]

    def _mail(self) -> Mapping[str, tuple[int, int]]:
        for _ in range(3):
            try:
                return {} if self.mail is None else self.mail()
            except RuntimeError:  # the tree changed while it was walked
                continue
        return {}

    def _depths(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(depth, {names.ACTOR_KIND: kind}) for kind, (depth, _deepest) in self._mail().items()]

    def _deepest(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(deepest, {names.ACTOR_KIND: kind}) for kind, (_depth, deepest) in self._mail().items()]


def keyed(attributes: Mapping[str, Any]) -> Key:
    """Attributes as a dict's key."""
    return tuple(attributes.items())


def reading(counts: Counter[Key]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """A callback that tells what these numbers are now."""
    return lambda _: [Observation(count, dict(attributes)) for attributes, count in list(counts.items())]
