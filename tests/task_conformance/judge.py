"""
The verdicts: every check against one server, and the table that people read.

Owns the order, the time a check may take, and what an exception means. Refuses to know any requirement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs
import trio
from task_conformance import (  # noqa: F401 - they register
    checks_of_creation,
    checks_of_listing,
    checks_of_messages,
    checks_of_protection,
    checks_of_result,
    checks_of_status,
)
from task_conformance.case import Case
from task_conformance.requirement import CHECKS, Check, Inapplicable
from task_conformance.talk import Refused, Violation
from task_conformance.wires import Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from task_conformance.manifest import Manifest
    from task_conformance.target import Target

CHECK_SECONDS = 40.0
"""For one check. The longest waits for the end of two times to live, or of a tool that takes five seconds."""

IN_ORDER = sorted(CHECKS, key=lambda each: each.number)


@attrs.frozen
class Verdict:
    """What one check found."""

    check: Check
    outcome: Literal["passed", "failed", "not applicable"]
    remark: str = ""


async def judged(check: Check, target: Target) -> Verdict:
    """Run one check. What it spoilt is not left to the next one."""
    if why := _out_of_reach(check, target):
        return Verdict(check, "not applicable", why)
    verdict = await _run(check, target)
    if verdict.outcome == "failed" or (target.manifest.fragile and target.is_worn):
        await target.close()
    return verdict


async def all_judged(target: Target, lanes: int = 1, checks: Sequence[Check] = IN_ORDER) -> list[Verdict]:
    """Run these checks, so many side by side; their verdicts in the same order."""
    found: dict[Check, Verdict] = {}
    left = iter(checks)

    async def work(lane: Target) -> None:
        for check in left:
            found[check] = await judged(check, lane)
        await lane.close()

    async with trio.open_nursery() as nursery:
        for _ in range(lanes):
            nursery.start_soon(work, target.lane())
    return [found[check] for check in checks]


async def _run(check: Check, target: Target) -> Verdict:
    try:
        with trio.fail_after(CHECK_SECONDS):
            remark = await check.run(Case(target, await target.talk()))
    except Inapplicable as why_not:
        return Verdict(check, "not applicable", str(why_not))
    except (Violation, Refused, Unreachable) as violation:
        return Verdict(check, "failed", str(violation))
    except trio.TooSlowError:
        return Verdict(check, "failed", f"it took longer than {CHECK_SECONDS:g} s")
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        return Verdict(check, "failed", f"an answer has not the form that it must have: {error!r}")
    return Verdict(check, "passed", remark or "")


def _out_of_reach(check: Check, target: Target) -> str:
    if missing := missing_roles(check, target.manifest):
        return f"no tool plays {', '.join(missing)}"
    if check.transport not in (None, target.kind):
        return f"for {check.transport} only"
    return ""


def missing_roles(check: Check, manifest: Manifest) -> list[str]:
    """Roles that a check needs and no tool plays."""
    return [role for role in check.roles if role not in manifest.tools]
