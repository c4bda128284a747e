"""
What stands behind a reference: the part that task actors and cells have in common.

Owns the place in the tree: the children, the jobs and the answers that are still owed.
Refuses to know how messages are handled; that is what `Seat` (a task) and `Cell` (no task) differ in.
The rule that keeps it honest: whoever is added here is removed in the step in which it ends.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from zcp_actors.actors.ref import Ref
from zcp_actors.actors.reply import Reply
from zcp_actors.errors import ActorStopped, NameTaken, TooManyChildren, UsageError

if TYPE_CHECKING:
    from zcp_actors.actors.exit import Exit
    from zcp_actors.actors.runtime import Runtime
    from zcp_actors.actors.workers import Job

log = logging.getLogger("zcp_actors.actors")

MAX_NAME = 256
"""Characters of a name. Names may come from a peer (session ids); a path must stay readable and cheap."""


class Host:
    """A node of the tree that can be addressed."""

    __slots__ = ("_children", "_debts", "_jobs", "me")

    max_children: int = 100_000
    """Cells, actors and jobs below one parent: what ends in about two seconds of waves."""

    me: Ref[Any]

    def _settle_in(self, me: Ref[Any]) -> None:
        self.me = me
        me._host = self
        self._children: dict[str, Host] | None = None
        self._jobs: dict[Job, None] | None = None
        self._debts: dict[Reply[Any], None] | None = None

    @property
    def runtime(self) -> Runtime:
        """The runtime all this lives in."""
        return self.me._runtime

    @property
    def known(self) -> bool:
        """Why it ends is told to somebody who asked for it, so the log need not tell."""
        return False

    def _kind(self) -> str:
        raise NotImplementedError

    # What a reference asks for
    def _status(self) -> str:
        raise NotImplementedError

    def _tell(self, message: Any) -> None:
        raise NotImplementedError

    async def _send(self, message: Any) -> None:
        raise NotImplementedError

    async def _ask(self, message: Any, timeout: float) -> Any:
        raise NotImplementedError

    async def _past(self) -> None:
        """Wait until what is ending now has ended."""
        await self.me.stopped()

    def _stop(self, exit: Exit) -> None:
        raise NotImplementedError

    def _cancel(self, reason: str) -> None:
        raise NotImplementedError

    # The tree
    def _accepts(self) -> bool:
        """Whether children may still be added."""
        return self.me.exit is None and self._status() != "stopping"

    def _new_ref(self, name: str) -> Ref[Any]:
        """A reference for a child to be. Raises `ActorStopped`, `NameTaken`, `TooManyChildren`, `UsageError`."""
        if not self._accepts():
            raise ActorStopped(self.me.path, self.me.exit or self._status())
        if not name or len(name) > MAX_NAME or "/" in name:
            msg = f"the name of an actor has 1 to {MAX_NAME} characters and no slash; got {name[: MAX_NAME + 1]!r}"
            raise UsageError(msg)
        children = self._children
        if children is None:
            children = self._children = {}
        elif name in children:
            msg = f"{self.me.path} has a living child {name!r}: choose another name, or stop that one and wait"
            raise NameTaken(msg)
        elif len(children) >= self._capacity():
            msg = f"{self.me.path} has {len(children)} children, its max_children: raise it, or wait for some to end"
            raise TooManyChildren(msg)
        return Ref(name, self.me, self.me._runtime)

    def _capacity(self) -> int:
        return self.max_children

    def _adopt(self, child: Host) -> None:
        assert self._children is not None
        self._children[child.me.name] = child

    def _adopt_job(self, job: Job) -> None:
        if not self._accepts():
            raise ActorStopped(self.me.path, self.me.exit or self._status())
        if self._jobs is None:
            self._jobs = {job: None}
        elif len(self._jobs) >= self.max_children:
            msg = f"{self.me.path} runs {len(self._jobs)} jobs, its max_children: raise it, or wait for some to end"
            raise TooManyChildren(msg)
        else:
            self._jobs[job] = None

    def _release_job(self, job: Job) -> None:
        if self._jobs is not None:
            self._jobs.pop(job, None)
            if not self._jobs and not self._children:
                self._emptied()

    def _emptied(self) -> None:
        """The last child or job is gone."""

    def _child_ended(self, ref: Ref[Any], exit: Exit) -> None:
        """A child is gone for good; passed on to the nearest supervisor."""
        parent = self.me._parent
        if parent is not None and parent._host is not None:
            parent._host._child_ended(ref, exit)

    # Answers
    def _answer(self, reply: Reply[Any], answer: Any) -> None:
        """Give the answer, or remember that it is owed when `answer` is itself a reply that comes later."""
        if isinstance(answer, Reply):
            reply.follow(answer)
            self._owe(reply)
        else:
            reply.set(answer)

    def _owe(self, reply: Reply[Any]) -> None:
        if not reply.open:
            return
        if self._debts is None:
            self._debts = {}
        self._debts[reply] = None
        if reply._debtor is None:
            reply._debtor = self
        elif reply._debtor is not self:
            reply.then(self._paid)

    def _paid(self, reply: Reply[Any]) -> None:
        if self._debts is not None:
            self._debts.pop(reply, None)

    def _default(self, exit: Exit) -> None:
        """Fail what is still owed: the answers cannot come any more."""
        for reply in list(self._debts or ()):
            reply.fail(ActorStopped(self.me.path, exit))

    # The end
    def _bury(self, exit: Exit) -> None:
        """Publish the end, in this order, so that whoever is told finds the tree already without it."""
        me = self.me
        parent = None if me._parent is None else me._parent._host
        if exit.kind == "failed" and not self.known:
            log.error("%s failed", me.path, exc_info=exit.error)
        runtime = me._runtime
        if runtime.traces:
            runtime.note("exit", me, exit=exit)
        if parent is not None and parent._children is not None:
            parent._children.pop(me.name, None)
        me._end(exit)
        if parent is not None:
            parent._child_ended(me, exit)
            if not parent._children and not parent._jobs:
                parent._emptied()

    def _moved(self, old: str, new: str, **facts: Any) -> None:
        recorder = self.me._runtime.recorder
        if recorder.enabled:
            recorder.transition("actor", self.me.path, old, new, kind=self._kind(), **facts)

    def _mail(self) -> tuple[int, int, float | None]:
        """Depth and peak of the mailbox, and the age in seconds of its oldest message."""
        return 0, 0, None

    def _in_flight(self) -> int:
        """Messages being handled, answers owed and jobs running."""
        return len(self._jobs or ()) + len(self._debts or ())

    def _restarts(self) -> int:
        return 0

    def _last_exit(self) -> Exit | None:
        return None

    def _describe(self) -> str:
        return ""
