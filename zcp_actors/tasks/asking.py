"""
The questions of a task on their way to a peer of 2025-11-25, in requests that belong to a call: `tasks/result`, or an
errand that nobody requested.

Owns the rule that a question is on its way once: whoever brings it first has it until it is answered or given up, or
until its client reads no more and another request for the task comes from one that does.
Refuses to know the wire: a call can ask, and that is all. On cancel what was asked is withdrawn at the peer.
Source: MCP 2025-11-25 basic/utilities/tasks, Input Required Status; Associating Task-Related Messages.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import INTERNAL_ERROR, CallEnding, CapabilityMissing, RequestTimeout, RPCError
from zcp_actors.protocol.serving import recordable
from zcp_actors.protocol.stateful_tasks import related
from zcp_actors.tasks.cell import RETRY_SECONDS
from zcp_actors.wire import to_wire, v2025_11_25
from zcp_actors.wire.meta_keys import RELATED_TASK
from zcp_actors.wire.model import replaced

if TYPE_CHECKING:
    from zcp_actors.protocol.tasks import OpenQuestion, Task
    from zcp_actors.sessions.call import Call
    from zcp_actors.tasks.following import Follow
    from zcp_actors.tasks.service import TaskService

log = logging.getLogger("zcp_actors.tasks")


class Bringing:
    """One question on its way."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.scope = trio.CancelScope()
        self.taken_over = False

    @property
    def arrives(self) -> bool:
        """The client that it was sent to reads what it was sent."""
        session: Any = self._call.session
        return bool(session.reads(self._call))

    def give_way(self) -> None:
        """Another one brings the question."""
        self.taken_over = True
        self.scope.cancel("another request brings this question")


class Bringer:
    """Brings the questions of one task to one call's client."""

    def __init__(self, service: TaskService, call: Call, follow: Follow) -> None:
        self._service, self._call, self._follow = service, call, follow
        self._bringing: dict[str, Bringing] = {}
        self._times: Counter[str] = Counter()
        """How often each was asked here: one that was given away and comes back is another question to this call."""

    async def see_through(self, *, errand: bool) -> Task | None:
        """Until the task has ended; an errand, until nothing is asked. The record then; None when it is gone."""
        follow = self._follow
        async with trio.open_nursery() as nursery:
            while (task := follow.task) is not None and not task.ended and (task.questions or not errand):
                for key in [key for key in self._bringing if key not in task.questions]:
                    self._bringing.pop(key).scope.cancel("the task does not ask this any more")
                for key, question in task.questions.items():
                    if key not in self._bringing and self._may_bring(key):
                        bringing = Bringing(self._call)
                        self._bringing[key] = self._service.asking[follow.place, key] = bringing
                        nursery.start_soon(self._bring, key, question, bringing)
                await follow.changed()
            nursery.cancel_scope.cancel("the task asks nothing more")
        return follow.task

    def _may_bring(self, key: str) -> bool:
        """Nobody else brings it, or somebody whose client is not there to read it, while ours is."""
        other = self._service.asking.get((self._follow.place, key))
        if other is None:
            return True
        if other.arrives or not Bringing(self._call).arrives:
            return False
        other.give_way()
        return True

    async def _bring(self, key: str, question: OpenQuestion, bringing: Bringing) -> None:
        """Ask one question; its answer, or the error that came instead, is the task's."""
        service, place = self._service, self._follow.place
        outcome: dict[str, Any] | None = None
        try:
            with bringing.scope:
                outcome = await self._asked(key, question)
                if outcome is not None:
                    await self._keep(key, outcome)
        finally:
            if service.asking.get((place, key)) is bringing:
                del service.asking[place, key]
            if bringing.taken_over:
                self._bringing.pop(key, None)
            if outcome is None:
                for each in service.followers.of(place):
                    each.poke()

    async def _keep(self, key: str, outcome: dict[str, Any]) -> None:
        """Have the answer stored: somebody gave it, and is not asked again because a disk is full at the moment."""
        while True:
            try:
                return await self._service.answer(self._follow.place, {key: outcome})
            except Exception as error:  # noqa: BLE001 - whatever a disk does, the task goes on
                log.error("an answer for %s cannot be stored, it is tried again: %s", self._call.path, error)  # noqa: TRY400 - a bad disk has many callers
            await trio.sleep(RETRY_SECONDS)

    async def _asked(self, key: str, question: OpenQuestion) -> dict[str, Any] | None:
        """The outcome; None where this client cannot be asked at all: another one may."""
        method = question.method
        params: Any = v2025_11_25.DIALECT.request_params(method, question.params, sender="server")
        params = replaced(params, meta={**(params.meta or {}), **related(self._follow.place.id)})
        self._times[key] += 1
        name = key if self._times[key] == 1 else f"{key}#{self._times[key]}"
        try:
            answer = to_wire(await self._call.ask(method, params, name))
        except (CapabilityMissing, CallEnding):
            return None
        except RequestTimeout as error:
            return recordable(RPCError(INTERNAL_ERROR, str(error)))
        except RPCError as error:
            return recordable(error)
        return {"result": unrelated(answer)}


def unrelated(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what tied it to its task on the way: a handler may return it as a part of its own result."""
    meta = {name: value for name, value in (answer.get("_meta") or {}).items() if name != RELATED_TASK}
    rest = {name: value for name, value in answer.items() if name != "_meta"}
    return {**rest, "_meta": meta} if meta else rest
