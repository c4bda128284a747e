"""
Hearing of changes: lists that changed, resources that were updated.

Owns what the host wants to hear of, and its standing at the server: `resources/subscribe` in one era, a listen stream
in the other. A new stream is acknowledged before the old one is closed, only one of them is listened to at a time, so
nothing
is heard twice or missed in between. What may have been missed while a connection was gone is reported as a gap.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.actors import Job, Reply
from zcp_actors.errors import (
    CapabilityMissing,
    ConnectionLost,
    RequestCancelled,
    RequestTimeout,
    RPCError,
    SessionClosed,
    UsageError,
    ZCPError,
)
from zcp_actors.ports import Changed
from zcp_actors.protocol.stateless_client import StatelessClient
from zcp_actors.sessions.notices import tell_listener
from zcp_actors.sessions.timeouts import NO_TIMEOUTS
from zcp_actors.wire import (
    SetLevelRequestParams,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    from_wire,
)
from zcp_actors.wire.meta_keys import SUBSCRIPTION_ID

if TYPE_CHECKING:
    from zcp_actors.actors import Exit
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.wire import Model

log = logging.getLogger("zcp_actors.sessions")

MAX_SUBSCRIBED = 1000
"""Resources of one server that a host follows; what a server of ours accepts as well."""

STEADY_SECONDS = 60.0
"""A listen stream that stood as long was not broken by its opening: the next pause is the first one again."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 30.0
"""Seconds before a broken listen stream is opened again; doubled each time, so that a server which always ends it is
asked twice a minute."""

NEEDED = {"resources": {"subscribe": True}}
"""What a server declares that tells of updates."""

KINDS = {f"notifications/{kind}/list_changed": kind for kind in ("tools", "prompts", "resources")}


