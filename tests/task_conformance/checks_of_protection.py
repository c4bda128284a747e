"""Requirements 30 to 32: whose tasks they are, and how many there may be."""

from __future__ import annotations

import math
import string
from typing import TYPE_CHECKING

from task_conformance.case import TTL, created
from task_conformance.requirement import Inapplicable, check
from task_conformance.talk import Refused, Violation, shown

if TYPE_CHECKING:
    from task_conformance.case import Case

INVALID_PARAMS = -32602
SAMPLE = 64
"""Ids that are compared: enough for a random character to differ in nearly every place."""
BITS = 120
"""What must look random in an id: a random UUID has 122 bits."""
YEARS = 315_360_000_000
"""A ttl of ten years, in milliseconds."""


@check(30, "MUST", "a task is unknown to another requestor, and not in its list", transport="http")
async def another_requestors_task_is_unknown(case: Case) -> str | None:
    """Exactly as one that never was. For servers that know who asks."""
    if len(case.manifest.identities) < 2:
        raise Inapplicable("the server does not ask who the requestor is")
    id = await case.completed()
    async with case.target.another(identity=case.manifest.identities[1]) as talk:
        other = case.within(talk)
        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            refused = await talk.refusal(method, {"taskId": id})
            if refused.code != INVALID_PARAMS:
                raise Violation(f"{method} of another one's task was refused with {refused}")
        try:
            if id in {each["taskId"] for each in await other.all_listed()}:
                raise Violation("tasks/list shows another one's task")
        except Inapplicable:
            return "no tasks.list"
    return None


@check(30, "MUST", "a requestor finds its tasks again in another session", transport="http")
async def a_requestor_finds_its_tasks_again(case: Case) -> str | None:
    """They are bound to who asked, not to the session. For servers that know who asks."""
    if not case.manifest.identities:
        raise Inapplicable("the server does not ask who the requestor is")
    id = await case.completed()
    async with case.target.another(identity=case.manifest.identities[0]) as talk:
        await case.within(talk).get(id)
    return None


@check(31, "MUST", "ids cannot be guessed")
async def ids_cannot_be_guessed(case: Case) -> str | None:
    """Over many ids, the places that differ carry 120 bits."""
    role = case.some("quick", "required", "brief")
    calls = [await case.talk.start("tools/call", case.call_params(role, task={"ttl": TTL})) for _ in range(SAMPLE)]
    ids = [created(await case.talk.reply(call))["taskId"] for call in calls]
    bits = random_bits(ids)
    if bits < BITS:
        raise Violation(f"about {bits:.0f} bits of the ids differ: {shown(ids[:3])}")
    return f"about {bits:.0f} bits differ"


def random_bits(ids: list[str]) -> float:
    """How much of these ids may be random at most, judged by the characters in each place."""
    bits = 0.0
    for place in range(min(map(len, ids))):
        found = {id[place] for id in ids}
        # A counter or a clock has places with one or two characters; a random place shows about as many as it can.
        if len(found) > len(ids) ** 0.5 / 4:
            bits += math.log2(_alphabet(ids, len(found)))
    return bits


def _alphabet(ids: list[str], found: int) -> int:
    characters = set().union(*ids) - set("-_:")
    if characters <= set(string.hexdigits):
        return min(16, 2 ** math.ceil(math.log2(found)))
    return min(64, 2 ** math.ceil(math.log2(found)))


@check(31, "SHOULD", "where nobody is asked who they are, nobody sees another's tasks in a list", transport="http")
async def strangers_do_not_see_each_others_tasks(case: Case) -> str | None:
    """By not declaring tasks.list, or by showing each session its own."""
    if case.manifest.identities:
        raise Inapplicable("the server asks who the requestor is")
    if "list" not in case.talk.capabilities.get("tasks", {}):
        return "the server does not declare tasks.list"
    id = await case.completed()
    async with case.target.another() as talk:
        if id in {each["taskId"] for each in await case.within(talk).all_listed()}:
            raise Violation("another session's tasks/list shows the task")
    return "each session has a list of its own"


@check(32, "SHOULD", "a ttl has a limit")
async def a_ttl_has_a_limit(case: Case) -> str | None:
    """A wish of ten years is not granted."""
    task = await case.create(case.some("quick", "required", "brief"), ttl=YEARS)
    if task["ttl"] is None or task["ttl"] >= YEARS:
        raise Violation(f"a wish of ten years became {shown(task['ttl'])}")
    return f"at most {task['ttl'] / 1000:g} s"


@check(32, "SHOULD", "a requestor may have so many tasks at work, and no more", "slow")
async def tasks_at_work_have_a_limit(case: Case) -> str | None:
    """The number is in the manifest. What is refused leaves the rest as it was."""
    if case.manifest.most is None:
        raise Inapplicable("the manifest does not say how many")
    ids: list[str] = []
    refused = None
    calls = [
        await case.talk.start("tools/call", case.call_params("slow", task={"ttl": TTL}))
        for _ in range(case.manifest.most + 1)
    ]
    for call in calls:
        try:
            ids.append(created(await case.talk.reply(call))["taskId"])
        except Refused as error:
            refused = error
    for id in ids:
        await case.tidy(id)
    if refused is None:
        raise Violation(f"{len(ids)} tasks are at work")
    return f"{len(ids)} were taken, then {refused}"
