"""
Our client and a server written with the `mcp` package, over stdio and over streamable HTTP, feature by feature, in both
eras.

Source: MCP 2025-11-25 and 2026-07-28, client/*, server/*, basic/utilities. The server is nobody's fake: it is the SDK.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest
import trio
from interop.stage import open_stage, program
from served import served

from zcp_actors import Command, ZCPClientSession, open_runtime
from zcp_actors.errors import RPCError
from zcp_actors.transports.http.client_way import HTTPWay
from zcp_actors.transports.stdio import ChildWay

V2025, V2026 = "2025-11-25", "2026-07-28"


class Host:
    """An open client, and what its server asked and told."""

    def __init__(self, runtime):
        self.runtime, self.client = runtime, None
        self.forget()

    def forget(self):
        self.asked, self.logs, self.progress, self.lines = [], [], [], []
        self.person = lambda _: {"accepted": True, "data": {"name": "soup"}}
        self.model = lambda _: "soup"

    def ask_person(self, request):
        self.asked.append(request)
        return self.person(request)

    def ask_model(self, request):
        self.asked.append(request)
        return self.model(request)

    def hear_log(self, log):
        self.logs.append(log)

    def hear_progress(self, report):
        self.progress.append(report)

    def received(self):
        """Every message that came, as JSON."""
        return [json.loads(line) for side, line in self.lines if side == "in"]

    async def text(self, tool, arguments=None):
        result = await self.client.call_tool(tool, arguments or {})
        assert not result.is_error
        return result.content[0].text

    async def told(self, event):
        """Wait until the server has counted this event."""
        while not (await self.client.call_tool("tell")).structured_content.get(event):
            await trio.lowlevel.checkpoint()


@asynccontextmanager
async def stdio_way(tap):
    yield ChildWay(Command(program("mcp_server_features.py")), tap=tap)


@asynccontextmanager
async def http_way(tap):
    async with served("mcp_http_server.py") as url:
        yield HTTPWay(url, tap=tap)


WAYS = {"stdio": stdio_way, "HTTP": http_way}


@asynccontextmanager
async def connected(transport, era):
    async with open_runtime() as runtime:
        host = Host(runtime)
        way = WAYS[transport](lambda *line: host.lines.append(line))
        async with (
            way as found,
            ZCPClientSession(
                found,
                era=era,
                sampling_handler=host.ask_model,
                elicitation_handler=host.ask_person,
                roots_provider=lambda: ["file:///work", "file:///play"],
                log_handler=host.hear_log,
                progress_handler=host.hear_progress,
            ) as host.client,
        ):
            yield host


PLACES = [("stdio", V2025), ("stdio", V2026), ("HTTP", V2025), ("HTTP", V2026)]


@pytest.fixture(scope="module", params=PLACES, ids=[" ".join(place) for place in PLACES])
def stage(request):
    transport, era = request.param
    with open_stage(lambda: connected(transport, era)) as opened:
        opened.transport, opened.era = transport, era
        yield opened


@pytest.fixture
def host(stage):
    stage.scene.forget()
    return stage.scene


def test_the_forced_era_is_spoken_and_the_server_introduces_itself(stage, host):
    assert host.client.protocol_version == stage.era
    assert host.client.instructions == "Knock first."
    assert host.client.introduction.server_info["name"] == "Larder"


def test_its_tools_are_listed_with_their_schemas(stage, host):
    listed = stage.run(host.client.list_tools)

    add = next(tool for tool in listed.tools if tool.name == "add")
    assert add.description == "Add two numbers."
    assert add.input_schema["required"] == ["a", "b"]


def test_a_tool_answers_with_text_and_structured_content(stage, host):
    result = stage.run(host.client.call_tool, "add", {"a": 2, "b": 3})

    assert result.structured_content == {"total": 5}
    assert json.loads(result.content[0].text) == {"total": 5}


def test_a_tools_failure_is_a_result_and_not_an_exception(stage, host):
    assert stage.run(host.client.call_tool, "fail").is_error


def test_resources_and_templates_are_listed_and_read(stage, host):
    async def read():
        listed = await host.client.list_resources()
        templates = await host.client.list_resource_templates()
        fixed = await host.client.read_resource("larder://menu")
        filled = await host.client.read_resource("larder://shelf/{name}", {"name": "jars"})
        return listed, templates, fixed, filled

    listed, templates, fixed, filled = stage.run(read)
    assert [resource.uri for resource in listed.resources] == ["larder://menu"]
    assert [template.uri_template for template in templates.resource_templates] == ["larder://shelf/{name}"]
    assert (fixed.contents[0].text, fixed.contents[0].mime_type) == ("soup", "text/plain")
    assert filled.contents[0].text == "a shelf of jars"


def test_a_resource_that_is_not_there_is_the_servers_error(stage, host):
    with pytest.raises(RPCError, match="Unknown resource: larder://cellar"):
        stage.run(host.client.read_resource, "larder://cellar")


def test_prompts_are_listed_and_filled_in(stage, host):
    async def prompts():
        return await host.client.list_prompts(), await host.client.get_prompt("recipe", {"dish": "bread"})

    listed, filled = stage.run(prompts)
    assert [(prompt.name, prompt.arguments[0].name) for prompt in listed.prompts] == [("recipe", "dish")]
    assert filled.messages[0].content.text == "How do I cook bread?"


def test_a_prompts_argument_is_completed(stage, host):
    completed = stage.run(host.client.complete, "recipe", "dish", "br")

    assert list(completed.completion.values) == ["bread", "broth"]


def test_log_messages_reach_the_log_handler(stage, host):
    async def gossip():
        await host.client.set_logging_level("warning")
        await host.client.call_tool("gossip")

    stage.run(gossip)
    warning = host.logs[-1]
    assert (warning.level, warning.data, warning.logger) == ("warning", {"soup": "salty"}, "kitchen")
    if stage.era == V2026:
        assert len(host.logs) == 1


def test_progress_is_reported_in_order_before_the_result(stage, host):
    heard = []

    async def count():
        return await host.client.call_tool("count", {"to": 5}, on_progress=heard.append)

    assert stage.run(count).content[0].text == "counted"
    assert [(report.progress, report.total, report.message) for report in heard] == [
        (number, 5, f"step {number}") for number in range(1, 6)
    ]
    assert host.progress == heard


def test_the_server_samples_our_model(stage, host):
    host.model = lambda request: {"content": f"short {request.messages[0].content.text}", "model": "tiny"}

    assert stage.run(host.text, "summarise", {"text": "x"}) == "tiny: short Summarise x"
    assert [(asked.max_tokens, asked.system_prompt) for asked in host.asked] == [(20, "Be short.")]


@pytest.mark.parametrize(
    ("answer", "understood"),
    [
        ({"accepted": True, "data": {"name": "soup", "hot": True}}, "accept name='soup' hot=True"),
        ({"accepted": True, "data": {"name": "soup"}}, "accept name='soup' hot=False"),
        ({"accepted": False}, "decline None"),
        (None, "cancel None"),
    ],
    ids=["accepts", "accepts with a default", "declines", "cancels"],
)
def test_the_server_asks_our_person_by_form(stage, host, answer, understood):
    host.person = lambda _: answer

    assert stage.run(host.text, "order") == understood
    assert [asked.message for asked in host.asked] == ["What shall it be?"]


@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
def test_the_server_sends_our_person_to_a_page(stage, host, action):
    host.person = lambda _: {"action": action}

    assert stage.run(host.text, "pay") == action
    assert [(asked.mode, asked.url) for asked in host.asked] == [("url", "https://pay.example/1")]


def test_the_server_reads_our_roots(stage, host):
    assert stage.run(host.text, "folders") == "file:///work file:///play"


def test_one_call_may_ask_for_a_draft_an_answer_and_the_roots(stage, host):
    assert stage.run(host.text, "feast", {"text": "x"}) == "soup accept 2"
    assert len(host.asked) == 2


def test_a_question_travels_as_its_era_wants(stage, host):
    """2025-11-25: a request of the server. 2026-07-28: a result, and the server never writes a request."""
    stage.run(host.text, "order")

    asked = [message["method"] for message in host.received() if "id" in message and "method" in message]
    results = [message["result"] for message in host.received() if "result" in message]
    embedded = [result for result in results if result.get("resultType") == "input_required"]
    if stage.era == V2025:
        assert (asked, embedded) == (["elicitation/create"], [])
    else:
        assert asked == []
        assert [each["method"] for result in embedded for each in result["inputRequests"].values()] == [
            "elicitation/create"
        ]


def test_an_error_of_our_model_reaches_the_server_or_ends_the_call(stage, host):
    def refuse(_):
        raise RPCError(-1, "not today")

    host.model = refuse

    async def summarise():
        try:
            return (await host.client.call_tool("summarise", {"text": "x"})).is_error
        except RPCError as error:
            return "not today" in str(error)

    assert stage.run(summarise)


def test_a_cancelled_call_ends_the_servers_tool(stage, host):
    async def cancel():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.client.call_tool, "simmer")
            await host.told("simmer started")
            nursery.cancel_scope.cancel()
        await host.told("simmer ended")

    stage.run(cancel)
    sent = [json.loads(line)["method"] for side, line in host.lines if side == "out"]
    assert ("notifications/cancelled" in sent) == (stage.transport == "stdio" or stage.era == V2025)


def test_a_cancelled_call_withdraws_the_question_that_it_caused(stage, host):
    """2025-11-25: by the server, which takes its request back. 2026-07-28: here, with the round that carried it."""
    withdrawn = trio.Event()

    async def person(_):
        asked.set()
        try:
            await trio.sleep_forever()
        finally:
            withdrawn.set()

    async def cancel():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.client.call_tool, "wait_for_guest" if stage.era == V2025 else "order")
            await asked.wait()
            assert len(host.runtime.pending()) == 1
            nursery.cancel_scope.cancel()
        await withdrawn.wait()
        if stage.era == V2025:
            await host.told("asking ended")

    asked = trio.Event()
    host.person = person
    stage.run(cancel)
    assert host.runtime.pending() == ()


def test_a_hundred_calls_at_once_get_a_hundred_answers_of_their_own(stage, host):
    """python-sdk and langchain reports of shared ids: the answers must not cross."""
    sums = {}

    async def add(number):
        sums[number] = (await host.client.call_tool("add", {"a": number, "b": 1})).structured_content["total"]

    async def flood():
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(add, number)

    stage.run(flood)
    assert sums == {number: number + 1 for number in range(100)}


def test_a_ping_is_answered(stage, host):
    assert stage.run(host.client.ping) is not None


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
async def test_without_a_forced_era_the_newest_is_agreed_on(backend):
    with trio.fail_after(30):
        async with (
            open_runtime(),
            ZCPClientSession(ChildWay(Command(program("mcp_server_features.py", backend)))) as client,
        ):
            assert client.protocol_version == V2026
            assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"total": 2}
