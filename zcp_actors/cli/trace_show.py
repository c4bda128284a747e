"""
`zcp-actors trace show` and `zcp-actors trace join`: trace files for people, and several files as one.

Owns what is left out and what is said about it. Refuses to read and to draw.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click
from rich.console import Console

from zcp_actors.cli.trace_drawing import Drawing
from zcp_actors.cli.trace_file import NoTrace, read_spans
from zcp_actors.cli.trace_tree import kept, traces_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcp_actors.cli.trace_file import Span
    from zcp_actors.cli.trace_tree import Trace

SHOWN = 20
"""Traces drawn unless all are asked for: a few screens. The longest ones, since those are looked for."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|µs|ms|s|m|min|h)?")
_MICROS = {"us": 1, "µs": 1, "ms": 1e3, "s": 1e6, "m": 60e6, "min": 60e6, "h": 3600e6}


@attrs.frozen(kw_only=True)
class ShowOptions:
    """What was typed."""

    files: tuple[Path, ...]
    trace: str | None = None
    min_duration: str | None = None
    errors: bool = False
    all: bool = False
    no_color: bool = False


def show_traces(options: ShowOptions) -> int:
    """Draw the traces of the files on standard output."""
    least = read_duration(options.min_duration) if options.min_duration else 0
    spans = read_spans(options.files)
    if not spans:
        raise NoTrace(f"there is no span in {', '.join(map(str, options.files))}")
    console = Console(no_color=options.no_color or None, highlight=False, soft_wrap=False)
    chosen = _chosen(traces_of(spans), options, least)
    drawn = chosen if options.all or options.trace else _longest(chosen)
    drawing = Drawing(console, {(span.trace, span.id): span.name for span in spans})
    for number, trace in enumerate(drawn):
        if number:
            console.print()
        drawing.draw(trace)
    if len(drawn) < len(chosen):
        console.print(f"\n{len(chosen) - len(drawn)} shorter traces are not shown; --all shows them", style="dim")
    return 0


def read_duration(text: str) -> int:
    """Return `10ms`, `1.5s` or `250us` in microseconds; a bare number is of seconds. Raises `click.ClickException`."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise click.ClickException(f"--min-duration: expected a time such as 10ms, 1.5s or 250us, got {text!r}")
    return int(float(match[1]) * _MICROS[match[2] or "s"])


def _chosen(traces: Sequence[Trace], options: ShowOptions, least: int) -> list[Trace]:
    """The traces, and what of them, the filters leave. Raises `click.ClickException` when nothing is left."""
    if options.trace is not None:
        traces = [trace for trace in traces if trace.id.startswith(options.trace.lower())]
        if not traces:
            raise click.ClickException(f"no trace has an id that begins with {options.trace!r}")

    def wanted(span: Span) -> bool:
        return span.duration >= least and (not options.errors or bool(span.error))

    found = [left for trace in traces if (left := kept(trace, wanted)) is not None]
    if not found:
        what = " and ".join(["failed"] * options.errors + [f"took at least {options.min_duration}"] * bool(least))
        click.echo(f"no span {what}", err=True)
    return found


def _longest(traces: list[Trace]) -> list[Trace]:
    longest = {trace.id for trace in sorted(traces, key=lambda trace: trace.duration, reverse=True)[:SHOWN]}
    return [trace for trace in traces if trace.id in longest]
