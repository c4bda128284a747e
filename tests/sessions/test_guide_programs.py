"""The programs of the ZCP guide that need no group, as they are written there but for the opening and `trio.sleep`."""
# ruff: noqa: ASYNC110, T201 - written as the guide writes it

from __future__ import annotations

import inspect

import pytest
import trio
from session_world import both_eras

from zcp_actors import FastZCP, ZCPClientSession, open_runtime, stdio_client, stdio_server


def local_app():
    app = FastZCP("Demo")

    @app.tool(
        name="math.add",
        description="Add two integers.",
        input_schema={
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
        output_mode="scalar",
        inline_ok=True,
    )
    def add(a: int, b: int):
        return {"sum": a + b}

    return app


@both_eras
async def test_the_local_client_lists_and_calls(era):
    server = stdio_server(local_app())
    client = stdio_client(server, era=era)
    async with open_runtime(), client:
        await client.initialize()
        await client.initialized()
        tools = await client.list_tools()
        result = await client.call_tool("math.add", {"a": 2, "b": 3})
    assert [tool["name"] for tool in tools["tools"]] == ["math.add"]
    assert tools["tools"][0]["inputSchema"]["additionalProperties"] is False
    assert (result["structuredContent"], result["content"][0]["text"]) == ({"sum": 5}, '{"sum":5}')


def hooked_app():
    app = FastZCP("Hook Demo")

    @app.task("review.summary")
    async def review_summary(payload):
        task = payload["task"]
        draft = await task.create_message(
            {
                "messages": [{"role": "user", "content": f"Summarize {payload['topic']} in one sentence."}],
                "maxTokens": 120,
            }
        )
        approval = await task.elicit({"kind": "approval", "prompt": "Approve sending the summary?"})
        return {"draft": draft, "approval": approval}

    return app


async def sampling_handler(request):
    return {"role": "assistant", "content": "Short summary draft."}


async def elicitation_handler(request):
    return {"accepted": True, "fields": request}


@both_eras
async def test_the_hooked_client_answers_what_the_task_asks(era, autojump_clock):
    server = stdio_server(hooked_app())
    client = stdio_client(
        server,
        roots_provider=lambda: [{"uri": "file:///workspace", "name": "workspace"}],
        sampling_handler=sampling_handler,
        elicitation_handler=elicitation_handler,
        log_handler=lambda message: print("log:", message),
        era=era,
    )
    async with open_runtime(), client:
        await client.initialize()
        await client.initialized()
        created = await client.create_task("review.summary", {"topic": "ZCP transport parity"})
        task_id = created["task"]["taskId"]
        while (await client.get_task(task_id))["task"]["status"] not in {"completed", "failed", "cancelled"}:
            await trio.sleep(0.05)
        result = await client.get_task_result(task_id)
    assert result["draft"]["content"] == {"type": "text", "text": "Short summary draft."}
    assert (result["approval"]["action"], result["approval"]["accepted"]) == ("accept", True)


@pytest.mark.parametrize(
    ("method", "names"),
    {
        "initialize": "capabilities",
        "initialized": "",
        "ping": "",
        "list_tools": "cursor profile groups exclude_groups stages",
        "call_tool": "name arguments profile meta task",
        "call_tool_as_task": "name arguments ttl poll_interval profile meta",
        "list_resources": "cursor",
        "list_resource_templates": "cursor",
        "read_resource": "uri arguments",
        "subscribe_resource": "uri",
        "unsubscribe_resource": "uri",
        "list_prompts": "cursor",
        "get_prompt": "name arguments",
        "complete": "ref argument value context context_arguments",
        "set_logging_level": "level",
        "list_roots": "",
        "create_message": "messages",
        "elicit": "kind prompt",
        "create_task": "kind input task",
        "list_tasks": "cursor",
        "get_task": "task_id",
        "get_task_result": "task_id",
        "cancel_task": "task_id",
        "roots_changed": "",
        "close": "",
    }.items(),
)
def test_a_client_has_the_guide_s_methods_with_the_guide_s_names(method, names):
    """Source: ZCP guide, "Core Client Methods"."""
    found = getattr(ZCPClientSession, method)
    assert inspect.iscoroutinefunction(found)
    assert set(names.split()) <= inspect.signature(found).parameters.keys()
