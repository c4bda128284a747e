"""
What a person asks for: which cases, which peers, how many rounds; and what they see meanwhile.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks import environments, plots, results, rounds, table
from benchmarks.case import Case, all_cases
from benchmarks.judged import judged
from benchmarks.noise import Noise, machine
from benchmarks.rounds import Options, Outcome

ROUNDS, QUICK_ROUNDS = 5, 2
"""Five give a median that one disturbed round does not move; two only show that everything works."""


WIDTH = 132
"""Of what is no terminal: no table is folded."""


@click.command()
@click.option("--case", "names", multiple=True, metavar="NAME", help="Only this case, or a word of its name.")
@click.option("--list", "listing", is_flag=True, help="List the cases.")
@click.option("--quick", is_flag=True, help="A glance, in about a minute.")
@click.option("--rounds", "count", type=click.IntRange(1), help=f"Rounds of each case (default: {ROUNDS}).")
@click.option("--peers", type=click.Choice(["none", "installed", "all"]), default="installed", show_default=True,
              help="Measure no peers, those that are installed, or install them first.")  # fmt: skip
@click.option("--nice", type=int, default=0, help="Priority of what is measured; below 0 needs privileges.")
@click.option("--report", is_flag=True, help="Measure nothing: show what earlier runs wrote.")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), default=results.RESULTS,
              help="Where results go (default: benchmarks/results).")  # fmt: skip
def bench(*, names: tuple[str, ...], listing: bool, report: bool, count: int | None, quick: bool, peers: str,
          nice: int, folder: Path) -> None:  # fmt: skip
    """Measure this runtime beside its peers and the least that any could cost; write tables, JSON and plots."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    cases = picked(names, quick=quick)
    if listing:
        for case in cases:
            console.print(f"[bold]{case.name:<12}[/] {case.says}", highlight=False)
        return
    if report:
        show(console, cases, folder)
        return
    if peers == "all":
        environments.install(console.print)
    options = Options(
        rounds=count or (QUICK_ROUNDS if quick else ROUNDS), quick=quick, peers=peers != "none", nice=nice
    )
    measure(console, cases, options, folder)


def picked(names: tuple[str, ...], *, quick: bool) -> list[Case]:
    """The cases that were asked for; a quick run without names has those that are quick."""
    cases = all_cases()
    if not names:
        return [each for each in cases.values() if each.quick or not quick]
    unknown = [name for name in names if not any(name in each for each in cases)]
    if unknown:
        raise click.UsageError(f"no case {unknown[0]!r}; there are {', '.join(cases)}")
    return [cases[name] for name in names if name in cases] or [
        each for name, each in cases.items() if any(word in name for word in names)
    ]


def measure(console: Console, cases: list[Case], options: Options, folder: Path) -> None:
    """Run the cases; each is drawn and written when it is done."""
    noise, outcomes = Noise(), []
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                   TimeRemainingColumn(), console=console, transient=True)  # fmt: skip
    with bar:
        steps = {each.name: len(rounds.chosen(each, options)) * options.rounds for each in cases}
        task = bar.add_task("", total=sum(steps.values()))
        for case in cases:

            def step(name: str, case: Case = case) -> None:
                bar.update(task, advance=1, description=f"{case.name}: {name}")

            calm = Noise()
            outcome = rounds.run(case, options, step)
            results.write(outcome, calm.told(), options, folder)
            plots.draw(outcome, folder, footer())
            table.draw(console, outcome)
            outcomes.append(outcome)
    conclude(console, outcomes, folder)
    told = noise.told()
    console.print(
        f"load {told['load_before']:.1f} before, {told['load_after']:.1f} after, on {os.cpu_count()} CPUs that were "
        f"busy for {told['busy']:.0%} of the time; results in {folder}"
    )


def show(console: Console, cases: list[Case], folder: Path) -> None:
    """Draw again what earlier runs wrote."""
    found = [earlier for case in cases if (earlier := results.read(case, folder)) is not None]
    for outcome, kept in found:
        console.print(f"[dim]{kept['date']}, load {kept['noise']['load_before']:.1f}[/]")
        table.draw(console, outcome)
        plots.draw(outcome, folder, footer(kept["date"][:10]))
    conclude(console, [outcome for outcome, _ in found], folder)


def conclude(console: Console, outcomes: list[Outcome], folder: Path) -> None:
    """The targets, and everything as Markdown."""
    table.draw_targets(console, [each for outcome in outcomes for each in judged(outcome)])
    plots.draw_overview(outcomes, folder, footer())
    text = [
        table.markdown_summary(outcomes),
        "",
        *map(table.markdown, outcomes),
        "## Targets\n",
        table.markdown_targets(outcomes),
    ]
    (folder / "tables.md").write_text("\n".join(text) + "\n")


def footer(date: str = "") -> str:
    """What a figure depends on, in a line."""
    facts = machine()
    return ", ".join(filter(None, [date, facts["cpu"], f"{facts['cpus']} CPUs", facts["system"], facts["python"]]))
