"""
The requests about tasks, and those that may become one.

Owns what each method does, once, for both generations; what a generation says of it is its automaton's
(`stateful_tasks`, `stateless_tasks`). Refuses to know the running of tasks. The rule that keeps it honest: the
principal is part of the name that is looked up, so another one's task is answered exactly like none.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any, Final

import trio

from zcp_actors.errors import INTERNAL_ERROR, InvalidParams, MethodNotFound, RPCError
from zcp_actors.protocol.capabilities import answer_of
from zcp_actors.protocol.tasks import Place, TaskPolicy
from zcp_actors.tasks.asking import Bringer
from zcp_actors.tasks.creating import Promotion, create
from zcp_actors.tasks.cursor import cursor_after, position_of
from zcp_actors.tasks.following import Follow
from zcp_actors.wire import to_wire

if TYPE_CHECKING:
    from zcp_actors.protocol.tasks import Task
    from zcp_actors.sessions.context import Context
    from zcp_actors.tasks.service import TaskService

log = logging.getLogger("zcp_actors.tasks")

BAD_STORE = "the server's task store cannot be read, or written, at the moment: try again later"
"""What a client is told; why is the operator's affair, and in the log."""


async def serve(service: TaskService, context: Context, method: str, params: Any) -> Any:
    """Serve one request of a session. As `App.handle`."""
    own = _OWN.get(method)
    if own is None:
        return await service.app.handle(context, method, params)
    try:
        return await own(service, context, params)
    except sqlite3.Error as error:
        log.error("%s of %s: %s", method, service.app.name, error)  # noqa: TRY400 - a bad disk has many callers
        raise RPCError(INTERNAL_ERROR, BAD_STORE) from error


# ------------------------------------------------------------------------------------------------ what becomes a task
async def _call_tool(service: TaskService, context: Context, params: Any) -> Any:
    policy = service.app.task_policy("tools/call", params.name)
    if policy is None:
        return await service.app.handle(context, "tools/call", params)
    call = context.call
    wish = call.automaton.tasks.wish(call.served, policy)
    if wish.after is None:
        return await service.app.handle(context, "tools/call", params)
    if wish.after <= 0:
        return await _created(service, context, wish, policy)
    timer = service.runtime.timers.after(wish.after, Promotion(service, call, wish, policy).submit)
    try:
        return await service.app.handle(context, "tools/call", params)
    finally:
        timer.disarm()


async def _create(service: TaskService, context: Context, params: Any) -> Any:
    policy = service.app.task_policy("tasks/create", params.kind)
    if policy is None:
        raise InvalidParams(f"unknown kind of task {params.kind!r:.200}")
    service.app.check_task(params.kind, params.input)
    call = context.call
    return await _created(service, context, call.automaton.tasks.wish(call.served, policy), policy)


async def _created(service: TaskService, context: Context, wish: Any, policy: TaskPolicy) -> Any:
    call = context.call
    cell = await create(service, call, wish, policy)
    return call.automaton.tasks.created(cell.saved)


# ------------------------------------------------------------------------------------------------ about tasks
async def _get(service: TaskService, context: Context, params: Any) -> Any:
    projection = _admitted(service, context)
    return projection.shown(await _known(service, context, params.task_id))


async def _result(service: TaskService, context: Context, params: Any) -> Any:
    projection = _admitted(service, context)
    place = _place(service, context, params.task_id)
    with Follow(service.followers, place) as follow:
        follow.begin(await service.find(place))
        task = await Bringer(service, context.call, follow).see_through(errand=False)
    if task is None:
        raise _unknown(params.task_id)
    service.audit(task, "result retrieved", context.principal)
    return projection.payload(task)


async def _errand(service: TaskService, context: Context, params: Any) -> Any:
    place = _place(service, context, params.task_id)
    session: Any = context.call.session
    origin = service.sessions.follow_of(session, place)
    try:
        with Follow(service.followers, place) as follow:
            follow.begin(await service.find(place))
            await Bringer(service, context.call, follow).see_through(errand=True)
    finally:
        if origin is not None:
            origin.erring = False
    if origin is not None:
        origin.ask()  # what was asked while this came to its end


async def _cancel(service: TaskService, context: Context, params: Any) -> Any:
    projection = _admitted(service, context)
    before = await _known(service, context, params.task_id)
    said = params.get("reason")
    reason = f"cancelled by its requestor: {said}" if isinstance(said, str) and said else "cancelled by its requestor"
    task, ended_before = await service.cancel(_place(service, context, params.task_id), reason)
    if task is None:
        raise _unknown(params.task_id)
    ended_before = ended_before or before.ended  # at another process, of which its own may not have heard
    service.audit(task, "cancel refused" if ended_before else "cancelled", context.principal)
    return projection.cancelled(task, ended_before=ended_before)


async def _update(service: TaskService, context: Context, params: Any) -> Any:
    projection = _admitted(service, context)
    task = await _known(service, context, params.task_id)
    outcomes = {}
    for key, answer in params.input_responses.items():
        question = task.questions.get(key)
        if question is None:
            continue  # answered, superseded or never asked: not worth an error
        outcomes[key] = {"result": to_wire(answer_of(question.method, key, answer))}
    await service.answer(task.place, outcomes)
    return projection.updated()


async def _list(service: TaskService, context: Context, params: Any) -> Any:
    projection = _admitted(service, context)
    session: Any = context.call.session
    if not session.identified:
        raise MethodNotFound("tasks/list")
    await service.ready()
    principal, size = context.principal, service.limits.page_size
    after = None if params.cursor is None else position_of(params.cursor, service.app.name, principal)
    page = await service.store.page(service.app.name, principal, after, size + 1)
    more = cursor_after(page[size - 1]) if len(page) > size else None
    return projection.listed(page[:size], more)


async def _listen(service: TaskService, context: Context, params: Any) -> Any:
    """Which of the tasks are this client's, each as something that gives its newest record."""
    service.polls.count(context.principal, trio.current_time())
    session: Any = context.call.session
    places = [_place(service, context, id) for id in dict.fromkeys(params.notifications.task_ids)]
    follows = [service.sessions.follow(session, context.call.automaton, place) for place in places]
    try:
        for follow, task in zip(follows, await service.find_all(places), strict=True):
            follow.begin(task)
    finally:
        for follow in follows:
            if follow.task is None or follow.task.ended:
                service.sessions.unfollow(follow)
    return [follow.newest for follow in follows if follow.task is not None]


_OWN: Final[dict[str, Any]] = {
    "tools/call": _call_tool,
    "tasks/create": _create,
    "tasks/get": _get,
    "tasks/result": _result,
    "tasks/errand": _errand,
    "tasks/cancel": _cancel,
    "tasks/update": _update,
    "tasks/list": _list,
    "subscriptions/listen": _listen,
}


def _admitted(service: TaskService, context: Context) -> Any:
    """How this client is answered. Raises when it may not speak of tasks, or does so too often."""
    call = context.call
    call.automaton.tasks.admit(call.served)
    service.polls.count(context.principal, trio.current_time())
    return call.automaton.tasks


def _place(service: TaskService, context: Context, id: str) -> Place:
    return Place(service.app.name, context.principal, id)


async def _known(service: TaskService, context: Context, id: str) -> Task:
    task = await service.find(_place(service, context, id))
    if task is None:
        raise _unknown(id)
    return task


def _unknown(id: str) -> InvalidParams:
    return InvalidParams(f"unknown task {id!r:.200}: it never was, or has expired")
