"""
The small protocols at which the layers, and the adapters, meet.

Owns shapes only: no behaviour beyond the null objects that stand for "nothing attached".
Refuses to know who implements them; it imports `errors` and nothing else of the project.
A `message` here is an envelope of `wire.jsonrpc`; `params` and `result` are models of `wire`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager


@attrs.frozen
class Changed:
    """Something that an app serves is not what it was: a list ("tools", "prompts", "resources") or one resource."""

    kind: str
    uri: str | None = None
    """The resource's URI when one resource's content changed; None when a list did."""
    gap: bool = False
    """Nothing is known to have changed, but a change may have been missed: the connection was gone for a while."""


class Connection(Protocol):
    """The way to one peer, as a session sees it. Made by a transport, owned by whoever opened it."""

    transport: str
    """The conventional name: "memory", "pipe", "tcp"."""
    dialect: Any
    """The `Dialect` agreed on; set by the session, None until then."""
    stamp: Any
    """What every result's `_meta` shall carry on a wire, or None; set by the session."""

    def post(self, message: Any, call: int | str | None = None) -> None:
        """Hand one message over now, in order, without waiting.

        `call` is the id of the peer's request that this message belongs to, for transports that route by it.
        Raises `ConnectionLost` when the peer is gone.
        """

    def hang_up(self) -> None:
        """This side has ended; tell the other, where nothing else will."""

    @property
    def full(self) -> bool:
        """More is queued than the high-water mark: `room` would wait."""

    async def room(self) -> None:
        """Wait until fewer messages are queued than the connection's high-water mark: where backpressure is felt."""


@runtime_checkable
class Routed(Protocol):
    """What a connection has besides when every call has a part of it of its own, such as an HTTP response."""

    async def room_for(self, call: int | str) -> None:
        """`Connection.room`, for the part of this call."""

    def release(self, call: int | str) -> None:
        """Let the part of this call go; the peer comes back for the rest."""


class Session(Protocol):
    """A conversation, as a transport sees it."""

    def feed(self, message: Any) -> None:
        """One message came from the peer. Never waits, never raises for what the peer did."""

    def refuse(self, error: Any) -> None:
        """Bytes came that are no message (`InvalidMessage`): answer as the protocol asks, go on."""

    def lost(self, error: Exception | None) -> None:
        """The connection ended; None when the peer closed it in good order."""


class Way(Protocol):
    """How to reach a server: what a client is made with, before it is opened."""

    @property
    def name(self) -> str:
        """A short name for trees and logs."""

    @property
    def identity(self) -> str | None:
        """What to remember the server's era by, or None."""

    @property
    def at_once(self) -> bool:
        """True for a way that needs no task of its own: it is joined; the others are opened."""

    def join(self, runtime: Any, session: Session) -> Connection:
        """A connection at once; messages come to the session by themselves. Only where `at_once`."""

    def open(self, runtime: Any) -> AbstractAsyncContextManager[Channel]:
        """Open a channel, close it with the block. Raises `StartFailed`."""


class Channel(Connection, Protocol):
    """An open connection whose other end is read by its owner."""

    always_replies: bool
    """Every request gets some reply here, so silence says nothing about what the peer knows."""

    async def read(self, session: Session) -> None:
        """Feed the session until the connection ends. Raises `ConnectionLost` then, whatever the reason."""


class App(Protocol):
    """What a server session serves. `FastZCP` is one."""

    name: str

    version: str
    instructions: str | None

    def implementation(self) -> Any:
        """Who serves: an `Implementation` model (name, version, title, icons, website)."""

    def capabilities(self) -> Any:
        """What is served, as a `ServerCapabilities` model."""

    async def handle(self, context: Any, method: str, params: Any) -> Any:
        """Serve one request; return its result model. Raise `RPCError` to answer with an error.

        Cancelled like any task.
        """

    def listen(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        """Call `listener` with every change (`Changed`) until the returned function is called."""


class Recorder(Protocol):
    """What happened, told to whoever draws it: telemetry fills this in, the layers only report.

    Every method is called synchronously in the step in which the thing happened, so it must not block.
    Hot paths ask `enabled` first.
    """

    enabled: bool

    def transition(self, subject: str, path: str, old: str, new: str, **facts: Any) -> None:
        """`subject` ("session", "call", "pending", "actor", "task") at `path` moved from one status to another."""

    def wait(self, thing: str, path: str, began: float, ended: float, outcome: str, **facts: Any) -> None:
        """Somebody waited for `thing` between two times of the runtime's clock; `outcome` is "ok" or why it ended."""

    def restart(self, path: str, exit: Any, delay: float, attempt: int) -> None:
        """A supervisor will start the child at `path` again in `delay` seconds because of `exit`."""


class NullRecorder:
    """Nothing attached."""

    enabled = False

    def transition(self, subject: str, path: str, old: str, new: str, **facts: Any) -> None: ...
    def wait(self, thing: str, path: str, began: float, ended: float, outcome: str, **facts: Any) -> None: ...
    def restart(self, path: str, exit: Any, delay: float, attempt: int) -> None: ...


class OnceStore(Protocol):
    """Where `ctx.once` writes an intent before a side effect and its outcome after, so that neither is forgotten.

    `scope` is (app, principal, call nonce or task id). Implementations are safe to call from several calls at once.
    """

    async def begin(self, scope: tuple[str, str, str], key: str) -> tuple[bool, Any]:
        """Write the intent. (True, outcome) if one is recorded; (False, None) if this is the first intent.

        Raises `OnceUncertain` when an intent stands without an outcome.
        """

    async def finish(self, scope: tuple[str, str, str], key: str, outcome: Any) -> None:
        """Record the outcome (plain JSON) of the intent."""

    async def forget(self, scope: tuple[str, str, str], key: str) -> None:
        """Take the intent back: the side effect is known not to have happened, or is to be retried on request."""


class SamplingProvider(Protocol):
    """The host's model: answers `sampling/createMessage`."""

    def __call__(self, request: Any) -> Any | Awaitable[Any]:
        """`request` is a `CreateMessageRequestParams`; return a `CreateMessageResult`, or a mapping of its shape."""


class ElicitationProvider(Protocol):
    """The host's person: answers `elicitation/create`."""

    def __call__(self, request: Any) -> Any | Awaitable[Any]:
        """`request` is `ElicitRequestFormParams` or `ElicitRequestURLParams`; return an `ElicitResult` or a mapping."""


class RootsProvider(Protocol):
    """The host's workspace: answers `roots/list`."""

    def __call__(self) -> Any | Awaitable[Any]:
        """Return a list of `Root`, or of mappings of its shape."""
