"""Requirements 14 to 18: what tasks/result gives, when, and which messages name the task."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from task_conformance.case import TERMINAL, related
from task_conformance.requirement import Inapplicable, check
from task_conformance.talk import RELATED, Refused, Violation, shown

if TYPE_CHECKING:
    from task_conformance.case import Case
    from task_conformance.wires import JSON

ROUNDS = 5
"""Polls that are answered while tasks/result is not: order on one connection, not time."""


def _without_meta(result: JSON) -> JSON:
    return {name: value for name, value in result.items() if name != "_meta"}


@check(14, "MUST", "tasks/result gives exactly what the call would have given", "quick")
async def the_result_is_that_of_a_plain_call(case: Case) -> str | None:
    """But for `_meta`."""
    plain = await case.plain("quick")
    task = await case.create("quick")
    payload = await case.payload(task["taskId"])
    if _without_meta(payload) != _without_meta(plain):
        raise Violation(f"a plain call gives {shown(plain)}, tasks/result {shown(payload)}")
    return None


@check(14, "MUST", "tasks/result gives the same each time it is asked")
async def the_result_can_be_fetched_again(case: Case) -> str | None:
    """While the task is kept."""
    id = await case.completed()
    first, second = await case.payload(id), await case.payload(id)
    if first != second:
        raise Violation(f"first {shown(first)}, then {shown(second)}")
    return None


@check(14, "MUST", "tasks/result of a tool that failed is its result with isError", "fails")
async def the_result_of_a_failure_is_the_tools(case: Case) -> str | None:
    """And no JSON-RPC error."""
    task = await case.create("fails")
    payload = await case.payload(task["taskId"])
    if payload.get("isError") is not True or not payload.get("content"):
        raise Violation(f"tasks/result is {shown(payload)}")
    return None


@check(14, "MUST", "tasks/result gives the same JSON-RPC error that the call would have given", "raises")
async def the_error_is_that_of_a_plain_call(case: Case) -> str | None:
    """Code, message and data; and the task has failed."""
    try:
        plain = await case.plain("raises")
    except Refused as error:
        refused = error
    else:
        raise Inapplicable(f"a plain call of `raises` is no error but {shown(plain)}")
    task = await case.create("raises")
    payload = await case.talk.refusal("tasks/result", {"taskId": task["taskId"]})
    if payload.error != refused.error:
        raise Violation(f"a plain call is refused with {refused.error}, tasks/result with {payload.error}")
    if (status := (await case.get(task["taskId"]))["status"]) != "failed":
        raise Violation(f"the task is {status}")
    return None


@check(15, "MUST", "tasks/result waits for the end of the task")
async def a_result_waits_for_the_end(case: Case) -> str | None:
    """Polls that were sent later are answered first; when it is answered, the task has ended."""
    task = await case.create(case.some("brief", "slow", "required"))
    payload = await case.asked_payload(task["taskId"])
    for _ in range(ROUNDS):
        if (await case.get(task["taskId"]))["status"] in TERMINAL:
            raise Inapplicable("the task ended too soon to see anything")
        if payload.answered:
            raise Violation(f"the task is working, and tasks/result was answered with {shown(payload.reply)}")
    await case.talk.reply(payload)
    if (status := (await case.get(task["taskId"]))["status"]) not in TERMINAL:
        raise Violation(f"tasks/result was answered, and the task is {status}")
    return None


@check(15, "MUST", "tasks/result of a task that is cancelled meanwhile is answered", "slow")
async def a_waiting_result_ends_with_a_cancel(case: Case) -> str | None:
    """With whatever: there is no result."""
    task = await case.create("slow")
    payload = await case.asked_payload(task["taskId"])
    await case.get(task["taskId"])
    if payload.answered:
        raise Violation(f"the task is working, and tasks/result was answered with {shown(payload.reply)}")
    await case.cancel(task["taskId"])
    await case.talk.until(lambda: payload.answered, "no reply to tasks/result after tasks/cancel")
    return f"answered with {_kind(payload.reply)}"


@check(15, "MUST", "everybody who waits for the result gets it")
async def all_who_wait_get_the_result(case: Case) -> str | None:
    """Two requests for the same task."""
    task = await case.create(case.some("brief", "required"))
    both = [await case.asked_payload(task["taskId"]) for _ in range(2)]
    first, second = [await case.talk.reply(each) for each in both]
    if first != second:
        raise Violation(f"one gets {shown(first)}, the other {shown(second)}")
    return None


def _kind(reply: JSON | None) -> str:
    assert reply is not None
    return f"error {reply['error']['code']}" if "error" in reply else f"the result {shown(reply['result'])}"


@check(16, "MUST", "the response to tasks/result names the task in related-task")
async def the_result_names_its_task(case: Case) -> str | None:
    """In `_meta`; of one that completed, and of one that failed."""
    ids = [await case.completed()]
    if "fails" in case.manifest.tools:
        ids.append((await case.create("fails"))["taskId"])
    for id in ids:
        payload = await case.payload(id)
        if related(payload) != id:
            raise Violation(f"the result of {id} is {shown(payload)}")
    return None


@check(17, "MUST", "a sampling request of a task names it", "samples")
async def sampling_names_its_task(case: Case) -> str | None:
    """By related-task in `_meta`."""
    with case.talk.holding("sampling/createMessage") as questions:
        task = await case.create("samples")
        payload = await case.asked_payload(task["taskId"])
        await case.talk.until(lambda: questions, "no sampling/createMessage came")
        await case.talk.answer(questions[0])
        await case.talk.reply(payload)
    if related(questions[0]["params"]) != task["taskId"]:
        raise Violation(f"the sampling of task {task['taskId']} is {shown(questions[0])}")
    return None


@check(17, "MUST", "progress of a task names it", "reports")
async def progress_names_its_task(case: Case) -> str | None:
    """By related-task in `_meta`."""
    token = f"names-{len(case.talk.heard)}"
    task = await case.create("reports", _meta={"progressToken": token})
    await case.ended(task["taskId"])
    reports = [each for each in case.talk.notified("notifications/progress") if each.get("progressToken") == token]
    if not reports:
        raise Inapplicable("no progress was reported")
    for each in reports:
        if related(each) != task["taskId"]:
            raise Violation(f"progress of task {task['taskId']} is {shown(each)}")
    return None


@check(18, "SHOULD", "answers to tasks/get, tasks/list and tasks/cancel carry no related-task")
async def answers_about_tasks_carry_none(case: Case) -> str | None:
    """They say which task they are about."""
    task = await case.create(case.some("slow", "brief", "quick", "required"))
    answers: dict[str, Any] = {"tasks/get": await case.get(task["taskId"])}
    with suppress(Refused):
        answers["tasks/cancel"] = await case.cancel(task["taskId"])
    if "list" in case.talk.capabilities.get("tasks", {}):
        answers["tasks/list"] = await case.talk.result("tasks/list", {})
    for method, result in answers.items():
        if RELATED in (result.get("_meta") or {}):
            raise Violation(f"the answer to {method} carries related-task: {shown(result)}")
    return None


@check(18, "MUST", "related-task in a tasks/get, tasks/result or tasks/cancel is ignored in favour of taskId")
async def the_id_in_params_counts(case: Case) -> str | None:
    """Another task's id in `_meta`, and one that is nobody's."""
    one = await case.completed()
    other = (await case.create(case.some("slow", "brief", "quick", "required")))["taskId"]
    for stray in (other, "nobody"):
        params = {"taskId": one, "_meta": {RELATED: {"taskId": stray}}}
        if (got := await case.talk.result("tasks/get", params)).get("taskId") != one:
            raise Violation(f"tasks/get of {one} with {stray} in related-task gave {shown(got)}")
        if related(payload := await case.talk.result("tasks/result", params)) == stray:
            raise Violation(f"tasks/result of {one} with {stray} in related-task gave {shown(payload)}")
    await case.talk.refusal("tasks/cancel", {"taskId": one, "_meta": {RELATED: {"taskId": other}}})
    if (status := (await case.get(other))["status"]) == "cancelled":
        raise Violation("tasks/cancel cancelled the task in related-task")
    await case.tidy(other)
    return f"the other task is {status}"
