"""Every method of a client against an app in this process, in both eras, with and without encoding."""

from __future__ import annotations

import logging
import math

import pytest
import trio
from session_app import everything
from session_world import STATEFUL, STATELESS, both_eras, opened, strictly_or_not

from zcp_actors import Context, FastZCP, memory_client, open_runtime
from zcp_actors.errors import (
    CapabilityMissing,
    MethodNotFound,
    NoRuntime,
    NotJSON,
    NotOpened,
    RPCError,
    SessionClosed,
    UsageError,
)
from zcp_actors.wire import to_wire


@pytest.fixture(params=[(STATEFUL, False), (STATEFUL, True), (STATELESS, False), (STATELESS, True)], ids=str)
def way(request):
    return {"era": request.param[0], "strict": request.param[1]}


async def pages(method, field):
    """Every page of a list, by its cursor."""
    found, cursor = [], None
    while True:
        result = await method(cursor=cursor)
        found.append([each.get("uriTemplate", each.get("uri", each["name"])) for each in to_wire(result)[field]])
        cursor = result.next_cursor
        if cursor is None:
            return found


# ---- asking
async def test_lists_come_in_pages(way, autojump_clock):
    async with opened(everything(), **way) as client:
        assert await pages(client.list_tools, "tools") == [["add", "mirror"], ["report", "log"]]
        assert await pages(client.list_resources, "resources") == [
            ["docs://readme", "docs://license"],
            ["docs://third"],
        ]
        assert await pages(client.list_resource_templates, "resourceTemplates") == [["docs://{section}/{page}"]]
        assert await pages(client.list_prompts, "prompts") == [["review"]]


async def test_a_bad_cursor_is_refused(way, autojump_clock):
    async with opened(everything(), **way) as client:
        for method in (client.list_tools, client.list_resources, client.list_prompts):
            with pytest.raises(RPCError) as caught:
                await method(cursor="made-up")
            assert caught.value.code == -32602


async def test_tools_are_called_and_carry_meta(way, autojump_clock):
    async with opened(everything(), **way) as client:
        result = await client.call_tool("add", {"a": 1, "b": 2})
        assert (result.structured_content, result["structuredContent"]) == ({"result": 3}, {"result": 3})
        assert result.content[0].text == "3"
        found = await client.call_tool("mirror", {"given": {"n": [None, 1.5, "\u00fc"]}}, meta={"trace/x": 7})
        assert found.structured_content["given"] == {"n": [None, 1.5, "\u00fc"]}
        assert found.structured_content["meta"]["trace/x"] == 7


async def test_what_goes_wrong_with_a_tool_is_told_apart(way, autojump_clock):
    async with opened(everything(), **way) as client:
        assert (await client.call_tool("add", {"a": "x", "b": 2})).is_error
        with pytest.raises(RPCError, match="unknown tool 'nothing'"):
            await client.call_tool("nothing")
        with pytest.raises(NotJSON, match="arguments"):
            await client.call_tool("mirror", {"given": {"x": object()}})
        if way["era"] == STATEFUL:
            with pytest.raises(CapabilityMissing):
                await client.call_tool("add", {"a": 1, "b": 2}, task={"ttl": 1})


async def test_resources_are_read_by_uri_and_by_template(way, autojump_clock):
    async with opened(everything(), **way) as client:
        assert (await client.read_resource("docs://readme")).contents[0].text == "read me"
        assert (await client.read_resource("docs://license")).contents[0].blob == "TUlU"
        assert (await client.read_resource("docs://a/b")).contents[0].text == "a/b"
        expanded = await client.read_resource("docs://{section}/{page}", {"section": "x y", "page": "z"})
        assert expanded.contents[0].uri == "docs://x%20y/z"
        with pytest.raises(RPCError) as caught:
            await client.read_resource("docs://nowhere")
        assert caught.value.code == (-32002 if way["era"] == STATEFUL else -32602)


