"""
Results for people: a table for each case, and the targets, in the terminal and as Markdown.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from benchmarks.case import Measure, Variant
from benchmarks.figures import figure, spread, times_better
from benchmarks.judged import Judgement, judged
from benchmarks.rounds import Outcome

HEADS = ("", "p50", "p99", "CPU µs", "per s", "± rounds")


def heads(outcome: Outcome) -> list[str]:
    """The columns: figures, and how many times better than the peer and worse than the floor."""
    case = outcome.case
    return [*HEADS, f"× better than {case.peer}" if case.peer else "", f"× {case.floor}" if case.floor else ""]


def notes(outcome: Outcome) -> list[str]:
    """What a reader must know to judge the figures, and what has none."""
    said = [f"{each.name}: {each.note}" for each in outcome.measured if each.note]
    return said + [f"absent: {name} ({why})" for name, why in outcome.absent.items()]


def number(value: float | None) -> str:
    """A figure with three digits that mean something."""
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def rows(outcome: Outcome, measure: Measure) -> Iterator[tuple[Variant, list[str]]]:
    """One row for each variant that has figures of this measure."""
    peer = outcome.rounds.get((outcome.case.peer, measure.name), {})
    floor = outcome.rounds.get((outcome.case.floor, measure.name), {})
    for variant in outcome.measured:
        rounds = outcome.rounds.get((variant.name, measure.name))
        if not rounds:
            continue
        listed = list(rounds.values())
        to_peer = times_better(rounds, peer, measure.better)
        to_floor = times_better(floor, rounds, measure.better)
        single = all(each.count == 1 for each in listed)
        yield (
            variant,
            [
                number(figure(listed, "p50")),
                "" if single else number(figure(listed, "p99")),
                "" if single else number(figure(listed, "cpu")),
                "" if single else number(figure(listed, "rate")),
                f"{spread(listed, measure.better):.0%}",
                number(to_peer) if to_peer else "",
                number(to_floor) if to_floor else "",
            ],
        )


def draw(console: Console, outcome: Outcome) -> None:
    """One table for each measure of a case."""
    for measure in outcome.taken():
        head = f"{outcome.case.title}: {measure.says} ({measure.unit})"
        table = Table(title=head, title_justify="left", title_style="bold")
        for place, name in enumerate(heads(outcome)):
            table.add_column(name, justify="right" if place else "left", no_wrap=True)
        for variant, cells in rows(outcome, measure):
            style = {"ours": "bold green", "floor": "dim", "peer": ""}[variant.kind]
            table.add_row(variant.name, *cells, style=style)
        console.print(table)
    for note in notes(outcome):
        console.print(f"  {note}", style="dim", highlight=False, markup=False)


def draw_targets(console: Console, judgements: list[Judgement]) -> None:
    """Every target, with what came."""
    if not judgements:
        return
    table = Table(title="Targets", title_justify="left", title_style="bold")
    for name in ("case", "measure", "of", "target", "measured", "", "stretch"):
        table.add_column(name, justify="right" if name == "measured" else "left")
    styles = {"met": "green", "not met": "red", "not measured": "dim"}
    for each in judgements:
        target = each.target
        cells = [target.case, target.measure, target.variant, target.text, number(each.figure), each.verdict]
        table.add_row(*cells, target.stretch, style=styles[each.verdict])
    console.print(table)
    met = sum(each.met is True for each in judgements)
    console.print(
        f"{met} of {len(judgements)} targets met, {sum(each.met is None for each in judgements)} not measured"
    )


def markdown(outcome: Outcome) -> str:
    """The tables of a case."""
    lines = []
    for measure in outcome.taken():
        columns = heads(outcome)
        lines += [f"**{outcome.case.title}: {measure.says}** ({measure.unit})", "", "| " + " | ".join(columns) + " |",
                  "|---|" + "--:|" * (len(columns) - 1)]  # fmt: skip
        for variant, cells in rows(outcome, measure):
            name = f"**{variant.name}**" if variant.kind == "ours" else variant.name
            lines.append("| " + " | ".join([name, *cells]) + " |")
        lines.append("")
    lines += [f"- {note}" for note in notes(outcome)]
    return "\n".join(lines)


def markdown_targets(outcomes: list[Outcome]) -> str:
    """The targets of several cases."""
    lines = ["| case | measure | of | target | measured | | stretch |", "|---|---|---|---|--:|---|---|"]
    for each in (judgement for outcome in outcomes for judgement in judged(outcome)):
        target = each.target
        lines.append(
            f"| {target.case} | {target.measure} | {target.variant} | {target.text} | {number(each.figure)} "
            f"| {each.verdict} | {target.stretch} |"
        )
    return "\n".join(lines)


PACKAGES = ("ours", "mcp", "fastmcp", "ts", "zcp", "pykka", "floor")


def markdown_summary(outcomes: list[Outcome]) -> str:
    """One row for each measure, one column for each package; whoever is ahead is bold, floors apart."""
    lines = ["| | " + " | ".join(PACKAGES) + " |", "|---|" + "--:|" * len(PACKAGES)]
    for outcome in outcomes:
        for era, variants in outcome.compared().items():
            for measure in outcome.taken():
                figures = {
                    each.package: figure(list(rounds.values()), measure.better)
                    for each in variants
                    if (rounds := outcome.rounds.get((each.name, measure.name)))
                }
                unit = "per s" if measure.better == "rate" else measure.unit
                if figures.keys() - {"ours", "floor"}:
                    lines.append(f"| {outcome.titled(measure, era)} ({unit}) | {_cells(figures, measure)} |")
    return "\n".join(lines)


def _cells(figures: dict[str, float], measure: Measure) -> str:
    contest = [value for package, value in figures.items() if package != "floor"]
    best = (max if measure.better == "rate" else min)(contest)
    cells = []
    for package in PACKAGES:
        value = figures.get(package)
        shown = "" if value is None else number(value)
        cells.append(f"**{shown}**" if value == best and package != "floor" else shown)
    return " | ".join(cells)