class Stream(Job):
    """One listen stream: open until it is replaced, the session ends, or the connection does."""

    __slots__ = ("acknowledged", "gap", "id", "listener", "losses", "number", "params", "tasks", "uris")

    def __init__(self, listener: Listener, wanted: SubscriptionFilter, number: int) -> None:
        self.listener, self.number = listener, number
        self.params = SubscriptionsListenRequestParams(notifications=wanted)
        self.gap = False
        """It was broken off; what changed since is reported as a gap when it stands again, not before."""
        self.acknowledged: Reply[None] = Reply()
        self.losses = 0
        self.id: Any = None
        """The subscription's id at the server, from its acknowledgement."""
        self.tasks: frozenset[str] = frozenset()
        """The tasks that the server agreed to tell of."""
        self.uris: frozenset[str] = frozenset()
        """The resources that it agreed to tell of."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return f"listen-{self.number}"

    @property
    def follows_changes(self) -> bool:
        """It is not for tasks alone."""
        return any(name != "taskIds" for name in self.params.notifications)

    def _pause(self, began: float) -> float:
        """Seconds before it is opened again: on some transports a stream is lost alone, and nothing else would wait."""
        self.losses = 0 if trio.current_time() - began > STEADY_SECONDS else self.losses + 1
        return min(FIRST_PAUSE * (1 << min(self.losses, 16)), LONGEST_PAUSE)

    def _ensure_stood(self, error: ZCPError) -> None:
        """The server ended it. Raises the error where it never began: that is a refusal."""
        if not self.acknowledged.settled:
            raise error

    async def run(self) -> None:
        """Hold the stream open; when it is lost, or the server ends it, open it again and report the gap."""
        session = self.listener.session
        try:
            while True:
                began = trio.current_time()
                try:
                    await session.request("subscriptions/listen", self.params, timeouts=NO_TIMEOUTS)
                    self._ensure_stood(SessionClosed("the server ended the listen stream"))
                except RequestCancelled as error:
                    self._ensure_stood(error)
                except ConnectionLost:
                    pass
                self.gap = True
                self.listener.silenced(self)
                await trio.sleep(self._pause(began))
                await session.ready(math.inf)
        except ZCPError as error:
            self.listener.ended(self, error)


class Retuning(Job):
    """Make the listen stream one for the tasks that are followed now."""

    __slots__ = ("listener",)

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    async def run(self) -> None:
        """A server that tells of no tasks is polled."""
        try:
            await self.listener.replace_for_tasks()
        except ZCPError as error:
            self.listener.tells_tasks = not isinstance(error, RPCError)
            log.info("%s does not tell of its tasks: %s", self.listener.session.name, error)

    def ended(self, exit: Exit) -> None:
        """The next change begins another."""
        self.listener.retuning = None


class Resubscribing(Job):
    """After a reconnection in the stateful era: say again what the host wishes, then report the gap."""

    __slots__ = ("listener",)

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    async def run(self) -> None:
        """Subscribe; a server that refuses or goes again is tried at the next reconnection."""
        try:
            for method, params in self.listener.wishes():
                await self._ask(method, params)
        except ZCPError:
            return
        self.listener.report_gaps()

    async def _ask(self, method: str, params: Model) -> None:
        try:
            await self.listener.session.request(method, params)
        except RPCError as error:
            log.warning("%s refuses %s after a reconnection: %s", self.listener.session.name, method, error)


class Listener:
    """What one client hears of its server's changes."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session
        self.uris: dict[str, None] = {}
        self.level: str | None = None
        """The log level that the host asked for, where the session has one."""
        self._stream: Stream | None = None
        self._opening: Stream | None = None
        self._streams = 0
        self._lock: trio.Lock | None = None
        self.retuning: Retuning | None = None
        self.tells_tasks = True
        """The server has not refused to tell of tasks, as far as this connection goes."""
        session.listener = session.tasks.listener = self

    async def begin(self) -> None:
        """Follow the lists, when somebody wants to hear of them. The stateful era needs no asking."""
        if self.session.providers.changed is not None and self._stateless:
            try:
                async with self._turn:
                    await self._replace()
            except RPCError as error:
                log.warning("%s does not tell of changes: %s", self.session.name, error)

    @property
    def _turn(self) -> trio.Lock:
        """Whoever changes what is followed. Made when somebody first does: most clients never do."""
        if self._lock is None:
            self._lock = trio.Lock()
        return self._lock

    @property
    def _stateless(self) -> bool:
        return isinstance(self.session.automaton, StatelessClient)

    async def subscribe(self, uri: str) -> None:
        """Hear of updates of this resource. Returns when the server has agreed; raises what it refuses with."""
        async with self._turn:
            if uri in self.uris:
                return
            if len(self.uris) >= MAX_SUBSCRIBED:
                raise UsageError(f"{MAX_SUBSCRIBED} resources of {self.session.name} are followed already; leave some")
            self.uris[uri] = None
            try:
                await self._apply("resources/subscribe", uri)
            except BaseException:
                self.uris.pop(uri, None)
                raise
            if self._stateless and not self._agreed(uri):
                del self.uris[uri]
                await self._replace()
                raise CapabilityMissing(f"{self.session.name} does not tell of updates of {uri!r:.200}", NEEDED)

    def _agreed(self, uri: str) -> bool:
        """The server acknowledged this resource, or as many as it was asked for: it may spell one in another way."""
        return self._stream is not None and (uri in self._stream.uris or len(self._stream.uris) >= len(self.uris))

    async def unsubscribe(self, uri: str) -> None:
        """Hear no more of this resource."""
        async with self._turn:
            if uri in self.uris:
                del self.uris[uri]
                await self._apply("resources/unsubscribe", uri)

    # -------------------------------------------------------------------------------------------- tasks
    def tells_of(self, id: str) -> bool:
        """The server tells of this task by itself, as it said."""
        return self._stream is not None and id in self._stream.tasks

    def retune(self) -> None:
        """The tasks that are followed are others now. The stateful era needs no asking."""
        if self._stateless and self.tells_tasks and self.retuning is None and self.session.me.status == "running":
            if self.session.tasks.live or self._turn.locked() or self._follows_changes:
                self.retuning = Retuning(self)
                self.session.submit(self.retuning)
            else:
                self._close()

    @property
    def _follows_changes(self) -> bool:
        return self.session.providers.changed is not None or bool(self.uris)

    async def replace_for_tasks(self) -> None:
        """Until the stream is for every task that is followed; one that ended stays in it until the next change."""
        if self._turn.locked():
            await self._turn.acquire()
        else:
            self._turn.acquire_nowait()  # the usual case, for every task: it gives no way to others
        try:
            while self._misses_tasks():
                await self._replace()
        finally:
            self._turn.release()

    def _misses_tasks(self) -> bool:
        asked = (self._stream.params.notifications.task_ids or []) if self._stream is not None else []
        live = self.session.tasks.live
        return bool(live.keys() - set(asked)) or (bool(asked) and not live)

    async def _apply(self, method: str, uri: str) -> None:
        if self._stateless:
            await self._replace()
        else:
            await self.session.request(method, SubscribeRequestParams(uri=uri))

    async def _replace(self) -> None:
        """Open a stream for what is wanted now, and only when it stands close the one before."""
        wanted, old = self._wanted(), self._stream
        if not wanted.keys():
            self._close()
            return
        self._streams += 1
        stream = Stream(self, wanted, self._streams)
        self._opening = stream
        self.session.submit(stream)
        try:
            await self._acknowledgement(stream)
        except BaseException:
            self._opening, self._stream = None, old
            stream.cancel("the listen stream was not acknowledged")
            raise
        if old is not None:
            old.cancel("replaced by another listen stream")

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel("nothing is followed any more")

    async def _acknowledgement(self, stream: Stream) -> None:
        limit = self.session.timeouts.idle
        try:
            await stream.acknowledged.wait(trio.current_time() + limit, self.session.runtime.timers)
        except trio.TooSlowError:
            raise RequestTimeout("subscriptions/listen", limit, "idle") from None

    def _wanted(self) -> SubscriptionFilter:
        lists = self.session.providers.changed is not None or None
        return SubscriptionFilter(
            tools_list_changed=lists,
            prompts_list_changed=lists,
            resources_list_changed=lists,
            resource_subscriptions=sorted(self.uris) or None,
            task_ids=(sorted(self.session.tasks.live) if self.tells_tasks else None) or None,
        )

    # -------------------------------------------------------------------------------------------- what is heard
    def notified(self, method: str, params: Any) -> None:
        """The server tells of a change, or that it will."""
        if method == "notifications/subscriptions/acknowledged":
            self._acknowledged(subscription_id(params), params)
        elif method == "notifications/resources/updated":
            if self._follows(params.uri) and self._current(params):
                self._tell(Changed("resources", params.uri))
        elif method in KINDS and self._current(params):
            self._tell(Changed(KINDS[method]))

    def _acknowledged(self, id: Any, params: Any) -> None:
        """From this step on the new stream counts, or the old one under its new id after a reconnection."""
        sent = self.session.automaton.requests.get(id) if self.session.automaton is not None else None
        for stream in (self._opening, self._stream):
            if sent is not None and stream is not None and stream.params is sent.params:
                told = self._stream.tasks if self._stream is not None else frozenset()
                self._stands(stream, id)
                stream.tasks = frozenset(params.notifications.task_ids or ())
                stream.uris = frozenset(params.notifications.resource_subscriptions or ())
                self.session.tasks.ask_again(stream.tasks - told)

    def _stands(self, stream: Stream, id: Any) -> None:
        if stream is self._opening:
            self._stream, self._opening = stream, None
        stream.id = id
        stream.acknowledged.set(None)
        if stream.gap:
            stream.gap = False
            self.report_gaps()

    def ended(self, stream: Stream, error: ZCPError) -> None:
        """A stream came to nothing, or to its end; without one, nothing is heard until the next subscription."""
        stream.acknowledged.fail(error)
        self.silenced(stream)
        if stream is self._stream and self.session.me.status == "running":
            self._stream = None
            if not stream.follows_changes and not self.session.tasks.live:
                return
            log.warning("%s tells of changes no more: %s", self.session.name, error)
            self.report_gaps()

    def silenced(self, stream: Stream) -> None:
        """Of its tasks nothing is heard by this stream now."""
        tasks, stream.tasks = stream.tasks, frozenset()
        if stream is self._stream:
            self.session.tasks.ask_again(tasks)

    def _follows(self, uri: str) -> bool:
        """It may be a sub-resource of what is followed. Source: ResourceUpdatedNotificationParams, both revisions."""
        return uri in self.uris or any(uri.startswith(f"{each.rstrip('/')}/") for each in self.uris)

    def _current(self, params: Any) -> bool:
        """In the overlap of two streams, only one of them counts."""
        return self._stream is None or subscription_id(params) == self._stream.id

    def _tell(self, change: Changed) -> None:
        if self.session.providers.changed is not None:
            tell_listener(self.session, self.session.providers.changed, change)

    def wishes(self) -> list[tuple[str, Model]]:
        """What a new session of the stateful era has to be told again."""
        level = [("logging/setLevel", from_wire(SetLevelRequestParams, {"level": self.level}))] if self.level else []
        return [*level, *(("resources/subscribe", SubscribeRequestParams(uri=uri)) for uri in sorted(self.uris))]

    def report_gaps(self) -> None:
        """The connection was gone for a while: whatever is followed may have changed."""
        for uri in sorted(self.uris):
            self._tell(Changed("resources", uri, gap=True))
        for kind in ("tools", "prompts", "resources"):
            self._tell(Changed(kind, gap=True))

    def reopened(self) -> None:
        """Another connection is there, or another session over the same one."""
        self.tells_tasks = True
        self.retune()
        if (self.uris or self.level) and not self._stateless:
            self.session.submit(Resubscribing(self))
        elif not self._stateless:
            self.report_gaps()


def subscription_id(params: Any) -> Any:
    """The listen stream that a notification came by; None in the stateful era."""
    return (getattr(params, "meta", None) or {}).get(SUBSCRIPTION_ID)
