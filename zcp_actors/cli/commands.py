"""
The commands and their options, and the one place where an exit code is made.

Owns the words of the command line. Refuses to do the work: each command imports what does it when it is called, so that
`--help` waits for nothing. The exit codes: 0 done, 1 the tool or a step of the demo failed, 2 a mistake in what was
typed, 3 no connection, 130 interrupted.
"""

from __future__ import annotations

import math
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zcp_actors.cli.bench import bench

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "zcp-actors"
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells count."""

ERAS = click.Choice(["2025-11-25", "2026-07-28"])
LEVELS = click.Choice(["debug", "info", "warning", "error", "critical"], case_sensitive=False)

_OTLP = click.option("--otlp", metavar="URL", help="Send traces to this collector, such as http://localhost:4318.")
_TRACE_FILE = click.option(
    "--trace-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write traces for the Jaeger UI, and for 'trace show'.",
)
_FILES = click.Path(path_type=Path)


class _Seconds(click.FloatRange):
    """Above zero; "nan" is a number to Python, and to no clock."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        return self.fail(f"{value} is no time.", param, ctx) if math.isnan(seconds) else seconds


_SECONDS = _Seconds(min=0, min_open=True)

EXAMPLES = """\b
Examples:
  zcp-actors tools "python -m mcp_server_time"
  zcp-actors call "python -m mcp_server_time" get_current_time --arg timezone=Europe/Vienna
  zcp-actors call desk.py:app publish --arg topic=bees --yes --sample "Bees are busy"
  zcp-actors serve desk.py:app --http :8000
  zcp-actors demo
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    _prepare_streams()
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def _prepare_streams() -> None:
    """Have three streams, which write what they can: one may be closed, and not every terminal knows every letter."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 - for the life of the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors of people are printed as one line."""
    debug = False
    try:
        with program.make_context(NAME, list(arguments)) as context:
            debug = bool(context.params["debug"])
            code = int(program.invoke(context) or 0)
            sys.stdout.flush()  # what cannot be written is told here, not by the interpreter when it ends
            return code
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        return 0
    except BrokenPipeError:
        return _reader_left()
    except Exception as error:
        if debug:
            raise
        from zcp_actors.cli.failure import report

        code = report(error)
        _drop_what_cannot_be_written()
        return code
    except BaseException as error:
        if debug or not _interrupted(error):
            raise
        return INTERRUPTED


def _reader_left() -> int:
    """Whoever read our output has enough."""
    _drop_what_cannot_be_written()
    return 1


def _drop_what_cannot_be_written() -> None:
    """Python must not find out once more when it closes the streams."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _interrupted(error: BaseException) -> bool:
    """Tell whether this is Ctrl-C, wherever in a nursery it was felt."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(KeyboardInterrupt) is not None
    return isinstance(error, KeyboardInterrupt)


