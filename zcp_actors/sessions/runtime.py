"""
The runtime that hosts conversations: the actor runtime, and what waits for an answer in it.

Owns the list of pending requests of all sessions, and the connecting of clients under supervision.
Refuses to know transports: a client brings its own way.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, TypeVar

from zcp_actors.actors import Limit
from zcp_actors.actors import Runtime as ActorRuntime
from zcp_actors.actors import open_runtime as open_actor_runtime
from zcp_actors.errors import UsageError
from zcp_actors.sessions.kept_handles import resume
from zcp_actors.sessions.state import CallState

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from zcp_actors.ports import OnceStore, Recorder, Tasks, TaskStore
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.sessions.pending import PendingRequest
    from zcp_actors.sessions.task_handle import TaskHandle
    from zcp_actors.sessions.zcp_client_session import ZCPClientSession

C = TypeVar("C", bound="ZCPClientSession")

RESTARTS = Limit(restarts=5, within=60.0, backoff=0.1, backoff_max=5.0)
"""How often a lost backend is brought back: five times a minute tells a flaky server from one that cannot live."""

MAX_CALL_STATES = 1000
"""Names of in-process apps whose sealing is remembered, one or two MB: a host may make an app for each user."""


class Runtime(ActorRuntime):
    """Made by `open_runtime`."""

    def __init__(
        self,
        *,
        name: str = "root",
        recorder: Recorder | None = None,
        once_store: OnceStore | None = None,
        task_store: TaskStore | None = None,
    ) -> None:
        super().__init__(name=name, recorder=recorder)
        self.once_store = once_store
        """Where in-process servers record `ctx.once`; None: at least once."""
        self.task_store = task_store
        """Where in-process servers keep tasks, and clients their handles, opened by whoever made it; None: memory."""
        self._state_key = secrets.token_bytes(32)
        """What in-process servers seal with: a state never leaves this process."""
        self._call_states: dict[str, CallState] = {}
        self.task_services: dict[Any, Tasks] = {}
        """Who runs the tasks of which app, by the app and where they are kept."""
        self.waiting: dict[str, PendingRequest] = {}
        self.sessions: dict[ClientSession, None] = {}

    async def connect(self, client: C, *, restart: Limit | None = RESTARTS) -> C:
        """Open a client here and put it under supervision: a lost connection is brought back within `restart`.

        In the stateless era a call that waits for an answer of ours survives the loss; what was on the wire fails with
        `ConnectionLost`. The client lives until `await client.close()` or the end of the runtime. Raises as opening
        does.
        """
        await client.open(self, restart)
        return client

    def pending(self) -> tuple[PendingRequest, ...]:
        """Every question of every server that waits for an answer here, oldest first."""
        return tuple(self.waiting.values())

    def answer(self, id: str, answer: Any) -> None:
        """Answer a pending request, as a provider would.

        Raises `UsageError` when there is none, or the answer does not fit.
        """
        self._pending(id).answer(answer)

    def decline(self, id: str, reason: str = "declined by the person") -> None:
        """Say no to a pending request. Raises `UsageError` when there is none of that id."""
        self._pending(id).decline(reason)

    def cancel(self, id: str, reason: str = "dismissed by the person") -> None:
        """Dismiss a pending request, neither yes nor no. Raises `UsageError` when there is none of that id."""
        self._pending(id).cancel(reason)

    async def resume_tasks(self) -> list[TaskHandle]:
        """After a restart of the host: the tasks whose handles the runtime's `task_store` kept, oldest first.

        Those of clients that are connected here now, found by their names and the ways to their servers, are followed
        again: each can be awaited, cancelled, and gets its answers from its client's providers. The others stay stored,
        and are named in a warning.
        Raises what the store raises, and `Overloaded`. Without a store there are none.
        """
        return await resume(self)

    def _pending(self, id: str) -> PendingRequest:
        pending = self.waiting.get(id)
        if pending is None:
            raise UsageError(
                f"no pending request {id!r}: it was answered, withdrawn, or never there; runtime.pending() lists them"
            )
        return pending

    def call_state(self, app: str) -> CallState:
        """What seals the states of calls that an app of this name serves in this process; one for all its sessions."""
        known = self._call_states.get(app)
        if known is None:
            if len(self._call_states) >= MAX_CALL_STATES:
                # It is nothing but a key: whoever asks for that app again gets one that opens the same states.
                del self._call_states[next(iter(self._call_states))]
            known = self._call_states[app] = CallState(app, [self._state_key])
        return known

    def opened_session(self, session: ClientSession) -> None:
        """A client session begins."""
        self.sessions[session] = None
        if self.recorder.enabled:
            self.recorder.transition("session", session.me.path, "", "connecting", backend=session.name)

    def closed_session(self, session: ClientSession) -> None:
        """A client session has ended."""
        self.sessions.pop(session, None)

    def is_free(self, name: str) -> bool:
        """No child of the root has this name."""
        return name not in (self._seat._children or {})  # noqa: SLF001 - the layer below keeps its tree to its subclasses


def open_runtime(
    *,
    grace: float = 10.0,
    recorder: Recorder | None = None,
    name: str = "root",
    max_children: int | None = None,
    once_store: OnceStore | None = None,
    task_store: TaskStore | None = None,
) -> AbstractAsyncContextManager[Runtime]:
    """Open a runtime for `async with`. Everything opened inside ends before the block does.

    A cancellation, or an error, reaches the body first: its `finally` blocks still find living clients. `grace` is how
    many seconds everything together has to end. `recorder` hears of every transition, wait and restart.
    """
    return open_actor_runtime(
        grace=grace,
        recorder=recorder,
        name=name,
        max_children=max_children,
        factory=Runtime,
        once_store=once_store,
        task_store=task_store,
    )
