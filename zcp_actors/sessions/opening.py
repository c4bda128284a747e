"""
A client's life: how it is made, opened in a runtime and closed, and what its server said of itself.

Owns the place in the tree (a session, with a link where the way needs one) and the sending of any request.
Refuses to know eras and transports, and what the requests mean: the classes above it do.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from zcp_actors.actors import Limit, Restart, Supervisor, current_runtime
from zcp_actors.errors import MethodNotFound, NotOpened, UsageError
from zcp_actors.protocol.dialect import Era
from zcp_actors.sessions.client import ClientSession
from zcp_actors.sessions.handshake import introduce
from zcp_actors.sessions.link import Link
from zcp_actors.sessions.listed_tools import ListedTools
from zcp_actors.sessions.listening import Listener
from zcp_actors.sessions.policy import Policy
from zcp_actors.sessions.providers import Providers
from zcp_actors.sessions.timeouts import Timeouts
from zcp_actors.wire import Implementation, Model, copied, from_wire, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from zcp_actors.actors import Exit, Ref
    from zcp_actors.ports import Way
    from zcp_actors.sessions.handshake import Introduction

VERSION = "0.1.0"

USUAL_TIMEOUTS, USUAL_POLICY = Timeouts(), Policy()
"""Those of every client that is given none."""

_numbers = itertools.count(1)


class Backend(Supervisor[Any]):
    """One server's place in the tree: its session, and the link that keeps it connected."""

    max_children = 8

    def __init__(self, limit: Limit) -> None:
        super().__init__()
        self.limit = limit

    def on_child_exit(self, ref: Ref[Any], exit: Exit) -> None:
        """Without its session a connection serves nobody."""
        if ref.name == "session" and isinstance(exit.error, Exception):
            raise exit.error


