"""
What a host hears of its server: in order, bounded, and never as the end of the session.

Source: DESIGN.md 5, "everything that can grow has a number"; MCP 2026-07-28, basic/utilities/subscriptions.
"""

from __future__ import annotations

import attrs
import pytest
import trio
import trio.testing

from zcp_actors import Context, FastZCP, memory_client, open_runtime
from zcp_actors.errors import CapabilityMissing, MethodNotFound, Overloaded, RPCError, UsageError
from zcp_actors.protocol import stateless_server
from zcp_actors.sessions import listening, notices
from zcp_actors.wire import Notification
from zcp_actors.wire.meta_keys import SUBSCRIPTION_ID

V2025, V2026 = "2025-11-25", "2026-07-28"


def app():
    app = FastZCP("Demo")

    @app.tool
    async def tell(n: int, ctx: Context) -> str:
        for number in range(n):
            await ctx.info(number)
        return "told"

    @app.resource("demo://a")
    async def a() -> str:
        return "a"

    @app.resource("demo://b")
    async def b() -> str:
        return "b"

    return app


async def test_an_async_listener_hears_in_order_and_one_at_a_time(autojump_clock):
    heard, inside = [], []

    async def listen(notice):
        inside.append(notice)
        assert len(inside) == 1
        await trio.sleep(10 - notice.data)
        inside.remove(notice)
        heard.append(notice.data)

    async with open_runtime(), memory_client(app(), era=V2025, log_handler=listen) as client:
        await client.call_tool("tell", {"n": 10})
        await trio.sleep(100)
        assert heard == list(range(10))
        assert not client._session.telling


async def test_a_listener_that_is_far_behind_costs_notices_and_not_the_session(autojump_clock, monkeypatch, caplog):
    monkeypatch.setattr(notices, "MAX_WAITING", 5)
    heard = []

    async def listen(notice):
        await trio.sleep(1)
        heard.append(notice.data)

    async with open_runtime(), memory_client(app(), era=V2025, log_handler=listen) as client:
        await client.call_tool("tell", {"n": 200})
        await trio.sleep(100)
        assert heard == [0, 1, 2, 3, 4, 5]
        assert (await client.list_tools()).tools
    assert "194 notices were dropped" in caplog.text


async def test_a_listener_that_cannot_be_started_leaves_the_session_alive(autojump_clock):
    async def listen(_):
        await trio.sleep_forever()

    async with open_runtime(), memory_client(app(), era=V2025, log_handler=listen) as client:
        client._session.max_children = 0
        await client.call_tool("tell", {"n": 2})
        assert (await client.list_tools()).tools
        client._session.max_children = 10


async def test_a_server_that_tells_of_nothing_can_be_opened_all_the_same(autojump_clock, monkeypatch, caplog):
    monkeypatch.setattr(stateless_server, "MAX_LISTENS", 0)
    async with open_runtime(), memory_client(app(), changed_handler=print) as client:
        assert (await client.list_tools()).tools
        with pytest.raises(RPCError):
            await client.subscribe_resource("demo://a")
    assert "does not tell of changes" in caplog.text


async def test_a_second_subscription_waits_until_the_first_is_agreed(autojump_clock, monkeypatch):
    """`subscribe_resource` returns when the server has agreed, and raises what it refuses with: to every caller."""
    monkeypatch.setattr(stateless_server, "MAX_LISTENS", 0)
    refused = []

    async def subscribe(client):
        with pytest.raises(RPCError) as caught:
            await client.subscribe_resource("demo://a")
        refused.append(caught.value.code)

    async with open_runtime(), memory_client(app()) as client, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(subscribe, client)
    assert refused == [Overloaded("").code] * 3


@pytest.mark.hostile
async def test_a_listen_stream_that_the_server_ends_is_opened_again_and_reported_as_a_gap(autojump_clock):
    heard, served = [], app()
    async with open_runtime(), memory_client(served, changed_handler=heard.append) as client:
        await client.subscribe_resource("demo://a")
        await trio.testing.wait_all_tasks_blocked()
        session = client._session
        (listen,) = [id for id, sent in session.automaton.requests.items() if sent.method == "subscriptions/listen"]
        session.feed(Notification("notifications/cancelled", {"requestId": listen}))
        await trio.sleep(1)
        assert {change.uri for change in heard if change.gap} == {"demo://a", None}
        heard.clear()
        await client.subscribe_resource("demo://b")
        served.resource_updated("demo://a")
        served.resource_updated("demo://b")
        await trio.testing.wait_all_tasks_blocked()
        assert [change.uri for change in heard] == ["demo://a", "demo://b"]


