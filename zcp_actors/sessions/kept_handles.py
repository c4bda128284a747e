"""
Handles that outlive the host: what must be written down so that a task of a server can be found again.

Owns the form of a kept handle, when it is written, and the taking up of tasks after a restart. Refuses to know stores:
the runtime's `TaskStore` is one, and there may be none. Source: SEP-2663, clients "should persist task ids durably".
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from zcp_actors.sessions.followed_task import origin_of
from zcp_actors.sessions.task_handle import TaskHandle
from zcp_actors.sessions.task_view import kept_view
from zcp_actors.wire import CallToolRequestParams, CreateTaskRequestParams

if TYPE_CHECKING:
    from zcp_actors.actors import Reply
    from zcp_actors.sessions.client import ClientSession
    from zcp_actors.sessions.followed_task import FollowedTask
    from zcp_actors.sessions.runtime import Runtime
    from zcp_actors.wire import Model

log = logging.getLogger("zcp_actors.sessions")

FORMAT = 1


async def keep(session: ClientSession, task: FollowedTask) -> None:
    """Write the handle of a task down before anybody gets it. Raises what the store raises; the task is then ended."""
    runtime = session.host_runtime
    if runtime.task_store is None or task.view.ended:
        return
    try:
        await runtime.task_store.save_handle(runtime.root.name, written(session, task))
        task.saved = name_of(session, task.id)
    except BaseException:
        await session.tasks.give_up(task.id, "its handle could not be kept")
        session.tasks.drop(task)
        raise
    if session.tasks.is_gone(task):
        forget(session, task)


def forget(session: ClientSession, task: FollowedTask) -> None:
    """The handle of this task needs no keeping any more. Nobody waits for that: at worst it is found once more."""
    saved, task.saved = task.saved, ""
    runtime = session.host_runtime
    if saved and runtime.task_store is not None:
        try:
            reply: Reply[None] = runtime.task_store.drop_handle(runtime.root.name, saved)
        except Exception as error:  # noqa: BLE001 - a store of any make
            _kept_on(session.name, error)
        else:
            reply.then(partial(_dropped, session.name))


def _dropped(name: str, reply: Reply[None]) -> None:
    try:
        reply.result()
    except Exception as error:  # noqa: BLE001 - a store of any make
        _kept_on(name, error)


def _kept_on(name: str, error: Exception) -> None:
    log.warning("the handle of a task of %s could not be dropped: %s", name, error)


def name_of(session: ClientSession, id: str) -> str:
    """What names a handle within the host: servers name their tasks without knowing of each other."""
    return f"{session.name}:{id}"


def written(session: ClientSession, task: FollowedTask) -> dict[str, Any]:
    """A handle as plain JSON."""
    return {
        "format": FORMAT,
        "id": name_of(session, task.id),
        "backend": session.name,
        "identity": session.identity,
        "era": session.introduction.version if session.introduction is not None else None,
        "method": task.origin.method,
        "target": task.target,
        "task": task.id,
        "created": task.view.created_at,
        "ttl": task.view.ttl,
    }


async def resume(runtime: Runtime) -> list[TaskHandle]:
    """See `Runtime.resume_tasks`."""
    if runtime.task_store is None:
        return []
    handles, missing = [], []
    for kept in await runtime.task_store.handles(runtime.root.name):
        session = next((each for each in runtime.sessions if is_of(each, kept)), None)
        if session is None:
            missing.append(str(kept.get("id")))
        else:
            view = kept_view(kept["task"], kept["created"], kept["ttl"])
            task = session.tasks.begin(view, origin_of(kept["method"], request_of(kept)), saved=kept["id"])
            handles.append(TaskHandle(session.tasks, task))
    if missing:
        log.warning("tasks stay stored whose backends are not connected here: %s", ", ".join(missing))
    return handles


def is_of(session: ClientSession, kept: dict[str, Any]) -> bool:
    """It is the server that made this task. A name may be given to another, which must not learn the task's id."""
    same = session.identity == kept.get("identity") or None in (session.identity, kept.get("identity"))
    return kept.get("format") == FORMAT and session.name == kept["backend"] and same


def request_of(kept: dict[str, Any]) -> Model:
    """What the request that made it asked for, as far as it was written down: arguments are not."""
    if kept["method"] == "tasks/create":
        return CreateTaskRequestParams(kind=kept["target"])
    return CallToolRequestParams(name=kept["target"])
