"""
Our client and the tasks of `mcp` 1.30.0, the last official release with those of 2025-11-25, over stdio and HTTP.

Its server can also ask our client by a task: then we are the receiver, and it polls.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest
import trio
from interop.stage import open_stage
from peers import mcp1_program, needs_mcp1
from served import serving

from zcp_actors import Command, Inbox, ZCPClientSession, open_runtime
from zcp_actors.errors import CapabilityMissing, RequestCancelled, RPCError
from zcp_actors.transports.http.client_way import HTTPWay
from zcp_actors.transports.stdio import ChildWay

pytestmark = needs_mcp1
PROGRAM = "mcp1_task_server.py"
RELATED = "io.modelcontextprotocol/related-task"


class Host:
    """An open client, the way to its server, and all that crossed."""

    def __init__(self):
        self.client = self.runtime = None
        self.lines, self.asked, self.progress = [], [], []

    def ask_person(self, request):
        self.asked.append(request)
        return {"accepted": True, "data": {"answer": "yes"}}

    def ask_model(self, request):
        self.asked.append(request)
        return "short"

    def wrote(self, side):
        return [json.loads(line) for each, line in self.lines if each == side]

    def sent(self, method):
        """How often our client sent this."""
        return sum(message.get("method") == method for message in self.wrote("out"))

    def given_up(self):
        """Methods of the requests that our client cancelled by a notification; one may be a poll that came too late."""
        wrote = self.wrote("out")
        asked = {each["id"]: each["method"] for each in wrote if "id" in each and "method" in each}
        notices = [each for each in wrote if each.get("method") == "notifications/cancelled"]
        return [asked[each["params"]["requestId"]] for each in notices]

    def answers(self):
        """The results of our client, by the method of the server's request."""
        asked = {each["id"]: each["method"] for each in self.wrote("in") if "id" in each and "method" in each}
        return [(asked[each["id"]], each["result"]) for each in self.wrote("out") if "result" in each]

    async def pending(self):
        """The question that waits, as soon as there is one."""
        await until(self.runtime.pending)
        (found,) = self.runtime.pending()
        return found


async def until(claim):
    while not claim():  # noqa: ASYNC110 - of another process one can only ask
        await trio.sleep(0.01)


@asynccontextmanager
async def connected(transport, **options):
    host = Host()

    def tap(*line):
        host.lines.append(line)

    async with open_runtime() as host.runtime, way_to(transport, tap) as way:
        answering = {"elicitation_handler": host.ask_person, "sampling_handler": host.ask_model}
        async with ZCPClientSession(way, **{**answering, **options}) as host.client:
            yield host


@asynccontextmanager
async def way_to(transport, tap):
    if transport == "stdio":
        yield ChildWay(Command(mcp1_program(PROGRAM)), tap=tap)
    else:
        async with serving(mcp1_program(PROGRAM, "http")) as url:
            yield HTTPWay(url, tap=tap)


@pytest.fixture(scope="module", params=["stdio", "http"])
def stage(request):
    with open_stage(lambda: connected(request.param)) as opened:
        yield opened


@pytest.fixture
def host(stage):
    for record in (stage.scene.lines, stage.scene.asked, stage.scene.progress):
        record.clear()
    return stage.scene


def text(result):
    return result.content[0].text


def test_a_task_gives_the_result_of_the_plain_call(stage, host):
    async def both():
        handle = await host.client.call_tool_as_task("quick", {"text": "hello"}, ttl=60_000)
        statuses = [view.status async for view in handle]
        return handle, statuses, await handle.result(), await host.client.call_tool("quick", {"text": "hello"})

    handle, statuses, result, plain = stage.run(both)
    assert text(result) == text(plain) == "hello"
    assert statuses[-1] == handle.status == "completed"
    assert set(statuses) <= {"working", "completed"}
    assert handle["task"]["taskId"] == handle.id


def test_a_task_is_looked_at_and_listed_and_its_result_taken_by_its_id(stage, host):
    async def by_id():
        handle = await host.client.call_tool_as_task("slow", {"seconds": 0.3}, ttl=60_000)
        first = await host.client.get_task(handle.id)
        listed = await host.client.list_tasks()
        result = await host.client.get_task_result(handle.id)
        return handle, first, listed, result, await host.client.get_task(handle.id)

    handle, first, listed, result, last = stage.run(by_id)
    assert (first.status, last.status) == ("working", "completed")
    assert handle.id in {task.task_id for task in listed.tasks}
    assert text(result) == "slept"
    assert first["task"]["ttl"] == 60_000


def test_a_question_of_a_task_is_answered_and_names_it(stage, host):
    async def asked():
        handle = await host.client.call_tool_as_task("asks")
        return handle, await handle.result()

    handle, result = stage.run(asked)
    assert text(result) == "accept {'answer': 'yes'}"
    assert [request.message for request in host.asked] == ["Shall we?"]
    assert host.asked[0].meta[RELATED] == {"taskId": handle.id}


