"""What `tasks/update` takes, over a wire: every answer is read as what its question asks for."""

from __future__ import annotations

import pytest
import trio
from session_world import STATELESS

from zcp_actors import Context, FastZCP
from zcp_actors.errors import INVALID_PARAMS, RPCError
from zcp_actors.testing import scripted_client

WITH_TASKS = {"elicitation": {"form": {}}, "extensions": {"io.modelcontextprotocol/tasks": {}}}
AGREED = {"action": "accept", "content": {"ok": True}}


def asking() -> FastZCP:
    app = FastZCP("asking")

    @app.tool(task="optional", task_after=0)
    async def ask(ctx: Context) -> str:
        form = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
        return (await ctx.elicit("Agree?", form, key="agree")).action

    return app


async def until(client, task_id, status):
    with trio.fail_after(600):
        while True:
            task = await client.ask("tasks/get", {"taskId": task_id})
            if task["status"] == status:
                return task
            await trio.sleep(1)


@pytest.mark.parametrize("junk", [{"ignored": True}, 7, None, [], AGREED, {"roots": []}])
async def test_what_answers_no_question_is_passed_over_whatever_it_is(junk, autojump_clock):
    """conformance: tasks-dispatch-and-envelope answers an unknown key with no answer's shape; SEP-2663: ignored."""
    async with scripted_client(asking(), STATELESS, capabilities=WITH_TASKS) as client:
        id = (await client.ask("tools/call", {"name": "ask"}))["taskId"]
        await until(client, id, "input_required")
        taken = await client.ask("tasks/update", {"taskId": id, "inputResponses": {"other": junk}})
        assert {name for name in taken if name != "_meta"} == {"resultType"}
        assert list((await client.ask("tasks/get", {"taskId": id}))["inputRequests"]) == ["agree"]
        await client.ask("tasks/update", {"taskId": id, "inputResponses": {"other": junk, "agree": AGREED}})
        assert (await until(client, id, "completed"))["result"]["content"][0]["text"] == "accept"


@pytest.mark.parametrize("junk", [{"ignored": True}, 7, None, [], {"roots": []}])
async def test_an_answer_of_another_shape_is_refused_and_the_question_stays(junk, autojump_clock):
    async with scripted_client(asking(), STATELESS, capabilities=WITH_TASKS) as client:
        id = (await client.ask("tools/call", {"name": "ask"}))["taskId"]
        await until(client, id, "input_required")
        with pytest.raises(RPCError, match=r"inputResponses\['agree'\] must answer elicitation/create: ") as caught:
            await client.ask("tasks/update", {"taskId": id, "inputResponses": {"agree": junk}})
        assert caught.value.code == INVALID_PARAMS
        assert list((await client.ask("tasks/get", {"taskId": id}))["inputRequests"]) == ["agree"]
        await client.ask("tasks/cancel", {"taskId": id})
