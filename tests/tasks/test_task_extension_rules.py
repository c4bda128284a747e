"""
What a server must keep of SEP-2663 (tasks extension of 2026-07-28), one rule after another, in raw messages.

Source: ext-tasks specification/draft/tasks.md; what binds only clients is proved with our client.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import trio
from network.http_site import modern
from task_service_world import (
    EXTENSION,
    RELATED,
    SAID,
    STATEFUL,
    STATELESS,
    WITH_TASKS,
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

from zcp_actors import Context, FastZCP, ServerHandle
from zcp_actors.errors import INVALID_PARAMS, METHOD_NOT_FOUND, RPCError, ToolError
from zcp_actors.protocol.tasks import Place
from zcp_actors.transports.http.app import create_asgi_app
from zcp_actors.transports.http.in_process import InProcessTransport

MISSING_CAPABILITY = -32021
NEEDED = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}


async def quick() -> str:
    return "done"


async def asking(ctx: Context) -> str:
    return (await ctx.elicit("Sure?")).action


async def twice(ctx: Context) -> str:
    answers: dict[str, Any] = {}

    async def ask(name: str) -> None:
        answers[name] = await ctx.elicit(f"{name}?", key=name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "one")
        nursery.start_soon(ask, "two")
    return " ".join(answers[name].action for name in ("one", "two"))


def bare(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "_meta"}


async def test_no_task_is_made_of_a_request_that_did_not_declare_the_extension(autojump_clock):
    """34: whatever earlier requests said."""
    async with task_world(tasked(quick)) as world, world.client(STATELESS) as client:
        assert (await create(client))["status"] == "working"
        client.capabilities = WITHOUT_TASKS
        answer = await client.ask("tools/call", work())
        assert (answer["resultType"], answer["content"][0]["text"]) == ("complete", "done")


async def test_what_needs_a_task_names_the_capability_that_is_missing(autojump_clock):
    """35."""
    async with (
        task_world(tasked(quick, task="required")) as world,
        world.client(STATELESS, capabilities=WITHOUT_TASKS) as client,
    ):
        error = await refusal(client.ask("tools/call", work()))
        assert (error.code, error.data) == (MISSING_CAPABILITY, NEEDED)


async def test_only_tool_calls_and_our_own_method_become_tasks(autojump_clock):
    """36: a task as the result of another method would be an invalid response."""
    app = tasked(quick)

    @app.prompt
    async def hello() -> str:
        return "hello"

    @app.resource("memo://one")
    async def one() -> str:
        return "1"

    async with task_world(app) as world, world.client(STATELESS) as client:
        for method, params in (
            ("prompts/get", {"name": "hello", "task": {}}),
            ("resources/read", {"uri": "memo://one", "task": {}}),
            ("tools/list", {"task": {}}),
        ):
            assert (await client.ask(method, params))["resultType"] == "complete"


async def test_a_creation_says_task_and_every_other_answer_says_complete(autojump_clock):
    """37."""
    async with task_world(tasked(asking)) as world, world.client(STATELESS) as client:
        created = await create(client)
        task = await until(client, created["taskId"], "input_required")
        responses = dict.fromkeys(task["inputRequests"], YES)
        given = {"taskId": created["taskId"], "inputResponses": responses}
        answers = [task, await client.ask("tasks/update", given), await until(client, created["taskId"])]
        answers.append(await client.ask("tasks/cancel", {"taskId": created["taskId"]}))
        assert created["resultType"] == "task"
        assert [each["resultType"] for each in answers] == ["complete"] * 4


async def test_a_task_is_stored_before_its_creation_is_answered(autojump_clock):
    """38: a get would resolve."""
    async with task_world(tasked(quick)) as world, world.client(STATELESS) as client:
        id = client.start("tools/call", work())
        answer = await client.answer_to(id)
        place = Place("App", "", answer["result"]["taskId"])
        stored = await world.service.store.read(place)
        assert stored is not None
        assert await status_of(client, place.id) in {"working", "completed"}


async def test_what_is_asked_before_a_call_becomes_a_task_is_asked_the_plain_way_first(autojump_clock):
    """39: an `input_required` result, its retry, and only then a task, which knows the answer."""

    async def handler(ctx: Context) -> str:
        answer = await ctx.elicit("Sure?")
        await trio.sleep(5)
        return answer.action

    async with task_world(tasked(handler, task_after=1)) as world, world.client(STATELESS) as client:
        call = {"method": "tools/call", "params": work()}
        asked = await client.ask(**call)
        assert asked["resultType"] == "input_required"
        id = client.retry(call, asked, dict.fromkeys(asked["inputRequests"], YES))
        created = (await client.answer_to(id))["result"]
        assert created["resultType"] == "task"
        assert "requestState" not in created
        task = await until(client, created["taskId"])
        assert (task["status"], task["result"]["content"][0]["text"]) == ("completed", "accept")


async def test_get_tells_all_that_there_is_to_tell_of_each_status(autojump_clock):
    """40."""
    stage = Stage()

    async def handler(ctx: Context, how: str) -> str:
        if how == "asks":
            return await twice(ctx)
        if how == "raises":
            raise RPCError(-32050, "no", {"why": "because"})
        return await stage.play()

    async with task_world(tasked(handler)) as world, world.client(STATELESS) as client:
        working = await create(client, {"how": "plays"})
        asks = await create(client, {"how": "asks"})
        raises = await create(client, {"how": "raises"})
        task = await get(client, working["taskId"])
        assert task["status"] == "working"
        assert not {"inputRequests", "result", "error"} & set(task)
        task = await until(client, asks["taskId"], "input_required")
        assert {each["params"]["message"] for each in task["inputRequests"].values()} == {"one?", "two?"}
        task = await until(client, raises["taskId"])
        assert (task["status"], task["error"]) == (
            "failed",
            {"code": -32050, "message": "no", "data": {"why": "because"}},
        )
        await cancel(client, asks["taskId"])
        task = await get(client, asks["taskId"])
        assert task["status"] == "cancelled"
        assert not {"inputRequests", "result", "error"} & set(task)
        stage.go.set()
        task = await until(client, working["taskId"])
        assert (task["status"], bare(task["result"])["content"][0]["text"]) == ("completed", "done")
        for each in (working, asks, raises):
            assert {"createdAt", "lastUpdatedAt", "ttlMs"} <= set(await get(client, each["taskId"]))


async def test_a_tool_s_own_failure_is_a_result_of_a_completed_task(autojump_clock):
    """41."""

    async def handler() -> str:
        raise ToolError("went wrong")

    async with task_world(tasked(handler)) as world, world.client(STATELESS) as client:
        task = await until(client, (await create(client))["taskId"])
        assert task["status"] == "completed"
        assert task["result"]["isError"] is True
        assert task["result"]["content"][0]["text"] == "went wrong"


async def test_no_key_is_used_twice_in_the_life_of_a_task(autojump_clock):
    """42: not for another question, nor for an equal one."""

    async def handler(ctx: Context) -> str:
        for _ in range(3):
            await ctx.elicit("Sure?")
            await ctx.elicit("Really?")
        return "done"

    async with task_world(tasked(handler)) as world, world.client(STATELESS) as client:
        id = (await create(client))["taskId"]
        keys: list[str] = []
        while (task := await until(client, id, "input_required", "completed"))["status"] == "input_required":
            ((key, _),) = task["inputRequests"].items()
            keys.append(key)
            await client.ask("tasks/update", {"taskId": id, "inputResponses": {key: YES}})
        assert len(keys) == len(set(keys)) == 6


async def test_update_takes_a_part_ignores_what_nobody_asks_and_acknowledges_with_nothing(autojump_clock):
    """43."""
    async with task_world(tasked(twice)) as world, world.client(STATELESS) as client:
        id = (await create(client))["taskId"]
        await until(client, id, "input_required")
        await world.rest()
        given = {"taskId": id, "inputResponses": {"one": YES, "never-asked": {"action": "decline"}}}
        assert bare(await client.ask("tasks/update", given)) == {"resultType": "complete"}
        task = await get(client, id)
        assert (task["status"], list(task["inputRequests"])) == ("input_required", ["two"])
        again = {"taskId": id, "inputResponses": {"one": {"action": "decline"}, "two": YES}}
        assert bare(await client.ask("tasks/update", again)) == {"resultType": "complete"}
        task = await until(client, id)
        assert task["result"]["content"][0]["text"] == "accept accept"
        late = {"taskId": id, "inputResponses": {"two": {"action": "decline"}}}
        assert bare(await client.ask("tasks/update", late)) == {"resultType": "complete"}
        assert (await get(client, id))["result"]["content"][0]["text"] == "accept accept"


async def test_an_answer_of_the_wrong_kind_is_refused_and_changes_nothing(autojump_clock):
    """43, 60: malformed is not superseded."""
    async with task_world(tasked(twice)) as world, world.client(STATELESS) as client:
        id = (await create(client))["taskId"]
        await until(client, id, "input_required")
        await world.rest()
        for wrong in (SAID, {"action": "perhaps"}, {"roots": []}, 7):
            given = {"taskId": id, "inputResponses": {"one": YES, "two": wrong}}
            assert (await refusal(client.ask("tasks/update", given))).code == INVALID_PARAMS
        assert set((await get(client, id))["inputRequests"]) == {"one", "two"}
        await cancel(client, id)


async def test_cancel_is_acknowledged_with_nothing_and_a_cancelled_request_ends_no_task(autojump_clock):
    """45."""
    stage = Stage()
    async with task_world(tasked(stage.play)) as world, world.client(STATELESS) as client:
        request = client.start("tools/call", work({"name": "a"}))
        id = (await client.answer_to(request))["result"]["taskId"]
        client.cancel(request)
        await world.rest()
        assert (await status_of(client, id), stage.left) == ("working", [])
        assert bare(await client.ask("tasks/cancel", {"taskId": id})) == {"resultType": "complete"}
        await stage.until(left=1)
        assert (await status_of(client, id), stage.left) == ("cancelled", ["cancelled"])


async def test_an_unknown_task_is_an_invalid_parameter_of_get_update_and_cancel(autojump_clock):
    """46."""
    async with task_world(tasked(quick)) as world, world.client(STATELESS) as client:
        for method, more in (("tasks/get", {}), ("tasks/update", {"inputResponses": {}}), ("tasks/cancel", {})):
            assert (await refusal(client.ask(method, {"taskId": "unknown", **more}))).code == INVALID_PARAMS
            assert (await refusal(client.ask(method, more))).code == INVALID_PARAMS


async def test_who_does_not_declare_the_extension_may_not_speak_of_tasks(autojump_clock):
    """47."""
    async with task_world(tasked(quick)) as world, world.client(STATELESS) as client:
        id = (await create(client))["taskId"]
        client.capabilities = WITHOUT_TASKS
        requests = {
            "tasks/get": {"taskId": id},
            "tasks/update": {"taskId": id, "inputResponses": {}},
            "tasks/cancel": {"taskId": id},
            "subscriptions/listen": {"notifications": {"taskIds": [id]}},
        }
        for method, params in requests.items():
            error = await refusal(client.ask(method, params))
            assert (method, error.code, error.data) == (method, MISSING_CAPABILITY, NEEDED)


async def test_listening_agrees_to_known_tasks_and_tells_what_get_would(autojump_clock):
    """48."""
    async with task_world(tasked(asking)) as world, world.client(STATELESS) as client:
        id = (await create(client))["taskId"]
        stream = client.start("subscriptions/listen", {"notifications": {"taskIds": [id, "unknown"]}})
        ack = await client.notification("notifications/subscriptions/acknowledged")
        assert ack["params"]["notifications"] == {"taskIds": [id]}
        assert ack["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == stream

        async def told(status: str) -> None:
            while (news := (await client.notification("notifications/tasks"))["params"])["status"] != status:
                pass
            meta = news.pop("_meta")
            assert meta["io.modelcontextprotocol/subscriptionId"] == stream
            assert news == {key: value for key, value in bare(await get(client, id)).items() if key != "resultType"}

        await told("input_required")
        keys = (await get(client, id))["inputRequests"]
        await client.ask("tasks/update", {"taskId": id, "inputResponses": dict.fromkeys(keys, YES)})
        await told("completed")
        client.cancel(stream)


async def test_progress_and_messages_of_a_task_are_not_on_its_listen_stream(autojump_clock):
    """49."""
    stage = Stage()

    async def handler(ctx: Context) -> str:
        await stage.play()
        await ctx.progress(1, 2)
        await ctx.log("error", "text")
        return "done"

    async with task_world(tasked(handler)) as world, world.client(STATELESS) as client:
        meta = {"progressToken": "p", "io.modelcontextprotocol/logLevel": "debug"}
        id = (await create(client, meta=meta))["taskId"]
        stream = client.start("subscriptions/listen", {"notifications": {"taskIds": [id]}, "_meta": meta})
        await client.notification("notifications/subscriptions/acknowledged")
        stage.go.set()
        await until(client, id)
        await world.rest()
        sent = {each["method"] for each in client.untaken}
        assert sent == {"notifications/tasks"}
        client.cancel(stream)


async def test_over_http_the_headers_name_the_task_and_a_mismatch_is_refused():
    """50: `Mcp-Name` is the task's id on get, update and cancel."""
    app = tasked(quick)
    with trio.fail_after(30):
        async with task_world(app) as world:
            asgi = create_asgi_app(ServerHandle(app), runtime=world.runtime)
            transport = InProcessTransport(world.runtime, asgi)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000", timeout=None) as http:

                async def ask(method: str, params: Any, name: str | None, **more: Any) -> Any:
                    return await http.post("/mcp", **modern(method, params, name=name, capabilities=WITH_TASKS, **more))

                created = (await ask("tools/call", work(), "work")).json()["result"]
                id = created["taskId"]
                for method, more in (("tasks/get", {}), ("tasks/update", {"inputResponses": {}}), ("tasks/cancel", {})):
                    params = {"taskId": id, **more}
                    assert (await ask(method, params, id)).status_code == 200
                    refused = await ask(method, params, "other")
                    assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32020)


