"""The everything-app keeps its own promises before the suite sees it: in memory, in both revisions."""

from __future__ import annotations

import pytest
from conformance.everything_app import app
from conformance.everything_questions import QUESTION_TOOLS

from zcp_actors import memory_client, open_runtime

ERAS = ("2025-11-25", "2026-07-28")
ARGUMENTS = {"test_sampling": {"prompt": "p"}, "test_elicitation": {"message": "m"}}
ANSWER = {"name": "Alice", "username": "a", "email": "a@example.com", "color": "blue", "ok": True, "context": "c"}


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
