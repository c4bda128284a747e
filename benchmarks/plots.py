"""
Results as pictures: one PNG for each case, a panel for each measure, a bar for each variant; and one overview.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.case import Measure
from benchmarks.figures import Round, times_better
from benchmarks.rounds import Outcome
from benchmarks.table import number

COLOURS = {"ours": "#1b7f5c", "peer": "#8a8f98", "floor": "#d9c27a"}


MARKS = {"mcp": ("o", "#3b6fb6"), "fastmcp": ("s", "#a23b72"), "ts": ("^", "#d1813b"), "zcp": ("D", "#6b4fa0"),
         "pykka": ("P", "#50606e"), "floor": ("|", "#222222")}  # fmt: skip
OVERVIEW = "overview.png"


def draw(outcome: Outcome, folder: Path, footer: str = "") -> Path | None:
    """Write `<case>.png`; None where there is nothing to show."""
    measures = outcome.taken()
    if not measures:
        return None
    plt = _pyplot()
    longest = max(len(panel(outcome, measure)) for measure in measures)
    height = 1.0 + (0.32 * longest + 0.9) * len(measures)
    picture, axes = plt.subplots(len(measures), 1, figsize=(9, height), squeeze=False, layout="constrained")
    for axis, measure in zip(axes[:, 0], measures, strict=True):
        _panel(axis, outcome, measure)
    picture.suptitle(outcome.case.title, fontsize=12, fontweight="bold")
    if footer:
        picture.supxlabel(footer, fontsize=7, color="#555555")
    file = folder / f"{outcome.case.name}.png"
    picture.savefig(file, dpi=110)
    plt.close(picture)
    return file


def _pyplot() -> Any:
    os.environ.setdefault("MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / "zcp-actors-matplotlib"))
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def overview_rows(outcomes: list[Outcome]) -> list[tuple[str, dict[str, float]]]:
    """For each measure of each case and era, how many times the cost of ours the others have, by package."""
    rows = []
    for outcome in outcomes:
        for era, (ours, *others) in outcome.compared().items():
            for measure in outcome.taken():
                mine = outcome.rounds.get((ours.name, measure.name), {})
                theirs = {each.package: outcome.rounds.get((each.name, measure.name), {}) for each in others}
                ratios = {package: times_better(mine, rounds, measure.better) for package, rounds in theirs.items()}
                known = {package: ratio for package, ratio in ratios.items() if ratio}
                if known.keys() - {"floor"}:
                    rows.append((outcome.titled(measure, era), known))
    return rows


def draw_overview(outcomes: list[Outcome], folder: Path, footer: str = "") -> Path | None:
    """Write the overview; None where nothing is compared."""
    rows = overview_rows(outcomes)
    if not rows:
        return None
    plt = _pyplot()
    picture, axis = plt.subplots(figsize=(11, 1.6 + 0.27 * len(rows)), layout="constrained")
    for package, (mark, colour) in MARKS.items():
        points = [(ratios[package], place) for place, (_, ratios) in enumerate(rows) if package in ratios]
        if points:
            axis.scatter(*zip(*points, strict=True), marker=mark, color=colour, s=34, label=package, zorder=3)
    axis.axvline(1, color=COLOURS["ours"], linewidth=2, label="ours")
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axis.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.grid(axis="both", color="#e4e4e4", linewidth=0.6)
    axis.set_title(
        "What the others cost, as a multiple of ours (logarithmic): left of the line they are ahead", fontsize=10
    )
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.03), ncols=7, fontsize=8, frameon=False)
    if footer:
        picture.supxlabel(footer, fontsize=7, color="#555555")
    file = folder / OVERVIEW
    picture.savefig(file, dpi=110)
    plt.close(picture)
    return file


def panel(outcome: Outcome, measure: Measure) -> list[tuple[str, str, list[float]]]:
    """What one panel shows: name, kind and the rounds' figures of each variant, the best first."""
    found = []
    for variant in outcome.measured:
        rounds: dict[int, Round] = outcome.rounds.get((variant.name, measure.name), {})
        if rounds:
            found.append((variant.name, variant.kind, [getattr(each, measure.better) for each in rounds.values()]))
    return sorted(found, key=lambda each: sorted(each[2])[len(each[2]) // 2], reverse=measure.better == "rate")


def _panel(axis: Any, outcome: Outcome, measure: Measure) -> None:
    shown = panel(outcome, measure)
    middles = [sorted(values)[len(values) // 2] for _, _, values in shown]
    less = [middle - min(values) for middle, (_, _, values) in zip(middles, shown, strict=True)]
    more = [max(values) - middle for middle, (_, _, values) in zip(middles, shown, strict=True)]
    places = range(len(shown))
    axis.barh(places, middles, color=[COLOURS[kind] for _, kind, _ in shown], height=0.7)
    axis.errorbar(middles, places, xerr=[less, more], fmt="none", ecolor="#333333", elinewidth=0.8, capsize=2)
    axis.set_yticks(places, [name for name, _, _ in shown], fontsize=8)
    axis.invert_yaxis()
    if min(middles) > 0 and max(middles) / min(middles) > 20:
        axis.set_xscale("log")
    for place, middle in zip(places, middles, strict=True):
        axis.annotate(number(middle), (middle, place), xytext=(4, 5), textcoords="offset points", fontsize=7)
    what = "per second, more is better" if measure.better == "rate" else f"{measure.unit}, less is better"
    scale = " (logarithmic)" if axis.get_xscale() == "log" else ""
    axis.set_title(f"{measure.says}: {what}{scale}", fontsize=9, loc="left")
    axis.tick_params(axis="x", labelsize=7)
    axis.margins(x=0.12)
    axis.spines[["top", "right"]].set_visible(False)
