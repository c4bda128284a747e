"""
The streamable HTTP client and sessions of 2025-11-25: ids, streams that break, sessions that expire, cancels.

Source: MCP 2025-11-25 basic/transports, "Session Management", "Resumability and Redelivery", "Listening for Messages".
"""

from __future__ import annotations

import logging

import pytest
import trio
from opened import GUARD, OpenClient, text
from scripted_http import Manners, scripted

from zcp_actors import open_runtime, streamable_http_client
from zcp_actors.errors import ConnectionLost, InvalidResult, UnexpectedStatus
from zcp_actors.transports.http import client_cursor

V2025 = "2025-11-25"


class Server(Manners):
    """A server with sessions. Streams of `story` are told in parts; a cut stream is resumed by GET."""

    version, session = V2025, "first"

    def __init__(self, *parts, retry=None):
        self.parts, self.retry = list(parts), retry
        self.events = 0
        self.waits = []
        self.ended = 0.0
        self.id = None

    async def tools_call(self, asked, reply):
        if asked.tool != "story":
            await reply.text(asked.tool)
            return
        self.id = asked.message["id"]
        await self.tell(reply)

    async def GET(self, asked, reply):  # noqa: N802 - HTTP's name
        if "last-event-id" not in asked.headers:
            await reply.empty(405)
            return
        self.waits.append(trio.current_time() - self.ended)
        await self.tell(reply)

    async def tell(self, reply):
        """One part of the story: a list of messages, then how the connection ends."""
        messages, ending = self.parts.pop(0)
        await reply.stream_head()
        for message in messages:
            self.events += 1
            await reply.event(message and message(self.id), id=f"e{self.events}", retry=self.retry)
        self.ended = trio.current_time()
        await ending(reply)

    def resumed(self, client):
        return [asked.headers["last-event-id"] for asked in client.served.asked if "last-event-id" in asked.headers]


async def end(reply):
    await reply.end()


async def cut(reply):
    reply.cut()


def progress(number):
    def message(id):
        params = {"progressToken": id, "progress": number}
        return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}

    return message


def result(id):
    return {"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": "the end"}]}}


@pytest.mark.parametrize("ending", [end, cut], ids=["ended", "cut"])
async def test_a_stream_that_ends_twice_is_resumed_and_every_event_comes_once(ending):
    """reliability R69, R70: the second loss used to forget where the stream was."""
    server = Server(([None, progress(1)], ending), ([progress(2)], ending), ([progress(3), result], end), retry=60)
    heard = []

    async with OpenClient(server, V2025) as client:
        story = await client.call_tool("story", on_progress=lambda report: heard.append(report.progress))
        assert story.content[0].text == "the end"
        assert heard == [1, 2, 3]
        assert server.resumed(client) == ["e2", "e3"]


async def test_a_second_loss_before_any_event_resumes_from_the_same_place():
    server = Server(([None], cut), ([], cut), ([], end), ([result], end), retry=60)

    async with OpenClient(server, V2025) as client:
        assert await text(client, "story") == "the end"
        assert server.resumed(client) == ["e1", "e1", "e1"]


async def test_the_pause_that_the_server_asks_for_is_kept():
    """Source: SEP-1699; the conformance suite allows no reconnection before."""
    server = Server(([None], end), ([result], end), retry=300)

    async with OpenClient(server, V2025) as client:
        assert await text(client, "story") == "the end"
    assert 0.3 <= server.waits[0] < 5


async def test_a_stream_without_ids_is_not_resumed():
    async def no_ids(reply):
        await reply.end()

    server = Server(([], no_ids))
    async with OpenClient(server, V2025) as client:
        with pytest.raises(ConnectionLost, match="ended before its response"):
            await client.call_tool("story")
        assert await text(client, "after") == "after"


async def test_a_stream_that_cannot_be_resumed_ends_its_call_alone():
    class Forgetful(Server):
        async def GET(self, asked, reply):  # noqa: N802 - HTTP's name
            await reply.empty(405)

    async with OpenClient(Forgetful(([None], end), retry=60), V2025) as client:
        with pytest.raises(UnexpectedStatus, match="405 to resuming the stream of tools/call"):
            await client.call_tool("story")
        assert await text(client, "after") == "after"


