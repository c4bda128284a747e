"""
The report of a performance: a headline for each step, and the table at its end.

Owns steps, their limits, results and times. Refuses to know what a step shows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
import trio
from rich.table import Table
from rich.text import Text

from zcp_actors.cli.failure import lone_of, printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rich.console import Console

    from zcp_actors.demo.stage import Stage

STEP_SECONDS = 30.0
"""What one step may take on a slow machine. The longest takes three seconds; one that hangs must end the demo."""

SHOWN = 100
"""Characters of a failure in the table; the whole of it stands at its step."""


@attrs.frozen
class Step:
    """Something to be shown. `show` returns the words for the table; it raises when it is not as it should be."""

    name: str
    title: str
    show: Callable[[Stage], Awaitable[str]]


@attrs.frozen
class Row:
    """What came of one step."""

    shown: str
    """What was shown, or why not."""
    seconds: float
    good: bool


@attrs.define
class Report:
    """What came of the steps so far."""

    console: Console
    steps: Sequence[Step]
    rows: dict[str, Row] = attrs.field(factory=dict)
    """What came of a step, by its name."""
    failed: Step | None = None

    async def perform(self, stage: Stage, steps: Sequence[Step]) -> None:
        """Perform steps in their order, up to the first of them that fails."""
        for step in steps:
            if not await self._one(stage, step):
                self.failed = self.failed or step
                return

    async def _one(self, stage: Stage, step: Step) -> bool:
        self.console.print(Text(f"\n{self.steps.index(step) + 1}. {step.title}", style="bold"))
        limit = math.inf if stage.person.terminal is not None else STEP_SECONDS
        began, good = trio.current_time(), True
        try:
            with trio.fail_after(limit):
                shown = await step.show(stage)
        except Exception as error:  # noqa: BLE001 - whatever a step raises is its result
            good, shown = False, _why(error, limit)
            self.console.print(Text("  ✗ ", style="red"), Text(printable(shown)), sep="")
        self.rows[step.name] = Row(shown, trio.current_time() - began, good)
        return good

    def print_table(self) -> None:
        """Print every step with its result."""
        table = Table("step", "what was shown", "result", title="What this demo has shown", title_justify="left")
        table.add_column("seconds", justify="right")
        for step in self.steps:
            table.add_row(step.name, *_cells(self.rows.get(step.name)))
        table.add_section()
        table.add_row("all", "", "", f"{sum(row.seconds for row in self.rows.values()):.2f}")
        self.console.print()
        self.console.print(table)
        if self.failed is not None:
            self.console.print(Text(f"The step {self.failed.name!r} is not as it should be.", style="red"))


def _cells(row: Row | None) -> tuple[Text, Text, str]:
    if row is None:
        return Text(""), Text("not reached", style="dim"), ""
    result = Text("as it should be", style="green") if row.good else Text("failed", style="red")
    shown = printable(row.shown)
    return Text(shown if len(shown) <= SHOWN else f"{shown[:SHOWN]} …"), result, f"{row.seconds:.2f}"


def _why(error: Exception, limit: float) -> str:
    lone = lone_of(error)
    while isinstance(lone, ExceptionGroup):
        lone = lone_of(lone.exceptions[0])
    if isinstance(lone, trio.TooSlowError):
        return f"not done within {limit:g} s"
    return str(lone) if isinstance(lone, AssertionError) else f"{type(lone).__name__}: {lone}"
