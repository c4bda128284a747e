"""
Cancelling a task: what it reaches, what is told, and what stands afterwards.

Sources: MCP 2025-11-25 basic/utilities/tasks, Task Cancellation; SEP-2663; design: cancellation is one tree.
"""

from __future__ import annotations

import logging
import sys
import threading

import pytest
import trio
from task_service_world import (
    OVER,
    STATEFUL,
    STATELESS,
    YES,
    Stage,
    cancel,
    create,
    get,
    refusal,
    status_of,
    task_world,
    tasked,
    text_of,
    until,
)

from zcp_actors import Context, FastZCP, memory_client
from zcp_actors.errors import INVALID_PARAMS, ConnectionLost, OnceUncertain, RPCError, ToolError, UsageError
from zcp_actors.protocol.tasks import Place
from zcp_actors.tasks.context import TaskContext

both_eras = pytest.mark.parametrize("era", [STATEFUL, STATELESS])


@both_eras
async def test_a_cancel_ends_the_handler_and_its_clean_up_runs(era, autojump_clock):
    stage, cleaned = Stage(), []

    async def handler(task: TaskContext) -> str:
        try:
            return await stage.play()
        finally:
            cleaned.append((task.is_cancelled, task.status))

    async with task_world(tasked(handler)) as world, world.client(era) as client:
        id = (await create(client))["taskId"]
        await stage.until(entered=1)
        await client.ask("tasks/cancel", {"taskId": id})
        await world.rest()
        assert cleaned == [(True, "cancelled")]
        assert await status_of(client, id) == "cancelled"


async def test_the_reason_of_a_cancel_is_the_task_s_status_message(autojump_clock):
    stage = Stage()
    async with task_world(tasked(stage.play)) as world, world.client(STATEFUL) as client:
        for said, message in (({"reason": "too slow"}, "cancelled by its requestor: too slow"), ({"reason": 7}, None)):
            id = (await create(client))["taskId"]
            task = await client.ask("tasks/cancel", {"taskId": id, **said})
            assert (task["status"], task["statusMessage"]) == ("cancelled", message or "cancelled by its requestor")
            assert (await get(client, id))["statusMessage"] == task["statusMessage"]
            error = await refusal(client.ask("tasks/result", {"taskId": id}))
            assert (error.code, task["statusMessage"] in error.message) == (-32603, True)


@both_eras
async def test_what_a_cancelled_handler_still_returns_or_raises_changes_nothing(era, autojump_clock):
    """25: it stays cancelled even if the work goes on and ends."""
    stage = Stage()
    going = trio.Event()

    async def handler(how: str) -> str:
        stage.entered.append(how)
        stage._moved.unpark_all()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 60):
            await going.wait()
        if how == "raises":
            raise ToolError("after all")
        return "after all"

    async with task_world(tasked(handler)) as world, world.client(era) as client:
        ids = [(await create(client, {"how": how}))["taskId"] for how in ("returns", "raises")]
        await stage.until(entered=2)
        for id in ids:
            await client.ask("tasks/cancel", {"taskId": id})
            assert await status_of(client, id) == "cancelled"
        going.set()
        await world.rest()
        for id in ids:
            task = await get(client, id)
            assert (task["status"], task["statusMessage"]) == ("cancelled", "cancelled by its requestor")
        if era == STATEFUL:
            told = [each["params"]["status"] for each in client.untaken]
            assert told == ["cancelled", "cancelled"]


async def test_a_cancel_reaches_the_calls_that_the_task_made_elsewhere(autojump_clock):
    """The backend's own handler ends, and the question it had asked is withdrawn."""
    backend, deep = FastZCP("Backend"), Stage()

    @backend.tool
    async def dig() -> str:
        return await deep.play()

    async def handler() -> str:
        async with memory_client(backend) as client:
            return str(await client.call_tool("dig", {}))

    async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        await deep.until(entered=1)
        await client.ask("tasks/cancel", {"taskId": id})
        await deep.until(left=1)
        assert deep.left == ["cancelled"]


