"""
Results as JSON: one file for each case, which says everything that a table or a plot needs, and can be read again.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from benchmarks.case import Case
from benchmarks.environments import HERE
from benchmarks.figures import Round, figure, spread
from benchmarks.judged import judged
from benchmarks.noise import machine
from benchmarks.rounds import Options, Outcome

RESULTS = HERE / "results"
FIGURES = ("p50", "p99", "cpu", "per", "rate")


def write(outcome: Outcome, noise: dict[str, float], options: Options, folder: Path = RESULTS) -> Path:
    """Write what came of a case."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{outcome.case.name}.json"
    file.write_text(json.dumps(told(outcome, noise, options), indent=1) + "\n")
    return file


def told(outcome: Outcome, noise: dict[str, float], options: Options) -> dict[str, Any]:
    """Everything, in plain values."""
    return {
        "case": outcome.case.name,
        "title": outcome.case.title,
        "says": outcome.case.says,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "noise": noise,
        "options": attrs.asdict(options),
        "absent": outcome.absent,
        "facts": outcome.facts,
        "figures": [_row(name, measure, rounds) for (name, measure), rounds in outcome.rounds.items()],
        "targets": [
            {**attrs.asdict(each.target), "text": each.target.text, "measured": each.figure, "verdict": each.verdict}
            for each in judged(outcome)
        ],
    }


def _row(variant: str, measure: str, rounds: dict[int, Round]) -> dict[str, Any]:
    listed = list(rounds.values())
    return {
        "variant": variant,
        "measure": measure,
        "median": {name: figure(listed, name) for name in FIGURES},
        "spread": spread(listed, "p50"),
        "rounds": {number: attrs.asdict(each) for number, each in rounds.items()},
    }


def read(case: Case, folder: Path = RESULTS) -> tuple[Outcome, dict[str, Any]] | None:
    """What an earlier run wrote of this case, or None."""
    file = folder / f"{case.name}.json"
    if not file.exists():
        return None
    kept = json.loads(file.read_text())
    outcome = Outcome(case, absent=kept["absent"], facts=kept["facts"])
    for row in kept["figures"]:
        rounds = {int(number): Round(**each) for number, each in row["rounds"].items()}
        outcome.rounds[row["variant"], row["measure"]] = rounds
    return outcome, kept