async def test_a_stream_that_brings_nothing_any_more_is_given_up(monkeypatch):
    """reliability R11: bounded, with growing pauses."""
    monkeypatch.setattr(client_cursor, "MAX_BARREN", 4)
    server = Server(([None], end), *[([], end)] * 9, retry=60)

    async with OpenClient(server, V2025) as client:
        with pytest.raises(ConnectionLost, match="taken up 4 times"):
            await client.call_tool("story")
        assert len(server.resumed(client)) == 4
        assert server.waits == sorted(server.waits)
        assert server.waits[3] > 4 * server.waits[0]


# the stream that belongs to no request -----------------------------------------------------------


class Standing(Manners):
    """A server that has something to say by itself."""

    version, session = V2025, "first"

    def __init__(self, tell):
        self.tell = tell
        self.streams = 0
        self.opened = trio.Event()

    async def GET(self, asked, reply):  # noqa: N802 - HTTP's name
        self.streams += 1
        self.opened.set()
        await self.tell(self, asked, reply)


async def test_questions_come_by_the_standing_stream_and_answers_go_by_post():
    answered = trio.Event()

    async def ask(server, asked, reply):
        params = {"messages": [], "maxTokens": 5}
        await reply.stream_head()
        await reply.event({"jsonrpc": "2.0", "id": "q1", "method": "sampling/createMessage", "params": params})
        await answered.wait()

    class Asking(Standing):
        async def response(self, asked, reply):
            answers.append(asked.message)
            answered.set()
            await reply.empty(202)

    answers = []
    async with OpenClient(Asking(ask), V2025, sampling_handler=lambda _: "yes") as client:
        await answered.wait()
        assert [asked.headers["mcp-session-id"] for asked in client.served.asked[2:]] == ["first"] * 2
    assert (answers[0]["id"], answers[0]["result"]["content"]["text"]) == ("q1", "yes")


async def test_an_answer_is_sent_again_when_its_connection_breaks():
    """Whoever asked waits for it, and a second answer under the same id does no harm."""
    answered = trio.Event()

    async def ask(server, asked, reply):
        params = {"messages": [], "maxTokens": 5}
        await reply.stream_head()
        await reply.event({"jsonrpc": "2.0", "id": "q1", "method": "sampling/createMessage", "params": params})
        await answered.wait()

    class Breaking(Standing):
        tries = 0

        async def response(self, asked, reply):
            self.tries += 1
            if self.tries == 1:
                reply.cut()
            answered.set()
            await reply.empty(202)

    async with OpenClient(Breaking(ask), V2025, sampling_handler=lambda _: "yes"):
        await answered.wait()


async def test_a_standing_stream_that_always_ends_is_opened_less_and_less_often(monkeypatch, caplog):
    """reliability R11: a server that ends it in good order was asked again for ever."""
    monkeypatch.setattr(client_cursor, "MAX_BARREN", 3)
    monkeypatch.setattr(client_cursor, "RETRY_SECONDS", 0.01)
    given_up = trio.Event()

    class Told(logging.Handler):
        def emit(self, record):
            if "not heard any more" in record.getMessage():
                given_up.set()

    async def hang_up(server, asked, reply):
        await reply.stream_head()
        await reply.end()

    server, told = Standing(hang_up), Told()
    logger = logging.getLogger("zcp_actors.transports")
    logger.addHandler(told)
    try:
        async with OpenClient(server, V2025) as client:
            await given_up.wait()
            assert server.streams == 4
            assert await text(client, "after") == "after"
    finally:
        logger.removeHandler(told)


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_without_a_standing_stream_is_asked_for_it_once(status):
    async def refuse(server, asked, reply):
        await reply.empty(status)

    server = Standing(refuse)
    async with OpenClient(server, V2025) as client:
        await server.opened.wait()
        assert await text(client, "any") == "any"
        assert server.streams == 1


