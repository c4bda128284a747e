"""
The client under test: what a host would do against the mock server of one scenario.

Owns a straight-line act for each scenario. The suite starts it as `client_fixture.py URL`, with the scenario, the
revision and some data in environment variables. It ends by itself in any case, since the suite stops only the shell
around it, and says `FINISHED` as its last word, since the suite takes a client that was killed for one that ended well.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors import open_runtime, streamable_http_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from zcp_actors import ZCPClientSession

    Act = Callable[[ZCPClientSession, Mapping[str, Any]], Awaitable[None]]

FINISHED = "client: finished"

LIFE_SECONDS = 40.0
"""Longer than the slowest scenario by far, shorter than the runner waits for the suite."""

ANSWERS = {"confirmed": True}
"""What the person fills in where a form asks for it; everything else keeps its default."""


async def look_around(client: ZCPClientSession, _: Mapping[str, Any]) -> None:
    """List the tools."""
    await client.list_tools()


async def add(client: ZCPClientSession, _: Mapping[str, Any]) -> None:
    """Call a tool with arguments."""
    await client.list_tools()
    await client.call_tool("add_numbers", {"a": 5, "b": 3})


async def answer_with_defaults(client: ZCPClientSession, _: Mapping[str, Any]) -> None:
    """Call a tool that asks the person."""
    await client.list_tools()
    await client.call_tool("test_client_elicitation_defaults")


async def resume(client: ZCPClientSession, _: Mapping[str, Any]) -> None:
    """Call a tool whose stream is let go."""
    await client.list_tools()
    await client.call_tool("test_reconnection")


async def use_everything(client: ZCPClientSession, _: Mapping[str, Any]) -> None:
    """Call and read all there is."""
    for tool in (await client.list_tools()).tools:
        await client.call_tool(tool.name)
    for resource in (await client.list_resources()).resources:
        await client.read_resource(resource.uri)
    for prompt in (await client.list_prompts()).prompts:
        await client.get_prompt(prompt.name)


async def call_as_told(client: ZCPClientSession, told: Mapping[str, Any]) -> None:
    """Make the calls that the suite lists."""
    await client.list_tools()
    for call in told["toolCalls"]:
        await client.call_tool(call["name"], call["arguments"])


async def call_what_is_listed(client: ZCPClientSession, _: Mapping[str, Any]) -> None:
    """Call every tool that is offered to the model, and those only."""
    for tool in (await client.list_tools()).tools:
        await client.call_tool(tool.name, dict.fromkeys(tool.input_schema.get("required", ()), "value"))


async def be_asked(client: ZCPClientSession, _: Mapping[str, Any]) -> None:
    """Call tools that ask before they answer, one after the other."""
    await client.list_tools()
    for name in ("echo_state", "unrelated", "no_state", "no_result_type"):
        await client.call_tool(f"test_mrtr_{name}")


async def echo_schema(client: ZCPClientSession, _: Mapping[str, Any]) -> None:
    """Send back the schema of one tool as it was listed."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    await client.call_tool("json_schema_echo", {"schema": tools["json_schema_2020_12_tool"].input_schema})


ACTS: dict[str, Act] = {
    "initialize": look_around,
    "tools_call": add,
    "elicitation-sep1034-client-defaults": answer_with_defaults,
    "sse-retry": resume,
    "request-metadata": look_around,
    "sep-2322-client-request-state": be_asked,
    "http-standard-headers": use_everything,
    "http-custom-headers": call_as_told,
    "http-invalid-tool-headers": call_what_is_listed,
    "json-schema-ref-no-deref": look_around,
    "json-schema-2020-12-preservation": echo_schema,
}


def agree(request: Any) -> dict[str, Any]:
    """Accept what is asked; say only what has no default."""
    wanted = request.requested_schema.get("properties", {})
    return {"accepted": True, "data": {name: value for name, value in ANSWERS.items() if name in wanted}}


async def main(url: str) -> None:
    """Play one scenario."""
    act = ACTS[os.environ["MCP_CONFORMANCE_SCENARIO"]]
    told = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
    client = streamable_http_client(
        url,
        client_info={"name": "zcp_actors-conformance-client", "version": "1.0.0"},
        era=os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION"),
        sampling_handler=lambda _: "A model would say this.",
        elicitation_handler=agree,
        roots_provider=lambda: ["file:///workspace"],
    )
    with trio.fail_after(LIFE_SECONDS):
        async with open_runtime(), client:
            await act(client, told)
    sys.stdout.write(f"{FINISHED}\n")


if __name__ == "__main__":
    trio.run(main, sys.argv[-1])
