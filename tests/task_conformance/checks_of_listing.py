"""Requirements 22 to 26: listing and cancelling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio
from task_conformance.case import POLL, UNKNOWN, created, regular
from task_conformance.requirement import Inapplicable, check
from task_conformance.talk import Violation, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from task_conformance.case import Case

INVALID_PARAMS = -32602
SECONDS_TO_STOP = 3.0
"""For the work of a cancelled task to end; a handler that is told ends at once."""


@check(22, "MUST", "tasks/list gives every task, page by page, each once")
async def every_page_is_reached_by_its_cursor(case: Case) -> str | None:
    """So many tasks that there is more than one page, if the server has pages."""
    await case.all_listed()  # says whether it is offered at all
    role = case.some("quick", "required", "brief")
    calls = [
        await case.talk.start("tools/call", case.call_params(role, task={"ttl": 60_000}))
        for _ in range(case.manifest.page)
    ]
    made = {created(await case.talk.reply(call))["taskId"] for call in calls}
    listed = [each["taskId"] for each in await case.all_listed()]
    if missing := made - set(listed):
        raise Violation(f"{len(missing)} of {len(made)} tasks are on no page")
    if len(set(listed)) != len(listed):
        raise Violation(f"{len(listed)} entries, {len(set(listed))} tasks")
    return None


@check(22, "SHOULD", "tasks/list has pages")
async def a_long_list_has_pages(case: Case) -> str | None:
    """With the tasks of the check before, or as many again."""
    await case.all_listed()
    role = case.some("quick", "required", "brief")
    calls = [
        await case.talk.start("tools/call", case.call_params(role, task={"ttl": 60_000}))
        for _ in range(case.manifest.page)
    ]
    for call in calls:
        await case.talk.reply(call)
    page = await case.talk.result("tasks/list", {})
    if "nextCursor" not in page:
        raise Violation(f"{len(page['tasks'])} tasks came on one page")
    return f"{len(page['tasks'])} on a page"


@check(22, "MUST", "a cursor that is none is refused with -32602")
async def a_bad_cursor_is_refused(case: Case) -> str | None:
    """Neither ignored nor an error of another kind."""
    await case.all_listed()
    refused = await case.talk.refusal("tasks/list", {"cursor": "no such place"})
    if refused.code != INVALID_PARAMS:
        raise Violation(f"refused with {refused}")
    return None


@check(23, "MUST", "what tasks/get finds tasks/list shows")
async def what_get_finds_list_shows(case: Case) -> str | None:
    """A task that works, and one that has ended."""
    await case.all_listed()
    ended = await case.completed()
    working = (await case.create(case.some("slow", "brief")))["taskId"]
    listed = {each["taskId"]: each for each in await case.all_listed()}
    for id in (ended, working):
        got = await case.get(id)
        if id not in listed:
            raise Violation(f"tasks/get finds {shown(got)}, tasks/list does not")
        if listed[id]["status"] != got["status"]:
            raise Violation(f"tasks/get says {got['status']}, tasks/list {listed[id]['status']}")
    await case.tidy(working)
    return None


@check(24, "MUST", "tasks/cancel of a task that has ended is refused with -32602")
async def what_has_ended_cannot_be_cancelled(case: Case) -> str | None:
    """Completed, failed, and cancelled."""
    ended = {"completed": await case.completed()}
    if "fails" in case.manifest.tools:
        ended["failed"] = (await case.create("fails"))["taskId"]
        await case.ended(ended["failed"])
    ended["cancelled"] = (await case.create(case.some("slow", "brief")))["taskId"]
    await case.cancel(ended["cancelled"])
    for how, id in ended.items():
        refused = await case.talk.refusal("tasks/cancel", {"taskId": id})
        if refused.code != INVALID_PARAMS:
            raise Violation(f"a task that was {how} was refused with {refused}")
    return None


@check(25, "MUST", "a task is `cancelled` before tasks/cancel is answered")
async def a_cancelled_task_is_cancelled_at_once(case: Case) -> str | None:
    """The answer is the whole task."""
    task = await case.create(case.some("slow", "brief"))
    answer = regular(await case.cancel(task["taskId"]), "tasks/cancel")
    if answer["status"] != "cancelled" or answer["taskId"] != task["taskId"]:
        raise Violation(f"tasks/cancel was answered with {shown(answer)}")
    if (got := await case.get(task["taskId"]))["status"] != "cancelled":
        raise Violation(f"tasks/get says {shown(got)}")
    return None


@check(25, "MUST", "a cancelled task stays cancelled when its work ends", "brief")
async def a_cancelled_task_stays_cancelled(case: Case) -> str | None:
    """As long after as an equal task needs to complete; and the server goes on."""
    other = await case.create("brief")
    task = await case.create("brief")
    await case.cancel(task["taskId"])
    await case.ended(other["taskId"])
    await trio.sleep(0.2)
    if (got := await case.get(task["taskId"]))["status"] != "cancelled":
        raise Violation(f"tasks/get says {shown(got)}")
    return None


@check(25, "MUST", "a task that waits for input can be cancelled, and stays so", "asks")
async def a_task_that_asks_can_be_cancelled(case: Case) -> str | None:
    """And a late answer changes nothing."""
    with case.talk.holding("elicitation/create") as questions:
        task = await case.create("asks")
        await case.asked_payload(task["taskId"])
        await case.talk.until(lambda: questions, "no elicitation/create came")
        answer = await case.cancel(task["taskId"])
        await case.talk.answer(questions[0])
    await case.talk.result("ping")
    await trio.sleep(0.1)
    got = await case.get(task["taskId"])
    if not answer["status"] == got["status"] == "cancelled":
        raise Violation(f"tasks/cancel said {answer['status']}, tasks/get {got['status']}")
    return None


@check(25, "SHOULD", "the work of a cancelled task stops", "slow", "running")
async def the_work_of_a_cancelled_task_stops(case: Case) -> str | None:
    """The tool that says how many run says none."""

    before = await _running(case)
    task = await case.create("slow")
    if not await _becomes(case, lambda now: now != before):
        raise Inapplicable("the tool that says how many run says the same while one does")
    await case.cancel(task["taskId"])
    if not await _becomes(case, lambda now: now == before):
        raise Violation(f"{before} ran before, {await _running(case)} run {SECONDS_TO_STOP:g} s after the cancel")
    return None


async def _running(case: Case) -> Any:
    return (await case.plain("running"))["content"][0]["text"]


async def _becomes(case: Case, wanted: Callable[[Any], bool]) -> bool:
    """Whether what runs becomes so, in time."""
    end = trio.current_time() + SECONDS_TO_STOP
    while not (done := wanted(await _running(case))) and trio.current_time() < end:  # noqa: ASYNC110 - one can only ask
        await trio.sleep(POLL)
    return done


@check(26, "MUST", "an unknown taskId is refused with -32602 by tasks/get, tasks/result and tasks/cancel")
async def an_unknown_id_is_refused(case: Case) -> str | None:
    """One that looks like an id."""
    for method in ("tasks/get", "tasks/result", "tasks/cancel"):
        refused = await case.talk.refusal(method, {"taskId": UNKNOWN})
        if refused.code != INVALID_PARAMS:
            raise Violation(f"{method} was refused with {refused}")
    return None


@check(26, "MUST", "what is no taskId is refused with -32602")
async def what_is_no_id_is_refused(case: Case) -> str | None:
    """None at all, an empty one, a number."""
    for method in ("tasks/get", "tasks/result", "tasks/cancel"):
        for params in ({}, {"taskId": ""}, {"taskId": 7}):
            refused = await case.talk.refusal(method, params)
            if refused.code != INVALID_PARAMS:
                raise Violation(f"{method} with {params} was refused with {refused}")
    return None


@check(26, "MUST", "the server goes on after refusals")
async def refusals_harm_nobody(case: Case) -> str | None:
    """A task that was there is there."""
    id = await case.completed()
    await case.talk.refusal("tasks/cancel", {"taskId": UNKNOWN})
    if (got := await case.get(id))["taskId"] != id:
        raise Violation(f"tasks/get of {id} gave {shown(got)}")
    return None
