"""
Judge a server by the numbered requirements of tasks in MCP 2025-11-25, and print one table.

The manifest says which of its tools can play which role (see README.md). The exit code is 0 when no MUST failed.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import trio
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from task_conformance.judge import all_judged
from task_conformance.manifest import BadManifest, Manifest, read_manifest
from task_conformance.target import first_of, open_target
from task_conformance.wires import Unreachable

if TYPE_CHECKING:
    from task_conformance.judge import Verdict

COLOURS = {"passed": "green", "failed": "red", "not applicable": "dim"}


async def verdicts(manifest: Manifest, command: list[str], url: str | None) -> list[Verdict]:
    """All of them, one after the other."""
    async with open_target(manifest, command=command, environment=dict(os.environ), url=url) as target:
        await target.talk()  # raises when there is no server at all
        return await all_judged(target)


def table_of(found: list[Verdict]) -> Table:
    """Requirement by requirement."""
    table = Table(title="Tasks of MCP 2025-11-25, requirement by requirement", title_justify="left")
    for column, justify in (("no.", "right"), ("level", "left"), ("requirement", "left"), ("verdict", "left")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for each in found:
        colour = COLOURS[each.outcome]
        remark = f" {escape(each.remark)}" if each.remark else ""
        table.add_row(str(each.check.number), each.check.level, each.check.says, f"[{colour}]{each.outcome}[/]{remark}")
    return table


def failed(found: list[Verdict], level: str) -> int:
    """How many of this level."""
    return sum(each.outcome == "failed" and each.check.level == level for each in found)


@click.command(help=__doc__)
@click.option("--stdio", "command", metavar="COMMAND", help="Start the server with this command, in one word.")
@click.option("--http", "url", metavar="URL", help="The server's endpoint for streamable HTTP.")
@click.option("--manifest", type=click.Path(path_type=Path), required=True)
def main(command: str | None, url: str | None, manifest: Path) -> None:
    """Judge."""
    if (command is None) == (url is None):
        raise click.UsageError("give either --stdio or --http")
    try:
        found = trio.run(verdicts, read_manifest(manifest), shlex.split(command or ""), url)
    except BadManifest as error:
        raise click.ClickException(str(error)) from None
    except ExceptionGroup as errors:
        unreachable, rest = errors.split((Unreachable, OSError))
        if unreachable is None or rest is not None:
            raise
        raise click.ClickException(str(first_of(unreachable))) from None
    Console(width=None if sys.stdout.isatty() else 160).print(table_of(found))
    counts = {outcome: sum(each.outcome == outcome for each in found) for outcome in COLOURS}
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    sys.exit(1 if failed(found, "MUST") else 0)


if __name__ == "__main__":
    main()
