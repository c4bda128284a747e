"""
The serving side of 2026-07-28: every request stands alone; a question ends it, and its retry brings the answer.

Owns the order in which a request's `_meta` is judged, the closing of a step of questions, and the listen streams.
Refuses to keep anything between two requests: what must survive is in the sealed state that the client carries.
Source: MCP 2026-07-28 basic (`_meta`, server/discover), basic/utilities/subscriptions, multi-round-trip requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from zcp_actors.errors import (
    INVALID_PARAMS,
    RESOURCE_NOT_FOUND_2025,
    SHOWN,
    CapabilityMissing,
    HandlerError,
    InvalidParams,
    Overloaded,
    RPCError,
    UnsupportedVersion,
    UsageError,
)
from zcp_actors.protocol import stateless_tasks
from zcp_actors.protocol.capabilities import ASKING, EMBEDDED, answer_of
from zcp_actors.protocol.effects import Answer, Arm, Effect, Open, Seal, Send, Start, Suspend
from zcp_actors.protocol.serving import (
    LEVELS,
    MAX_SUBSCRIPTIONS,
    Asker,
    Phase,
    Served,
    Server,
    changes,
    in_use,
    refused,
)
from zcp_actors.wire import (
    ClientCapabilities,
    DiscoverResult,
    Implementation,
    InputRequiredResult,
    Model,
    Notification,
    Request,
    ResourceUpdatedNotificationParams,
    Response,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenResult,
    from_wire,
    to_wire,
    v2026_07_28,
)
from zcp_actors.wire.meta_keys import (
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    PROTOCOL_VERSION,
    SERVER_INFO,
    SUBSCRIPTION_ID,
    TASKS_EXTENSION,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcp_actors.protocol.questions import Question
    from zcp_actors.protocol.serving import Profile
    from zcp_actors.protocol.tasks import Task
    from zcp_actors.wire import RequestId

M = TypeVar("M", bound=Model)

STEP_SECONDS = 0.05
"""How long a step of questions stays open for branches that are still at work; people do not notice it."""

DISCOVER_TTL_MS = 3_600_000
"""An hour: what a server is changes when it is deployed anew, and then its process changes too."""

LISTEN = "subscriptions/listen"

MAX_LISTENS = 64
"""Listen streams one peer may hold; an honest one replaces its stream when its wishes change."""


@attrs.define(eq=False)
class Pending:
    """A question of a step that is not closed yet: what the client will read, and who waits here."""

    method: str
    params: Model
    slot: Any


class StatelessServer(Server):
    """All exchanges with one peer over one connection."""

    dialect = v2026_07_28.DIALECT
    tasks = stateless_tasks

    def __init__(self, profile: Profile, **options: Any) -> None:
        super().__init__(profile, **options)
        self.listens: dict[RequestId, SubscriptionFilter] = {}
        self._last_asker: tuple[Any, Any, Asker] | None = None

    def stamp(self) -> dict[str, Any] | None:
        return {SERVER_INFO: to_wire(self.profile.implementation())}

    # -------------------------------------------------------------------------------------------- from the peer
    def _request(self, request: Request) -> list[Effect]:
        meta = read_meta(request)
        version = meta.get(PROTOCOL_VERSION)
        if type(version) is not str:
            raise InvalidParams(f"params._meta must carry {PROTOCOL_VERSION!r}, a string")
        if version != self.dialect.version:
            raise UnsupportedVersion(version, [self.dialect.version])
        asker = self._asker(meta)
        params: Any = self.dialect.request_params(request.method, request.params, sender="client")
        if request.method == "server/discover":
            return self._discover(request)
        if request.method == LISTEN and not self._follows_tasks(asker, params.notifications.task_ids or ()):
            return self._listen(request.id, params.notifications)
        if request.id in self.listens:
            raise in_use(request.id, "a listen stream")
        call = self._admit(request, params, asker)
        if request.method == LISTEN:
            self._may_listen(request.id)
        state = getattr(params, "request_state", None)
        return [Start(call)] if state is None else [Open(call, state)]

    def _asker(self, meta: dict[str, Any]) -> Asker:
        """Read who asks, by this request's own `_meta` and nothing else.

        A client sends the same two values each time, so the last reading is kept beside them.
        """
        raw, info = meta.get(CLIENT_CAPABILITIES), meta.get(CLIENT_INFO)
        level = meta.get(LOG_LEVEL)
        last = self._last_asker
        if last is not None and last[2].log_level == level and _same(last[0], raw) and _same(last[1], info):
            return last[2]
        if raw is None:
            raise InvalidParams(f"params._meta must carry {CLIENT_CAPABILITIES!r}")
        if level is not None and level not in LEVELS:
            known = ", ".join(LEVELS)
            raise InvalidParams(f"params._meta[{LOG_LEVEL!r}] must be one of {known}, not {level!r:.{SHOWN}}")
        asker = Asker(
            self._said(ClientCapabilities, CLIENT_CAPABILITIES, raw),
            None if info is None else self._said(Implementation, CLIENT_INFO, info),
            self.dialect.version,
            level,
        )
        self._last_asker = (raw, info, asker)
        return asker

    def _said(self, shape: type[M], name: str, raw: Any) -> M:
        return from_wire(shape, raw, self.dialect.version, place=f"params._meta[{name!r}]")

    def _discover(self, request: Request) -> list[Effect]:
        result = DiscoverResult(
            supported_versions=[self.dialect.version],
            capabilities=self.profile.capabilities(),
            instructions=self.profile.instructions,
            ttl_ms=DISCOVER_TTL_MS,
            cache_scope="private",
            meta=self.stamp(),
        )
        return [Send(Response(request.id, result), request.id)]

    def _cancelled(self, notification: Notification) -> list[Effect]:
        try:
            params: Any = self.dialect.notification_params(notification.method, notification.params, sender="client")
        except RPCError:
            return []
        if self.listens.pop(params.request_id, None) is not None:
            return []
        return super()._cancelled(notification)

    # -------------------------------------------------------------------------------------------- listen streams
    def _listen(self, id: RequestId, asked: SubscriptionFilter, task_ids: list[str] | None = None) -> list[Effect]:
        """Open a listen stream; `task_ids` are those of the tasks asked for that are this client's."""
        if id in self.calls:
            raise in_use(id)
        self._may_listen(id)
        agreed = self._agreed(asked, task_ids or None)
        self.listens[id] = agreed
        acknowledged = SubscriptionsAcknowledgedNotificationParams(notifications=agreed, meta={SUBSCRIPTION_ID: id})
        return [Send(Notification("notifications/subscriptions/acknowledged", acknowledged), id)]

    def _may_listen(self, id: RequestId) -> None:
        if id in self.listens:
            raise in_use(id)
        if len(self.listens) >= MAX_LISTENS:
            raise Overloaded(f"{MAX_LISTENS} listen streams are open; end one first")

    def _follows_tasks(self, asker: Asker, ids: Sequence[str]) -> bool:
        """Whether it is first to be found out which of these tasks are this client's. Raises `CapabilityMissing`."""
        if not ids or TASKS_EXTENSION not in (self.profile.capabilities().extensions or {}):
            return False
        if not stateless_tasks.declared(asker.capabilities):
            raise CapabilityMissing("listening to tasks needs a client with tasks", stateless_tasks.NEEDED)
        if len(ids) > MAX_SUBSCRIPTIONS:
            raise Overloaded(f"one listen stream takes at most {MAX_SUBSCRIPTIONS} tasks, not {len(ids)}")
        return True

    def finished(self, call: Served, outcome: Any) -> list[Effect]:
        if call.method != LISTEN or isinstance(outcome, Exception) or call.phase is Phase.ENDED:
            return super().finished(call, outcome)
        self._forget(call)
        asked: Any = call.params
        known: list[Task] = [task for task in (each() for each in outcome) if task is not None]
        try:
            acknowledged = self._listen(call.id, asked.notifications, [task.id for task in known])
        except RPCError as error:
            return [refused(call.id, error)]
        return [*acknowledged, *(Send(stateless_tasks.notice(task, call.id), call.id) for task in known)]

    def task_changed(self, task: Task) -> list[Effect]:
        return [
            Send(stateless_tasks.notice(task, id), id)
            for id, wanted in self.listens.items()
            if task.id in (wanted.task_ids or ())
        ]

    def _agreed(self, asked: SubscriptionFilter, task_ids: list[str] | None) -> SubscriptionFilter:
        """What the client asked for and this server can do; the rest is left out."""
        if asked == SubscriptionFilter(task_ids=asked.task_ids):
            return SubscriptionFilter(task_ids=task_ids)
        have = self.profile.capabilities()
        uris = list(dict.fromkeys(asked.resource_subscriptions or ()))
        if len(uris) > MAX_SUBSCRIPTIONS:
            raise Overloaded(f"one listen stream takes at most {MAX_SUBSCRIPTIONS} resources, not {len(uris)}")
        return SubscriptionFilter(
            tools_list_changed=(asked.tools_list_changed and have.tools is not None) or None,
            prompts_list_changed=(asked.prompts_list_changed and have.prompts is not None) or None,
            resources_list_changed=(asked.resources_list_changed and have.resources is not None) or None,
            resource_subscriptions=uris if uris and have.resources is not None else None,
            task_ids=task_ids,
        )

    def announced(self, kind: str, uri: str | None) -> list[Effect]:
        return [
            Send(Notification(changes(kind, uri), self._change(id, uri)), id)
            for id, wanted in self.listens.items()
            if wants(wanted, kind, uri)
        ]

    def _change(self, id: RequestId, uri: str | None) -> Model | dict[str, Any]:
        meta = {SUBSCRIPTION_ID: id}
        return {"_meta": meta} if uri is None else ResourceUpdatedNotificationParams(uri=uri, meta=meta)

    # -------------------------------------------------------------------------------------------- rounds
    def opened(self, call: Served, journal: Any, nonce: str) -> list[Effect]:
        """The state that came with the request is authentic: put the client's answers into its journal and run."""
        if call.phase is Phase.ENDED:
            return []
        call.nonce = nonce
        try:
            call.journal.load(journal)
        except HandlerError as error:
            return self.finished(call, InvalidParams(f"params.requestState cannot be used: {error}"))
        responses = getattr(call.params, "input_responses", None) or {}
        for key, method in call.journal.awaited().items():
            if key in responses:
                try:
                    answer = answer_of(method, key, responses[key])
                except InvalidParams as error:
                    return self.finished(call, error)
                call.journal.answered(key, {"result": to_wire(answer)})
        return [Start(call)]

    def sealed(self, call: Served, state: str) -> list[Effect]:
        """The suspended call's state is sealed: the request ends with what the client must bring along."""
        if call.phase is Phase.ENDED:
            return []
        self._forget(call)
        asked = {key: EMBEDDED[each.method](params=each.params) for key, each in call.open.items()}
        call.open.clear()
        return [Send(Response(call.id, InputRequiredResult(input_requests=asked, request_state=state)), call.id)]

    # -------------------------------------------------------------------------------------------- from the handler
    def asked(self, call: Served, question: Question, params: Model, slot: Any) -> tuple[str, list[Effect]]:
        if call.method not in ASKING:
            raise UsageError(f"{call.method} cannot ask the client: only {', '.join(sorted(ASKING))} can")
        return super().asked(call, question, params, slot)

    def _ask(self, call: Served, key: str, question: Question, params: Model, slot: Any) -> list[Effect]:
        if (brought := _brought(call, question)) is not None:
            call.journal.answered(key, {"result": to_wire(brought)})
            return [Answer(slot, brought)]
        call.open[key] = Pending(question.method, params, slot)
        if self.always_replay:
            return self.quiet(call, interrupted=True)
        return [Arm(call, STEP_SECONDS)] if len(call.open) == 1 else []

    def gave_up(self, call: Served, key: str) -> list[Effect]:
        if call.phase is Phase.RUNNING and call.open.pop(key, None) is not None:
            call.journal.gave_up(key)
        return []

    def quiet(self, call: Served, *, interrupted: bool = False) -> list[Effect]:
        if call.phase is not Phase.RUNNING or not call.open:
            return []
        call.phase, call.interrupted = Phase.SUSPENDING, interrupted
        return [Suspend(call)]

    def _suspended(self, call: Served) -> list[Effect]:
        try:
            call.journal.finish(suspended=True, interrupted=call.interrupted)
        except HandlerError as error:
            self._forget(call)
            call.open.clear()
            return [refused(call.id, self._error(error))]
        return [Seal(call)]

    def sealing_failed(self, call: Served, error: Exception) -> list[Effect]:
        """The state could not be sealed (too large, say): the call fails instead."""
        if call.phase is Phase.ENDED:
            return []
        self._forget(call)
        call.open.clear()
        return [refused(call.id, self._error(error))]

    def _error(self, error: Exception) -> RPCError:
        if isinstance(error, RPCError) and error.code == RESOURCE_NOT_FOUND_2025:
            return RPCError(INVALID_PARAMS, error.message, error.data)
        return super()._error(error)

    def closed(self, reason: str) -> list[Effect]:
        """A graceful end answers the listen streams, as the specification asks of a server that shuts down."""
        ends: list[Effect] = [
            Send(Response(id, SubscriptionsListenResult(meta={SUBSCRIPTION_ID: id})), id) for id in self.listens
        ]
        self.listens.clear()
        return [*ends, *super().closed(reason)]


