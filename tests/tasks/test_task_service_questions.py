"""The questions of tasks: how each generation is asked, by whom answered, and what is told of it meanwhile."""

from __future__ import annotations

import pytest
import trio
from network.http_site import BOTH, Events
from network.http_site import Session as HTTPSession
from task_service_world import (
    RELATED,
    SAID,
    STATEFUL,
    STATELESS,
    WITH_TASKS,
    YES,
    Stage,
    cancel,
    create,
    status_of,
    task_world,
    tasked,
    text_of,
    until,
    work,
)

from zcp_actors import Context, ServerHandle
from zcp_actors.errors import RPCError
from zcp_actors.tasks.asking import unrelated
from zcp_actors.testing import always_replay
from zcp_actors.transports.http.app import create_asgi_app
from zcp_actors.transports.http.in_process import InProcessTransport
from zcp_actors.transports.http.streams import HIGH_WATER_EVENTS

both_eras = pytest.mark.parametrize("era", [STATEFUL, STATELESS])
NO = {"action": "decline"}


async def asking(ctx: Context) -> str:
    return (await ctx.elicit("Sure?")).action


async def pair(ctx: Context) -> str:
    answers = {}

    async def ask(name: str) -> None:
        answers[name] = (await ctx.elicit(f"{name}?", key=name)).action

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "one")
        nursery.start_soon(ask, "two")
    return f"{answers['one']} {answers['two']}"


def told(client) -> list[str]:
    """The statuses that the client was told of, and did not take yet."""
    return [each["params"]["status"] for each in client.untaken if each["method"] == "notifications/tasks/status"]