async def test_prompts_are_filled_and_completed(way, autojump_clock):
    async with opened(everything(), **way) as client:
        prompt = await client.get_prompt("review", {"code": "x = 1"})
        assert prompt.messages[0].content.text == "Review x = 1 (kind)"
        assert (await client.complete("review", "code", "ma")).completion.values == ["main.py", "make.py"]
        wired = await client.complete({"type": "ref/prompt", "name": "review"}, {"name": "code", "value": "mai"})
        assert wired.completion.values == ["main.py"]
        told = await client.complete("review", "style", "for", context_arguments={"code": "c"})
        assert told.completion.values == ["for c"]
        with pytest.raises(RPCError, match="unknown prompt"):
            await client.get_prompt("nothing")


@pytest.mark.parametrize("uri", ["docs://{word}", "urn:word:{word}"])
async def test_a_template_is_completed_by_its_uri(way, uri, autojump_clock):
    app = FastZCP("Templates")

    async def suggest(argument, value):
        return [f"{argument} {value}"]

    app.add_resource_template(lambda word: word, uri, name="words")
    app.add_completion(suggest, uri)
    async with opened(app, **way) as client:
        assert (await client.complete(uri, "word", "a")).completion.values == ["word a"]


async def test_a_server_introduces_itself(way, autojump_clock):
    async with opened(everything(), **way) as client:
        assert client.protocol_version == way["era"]
        assert to_wire(client.server_capabilities)["tools"] == {"listChanged": True}
        assert client.instructions == "Ask for anything."
        info = client.introduction.server_info
        assert (info["name"], info["version"]) == ("Everything", "2.0")
        assert await client.initialize() is client.introduction.result
        await client.initialized()
        await client.ping()


async def test_any_request_of_the_revision_can_be_sent(way, autojump_clock):
    async with opened(everything(), **way) as client:
        result = await client.request("tools/call", {"name": "add", "arguments": {"a": 1, "b": 1}})
        assert result.structured_content == {"result": 2}
        with pytest.raises(MethodNotFound):
            await client.request("no/such")
        with pytest.raises(RPCError):
            await client.request("tools/call", {"arguments": 5})


async def test_the_newest_revision_is_agreed_on_when_none_is_asked_for(autojump_clock):
    async with opened(everything()) as client:
        assert client.protocol_version == STATELESS


@both_eras
async def test_who_the_client_is_and_can_is_known_to_handlers(era, autojump_clock):
    app, seen = FastZCP("Curious"), []

    @app.tool
    async def look(ctx: Context) -> None:
        seen.append((ctx.client_info["name"], ctx.protocol_version, ctx.method, ctx.principal, bool(ctx.request_id)))

    async with opened(app, era, client_info={"name": "me", "version": "1"}) as client:
        await client.call_tool("look")

    assert seen == [("me", era, "tools/call", "", True)]


# ---- hearing
async def test_progress_rises_and_reaches_both_listeners(way, autojump_clock):
    mine, everybodys = [], []
    async with opened(everything(), progress_handler=everybodys.append, **way) as client:
        await client.call_tool("report", {"values": [1, 1, 3, 2, 5]}, on_progress=mine.append)
        await client.call_tool("report", {"values": [1]})

    assert [(each.progress, each.total, each.message) for each in mine] == [
        (1, 10, "at 1"),
        (3, 10, "at 3"),
        (5, 10, "at 5"),
    ]
    assert [each.progress for each in everybodys] == [1, 3, 5, 1]


@both_eras
async def test_progress_and_logs_are_not_repeated_by_a_replay(era, autojump_clock):
    app, progress, logs = FastZCP("Telling"), [], []

    @app.tool
    async def tell(ctx: Context) -> str:
        await ctx.progress(1)
        await ctx.info("before")
        await ctx.elicit("first?")
        await ctx.progress(2)
        await ctx.info("between")
        await ctx.elicit("second?")
        await ctx.progress(3)
        await ctx.info("after")
        return "done"

    async with opened(
        app,
        era,
        elicitation_handler=lambda request: True,
        log_handler=lambda notice: logs.append(notice.data),
        progress_handler=lambda notice: progress.append(notice.progress),
    ) as client:
        await client.set_logging_level("info")
        await client.call_tool("tell")

    assert logs == ["before", "between", "after"]
    assert progress == [1, 2, 3]


