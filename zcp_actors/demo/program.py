"""
The demo from its first line to its exit code.

Owns the list of steps and the life of the runtime around them. Refuses to know what they show.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click
import trio
from rich.console import Console
from rich.text import Text

from zcp_actors.cli.terminal import Terminal
from zcp_actors.cli.trace_sending import has, shown
from zcp_actors.cli.tracing import UNTRACED, TraceOptions, Tracing, tracing
from zcp_actors.demo.losses import cancel_long_calls, kill_one_of_four, kill_while_asking, leave
from zcp_actors.demo.opening import call_together, connect, discover
from zcp_actors.demo.person import Person
from zcp_actors.demo.questions import ask_in_both_eras, watch_waiting
from zcp_actors.demo.report import Report, Step
from zcp_actors.demo.repository import find_repository
from zcp_actors.demo.stage import Stage, commands_of
from zcp_actors.opening import open_runtime

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


TRACE_FILE = Path("demo-trace.json")
"""Where the traces go unless said otherwise: the current directory, where a file dialogue finds them."""


@attrs.frozen(kw_only=True)
class DemoOptions:
    """What was typed."""

    interactive: bool = False
    no_color: bool = False
    otlp: str | None = None
    trace_file: Path | None = None
    no_trace_file: bool = False


def run_demo(options: DemoOptions) -> int:
    """Perform the demo on this terminal; return 0, or 1 when a step is not as it should be.

    Raises `click.ClickException` when what it needs is not there.
    """
    if find_spec("mcp_server_time") is None or find_spec("mcp_server_git") is None:
        raise click.ClickException('the demo needs two servers that are not installed: pip install "zcp-actors[demo]"')
    if options.interactive and not sys.stdin.isatty():
        raise click.ClickException("--interactive asks a person, and standard input is no terminal")
    console = console_of(options)
    with tempfile.TemporaryDirectory(prefix="zcp-actors-demo-") as name:
        folder = Path(name)
        traces = TraceOptions(file=_trace_file(options), otlp=options.otlp, also=(folder,))
        repository = find_repository(folder)
        person = Person(Terminal() if options.interactive else None)
        with tracing(traces, "zcp-actors-demo") as found:
            commands = commands_of(folder, repository.path, found.environment(folder))
            code = trio.run(perform, Stage(console, commands, repository, person), STEPS, found)
    point_to(console, found)
    return code


def console_of(options: DemoOptions) -> Console:
    """The terminal; `NO_COLOR` counts where nothing was typed."""
    return Console(no_color=options.no_color or None, highlight=False)


def _trace_file(options: DemoOptions) -> Path | None:
    """Where traces are written, None when they are not; whoever did not ask for them misses nothing."""
    if options.no_trace_file:
        return None
    if options.trace_file is not None or not has("opentelemetry.sdk"):
        return options.trace_file
    if os.access(Path.cwd(), os.W_OK):
        return TRACE_FILE
    return Path(tempfile.mkdtemp(prefix="zcp-actors-trace-")) / TRACE_FILE


def point_to(console: Console, traces: Tracing) -> None:
    """Say where the traces are, and how to look at them."""
    if traces.url is not None and not (traces.complaints and traces.complaints.lost):
        console.print(Text(f"\nTraces were sent to {shown(traces.url)}"), soft_wrap=True)
    if traces.file is not None:
        path = traces.file.path
        console.print(Text(f"\nTraces of this run: {path} ({traces.file.written} spans)"), soft_wrap=True)
        console.print(Text(f"  here:          zcp-actors trace show {shlex.quote(str(path))}"), soft_wrap=True)
        console.print(Text("  in a browser:  drag it onto the Upload tab of any Jaeger UI"), soft_wrap=True)


async def perform(stage: Stage, steps: Sequence[Step] = STEPS, traces: Tracing = UNTRACED) -> int:
    """Perform these steps in a runtime of their own, then look whether anything is left; return the exit code."""
    report = Report(stage.console, (*steps, LEAVE))
    async with open_runtime(**traces.options) as runtime:
        stage.enter(runtime)
        await report.perform(stage, steps)
    await report.perform(stage, [LEAVE])
    report.print_table()
    return 0 if report.failed is None else 1