@click.group(epilog=EXAMPLES, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, hidden=True, help="Show tracebacks.")
@click.version_option(package_name="zcp-actors", prog_name=NAME)
@click.pass_context
def program(context: click.Context, *, debug: bool) -> None:
    """Serve, call and watch MCP tool servers of both protocol eras."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
    if not debug:
        _keep_quiet()


def _keep_quiet() -> None:
    """What a command has to say it says itself; `serve` turns the log on again."""
    import logging

    logging.getLogger("zcp_actors").addHandler(logging.NullHandler())


@program.command(short_help="Serve an app over standard input and output, or HTTP.")
@click.argument("app")
@click.option("--http", metavar="[HOST]:PORT", help="Serve over HTTP instead; without HOST for this machine only.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="A name that the HTTP server is reached by.")
@click.option("--allow-origin", "origins", multiple=True, metavar="ORIGIN", help="A web page that may speak to it.")
@click.option("--unprotected", is_flag=True, help="Let HTTP clients of other machines in, though nobody is asked who.")
@click.option("--era", type=ERAS, help="Serve this protocol revision only (default: both).")
@click.option(
    "--store",
    metavar="FILE",
    help="Keep tasks in this file, which other processes may share; :memory: for none (default: the state directory).",
)
@click.option("--log-level", type=LEVELS, default="warning", show_default=True, help="What goes to standard error.")
@_OTLP
@_TRACE_FILE
def serve(app: str, http: str | None, **given: Any) -> int:
    """Serve APP, module:app or path/to/file.py:app, over standard input and output.

    It ends with its input, and after SIGTERM or SIGINT, when calls in flight were answered.
    Nothing but the protocol goes to standard output; what the app prints goes to standard error.
    With --http it serves any number of clients, at /mcp, until a signal comes.
    Tasks that an earlier process left are taken up.

    \b
    Examples:
      zcp-actors serve desk.py:app
      zcp-actors serve desk.py:app --http :8000 --store desk.sqlite3
      zcp-actors serve zcp_actors.demo.desk:app --era 2025-11-25 --log-level info
    """  # noqa: D301 - the backspace is click's mark for lines that stay as they are
    from zcp_actors.cli.serving import ServeOptions, serve_app, serve_app_over_http
    from zcp_actors.cli.tracing import TraceOptions

    traces = TraceOptions(file=given.pop("trace_file"), otlp=given.pop("otlp"))
    common = {name: given.pop(name) for name in ("era", "log_level", "store")}
    options = ServeOptions(app=app, traces=traces, **common)
    if http is None and any(given.values()):
        raise click.UsageError("--allow-host, --allow-origin and --unprotected are for --http [HOST]:PORT")
    return serve_app(options) if http is None else serve_app_over_http(options, http, **given)


@program.command(short_help="List the tools of a server.")
@click.argument("server")
@click.option("--era", type=ERAS, help="Speak this protocol revision (default: the newest in common).")
@click.option("--timeout", type=_SECONDS, metavar="SECONDS", help="Give up on a server that is not there by then.")
@click.option("--raw", is_flag=True, help="Print the list as JSON.")
def tools(server: str, era: str | None, timeout: float | None, *, raw: bool) -> int:
    """List the tools of SERVER.

    \b
    SERVER is one of
      a command line in quotes      "python -m mcp_server_time"
      an app, joined in process     module:app, or path/to/file.py:app
      an address                    http://localhost:8000/mcp
    """  # noqa: D301 - as above
    from zcp_actors.cli.listing import list_tools

    return list_tools(server, era, limit=timeout, raw=raw)


@program.command(short_help="Call a tool of a server.")
@click.argument("server")
@click.argument("tool")
@click.option("--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="An argument, read by the tool's schema.")
@click.option("--json", "json_text", metavar="OBJECT", help="All arguments as one JSON object; --arg adds to it.")
@click.option("--era", type=ERAS, help="Speak this protocol revision (default: the newest in common).")
@click.option("--timeout", type=_SECONDS, metavar="SECONDS", help="Give up after this long.")
@click.option("--yes", is_flag=True, help="Accept every form the server asks to fill in, with its defaults.")
@click.option("--answer", "answers", multiple=True, metavar="FIELD=VALUE", help="Accept forms, with this in the field.")
@click.option("--sample", metavar="TEXT", help="Answer every sampling request with this text.")
@click.option("--task", is_flag=True, help="Run the tool as a task, and show its status; Ctrl-C cancels the task.")
@click.option("--raw", is_flag=True, help="Print the whole result as JSON.")
@_OTLP
@_TRACE_FILE
def call(**given: Any) -> int:
    """Call TOOL of SERVER and print its result.

    Questions of the server are asked here when standard input is a terminal, and declined otherwise.

    \b
    SERVER is one of
      a command line in quotes      "python -m mcp_server_time"
      an app, joined in process     module:app, or path/to/file.py:app
      an address                    http://localhost:8000/mcp

    \b
    Exit codes: 0 done, 1 the tool failed, 2 a mistake in what was typed, 3 no connection.

    \b
    Examples:
      zcp-actors call "python -m mcp_server_time" get_current_time --arg timezone=UTC
      zcp-actors call desk.py:app publish --arg topic=bees --answer headline=Buzz --sample "Bees."
      zcp-actors call http://localhost:8000/mcp render --arg film=bees --task
    """  # noqa: D301 - as above
    from zcp_actors.cli.calling import CallOptions, call_tool

    return call_tool(CallOptions(**given))


@program.command(short_help="Show the whole on real servers.")
@click.option("--interactive", is_flag=True, help="You answer what the servers ask, at this terminal.")
@click.option("--no-color", is_flag=True, help="Print without colours.")
@_OTLP
@_TRACE_FILE
@click.option("--no-trace-file", is_flag=True, help="Write no trace file (default: ./demo-trace.json).")
def demo(**given: Any) -> int:
    """Run one process with four servers: call, ask, cancel, kill and restart them, and check each step.

    Takes under a minute, uses no network, and leaves nothing behind but its traces. Exit code 1 when a step is not as
    it should be.
    """
    from zcp_actors.demo.program import DemoOptions, run_demo

    return run_demo(DemoOptions(**given))


@program.group(short_help="Look at trace files.")
def trace() -> None:
    """Look at the files that --trace-file writes, and at what any Jaeger UI saves as JSON."""


@trace.command(short_help="Draw traces in the terminal.")
@click.argument("files", nargs=-1, required=True, type=_FILES)
@click.option("--trace", metavar="ID", help="Only the trace whose id begins like this.")
@click.option("--min-duration", metavar="TIME", help="Only spans that took at least this long: 10ms, 1.5s.")
@click.option("--errors", is_flag=True, help="Only spans that failed or were cancelled.")
@click.option("--all", is_flag=True, help="Draw all traces, not only the longest ones.")
@click.option("--no-color", is_flag=True, help="Print without colours.")
def show(**given: Any) -> int:
    """Draw the traces of FILES as trees: a bar for each span, dotted where it is a wait, and how long it took.

    A span that is kept by a filter is shown below all that encloses it.

    \b
    Examples:
      zcp-actors trace show demo-trace.json
      zcp-actors trace show demo-trace.json --errors
      zcp-actors trace show client.json server.json --min-duration 100ms
    """  # noqa: D301 - as above
    from zcp_actors.cli.trace_show import ShowOptions, show_traces

    return show_traces(ShowOptions(**given))


@trace.command(short_help="Make one file of several.")
@click.argument("out", type=_FILES)
@click.argument("files", nargs=-1, required=True, type=_FILES)
def join(out: Path, files: tuple[Path, ...]) -> int:
    """Write the traces of FILES to OUT: of several processes, or a .part file that a killed one left.

    \b
    Examples:
      zcp-actors trace join all.json client.json server.json
      zcp-actors trace join saved.json out.json.4711.part
    """  # noqa: D301 - as above
    from zcp_actors.cli.trace_join import join_files

    return join_files(out, files)


program.add_command(bench)
