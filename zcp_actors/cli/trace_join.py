"""
`zcp-actors trace join`: what several processes wrote, and what one left that was killed, as one file for the Jaeger UI.

Owns the turning of finished files into lines again. Refuses to write documents: `telemetry.jaeger_file` does.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from zcp_actors.cli.trace_file import NoTrace, read_spans, traces_in

if TYPE_CHECKING:
    from collections.abc import Iterator


PART_BEGINS = b'{"process":'
"""A part file names its process first; no other form begins so."""


def join_files(out: Path, files: tuple[Path, ...]) -> int:
    """Write the traces of all files to `out`."""
    if not read_spans(files):
        raise NoTrace(f"there is no span in {', '.join(map(str, files))}")
    try:
        from zcp_actors.telemetry.jaeger_file import join_parts
    except ModuleNotFoundError:
        raise click.ClickException('this needs the OpenTelemetry SDK: pip install "zcp-actors[telemetry]"') from None
    with tempfile.TemporaryDirectory(prefix="zcp-actors-traces-") as folder:
        parts = [_as_part(file, Path(folder) / f"{number}") for number, file in enumerate(files)]
        try:
            count = join_parts(parts, out)
        except OSError as error:
            raise click.ClickException(f"{out} cannot be written: {error.strerror}") from None
    click.echo(f"{count} spans in {out}")
    return 0


def _as_part(file: Path, part: Path) -> Path:
    """The file itself when it is a part, else a part of what it holds."""
    text = file.read_bytes()
    if text.startswith(PART_BEGINS):
        return file
    part.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in _lines(traces_in(text))))
    return part


def _lines(traces: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, trace in enumerate(traces):
        # Every trace has a p1 of its own; a part counts them through.
        for name, process in (trace.get("processes") or {}).items():
            yield {"process": f"{number}.{name}", **process}
        for span in trace["spans"]:
            yield {**span, "processID": f"{number}.{span.get('processID')}"}
