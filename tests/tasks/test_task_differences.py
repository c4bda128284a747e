"""
Where the two generations of tasks differ on the wire, row by row, told by one handler of one app in one runtime.

The rows are those of the table "Differences from 2025-11-25 that an implementation serving both must keep apart":
MCP 2025-11-25 basic/utilities/tasks on the left, SEP-2663 (tasks extension of 2026-07-28) on the right.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
from task_service_world import (
    EXTENSION,
    RELATED,
    STATEFUL,
    STATELESS,
    WITHOUT_TASKS,
    YES,
    Stage,
    cancel,
    create,
    get,
    refusal,
    status_of,
    task_world,
    tasked,
    until,
    work,
)

from zcp_actors import Context
from zcp_actors.errors import INVALID_PARAMS, METHOD_NOT_FOUND, ToolError


class Scene:
    """One handler, and a client of each generation that may ask for it."""

    def __init__(self, stage: Stage, old: Any, new: Any, poor: Any) -> None:
        self.stage, self.old, self.new, self.poor = stage, old, new, poor

    async def ended(self, client: Any, **arguments: Any) -> dict[str, Any]:
        self.stage.go.set()
        return await until(client, (await create(client, arguments))["taskId"])

    async def asking(self, client: Any) -> str:
        """A task that asks its client."""
        self.stage.go.set()
        task = await create(client, {"how": "asks"})
        await until(client, task["taskId"], "input_required")
        return task["taskId"]


ROWS: dict[str, Any] = {}


def row(check: Any) -> Any:
    ROWS[check.__name__] = check
    return check


@row
async def who_decides(scene: Scene) -> None:
    """The client, by `params.task`; the server, which reads no such member."""
    scene.stage.go.set()
    assert "content" in await scene.old.ask("tools/call", work())
    assert "task" in await scene.old.ask("tools/call", work(task={}))
    assert (await scene.new.ask("tools/call", work()))["resultType"] == "task"
    named = await scene.new.ask("tools/call", work(task={"ttl": 1000}))
    assert (named["resultType"], named["ttlMs"]) == ("task", 3_600_000)
    never = await scene.new.ask("tools/call", {"name": "plain", "arguments": {}, "task": {"ttl": 1000}})
    assert never["resultType"] == "complete"


@row
async def how_a_client_opts_in(scene: Scene) -> None:
    """By the handshake; by the capabilities of each request."""
    assert scene.old.introduction["capabilities"]["tasks"]["requests"] == {"tools": {"call": {}}}
    scene.stage.go.set()
    assert (await scene.poor.ask("tools/call", work()))["resultType"] == "complete"
    assert (await scene.new.ask("tools/call", work()))["resultType"] == "task"
    assert (await scene.poor.ask("tools/call", work()))["resultType"] == "complete"


@row
async def the_result_of_a_creation(scene: Scene) -> None:
    """Nested under `task`; flat, and said to be a task."""
    scene.stage.go.set()
    old = await scene.old.ask("tools/call", work(task={}))
    assert set(old) == {"task", "_meta"}
    assert old["task"]["status"] == "working"
    new = await scene.new.ask("tools/call", work())
    assert (new["resultType"], new["status"]) == ("task", "working")
    assert "task" not in new


@row
async def the_names_of_times(scene: Scene) -> None:
    """`ttl` and `pollInterval`; `ttlMs` and `pollIntervalMs`."""
    scene.stage.go.set()
    old, new = await create(scene.old), await create(scene.new)
    for task in (old, await get(scene.old, old["taskId"])):
        assert (task["ttl"], task["pollInterval"]) == (3_600_000, 1000)
        assert not {"ttlMs", "pollIntervalMs"} & set(task)
    for task in (new, await get(scene.new, new["taskId"])):
        assert (task["ttlMs"], task["pollIntervalMs"]) == (3_600_000, 1000)
        assert not {"ttl", "pollInterval"} & set(task)


@row
async def where_the_result_is(scene: Scene) -> None:
    """In `tasks/result`, which blocks; in `tasks/get`, and the other method is unknown."""
    old, new = await create(scene.old), await create(scene.new)
    waiting = scene.old.start("tasks/result", {"taskId": old["taskId"]})
    error = await refusal(scene.new.ask("tasks/result", {"taskId": new["taskId"]}))
    assert error.code == METHOD_NOT_FOUND
    assert "result" not in await get(scene.old, old["taskId"])
    assert "result" not in await get(scene.new, new["taskId"])
    scene.stage.go.set()
    result = (await scene.old.answer_to(waiting))["result"]
    assert result["content"] == (await until(scene.new, new["taskId"]))["result"]["content"]
    assert "result" not in await get(scene.old, old["taskId"])


@row
async def the_list(scene: Scene) -> None:
    """`tasks/list`; none."""
    scene.stage.go.set()
    old, new = await create(scene.old), await create(scene.new)
    listed = [task["taskId"] for task in (await scene.old.ask("tasks/list"))["tasks"]]
    assert sorted(listed) == sorted([old["taskId"], new["taskId"]])
    assert (await refusal(scene.new.ask("tasks/list"))).code == METHOD_NOT_FOUND


@row
async def a_tool_that_reports_an_error(scene: Scene) -> None:
    """`failed`, with a message; `completed`, with the result."""
    old = await scene.ended(scene.old, how="errs")
    assert (old["status"], old["statusMessage"]) == ("failed", "it went wrong")
    assert (await scene.old.ask("tasks/result", {"taskId": old["taskId"]}))["isError"] is True
    new = await scene.ended(scene.new, how="errs")
    assert (new["status"], new["result"]["isError"]) == ("completed", True)
    assert "error" not in new


@row
async def the_need_for_input(scene: Scene) -> None:
    """Requests while `tasks/result` waits; entries of `tasks/get`, answered by `tasks/update`."""
    old = await scene.asking(scene.old)
    waiting = scene.old.start("tasks/result", {"taskId": old})
    question = await scene.old.request("elicitation/create")
    assert question["params"]["_meta"][RELATED] == {"taskId": old}
    assert "inputRequests" not in await get(scene.old, old)
    scene.old.reply(question, YES)
    assert (await scene.old.answer_to(waiting))["result"]["content"][0]["text"] == "accept"
    new = await scene.asking(scene.new)
    ((key, asked),) = (await get(scene.new, new))["inputRequests"].items()
    assert asked["method"] == "elicitation/create"
    assert acknowledged(await scene.new.ask("tasks/update", {"taskId": new, "inputResponses": {key: YES}}))
    assert (await until(scene.new, new))["result"]["content"][0]["text"] == "accept"
    unknown = await refusal(scene.old.ask("tasks/update", {"taskId": old, "inputResponses": {}}))
    assert unknown.code == METHOD_NOT_FOUND


@row
async def a_cancel_that_comes_too_late(scene: Scene) -> None:
    """An error; an empty acknowledgement, as often as one likes."""
    old = await scene.ended(scene.old)
    assert (await refusal(scene.old.ask("tasks/cancel", {"taskId": old["taskId"]}))).code == INVALID_PARAMS
    new = await scene.ended(scene.new)
    for _ in range(2):
        assert acknowledged(await scene.new.ask("tasks/cancel", {"taskId": new["taskId"]}))
    assert await status_of(scene.old, old["taskId"]) == await status_of(scene.new, new["taskId"]) == "completed"


@row
async def the_answer_to_a_cancel(scene: Scene) -> None:
    """The task, `cancelled` already; an empty acknowledgement."""
    old, new = await create(scene.old), await create(scene.new)
    await scene.stage.until(entered=2)
    task = await scene.old.ask("tasks/cancel", {"taskId": old["taskId"]})
    assert (task["taskId"], task["status"]) == (old["taskId"], "cancelled")
    assert acknowledged(await scene.new.ask("tasks/cancel", {"taskId": new["taskId"]}))
    await scene.stage.until(left=2)
    assert await status_of(scene.old, old["taskId"]) == await status_of(scene.new, new["taskId"]) == "cancelled"


@row
async def progress_during_a_task(scene: Scene) -> None:
    """Under the first request's token until the end; not at all."""
    listen = {"notifications": {"taskIds": []}}
    old = await create(scene.old, {"how": "reports"}, meta={"progressToken": "p"})
    new = await create(scene.new, {"how": "reports"}, meta={"progressToken": "q"})
    listen["notifications"]["taskIds"] = [new["taskId"]]
    scene.new.start("subscriptions/listen", listen)
    await scene.new.notification("notifications/subscriptions/acknowledged")
    scene.stage.go.set()
    progress = await scene.old.notification("notifications/progress")
    assert (progress["params"]["progressToken"], progress["params"]["progress"]) == ("p", 1)
    await until(scene.old, old["taskId"])
    await until(scene.new, new["taskId"])
    assert "notifications/progress" not in [each.get("method") for each in scene.new.untaken]


