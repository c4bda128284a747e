"""
A client of the `mcp` package and our server, over stdio, feature by feature, in both eras.

Source: MCP 2025-11-25 and 2026-07-28. That package checks every message of ours with models of its own.
Its modes: "legacy" does the handshake of 2025-11-25; "auto" asks `server/discover` first; a version adopts it unasked.
"""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager

import mcp_types as types
import pytest
import trio
from interop.stage import PROGRAMS, STATE_KEY, open_stage
from mcp import Client, MCPError, StdioServerParameters, stdio_client

V2025, V2026 = "2025-11-25", "2026-07-28"
SERVES = {"legacy": V2025, "auto": V2026, V2026: V2026}

pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")


class Host:
    """An open client of the package, and what our server asked and told."""

    def __init__(self):
        self.client = None
        self.forget()

    def forget(self):
        self.asked, self.logs = [], []
        self.person = self.accept

    async def accept(self, _):
        return types.ElicitResult(action="accept", content={"name": "soup"})

    async def ask_person(self, _, params):
        self.asked.append(params)
        return await self.person(params)

    async def ask_model(self, _, params):
        self.asked.append(params)
        text = types.TextContent(type="text", text=f"short {params.messages[0].content.text}")
        return types.CreateMessageResult(role="assistant", content=text, model="tiny")

    async def tell_roots(self, _):
        return types.ListRootsResult(roots=[types.Root(uri="file:///work"), types.Root(uri="file:///play")])

    async def hear_log(self, params):
        self.logs.append(params)

    async def text(self, tool, arguments=None):
        result = await self.client.call_tool(tool, arguments or {})
        assert not result.is_error, result
        return result.content[0].text

    async def events(self):
        return (await self.client.call_tool("tell", {})).structured_content

    async def told(self, event):
        """Wait until the server has counted this event."""
        while not (await self.events()).get(event):
            await trio.lowlevel.checkpoint()


@asynccontextmanager
async def connected(mode):
    host = Host()
    server = StdioServerParameters(command=sys.executable, args=[str(PROGRAMS / "zcp_server.py")], env=STATE_KEY)
    with open(os.devnull, "w") as nowhere:  # noqa: ASYNC230, PTH123 - opening the null device waits for nothing
        async with Client(
            stdio_client(server, errlog=nowhere),
            mode=mode,
            sampling_callback=host.ask_model,
            elicitation_callback=host.ask_person,
            list_roots_callback=host.tell_roots,
            logging_callback=host.hear_log,
            log_level="warning",
            cache=None,
        ) as host.client:
            yield host


@pytest.fixture(scope="module", params=["legacy", "auto"])
def stage(request):
    with open_stage(lambda: connected(request.param)) as opened:
        opened.era = SERVES[request.param]
        yield opened


@pytest.fixture
def host(stage):
    stage.scene.forget()
    return stage.scene


@pytest.mark.parametrize("mode", SERVES)
async def test_the_clients_mode_decides_the_era(mode):
    with trio.fail_after(30):
        async with connected(mode) as host:
            assert host.client.protocol_version == SERVES[mode]
            assert (await host.client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"total": 2}


def test_our_server_introduces_itself(stage, host):
    assert (host.client.server_info.name, host.client.server_info.version) == ("Pantry", "3.1")
    assert host.client.instructions == "Ask before you eat."
    assert host.client.server_capabilities.tools is not None


def test_our_tools_are_listed_with_their_schemas(stage, host):
    listed = stage.run(host.client.list_tools)

    add = next(tool for tool in listed.tools if tool.name == "add")
    assert add.description == "Add two numbers."
    assert add.input_schema["required"] == ["a", "b"]
    assert add.output_schema["required"] == ["total"]


def test_a_tool_answers_with_structured_content_that_its_schema_allows(stage, host):
    async def add():
        await host.client.list_tools()  # from now on the client checks results against the listed schemas
        return await host.client.call_tool("add", {"a": 2, "b": 3})

    assert stage.run(add).structured_content == {"total": 5}


