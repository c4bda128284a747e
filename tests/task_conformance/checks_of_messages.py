"""Requirements 21, 27, 28 and 33: what else is sent, and on which streams."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import trio
from task_conformance.case import TERMINAL, whole
from task_conformance.requirement import Inapplicable, check
from task_conformance.talk import RELATED, Violation, shown

if TYPE_CHECKING:
    from task_conformance.case import Case
    from task_conformance.wires import JSON

QUIET = 0.3
"""Seconds in which nothing more may come. A pause, because there is nothing to wait for."""


@check(21, "MUST", "a status notification carries a whole task")
async def a_status_notification_is_a_whole_task(case: Case) -> str | None:
    """They are optional: a server without any passes."""
    since = len(case.talk.heard)
    for role in ("quick", "required", "asks", "fails"):
        if role in case.manifest.tools:
            await case.ended((await case.create(role))["taskId"])
    told = case.talk.notified("notifications/tasks/status", since)
    for each in told:
        whole(each, "notifications/tasks/status")
    return f"{len(told)} came"


@check(21, "SHOULD", "a status notification carries no related-task")
async def a_status_notification_needs_no_related_task(case: Case) -> str | None:
    """It says which task it is about."""
    await case.ended((await case.create(case.some("quick", "required", "brief")))["taskId"])
    for each in case.talk.notified("notifications/tasks/status"):
        if RELATED in (each.get("_meta") or {}):
            raise Violation(f"it carries related-task: {shown(each)}")
    return None


@check(27, "MUST", "notifications/cancelled for the request that made a task does not cancel the task", "slow")
async def a_cancelled_notification_cancels_no_task(case: Case) -> str | None:
    """The request was answered; only tasks/cancel ends its task."""
    asked = await case.talk.start("tools/call", case.call_params("slow", task={"ttl": 60_000}))
    id = (await case.talk.reply(asked))["task"]["taskId"]
    await case.talk.notify("notifications/cancelled", {"requestId": asked.request["id"], "reason": "a late one"})
    await case.talk.result("ping")
    task = await case.get(id)
    await case.tidy(id)
    if task["status"] != "working":
        raise Violation(f"the task is {shown(task)}")
    return None


@check(28, "MUST", "progress goes on under the token of the call, and increases", "reports")
async def progress_goes_on_and_increases(case: Case) -> str | None:
    """After the CreateTaskResult."""
    token = f"goes-on-{len(case.talk.heard)}"
    task = await case.create("reports", _meta={"progressToken": token})
    since = next(at for at, each in enumerate(case.talk.heard) if _creates(each, task["taskId"]))
    await case.ended(task["taskId"])
    await trio.sleep(QUIET if case.talk.kind == "http" else 0)
    reports = [each for each in case.talk.notified("notifications/progress", since) if each["progressToken"] == token]
    if not reports:
        raise Violation("no progress came after the CreateTaskResult")
    for before, after in pairwise(each["progress"] for each in reports):
        if after <= before:
            raise Violation(f"progress went from {before} to {after}")
    return f"{len(reports)} reports"


def _creates(message: JSON, id: str) -> bool:
    task = message.get("result", {}).get("task", {})
    return isinstance(task, dict) and task.get("taskId") == id


@check(28, "MUST", "progress stops at the end of the task", "reports")
async def progress_stops_at_the_end(case: Case) -> str | None:
    """Nothing comes after a poll has seen the end."""
    token = f"stops-{len(case.talk.heard)}"
    task = await case.create("reports", _meta={"progressToken": token})
    await case.status(task["taskId"], *TERMINAL)
    since = len(case.talk.heard)
    await trio.sleep(QUIET)
    late = [each for each in case.talk.notified("notifications/progress", since) if each["progressToken"] == token]
    if late:
        raise Violation(f"after the end came {shown(late)}")
    return None


@check(28, "MUST", "progress stops when the task is cancelled", "slow")
async def nothing_comes_after_a_cancel(case: Case) -> str | None:
    """Of a task that would go on for long."""
    token = f"cancelled-{len(case.talk.heard)}"
    task = await case.create("slow", _meta={"progressToken": token})
    await case.cancel(task["taskId"])
    since = len(case.talk.heard)
    await trio.sleep(QUIET)
    late = [each for each in case.talk.notified("notifications/progress", since) if each["progressToken"] == token]
    if late:
        raise Violation(f"after the cancel came {shown(late)}")
    return None


@check(33, "MUST", "a client may drop the stream of tasks/result and ask again", transport="http")
async def a_dropped_result_stream_loses_nothing(case: Case) -> str | None:
    """The task goes on."""
    task = await case.create(case.some("brief", "required"))
    dropped = await case.asked_payload(task["taskId"])
    await case.get(task["taskId"])
    if dropped.answered:
        raise Inapplicable("the task ended too soon")
    assert dropped.sent is not None
    dropped.sent.drop()
    await case.payload(task["taskId"])
    if (status := (await case.get(task["taskId"]))["status"]) != "completed":
        raise Violation(f"the task is {status}")
    return None


@check(33, "MUST", "a question whose stream was dropped can be had on another", "asks", transport="http")
async def a_dropped_stream_loses_no_question(case: Case) -> str | None:
    """Before the question was asked: what was sent on the dropped stream may be lost with it."""
    with case.talk.holding("elicitation/create") as questions:
        task = await case.create("asks")
        dropped = await case.asked_payload(task["taskId"])
        assert dropped.sent is not None
        dropped.sent.drop()
        await case.talk.result("ping")
        payload = await case.asked_payload(task["taskId"])
        await case.talk.until(lambda: questions, "no elicitation/create came on another stream")
        for question in questions:
            await case.talk.answer(question)
        await case.talk.reply(payload)
    return None


@check(33, "SHOULD", "the answer to tasks/get is no stream", transport="http")
async def a_poll_is_answered_with_json(case: Case) -> str | None:
    """application/json, not text/event-stream."""
    asked = await case.talk.start("tasks/get", {"taskId": await case.completed()})
    await case.talk.reply(asked)
    assert asked.sent is not None
    if asked.sent.content_type != "application/json":
        raise Violation(f"its content type is {asked.sent.content_type}")
    return None
