"""
The runtime: one tree of actors, from the moment it is opened until all of it has ended.

Owns the root supervisor and the services every actor shares: workers, timers, registry, dead letters, traces.
Refuses to know MCP; the layer that does subclasses `Runtime` and passes it to `open_runtime` as `factory`.
The rule that keeps it honest: everything started inside ends before the block does, the body first, and what nobody
handled is raised from the block as itself.
"""

from __future__ import annotations

import itertools
import math
from contextlib import asynccontextmanager
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import trio

from zcp_actors.actors.cell import host_below
from zcp_actors.actors.dead_letters import DeadLetters
from zcp_actors.actors.inspection import mail_below, picture
from zcp_actors.actors.ref import Ref
from zcp_actors.actors.registry import Registry
from zcp_actors.actors.seat import Seat
from zcp_actors.actors.strategy import Child, Restart
from zcp_actors.actors.supervisor import Supervisor
from zcp_actors.actors.timers import Timers
from zcp_actors.actors.trace import KEPT, Trace
from zcp_actors.actors.watchdog import Watchdog
from zcp_actors.actors.workers import Job, Workers
from zcp_actors.errors import ActorStopped, NoRuntime, UsageError
from zcp_actors.ports import NullRecorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextvars import Context

    from zcp_actors.actors.actor import Actor
    from zcp_actors.actors.cell import Cell
    from zcp_actors.actors.exit import Exit
    from zcp_actors.actors.host import Host
    from zcp_actors.actors.inspection import Node
    from zcp_actors.ports import Recorder

R = TypeVar("R", bound="Runtime")

GRACE = 10.0
"""Seconds all actors together have to end after the body: what process managers commonly give before they kill."""
UNWIND = 5.0
"""Seconds that cancelled actors have for unwinding and last words before everything is cancelled outright."""

_current: ContextVar[Runtime | None] = ContextVar("zcp_actors_runtime", default=None)


def current_runtime() -> Runtime:
    """The runtime around this code. Raises `NoRuntime` when there is none."""
    runtime = _current.get()
    if runtime is None:
        msg = "there is no runtime around this code: put it inside `async with zcp_actors.open_runtime():`"
        raise NoRuntime(msg)
    return runtime