def test_a_tools_failure_is_a_result_and_not_an_error(stage, host):
    result = stage.run(host.client.call_tool, "fail")

    assert result.is_error
    assert "the oven is cold" in result.content[0].text


@pytest.mark.parametrize("arguments", [{}, {"a": "one", "b": 2}, {"a": 1, "b": 2, "c": 3}])
def test_arguments_that_the_schema_forbids_are_told_to_the_model(stage, host, arguments):
    async def add():
        try:
            return (await host.client.call_tool("add", arguments)).is_error
        except MCPError as error:
            return error.code == -32602

    assert stage.run(add)


def test_a_tool_that_is_not_there_is_an_error(stage, host):
    with pytest.raises(MCPError) as refused:
        stage.run(host.client.call_tool, "no such tool")

    assert refused.value.code == -32602


def test_resources_and_templates_are_listed_and_read(stage, host):
    async def read():
        listed = await host.client.list_resources()
        templates = await host.client.list_resource_templates()
        fixed = await host.client.read_resource("pantry://menu")
        filled = await host.client.read_resource("pantry://shelf/jars")
        return listed, templates, fixed, filled

    listed, templates, fixed, filled = stage.run(read)
    assert [str(resource.uri) for resource in listed.resources] == ["pantry://menu"]
    assert [template.uri_template for template in templates.resource_templates] == ["pantry://shelf/{name}"]
    assert (fixed.contents[0].text, fixed.contents[0].mime_type) == ("soup", "text/plain")
    assert filled.contents[0].text == "a shelf of jars"


def test_a_resource_that_is_not_there_has_the_error_of_its_era(stage, host):
    with pytest.raises(MCPError) as refused:
        stage.run(host.client.read_resource, "pantry://cellar")

    assert refused.value.code == {V2025: -32002, V2026: -32602}[stage.era]


def test_prompts_are_listed_and_filled_in(stage, host):
    async def prompts():
        return await host.client.list_prompts(), await host.client.get_prompt("recipe", {"dish": "bread"})

    listed, filled = stage.run(prompts)
    assert [(prompt.name, prompt.arguments[0].name) for prompt in listed.prompts] == [("recipe", "dish")]
    assert filled.messages[0].content.text == "How do I cook bread?"


def test_a_prompts_argument_is_completed(stage, host):
    reference = types.PromptReference(type="ref/prompt", name="recipe")
    completed = stage.run(host.client.complete, reference, {"name": "dish", "value": "br"})

    assert completed.completion.values == ["bread", "broth"]


def test_only_the_log_messages_asked_for_are_sent(stage, host):
    async def gossip():
        if stage.era == V2025:
            await host.client.set_logging_level("warning")
        await host.client.call_tool("gossip")

    stage.run(gossip)
    assert [(log.level, log.data, log.logger) for log in host.logs] == [("warning", {"soup": "salty"}, "kitchen")]


def test_progress_is_reported_in_order_before_the_result(stage, host):
    heard = []

    async def hear(progress, total, message):
        heard.append((progress, total, message))

    async def count():
        result = await host.client.call_tool("count", {"to": 5}, progress_callback=hear)
        return result.content[0].text, len(heard)

    assert stage.run(count) == ("counted", 5)
    assert heard == [(number, 5, f"step {number}") for number in range(1, 6)]


def test_our_server_samples_the_clients_model(stage, host):
    assert stage.run(host.text, "summarise", {"text": "x"}) == "short Summarise x"
    assert [(asked.max_tokens, asked.system_prompt) for asked in host.asked] == [(20, "Be short.")]