async def test_a_standing_stream_that_cannot_be_had_now_is_asked_for_again(monkeypatch):
    monkeypatch.setattr(client_cursor, "RETRY_SECONDS", 0.01)
    stands = trio.Event()

    async def recover(server, asked, reply):
        if server.streams < 3:
            await reply.empty(503)
            return
        stands.set()
        await reply.stream_head()
        await reply.gone()

    async with OpenClient(Standing(recover), V2025):
        await stands.wait()


async def test_a_standing_stream_is_resumed_from_its_last_event():
    again = trio.Event()

    async def tell(server, asked, reply):
        if server.streams == 1:
            await reply.stream_head()
            await reply.event(None, id="s1", retry=50)
            reply.cut()
        resumed.append(asked.headers.get("last-event-id"))
        again.set()
        await reply.gone()

    resumed = []
    async with OpenClient(Standing(tell), V2025):
        await again.wait()
    assert resumed == ["s1"]


# sessions ----------------------------------------------------------------------------------------


class Expiring(Manners):
    """A server that forgets its sessions."""

    version = V2025
    capabilities = {"tools": {}, "resources": {"subscribe": True}}  # noqa: RUF012 - read only

    def __init__(self, *, forgets_at_once=False):
        self.sessions = 0
        self.valid = None
        self.forgets_at_once = forgets_at_once
        self.standing = []

    @property
    def session(self):
        return self.valid

    async def initialize(self, asked, reply):
        assert "mcp-session-id" not in asked.headers
        self.sessions += 1
        self.valid = f"session-{self.sessions}"
        await super().initialize(asked, reply)
        if self.forgets_at_once and self.sessions > 1:
            self.valid = None

    async def __call__(self, asked, reply):
        if asked.rpc not in ("initialize", "server/discover") and asked.headers.get("mcp-session-id") != self.valid:
            error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no such session"}}
            await reply.json(error, status=404)
        else:
            await super().__call__(asked, reply)

    async def resources_subscribe(self, asked, reply):
        await reply.result({})


async def test_a_forgotten_session_is_renewed_once_and_the_call_goes_on():
    """reliability R12: 404 means a new session, without the old id, and the request was not carried out."""
    server = Expiring()
    async with OpenClient(server, V2025) as client:
        assert await text(client, "one") == "one"
        server.valid = None
        assert await text(client, "two") == "two"
        assert client.served.messages().count("initialize") == 2
        assert client.served.messages().count("notifications/initialized") == 2
        assert client.served.asked[-1].headers["mcp-session-id"] == "session-2"


async def test_many_calls_into_a_forgotten_session_renew_it_once():
    server, said = Expiring(), []

    async def call(client, number):
        said.append(await text(client, f"tool-{number}"))

    async with OpenClient(server, V2025) as client:
        server.valid = None
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(call, client, number)
    assert server.sessions == 2
    assert sorted(said) == sorted(f"tool-{number}" for number in range(20))


async def test_a_server_that_forgets_every_session_ends_the_call():
    server = Expiring(forgets_at_once=True)
    async with OpenClient(server, V2025) as client:
        server.valid = None
        with pytest.raises(ConnectionLost, match="forgot its new session"):
            await client.call_tool("two")
        assert server.sessions == 2
        server.forgets_at_once = False
        assert await text(client, "three") == "three"


async def test_a_renewal_that_fails_is_tried_again_by_the_next_call():
    class Down(Expiring):
        down = False

        async def initialize(self, asked, reply):
            if self.down:
                await reply.empty(503)
            else:
                await super().initialize(asked, reply)

    server = Down()
    async with OpenClient(server, V2025) as client:
        server.valid, server.down = None, True
        with pytest.raises(ConnectionLost, match="could not be renewed"):
            await client.call_tool("two")
        server.down = False
        assert await text(client, "three") == "three"


