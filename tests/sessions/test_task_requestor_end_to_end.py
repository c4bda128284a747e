"""Our client and our server, tasks between them: one program over both generations."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio
from session_world import both_eras, strictly_or_not
from task_script import Waiting, seen
from trio.testing import wait_all_tasks_blocked

from zcp_actors import Context, FastZCP, Inbox, memory_client, open_runtime
from zcp_actors.errors import RequestCancelled, RPCError, ToolError

FORM = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@asynccontextmanager
async def opened(app, era, **options):
    """An open client of `app`; of its side nothing is left when the block has ended. The app's tasks live longer."""
    async with open_runtime(grace=1.0) as runtime:
        async with memory_client(app, era=era, **options) as client:
            client.runtime = runtime
            yield client
            watch = client._session.tasks
        await wait_all_tasks_blocked()
        assert (list(runtime.sessions), runtime.pending(), len(watch), watch.live) == ([], (), 0, {})


def working_app(log=None):
    """`log` hears what the tools did."""
    log = [] if log is None else log
    app = FastZCP("Works")

    @app.tool(task="optional", task_after=0)
    async def refresh(city: str, task=None) -> dict:
        if task is not None:
            await task.update_status(f"Refreshing {city}")
        await trio.sleep(5)
        return {"city": city}

    @app.tool(task="required")
    async def survey(ctx: Context) -> dict:
        draft = await ctx.sample("Draft?", max_tokens=5)
        answer = await ctx.elicit("How many?", FORM)
        return {"draft": draft.content.text, "n": answer.content["n"]}

    @app.tool(task="optional", task_after=0)
    async def broken(how: str) -> str:
        await trio.sleep(1)
        if how == "tool":
            raise ToolError("a tool's own failure")
        raise RPCError(-32050, "a protocol error")

    @app.tool(task="optional", task_after=0)
    async def endless(ctx: Context) -> str:
        try:
            await trio.sleep_forever()
        finally:
            log.append("ended")

    @app.tool(task="optional", task_after=0)
    async def report(ctx: Context) -> str:
        for step in range(3):
            await ctx.progress(step + 1, 3)
            await trio.sleep(1)
        return "told"

    @app.task("review.run")
    async def review(payload):
        task = payload["task"]
        await task.update_status("Collecting context")
        draft = await task.create_message({"messages": [{"role": "user", "content": "?"}], "maxTokens": 12})
        approval = await task.elicit({"kind": "approval", "prompt": "Approve?"})
        return {"topic": payload["topic"], "draft": draft.content.text, "approved": approval.accepted}

    return app


def answering(**more):
    return {
        "sampling_handler": lambda request: "Short draft.",
        "elicitation_handler": lambda request: {"accepted": True, "data": {"n": 3}},
        **more,
    }


@both_eras
@strictly_or_not
async def test_the_guides_loop_runs_to_its_result(era, strict, autojump_clock):
    """The ZCP client guide, "Task-Aware Client Example"."""
    async with opened(working_app(), era, strict=strict) as client:
        created = await client.call_tool_as_task("refresh", {"city": "Hangzhou"}, ttl=30000, poll_interval=250)
        task_id = created["task"]["taskId"]
        while True:
            current = await client.get_task(task_id)
            if current["task"]["status"] in {"completed", "failed", "cancelled"}:
                break
            await trio.sleep(0.05)
        result = await client.get_task_result(task_id)
        assert result.structured_content == {"city": "Hangzhou"}


@both_eras
@strictly_or_not
async def test_the_guides_review_runs_to_its_result(era, strict, autojump_clock):
    """The same guide, `review_run.py`: polled by id alone, its questions are answered on the way."""
    async with opened(working_app(), era, strict=strict, **answering()) as client:
        created = await client.create_task("review.run", {"topic": "transports"})
        task_id = created["task"]["taskId"]
        while (await client.get_task(task_id))["task"]["status"] not in {"completed", "failed", "cancelled"}:  # noqa: ASYNC110 - the guide's program
            await trio.sleep(0.05)
        result = await client.get_task_result(task_id)
        assert dict(result) == {"topic": "transports", "draft": "Short draft.", "approved": True}