@pytest.mark.parametrize(
    ("answer", "understood"),
    [
        (types.ElicitResult(action="accept", content={"name": "soup", "hot": True}), "Dish(name='soup', hot=True)"),
        (types.ElicitResult(action="accept", content={"name": "soup"}), "Dish(name='soup', hot=False)"),
        (types.ElicitResult(action="decline"), "None"),
        (types.ElicitResult(action="cancel"), "None"),
    ],
    ids=["accepts", "accepts with a default", "declines", "cancels"],
)
def test_our_server_asks_the_clients_person_by_form(stage, host, answer, understood):
    async def person(_):
        return answer

    host.person = person
    assert stage.run(host.text, "order") == f"{answer.action} {understood}"
    assert [asked.message for asked in host.asked] == ["What shall it be?"]


def test_an_answer_that_its_form_forbids_never_reaches_the_handler_as_data(stage, host):
    async def person(_):
        return types.ElicitResult(action="accept", content={"hot": "very"})

    async def order():
        try:
            return (await host.client.call_tool("order")).is_error
        except MCPError as error:
            return "form" in str(error) or "schema" in str(error)

    host.person = person
    assert stage.run(order)


@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
def test_our_server_sends_the_clients_person_to_a_page(stage, host, action):
    async def person(_):
        return types.ElicitResult(action=action)

    host.person = person
    assert stage.run(host.text, "pay") == action
    assert [(asked.mode, asked.url) for asked in host.asked] == [("url", "https://pay.example/1")]


def test_our_server_reads_the_clients_roots(stage, host):
    assert stage.run(host.text, "folders") == "file:///work file:///play"


def test_one_handler_asks_three_questions_of_three_kinds_in_a_row(stage, host):
    assert stage.run(host.text, "feast") == "short Name a dish accept 2"
    assert len(host.asked) == 2


def test_an_error_of_the_clients_model_ends_the_call_with_that_error(stage, host):
    async def person(_):
        return types.ErrorData(code=-1, message="not today")

    async def order():
        try:
            result = await host.client.call_tool("order")
            return result.is_error and "not today" in result.content[0].text
        except MCPError as error:
            return "not today" in str(error)

    host.person = person
    assert stage.run(order)


def test_a_cancelled_call_ends_our_handler(stage, host):
    async def cancel():
        before = (await host.events())["running"]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.client.call_tool, "simmer", {})
            await host.told("simmer started")
            assert (await host.events())["running"] == before + 1
            nursery.cancel_scope.cancel()
        await host.told("simmer ended")
        return before, await host.events()

    before, after = stage.run(cancel)
    assert after["running"] == before


def test_a_cancelled_call_withdraws_its_open_question_and_ends_our_handler(stage, host):
    """2025-11-25: our request to the client is taken back. 2026-07-28: our handler ended when it asked."""
    withdrawn = trio.Event()

    async def person(_):
        asked.set()
        try:
            await trio.sleep_forever()
        finally:
            withdrawn.set()

    async def cancel():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.client.call_tool, "wait_for_guest", {})
            await asked.wait()
            nursery.cancel_scope.cancel()
        await withdrawn.wait()
        if stage.era == V2025:
            await host.told("asking ended")
        return await host.events()

    asked = trio.Event()
    host.person = person
    after = stage.run(cancel)
    assert (after["asking started"], after["running"]) == (1, 0)


def test_a_hundred_calls_at_once_get_a_hundred_answers_of_their_own(stage, host):
    texts = {}

    async def echo(number):
        texts[number] = await host.text("echo", {"text": f"nonce {number}"})

    async def flood():
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(echo, number)

    stage.run(flood)
    assert texts == {number: f"nonce {number}" for number in range(100)}


def test_what_a_tool_prints_never_reaches_the_wire(stage, host):
    """Prints on standard output are the most common way to break a stdio server."""
    assert stage.run(host.text, "shout", {"text": '{"jsonrpc": "2.0"'}) == '{"jsonrpc": "2.0"'
    assert stage.run(host.text, "echo", {"text": "still here"}) == "still here"
