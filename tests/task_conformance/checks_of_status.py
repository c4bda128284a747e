"""Requirements 10 to 13, 19 and 29: what a task says of itself over its life."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import trio
from task_conformance.case import POLL, TERMINAL, regular, related, whole
from task_conformance.requirement import Inapplicable, check
from task_conformance.talk import Refused, Violation, shown

if TYPE_CHECKING:
    from task_conformance.case import Case
    from task_conformance.wires import JSON

LEGAL = {
    "working": {"input_required", *TERMINAL},
    "input_required": {"working", *TERMINAL},
    "completed": set(),
    "failed": set(),
    "cancelled": set(),
}
INVALID_PARAMS = -32602
AFTERWARDS = 3
"""Polls after the end: it must stay what it is."""
SHORT_TTL = 300
"""Milliseconds; a server may give more."""
LONGEST_WAIT = 3.0
"""Seconds that a check waits for the end of a ttl; a server that gives a longer one is not judged by it."""


async def _life(case: Case, role: str) -> list[JSON]:
    """Every state of a task that polls show, from its creation to after its end; its questions are answered."""
    task = await case.create(role)
    states = [task]
    await case.asked_payload(task["taskId"])
    with trio.fail_after(20):
        while states[-1]["status"] not in TERMINAL:
            states.append(regular(await case.get(task["taskId"]), "tasks/get"))
            await trio.sleep(POLL / 4)
    return [*states, *[await case.get(task["taskId"]) for _ in range(AFTERWARDS)]]


@check(10, "MUST", "the status moves only along the allowed transitions")
async def only_allowed_transitions_are_seen(case: Case) -> str | None:
    """In polls and in notifications; a poll may miss a status, so what is two steps away counts as allowed."""
    since = len(case.talk.heard)
    for role in ("quick", "asks", "samples", "fails"):
        if role not in case.manifest.tools:
            continue
        states = await _life(case, role)
        told = case.talk.notified("notifications/tasks/status", since)
        told = [each for each in told if each.get("taskId") == states[0]["taskId"]]
        for seen in (states, told):
            for before, after in pairwise(each["status"] for each in seen):
                if before != after and after not in LEGAL[before]:
                    raise Violation(f"the task of {role} went from {before} to {after}")
    return None


@check(10, "MUST", "a terminal status does not change")
async def a_terminal_status_is_final(case: Case) -> str | None:
    """Not by fetching the result, not by trying to cancel."""
    id = await case.completed()
    before = await case.get(id)
    await case.payload(id)
    await case.tidy(id)
    await case.payload(id)
    after = await case.get(id)
    if after["status"] != before["status"] or after["lastUpdatedAt"] != before["lastUpdatedAt"]:
        raise Violation(f"the task was {shown(before)}, then {shown(after)}")
    return None


@check(11, "MUST", "createdAt and lastUpdatedAt are ISO 8601 in every answer about a task")
async def times_are_told_everywhere(case: Case) -> str | None:
    """In the create result, tasks/get, tasks/cancel and tasks/list; and the time of creation stays."""
    role = case.some("slow", "brief", "quick", "required")
    task = await case.create(role)
    got = regular(await case.get(task["taskId"]), "tasks/get")
    try:
        cancelled = regular(await case.cancel(task["taskId"]), "tasks/cancel")
    except Refused:
        cancelled = got
    if not task["createdAt"] == got["createdAt"] == cancelled["createdAt"]:
        raise Violation(f"createdAt was {task['createdAt']}, {got['createdAt']}, {cancelled['createdAt']}")
    if "list" in case.talk.capabilities.get("tasks", {}):
        for each in await case.all_listed():
            regular(each, "tasks/list")
    return None


@check(12, "MUST", "tasks/get tells the actual ttl, or null")
async def the_actual_ttl_is_told(case: Case) -> str | None:
    """The same as at creation; with a wish and without."""
    role = case.some("quick", "required", "brief")
    for wish in (None, 60_000):
        task = whole(await case.create(role, ttl=wish), "CreateTaskResult")
        got = whole(await case.get(task["taskId"]), "tasks/get")
        if got["ttl"] != task["ttl"]:
            raise Violation(f"the task was made with ttl {task['ttl']}, and tasks/get says {got['ttl']}")
    return None


@check(13, "MUST", "a task and its result are there until its ttl is over")
async def a_task_is_kept_for_its_ttl(case: Case) -> str | None:
    """Also after its result was fetched once."""
    id = await case.completed()
    await case.payload(id)
    regular(await case.get(id), "tasks/get")
    await case.payload(id)
    return None


@check(13, "MUST", "after its ttl a task is whole or unknown, and the same to every method")
async def after_its_ttl_a_task_may_be_forgotten(case: Case) -> str | None:
    """Whatever its status: one has ended, one is working."""
    remarks = []
    for role in [case.some("quick", "required", "brief")] + ["slow"] * ("slow" in case.manifest.tools):
        task = await case.create(role, ttl=SHORT_TTL)
        ttl = task.get("ttl")
        if ttl is None or ttl / 1000 > LONGEST_WAIT:
            await case.tidy(task["taskId"])
            raise Inapplicable(f"a wish of {SHORT_TTL} ms became a ttl of {ttl}")
        await trio.sleep(ttl / 1000 + 0.2)
        try:
            regular(await case.get(task["taskId"]), "tasks/get")
            remarks.append(f"{role} is kept")
        except Refused as refused:
            if refused.code != INVALID_PARAMS:
                raise Violation(f"tasks/get of an expired task was answered with {refused}") from None
            again = await case.talk.refusal("tasks/result", {"taskId": task["taskId"]})
            if again.code != INVALID_PARAMS:
                raise Violation(f"tasks/result of an expired task was answered with {again}") from None
            remarks.append(f"{role} is forgotten")
    return ", ".join(remarks)


@check(19, "SHOULD", "a task that needs input is `input_required` until it has it", "asks")
async def a_task_that_asks_is_input_required(case: Case) -> str | None:
    """And then goes on. Polls are answered while tasks/result is open."""
    with case.talk.holding("elicitation/create") as questions:
        task = await case.create("asks")
        id = task["taskId"]
        payload = await case.asked_payload(id)
        await case.talk.until(lambda: questions, "no elicitation/create came")
        await case.status(id, "input_required")
        if payload.answered:
            raise Violation(f"tasks/result was answered while input was required: {shown(payload.reply)}")
        await case.talk.answer(questions[0])
        await case.talk.reply(payload)
    await case.status(id, "completed")
    return None


@check(19, "MUST", "the question names its task", "asks")
async def a_question_names_its_task(case: Case) -> str | None:
    """By related-task in `_meta`."""
    with case.talk.holding("elicitation/create") as questions:
        task = await case.create("asks")
        payload = await case.asked_payload(task["taskId"])
        await case.talk.until(lambda: questions, "no elicitation/create came")
        await case.talk.answer(questions[0])
        await case.talk.reply(payload)
    if related(questions[0]["params"]) != task["taskId"]:
        raise Violation(f"the elicitation of task {task['taskId']} is {shown(questions[0])}")
    return None


@check(29, "MUST", "a tool result with isError makes the task `failed`", "fails")
async def a_tools_failure_fails_the_task(case: Case) -> str | None:
    """The result itself is there all the same: see 14."""
    task = await case.create("fails")
    ended = await case.ended(task["taskId"])
    if ended["status"] != "failed":
        raise Violation(f"the task of a tool that failed is {ended['status']}")
    return None


@check(29, "SHOULD", "tasks/get says why it failed", "fails")
async def a_failed_task_says_why(case: Case) -> str | None:
    """In statusMessage."""
    task = await case.create("fails")
    ended = await case.ended(task["taskId"])
    if not isinstance(ended.get("statusMessage"), str) or not ended["statusMessage"]:
        raise Violation(f"tasks/get says {shown(ended)}")
    return None