def test_a_caller_who_only_polls_sees_a_task_that_asks_go_on(stage, host):
    """`tasks/result`, which brings the question, is opened by the session, once."""

    async def polled():
        handle = await host.client.call_tool_as_task("asks")
        while not (view := await host.client.get_task(handle.id)).ended:  # noqa: ASYNC110 - this is a poll
            await trio.sleep(0.01)
        return view

    assert stage.run(polled).status == "completed"
    assert len(host.asked) == 1
    assert host.sent("tasks/result") == 1


def test_a_task_samples(stage, host):
    async def sampled():
        return await (await host.client.call_tool_as_task("samples")).result()

    assert text(stage.run(sampled)) == "short"


def test_a_tool_that_requires_a_task_is_called_like_any_other(stage, host):
    async def called():
        await host.client.list_tools()
        return await host.client.call_tool("required")

    assert text(stage.run(called)) == "required"


def test_a_tool_that_forbids_tasks_is_not_asked_for_one(stage, host):
    """Requirement 5: a client MUST NOT."""

    async def refused():
        await host.client.list_tools()
        host.lines.clear()
        with pytest.raises(CapabilityMissing, match="never runs as a task"):
            await host.client.call_tool_as_task("forbidden")

    stage.run(refused)
    assert host.sent("tools/call") == 0


def test_a_tools_own_failure_is_its_result(stage, host):
    """This server calls such a task completed; the result is the same."""

    async def failed():
        return await (await host.client.call_tool_as_task("fails")).result()

    result = stage.run(failed)
    assert (result.is_error, text(result)) == (True, "the oven is cold")


def test_progress_goes_on_after_the_call_was_answered(stage, host):
    """Requirement 28: the token of the call stays in use."""

    async def reported():
        handle = await host.client.call_tool_as_task("reports", on_progress=host.progress.append)
        begun = len(host.progress)
        await handle.result()
        return begun

    begun = stage.run(reported)
    assert [report.progress for report in host.progress] == [1, 2, 3]
    assert begun < 3


def test_what_is_no_task_is_an_error_of_the_server(stage, host):
    async def refused():
        codes = []
        for ask in (host.client.get_task, host.client.get_task_result, host.client.cancel_task):
            with pytest.raises(RPCError) as caught:
                await ask("nobody")
            codes.append(caught.value.code)
        return codes

    assert stage.run(refused) == [-32602, -32602, -32602]


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_task_is_cancelled(transport):
    """In a session of its own: this server's does not survive the end of the work of a cancelled task."""
    with trio.fail_after(30):
        async with connected(transport) as host:
            handle = await host.client.call_tool_as_task("slow", {"seconds": 60})
            cancelled = await handle.cancel()
            seen = await host.client.get_task(handle.id)
            with pytest.raises(RequestCancelled):
                await handle.result()
            with pytest.raises(RPCError) as again:
                await host.client.cancel_task(handle.id)

    assert cancelled.status == seen.status == handle.status == "cancelled"
    assert again.value.code == -32602
    assert host.sent("tasks/cancel") == 2
    assert "tools/call" not in host.given_up()


async def test_a_task_that_asks_is_cancelled_and_its_question_withdrawn():
    with trio.fail_after(30):
        async with connected("stdio", elicitation_handler=Inbox()) as host:
            handle = await host.client.call_tool_as_task("asks")
            pending = await host.pending()
            await handle.cancel()
            await until(lambda: not host.runtime.pending())

    assert pending.task == handle.id
    assert handle.status == "cancelled"


ANSWERS = [("asks_as_task", "accept {'answer': 'yes'}"), ("samples_as_task", "short")]


@pytest.mark.parametrize(("tool", "answer"), ANSWERS)
def test_a_question_that_is_to_be_a_task_of_ours_is_one(stage, host, tool, answer):
    """The server asks with `task`, polls our client, and fetches the result from it."""

    async def asked():
        return await (await host.client.call_tool_as_task(tool)).result()

    assert text(stage.run(asked)) == answer
    assert len(host.asked) == 1
    (_, created), *polls, (last, result) = host.answers()
    assert (created["task"]["status"], created["task"]["ttl"]) == ("working", 60_000)
    assert {method for method, _ in polls} == {"tasks/get"}
    assert polls[-1][1]["status"] == "completed"
    assert (last, result["_meta"][RELATED]) == ("tasks/result", {"taskId": created["task"]["taskId"]})


async def test_a_question_that_is_a_task_of_ours_waits_for_its_person():
    """The server polls meanwhile and sees the task at work."""
    with trio.fail_after(30):
        async with connected("stdio", elicitation_handler=Inbox()) as host:
            handle = await host.client.call_tool_as_task("asks_as_task")
            pending = await host.pending()
            await until(lambda: any(method == "tasks/get" for method, _ in host.answers()))
            host.runtime.answer(pending.id, {"accepted": True, "data": {"answer": "later"}})
            result = await handle.result()

    assert text(result) == "accept {'answer': 'later'}"
    polls = [result["status"] for method, result in host.answers() if method == "tasks/get"]
    assert (polls[0], polls[-1]) == ("working", "completed")