def _brought(call: Served, question: Question) -> Model | None:
    """The answer that a client gave before it was asked, in a request without a state.

    Only for a question whose author gave it a key: that is a name which clients can know, and no other of the client's
    answers can be meant. With a state, `opened` has read the answers.
    """
    if question.key is None or getattr(call.params, "request_state", None) is not None:
        return None
    given = (getattr(call.params, "input_responses", None) or {}).get(question.key)
    try:
        return None if given is None else answer_of(question.method, question.key, given)
    except InvalidParams:
        return None  # it was not meant for this question, which is asked


def _same(known: Any, came: Any) -> bool:
    """Both are the same JSON: to Python 1 is equal to true, so what is not the very same object is written as well."""
    return known is came or (known == came and repr(known) == repr(came))


def read_meta(request: Request) -> dict[str, Any]:
    """A request's `_meta`, whatever its method is, from a model or from plain JSON."""
    params = request.params
    meta = params.meta if isinstance(params, Model) else (params or {}).get("_meta")  # type: ignore[attr-defined]
    if meta is None:
        return {}
    if not isinstance(meta, dict):
        raise InvalidParams("params._meta must be an object")
    return meta


def wants(wanted: SubscriptionFilter, kind: str, uri: str | None) -> bool:
    """Did this listen stream ask for this change?"""
    if uri is not None:
        return uri in (wanted.resource_subscriptions or ())
    return bool(getattr(wanted, f"{kind}_list_changed"))
