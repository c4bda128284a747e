"""
Targets held against figures.
"""

from __future__ import annotations

import attrs

from benchmarks.figures import compared_by, difference, figure, times_better
from benchmarks.rounds import Outcome
from benchmarks.targets import TARGETS, Target


@attrs.frozen
class Judgement:
    """A target, and what came."""

    target: Target
    figure: float | None
    """The ratio, or the figure in the measure's unit; None where a side of it was not measured."""

    @property
    def met(self) -> bool | None:
        """Whether it is kept; None: not known."""
        return None if self.figure is None else self.target.met(self.figure)

    @property
    def verdict(self) -> str:
        """In words."""
        return {None: "not measured", True: "met", False: "not met"}[self.met]


def judged(outcome: Outcome) -> list[Judgement]:
    """Every target of this case."""
    targets = [each for each in (*TARGETS, *outcome.case.targets) if each.case == outcome.case.name]
    return [Judgement(each, measured(outcome, each)) for each in targets]


def measured(outcome: Outcome, target: Target) -> float | None:
    """What came of a target."""
    rounds = outcome.rounds.get((target.variant, target.measure))
    measure = next(each for each in outcome.case.measures if each.name == target.measure)
    by = compared_by(measure, target.by)
    if rounds is None:
        return None
    if target.relation == "at most":
        return figure(list(rounds.values()), by)
    other = outcome.rounds.get((target.other, target.measure), {})
    if target.relation == "at most more":
        return difference(rounds, other, by)
    ratio = times_better(rounds, other, by)
    if ratio is None:
        return None
    return 1 / ratio if target.relation == "at most times" else ratio