async def test_a_cancel_ends_the_child_process_of_the_tool():
    started = trio.Event()
    children = []

    async def handler() -> str:
        async with trio.open_nursery() as nursery:
            program = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
            child = await trio.lowlevel.open_process(program, stdin=-1, stdout=-1)
            children.append(child)
            nursery.start_soon(trio.sleep_forever)
            try:
                await child.stdout.receive_some()
                started.set()
                await child.wait()
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 10):
                    child.terminate()
                    await child.wait()
                    await child.stdout.aclose()
                    await child.stdin.aclose()
        return "never"

    with trio.fail_after(30):
        async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
            id = (await create(client))["taskId"]
            await started.wait()
            await client.ask("tasks/cancel", {"taskId": id})
            await children[0].wait()
            while world.service.cells:
                await trio.lowlevel.checkpoint()
            assert children[0].returncode is not None


async def test_a_plain_function_is_told_that_it_is_cancelled_and_nobody_waits_for_it():
    began, told = threading.Event(), threading.Event()

    def handler(task: TaskContext) -> str:
        began.set()
        for _ in range(3000):
            if task.is_cancelled:
                told.set()
                return "told"
            threading.Event().wait(0.01)
        return "never told"

    with trio.fail_after(60):
        async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
            id = (await create(client))["taskId"]
            await trio.to_thread.run_sync(began.wait, 30)
            assert (await client.ask("tasks/cancel", {"taskId": id}))["status"] == "cancelled"
            assert await trio.to_thread.run_sync(told.wait, 30)
            assert await status_of(client, id) == "cancelled"


async def test_a_plain_function_runs_as_a_task_to_its_result():
    def handler(n: int, task: TaskContext) -> int:
        return n if task.status == "working" else 0

    with trio.fail_after(30):
        async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
            id = (await create(client, {"n": 3}))["taskId"]
            assert (await client.ask("tasks/result", {"taskId": id}))["structuredContent"] == {"result": 3}


@both_eras
async def test_a_notification_that_the_request_is_cancelled_is_no_cancel_of_its_task(era, autojump_clock):
    """27: notifications/cancelled must not be used for a task."""
    stage = Stage()
    async with task_world(tasked(stage.play)) as world, world.client(era) as client:
        params = {"name": "work", "arguments": {}} | ({"task": {}} if era == STATEFUL else {})
        request = client.start("tools/call", params)
        answer = (await client.answer_to(request))["result"]
        id = answer["task"]["taskId"] if era == STATEFUL else answer["taskId"]
        await stage.until(entered=1)
        client.cancel(request)
        await world.rest()
        assert await status_of(client, id) == "working"
        stage.go.set()
        assert (await until(client, id))["status"] == "completed"


