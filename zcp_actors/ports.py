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
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from contextvars import Context
    from types import TracebackType


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
    """The conventional name: "memory", "pipe", "tcp".

    A connection may have `facts` besides, for recorders: `transport`, and `protocol`, `address`, `port` and `session`
    where known.
    """
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

    @property
    def reachable(self) -> bool:
        """The peer reads what belongs to no call."""

    def reads(self, call: int | str) -> bool:
        """The peer reads what belongs to this call now; else it waits for the peer to come back."""


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
        """Who serves: an `Implementation` model (name, version, title, icons, website), made for whoever asks."""

    def capabilities(self) -> Any:
        """What is served, as a `ServerCapabilities` model, made for whoever asks: a client in process gets that."""

    async def handle(self, context: Any, method: str, params: Any) -> Any:
        """Serve one request; return its result model. Raise `RPCError` to answer with an error.

        Cancelled like any task.
        """

    def listen(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        """Call `listener` with every change (`Changed`) until the returned function is called."""

    def task_policy(self, method: str, target: str) -> Any:
        """A `TaskPolicy` for a tool ("tools/call") or a kind ("tasks/create"); None for one that is not there."""

    def check_task(self, kind: str, input: Any) -> None:
        """Raises `InvalidParams` for an input that does not fit this kind of task, before there is a task."""

    def task_targets(self) -> Collection[tuple[str, str]]:
        """Every (method, target) that may run as a task."""

    def host_tasks(self, runtime: Any, store: TaskStore | None, *, served: bool) -> Tasks | None:
        """Who runs this app's tasks in this runtime, made when first asked for; None for an app without tasks.

        Without a store: in memory, or for an app that is `served` to other processes in a file of its own.
        """


class Tasks(Protocol):
    """What a server session asks of whoever runs its app's tasks."""

    async def handle(self, context: Any, method: str, params: Any) -> Any:
        """Serve a `tasks/…` request, or one that may become a task. As `App.handle`."""

    def left(self, session: Any) -> None:
        """A session has ended; its tasks go on."""

    def reached(self, session: Any) -> None:
        """What belongs to no request reaches the client of this session again."""

    def awaited_by(self, session: Any) -> bool:
        """A task that this session made has not ended."""

    async def recover(self) -> None:
        """Begin to take up what an earlier process, or another one that died, left unfinished."""


class Span(Protocol):
    """Something under way, followed from `Recorder.begin` to its one `end`. Nothing here waits or raises.

    Its facts say what it is about, never what it contains.
    """

    def tell(self, **facts: Any) -> None:
        """More is known of it."""

    def carried(self, meta: Mapping[str, Any] | None) -> dict[str, Any]:
        """A copy of this `_meta` with what the other side needs to make its part a part of this one."""

    def within(self, base: Context) -> Context:
        """A copy of `base` in which whatever is begun is a part of this: for the task that works on it."""

    def mark(self) -> dict[str, Any]:
        """Plain JSON that names it, and this moment, in another process too: `begin` takes it back as `after`."""

    def end(self, outcome: str = "completed", **facts: Any) -> None:
        """It is over. `outcome` is "completed" or one word for why not; `by` is the span of what cut it short.

        The first end stands.
        """


SUBJECTS = frozenset({"session", "request", "call", "question", "pending", "actor", "task"})
"""What has a status that changes."""


class Recorder(Protocol):
    """What happened, told to whoever draws it: telemetry fills this in, the layers only report.

    Every method is called synchronously in the step in which the thing happened, so it must neither block nor raise.
    Hot paths ask `enabled` first.
    """

    enabled: bool

    subjects: Collection[str]
    """Whose transitions it wants to hear of; of others it need not be told."""

    def transition(self, subject: str, path: str, old: str, new: str, **facts: Any) -> None:
        """`subject` (one of `SUBJECTS`) at `path` moved from one status to another; at first from none, "".

        A task's facts: `id`, `method`, `target`, `principal`, `ttl`, `by` and `reason` of the change; at its beginning
        `under`, the span of what asked for it if that is not at work in this step, and `resumed` with the `meta` of its
        request where an earlier process began it; at its end `code` or `reports_error`. "left": it is not run here now.
        """

    def wait(self, thing: str, path: str, began: float, ended: float, outcome: str, **facts: Any) -> None:
        """Somebody waited for `thing` between two times of the runtime's clock; `outcome` is "ok" or why it ended.

        `within` (a `contextvars.Context`) is where it belongs, if not to the step that reports it.
        """

    def restart(self, path: str, exit: Any, delay: float, attempt: int, **facts: Any) -> None:
        """A supervisor will start the child at `path` again in `delay` seconds because of `exit`."""

    def begin(self, subject: str, path: str, *, under: Span | None = None, **facts: Any) -> Span:
        """Follow something from now on.

        `subject`: "operation" (what a caller wants, over all its rounds), "request" (one request of ours to the peer),
        "call" (one request of the peer, or one question that came inside a result), "question" (the wait for an
        answer), "following" (the wait for a task of the peer's), "opening" (the way to a peer).
        It is a part of `under`, or of what the running task is part of; a `notifications/cancelled` has what it takes
        back as `under`, and belongs where that does. A "call" has the peer's `meta`, and says by `transport` and
        `principal` who the peer is: a recorder does not believe everybody; `outbound` says that this side opened the
        way. One that goes on where another request ended has that one's `mark` as `after`, and as `waited` what was
        asked in between: the questions by key, each with its method and the action of its answer.
        """

    def following(self, subject: str, path: str) -> Span | None:
        """What it follows there: a "task" that has not ended, a "question", a "session" that is being opened."""

    def opened(self, runtime: Any) -> None:
        """A runtime reports here from now on. `runtime.mail()` tells how many messages wait; any thread may ask it."""

    def closed(self) -> None:
        """It has ended."""


class NullSpan:
    """Nothing is followed."""

    def tell(self, **facts: Any) -> None: ...

    def carried(self, meta: Mapping[str, Any] | None) -> dict[str, Any]:
        return dict(meta or {})

    def within(self, base: Context) -> Context:
        return base

    def mark(self) -> dict[str, Any]:
        return {}

    def end(self, outcome: str = "completed", **facts: Any) -> None: ...


class NullRecorder:
    """Nothing attached."""

    enabled = False
    subjects: Collection[str] = SUBJECTS

    def transition(self, subject: str, path: str, old: str, new: str, **facts: Any) -> None: ...
    def wait(self, thing: str, path: str, began: float, ended: float, outcome: str, **facts: Any) -> None: ...
    def restart(self, path: str, exit: Any, delay: float, attempt: int, **facts: Any) -> None: ...

    def begin(self, subject: str, path: str, *, under: Span | None = None, **facts: Any) -> Span:
        return NullSpan()

    def following(self, subject: str, path: str) -> Span | None:
        return None

    def opened(self, runtime: Any) -> None: ...
    def closed(self) -> None: ...


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


class TaskStore(Protocol):
    """Where tasks are kept, for one process or for several that share a file. Use it inside `async with`.

    Tasks are `protocol.tasks.Task`, named by `protocol.tasks.Place` (app, principal, id). The process that runs a task
    holds its lease; whoever does not may still write an answer or a cancellation. What was returned, or settled, is as
    durable as the store promises. Every method raises `Overloaded` when the store does not keep up.
    """

    durable: bool
    """What it has acknowledged survives this process."""
    lease: float
    """Seconds that a lease lasts without a renewal."""

    def now(self) -> float:
        """Seconds of the epoch: the clock of expiry and of leases."""

    async def __aenter__(self) -> Any: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def create(self, task: Any, owner: str, *, max_open: int, entries: Mapping[str, Any] = ...) -> Any:
        """Keep a new task, with revision 1, its journal so far, and a `Lease` for its owner, which is returned.

        Raises `Overloaded` when its principal has `max_open` tasks of this app that have not ended.
        """

    async def read(self, place: Any) -> Any:
        """The newest record; None for an unknown place, and for one that has expired."""

    async def read_all(self, places: Sequence[Any]) -> list[Any]:
        """`read` for several, in their order, at the price of one wait."""

    def write(self, task: Any, lease: Any = None, entries: Mapping[str, Any] = ...) -> Any:
        """A `Reply[bool]`: replace the record, if `task.revision` is that of the newest one; the new one has the next.

        `entries` (key to plain JSON) are put into the task's journal in the same step; None removes one. With a
        `lease`, only while it is held. Settled with False when the record was not replaced, and nothing was written.
        """

    async def entries(self, place: Any) -> dict[str, Any]:
        """The journal of a task, by key, in the order in which the keys were first written."""

    async def page(self, app: str, principal: str, after: tuple[float, str] | None, limit: int) -> list[Any]:
        """Tasks of one principal, by (created, id), that come after this position."""

    async def claim(self, app: str, owner: str, targets: Collection[tuple[str, str]], limit: int) -> list[Any]:
        """Take over tasks that have not ended and whose lease has lapsed: (task, lease) for each.

        Only those whose (method, target) is in `targets`. The fence of each lease is above every earlier one.
        """

    async def let_go(self, leases: Collection[Any]) -> None:
        """Give leases back: others may claim the tasks at once."""

    def keep(self, owner: str, lost: Callable[[Collection[Any]], None]) -> Any:
        """Keep the leases of this owner alive until `close()` of the returned object; see `Keeping`.

        `lost` is called with the places whose lease was taken over, or has lapsed, because a renewal came too late.
        """

    async def sweep(self, app: str) -> int:
        """Remove what has expired, whatever its status; watchers hear of each. How many there were."""

    def watch(self, app: str, heard: Callable[[Any, Any], None]) -> Callable[[], None]:
        """Call `heard(place, task)` after every write of any process, with None for a task that was removed.

        In this process at once after its own writes, within 250 ms after those of others; until the returned function
        is called. A task that was written several times may be heard of once.
        """

    async def save_handle(self, host: str, handle: Mapping[str, Any]) -> None:
        """Keep what a host needs to find a task of a server again; `handle["id"]` names it within the host."""

    async def handles(self, host: str) -> list[dict[str, Any]]:
        """The handles kept for this host, oldest first."""

    def drop_handle(self, host: str, id: str) -> Any:
        """A `Reply[None]`: forget a handle. One that is not there is forgotten already.

        It is done in its turn, whether anybody waits for it or not, and need not be hurried.
        """


class Keeping(Protocol):
    """The leases of one owner, being renewed."""

    until: float
    """They are held until then, by the store's clock, if no renewal comes; infinite where they cannot lapse."""

    def close(self) -> None:
        """Renew no more."""


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
