"""What an author wrote for tasks, served: the guide's programs in both revisions, word for word on the wire."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from session_world import STATEFUL, STATELESS, both_eras

from zcp_actors import Context, FastZCP
from zcp_actors.errors import INVALID_PARAMS, RPCError
from zcp_actors.tasks.context import TaskContext
from zcp_actors.testing import scripted_client

WITH_TASKS = {"sampling": {}, "elicitation": {"form": {}}, "extensions": {"io.modelcontextprotocol/tasks": {}}}
ANSWERS: dict[str, Any] = {
    "sampling/createMessage": {"role": "assistant", "content": {"type": "text", "text": "Short draft."}, "model": "m"},
    "elicitation/create": {"action": "accept", "content": {}},
}
REVIEWED = {
    "draft": ANSWERS["sampling/createMessage"],
    "approval": {"action": "accept", "accepted": True, "content": {}, "data": {}},
}


def client_of(app: FastZCP, era: str) -> Any:
    return scripted_client(app, era, automatic=ANSWERS if era == STATEFUL else None, capabilities=WITH_TASKS)


def review() -> FastZCP:
    app = FastZCP("Review")

    @app.task("review.run")
    async def run_review(payload):
        task = payload["task"]
        await task.update_status("Collecting context")
        await trio.sleep(0.2)
        draft = await task.create_message(
            {
                "messages": [{"role": "user", "content": f"Summarize {payload['topic']} briefly."}],
                "maxTokens": 120,
            }
        )
        approval = await task.elicit({"kind": "approval", "prompt": "Approve sending the draft?"})
        return {"draft": draft, "approval": approval}

    return app


async def ended(client: Any, task_id: str) -> dict[str, Any]:
    """What `tasks/get` says of a task when it has ended; in 2026 its questions are answered on the way."""
    with trio.fail_after(600):
        while True:
            task = await client.ask("tasks/get", {"taskId": task_id})
            if task["status"] in {"completed", "failed", "cancelled"}:
                return task
            if questions := task.get("inputRequests"):
                responses = {key: ANSWERS[each["method"]] for key, each in questions.items()}
                await client.ask("tasks/update", {"taskId": task_id, "inputResponses": responses})
            await trio.sleep(1)


async def test_the_guide_s_review_in_2025_is_created_followed_and_fetched(autojump_clock):
    async with client_of(review(), STATEFUL) as client:
        given = {"kind": "review.run", "input": {"topic": "transports"}, "task": {"ttl": 30000, "pollInterval": 250}}
        created = (await client.ask("tasks/create", given))["task"]
        assert (created["status"], created["ttl"], created["pollInterval"]) == ("working", 30000, 250)
        result = await client.ask("tasks/result", {"taskId": created["taskId"]})
        assert result.pop("_meta")["io.modelcontextprotocol/related-task"] == {"taskId": created["taskId"]}
        assert result == REVIEWED
        assert (await ended(client, created["taskId"]))["status"] == "completed"


async def test_the_guide_s_review_in_2026_asks_inside_the_task_and_ends_with_its_result(autojump_clock):
    async with client_of(review(), STATELESS) as client:
        created = await client.ask("tasks/create", {"kind": "review.run", "input": {"topic": "x"}})
        assert (created["resultType"], created["status"]) == ("task", "working")
        task = await ended(client, created["taskId"])
        assert task["status"] == "completed"
        result = dict(task["result"])
        result.pop("resultType", None)
        assert result == REVIEWED


@both_eras
async def test_an_unknown_kind_is_refused_before_there_is_a_task(era, autojump_clock):
    async with client_of(review(), era) as client:
        with pytest.raises(RPCError, match="other") as caught:
            await client.ask("tasks/create", {"kind": "other"})
        assert caught.value.code == INVALID_PARAMS
        assert "review" not in str(caught.value)


@both_eras
async def test_an_input_that_does_not_fit_makes_no_task(era, autojump_clock):
    app = FastZCP("a")

    @app.task("k")
    async def handler(n: int, task: TaskContext, ctx: Context) -> dict:
        return {"n": n, "same": ctx.task is task, "id": task.id}

    async with client_of(app, era) as client:
        with pytest.raises(RPCError, match=r"invalid input: \$\.n") as refused:
            await client.ask("tasks/create", {"kind": "k", "input": {"n": "one"}})
        assert refused.value.code == INVALID_PARAMS
        created = await client.ask("tasks/create", {"kind": "k", "input": {"n": 1}})
        id = (created.get("task") or created)["taskId"]
        assert (await ended(client, id))["status"] == "completed"


def refresher(**options: Any) -> FastZCP:
    app = FastZCP("Task Demo")

    @app.tool(
        name="weather.refresh",
        description="Refresh weather data.",
        input_schema={
            "type": "object",
            "properties": {"city": {"type": "string"}, "seconds": {"type": "number"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        output_mode="scalar",
        inline_ok=True,
        **options,
    )
    async def refresh(city: str, seconds: float = 0.2, task=None, ctx=None):
        if task is not None:
            await task.update_status(f"Refreshing {city}")
        await trio.sleep(seconds)
        return {"city": city, "status": "done"}

    return app


async def test_the_guide_s_task_aware_tool_in_2025_is_a_task_when_its_client_says_so(autojump_clock):
    async with client_of(refresher(execution={"taskSupport": "optional"}), STATEFUL) as client:
        call = {"name": "weather.refresh", "arguments": {"city": "Hangzhou"}}
        plain = await client.ask("tools/call", call)
        assert plain["structuredContent"] == {"city": "Hangzhou", "status": "done"}
        created = await client.ask("tools/call", {**call, "task": {"ttl": 30000, "pollInterval": 250}})
        result = await client.ask("tasks/result", {"taskId": created["task"]["taskId"]})
        assert result["structuredContent"] == plain["structuredContent"]


@pytest.mark.parametrize(
    ("options", "seconds", "becomes"),
    [
        ({"task": "optional"}, 0.5, False),
        ({"task": "optional"}, 5, True),
        ({"task": "optional", "task_after": 10}, 5, False),
        ({"task": "optional", "task_after": 0}, 0.1, True),
        ({"task": "optional", "task_after": float("inf")}, 500, False),
        ({"task": "required"}, 0.1, True),
        ({"task": "forbidden"}, 500, False),
    ],
)
async def test_in_2026_the_server_makes_a_task_of_a_call_that_takes_longer_than_its_author_said(
    options, seconds, becomes, autojump_clock
):
    async with client_of(refresher(**options), STATELESS) as client:
        arguments = {"city": "Hangzhou", "seconds": seconds}
        answer = await client.ask("tools/call", {"name": "weather.refresh", "arguments": arguments}, timeout=1000)
        assert (answer["resultType"] == "task") == becomes
        if becomes:
            answer = (await ended(client, answer["taskId"]))["result"]
        assert answer["structuredContent"] == {"city": "Hangzhou", "status": "done"}


async def test_a_tool_s_task_is_kept_as_long_as_its_author_said(autojump_clock):
    async with client_of(refresher(task="required", task_ttl=90), STATELESS) as client:
        created = await client.ask("tools/call", {"name": "weather.refresh", "arguments": {"city": "x"}})
        assert created["ttlMs"] == 90_000
