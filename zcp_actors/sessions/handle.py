"""
A server in this process, not yet spoken to: an app, and how it is to be served.

Owns the making of server sessions for an app. Refuses to know transports; one brings a connection and gets a session.
"""

from __future__ import annotations

import itertools
import os
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import attrs

from zcp_actors.errors import UsageError
from zcp_actors.protocol.dialect import Era
from zcp_actors.sessions.server import ServerSession
from zcp_actors.sessions.state import CallState
from zcp_actors.sessions.state_keys import state_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcp_actors.ports import App, Connection, OnceStore, Tasks, TaskStore

ALWAYS_REPLAY: ContextVar[bool] = ContextVar("zcp_actors_always_replay", default=False)
"""Set by `testing.always_replay`: every question of every session opened meanwhile ends its run and is replayed."""

ALWAYS_REPLAY_VARIABLE = "ZCP_ACTORS_ALWAYS_REPLAY"
"""The same for a served process: any text but the empty one."""

_numbers = itertools.count(1)


def _era(value: Era | str | None) -> Era | None:
    return Era.of(value)


@attrs.frozen
class ServerHandle:
    """An app and the options it is served with. What `stdio_server(app)` and its siblings return."""

    app: App
    era: Era | None = attrs.field(default=None, converter=_era)
    """Serve this revision only; None serves both."""
    keys: Sequence[bytes | str] | None = None
    """Rotating keys for sealed state; None: see `served`."""
    once_store: OnceStore | None = None
    """Where `ctx.once` records; None takes the runtime's."""
    task_store: TaskStore | None = None
    """Where tasks are kept, opened by whoever made it; None takes the runtime's, or what fits how it is `served`."""
    principal: str = ""
    """Who the transport says the client is."""
    served: bool = False
    """Served to other processes: sealed state must outlive this one, so its key is kept in the state directory."""

    @classmethod
    def of(cls, target: Any, **options: Any) -> ServerHandle:
        """The handle of an app, or a handle itself, with these options. Raises `UsageError` for anything else."""
        if isinstance(target, cls):
            return attrs.evolve(target, **options) if options else target
        if isinstance(target, type) or not callable(getattr(target, "handle", None)):
            raise UsageError(f"expected an app or a server handle, not {type(target).__name__}")
        return cls(target, **options)

    def call_state(self, runtime: Any) -> CallState:
        """What the states of this app's calls are sealed with. It may read the key file: make one, for many sessions.

        In process it is the runtime's. Raises as `state_keys` does.
        """
        if self.keys is None and not self.served:
            return runtime.call_state(self.app.name)  # type: ignore[no-any-return]
        return CallState(self.app.name, state_keys(self.app.name, self.keys, os.environ, served=self.served))

    def tasks(self, runtime: Any) -> Tasks | None:
        """Who runs this app's tasks in this runtime; None for an app without any."""
        store = runtime.task_store if self.task_store is None else self.task_store
        return self.app.host_tasks(runtime, store, served=self.served)

    async def recover(self, runtime: Any) -> None:
        """Take up the tasks that an earlier process left. Raises `StartFailed` for a store that cannot be opened."""
        tasks = self.tasks(runtime)
        if tasks is not None:
            await tasks.recover()

    def host(
        self,
        runtime: Any,
        connection: Connection,
        parent: Any = None,
        *,
        era: Era | None = None,
        principal: str | None = None,
        state: CallState | None = None,
    ) -> ServerSession:
        """A session for one client at the other end of this connection, hosted in the runtime.

        A transport that serves many clients says what is this client's: its `era` and `principal`, and the `state` that
        all of them share.
        """
        session = ServerSession(
            self.app,
            connection,
            state or self.call_state(runtime),
            era=self.era if era is None else era,
            principal=self.principal if principal is None else principal,
            once_store=self.once_store or runtime.once_store,
            tasks=self.tasks(runtime),
            always_replay=ALWAYS_REPLAY.get() or bool(os.environ.get(ALWAYS_REPLAY_VARIABLE)),
        )
        runtime.host(session, f"{self.app.name.replace('/', '-')[:64]}-server-{next(_numbers)}", parent=parent)
        session.begin()
        return session