# ---- 2025-11-25
async def test_on_one_pipe_a_question_is_asked_at_once_without_a_request_that_waits(autojump_clock):
    async with task_world(tasked(asking)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        question = await client.request("elicitation/create")
        assert question["params"]["_meta"][RELATED] == {"taskId": id}
        assert await status_of(client, id) == "input_required"
        client.reply(question, YES)
        task = await until(client, id)
        assert task["status"] == "completed"
        assert text_of(await client.ask("tasks/result", {"taskId": id})) == "accept"


async def test_two_requests_for_a_result_ask_a_question_once_and_both_get_the_result(autojump_clock):
    async with task_world(tasked(asking)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        waiting = [client.start("tasks/result", {"taskId": id}) for _ in range(2)]
        question = await client.request("elicitation/create")
        await world.rest()
        assert [each["method"] for each in client.untaken if "id" in each] == []
        client.reply(question, YES)
        results = [(await client.answer_to(each))["result"] for each in waiting]
        assert [text_of(result) for result in results] == ["accept"] * 2
        assert all(result["_meta"][RELATED] == {"taskId": id} for result in results)


async def test_a_question_is_asked_again_by_another_request_when_the_one_that_asked_is_given_up(autojump_clock):
    """Two sessions of one principal; the first has neither the task's questions nor a pipe any more."""
    async with task_world(tasked(asking)) as world:
        async with world.client(STATEFUL, principal="ann") as maker:
            id = (await create(maker))["taskId"]
            await maker.request("elicitation/create")
        clients = world.client(STATEFUL, principal="ann"), world.client(STATEFUL, principal="ann")
        async with clients[0] as first, clients[1] as second:
            asked = first.start("tasks/result", {"taskId": id})
            question = await first.request("elicitation/create")
            waiting = second.start("tasks/result", {"taskId": id})
            await world.rest()
            assert [each["method"] for each in second.untaken] == []
            first.cancel(asked)
            withdrawn = await first.notification("notifications/cancelled")
            assert withdrawn["params"]["requestId"] == question["id"]
            second.reply(await second.request("elicitation/create"), YES)
            assert text_of((await second.answer_to(waiting))["result"]) == "accept"


async def test_a_client_that_cannot_be_asked_leaves_the_question_to_one_that_can(autojump_clock):
    """The task was made by a client with a person; the same principal's other program has none."""
    async with task_world(tasked(asking)) as world:
        async with world.client(STATEFUL, principal="ann") as maker:
            id = (await create(maker))["taskId"]
            await maker.request("elicitation/create")
        mute = world.client(STATEFUL, principal="ann", capabilities={"roots": {}})
        async with mute as program, world.client(STATEFUL, principal="ann") as person:
            blocked = program.start("tasks/result", {"taskId": id})
            waiting = person.start("tasks/result", {"taskId": id})
            person.reply(await person.request("elicitation/create"), YES)
            assert text_of((await person.answer_to(waiting))["result"]) == "accept"
            assert text_of((await program.answer_to(blocked))["result"]) == "accept"
            assert "elicitation/create" not in str(list(program.transcript))


async def test_a_handler_that_asks_a_client_without_the_capability_is_told_so(autojump_clock):
    async with (
        task_world(tasked(asking)) as world,
        world.client(STATEFUL, capabilities={"roots": {}}) as client,
    ):
        task = await until(client, (await create(client))["taskId"])
        assert task["status"] == "failed"
        assert "elicitation" in task["statusMessage"]


async def test_two_open_questions_are_two_requests_and_the_first_answer_of_each_stands(autojump_clock):
    async with task_world(tasked(pair)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        questions = {}
        for _ in range(2):
            question = await client.request("elicitation/create")
            questions[question["params"]["message"]] = question
        client.reply(questions["two?"], NO)
        await world.rest()
        assert await status_of(client, id) == "input_required"
        client.reply(questions["two?"], YES)
        client.reply(questions["one?"], YES)
        assert text_of(await client.ask("tasks/result", {"taskId": id})) == "accept decline"


async def test_a_refused_question_is_an_error_in_the_handler(autojump_clock):
    async def handler(ctx: Context) -> str:
        try:
            await ctx.sample("Write")
        except RPCError as error:
            return f"{error.code} {error.message}"
        return "answered"

    async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        client.error(await client.request("sampling/createMessage"), -1, "User rejected sampling request")
        assert text_of(await client.ask("tasks/result", {"taskId": id})) == "-1 User rejected sampling request"


async def test_an_answer_of_the_wrong_shape_is_an_error_in_the_handler_and_ends_nothing_else(autojump_clock):
    async def handler(ctx: Context) -> str:
        try:
            await ctx.elicit("Sure?")
        except RPCError as error:
            return str(error.code)
        return "answered"

    async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        client.reply(await client.request("elicitation/create"), {"action": 7})
        assert text_of(await client.ask("tasks/result", {"taskId": id})) == "-32600"


async def test_the_question_of_a_cancelled_task_is_withdrawn_at_the_client(autojump_clock):
    async with task_world(tasked(asking)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        question = await client.request("elicitation/create")
        cancelled = await client.ask("tasks/cancel", {"taskId": id})
        assert cancelled["status"] == "cancelled"
        withdrawn = await client.notification("notifications/cancelled")
        assert withdrawn["params"]["requestId"] == question["id"]
        client.reply(question, YES)
        await world.rest()
        assert await status_of(client, id) == "cancelled"


async def test_a_question_that_its_handler_gives_up_is_withdrawn_and_the_task_works_again(autojump_clock):
    stage = Stage()

    async def handler(ctx: Context) -> str:
        with trio.move_on_after(5):
            await ctx.elicit("Sure?")
        return await stage.play()

    async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        question = await client.request("elicitation/create")
        await stage.until(entered=1)
        withdrawn = await client.notification("notifications/cancelled")
        assert withdrawn["params"]["requestId"] == question["id"]
        assert await status_of(client, id) == "working"
        client.reply(question, YES)
        stage.go.set()
        assert (await until(client, id))["status"] == "completed"


# ---- what is told
async def test_a_client_is_told_of_what_it_can_see_change_and_of_nothing_else(autojump_clock):
    stage = Stage()

    async def handler(ctx: Context) -> str:
        task = ctx.task
        await task.update_status("reading")
        await task.update_status("reading")
        await pair(ctx)
        await ctx.once("effect", lambda: 1)
        return await stage.play()

    async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        first, second = await client.request(), await client.request()
        await world.rest()
        assert told(client) == ["working", "input_required"]
        client.reply(first, YES)
        await world.rest()
        assert told(client) == ["working", "input_required"]
        client.reply(second, YES)
        await stage.until(entered=1)
        stage.go.set()
        await until(client, id)
        assert told(client) == ["working", "input_required", "working", "completed"]
        for each in client.untaken:
            params = each["params"]
            assert {"taskId", "status", "createdAt", "lastUpdatedAt", "ttl"} <= set(params)
            assert RELATED not in params.get("_meta", {})


async def test_progress_goes_on_under_the_first_token_rises_and_ends_with_the_task(autojump_clock):
    stage = Stage()
    kept = []

    async def handler(ctx: Context) -> str:
        kept.append(ctx)
        for value in (1, 1, 0.5, 2, float("nan"), 3):
            await ctx.progress(value, 4)
        await ctx.task.progress(4, message="all")
        return await stage.play()

    async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
        id = (await create(client, meta={"progressToken": "p"}))["taskId"]
        await stage.until(entered=1)
        stage.go.set()
        await until(client, id)
        await kept[0].progress(5)
        await world.rest()
        reports = [each["params"] for each in client.untaken if each["method"] == "notifications/progress"]
        assert [each["progress"] for each in reports] == [1, 2, 3, 4]
        assert {each["progressToken"] for each in reports} == {"p"}
        assert all(each["_meta"][RELATED] == {"taskId": id} for each in reports)
        methods = [each["method"] for each in client.untaken]
        assert methods[-1] == "notifications/tasks/status"


async def test_without_a_token_there_is_no_progress_and_a_log_message_names_its_task(autojump_clock):
    async def handler(ctx: Context) -> str:
        await ctx.progress(1)
        await ctx.debug("too fine")
        await ctx.warning({"at": "work"}, logger="mine")
        return "done"

    async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        message = (await client.notification("notifications/message"))["params"]
        assert message == {
            "level": "warning",
            "data": {"at": "work"},
            "logger": "mine",
            "_meta": {RELATED: {"taskId": id}},
        }
        await until(client, id)
        assert {each["method"] for each in client.untaken} == {"notifications/tasks/status"}


# ---- replay, once
@both_eras
async def test_a_task_that_is_replayed_at_every_question_ends_as_one_that_is_not(era, autojump_clock):
    runs, effects = [], []

    async def handler(ctx: Context) -> str:
        runs.append(ctx.task.id)
        first = await ctx.elicit("First?")
        paid = await ctx.once("pay", lambda: effects.append(1) or len(effects))
        second = await ctx.sample("Write")
        both = await pair(ctx)
        return f"{first.action} {paid} {second.content.text} {both}"

    def answer(message):
        return SAID if message["method"] == "sampling/createMessage" else YES

    automatic = {"elicitation/create": YES, "sampling/createMessage": SAID} if era == STATEFUL else {}
    with always_replay():
        async with task_world(tasked(handler)) as world, world.client(era, automatic=automatic) as client:
            id = (await create(client))["taskId"]
            with trio.fail_after(100):
                while (task := await until(client, id, "input_required", "completed", "failed"))[
                    "status"
                ] == "input_required":
                    if era == STATELESS:
                        responses = {key: answer(each) for key, each in task["inputRequests"].items()}
                        await client.ask("tasks/update", {"taskId": id, "inputResponses": responses})
                    await trio.sleep(0.1)
            result = task["result"] if era == STATELESS else await client.ask("tasks/result", {"taskId": id})
            assert text_of(result) == "accept 1 said accept accept"
            assert len(runs) > 2
            assert set(runs) == {id}
            assert effects == [1]


@both_eras
async def test_a_plain_function_runs_as_a_task_and_its_once_block_runs_once(era, autojump_clock):
    effects = []

    async def handler(ctx: Context) -> str:
        first = await ctx.once("pay", lambda: effects.append("paid") or "receipt")
        answer = await ctx.elicit("Sure?")
        return f"{first} {answer.action}"

    async with task_world(tasked(handler)) as world, world.client(era) as client:
        id = (await create(client))["taskId"]
        await until(client, id, "input_required")
        rows = list((await world.service.store.entries(next(iter(world.service.cells)))).values())
        assert [row[1] for row in rows] == ["once", "question"]
        assert rows[0][5] == {"result": "receipt"}
        await cancel(client, id)
        assert effects == ["paid"]


# ---- over HTTP
class Line:
    """A client of 2025-11-25 over HTTP, one session."""

    def __init__(self, http, headers) -> None:
        self.http, self.headers, self._session = http, headers, HTTPSession(http, headers)
        self._ids = iter(range(1, 1000))

    async def ask(self, method, params):
        reply = await self._session.post(id=next(self._ids), method=method, params=params)
        return reply.json()["result"]

    def stream(self, method, params):
        self.last = next(self._ids)
        body = {"jsonrpc": "2.0", "id": self.last, "method": method, "params": params}
        return self.http.stream("POST", "/mcp", json=body, headers=self.headers)

    def listen(self):
        return self._session.listen()

    async def notify(self, method, params):
        assert (await self._session.post(method=method, params=params)).status_code == 202

    async def reply(self, question, result):
        assert (await self._session.post(id=question["id"], result=result)).status_code == 202


async def opened(world, http) -> Line:
    params = {
        "protocolVersion": STATEFUL,
        "capabilities": WITH_TASKS,
        "clientInfo": {"name": "t", "version": "1"},
    }
    message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    reply = await http.post("/mcp", json=message, headers=BOTH)
    line = Line(http, {**BOTH, "mcp-session-id": reply.headers["mcp-session-id"]})
    await line._session.post(method="notifications/initialized")
    return line


@pytest.fixture
def over_http():
    from contextlib import asynccontextmanager

    import httpx

    @asynccontextmanager
    async def opening(app):
        with trio.fail_after(30):
            async with task_world(app) as world:
                asgi = create_asgi_app(ServerHandle(app), runtime=world.runtime)
                transport = InProcessTransport(world.runtime, asgi)
                client = httpx.AsyncClient(transport=transport, base_url="http://localhost:8000", timeout=None)
                async with client as http:
                    line = await opened(world, http)
                    yield world, line
                    await line._session.delete()

    return opening


async def question_on(events):
    while (message := await events.next()) is not None:
        if message.get("method") == "elicitation/create":
            return message
    raise AssertionError("the stream ended without a question")


async def task_over(line, *statuses):
    task = (await line.ask("tools/call", work(task={})))["task"]
    while statuses and (await line.ask("tasks/get", {"taskId": task["taskId"]}))["status"] not in statuses:
        await trio.lowlevel.checkpoint()
    return task["taskId"]


async def test_over_http_a_question_is_asked_on_the_stream_of_who_wants_the_result(over_http):
    async with over_http(tasked(asking)) as (_, line):
        id = await task_over(line, "input_required")
        async with line.stream("tasks/result", {"taskId": id}) as response:
            events = Events(response)
            question = await question_on(events)
            assert question["params"]["_meta"][RELATED] == {"taskId": id}
            await line.reply(question, YES)
            assert text_of((await events.rest())[-1]["result"]) == "accept"


async def test_over_http_a_question_is_asked_on_an_open_stream_for_what_belongs_to_no_request(over_http):
    async with (
        over_http(tasked(asking)) as (_, line),
        line.listen() as response,
    ):
        id = await task_over(line)
        question = await question_on(Events(response))
        assert question["params"]["_meta"][RELATED] == {"taskId": id}
        await line.reply(question, YES)
        assert text_of(await line.ask("tasks/result", {"taskId": id})) == "accept"


async def test_over_http_a_question_that_waits_is_asked_when_such_a_stream_is_opened(over_http):
    async with over_http(tasked(asking)) as (_, line):
        id = await task_over(line, "input_required")
        async with line.listen() as response:
            question = await question_on(Events(response))
            await line.reply(question, YES)
            assert text_of(await line.ask("tasks/result", {"taskId": id})) == "accept"


@pytest.mark.parametrize("lost", ["result", "listen"])
async def test_over_http_a_question_goes_to_who_reads_when_the_one_it_was_sent_to_is_gone(lost, over_http):
    async with over_http(tasked(asking)) as (world, line):
        if lost == "listen":
            async with line.listen() as response:
                id = await task_over(line)
                old = await question_on(Events(response))
        else:
            id = await task_over(line, "input_required")
            async with line.stream("tasks/result", {"taskId": id}) as response:
                old = await question_on(Events(response))
        await world.rest()
        async with line.stream("tasks/result", {"taskId": id}) as response:
            events = Events(response)
            question = await question_on(events)
            assert question["id"] != old["id"]
            await line.reply(question, YES)
            assert text_of((await events.rest())[-1]["result"]) == "accept"


async def test_a_handler_that_asks_one_question_after_another_is_answered_to_its_end(autojump_clock):
    """Each is asked at once, also the one that comes while what brought the last one is just ending."""
    stage = Stage()

    async def handler(ctx: Context) -> str:
        for number in range(50):
            await ctx.elicit(f"{number}?", key=str(number))
            for _ in range(number % 5):
                await trio.lowlevel.checkpoint()
        return "done"

    async with task_world(tasked(handler)) as world, world.client(STATEFUL) as client:
        id = (await create(client))["taskId"]
        for number in range(50):
            question = await client.request("elicitation/create")
            assert question["params"]["message"] == f"{number}?"
            client.reply(question, YES)
        assert (await until(client, id))["status"] == "completed"
        assert stage.left == []


async def test_over_http_a_client_that_reads_no_news_of_its_tasks_costs_no_more_the_more_there_is(over_http):
    """Of each task only the newest is kept when nobody has read for long."""

    async def handler(ctx: Context) -> str:
        for number in range(3 * HIGH_WATER_EVENTS):
            await ctx.task.update_status(f"step {number}")
        return "done"

    async with over_http(tasked(handler)) as (_, line):
        id = await task_over(line, "completed")
        async with line.listen() as response:
            events, told = Events(response), []
            while not told or told[-1]["params"]["status"] != "completed":
                told.append(await events.next())
            assert {each["params"]["taskId"] for each in told} == {id}
            assert len(told) <= HIGH_WATER_EVENTS + 1


@pytest.mark.parametrize("id", [0, ""], ids=["zero", "empty"])
async def test_a_question_of_a_call_with_a_falsy_id_travels_on_that_call_s_stream(id, over_http):
    async with (
        over_http(tasked(asking)) as (_, line),
        line._session.stream(id, "work") as response,
    ):
        events = Events(response)
        question = await question_on(events)
        await line.reply(question, YES)
        last = (await events.rest())[-1]
        assert (last["id"], text_of(last["result"])) == (id, "accept")


def test_an_answer_is_kept_without_what_tied_it_to_its_task_on_the_way():
    tied = {"io.modelcontextprotocol/related-task": {"taskId": "t"}}

    assert unrelated({"action": "accept", "_meta": tied}) == {"action": "accept"}
    assert unrelated({"role": "assistant", "_meta": {**tied, "mine": 1}}) == {"role": "assistant", "_meta": {"mine": 1}}


async def test_over_http_who_gave_a_question_away_asks_it_again_when_the_other_gives_up(over_http, caplog):
    async with over_http(tasked(asking)) as (world, line):
        async with line.listen() as response:
            id = await task_over(line)
            first = await question_on(Events(response))
        await world.rest()
        async with line.stream("tasks/result", {"taskId": id}) as response:
            second = await question_on(Events(response))
            waiting = line.last
            async with line.listen() as reopened:
                await line.notify("notifications/cancelled", {"requestId": waiting})
                third = await question_on(Events(reopened))
                assert len({first["id"], second["id"], third["id"]}) == 3
                await line.reply(third, YES)
                assert text_of(await line.ask("tasks/result", {"taskId": id})) == "accept"
    assert caplog.text == ""