@pytest.mark.hostile
async def test_acknowledgements_out_of_order_belong_to_their_own_streams(autojump_clock):
    """After a reconnection an old stream and its replacement may both wait for their acknowledgement."""
    heard, served = [], app()
    async with open_runtime(), memory_client(served, changed_handler=heard.append) as client:
        session, listener = client._session, client._listener
        old = listener._stream
        (listen,) = [id for id, sent in session.automaton.requests.items() if sent.params is old.params]
        post, late = session.feed, []

        def hold(message):
            if getattr(message, "method", "") == "notifications/subscriptions/acknowledged" and not late:
                late.append(message)
                again = {"notifications": {}, "_meta": {"io.modelcontextprotocol/subscriptionId": listen}}
                post(message)
                post(Notification(message.method, again))
            else:
                post(message)

        session.feed = hold
        await client.subscribe_resource("demo://a")
        served.resource_updated("demo://a")
        await trio.testing.wait_all_tasks_blocked()
        assert late
        assert [change.uri for change in heard] == ["demo://a"]


@pytest.mark.parametrize(("era", "refusal"), [(V2025, MethodNotFound("").code), (V2026, CapabilityMissing("").code)])
async def test_a_server_without_resources_agrees_to_tell_of_none(era, refusal, autojump_clock):
    """Not a silence that looks like agreement."""
    async with open_runtime(), memory_client(FastZCP("bare"), era=era) as client:
        for _ in range(2):
            with pytest.raises(RPCError) as caught:
                await client.subscribe_resource("demo://a")
            assert caught.value.code == refusal
        assert (client._listener.uris, client._listener._stream) == ({}, None)


@pytest.mark.hostile
async def test_a_resource_that_the_server_leaves_out_is_refused_and_the_others_are_followed_on(
    autojump_clock, monkeypatch
):
    """MCP 2026-07-28, subscriptions/listen: the acknowledgement names the subset that the server honours."""
    heard, served = [], app()
    agree = stateless_server.StatelessServer._agreed

    def but_b(self, asked, task_ids):
        agreed = agree(self, asked, task_ids)
        uris = [uri for uri in agreed.resource_subscriptions or () if uri != "demo://b"]
        return attrs.evolve(agreed, resource_subscriptions=uris or None)

    monkeypatch.setattr(stateless_server.StatelessServer, "_agreed", but_b)
    async with open_runtime(), memory_client(served, changed_handler=lambda each: heard.append(each.uri)) as client:
        await client.subscribe_resource("demo://a")
        with pytest.raises(CapabilityMissing, match="does not tell of updates of 'demo://b'"):
            await client.subscribe_resource("demo://b")
        await client.subscribe_resource("demo://c")
        for uri in ("demo://a", "demo://b", "demo://c"):
            served.resource_updated(uri)
        await trio.testing.wait_all_tasks_blocked()
    assert heard == ["demo://a", "demo://c"]


@pytest.mark.hostile
@pytest.mark.parametrize("era", [V2025, V2026])
async def test_an_update_below_what_is_followed_is_heard_under_its_own_name(era, autojump_clock):
    """Source: ResourceUpdatedNotificationParams.uri: "This might be a sub-resource"."""
    heard, told = [], lambda change: heard.append(change.uri)
    async with open_runtime(), memory_client(app(), era=era, changed_handler=told) as client:
        await client.subscribe_resource("demo://a")
        session, stream = client._session, client._listener._stream
        meta = {} if stream is None else {"_meta": {SUBSCRIPTION_ID: stream.id}}
        for uri in ("demo://a/part", "demo://ab", "demo://b", "demo://a"):
            session.feed(Notification("notifications/resources/updated", {"uri": uri, **meta}))
        await trio.testing.wait_all_tasks_blocked()
    assert heard == ["demo://a/part", "demo://a"]


@pytest.mark.parametrize("era", [V2025, V2026])
async def test_as_many_resources_as_its_limit_are_followed_and_one_more_is_refused(era, autojump_clock, monkeypatch):
    monkeypatch.setattr(listening, "MAX_SUBSCRIBED", 2)
    heard, served = [], app()
    told = lambda change: heard.append(change.uri)  # noqa: E731 - for one place
    async with open_runtime(), memory_client(served, era=era, changed_handler=told) as client:
        await client.subscribe_resource("demo://a")
        await client.subscribe_resource("demo://b")
        with pytest.raises(UsageError, match="2 resources of Demo are followed already"):
            await client.subscribe_resource("demo://c")
        await client.subscribe_resource("demo://b")
        await client.unsubscribe_resource("demo://a")
        await client.subscribe_resource("demo://c")
        for uri in ("demo://a", "demo://b", "demo://c"):
            served.resource_updated(uri)
        await trio.testing.wait_all_tasks_blocked()
    assert heard == ["demo://b", "demo://c"]