async def test_ids_are_long_and_told_to_nobody_else(autojump_clock):
    """51: at least 128 bits; another principal's id is answered as one that never was, in every method."""
    async with task_world(tasked(asking)) as world:
        ann, bob = world.client(STATELESS, principal="ann"), world.client(STATELESS, principal="bob")
        async with ann as ann, bob as bob:
            ids = {(await create(ann))["taskId"] for _ in range(20)}
            assert len(ids) == 20
            assert all(len(id) >= 22 for id in ids)  # 22 characters of base64 hold 128 bits
            id, random = ids.pop(), "A" * 32
            for method, more in (("tasks/get", {}), ("tasks/update", {"inputResponses": {}}), ("tasks/cancel", {})):
                errors = [await refusal(bob.ask(method, {"taskId": each, **more})) for each in (id, random)]
                said = {
                    (each.code, each.message.replace(id, "…").replace(random, "…"), str(each.data)) for each in errors
                }
                assert len(said) == 1, said
            bob.start("subscriptions/listen", {"notifications": {"taskIds": [id, random]}})
            ack = await bob.notification("notifications/subscriptions/acknowledged")
            assert "taskIds" not in ack["params"]["notifications"] or ack["params"]["notifications"]["taskIds"] == []
            assert (await until(ann, id, "input_required"))["status"] == "input_required"
            for each in (id, *ids):
                await cancel(ann, each)
            await bob.expect_none()


