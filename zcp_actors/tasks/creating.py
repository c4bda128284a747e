"""
How a task comes to be: of a request at once, of a call that takes long, or of a record that another process left.

Owns what a record keeps of its request, and the making of a call's record from it again. Refuses to know the requests
about tasks. The rule that keeps it honest: nobody reads a task's id before the store has the task.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.actors import Job
from zcp_actors.errors import INTERNAL_ERROR, HandlerError, Overloaded, RPCError, ZCPError
from zcp_actors.protocol import tasks
from zcp_actors.protocol.serving import Phase, Served, recordable
from zcp_actors.protocol.tasks import Origin, Status, Task
from zcp_actors.tasks.once import is_intent
from zcp_actors.wire import CallToolRequestParams, ClientCapabilities, Implementation, from_wire, to_wire
from zcp_actors.wire.model import replaced
from zcp_actors.wire.zcp_native import CreateTaskRequestParams

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zcp_actors.protocol.task_wishes import Wish
    from zcp_actors.protocol.tasks import Lease, TaskPolicy
    from zcp_actors.sessions.call import Call
    from zcp_actors.sessions.server import ServerSession
    from zcp_actors.tasks.cell import TaskCell
    from zcp_actors.tasks.service import TaskService
    from zcp_actors.wire import Model

log = logging.getLogger("zcp_actors.tasks")

CREATE_SECONDS = 10.0
"""How long a store may take to write a new task though its requestor has left: what one commit may wait."""

AGAIN_SECONDS = 0.25
"""A call that is asking its client cannot become a task right now; when to look again."""

SHAPES: Any = {"tools/call": CallToolRequestParams, "tasks/create": CreateTaskRequestParams}


async def create(service: TaskService, call: Call, wish: Wish, policy: TaskPolicy) -> TaskCell:
    """A task for this call, stored, and given its turn. Raises `Overloaded` and what the store raises.

    On cancel nobody reads its id, so it is cancelled too.
    """
    await service.ready()
    task = _new(service, call, wish, policy, queued=not service.has_room)
    session: Any = call.session
    lease = await _stored(service, task, session.principal)
    task = tasks.stored(task)
    cell = _hosted(service, task, lease, served_of(task, call.served))
    service.sessions.follow(session, call.automaton, task.place, origin=True).begin(task)
    service.schedule(cell)
    try:
        await trio.lowlevel.checkpoint_if_cancelled()
    except trio.Cancelled:
        cell.cancel("its requestor left before it was told of it", "session")
        raise
    return cell


async def _stored(service: TaskService, task: Task, principal: str, rows: Mapping[str, Any] | None = None) -> Lease:
    """Have the store keep a new task, with the rows of its journal. Raises `Overloaded` and what the store raises."""
    limit = service.limits.open_of(principal)
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CREATE_SECONDS):
        return await service.store.create(task, service.owner, max_open=limit, entries=rows or {})  # type: ignore[no-any-return]
    raise Overloaded(f"the task store did not answer within {CREATE_SECONDS:g} s; try again later")


def _hosted(service: TaskService, task: Task, lease: Lease, served: Served, **facts: Any) -> TaskCell:
    """`TaskService.host`; where that has ended meanwhile nobody is told of the task, so nobody is to take it up."""
    try:
        return service.host(task, lease, served, **facts)
    except ZCPError:
        with suppress(ZCPError):
            service.store.write(
                tasks.cancel(task, "the server stopped before its requestor was told of it", task.updated), lease
            )
        raise


def _new(service: TaskService, call: Call, wish: Wish, policy: TaskPolicy, *, queued: bool) -> Task:
    served, limits, now = call.served, service.limits, service.store.now()
    session: Any = call.session
    ttl = next(each for each in (wish.ttl, policy.ttl, limits.ttl) if each is not None)
    return Task(
        place=service.new_place(session.principal),
        origin=origin_of(served, service.requestor),
        status=Status.QUEUED if queued else Status.WORKING,
        created=now,
        updated=now,
        ttl=min(ttl, limits.max_ttl),
        poll=wish.poll or limits.poll,
        on_restart=policy.on_restart,
    )


class Requestor:
    """Who asked last, as plain JSON. A client says the same of itself with every request, so it is written once."""

    def __init__(self) -> None:
        self._models: tuple[Any, Any] = (None, None)
        self._plain: tuple[Any, Any] = (None, None)

    def of(self, served: Served) -> tuple[Any, Any]:
        """Capabilities and client info; nobody changes what is inside them."""
        capabilities, client_info = self._models
        if served.capabilities is not capabilities or served.client_info is not client_info:
            self._models = served.capabilities, served.client_info
            self._plain = _plain(served.capabilities), _plain(served.client_info)
        return self._plain


def _plain(model: Model | None) -> dict[str, Any] | None:
    return None if model is None else to_wire(model)


def origin_of(served: Served, requestor: Requestor) -> Origin:
    """What is kept of a request, so that its handler can run again."""
    capabilities, client_info = requestor.of(served)
    params = replaced(served.params, task=None)
    if isinstance(params, CallToolRequestParams):
        params = replaced(params, input_responses=None, request_state=None)
    return Origin(
        method=served.method,
        target=served.target,
        params=to_wire(params),
        version=served.version,
        capabilities=capabilities,
        client_info=client_info,
        log_level=served.log_level,
    )


def served_of(task: Task, like: Served | None = None) -> Served:
    """The call that a task's handler serves: of the call that it was, or made from the record alone."""
    origin = task.origin
    if like is not None:
        return Served(
            like.number,
            task.id,
            like.method,
            like.params,
            capabilities=like.capabilities,
            client_info=like.client_info,
            version=like.version,
            log_level=like.log_level,
            progress_token=like.progress_token,
        )
    return Served(
        0,
        task.id,
        origin.method,
        from_wire(SHAPES[origin.method], origin.params),
        capabilities=None if origin.capabilities is None else from_wire(ClientCapabilities, origin.capabilities),
        client_info=None if origin.client_info is None else from_wire(Implementation, origin.client_info),
        version=origin.version,
        log_level=origin.log_level,
        progress_token=origin.progress_token,
    )


