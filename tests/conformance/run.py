"""
`make conformance`: the official suite against our server and our client, at both revisions, judged strictly.

Owns the order of the legs, the table and the exit code: 0 when every scenario of every leg passed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import attrs
import click
import trio
from conformance import suite
from conformance.judge import Run, Verdict, judged
from conformance.results import Broken, read_list
from conformance.scenarios import ELSEWHERE, LEGS, SUITE_VERSION, Leg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

CLIENTS_AT_ONCE = 2
"""Scenarios of the client that run side by side: each starts node and Python, and small machines have two cores."""

NOT_RUN = Run((), ("the suite did not run it",))


@attrs.define
class Outcome:
    """One leg after its run."""

    leg: Leg
    verdicts: list[Verdict] = attrs.Factory(list)
    trouble: list[str] = attrs.Factory(list)
    """What is against the leg as a whole."""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Every scenario passed, and the leg was what it should be."""
        return not self.trouble and all(verdict.passed for verdict in self.verdicts)


async def run_leg(leg: Leg, output: Path) -> Outcome:
    """Run one leg, and judge it."""
    outcome = Outcome(leg)
    began = trio.current_time()
    try:
        outcome.trouble += _differences(leg, await suite.printed("list", "--requirements", leg.revision))
        runs = await (suite.run_server(leg.revision, output) if leg.side == "server" else _client_runs(leg, output))
        outcome.verdicts = [judged(each, runs.get(each.name, NOT_RUN)) for each in leg.scenarios]
    except Broken as error:
        outcome.trouble.append(str(error))
    outcome.seconds = trio.current_time() - began
    return outcome


def _differences(leg: Leg, listing: str) -> list[str]:
    """What the suite has and the leg does not, or the other way round."""
    ours = {each.name for each in leg.scenarios}
    theirs = {name for name in read_list(listing)[leg.side] if not name.startswith(ELSEWHERE)}
    forgotten = [f"the suite has {name}, which this leg does not judge" for name in sorted(theirs - ours)]
    return forgotten + [f"the suite does not have {name} (any more)" for name in sorted(ours - theirs)]


async def _client_runs(leg: Leg, output: Path) -> dict[str, Run]:
    runs: dict[str, Run] = {}
    limit = trio.CapacityLimiter(CLIENTS_AT_ONCE)

    async def run(name: str) -> None:
        async with limit:
            runs[name] = await suite.run_client(name, leg.revision, output / name)

    async with trio.open_nursery() as nursery:
        for each in leg.scenarios:
            nursery.start_soon(run, each.name)
    return runs


def table_of(outcomes: list[Outcome]) -> Table:
    """Everything in one table, a section for each leg."""
    table = Table(title=f"MCP conformance, suite {SUITE_VERSION}, strict", title_justify="left")
    for column in ("leg", "scenario", "checks", "verdict"):
        table.add_column(column, justify="right" if column == "checks" else "left", overflow="fold")
    for outcome in outcomes:
        for verdict in outcome.verdicts:
            counts = verdict.counts
            table.add_row(
                outcome.leg.name,
                verdict.scenario.name,
                f"{counts['SUCCESS']}/{verdict.scenario.checks}",
                _said(verdict),
            )
        skipped = sum(verdict.skipped for verdict in outcome.verdicts)
        passed = sum(verdict.passed for verdict in outcome.verdicts) - skipped
        total = f"{passed} of {len(outcome.leg.scenarios) - skipped} passed in {outcome.seconds:.0f} s"
        total += f", {skipped} skipped by the suite" if skipped else ""
        more = "".join(f"\n[red]failed[/] {escape(each)}" for each in outcome.trouble)
        table.add_row(f"[bold]{outcome.leg.name}[/]", f"[bold]{total}[/]{more}", "", "", end_section=True)
    return table


def _said(verdict: Verdict) -> str:
    if verdict.skipped:
        return "[yellow]skipped by the suite itself[/]"
    return "[green]passed[/]" if verdict.passed else f"[red]failed[/] {escape('; '.join(verdict.reasons))}"


async def run_legs(legs: list[Leg], output: Path) -> bool:
    """Run them one after the other, and print the table. True when everything passed."""
    found = (await suite.printed("--version")).strip()
    if found != SUITE_VERSION:
        raise Broken(f"the suite is {found}, not {SUITE_VERSION}: run `make conformance`, which installs it")
    outcomes = [await run_leg(leg, output / leg.name) for leg in legs]
    Console(width=None if sys.stdout.isatty() else 140).print(table_of(outcomes))
    return all(outcome.passed for outcome in outcomes)


@click.command(help=__doc__)
@click.option("--leg", "names", multiple=True, type=click.Choice([leg.name for leg in LEGS]), help="Only these legs.")
@click.option("--output", type=click.Path(path_type=Path), help="A new folder for what the suite and the fixtures say.")
def main(names: tuple[str, ...], output: Path | None) -> None:
    """Run the legs that were asked for."""
    legs = [leg for leg in LEGS if not names or leg.name in names]
    kept = output or Path(tempfile.mkdtemp(prefix="zcp-actors-conformance-"))
    try:
        passed = trio.run(run_legs, legs, kept)
    except Broken as error:
        raise click.ClickException(str(error)) from None
    if not passed:
        click.echo(f"What the suite and the fixtures said is in {kept}", err=True)
    elif output is None:
        shutil.rmtree(kept)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