class Opening:
    """What every client is before it asks anything: see `ZCPClientSession`."""

    def __init__(
        self,
        way: Way,
        *,
        name: str | None = None,
        client_info: Implementation | Mapping[str, Any] | None = None,
        roots_provider: Any = None,
        sampling_handler: Any = None,
        elicitation_handler: Any = None,
        log_handler: Callable[..., Any] | None = None,
        progress_handler: Callable[..., Any] | None = None,
        changed_handler: Callable[..., Any] | None = None,
        sampling_tools: bool = False,
        url_elicitation: bool = True,
        era: Era | str | None = None,
        timeouts: Timeouts | None = None,
        policy: Policy | None = None,
    ) -> None:
        """Make an unopened client. `era` forces a revision ("2025-11-25", "2026-07-28"); None agrees on the newest."""
        self._way = way
        self.name = name or way.name
        self._me = _implementation(client_info)
        self._era = Era.of(era)
        self._providers = Providers(
            sampling=sampling_handler,
            elicitation=elicitation_handler,
            roots=roots_provider,
            log=log_handler,
            progress=progress_handler,
            changed=changed_handler,
            sampling_tools=sampling_tools,
            url_elicitation=url_elicitation,
        )
        self._timeouts = timeouts or USUAL_TIMEOUTS
        self._policy = policy or USUAL_POLICY
        self._session: ClientSession | None = None
        self._listener: Listener | None = None
        self._root: Ref[Any] | None = None
        self._listed = ListedTools(self.name)

    def __repr__(self) -> str:
        state = "not opened" if self._session is None else self._session.state.value
        return f"<{type(self).__name__} {self.name!r} {state}>"

    # -------------------------------------------------------------------------------------------- life
    async def __aenter__(self) -> Self:
        """Open the way and agree with the server.

        Raises `NoRuntime`, `StartFailed`, `UnsupportedVersion`, and the above.
        """
        await self.open(current_runtime(), None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; what is in flight is cancelled, a child process is gone when this returns."""
        await self.close()

    async def open(self, runtime: Any, restart: Limit | None) -> None:
        """Open it in this runtime; with `restart`, a lost connection is brought back within that limit."""
        if self._root is not None:
            raise UsageError(f"{self!r} is already opened; make another client for another session")
        try:
            await self._connect(runtime, restart)
        except BaseException:
            await self.close()
            raise

    async def _connect(self, runtime: Any, restart: Limit | None) -> None:
        session = ClientSession(self.name, self._providers, self._policy, self._timeouts)
        name = self._free_name(runtime)
        if self._way.at_once:
            self._root = runtime.host(session, name)
            self._adopt(runtime, session)
            await introduce(session, self._way.join(runtime, session), self._me, self._era)
        else:
            await self._start_link(runtime, session, name, restart)
        assert self._listener is not None
        await self._listener.begin()

    def _free_name(self, runtime: Any) -> str:
        wanted = self.name.replace("/", "-")[:64] or "server"
        return wanted if runtime.is_free(wanted) else f"{wanted}-{next(_numbers)}"

    async def _start_link(self, runtime: Any, session: ClientSession, name: str, restart: Limit | None) -> None:
        limit = restart or Limit(restarts=0)
        self._root = await runtime.start(lambda: Backend(limit), name, restart=Restart.NEVER)
        runtime.host(session, "session", parent=self._root)
        self._adopt(runtime, session)

        def link() -> Link:
            return Link(session, self._way, self._me, self._era, supervised=restart is not None)

        policy = Restart.NEVER if restart is None else Restart.ALWAYS
        await runtime.start(link, "link", restart=policy, parent=self._root)

    def _adopt(self, runtime: Any, session: ClientSession) -> None:
        self._session, self._listener = session, Listener(session)
        session.identity, session.tasks.listed = self._way.identity, self._listed
        runtime.opened_session(session)

    async def close(self) -> None:
        """End the session. Idempotent. Requests in flight end with `SessionClosed`."""
        if self._root is not None:
            self._root.stop()
            await self._root.stopped()

    def _open_session(self) -> ClientSession:
        if self._session is None:
            raise NotOpened(
                f"{self!r}: use it inside `async with client:`, or open it with `await runtime.connect(client)`"
            )
        return self._session

    # -------------------------------------------------------------------------------------------- who is there
    @property
    def introduction(self) -> Introduction:
        """What the server said of itself: era, version, and its `DiscoverResult` or `InitializeResult`."""
        found = self._open_session().introduction
        if found is None:
            raise NotOpened(f"{self!r}: the server has not introduced itself yet")
        return found

    @property
    def protocol_version(self) -> str:
        """The revision in use."""
        return self.introduction.version

    @property
    def server_capabilities(self) -> Any:
        """What the server declared."""
        return self.introduction.result.capabilities

    @property
    def instructions(self) -> str | None:
        """How the server wants to be used, in its own words."""
        return getattr(self.introduction.result, "instructions", None)

    @property
    def pid(self) -> int | None:
        """The server's process, where it is a child of this one; None elsewhere, and between two of them."""
        return getattr(self._open_session().connection, "pid", None)

    async def initialize(self, capabilities: Any = None) -> Any:
        """What the server said at the opening, which did the handshake already: it declared what has a provider."""
        await self._open_session().ready()
        return self.introduction.result

    async def initialized(self) -> None:
        """Nothing: the opening has said it."""

    # -------------------------------------------------------------------------------------------- any request
    async def request(self, method: str, params: Any = None, *, timeouts: Timeouts | None = None) -> Any:
        """Send any request of the dialect in use; `params` is its model, or a mapping of the wire's shape."""
        session = self._open_session()
        await session.ready()
        assert session.automaton is not None
        shapes = session.automaton.dialect.client_requests.get(method)
        if shapes is None:
            raise MethodNotFound(method)
        typed = params if isinstance(params, Model) else from_wire(shapes[0], plain(params or {}, "params"))
        return await session.request(method, typed, timeouts=timeouts)

    async def _ask(self, method: str, params: Any) -> Any:
        return await self._open_session().request(method, params)


def _implementation(given: Implementation | Mapping[str, Any] | None) -> Implementation:
    if given is None:
        return Implementation(name="zcp_actors", version=VERSION)
    # A copy that was read: what is wrong with it is said here, and what its giver does to it later is not told.
    return copied(given) if isinstance(given, Implementation) else from_wire(Implementation, dict(given))
