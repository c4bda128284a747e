"""
The check that a block leaves nothing behind.

Owns the comparison of a runtime, and of trio's tasks, before and after. Refuses to clean up: it reports.
The rule that keeps it honest: what was there before is not its business, and what is left is named by its path.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from zcp_actors.testing.ambient import runtime_around

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from zcp_actors.actors import Runtime

SHOWN = 50
"""Things that a report lists: enough to see the pattern of a leak."""


@attrs.frozen
class Holdings:
    """Everything there is at one moment: what identifies each thing -> how a report names it."""

    things: dict[Any, str]
    dead: int
    """Dead letters so far."""

    def beyond(self, before: Holdings) -> list[str]:
        """What is here and was not there."""
        return [name for key, name in self.things.items() if key not in before.things]


@asynccontextmanager
async def no_leaks(
    runtime: Runtime | None = None, *, dead_letters: bool = False, tasks: bool = True
) -> AsyncIterator[None]:
    """Raises `AssertionError` when, after the block, something is left that was not there before it.

    Looked at are actors, cells, jobs, mail, answers owed, armed timers, requests in flight, pending requests and dead
    letters of `runtime` (by default the one around; without one, none of this), and all of trio's tasks. Before the
    second look all tasks come to rest, so what is just ending may end. `dead_letters=True` allows those; `tasks=False`
    does not look at trio's tasks, for when others start some meanwhile. An error of the block is raised as it is.
    """
    runtime = runtime or runtime_around()
    before = holdings(runtime, tasks=tasks)
    yield
    await wait_all_tasks_blocked()
    after = holdings(runtime, tasks=tasks)
    left = after.beyond(before)
    if not dead_letters and after.dead > before.dead:
        left += _new_dead_letters(runtime, after.dead - before.dead)
    if left:
        more = [f"... and {len(left) - SHOWN} more"] if len(left) > SHOWN else []
        raise AssertionError("\n  ".join(["left behind:", *left[:SHOWN], *more]))


def holdings(runtime: Any, *, tasks: bool = True) -> Holdings:
    """What there is now, in one step."""
    things: dict[Any, str] = {}
    if runtime is not None:
        things |= dict(_nodes(runtime))
        things |= dict(_timers(runtime))
        things |= dict(_requests(runtime))
    if tasks:
        things |= dict(_tasks(runtime))
    return Holdings(things, 0 if runtime is None else runtime.dead_letters.count)


def _nodes(runtime: Any) -> Iterator[tuple[Any, str]]:
    for node in runtime.tree().walk():
        about = f", {node.description}" if node.description else ""
        yield ("node", node.path), f"{node.kind} {node.path} ({node.state}{about})"
        for number in range(node.depth):
            yield ("mail", node.path, number), f"a message unhandled in the mailbox of {node.path}"
        for number in range(node.in_flight - sum(child.kind == "job" for child in node.children)):
            yield ("owed", node.path, number), f"a message in the hands of {node.path}, or an answer it owes"


def _timers(runtime: Any) -> Iterator[tuple[Any, str]]:
    now = trio.current_time()
    for timer in runtime.timers:
        what = getattr(timer._callback, "func", timer._callback)  # noqa: SLF001 - a leak check looks where nobody else does
        name = getattr(what, "__qualname__", repr(what))
        yield ("timer", timer), f"timer due in {timer.deadline - now:g} s: {name}"


def _requests(runtime: Any) -> Iterator[tuple[Any, str]]:
    for session in getattr(runtime, "sessions", ()):
        automaton = session.automaton
        for token, sent in (automaton.tokens if automaton is not None else {}).items():
            yield ("request", session, token), f"request {sent.method} in flight to {session.name}"
    for pending in getattr(runtime, "pending", tuple)():
        yield ("pending", pending.id), f"pending request {pending.id}: {pending.method} of {pending.session.me.path}"


def _tasks(runtime: Any) -> Iterator[tuple[Any, str]]:
    root = trio.lowlevel.current_root_task()
    todo = [] if root is None else [root]
    while todo:
        task = todo.pop()
        todo += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        # Workers are kept for the next job on purpose; an actor, and a job at work, are reported by their paths.
        if runtime is None or getattr(task.coro, "__qualname__", "") not in ("Workers._work", "Seat.live"):
            yield ("task", task), f"task {task.name}"


def _new_dead_letters(runtime: Any, count: int) -> list[str]:
    kept = list(runtime.dead_letters)[-count:]
    lines = [f"dead letter: {type(each.message).__name__} to {each.ref.path}" for each in kept]
    return lines if len(kept) == count else [*lines, f"{count - len(kept)} more dead letters"]