async def test_logs_come_from_the_level_that_was_asked_for(way, autojump_clock):
    logs = []
    async with opened(everything(), log_handler=logs.append, **way) as client:
        for level in ("debug", "info", "error"):
            await client.call_tool("log", {"level": level})
        silent = [each.level for each in logs]
        logs.clear()
        await client.set_logging_level("warning")
        for level in ("info", "warning", "emergency"):
            await client.call_tool("log", {"level": level})

    assert silent == (["info", "error"] if way["era"] == STATEFUL else [])
    assert [(each.level, each.data, each.logger) for each in logs] == [
        ("warning", {"text": "warning"}, "test"),
        ("emergency", {"text": "emergency"}, "test"),
    ]


async def test_a_handler_that_logs_at_no_level_is_told(way, autojump_clock):
    async with opened(everything(), **way) as client:
        with pytest.raises(RPCError, match="'loud' is not one of"):
            await client.call_tool("log", {"level": "loud"})


@pytest.mark.parametrize(
    ("report", "error"),
    [
        (lambda ctx: ctx.progress(1, math.inf), NotJSON),
        (lambda ctx: ctx.progress(1, math.nan), NotJSON),
        (lambda ctx: ctx.progress(1, 2, "\ud800"), NotJSON),
        (lambda ctx: ctx.progress("1"), UsageError),
        (lambda ctx: ctx.progress(1, True), UsageError),
        (lambda ctx: ctx.progress(1, 2, b"half"), NotJSON),
        (lambda ctx: ctx.progress(1, 2, 3), UsageError),
        (lambda ctx: ctx.info(object()), NotJSON),
        (lambda ctx: ctx.info("x", logger=3), UsageError),
        (lambda ctx: ctx.info("x", logger="\ud800"), NotJSON),
    ],
)
async def test_a_report_that_no_wire_carries_is_refused_where_it_is_made(way, report, error, autojump_clock):
    """On every transport, and before it is sent: else it would be heard in process and vanish on a wire."""
    app, raised, heard = FastZCP("Reports"), [], []

    @app.tool
    async def tell(ctx: Context) -> str:
        try:
            await report(ctx)
        except UsageError as caught:
            raised.append(type(caught))
        return "told"

    listeners = {"log_handler": heard.append, "progress_handler": heard.append}
    async with opened(app, **listeners, **way) as client:
        await client.set_logging_level("debug")
        assert (await client.call_tool("tell")).content[0].text == "told"
    assert (raised, heard) == ([error], [])


async def test_a_listener_that_fails_harms_nobody(way, caplog, autojump_clock):
    def broken(notice):
        raise ValueError("listener")

    with caplog.at_level(logging.CRITICAL):
        async with opened(everything(), progress_handler=broken, **way) as client:
            await client.call_tool("report", {"values": [1]})
            assert (await client.call_tool("add", {"a": 1, "b": 1})).structured_content == {"result": 2}


async def test_changes_of_lists_are_heard_once(way, autojump_clock):
    app, heard = everything(), []
    async with opened(app, changed_handler=heard.append, **way) as client:
        app.add_tool(lambda: None, name="new")
        app.remove_prompt("review")
        app.remove_resource("docs://third")
        await trio.sleep(1)
        assert [(change.kind, change.uri) for change in heard] == [
            ("tools", None),
            ("prompts", None),
            ("resources", None),
        ]
        listed = [name for page in await pages(client.list_tools, "tools") for name in page]
        assert listed == ["add", "mirror", "report", "log", "new"]
    app.remove_tool("new")
    assert len(heard) == 3


async def test_subscriptions_come_and_go_without_loss_or_double(way, autojump_clock):
    app, heard = everything(), []
    async with opened(app, changed_handler=lambda change: heard.append(change.uri), **way) as client:
        app.resource_updated("docs://license")
        await client.subscribe_resource("docs://license")
        app.resource_updated("docs://license")
        await client.subscribe_resource("docs://a/b")
        app.resource_updated("docs://license")
        app.resource_updated("docs://a/b")
        await client.subscribe_resource("docs://a/b")
        app.resource_updated("docs://a/b")
        await client.unsubscribe_resource("docs://license")
        app.resource_updated("docs://license")
        app.resource_updated("docs://a/b")
        app.resource_updated("docs://other")
        await trio.sleep(1)

    assert heard == ["docs://license", "docs://license", "docs://a/b", "docs://a/b", "docs://a/b"]