@both_eras
@strictly_or_not
async def test_a_tool_that_demands_a_task_is_called_as_any_other(era, strict, autojump_clock):
    async with opened(working_app(), era, strict=strict, **answering()) as client:
        await client.list_tools()
        result = await client.call_tool("survey")
        assert result.structured_content == {"draft": "Short draft.", "n": 3}


@both_eras
@strictly_or_not
async def test_a_handle_tells_what_happens_and_gives_the_result(era, strict, nursery, autojump_clock):
    async with opened(working_app(), era, strict=strict) as client:
        handle = await client.call_tool_as_task("refresh", {"city": "Hangzhou"})
        changes = []
        nursery.start_soon(seen, handle, changes)
        result = await handle.result()
        await trio.sleep(1)

        assert result.structured_content == {"city": "Hangzhou"}
        assert (changes[0][0], changes[-1]) == ("working", ("completed", "Refreshing Hangzhou"))
        assert ("working", "Refreshing Hangzhou") in changes


@both_eras
async def test_failures_are_told_apart(era, autojump_clock):
    async with opened(working_app(), era) as client:
        soft = await client.call_tool_as_task("broken", {"how": "tool"})
        hard = await client.call_tool_as_task("broken", {"how": "protocol"})
        assert (await soft.result()).is_error
        with pytest.raises(RPCError, match="a protocol error") as caught:
            await hard.result()
        assert caught.value.code == -32050
        assert hard.status == "failed"


@both_eras
async def test_a_cancelled_task_ends_its_tool(era, nursery, autojump_clock):
    log = []
    async with opened(working_app(log), era) as client:
        handle = await client.call_tool_as_task("endless")
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(5)
        assert (await handle.cancel("enough")).status == "cancelled"
        await trio.sleep(1)
        assert isinstance(waiting.outcome, RequestCancelled)
        assert log == ["ended"]


@both_eras
async def test_a_caller_that_leaves_ends_the_tool(era, autojump_clock):
    log = []
    async with opened(working_app(log), era) as client:
        with trio.move_on_after(5):
            await client.call_tool("endless")
        await trio.sleep(1)
        assert log == ["ended"]


@both_eras
async def test_a_persons_answer_reaches_the_task_that_waits_for_it(era, nursery, autojump_clock):
    async with opened(working_app(), era, **answering(elicitation_handler=Inbox())) as client:
        handle = await client.call_tool_as_task("survey", ttl=3_600_000)
        waiting = Waiting(nursery, handle.result)
        await trio.sleep(1800)
        (pending,) = client.runtime.pending()
        assert (pending.task, handle.status) == (handle.id, "input_required")
        client.runtime.answer(pending.id, {"n": 9})
        await trio.sleep(5)
        assert waiting.outcome.structured_content == {"draft": "Short draft.", "n": 9}


@both_eras
async def test_a_task_that_is_cancelled_while_a_person_thinks_withdraws_the_question(era, autojump_clock):
    async with opened(working_app(), era, **answering(elicitation_handler=Inbox())) as client:
        handle = await client.call_tool_as_task("survey")
        await trio.sleep(30)
        assert len(client.runtime.pending()) == 1
        await handle.cancel()
        assert client.runtime.pending() == ()


async def test_progress_of_a_task_is_heard_where_the_generation_has_it(autojump_clock):
    heard = []
    async with opened(working_app(), "2025-11-25", progress_handler=lambda each: heard.append(each.progress)) as client:
        handle = await client.call_tool_as_task("report")
        await handle.result()
    assert heard == [1, 2, 3]


@both_eras
async def test_many_tasks_at_once_each_get_their_own_result(era, autojump_clock):
    async with opened(working_app(), era) as client:
        handles = [await client.call_tool_as_task("refresh", {"city": str(number)}) for number in range(30)]
        results = [(await handle.result()).structured_content["city"] for handle in handles]
        assert results == [str(number) for number in range(30)]
