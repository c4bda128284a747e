"""
The rounds of a case: A B A B ..., each variant a fresh process, in an order that a seed turns.

Owns the order and what was reported. Refuses to judge.
"""

from __future__ import annotations

import random
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from benchmarks.case import Case, Measure, Variant
from benchmarks.environments import AbsentError, command
from benchmarks.figures import Round
from benchmarks.process import Worker, WorkerFailed

STATEFUL, STATELESS = "2025", "2026"
"""How the names of variants say their era."""
SEED = 20261121
"""Of the turning of the order: the same run twice has the same order twice."""
QUICK_SHARE = 0.3
"""Of a measure's time, in a quick run."""


@attrs.frozen
class Options:
    """How a run is made."""

    rounds: int = 5
    quick: bool = False
    peers: bool = True
    nice: int = 0


@attrs.define
class Outcome:
    """What became of one case."""

    case: Case
    rounds: dict[tuple[str, str], dict[int, Round]] = attrs.field(factory=lambda: defaultdict(dict))
    """(variant, measure) to the rounds that gave a figure, by number."""
    absent: dict[str, str] = attrs.field(factory=dict)
    """Variant to why it was not measured, or what went wrong."""
    facts: dict[str, dict[str, Any]] = attrs.field(factory=dict)

    @property
    def measured(self) -> list[Variant]:
        """The variants that gave a figure, as the case lists them."""
        return [each for each in self.case.variants if any(name == each.name for name, _ in self.rounds)]

    def compared(self) -> dict[str, list[Variant]]:
        """For each era, or "": the variants that stand for their packages, ours first. None where there is no peer."""
        wanted = self.case.compared
        measured = [each for each in self.measured if each.name in wanted or not wanted]
        newer = [each for each in measured if STATELESS in each.name.split() or each.kind == "floor"]
        older = [each for each in measured if STATELESS not in each.name.split()]
        label = "" if not any(each.kind == "ours" for each in newer) else STATEFUL
        groups = {label: firsts(older), STATELESS: firsts(newer)}
        return {era: found for era, found in groups.items() if {"ours", "peer"} <= {each.kind for each in found}}

    def titled(self, measure: Measure, era: str) -> str:
        """What a row that compares packages is called."""
        return ", ".join(filter(None, [f"{self.case.title}: {measure.says}", era]))

    def taken(self) -> list[Measure]:
        """The measures that somebody has a figure of."""
        return [each for each in self.case.measures if any(name == each.name for _, name in self.rounds)]


def firsts(variants: list[Variant]) -> list[Variant]:
    """The first of each package, ours first."""
    found = list({each.package: each for each in reversed(variants)}.values())[::-1]
    return sorted(found, key=lambda each: each.kind != "ours")


def chosen(case: Case, options: Options) -> list[Variant]:
    """The variants that this run measures."""
    return [
        each for each in case.variants if (options.peers or each.kind != "peer") and (each.quick or not options.quick)
    ]


def turned(variants: list[Variant], number: int) -> list[Variant]:
    """The order of one round: everybody is first as often as the others."""
    order = list(variants)
    random.Random(SEED).shuffle(order)
    shift = number % len(order) if order else 0
    return order[shift:] + order[:shift]


def run(case: Case, options: Options, step: Callable[[str], None]) -> Outcome:
    """Run all rounds of a case; `step` is called with the name of each variant before it runs."""
    outcome = Outcome(case)
    for number in range(options.rounds):
        for variant in turned(chosen(case, options), number):
            step(variant.name)
            if variant.name not in outcome.absent:
                _one_process(outcome, variant, number, options)
    return outcome


def _one_process(outcome: Outcome, variant: Variant, number: int, options: Options) -> None:
    try:
        argv = [*command(variant.env, variant.program), *map(word, variant.words)]
        with Worker(argv, nice=options.nice) as worker:
            outcome.facts[variant.name] = worker.facts
            for order, measure in orders(outcome.case, options):
                report = worker.measure(order)
                if "missing" not in report:
                    outcome.rounds[variant.name, measure.name][number] = Round.of(report)
    except (AbsentError, WorkerFailed, OSError) as error:
        outcome.absent[variant.name] = str(error)


def word(given: str) -> str:
    """A word of a program as it is meant: `@env/program words` is the command line of another. Raises `AbsentError`."""
    if not given.startswith("@"):
        return given
    env, _, rest = given[1:].partition("/")
    program, *further = rest.split()
    return shlex.join([*command(env, program), *further])


def orders(case: Case, options: Options) -> Iterator[tuple[dict[str, Any], Measure]]:
    """What a process is asked for."""
    share = QUICK_SHARE if options.quick else 1.0
    for measure in case.measures:
        yield {"measure": measure.name, "warm": measure.warm * share, "seconds": measure.seconds * share}, measure