# ------------------------------------------------------------------------------------------------ of a call that runs
class Promotion(Job):
    """A call has run for as long as a call may: it becomes a task."""

    __slots__ = ("call", "policy", "service", "wish")

    def __init__(self, service: TaskService, call: Call, wish: Wish, policy: TaskPolicy) -> None:
        self.service, self.call, self.wish, self.policy = service, call, wish, policy

    @property
    def name(self) -> str:
        """The last part of its path."""
        return f"task-of-{self.call.name}"

    def submit(self) -> None:
        """Begin, if the session still stands."""
        session: Any = self.call.session
        if session.me.status == "running" and self.call.served.phase is Phase.RUNNING:
            session.submit(self)

    async def run(self) -> None:
        """Store the task, then answer with it. A call that ended meanwhile stays a call; so does one without room."""
        try:
            await self._promote()
        except Overloaded as error:
            log.warning("%s stays a call: %s", self.call.path, error)
        except Exception:  # whatever a disk does, the call goes on
            log.exception("%s cannot become a task", self.call.path)

    async def _promote(self) -> None:
        service, call = self.service, self.call
        session: Any = call.session
        await service.ready()
        if call.served.open:
            again = Promotion(service, call, self.wish, self.policy)
            service.runtime.timers.after(AGAIN_SECONDS, again.submit)
            return
        if call.served.phase is not Phase.RUNNING:
            return
        task, rows = _new(service, call, self.wish, self.policy, queued=False), rows_of(call.served)
        lease = await _stored(service, task, session.principal, rows)
        self._begin(session, tasks.stored(task), lease, rows)

    def _begin(self, session: ServerSession, task: Task, lease: Lease, rows: dict[str, Any]) -> None:
        """One step: the call belongs to its session, or to the task. `rows` of its journal are stored already."""
        service, call = self.service, self.call
        served = served_of(task, call.served)
        served._journal = call.served._journal  # noqa: SLF001 - what was asked so far was asked by this task
        cell = _hosted(service, task, lease, served, under=session.span_of(call.served))
        service.joins()
        service.sessions.follow(session, call.automaton, task.place, origin=True).begin(task)
        if session.become(call, call.automaton.tasks.created(task)):
            cell.take_over(call)
            for key, row in rows_of(served).items():
                if rows.get(key) != row:
                    cell.put(key, row)
        else:
            cell.cancel("the call ended before it became a task", "call")


def rows_of(served: Served) -> dict[str, Any]:
    """What a call has asked and done so far, row by row, as a task's journal is kept."""
    return {} if served._journal is None else {row[0]: row for row in served.journal.dump()["entries"]}  # noqa: SLF001


# ------------------------------------------------------------------------------------------------ of a record
async def adopt(service: TaskService, task: Task, lease: Lease) -> None:
    """Go on with a task whose process is gone: run it again, or say honestly that it will not be.

    Raises what the store raises; that says nothing of the task, so it is left as it is.
    """
    rows: list[Any] = list((await service.store.entries(task.place)).values())
    try:
        served = served_of(task)
        intents = {row[0] for row in rows if is_intent(row)}
        served.journal.load_rows([row for row in rows if row[0] not in intents])
    except (RPCError, HandlerError, LookupError, TypeError) as error:
        await _fail(service, task, lease, f"it cannot be resumed: {error}")
        return
    if task.on_restart == "fail":
        await _fail(service, task, lease, "the server stopped before this task had ended; it is not run again")
        return
    cell = service.host(task, lease, served, resumed=True, meta=task.origin.params.get("_meta"))
    cell.once_store.intents = intents
    service.schedule(cell)


async def _fail(service: TaskService, task: Task, lease: Lease, reason: str) -> None:
    failed = tasks.finish(task, recordable(RPCError(INTERNAL_ERROR, reason)), service.store.now())
    if await service.store.write(failed, lease).wait():
        service.moved(f"{service.path}/{task.origin.target}", failed, task.status.value, by="recovery", reason=reason)
