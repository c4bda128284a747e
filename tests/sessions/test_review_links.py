"""
Opening, losing and regaining a connection: every request ends, every opening leaves nothing, every wish is said again.

Source: MCP 2026-07-28, basic/lifecycle, backward compatibility; DESIGN.md 5, "Entry".
"""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from zcp_actors import Context, FastZCP, ZCPClientSession, memory_client, open_runtime
from zcp_actors.errors import ConnectionLost, InvalidResult, RPCError, SessionClosed, StartFailed, UnsupportedVersion
from zcp_actors.sessions.timeouts import Timeouts
from zcp_actors.wire import ErrorResponse, Request, Response

V2025, V2026 = "2025-11-25", "2026-07-28"
DISCOVERED = {
    "supportedVersions": [V2026],
    "capabilities": {"tools": {}},
    "ttlMs": 1,
    "cacheScope": "private",
    "resultType": "complete",
}
INITIALIZED = {"protocolVersion": V2025, "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}
TOOLS = {"tools": [], "resultType": "complete", "ttlMs": 1, "cacheScope": "private"}


class ScriptedChannel:
    """A connection whose other end answers by a script; it ends when `gone` is set."""

    transport, dialect, stamp, full = "pipe", None, None, False

    def __init__(self, script):
        self._script, self.posted, self.gone = script, [], trio.Event()
        self._replies, self._arriving = trio.open_memory_channel(1000)

    def post(self, message, call=None):
        self.posted.append(message.method)
        reply = self._script(self, message) if isinstance(message, Request) else None
        if reply is not None:
            self._replies.send_nowait(reply)

    def hang_up(self):
        pass

    async def room(self):
        await trio.lowlevel.checkpoint()

    async def read(self, session):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._feed, session)
            await self.gone.wait()
            nursery.cancel_scope.cancel()
        raise ConnectionLost("the script ended it")

    async def _feed(self, session):
        async for message in self._arriving:
            session.feed(message)


class ScriptedWay:
    """Channels with one script; opening fails once there were `most`."""

    name, at_once = "scripted", False

    def __init__(self, script, *, identity=None, most=100):
        self.script, self.identity, self.most, self.channels = script, identity, most, []

    @asynccontextmanager
    async def open(self, runtime):
        if len(self.channels) == self.most:
            raise StartFailed("nobody starts it any more")
        self.channels.append(ScriptedChannel(self.script))
        yield self.channels[-1]


def silent(channel, request):
    return None


def newer(channel, request):
    results = {"server/discover": DISCOVERED, "tools/list": TOOLS}
    if request.method not in results:
        return ErrorResponse(request.id, -32022, "not this version", {"supported": [V2026]})
    return Response(request.id, results[request.method])


def older(channel, request):
    results = {"initialize": INITIALIZED, "tools/list": {"tools": []}, "logging/setLevel": {}}
    if request.method not in results:
        return ErrorResponse(request.id, -32601, "unknown")
    return Response(request.id, results[request.method])


async def test_a_close_while_the_server_is_silent_ends_the_opening_at_once(autojump_clock):
    async with open_runtime() as runtime:
        client, errors = ZCPClientSession(ScriptedWay(silent)), []

        async def opening():
            with pytest.raises(SessionClosed) as caught:
                await client.open(runtime, None)
            errors.append(caught.value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(opening)
            await trio.sleep(1)
            began = trio.current_time()
            await client.close()
        assert trio.current_time() == began
        assert len(errors) == 1


async def test_a_cancelled_opening_leaves_nothing(autojump_clock):
    async with open_runtime() as runtime:
        with trio.move_on_after(1):
            await ZCPClientSession(ScriptedWay(silent)).open(runtime, None)
        await trio.testing.wait_all_tasks_blocked()
        assert [node.path for node in runtime.tree().walk()] == ["root"]
        assert not runtime.sessions


async def test_a_request_whose_server_is_never_brought_back_fails_with_the_reason(autojump_clock, caplog):
    async with open_runtime() as runtime:
        way = ScriptedWay(newer, most=1)
        client = await runtime.connect(ZCPClientSession(way))
        way.channels[0].gone.set()
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        with pytest.raises(StartFailed, match="nobody starts it"):
            await client.list_tools()
        assert trio.current_time() - began < 30
        with pytest.raises(StartFailed, match="nobody starts it"):
            await client.list_tools()


async def test_a_connection_that_is_gone_before_its_waiters_run_is_waited_for_again(autojump_clock):
    async with open_runtime() as runtime:
        way, listed = ScriptedWay(newer), []
        client = await runtime.connect(ZCPClientSession(way))
        way.channels[0].gone.set()
        await trio.testing.wait_all_tasks_blocked()

        async def lists():
            listed.append((await client.list_tools()).tools)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lists)
            await trio.testing.wait_all_tasks_blocked()
            session = client._session
            session.opened(session.introduction)
            session.lost(None, final=False)
        assert listed == [[]]


