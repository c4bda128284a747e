"""`ctx.task`: what a handler can say and ask as the task that it is, in both generations."""

from __future__ import annotations

import pytest
import trio
from task_service_world import (
    SAID,
    STATEFUL,
    STATELESS,
    WITHOUT_TASKS,
    YES,
    Stage,
    create,
    get,
    task_world,
    tasked,
    text_of,
    until,
    work,
)

from zcp_actors import Context
from zcp_actors.errors import UsageError
from zcp_actors.protocol.tasks import MAX_MESSAGE

both_eras = pytest.mark.parametrize("era", [STATEFUL, STATELESS])
AUTOMATIC = {"elicitation/create": YES, "sampling/createMessage": SAID}


async def finished(client, id):
    """The end of a task whose every question is answered kindly."""
    with trio.fail_after(1000):
        while (task := await until(client, id, "input_required", "completed", "failed"))["status"] == "input_required":
            questions = task.get("inputRequests") or {}
            if questions:
                responses = {key: AUTOMATIC[each["method"]] for key, each in questions.items()}
                await client.ask("tasks/update", {"taskId": id, "inputResponses": responses})
            await trio.sleep(0.1)
    return task


async def text_of_task(client, id):
    task = await finished(client, id)
    return text_of(task["result"] if client.stateless else await client.ask("tasks/result", {"taskId": id}))


async def test_a_plain_call_has_no_task(autojump_clock):
    async def handler(ctx: Context) -> str:
        return repr(ctx.task)

    async with (
        task_world(tasked(handler)) as world,
        world.client(STATEFUL) as old,
        world.client(STATELESS, capabilities=WITHOUT_TASKS) as new,
    ):
        assert [text_of(await client.ask("tools/call", work())) for client in (old, new)] == ["None", "None"]


@both_eras
async def test_a_task_knows_its_id_and_status_and_shows_neither_in_its_repr(era, autojump_clock):
    async def handler(ctx: Context) -> dict:
        task = ctx.task
        return {"id": task.id, "status": task.status, "shown": repr(task), "cancelled": task.is_cancelled}

    async with task_world(tasked(handler)) as world, world.client(era) as client:
        id = (await create(client))["taskId"]
        task = await until(client, id)
        result = task["result"] if era == STATELESS else await client.ask("tasks/result", {"taskId": id})
        said = result["structuredContent"]
        assert (said["id"], said["status"], said["cancelled"]) == (id, "working", False)
        assert id not in said["shown"]


@both_eras
async def test_every_question_of_a_context_can_be_asked_by_the_task(era, autojump_clock):
    async def handler(ctx: Context) -> str:
        task = ctx.task
        form = await task.elicit("Form?", key="form")
        guided = await task.elicit({"kind": "approval", "prompt": "Guided?"}, key="guided")
        page = await task.elicit_url("Page?", "https://example.com/", key="page")
        draft = await task.sample("Write", max_tokens=5, key="draft")
        message = await task.create_message({"messages": [], "maxTokens": 5}, key="message")
        receipt = await task.once("pay", lambda: "paid")
        return f"{form.action} {guided['action']} {page.action} {draft.text} {message.text} {receipt}"

    automatic = AUTOMATIC if era == STATEFUL else None
    async with task_world(tasked(handler)) as world, world.client(era, automatic=automatic) as client:
        id = (await create(client))["taskId"]
        assert await text_of_task(client, id) == "accept accept accept said said paid"


@both_eras
async def test_what_a_task_says_is_its_status_message_cut_to_a_line_or_two(era, autojump_clock):
    stage = Stage()

    async def handler(ctx: Context) -> str:
        await ctx.task.update_status("x" * 5000)
        return await stage.play()

    async with task_world(tasked(handler)) as world, world.client(era) as client:
        id = (await create(client))["taskId"]
        await stage.until(entered=1)
        message = (await get(client, id))["statusMessage"]
        assert (len(message), message[:2], message[-1]) == (MAX_MESSAGE, "xx", "…")
        stage.go.set()
        task = await until(client, id)
        assert task["statusMessage"] == message


@pytest.mark.parametrize("status", ["completed", "input_required", "failed", "queued", "odd"])
async def test_a_task_cannot_say_that_it_has_another_status_than_it_has(status, autojump_clock):
    async def handler(ctx: Context) -> str:
        with pytest.raises(UsageError, match=status):
            await ctx.task.update_status("no", status=status)
        return str((await ctx.task.update_status("yes", status="working")) is None)

    async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
        task = await until(client, (await create(client))["taskId"])
        assert (task["status"], task["statusMessage"]) == ("completed", "yes")


async def test_a_cancelled_task_raises_at_its_next_word(autojump_clock):
    ended = []

    async def handler(ctx: Context) -> str:
        try:
            while True:
                await ctx.task.update_status(f"{trio.current_time()}")
                await ctx.task.progress(trio.current_time())
        finally:
            ended.append(trio.current_effective_deadline())

    async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        with trio.fail_after(10):
            await client.notification("notifications/tasks/status")
            task = await client.ask("tasks/cancel", {"taskId": id})
            assert task["status"] == "cancelled"
            await world.rest()
        assert ended == [float("-inf")]


@both_eras
async def test_two_tasks_of_one_client_ask_and_answer_for_themselves(era, autojump_clock):
    """R: no crossed answers, though both ask under the same key."""

    async def handler(name: str, ctx: Context) -> str:
        answer = await ctx.elicit(f"{name}?", {"type": "object", "properties": {"who": {"type": "string"}}}, key="who")
        return f"{name} {answer.data['who']}"

    def answer(question):
        return {"action": "accept", "content": {"who": question["params"]["message"]}}

    automatic = {"elicitation/create": answer} if era == STATEFUL else None
    async with task_world(tasked(handler)) as world, world.client(era, automatic=automatic) as client:
        ids = {name: (await create(client, {"name": name}))["taskId"] for name in "abcdefgh"}
        for name, id in ids.items():
            if era == STATELESS:
                ((key, question),) = (await until(client, id, "input_required"))["inputRequests"].items()
                await client.ask("tasks/update", {"taskId": id, "inputResponses": {key: answer(question)}})
            assert await text_of_task(client, id) == f"{name} {name}?"
