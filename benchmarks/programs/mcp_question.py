"""
A tool of `mcp` that asks its client back, in process. Words: how.

    legacy     2025-11-25, a request of the server's
    rounds     2026-07-28, the tool returns what it needs and is called again, by hand
    resolve    2026-07-28, by the package's own resolvers
"""

import asyncio
import warnings
from typing import Annotated

import mcp_types as types
from mcp.client import Client
from mcp.server.elicitation import ElicitationResult
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve, Sample
from pydantic import BaseModel

from benchmarks.worker import many_at_once, one_after_another, together_on_asyncio, words, work

warnings.simplefilter("ignore")
SCHEMA = {"type": "object", "properties": {"agreed": {"type": "boolean"}}, "required": ["agreed"]}


class Approval(BaseModel):
    agreed: bool


def said(text):
    return [types.SamplingMessage(role="user", content=types.TextContent(type="text", text=text))]


def text_result(text):
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content={"result": text}
    )


def legacy(server):
    @server.tool()
    async def approve(text: str, ctx: Context) -> str:
        answer = await ctx.elicit(f"Publish {text}?", Approval)
        return "yes" if answer.action == "accept" and answer.data.agreed else "no"

    @server.tool()
    async def draft(text: str, ctx: Context) -> str:
        answer = await ctx.session.create_message(said(f"Summarise {text}"), max_tokens=20)
        return answer.content.text


def rounds(server):
    @server.tool()
    async def approve(text: str, ctx: Context) -> types.CallToolResult | types.InputRequiredResult:
        if ctx.input_responses is None:
            params = types.ElicitRequestFormParams(message=f"Publish {text}?", requested_schema=SCHEMA)
            return types.InputRequiredResult(input_requests={"ok": types.ElicitRequest(params=params)})
        answer = ctx.input_responses["ok"]
        return text_result("yes" if answer.action == "accept" and answer.content["agreed"] else "no")

    @server.tool()
    async def draft(text: str, ctx: Context) -> types.CallToolResult | types.InputRequiredResult:
        if ctx.input_responses is None:
            params = types.CreateMessageRequestParams(messages=said(f"Summarise {text}"), max_tokens=20)
            return types.InputRequiredResult(input_requests={"text": types.CreateMessageRequest(params=params)})
        return text_result(ctx.input_responses["text"].content.text)


def resolve(server):
    async def ask(text: str) -> Elicit[Approval]:
        return Elicit(f"Publish {text}?", Approval)

    async def write(text: str) -> Sample:
        return Sample(said(f"Summarise {text}"), max_tokens=20)

    @server.tool()
    async def approve(text: str, answer: Annotated[ElicitationResult[Approval], Resolve(ask)]) -> str:
        return "yes" if answer.action == "accept" and answer.data.agreed else "no"

    @server.tool()
    async def draft(text: str, drafted: Annotated[types.CreateMessageResult, Resolve(write)]) -> str:
        return drafted.content.text


async def answer(context, params):
    return types.ElicitResult(action="accept", content={"agreed": True})


async def write(context, params):
    return types.CreateMessageResult(
        role="assistant", model="m", content=types.TextContent(type="text", text="short"), stop_reason="endTurn"
    )


async def main(how):
    server = MCPServer("Asking", log_level="ERROR")
    {"legacy": legacy, "rounds": rounds, "resolve": resolve}[how](server)
    mode = "legacy" if how == "legacy" else "auto"
    async with Client(server, mode=mode, elicitation_callback=answer, sampling_callback=write) as client:

        async def elicit():
            result = await client.call_tool("approve", {"text": "it"})
            assert result.structured_content == {"result": "yes"}, result

        async def sample():
            result = await client.call_tool("draft", {"text": "it"})
            assert result.structured_content == {"result": "short"}, result

        await work(
            {
                "elicit": one_after_another(elicit),
                "sample": one_after_another(sample),
                "hundred": many_at_once(elicit, together_on_asyncio),
            },
            era=client.protocol_version,
        )


if __name__ == "__main__":
    asyncio.run(main(*words()))