async def test_a_requests_own_limit_counts_while_the_connection_is_away(autojump_clock):
    async with open_runtime() as runtime:
        way = ScriptedWay(newer)
        client = await runtime.connect(ZCPClientSession(way))
        way.script = silent
        client._session.introduction = None  # so that the next connection is asked, and stays silent
        way.channels[0].gone.set()
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        with pytest.raises(TimeoutError):
            await client.call_tool("x", timeouts=Timeouts(1, 1))
        assert trio.current_time() - began == pytest.approx(1)


@pytest.mark.parametrize(("first", "then"), [(newer, older), (older, newer)])
async def test_a_remembered_era_is_a_hint_and_no_verdict(autojump_clock, first, then):
    async with open_runtime() as runtime:
        versions = []
        way = ScriptedWay(first, identity=f"a server that changes from {first.__name__}")
        for script in (first, first, then, then):
            way.script = script
            client = ZCPClientSession(way)
            await client.open(runtime, None)
            versions.append(client.protocol_version)
            await client.close()
        expected = [V2026, V2025] if first is newer else [V2025, V2026]
        assert versions == [expected[0]] * 2 + [expected[1]] * 2


async def test_a_forced_era_that_the_server_does_not_name_is_refused(autojump_clock):
    def other(channel, request):
        return Response(request.id, {**DISCOVERED, "supportedVersions": [V2025]})

    async with open_runtime() as runtime:
        with pytest.raises(UnsupportedVersion):
            await ZCPClientSession(ScriptedWay(other), era=V2026).open(runtime, None)
        assert not runtime.sessions


async def test_a_new_session_is_told_the_log_level_again(autojump_clock):
    async with open_runtime() as runtime:
        way = ScriptedWay(older)
        client = await runtime.connect(ZCPClientSession(way, era=V2025))
        await client.set_logging_level("debug")
        way.channels[0].gone.set()
        await trio.testing.wait_all_tasks_blocked()
        await client.list_tools()
        assert "logging/setLevel" in way.channels[1].posted


async def test_only_the_three_methods_of_the_specification_may_ask_for_input(autojump_clock):
    """MCP 2026-07-28, multi-round-trip requests: prompts/get, resources/read and tools/call."""

    def asking(channel, request):
        if request.method == "server/discover":
            return newer(channel, request)
        return Response(request.id, {"resultType": "input_required", "requestState": "s"})

    async with open_runtime() as runtime:
        way = ScriptedWay(asking)
        client = ZCPClientSession(way)
        await client.open(runtime, None)
        with pytest.raises(InvalidResult, match="complet|input_required"):
            await client.complete("p", "a", "b")
        assert way.channels[0].posted.count("completion/complete") == 1


async def test_a_completion_that_asks_the_client_is_its_authors_error(autojump_clock):
    app = FastZCP("Demo")

    @app.prompt
    async def greet(name: str) -> str:
        return name

    @app.completion("greet")
    async def names(value: str, ctx: Context) -> list[str]:
        return [(await ctx.elicit("which?")).action]

    async with open_runtime(), memory_client(app, era=V2026, elicitation_handler=bool) as client:
        with pytest.raises(RPCError):
            await client.complete("greet", "name", "x")
