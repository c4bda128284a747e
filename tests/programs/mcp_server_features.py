"""
A server written with the `mcp` package, with one entry for each feature, over stdio.

The same tools ask the client in both eras: a resolver's marker travels as the era wants it.
`mcp_server_features.py trio` runs it on trio instead of asyncio.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from typing import Annotated, Any

import anyio
import mcp_types as types
from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, ListRoots, Resolve, Sample
from mcp.shared.exceptions import MCPDeprecationWarning
from pydantic import BaseModel

warnings.simplefilter("ignore", MCPDeprecationWarning)
server = MCPServer("Larder", version="2", instructions="Knock first.", log_level="ERROR")
events: Counter[str] = Counter()


class Dish(BaseModel):
    name: str
    hot: bool = False


class Sum(BaseModel):
    total: int


@server.tool()
async def add(a: int, b: int) -> Sum:
    """Add two numbers."""
    return Sum(total=a + b)


@server.tool()
async def fail() -> str:
    msg = "the oven is cold"
    raise ValueError(msg)


def said(text: str) -> list[types.SamplingMessage]:
    return [types.SamplingMessage(role="user", content=types.TextContent(type="text", text=text))]


async def draft(text: str) -> Sample:
    return Sample(said(f"Summarise {text}"), max_tokens=20, system_prompt="Be short.")


@server.tool()
async def summarise(text: str, drafted: Annotated[types.CreateMessageResult, Resolve(draft)]) -> str:
    return f"{drafted.model}: {drafted.content.text}"


async def ask_dish() -> Elicit[Dish]:
    return Elicit("What shall it be?", Dish)


@server.tool()
async def order(answer: Annotated[ElicitationResult[Dish], Resolve(ask_dish)]) -> str:
    return f"{answer.action} {answer.data if isinstance(answer, AcceptedElicitation) else None}"


@server.tool()
async def pay(ctx: Context) -> types.CallToolResult | types.InputRequiredResult:
    """Send the person to a page: by a request in one era, by a result in the other."""
    message, url, name = "Pay here", "https://pay.example/1", "pay-1"
    if ctx.protocol_version != "2026-07-28":
        action = (await ctx.elicit_url(message, url, name)).action
    elif ctx.input_responses is None:
        params = types.ElicitRequestURLParams(message=message, url=url, elicitation_id=name)
        return types.InputRequiredResult(input_requests={"page": types.ElicitRequest(params=params)})
    else:
        action = ctx.input_responses["page"].action
    return types.CallToolResult(content=[types.TextContent(type="text", text=action)])


async def ask_roots() -> ListRoots:
    return ListRoots()


@server.tool()
async def folders(roots: Annotated[types.ListRootsResult, Resolve(ask_roots)]) -> str:
    return " ".join(str(root.uri) for root in roots.roots)


async def ask_to_cook(drafted: Annotated[types.CreateMessageResult, Resolve(draft)]) -> Elicit[Dish]:
    return Elicit(f"Cook {drafted.content.text}?", Dish)


@server.tool()
async def feast(
    text: str,
    drafted: Annotated[types.CreateMessageResult, Resolve(draft)],
    answer: Annotated[ElicitationResult[Dish], Resolve(ask_to_cook)],
    roots: Annotated[types.ListRootsResult, Resolve(ask_roots)],
) -> str:
    return f"{drafted.content.text} {answer.action} {len(roots.roots)}"


@server.tool()
async def count(to: int, ctx: Context) -> str:
    for number in range(1, to + 1):
        await ctx.report_progress(number, to, f"step {number}")
    return "counted"


@server.tool()
async def gossip(ctx: Context) -> str:
    await ctx.debug("too quiet to hear")
    await ctx.warning({"soup": "salty"}, logger_name="kitchen")
    return "told"


@server.tool()
async def simmer() -> str:
    """Run for ever; tell when that ends."""
    events["simmer started"] += 1
    try:
        await anyio.sleep_forever()
    finally:
        events["simmer ended"] += 1
    return "never"


@server.tool()
async def wait_for_guest(ctx: Context) -> str:
    """Ask a question mid-call (2025-11-25 only); tell when that ends."""
    events["asking started"] += 1
    try:
        return (await ctx.elicit("Are you there?", Dish)).action
    finally:
        events["asking ended"] += 1


@server.tool()
async def tell() -> dict[str, int]:
    return dict(events)


@server.resource("larder://menu", mime_type="text/plain")
async def menu() -> str:
    return "soup"


@server.resource("larder://shelf/{name}")
async def shelf(name: str) -> str:
    return f"a shelf of {name}"


@server.tool()
async def change_menu(ctx: Context) -> str:
    """Tell who follows the menu that it changed, in the words of either era."""
    if ctx.protocol_version == "2026-07-28":
        await ctx.notify_resource_updated("larder://menu")
        await ctx.notify_tools_changed()
    else:
        await ctx.session.send_resource_updated("larder://menu")
        await ctx.session.send_tool_list_changed()
    return "changed"


async def subscribe(context: Any, params: types.SubscribeRequestParams) -> types.EmptyResult:
    events[f"subscribe {params.uri}"] += 1
    return types.EmptyResult()


@server.prompt()
async def recipe(dish: str) -> str:
    """How to cook a dish."""
    return f"How do I cook {dish}?"


@server.completion()
async def dishes(ref: Any, argument: Any, context: Any) -> types.Completion:
    found = [name for name in ("bread", "broth", "soup") if name.startswith(argument.value)]
    return types.Completion(values=found)


async def set_level(context: Any, params: types.SetLevelRequestParams) -> types.EmptyResult:
    events[f"level {params.level}"] += 1
    return types.EmptyResult()


server._lowlevel_server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, set_level)
server._lowlevel_server.add_request_handler("resources/subscribe", types.SubscribeRequestParams, subscribe)

if __name__ == "__main__":
    anyio.run(server.run_stdio_async, backend=sys.argv[1] if sys.argv[1:] else "asyncio")