@row
async def notifications_of_a_task(scene: Scene) -> None:
    """`notifications/tasks/status` with the task; `notifications/tasks` with all of it, to who listens."""
    old, new = await create(scene.old), await create(scene.new)
    id = scene.new.start("subscriptions/listen", {"notifications": {"taskIds": [new["taskId"]]}})
    ack = await scene.new.notification("notifications/subscriptions/acknowledged")
    assert ack["params"]["notifications"]["taskIds"] == [new["taskId"]]
    first = await scene.new.notification("notifications/tasks")
    assert first["params"]["status"] == "working"
    scene.stage.go.set()
    told = (await scene.old.notification("notifications/tasks/status"))["params"]
    assert told == await get(scene.old, old["taskId"])
    last = (await scene.new.notification("notifications/tasks"))["params"]
    meta = last.pop("_meta")
    assert meta["io.modelcontextprotocol/subscriptionId"] == id
    said = await get(scene.new, new["taskId"])
    assert {**last, "resultType": "complete"} == {key: value for key, value in said.items() if key != "_meta"}
    assert last["result"]["content"]


@row
async def what_may_be_a_task(scene: Scene) -> None:
    """Either side's requests of a list; tool calls, by the server alone."""
    assert scene.old.introduction["capabilities"]["tasks"]["requests"] == {"tools": {"call": {}}}
    discovered = await scene.new.ask("server/discover")
    assert discovered["capabilities"]["extensions"] == {EXTENSION: {}}
    assert "tasks" not in discovered["capabilities"]


