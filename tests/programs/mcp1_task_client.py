"""
A client of `mcp` 1.30.0 that tries the tasks of a server, and writes down what it found: JSON, on the last line.

`mcp1_task_client.py stdio COMMAND...` or `mcp1_task_client.py http URL`. The server's tools are those of the judge.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings

import anyio
from mcp import types
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamablehttp_client
from mcp.shared.exceptions import McpError

warnings.simplefilter("ignore", DeprecationWarning)

RELATED = "io.modelcontextprotocol/related-task"
found = {}
questions = []
told = []


async def ask_person(context, params):
    questions.append(["elicitation", params.message, related(params)])
    return types.ElicitResult(action="accept", content={"answer": "yes"})


async def ask_model(context, params):
    questions.append(["sampling", params.messages[0].content.text, related(params)])
    return types.CreateMessageResult(role="assistant", content=types.TextContent(type="text", text="short"), model="m")


def related(params):
    return getattr(params.meta, RELATED, {}).get("taskId") if params.meta else None


async def hear(message):
    if isinstance(message, types.ServerNotification) and isinstance(message.root, types.TaskStatusNotification):
        told.append([message.root.params.taskId, message.root.params.status])


def recorded(scenario):
    """What it returns, or the error it raises, is what was found."""

    async def run(session):
        try:
            found[scenario.__name__] = await scenario(session, session.experimental)
        except McpError as error:
            found[scenario.__name__] = {"error": error.error.code}

    SCENARIOS.append(run)
    return scenario


SCENARIOS = []


def text(result):
    return result.content[0].text


@recorded
async def capabilities(session, tasks):
    return session.get_server_capabilities().tasks.model_dump(exclude_none=True)


@recorded
async def support(session, tasks):
    return {
        tool.name: tool.execution.taskSupport if tool.execution else None for tool in (await session.list_tools()).tools
    }


@recorded
async def quick(session, tasks):
    created = await tasks.call_tool_as_task("quick", {"text": "hello"}, ttl=30_000)
    states = [state.status async for state in tasks.poll_task(created.task.taskId)]
    result = await tasks.get_task_result(created.task.taskId, types.CallToolResult)
    return {
        "begins": created.task.status,
        "ttl": created.task.ttl,
        "ends": states[-1],
        "text": text(result),
        "related": result.meta[RELATED]["taskId"] == created.task.taskId,
        "same": (await session.call_tool("quick", {"text": "hello"})).content == result.content,
    }


@recorded
async def blocked(session, tasks):
    """tasks/result alone, without a poll."""
    created = await tasks.call_tool_as_task("slow", {"seconds": 0.3})
    return text(await tasks.get_task_result(created.task.taskId, types.CallToolResult))


@recorded
async def listed(session, tasks):
    """None where the server does not declare a list."""
    if session.get_server_capabilities().tasks.list is None:
        return None
    made = {(await tasks.call_tool_as_task("quick", {"text": "hello"})).task.taskId for _ in range(25)}
    seen, cursor, pages = set(), None, 0
    while pages == 0 or cursor:
        page = await tasks.list_tasks(cursor)
        seen |= {task.taskId for task in page.tasks}
        cursor, pages = page.nextCursor, pages + 1
    return {"all": made <= seen, "pages": pages > 1}


@recorded
async def asked(session, tasks):
    created = await tasks.call_tool_as_task("asks")
    result = await tasks.get_task_result(created.task.taskId, types.CallToolResult)
    kind, message, about = questions[-1]
    return {"text": text(result), "asked": [kind, message], "related": about == created.task.taskId}


@recorded
async def sampled(session, tasks):
    created = await tasks.call_tool_as_task("samples")
    result = await tasks.get_task_result(created.task.taskId, types.CallToolResult)
    return {"text": text(result), "asked": questions[-1][:2], "related": questions[-1][2] == created.task.taskId}


@recorded
async def polled(session, tasks):
    """Polls, as the SDK's documentation has it: tasks/result once input is required."""
    created = await tasks.call_tool_as_task("asks")
    states = []
    async for state in tasks.poll_task(created.task.taskId):
        states.append(state.status)
        if state.status == "input_required":
            await tasks.get_task_result(created.task.taskId, types.CallToolResult)
    return {"ends": states[-1]}


@recorded
async def failed(session, tasks):
    created = await tasks.call_tool_as_task("fails")
    result = await tasks.get_task_result(created.task.taskId, types.CallToolResult)
    state = await tasks.get_task(created.task.taskId)
    return {"is_error": result.isError, "status": state.status, "message": bool(state.statusMessage)}


@recorded
async def raised(session, tasks):
    created = await tasks.call_tool_as_task("raises")
    await tasks.get_task_result(created.task.taskId, types.CallToolResult)


@recorded
async def cancelled(session, tasks):
    created = await tasks.call_tool_as_task("slow", {"seconds": 60})
    answer = await tasks.cancel_task(created.task.taskId)
    state = await tasks.get_task(created.task.taskId)
    again = None
    try:
        await tasks.cancel_task(created.task.taskId)
    except McpError as error:
        again = error.error.code
    return {"answer": answer.status, "status": state.status, "again": again}


@recorded
async def required(session, tasks):
    await session.send_request(
        types.ClientRequest(types.CallToolRequest(params=types.CallToolRequestParams(name="required"))),
        types.CallToolResult,
    )


@recorded
async def forbidden(session, tasks):
    await tasks.call_tool_as_task("forbidden")


@recorded
async def unknown(session, tasks):
    await tasks.get_task("nobody")


@recorded
async def progressed(session, tasks):
    """The callback of the call itself is gone with its answer, so the notifications are heard as they come."""
    heard = []
    call = types.CallToolRequestParams(name="reports", task=types.TaskMetadata(ttl=30_000))

    async def report(progress, total, message):
        heard.append(progress)

    request = types.ClientRequest(types.CallToolRequest(params=call))
    created = await session.send_request(request, types.CreateTaskResult, progress_callback=report)
    await tasks.get_task_result(created.task.taskId, types.CallToolResult)
    return {"increases": heard == sorted(set(heard))}


@recorded
async def notified(session, tasks):
    """Status notifications of all that was done before."""
    return {"some": bool(told), "statuses": sorted({status for _, status in told})}


@contextlib.asynccontextmanager
async def streams(kind, *where):
    if kind == "stdio":
        # Left to itself, the package keeps our variables from the server, which would use the real state directory.
        server = StdioServerParameters(command=where[0], args=list(where[1:]), env=dict(os.environ))
        async with stdio_client(server) as pair:
            yield pair
    else:
        async with streamablehttp_client(where[0]) as (reading, writing, _):
            yield reading, writing


async def main(*where):
    async with (
        streams(*where) as (reading, writing),
        ClientSession(
            reading, writing, elicitation_callback=ask_person, sampling_callback=ask_model, message_handler=hear
        ) as session,
    ):
        with anyio.fail_after(25):
            await session.initialize()
            for scenario in SCENARIOS:
                await scenario(session)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