async def test_no_update_is_lost_or_doubled_while_subscriptions_change(way, autojump_clock):
    """The server's side: a new listen stream stands before the old one is left."""
    app, heard = everything(), []
    async with opened(app, changed_handler=lambda change: heard.append(change.uri), **way) as client:
        await client.subscribe_resource("docs://license")
        async with trio.open_nursery() as nursery:

            async def wander():
                for number in range(20):
                    await client.subscribe_resource(f"docs://a/{number}")
                for number in range(20):
                    await client.unsubscribe_resource(f"docs://a/{number}")

            nursery.start_soon(wander)
            sent = 0
            while nursery.child_tasks:
                app.resource_updated("docs://license")
                sent += 1
                await trio.lowlevel.checkpoint()
        await trio.sleep(1)

    assert sent > 20
    assert heard == ["docs://license"] * sent


async def test_two_clients_hear_each_for_itself(way, autojump_clock):
    app, one, two = everything(), [], []
    async with (
        opened(app, changed_handler=one.append, **way) as first,
        memory_client(app, changed_handler=two.append, **way),
    ):
        await first.subscribe_resource("docs://license")
        app.resource_updated("docs://license")
        app.remove_tool("add")
        await trio.sleep(1)

    assert [change.uri for change in one] == ["docs://license", None]
    assert [change.uri for change in two] == [None]


@both_eras
async def test_a_host_tells_that_its_roots_are_others(era, autojump_clock):
    crossed = []
    async with opened(
        everything(), era, roots_provider=list, tap=lambda side, message: crossed.append(getattr(message, "method", ""))
    ) as client:
        await client.roots_changed()
        await trio.sleep(1)

    assert ("notifications/roots/list_changed" in crossed) == (era == STATEFUL)


# ---- before, after and outside
async def test_a_client_that_was_not_opened_says_so(autojump_clock):
    async with open_runtime():
        client = memory_client(everything())
        for use in (client.list_tools, client.ping, lambda: client.subscribe_resource("a:b")):
            with pytest.raises(NotOpened, match="async with client"):
                await use()
        with pytest.raises(NotOpened):
            client.introduction  # noqa: B018 - reading it is the point
        await client.close()


async def test_a_client_outside_of_a_runtime_says_so(autojump_clock):
    with pytest.raises(NoRuntime, match="open_runtime"):
        async with memory_client(everything()):
            pass


async def test_a_closed_client_says_so(way, autojump_clock):
    async with open_runtime():
        async with memory_client(everything(), **way) as client:
            await client.close()
            await client.close()
            for use in (
                client.list_tools,
                client.ping,
                lambda: client.call_tool("add", {"a": 1, "b": 1}),
                lambda: client.subscribe_resource("docs://license"),
                lambda: client.set_logging_level("error"),
            ):
                with pytest.raises(SessionClosed):
                    await use()
        with pytest.raises(SessionClosed):
            await client.list_tools()


async def test_a_client_is_opened_once(way, autojump_clock):
    async with opened(everything(), **way) as client:
        with pytest.raises(UsageError, match="already opened"):
            async with client:
                pass
        await client.ping()


@pytest.mark.parametrize("era", ["2027-01-01", "", "latest"])
def test_an_era_that_is_none_is_refused_at_once(era):
    with pytest.raises(UsageError, match="era must be one of"):
        memory_client(everything(), era=era)


@both_eras
@strictly_or_not
async def test_a_thousand_calls_at_once_get_their_own_answers(era, strict, autojump_clock):
    """DESIGN 10: no crossed answers."""
    found = {}
    async with opened(everything(), era, strict=strict) as client, trio.open_nursery() as nursery:

        async def call(number):
            found[number] = (await client.call_tool("add", {"a": number, "b": 1})).structured_content["result"]

        for number in range(1000):
            nursery.start_soon(call, number)

    assert found == {number: number + 1 for number in range(1000)}
