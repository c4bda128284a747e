"""The everything-app keeps its own promises before the suite sees it: in memory, in both revisions."""

from __future__ import annotations

import pytest
from conformance.everything_app import app
from conformance.everything_questions import QUESTION_TOOLS
from conformance.everything_tasks import TASK_TOOLS

from zcp_actors import memory_client, open_runtime
from zcp_actors.errors import RPCError

ERAS = ("2025-11-25", "2026-07-28")
ARGUMENTS = {"test_sampling": {"prompt": "p"}, "test_elicitation": {"message": "m"}}
ANSWER = {"name": "Alice", "username": "a", "email": "a@example.com", "color": "blue", "ok": True, "context": "c"}
ANSWER |= {"confirm": True}
TASK_ARGUMENTS = {"slow_compute": {"seconds": 2, "label": "x"}, "confirm_delete": {"filename": "f.txt"}}
TASK_RESULTS = {
    "slow_compute": "Computed x for 2 s",
    "failing_job": "the job failed, as it always does",
    "confirm_delete": "f.txt was deleted",
    "multi_input": "Alice writes for Alice",
    "test_tool_with_task": "This took a while, Alice.",
}


def answer(request):
    """Fill in what the form asks for."""
    return {"accepted": True, "data": {key: ANSWER[key] for key in request.requested_schema.get("required", ())}}


def host(era):
    return memory_client(
        app,
        era=era,
        strict=True,
        sampling_handler=lambda _: "Paris",
        elicitation_handler=answer,
        roots_provider=lambda: ["file:///w"],
    )


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", [each.__name__ for each in QUESTION_TOOLS])
async def test_every_tool_that_asks_ends_when_it_is_answered(tool, era):
    async with open_runtime(), host(era) as client:
        result = await client.call_tool(tool, ARGUMENTS.get(tool, {}))

    assert not result.is_error, result.content


@pytest.mark.parametrize("era", ERAS)
async def test_the_first_tool_takes_no_arguments_and_the_list_keeps_its_order(era):
    """conformance: http-header-validation calls the first tool; tools-list-deterministic-order."""
    async with open_runtime(), host(era) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        result = await client.call_tool(names[0], {})
        await client.call_tool("test_trigger_tool_change")
        again = [tool.name for tool in (await client.list_tools()).tools]

    assert not result.is_error
    assert names == again


@pytest.mark.parametrize("era", ERAS)
async def test_every_resource_that_is_listed_can_be_read(era):
    async with open_runtime(), host(era) as client:
        listed = (await client.list_resources()).resources
        read = [(await client.read_resource(each.uri)).contents[0].uri for each in listed]

    assert read == [each.uri for each in listed]
    assert len(read) == 3


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", TASK_RESULTS)
async def test_every_tool_of_tasks_ends_as_one_when_it_is_answered(tool, era, autojump_clock):
    async with open_runtime(), host(era) as client:
        handle = await client.call_tool_as_task(tool, TASK_ARGUMENTS.get(tool, {}))
        result = await handle.result()

    assert result.content[0].text == TASK_RESULTS[tool]
    assert bool(result.is_error) == (tool == "failing_job")


@pytest.mark.parametrize("era", ERAS)
async def test_the_tool_that_fails_by_the_protocol_fails_so_as_a_task(era, autojump_clock):
    async with open_runtime(), host(era) as client:
        handle = await client.call_tool_as_task("protocol_error_job", {})
        with pytest.raises(RPCError, match="ended with an error of the protocol"):
            await handle.result()

    assert handle.status == "failed"


def test_all_tools_of_tasks_but_the_greeting_are_tried_as_tasks():
    assert {each.__name__ for each, _ in TASK_TOOLS} == {*TASK_RESULTS, "protocol_error_job", "greet"}