@row
async def the_meta_of_related_messages(scene: Scene) -> None:
    """In every message that belongs to the task and is not about it; in none."""
    old = await scene.ended(scene.old)
    result = await scene.old.ask("tasks/result", {"taskId": old["taskId"]})
    assert result["_meta"][RELATED] == {"taskId": old["taskId"]}
    assert RELATED not in old.get("_meta", {})
    await scene.ended(scene.new)
    id = await scene.asking(scene.new)
    keys = (await get(scene.new, id))["inputRequests"]
    await scene.new.ask("tasks/update", {"taskId": id, "inputResponses": dict.fromkeys(keys, YES)})
    await until(scene.new, id)
    assert RELATED not in str(list(scene.new.transcript))


def acknowledged(answer: dict[str, Any]) -> bool:
    """It says that it is an answer, and no more."""
    return {key: value for key, value in answer.items() if key != "_meta"} == {"resultType": "complete"}


@pytest.mark.parametrize("name", ROWS)
async def test_the_two_generations_are_kept_apart(name, autojump_clock):
    stage = Stage()

    async def handler(ctx: Context, how: str = "returns") -> str:
        await stage.play(how)
        if how == "errs":
            raise ToolError("it went wrong")
        if how == "asks":
            return (await ctx.elicit("Sure?")).action
        if how == "reports":
            await ctx.progress(1, 2, "half")
            await ctx.info("half")
        return "done"

    app = tasked(handler)

    @app.tool
    async def plain() -> str:
        return "plain"

    async with task_world(app) as world:
        undeclared = world.client(STATELESS, capabilities=WITHOUT_TASKS)
        async with world.client(STATEFUL) as old, world.client(STATELESS) as new, undeclared as poor:
            scene = Scene(stage, old, new, poor)
            with trio.fail_after(100):
                await ROWS[name](scene)
            for task in (await old.ask("tasks/list"))["tasks"]:
                await cancel(old, task["taskId"])
