"""
What a case is: one file under `cases/` that says so.

A case names what it measures in a sentence, the measures it takes, and the variants that are measured, each a program
run as a process of its own. Adding a case is adding a file there that has a `CASE`.
"""

from __future__ import annotations

import importlib
import pkgutil

import attrs

from benchmarks import cases as folder
from benchmarks.targets import Target


@attrs.frozen
class Measure:
    """One thing that is measured, of every variant."""

    name: str
    says: str
    unit: str = "µs"
    better: str = "p50"
    """By what variants are compared: "p50" of the samples, less is better; "rate", more is better."""
    seconds: float = 0.5
    """How long to measure; 0 for what is done once."""
    warm: float = 0.25


@attrs.frozen
class Variant:
    """One program that is measured."""

    name: str
    program: str
    """A file under `programs/`."""
    words: tuple[str, ...] = ()
    env: str = "ours"
    """Which environment it runs in: see `environments`. A word `@env/program …` is the command line of another."""
    quick: bool = True
    """Whether `--quick` runs it."""
    note: str = ""
    """What a reader must know to judge its figures."""

    @property
    def package(self) -> str:
        """Whose it is: the first word of its name."""
        return self.name.split(" ", 1)[0].strip(",")

    @property
    def kind(self) -> str:
        """Ours, a peer, or a floor."""
        return self.package if self.package in {"ours", "floor"} else "peer"


@attrs.frozen
class Case:
    """What is measured, how and of whom."""

    name: str
    title: str
    says: str
    measures: tuple[Measure, ...]
    variants: tuple[Variant, ...]
    peer: str = ""
    """The variant that ratios are to."""
    floor: str = ""
    """The variant that is the least there can be."""
    quick: bool = False
    """Whether `--quick` runs it."""
    compared: tuple[str, ...] = ()
    """The variants that the overview compares, ours first; empty: the first of each package."""
    targets: tuple[Target, ...] = ()
    """Further ones than those in `targets.py`."""


def all_cases() -> dict[str, Case]:
    """Every case there is, by name, in the order of the files' numbers."""
    found = {}
    for each in sorted(pkgutil.iter_modules(folder.__path__), key=lambda module: module.name):
        case: Case = importlib.import_module(f"benchmarks.cases.{each.name}").CASE
        found[case.name] = case
    return found


ONE = Measure("one", "one after another")
HUNDRED = Measure("hundred", "100 at once", better="rate")
