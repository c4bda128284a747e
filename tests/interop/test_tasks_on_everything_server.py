"""
Our client and the task tools of server-everything, the reference server of the protocol's authors, over stdio and HTTP.

`simulate-research-query` is a task of four stages, a second each, and asks in the third when its question is ambiguous;
two others ask our client by a task, and poll it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio
from interop.stage import open_stage
from interop.test_everything_server import client_of
from peers import needs_everything

from zcp_actors import open_runtime
from zcp_actors.errors import CapabilityMissing, RequestCancelled, RPCError

pytestmark = needs_everything
RESEARCH = "simulate-research-query"
SAMPLING, ELICITATION = "trigger-sampling-request-async", "trigger-elicitation-request-async"
RELATED = "io.modelcontextprotocol/related-task"
SECONDS = 28


class Host:
    def __init__(self):
        self.asked = []
        self.client = None

    def ask_person(self, request):
        self.asked.append(request)
        if "interpretation" in request.requested_schema["properties"]:
            return {"accepted": True, "data": {"interpretation": "snake"}}
        return {"accepted": True, "data": {"name": "Ada"}}

    def ask_model(self, request):
        self.asked.append(request)
        return {"content": "A short answer.", "model": "tiny"}


class Findings:
    """What came of everything below, done at once: most of it is waiting."""

    def __init__(self):
        self.statuses = {}
        self.results = {}
        self.ids = {}

    async def research(self, client, name, **arguments):
        handle = await client.call_tool_as_task(RESEARCH, {"topic": "python", **arguments}, ttl=60_000)
        self.ids[name] = handle.id
        self.statuses[name] = [view.status async for view in handle]
        self.results[name] = await handle.result()

    async def polled(self, client):
        """Nobody waits for a result; the question is answered all the same."""
        handle = await client.call_tool_as_task(RESEARCH, {"topic": "python", "ambiguous": True})
        while not (view := await client.get_task(handle.id)).ended:  # noqa: ASYNC110 - this is a poll
            await trio.sleep(0.2)
        self.statuses["polled"] = [view.status]
        self.results["polled"] = await client.get_task_result(handle.id)

    async def called(self, client, name, *call):
        self.results[name] = await client.call_tool(*call)

    async def cancelled(self, client):
        handle = await client.call_tool_as_task(RESEARCH, {"topic": "rust"})
        self.ids["cancelled"] = handle.id
        view = await handle.cancel()
        self.statuses["cancelled"] = [view.status, (await client.get_task(handle.id)).status]
        self.results["cancelled"] = await self.refused(handle.result)
        self.results["cancelled again"] = await self.refused(client.cancel_task, handle.id)

    async def refused(self, ask, *arguments):
        try:
            return await ask(*arguments)
        except (RPCError, RequestCancelled, CapabilityMissing) as error:
            return error


async def explored(client):
    found = Findings()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: found.research(client, "clear"))
        nursery.start_soon(lambda: found.research(client, "ambiguous", ambiguous=True))
        nursery.start_soon(found.polled, client)
        nursery.start_soon(found.cancelled, client)
        nursery.start_soon(found.called, client, "called", RESEARCH, {"topic": "zig"})
        nursery.start_soon(
            found.called, client, "sampled", "trigger-sampling-request-async", {"prompt": "Say something"}
        )
        nursery.start_soon(found.called, client, "elicited", "trigger-elicitation-request-async")
    found.results["listed"] = await client.list_tasks()
    found.results["forbidden"] = await found.refused(client.call_tool_as_task, "echo", {"message": "x"})
    found.results["unknown"] = await found.refused(client.get_task, "nobody")
    return found


@asynccontextmanager
async def exploration(transport):
    person, model = [], []

    def ask_person(request):
        person.append(request)
        fields = request.requested_schema["properties"]
        return {
            "accepted": True,
            "data": {"interpretation": "snake"} if "interpretation" in fields else {"name": "Ada"},
        }

    def ask_model(request):
        model.append(request)
        return {"content": "A short answer.", "model": "tiny"}

    with trio.fail_after(SECONDS):
        handlers = {"sampling_handler": ask_model, "elicitation_handler": ask_person}
        async with open_runtime(), client_of(transport, **handlers) as client, client:
            await client.list_tools()
            found = await explored(client)
    found.person, found.model = person, model
    yield found


@pytest.fixture(scope="module", params=["stdio", "streamableHttp"])
def found(request):
    with open_stage(lambda: exploration(request.param)) as stage:
        yield stage.scene


def text(result):
    return result.content[0].text


def test_a_task_is_followed_to_its_result(found):
    assert set(found.statuses["clear"]) == {"working", "completed"}
    assert "# Research Report: python" in text(found.results["clear"])


def test_its_question_is_answered_on_the_way(found):
    assert found.statuses["ambiguous"][-1] == "completed"
    assert "input_required" in found.statuses["ambiguous"]
    assert "# Research Report: python (snake)" in text(found.results["ambiguous"])


def test_a_question_names_its_task(found):
    asked = [request.meta[RELATED]["taskId"] for request in found.person if RELATED in (request.meta or {})]

    assert len(asked) == len(set(asked)) == 2
    assert found.ids["ambiguous"] in asked


def test_a_caller_who_only_polls_sees_its_question_answered(found):
    assert found.statuses["polled"] == ["completed"]
    assert "(snake)" in text(found.results["polled"])


def test_a_tool_that_requires_a_task_is_called_like_any_other(found):
    assert "# Research Report: zig" in text(found.results["called"])


def test_a_task_is_cancelled_once(found):
    assert found.statuses["cancelled"] == ["cancelled", "cancelled"]
    assert isinstance(found.results["cancelled"], RequestCancelled)
    assert found.results["cancelled again"].code == -32602


def test_all_of_them_are_listed(found):
    listed = {task.task_id: task.status for task in found.results["listed"].tasks}

    assert listed[found.ids["clear"]] == "completed"
    assert listed[found.ids["cancelled"]] == "cancelled"


def test_a_sampling_that_is_a_task_of_ours_is_polled_and_fetched(found):
    told = text(found.results["sampled"])

    assert told.startswith("[COMPLETED] Async sampling completed!")
    assert "A short answer." in told
    assert len(found.model) == 1


def test_an_elicitation_that_is_a_task_of_ours_is_polled_and_fetched(found):
    told = [block.text for block in found.results["elicited"].content]

    assert told[0].startswith("[COMPLETED]")
    assert "- Name: Ada" in told[1]


def test_a_tool_that_forbids_tasks_is_not_asked_for_one(found):
    assert isinstance(found.results["forbidden"], CapabilityMissing)


def test_what_is_no_task_is_an_error(found):
    assert found.results["unknown"].code == -32602
