"""Every example of the pages for authors of servers and of hosts runs, and does what the page says."""

from __future__ import annotations

import inspect

import pytest
import trio
from pages import examples, names_of, text_of

from zcp_actors import ZCPClientSession, memory_client, open_runtime
from zcp_actors.sessions import Context
from zcp_actors.testing import virtual_clock


@pytest.mark.parametrize("name", examples("clients.md"))
def test_an_example_for_hosts_runs(name):
    trio.run(examples("clients.md")[name], clock=virtual_clock())


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
async def test_the_app_for_server_authors_does_what_its_page_says(era):
    app = names_of("servers.md")["app"]
    answers = {
        "elicitation_handler": lambda request: {"accepted": True, "data": {"portions": 2, "size": "l"}},
        "sampling_handler": lambda request: "Two",
    }
    with trio.fail_after(30):  # of real time: a plain function works in a thread
        await serves(memory_client(app, era=era, strict=True, **answers))


async def serves(client):
    async with open_runtime(), client:
        cook = (await client.list_tools()).tools[0]
        assert cook.description == "Cook a dish."
        assert cook.input_schema["properties"]["when"] == {"type": "string", "format": "date", "description": "the day"}
        assert cook.input_schema["properties"]["spice"]["description"] == "How hot it becomes."
        cooked = await client.call_tool("cook", {"dish": {"name": "soup"}, "when": "2026-07-28"})
        assert cooked.structured_content == {"name": "mild soup", "portions": 1}
        assert (await client.call_tool("weigh", {"grams": 500})).content[0].text == "0.5 kg"
        assert (await client.read_resource("larder://shelf/3?sorted=true")).contents[0].text == (
            '{"shelf":3,"sorted":true}'
        )
        assert (await client.complete("recipe", "dish", "br")).completion.values == ["bread", "broth"]
        assert (await client.complete("recipe", "style", "l")).completion.values == ["long"]
        ordered = await client.call_tool("order", {"dish": "soup"})
        assert ordered.structured_content == {"ordered": True, "size": "l", "name": "Two", "number": 7}


def test_the_page_for_server_authors_names_what_a_context_has():
    text = text_of("servers.md")
    inner = {
        "call",
        "task",
        "close_stream",
        "request_id",
        "method",
        "meta",
        "client_info",
        "protocol_version",
        "principal",
    }
    public = {name for name in vars(Context) if not name.startswith("_")} - inner - {"create_message"}
    assert {name for name in public if name not in text} == set()


def test_the_page_for_hosts_names_every_keyword_of_a_client_that_a_provider_has():
    text = text_of("clients.md")
    keywords = inspect.signature(ZCPClientSession.__init__).parameters
    wanted = {name for name in keywords if name.endswith(("_handler", "_provider"))} | {"timeouts", "policy", "era"}
    assert {name for name in wanted if name not in text} == set()
