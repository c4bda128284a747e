"""
The demo from its first line to its exit code.

Owns the list of steps and the life of the runtime around them. Refuses to know what they show.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio
from rich.console import Console

from zcp_actors.cli.terminal import Terminal
from zcp_actors.demo.losses import cancel_long_calls, kill_one_of_four, kill_while_asking, leave
from zcp_actors.demo.opening import call_together, connect, discover
from zcp_actors.demo.person import Person
from zcp_actors.demo.questions import ask_in_both_eras, watch_waiting
from zcp_actors.demo.report import Report, Step
from zcp_actors.demo.repository import find_repository
from zcp_actors.demo.stage import Stage, commands_of
from zcp_actors.sessions import open_runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS = (
    Step("start", "Four servers start at once, in two protocol eras", connect),
    Step("discover", "The tools of all servers are listed at once", discover),
    Step("call", "Several calls at once", call_together),
    Step("ask", "The same tool asks model and person, in both eras", ask_in_both_eras),
    Step("wait", "What waits can be seen, and answered from elsewhere", watch_waiting),
    Step("cancel", "A cancelled call withdraws its question", cancel_long_calls),
    Step("survive", "A server is killed while its question is open", kill_while_asking),
    Step("restart", "A server is killed, its neighbours never notice", kill_one_of_four),
)
LEAVE = Step("leave", "Nothing is left behind", leave)


def run_demo(*, interactive: bool = False, no_color: bool = False) -> int:
    """Perform the demo on this terminal; return 0, or 1 when a step is not as it should be.

    Raises `click.ClickException` when what it needs is not there.
    """
    if find_spec("mcp_server_time") is None or find_spec("mcp_server_git") is None:
        raise click.ClickException('the demo needs two servers that are not installed: pip install "zcp-actors[demo]"')
    if interactive and not sys.stdin.isatty():
        raise click.ClickException("--interactive asks a person, and standard input is no terminal")
    console = Console(no_color=no_color, highlight=False)
    with tempfile.TemporaryDirectory(prefix="zcp-actors-demo-") as name:
        folder = Path(name)
        repository = find_repository(folder)
        person = Person(Terminal() if interactive else None)
        stage = Stage(console, commands_of(folder, repository.path), repository, person)
        return trio.run(perform, stage)


async def perform(stage: Stage, steps: Sequence[Step] = STEPS) -> int:
    """Perform these steps in a runtime of their own, then look whether anything is left; return the exit code."""
    report = Report(stage.console, (*steps, LEAVE))
    async with open_runtime() as runtime:
        stage.enter(runtime)
        await report.perform(stage, steps)
    await report.perform(stage, [LEAVE])
    report.print_table()
    return 0 if report.failed is None else 1
