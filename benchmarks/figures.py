"""
From samples to figures: percentiles of a round, medians over rounds, ratios of pairs of one round.

Pure. Every figure of latency is in the measure's unit, a rate in calls per second.
"""

from __future__ import annotations

from statistics import median
from typing import Any

import attrs

from benchmarks.case import Measure

MICRO = 1e6


@attrs.frozen
class Round:
    """What one process reported of one measure."""

    p50: float
    p99: float
    per: float
    """Wall time of all, divided by how many, in µs: what a rate is the inverse of."""
    cpu: float
    """CPU time of the process and those below it for each call, in µs."""
    rate: float
    count: int

    @classmethod
    def of(cls, report: dict[str, Any]) -> Round:
        """Reduce a report."""
        samples = sorted(report["samples"])
        count = report["count"]
        return cls(
            p50=percentile(samples, 50),
            p99=percentile(samples, 99),
            per=report["wall"] * MICRO / count,
            cpu=(report["cpu"] + report["children"]) * MICRO / count,
            rate=count / report["wall"],
            count=count,
        )


def percentile(ordered: list[float], which: float) -> float:
    """The nearest rank of what is in order already."""
    return ordered[min(len(ordered) - 1, round(which / 100 * (len(ordered) - 1)))]


def figure(rounds: list[Round], by: str) -> float:
    """The median over rounds."""
    return median(getattr(each, by) for each in rounds)


def spread(rounds: list[Round], by: str) -> float:
    """How far the rounds are apart: (most - least) / median."""
    values = [getattr(each, by) for each in rounds]
    return (max(values) - min(values)) / median(values) if median(values) else 0.0


def times_better(ours: dict[int, Round], other: dict[int, Round], by: str) -> float | None:
    """How many times better than the other: the median of the rounds that both have."""
    pairs = [(getattr(ours[each], by), getattr(other[each], by)) for each in ours.keys() & other.keys()]
    ratios = [(a / b if by == "rate" else b / a) for a, b in pairs if a and b]
    return median(ratios) if ratios else None


def difference(ours: dict[int, Round], other: dict[int, Round], by: str) -> float | None:
    """How much more than the other: the median of the rounds that both have."""
    pairs = [getattr(ours[each], by) - getattr(other[each], by) for each in ours.keys() & other.keys()]
    return median(pairs) if pairs else None


def compared_by(measure: Measure, by: str = "") -> str:
    """The figure by which variants are compared."""
    return by or measure.better
