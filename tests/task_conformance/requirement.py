"""
The numbered requirements of tasks in 2025-11-25, and the checks that stand for them.

Owns the register. A check is an async function of a `Case`; it returns, perhaps with a remark, or raises `Violation`
or `Inapplicable`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from task_conformance.case import Case

Level = Literal["MUST", "SHOULD"]


class Inapplicable(Exception):
    """The requirement says nothing of this server; the message says why."""


@attrs.frozen
class Check:
    """One thing that can be seen of one requirement."""

    number: int
    """Of the requirement."""
    level: Level
    says: str
    run: Callable[[Case], Awaitable[str | None]] = attrs.field(repr=False)
    roles: tuple[str, ...] = ()
    """That the server's tools must play."""
    transport: str | None = None
    """The only one it is about."""

    @property
    def name(self) -> str:
        """Its number and its function's name: "15-a-result-waits-for-the-end"."""
        return f"{self.number:02}-{self.run.__name__.replace('_', '-')}"  # type: ignore[attr-defined]


CHECKS: list[Check] = []
"""In the order of their numbers once `checks` was imported."""


def check(
    number: int, level: Level, says: str, *roles: str, transport: str | None = None
) -> Callable[[Callable[[Case], Awaitable[str | None]]], Callable[[Case], Awaitable[str | None]]]:
    """Register a check."""

    def register(run: Callable[[Case], Awaitable[str | None]]) -> Callable[[Case], Awaitable[str | None]]:
        CHECKS.append(Check(number, level, says, run, roles, transport))
        return run

    return register