async def test_giving_up_the_wait_for_a_result_cancels_nothing(autojump_clock):
    stage = Stage()
    async with task_world(tasked(stage.play)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        waiting = client.start("tasks/result", {"taskId": id})
        await world.rest()
        client.cancel(waiting)
        await world.rest()
        assert await status_of(client, id) == "working"
        stage.go.set()
        assert text_of(await client.ask("tasks/result", {"taskId": id})) == "done"


@both_eras
async def test_cancelling_twice_at_once_is_one_cancel(era, autojump_clock):
    stage = Stage()
    async with task_world(tasked(stage.play)) as world, world.client(era) as client:
        id = (await create(client))["taskId"]
        await stage.until(entered=1)
        requests = [client.start("tasks/cancel", {"taskId": id}) for _ in range(2)]
        answers = [await client.answer_to(each) for each in requests]
        if era == STATELESS:
            assert ["error" in each for each in answers] == [False, False]
        else:
            (refused,) = [each["error"] for each in answers if "error" in each]
            assert refused["code"] == INVALID_PARAMS
        assert [new for old, new in world.heard.of("task") if new in OVER] == ["cancelled"]


# ---- ends of every kind
class Odd:
    def __str__(self) -> str:
        raise ValueError("no text")


ENDS = {
    "tool error": (lambda: ToolError("went wrong"), "completed", "failed", "went wrong"),
    "any error": (lambda: ValueError("bug"), "completed", "failed", "ValueError: bug"),
    "group": (lambda: ExceptionGroup("many", [ValueError("bug")]), "completed", "failed", "ValueError: bug"),
    "lost backend": (lambda: ConnectionLost("gone"), "completed", "failed", "ConnectionLost: gone"),
    "rpc error": (lambda: RPCError(-32050, "no", {"a": 1}), "failed", "failed", "no"),
    "rpc error that is no JSON": (lambda: RPCError(-32050, "no", {1, 2}), "failed", "failed", ""),
    "of its author": (lambda: OnceUncertain("perhaps"), "failed", "failed", "OnceUncertain: perhaps"),
    "wrong use": (lambda: UsageError("wrong"), "completed", "failed", "UsageError: wrong"),
}


@pytest.mark.parametrize("era", [STATEFUL, STATELESS])
@pytest.mark.parametrize("name", ENDS)
async def test_every_kind_of_error_ends_a_task_in_a_status_with_its_words(name, era, autojump_clock, caplog):
    caplog.set_level(logging.CRITICAL)
    error, new, old, words = ENDS[name]

    async def handler() -> str:
        raise error()

    async with task_world(tasked(handler)) as world, world.client(era) as client:
        task = await until(client, (await create(client))["taskId"])
        assert task["status"] == (old if era == STATEFUL else new)
        assert words in task["statusMessage"]
        assert (await world.service.find(place_of(world, task))).ended
        if era == STATEFUL:
            await same_as_the_plain_call(client, task)


def place_of(world, task):
    return Place(world.app.name, "", task["taskId"])


async def same_as_the_plain_call(client, task):
    """14: exactly the underlying result, or the same error."""
    result = client.start("tasks/result", {"taskId": task["taskId"]})
    plain = client.start("tools/call", {"name": "work", "arguments": {}})
    got, expected = await client.answer_to(result), await client.answer_to(plain)
    if "error" in expected:
        assert got["error"] == expected["error"]
    else:
        got["result"].pop("_meta")
        assert got["result"] == expected["result"]


@both_eras
async def test_a_result_that_no_wire_can_carry_is_a_failure_in_a_status(era, autojump_clock, caplog):
    caplog.set_level(logging.CRITICAL)

    async def handler(how: str):
        return {"set": {1, 2}, "nan": float("nan"), "odd": Odd()}[how]

    async with task_world(tasked(handler)) as world, world.client(era) as client:
        for how in ("set", "nan", "odd"):
            task = await until(client, (await create(client, {"how": how}))["taskId"])
            assert task["status"] in ("failed", "completed")
            if task["status"] == "completed":
                assert era == STATELESS
                assert task["result"]["isError"] is True
            if era == STATEFUL:
                await same_as_the_plain_call_of(client, task, {"how": how})


async def same_as_the_plain_call_of(client, task, arguments):
    result = client.start("tasks/result", {"taskId": task["taskId"]})
    plain = client.start("tools/call", {"name": "work", "arguments": arguments})
    got, expected = await client.answer_to(result), await client.answer_to(plain)
    assert ("error" in got) == ("error" in expected)
    if "error" not in expected:
        assert got["result"]["content"] == expected["result"]["content"]


# ---- the record of it
async def test_creation_transitions_cancel_and_retrieval_reach_the_recorder_without_contents(autojump_clock):
    """32: who did what to which task, and nothing of what it is about."""

    async def handler(secret: str, ctx: Context) -> str:
        await ctx.elicit(f"{secret}?")
        return secret

    async with task_world(tasked(handler)) as world, world.client(STATEFUL, principal="ann") as client:
        id = (await create(client, {"secret": "hush"}))["taskId"]
        client.reply(await client.request("elicitation/create"), YES)
        assert text_of(await client.ask("tasks/result", {"taskId": id})) == "hush"
        await cancel(client, id)
        other = (await create(client, {"secret": "hush"}))["taskId"]
        await until(client, other, "input_required")
        await cancel(client, other)
        await world.rest()
        heard = world.heard
        first = [(old, new) for _, _, old, new, facts in heard.moves if facts.get("id") == id]
        assert first == [
            ("", "working"),
            ("working", "input_required"),
            ("input_required", "working"),
            ("working", "completed"),
            ("completed", "result retrieved"),
            ("completed", "cancel refused"),
        ]
        second = [(old, new) for _, _, old, new, facts in heard.moves if facts.get("id") == other]
        assert second == [
            ("", "working"),
            ("working", "input_required"),
            ("input_required", "cancelled"),
            ("cancelled", "cancelled"),
        ]
        for facts in heard.facts("task") + heard.facts("task request"):
            assert facts["principal"] == "ann"
        (by,) = [facts["by"] for *_, new, facts in heard.moves if new == "cancelled" and "by" in facts]
        assert by == "requestor"
        told = [facts for subject, *_, facts in heard.moves if subject in ("task", "task request")]
        assert "hush" not in str(told)