async def test_a_caller_that_leaves_during_the_renewal_does_not_lose_it_for_the_others():
    class Slow(Expiring):
        waiting = trio.Event()
        slow = False

        async def initialize(self, asked, reply):
            if self.slow:
                self.slow = False
                self.waiting.set()
                await reply.gone()
                reply.cut()
            await super().initialize(asked, reply)

    server = Slow()
    async with OpenClient(server, V2025) as client:
        server.valid, server.slow = None, True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call_tool, "left")
            await server.waiting.wait()
            nursery.cancel_scope.cancel()
        assert await text(client, "after") == "after"


async def test_after_a_renewal_subscriptions_are_made_again_and_a_gap_is_reported():
    server, changes, again = Expiring(), [], trio.Event()

    def changed(change):
        changes.append(change)
        again.set()

    async with OpenClient(server, V2025, changed_handler=changed) as client:
        await client.subscribe_resource("test://a")
        server.valid = None
        await client.call_tool("two")
        await again.wait()
        subscribed = [asked for asked in client.served.asked if asked.rpc == "resources/subscribe"]
        assert [asked.headers["mcp-session-id"] for asked in subscribed] == ["session-1", "session-2"]
    assert all(change.gap for change in changes)


async def test_the_session_and_the_version_agreed_on_stand_in_every_later_request():
    class Older(Manners):
        version, session = "2025-06-18", "s"

    async with OpenClient(Older(), V2025) as client:
        await client.call_tool("one")
        opening, *later = [asked for asked in client.served.asked if asked.method == "POST"]
    assert "mcp-session-id" not in opening.headers
    assert "mcp-protocol-version" not in opening.headers
    assert {asked.headers["mcp-session-id"] for asked in later} == {"s"}
    assert {asked.headers["mcp-protocol-version"] for asked in later} == {"2025-06-18"}
    assert client.served.asked[-1].method == "DELETE"


@pytest.mark.parametrize("session", ["with space", "x" * 2000])
async def test_a_session_id_that_may_not_be_one_is_refused(session):
    class Odd(Manners):
        version = V2025

    Odd.session = session
    with trio.fail_after(GUARD):
        async with scripted(Odd()) as served, open_runtime():
            with pytest.raises(InvalidResult, match="session id"):
                await streamable_http_client(served.url, era=V2025).__aenter__()


async def test_nothing_is_asked_before_the_server_knows_that_we_are_ready():
    order = []

    class Ordered(Manners):
        version, session = V2025, "s"

        async def notifications_initialized(self, asked, reply):
            for _ in range(20):
                await trio.lowlevel.checkpoint()
            order.append("ready")
            await reply.empty(202)

        async def tools_call(self, asked, reply):
            order.append("call")
            await reply.text("x")

    async with OpenClient(Ordered(), V2025) as client:
        await client.call_tool("any")
    assert order == ["ready", "call"]


async def test_white_box_a_cancel_never_overtakes_its_request():
    """A server that hears of a cancel first knows no such request, and would work for ever."""
    order, cancelled = [], trio.Event()

    class Ordered(Manners):
        version, session = V2025, "s"

        async def tools_call(self, asked, reply):
            order.append("call")
            await cancelled.wait()
            await reply.text("late")

        async def notifications_cancelled(self, asked, reply):
            order.append("cancel")
            cancelled.set()
            await reply.empty(202)

    async with OpenClient(Ordered(), V2025) as client:
        exchanges = client._session.connection.exchanges
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call_tool, "any")
            while not any(exchange.posted for exchange in exchanges.values()):
                await trio.lowlevel.checkpoint()
            assert not any(exchange.sent.is_set() for exchange in exchanges.values())
            nursery.cancel_scope.cancel()
        await cancelled.wait()
    assert order == ["call", "cancel"]


async def test_white_box_a_call_that_is_cancelled_before_it_is_sent_is_never_sent():
    async with OpenClient(Server(), V2025) as client:
        exchanges = client._session.connection.exchanges
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call_tool, "never")
            while not exchanges:
                await trio.lowlevel.checkpoint()
            assert not any(exchange.posted for exchange in exchanges.values())
            nursery.cancel_scope.cancel()
        assert await text(client, "after") == "after"
        assert [asked.tool for asked in client.served.asked if asked.rpc == "tools/call"] == ["after"]
        assert "notifications/cancelled" not in client.served.messages()