class Runtime:
    """Made by `open_runtime`. Subclasses may override `opened` and `closing`."""

    def __init__(self, *, name: str = "root", recorder: Recorder | None = None) -> None:
        self.recorder: Recorder = NullRecorder() if recorder is None else recorder
        self.dead_letters = DeadLetters()
        self.traces: tuple[Trace, ...] = ()
        self.registry = Registry(self)
        # What actors and jobs see of contextvars: what was set around open_runtime, and this runtime.
        self.context = copy_context()
        self.context.run(_current.set, self)
        self.timers = Timers(self.context)
        self.workers = Workers(self.context)
        self.turn_to_end = trio.Lock()
        """Who holds it may ask for a wave of endings; see `ending`."""
        self.root: Ref[Any] = Ref(name, None, self)
        self._serial = itertools.count(1)
        self._seat: Seat
        self._nursery: trio.Nursery

    async def opened(self) -> None:
        """Called when the root serves, before the body: for subclasses."""

    async def closing(self) -> None:
        """Called after the body, before the actors are stopped, shielded within the grace: for subclasses."""

    # Starting
    async def start(
        self,
        make: Callable[[], Actor[Any]],
        name: str | None = None,
        *,
        restart: Restart = Restart.ON_FAILURE,
        grace: float | None = None,
        parent: Ref[Any] | None = None,
    ) -> Ref[Any]:
        """Start an actor below `parent` (a supervisor; the root by default) and wait until it has begun.

        Raises what its `on_start` raises, `NameTaken`, `TooManyChildren`, `ActorStopped` when the parent is ending.
        """
        child = Child(name or self._new_name(make, parent), make, restart=restart, grace=grace)
        supervisor = self._supervisor(parent)
        if parent is not None and not supervisor.ready:
            await self.begun(parent)
            supervisor = self._supervisor(parent)
        return await supervisor.start(child)

    def start_soon(
        self,
        make: Callable[[], Actor[Any]],
        name: str | None = None,
        *,
        restart: Restart = Restart.ON_FAILURE,
        grace: float | None = None,
        parent: Ref[Any] | None = None,
    ) -> Ref[Any]:
        """The same without waiting: see `Supervisor.start_soon`. Raises `UsageError` when the parent has not begun."""
        child = Child(name or self._new_name(make, parent), make, restart=restart, grace=grace)
        return self._supervisor(parent).start_soon(child)

    async def begun(self, ref: Ref[Any]) -> None:
        """Wait until an actor serves, or serves again. Raises what prevented it, `ActorStopped` when it has ended."""
        host = ref._host
        if host is None:
            raise ActorStopped(ref.path, ref.exit)
        if isinstance(host, Seat):
            await host.begin_or_fail()

    def host(self, cell: Cell[Any], name: str | None = None, *, parent: Ref[Any] | None = None) -> Ref[Any]:
        """Give a cell an address below `parent` (any actor or cell; the root by default)."""
        return host_below(self._host(parent), cell, name or self._new_name(type(cell), parent))

    def submit(self, job: Job, *, parent: Ref[Any] | None = None, context: Context | None = None) -> None:
        """Run a job below `parent` (any actor or cell; the root by default): see `Workers.submit`."""
        self.workers.submit(job, self._host(parent), context)

    def _new_name(self, make: Any, parent: Ref[Any] | None) -> str:
        kind = getattr(make, "__name__", "actor").strip("<>").lower()
        taken = self._host(parent)._children or {}
        return next(name for name in (f"{kind}-{number}" for number in self._serial) if name not in taken)

    def _host(self, parent: Ref[Any] | None) -> Host:
        ref = self.root if parent is None else parent
        if ref._host is None:
            raise ActorStopped(ref.path, ref.exit)
        return ref._host

    def _supervisor(self, parent: Ref[Any] | None) -> Supervisor[Any]:
        host = self._host(parent)
        if isinstance(host, Seat) and isinstance(host.actor, Supervisor):
            return host.actor
        msg = f"{host.me.path} is no supervisor: only a supervisor can have actors with tasks below it"
        raise UsageError(msg)

    # Looking in
    def tree(self) -> Node:
        """Everything that lives, taken in one step. Print it."""
        return picture(self._seat)

    def mail(self) -> dict[str, tuple[int, int]]:
        """By kind of actor: messages waiting in all mailboxes, and in the fullest. Any thread may ask.

        Raises `RuntimeError` when the tree changes meanwhile, which only another thread can see: ask again.
        """
        return mail_below(self._seat)

    @asynccontextmanager
    async def trace(self, pattern: str = "*", *, kept: int = KEPT) -> AsyncIterator[Trace]:
        """Record the messages and the ends of the actors whose path matches, while the block lasts."""
        trace = Trace(pattern, kept)
        self.traces = (*self.traces, trace)
        try:
            yield trace
        finally:
            self.traces = tuple(each for each in self.traces if each is not trace)
            trace.close()

    def note(
        self,
        kind: Literal["in", "out", "exit"],
        ref: Ref[Any],
        message: Any = None,
        answer: Any = None,
        exit: Exit | None = None,
    ) -> None:
        """Tell the traces. Ask `traces` first: nobody may be there."""
        for trace in self.traces:
            trace.note(kind, ref, {"message": message, "answer": answer, "exit": exit})

    # The life of it all
    def _spawn(self, function: Callable[..., Awaitable[None]], *args: Any) -> None:
        self._nursery.start_soon(function, *args)

    def incarnation_ended(self, seat: Seat, exit: Exit) -> None:
        """The root ended: nobody above decides, so it is over."""
        seat.end(exit)

    @trio.lowlevel.enable_ki_protection
    async def _serve(self, scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
        watchdog = Watchdog()
        watchdog.start()
        try:
            await self._serve_within(scope, task_status)
        finally:
            watchdog.stop()

    async def _serve_within(self, scope: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                self._nursery = self.workers._nursery = nursery
                nursery.start_soon(self.timers.run)
                nursery.start_soon(self._serve_root, nursery.cancel_scope, task_status)

    @trio.lowlevel.enable_ki_protection
    async def _serve_root(self, services: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
        seat = self._seat
        seat.started.then(lambda _: task_status.started() if seat._status() == "running" else None)
        await seat.live()
        services.cancel("the root ended")
        if self.root.exit is not None and self.root.exit.error is not None:
            raise self.root.exit.error

    async def _close(self, grace: float) -> None:
        """Four steps: close and drain, cancel what is left after the grace, let it say its last words, cut."""
        error: Exception | None = None
        with trio.CancelScope(shield=True, deadline=trio.current_time() + grace):
            try:
                await self.closing()
            except Exception as caught:
                error = caught
            finally:
                self.root.stop()
            await self.root.stopped()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + UNWIND):
            self.root.cancel("the runtime's grace ran out")
            await self.root.stopped()
        self.recorder.closed()
        if error is not None:
            raise error


@asynccontextmanager
async def open_runtime(
    *,
    grace: float = GRACE,
    recorder: Recorder | None = None,
    name: str = "root",
    max_children: int | None = None,
    root: Callable[[], Supervisor[Any]] = Supervisor,
    factory: Callable[..., R] = Runtime,  # type: ignore[assignment]
    **options: Any,
) -> AsyncIterator[R]:
    """Open a runtime. Everything started inside ends before this block does.

    A cancellation, or an error, reaches the body first: its `finally` blocks still find living actors. Only when the
    body is gone are the actors stopped, and after `grace` seconds cancelled. When the root fails (children kept
    failing, or `root`'s own error), the body is cancelled and that error is raised from here, unwrapped.
    `factory(name=, recorder=, **options)` makes the runtime.
    """
    runtime = factory(name=name, recorder=recorder, **options)

    def make() -> Supervisor[Any]:
        supervisor = root()
        if max_children is not None:
            supervisor.max_children = max_children
        return supervisor

    runtime._seat = Seat(runtime.root, Child(name, make, restart=Restart.NEVER), runtime)
    runtime.workers.home = runtime._seat
    outer = _current.get()
    bodily: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            # No time of its own: it ends when the root has, or when `_close` has run out of time.
            services = trio.CancelScope(shield=True, deadline=math.inf)
            await nursery.start(runtime._serve, services)
            _current.set(runtime)
            try:
                runtime.recorder.opened(runtime)
                await runtime.opened()
                yield runtime
            except BaseException as error:
                bodily = error
                raise
            finally:
                _current.set(outer)
                try:
                    await runtime._close(grace)
                finally:
                    services.cancel("the runtime has ended")
    except BaseExceptionGroup as group:
        lone = _lone_member(group, bodily)
        if lone is group:
            raise
        raise lone from lone.__cause__


def _lone_member(group: BaseException, bodily: BaseException | None) -> BaseException:
    """The one error inside the groups that our nurseries made; a group raised by the body itself is left whole."""
    while isinstance(group, BaseExceptionGroup) and len(group.exceptions) == 1:
        # trio derives new groups where it takes its own Cancelled out, so the body's is known by what it holds.
        if isinstance(bodily, BaseExceptionGroup) and group.exceptions == bodily.exceptions:
            return bodily
        group = group.exceptions[0]
    return group
