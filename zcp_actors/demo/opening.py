"""
The first steps: four backends at once, their tools, several calls together.

Owns what is expected of healthy servers. Refuses to break anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import trio
from rich.table import Table

from zcp_actors.cli.listing import all_tools
from zcp_actors.demo.stage import GIT, NEW, OLD, TIME

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from zcp_actors.demo.stage import Stage

EXPECTED = {
    TIME: {"get_current_time", "convert_time"},
    GIT: {"git_status", "git_log"},
    NEW: {"publish", "typeset", "word_count", "status"},
    OLD: {"publish", "typeset", "word_count", "status"},
}


async def connect(stage: Stage) -> str:
    """Start four servers, each in a process of its own, all at the same time."""
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for name in stage.commands:
            nursery.start_soon(stage.connect, name)
    seconds = trio.current_time() - began
    for name, client in stage.clients.items():
        about = client.introduction.server_info
        stage.show(
            about is not None,
            f"{name}: {about['name']} {about['version']} speaks {client.protocol_version}, process {stage.pid(name)}",
        )
    versions = {name: stage.clients[name].protocol_version for name in (OLD, NEW)}
    stage.show(
        versions == {OLD: "2025-11-25", NEW: "2026-07-28"}, "one program is served in both protocol eras", versions
    )
    stage.show(len(stage.pids) == len(stage.commands), f"{len(stage.pids)} processes, up in {seconds:.1f} s together")
    return f"{len(stage.pids)} servers in {len({c.protocol_version for c in stage.clients.values()})} protocol eras"


async def discover(stage: Stage) -> str:
    """List the tools of all servers at the same time."""
    found: dict[str, list[str]] = {}

    async def look(name: str) -> None:
        found[name] = [tool.name for tool in await all_tools(stage.clients[name])]

    async with trio.open_nursery() as nursery:
        for name in stage.clients:
            nursery.start_soon(look, name)
    table = Table("server", "tools", box=None, padding=(0, 2))
    for name in stage.clients:
        table.add_row(name, ", ".join(found[name]))
    stage.console.print(table)
    for name in stage.clients:
        lacking = EXPECTED[name] - set(found[name])
        stage.show(not lacking, f"{name} offers {len(found[name])} tools", f"no {', '.join(sorted(lacking))}")
    stage.show(found[OLD] == found[NEW], "both eras of the desk list the same tools", found)
    return f"{sum(map(len, found.values()))} tools"


@attrs.frozen
class Errand:
    """One of the calls that are made together."""

    name: str
    run: Callable[[], Awaitable[Any]]
    good: Callable[[Any], bool]


def errands(stage: Stage) -> list[Errand]:
    """Return what is asked of the servers, and what a right answer has in it."""
    path, clients = str(stage.repository.path), stage.clients
    text = "six words are in this text"
    return [
        Errand(
            "time: what time it is",
            lambda: stage.call(TIME, "get_current_time", timezone="UTC"),
            lambda got: "UTC" in str(got),
        ),
        Errand(
            "time: noon in Tokyo",
            lambda: stage.call(TIME, "convert_time", source_timezone="UTC", time="12:00", target_timezone="Asia/Tokyo"),
            lambda got: "21:00" in str(got),
        ),
        Errand(
            "git: the last commit",
            lambda: stage.call(GIT, "git_log", repo_path=path, max_count=1),
            lambda got: stage.repository.is_logged(str(got)),
        ),
        Errand(
            "git: the work tree",
            lambda: stage.call(GIT, "git_status", repo_path=path),
            lambda got: "status" in str(got).lower(),
        ),
        *(
            Errand(f"{desk}: a word count", counted(stage, desk, text), lambda got: got["words"] == 6)  # noqa: PLR2004
            for desk in (NEW, OLD)
        ),
        Errand(
            "desk-2026: a resource",
            lambda: clients[NEW].read_resource("desk://house-rules"),
            lambda got: "headline" in got.contents[0].text,
        ),
        Errand(
            "desk-2025: a completed argument",
            lambda: clients[OLD].complete("headline", "tone", "pl"),
            lambda got: list(got.completion.values) == ["plain", "playful"],
        ),
    ]


def counted(stage: Stage, desk: str, text: str) -> Callable[[], Awaitable[Any]]:
    """Return the errand of counting at this desk."""
    return lambda: stage.call(desk, "word_count", text=text)


async def call_together(stage: Stage) -> str:
    """Make several calls on all four servers before any of them has answered."""
    planned = errands(stage)
    answers: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    at_once = [0, 0]

    async def go(errand: Errand) -> None:
        began = trio.current_time()
        at_once[0] += 1
        at_once[1] = max(at_once)
        answers[errand.name] = await errand.run()
        at_once[0] -= 1
        seconds[errand.name] = trio.current_time() - began

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for errand in planned:
            nursery.start_soon(go, errand)
    took = trio.current_time() - began
    for errand in planned:
        got = answers[errand.name]
        stage.show(errand.good(got), f"{errand.name} ({1000 * seconds[errand.name]:.0f} ms)", got)
    stage.show(
        at_once[1] == len(planned),
        f"{at_once[1]} calls were open at once: {1000 * took:.0f} ms; summed {1000 * sum(seconds.values()):.0f} ms",
        at_once[1],
    )
    return f"{len(planned)} calls on {len(stage.clients)} servers at once"
