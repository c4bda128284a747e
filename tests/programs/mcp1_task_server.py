"""
A server of `mcp` 1.30.0, in an environment of its own: one tool for each role that the judge of tasks knows.

`mcp1_task_server.py [http]`: over stdio, or over streamable HTTP on a free port, whose URL is its first line.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import warnings

import anyio
from mcp import types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import McpError

warnings.simplefilter("ignore", DeprecationWarning)

server = Server("mcp1")
server.experimental.enable_tasks()

SUPPORT = {
    "quick": "optional",
    "slow": "optional",
    "asks": "optional",
    "samples": "optional",
    "asks_as_task": "optional",
    "samples_as_task": "optional",
    "fails": "optional",
    "raises": "optional",
    "reports": "optional",
    "required": "required",
    "forbidden": "forbidden",
    "running": "forbidden",
}
FORM = {"type": "object", "properties": {"answer": {"type": "string"}}}
running = 0


def said(text, *, error=False):
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], isError=error)


@server.list_tools()
async def list_tools():
    return [
        types.Tool(
            name=name,
            inputSchema={"type": "object"},
            execution=types.ToolExecution(taskSupport=support),
        )
        for name, support in SUPPORT.items()
    ]


async def work(name, arguments, context, task):
    if name == "quick":
        return said(arguments["text"])
    if name == "slow":
        return await slow(arguments["seconds"])
    if name == "fails":
        return said("the oven is cold", error=True)
    if name == "raises":
        raise McpError(types.ErrorData(code=-32050, message="no such dish", data={"dish": "soup"}))
    if name == "running":
        return said(str(running))
    if name == "reports":
        return await reports(context)
    if name.startswith(("asks", "samples")) and task is not None:
        return await ASKING[name](task)
    return said(name)


async def slow(seconds):
    global running  # noqa: PLW0603 - one number for all
    running += 1
    try:
        await anyio.sleep(seconds)
    finally:
        running -= 1
    return said("slept")


async def reports(context):
    for step in (1, 2, 3):
        await anyio.sleep(0.1)
        token = context.meta.progressToken if context.meta else None
        if token is not None:
            await context.session.send_progress_notification(token, step, 3, f"step {step}")
    return said("reported")


async def asks(task):
    answer = await task.elicit("Shall we?", FORM)
    return said(f"{answer.action} {answer.content}")


async def samples(task):
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="Say something"))
    drafted = await task.create_message([message], max_tokens=10)
    return said(drafted.content.text)


async def asks_as_task(task):
    answer = await task.elicit_as_task("Shall we, later?", FORM)
    return said(f"{answer.action} {answer.content}")


async def samples_as_task(task):
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="Say something later"))
    drafted = await task.create_message_as_task([message], max_tokens=10)
    return said(drafted.content.text)


ASKING = {
    "asks": asks,
    "samples": samples,
    "asks_as_task": asks_as_task,
    "samples_as_task": samples_as_task,
}


async def call_tool(request):
    """Without the decorator, which turns every exception of a tool into a result."""
    name, arguments = request.params.name, request.params.arguments or {}
    context = server.request_context
    context.experimental.validate_task_mode(SUPPORT[name])
    if not context.experimental.is_task:
        return types.ServerResult(await work(name, arguments, context, None))
    return types.ServerResult(await context.experimental.run_task(lambda task: work(name, arguments, context, task)))


server.request_handlers[types.CallToolRequest] = call_tool


async def over_stdio():
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


def over_http():
    import uvicorn
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.applications import Starlette
    from starlette.routing import Mount

    sessions = StreamableHTTPSessionManager(server)

    @contextlib.asynccontextmanager
    async def lifespan(_):
        async with sessions.run():
            yield

    app = Starlette(routes=[Mount("/mcp", app=sessions.handle_request)], lifespan=lifespan)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp/\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)).run(sockets=[listening])


if __name__ == "__main__":
    if sys.argv[1:] == ["http"]:
        over_http()
    else:
        anyio.run(over_stdio)
