"""
The strict reading of what the conformance suite wrote.

Owns the verdict on one scenario. Refuses to run anything. The rule: the suite passes a scenario that has no FAILURE;
here it passes when every check that it is known for succeeded, nothing was warned of, and nobody had to be stopped.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conformance.scenarios import Scenario

REASONS_SHOWN = 3
"""Failed checks whose text is shown: the first ones explain the others."""


@attrs.frozen
class Run:
    """One scenario as it was run."""

    checks: tuple[Mapping[str, Any], ...]
    """What `checks.json` holds; empty when the suite wrote none."""
    trouble: tuple[str, ...] = ()
    """What went wrong beside the checks: a time-out, an exit code, a client that did not end in order."""


@attrs.frozen
class Verdict:
    """What became of one scenario."""

    scenario: Scenario
    counts: Counter[str]
    """Checks by status: SUCCESS, FAILURE, WARNING, SKIPPED, INFO."""
    reasons: tuple[str, ...]
    """Why it did not pass; empty when it did."""

    @property
    def passed(self) -> bool:
        """By the strict rule; also for one that the suite skips, see `skipped`."""
        return not self.reasons

    @property
    def skipped(self) -> bool:
        """The suite measures nothing here, and did nothing else than say so."""
        return self.passed and not self.scenario.checks


def judged(scenario: Scenario, run: Run) -> Verdict:
    """Return the verdict on one run."""
    counts = Counter(str(check.get("status")) for check in run.checks)
    return Verdict(scenario, counts, tuple(_reasons(scenario, run, counts)))


def _reasons(scenario: Scenario, run: Run, counts: Counter[str]) -> Iterator[str]:
    """Say everything that is against it, what explains most first."""
    spoilt = [check for check in run.checks if check.get("status") in ("FAILURE", "WARNING")]
    for check in spoilt[:REASONS_SHOWN]:
        yield f"{check['status']} {check.get('id')}: {check.get('errorMessage') or check.get('description') or ''}"
    if len(spoilt) > REASONS_SHOWN:
        yield f"and {len(spoilt) - REASONS_SHOWN} checks more"
    if not scenario.checks:
        yield from _skipped(counts)
    elif not counts["SUCCESS"]:
        yield "vacuous: no check succeeded"
    elif counts["SUCCESS"] < scenario.checks:
        yield f"{counts['SUCCESS']} of {scenario.checks} checks succeeded, {counts['SKIPPED']} were skipped"
    yield from run.trouble


def _skipped(counts: Counter[str]) -> Iterator[str]:
    """A scenario that the suite skips is to be seen skipped, and nothing else."""
    if counts["SUCCESS"]:
        yield f"{counts['SUCCESS']} checks succeeded of a scenario that the suite used to skip: say so in scenarios.py"
    elif not counts["SKIPPED"]:
        yield "the suite did not even say that it skips this"
