"""
The steps in which something is taken away: a call is cancelled, servers are killed, everything is closed.

Owns the killing and what must survive it. Refuses to repair: supervisors do, that is the point.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.cli.bars import Bars
from zcp_actors.demo.questions import ANSWER
from zcp_actors.demo.stage import GIT, LOOK, NEW, OLD

if TYPE_CHECKING:
    from zcp_actors.demo.stage import Stage

PAGES, ASK_AT = 60, 24
"""The long call takes three seconds; in the 2025 era it asks after 24 pages, when its bar has been seen to move."""

BREATH = 0.02
"""Seconds between two calls of those who must not notice a neighbour's death."""


async def cancel_long_calls(stage: Stage) -> str:
    """Cancel a long call in each era while their bars move; the question that one had open is withdrawn."""
    stage.person.away = True
    before = {name: await stage.call(name, "status") for name in (OLD, NEW)}
    pages = {OLD: 0, NEW: 0}
    with Bars(stage.console) as bars:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_typeset, stage, bars, OLD, pages, {"ask_at": ASK_AT})
            nursery.start_soon(_typeset, stage, bars, NEW, pages, {})
            pending = await stage.question(OLD)
            await stage.until(lambda: pages[NEW] > ASK_AT)
            nursery.cancel_scope.cancel("the demo has seen enough")
    stage.show(pages[OLD] == ASK_AT, f"both long calls reported progress: {pages[OLD]} and {pages[NEW]} pages", pages)
    await stage.until(lambda: not stage.runtime.pending())
    stage.show(
        pending.status.value == "cancelled",
        f"after the cancel, {OLD} withdrew the question it had open; nobody is asked in vain",
        pending.status.value,
    )
    stage.person.away = False
    for name in (OLD, NEW):
        after = await _at_rest(stage, name)
        stage.show(after["stopped"] == before[name]["stopped"] + 1, f"{name}: the handler itself was cancelled", after)
    return "one cancel reached bars, handlers and an open question"


async def _typeset(stage: Stage, bars: Bars, name: str, pages: dict[str, int], more: dict[str, int]) -> None:
    draw = bars.listener(name)

    def heard(report: Any) -> None:
        pages[name] = int(report.progress)
        draw(report)

    await stage.clients[name].call_tool("typeset", {"pages": PAGES, **more}, on_progress=heard)


async def _at_rest(stage: Stage, name: str) -> Any:
    """Return the status of a desk that sets no type any more."""
    while True:
        status = await stage.call(name, "status")
        if not status["setting"]:
            return status
        await trio.sleep(LOOK)


async def kill_while_asking(stage: Stage) -> str:
    """Kill the 2026 server while a question of its is open; after the restart the answer completes the call."""
    stage.person.away = True
    sampled, restarts = stage.person.sampled, stage.restarts(NEW)
    receipts: list[Any] = []

    async def publish() -> None:
        receipts.append(await stage.call(NEW, "publish", topic="survival"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(publish)
        pending = await stage.question(NEW)
        old = await _killed(stage, NEW)
        stage.show(
            pending in stage.runtime.pending(), f"{NEW} (process {old}) is dead, and its question is still open here"
        )
        await stage.until(lambda: stage.pid(NEW) not in (None, old))
        stage.show(stage.restarts(NEW) == restarts + 1, f"its supervisor restarted it as process {stage.pid(NEW)}")
        stage.runtime.answer(pending.id, ANSWER)
    stage.person.away = False
    new, (receipt,) = stage.pid(NEW), receipts
    stage.show(
        (receipt["headline"], receipt["reserved_by"], receipt["printed_by"]) == (ANSWER["headline"], old, new),
        f"the answer completed the call: slot reserved by process {old}, printed by process {new}",
        receipt,
    )
    stage.show(
        stage.person.sampled == sampled + 1,
        "the model was not asked again: what the call knew had travelled with the question, sealed",
        stage.person.sampled - sampled,
    )
    return "a call outlived the process that served it"


async def kill_one_of_four(stage: Stage) -> str:
    """Kill a server outright: its supervisor restarts it, the next call works, the neighbours never notice."""
    others = [name for name in stage.clients if name != GIT]
    before = {name: (stage.pid(name), stage.restarts(name)) for name in others}
    restarts, counts = stage.restarts(GIT), dict.fromkeys(others, 0)
    async with trio.open_nursery() as neighbours:
        for name in others:
            neighbours.start_soon(_keep_calling, stage, name, counts)
        old = await _killed(stage, GIT)
        began, calls, down = trio.current_time(), sum(counts.values()), stage.pid(GIT) is None
        got = await stage.call(GIT, "git_log", repo_path=str(stage.repository.path), max_count=1)
        seconds, calls = trio.current_time() - began, sum(counts.values()) - calls
        neighbours.cancel_scope.cancel("they have shown that they did not notice")
    stage.show(stage.restarts(GIT) == restarts + 1, f"{GIT}: process {old} was killed, {stage.pid(GIT)} took its place")
    stage.show(
        stage.repository.is_logged(str(got)),
        f"the next call{f', made while {GIT} was down, waited {seconds:.1f} s for the restart and' * down} worked",
        got,
    )
    after = {name: (stage.pid(name), stage.restarts(name)) for name in others}
    stage.show(
        after == before and calls > 0,
        f"meanwhile the others answered {calls} calls, without an error and without a restart",
        (before, after),
    )
    return "a supervisor restarted one server; three never noticed"


async def _keep_calling(stage: Stage, name: str, counts: dict[str, int]) -> None:
    """Use a server all the time; any failure ends the step."""
    while True:
        await stage.clients[name].list_tools()
        counts[name] += 1
        await trio.sleep(BREATH)


async def _killed(stage: Stage, name: str) -> int | None:
    """Send SIGKILL to a backend's process and wait until its loss is noticed; return which process it was."""
    pid = stage.pid(name)
    assert pid is not None
    began = trio.current_time()
    os.kill(pid, signal.SIGKILL)
    await stage.until(lambda: stage.pid(name) != pid)
    stage.show(True, f"{name}: SIGKILL was noticed in {1000 * (trio.current_time() - began):.0f} ms")
    return pid


async def leave(stage: Stage) -> str:
    """See that nothing is left when the runtime has closed."""
    left = [pid for pid in sorted(stage.pids) if _is_alive(pid)]
    stage.show(not left, f"all {len(stage.pids)} processes that served here are gone", left)
    return "no process left behind"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