async def test_what_the_older_generation_had_is_gone(autojump_clock):
    """53: its methods unknown, its member ignored, its capabilities not advertised."""
    async with task_world(tasked(quick)) as world, world.client(STATELESS) as client:
        id = (await create(client))["taskId"]
        for method in ("tasks/result", "tasks/list"):
            assert (await refusal(client.ask(method, {"taskId": id}))).code == METHOD_NOT_FOUND
        discovered = await client.ask("server/discover")
        assert "tasks" not in discovered["capabilities"]
        (tool,) = (await client.ask("tools/list"))["tools"]
        assert "taskSupport" not in json.dumps(tool)
        answer = await client.ask("tools/call", work(task={"ttl": "not a number"}))
        assert (answer["resultType"], answer["ttlMs"]) == ("task", 3_600_000)
        for junk in (7, None, [], {"ttl": -1}):
            assert (await client.ask("tools/call", work(task=junk)))["resultType"] == "task"


async def test_the_extension_makes_no_tasks_under_the_older_generation(autojump_clock):
    """54: and a client of that one gets and cancels its own tasks."""
    stage = Stage()
    async with task_world(tasked(stage.play)) as world, world.client(STATEFUL) as client:
        assert EXTENSION in client.capabilities["extensions"]
        assert EXTENSION not in json.dumps(client.introduction)
        answering = client.start("tools/call", work({"name": "plain"}))
        created = await create(client, {"name": "task"})
        await stage.until(entered=2)
        assert (await get(client, created["taskId"]))["status"] == "working"
        cancelled = await client.ask("tasks/cancel", {"taskId": created["taskId"]})
        assert cancelled["status"] == "cancelled"
        stage.go.set()
        assert (await client.answer_to(answering))["result"]["content"][0]["text"] == "done"
        assert (
            await refusal(client.ask("tasks/update", {"taskId": "x", "inputResponses": {}}))
        ).code == METHOD_NOT_FOUND


async def test_an_app_without_tasks_knows_nothing_of_them(autojump_clock):
    """47, 48: what is not declared is not served, in either generation."""
    app = FastZCP("Plain")
    app.tool(name="work")(quick)
    async with task_world(app) as world, world.client(STATELESS) as new, world.client(STATEFUL) as old:
        for client in (old, new):
            for method in ("tasks/get", "tasks/cancel"):
                assert (await refusal(client.ask(method, {"taskId": "x"}))).code == METHOD_NOT_FOUND
        assert EXTENSION not in json.dumps(await new.ask("server/discover"))
        assert "tasks" not in old.introduction["capabilities"]
        new.start("subscriptions/listen", {"notifications": {"taskIds": ["x"], "toolsListChanged": True}})
        ack = await new.notification("notifications/subscriptions/acknowledged")
        assert ack["params"]["notifications"] == {"toolsListChanged": True}
        assert RELATED not in str(list(new.transcript))
