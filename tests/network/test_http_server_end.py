"""How a server over HTTP ends: what is in flight is answered or told, and nobody waits for a server that left."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import httpx
import pytest
import trio
import trio.testing
from interop.stage import STATE_KEY, program
from network.http_site import BOTH, Events, modern, site


async def both_in_flight(server, nursery, replies):
    """One call in each era, waiting at the gate."""
    session = await server.session()

    async def older():
        async with session.stream(1, "told_gate", progressToken="p") as response:
            events = Events(response)
            await events.next()
            replies["2025-11-25"] = (await events.rest())[-1]

    async def newer():
        replies["2026-07-28"] = (await server.call("gate", id=1)).json()

    nursery.start_soon(older)
    nursery.start_soon(newer)
    await trio.testing.wait_all_tasks_blocked()


async def draining(server):
    """Drain within 10 seconds; how long that took."""
    began = trio.current_time()
    await server.asgi.drain(10)
    return trio.current_time() - began


async def test_calls_in_flight_are_answered_within_the_grace_period(autojump_clock):
    replies = {}
    async with site() as server, trio.open_nursery() as nursery:
        await both_in_flight(server, nursery, replies)
        nursery.start_soon(server.asgi.drain, 10)
        await trio.sleep(5)
        server.gates.go.set()

    assert {era: reply["result"]["content"][0]["text"] for era, reply in replies.items()} == {
        "2025-11-25": "gate passed",
        "2026-07-28": "gate passed",
    }


async def test_calls_that_last_longer_are_told(autojump_clock):
    replies = {}
    async with site() as server, trio.open_nursery() as nursery:
        await both_in_flight(server, nursery, replies)
        assert 5 < await draining(server) < 10, "a process manager kills at the end of the grace period"
        assert server.gates.ended == ["cancelled", "cancelled"]

    assert {reply["error"]["message"] for reply in replies.values()} == {"the server is shutting down"}
    assert all(reply["id"] == 1 for reply in replies.values())


async def test_a_cancelled_drain_still_tells(autojump_clock):
    """A second signal cuts the waiting short, not the telling."""
    replies = {}
    async with site() as server, trio.open_nursery() as nursery:
        await both_in_flight(server, nursery, replies)
        with trio.move_on_after(1):
            await server.asgi.drain(10)
        assert trio.current_time() < 3

    assert {reply["error"]["message"] for reply in replies.values()} == {"the server is shutting down"}


async def test_open_streams_end_with_the_server(autojump_clock):
    async with site() as server:
        session = await server.session()
        async with session.listen() as response:
            events = Events(response)
            await server.asgi.drain(1)
            assert await events.rest() == []
        assert (await session.post(id=1, method="ping")).status_code == 503


async def test_a_question_can_be_answered_while_the_server_ends(autojump_clock):
    async with site() as server, trio.open_nursery() as nursery:
        session = await server.session({"elicitation": {}})
        async with session.stream(1, "approve") as response:
            events = Events(response)
            question = await events.next()
            nursery.start_soon(server.asgi.drain, 10)
            await trio.testing.wait_all_tasks_blocked()
            assert (await session.post(id=2, method="ping")).status_code == 503
            answer = {"action": "accept", "content": {"ok": True}}
            assert (await session.post(id=question["id"], result=answer)).status_code == 202
            reply = await events.next()
        assert trio.current_time() < 1, "nothing is waited for that is there"
    assert reply["result"]["structuredContent"] == {"result": "accept True"}


async def test_nothing_new_begins_while_the_server_ends(autojump_clock):
    async with site() as server, trio.open_nursery() as nursery:
        await both_in_flight(server, nursery, {})
        session = await server.session()
        nursery.start_soon(server.asgi.drain, 10)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(AssertionError, match="shutting down"):
            await server.session()
        refused = await session.call(3, "add", {"a": 1, "b": 2})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (await server.call("add", {"a": 1, "b": 2}, id=4)).status_code == 503
        session.headers["mcp-session-id"] = "forgotten"
        assert (await session.post(method="notifications/x")).status_code == 503, "404 would have it begin anew"
        server.gates.go.set()


async def test_a_client_that_was_let_go_gets_its_reply_while_the_server_ends(autojump_clock):
    """A second after the reply was there: whoever polls comes back when it was told to."""
    async with site() as server, trio.open_nursery() as nursery:
        session = await server.session()
        async with session.stream(1, "let_go") as response:
            events = Events(response)
            assert await events.rest() == []
        nursery.start_soon(server.asgi.drain, 10)
        await trio.testing.wait_all_tasks_blocked()
        server.gates.go.set()
        await trio.sleep(1)
        async with session.listen(events.last) as response:
            (reply,) = await Events(response).rest()
        began = trio.current_time()
    assert reply["result"]["structuredContent"] == {"result": "after all"}
    assert trio.current_time() - began < 1, "nobody else is waited for"


async def test_a_client_that_was_let_go_and_stays_away_is_waited_for_within_the_grace_period(autojump_clock):
    async with site() as server:
        session = await server.session()
        async with session.stream(1, "let_go") as response:
            assert await Events(response).rest() == []
        server.gates.go.set()
        await trio.testing.wait_all_tasks_blocked()
        assert 5 < await draining(server) < 10


async def test_a_client_that_left_on_its_own_is_not_waited_for(autojump_clock):
    async with site() as server:
        session = await server.session()
        async with session.stream(1, "told_gate", progressToken="p") as response:
            await Events(response).next()
        server.gates.go.set()
        await trio.testing.wait_all_tasks_blocked()
        assert await draining(server) < 1


async def test_a_client_that_another_connection_took_the_place_of_is_not_waited_for(autojump_clock):
    """The first response was told to come back; the client had, and left on its own."""
    async with site() as server:
        session = await server.session()
        async with session.stream(1, "told_gate", progressToken="p") as response:
            events = Events(response)
            await events.next()
            async with session.listen(events.last):
                assert await events.rest() == []
        server.gates.go.set()
        await trio.testing.wait_all_tasks_blocked()
        assert await draining(server) < 1


async def test_nobody_is_waited_for_whom_the_server_around_lets_in_no_more(autojump_clock):
    """At the end of a lifespan it has closed its listeners."""
    async with site() as server:
        async with server.asgi.lifespan():
            session = await server.session()
            async with session.stream(1, "let_go") as response:
                assert await Events(response).rest() == []
            server.gates.go.set()
            await trio.testing.wait_all_tasks_blocked()
            began = trio.current_time()
        assert trio.current_time() - began < 1


async def test_a_reply_that_comes_while_its_client_is_let_go_is_waited_for(autojump_clock):
    """The last words of the response were being sent, and nobody waited for whom they told to come back."""
    async with site() as server:
        session = await server.session()
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "let_go", "arguments": {}}}
        heard = [{"type": "http.request", "body": json.dumps(call).encode()}]
        sent = []

        async def receive():
            return heard.pop() if heard else await trio.sleep_forever()

        async def send(event):
            sent.append(event)
            if sum(b"retry" in each.get("body", b"") for each in sent) == 2:
                server.gates.go.set()
                await trio.testing.wait_all_tasks_blocked()

        headers = {"host": "localhost", "content-type": "application/json", **session.headers}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": raw}
        await server.asgi(scope, receive, send)
        assert sent[-1]["more_body"] is False
        assert b"after all" not in b"".join(each.get("body", b"") for each in sent)
        assert 5 < await draining(server) < 10


@pytest.mark.parametrize(("grace", "told"), [(20, "slept"), (0.1, "the server is shutting down")])
async def test_a_process_that_gets_sigterm_answers_or_tells_and_exits_with_zero(grace, told):
    """c16 of the peers' failures: the older era's answer was lost."""
    with trio.fail_after(30):
        process = await trio.lowlevel.open_process(
            program("http_server.py", str(grace)), stdout=subprocess.PIPE, env={**os.environ, **STATE_KEY}
        )
        try:
            url = (await process.stdout.receive_some()).decode().strip()
            replies = []
            async with httpx.AsyncClient(timeout=None) as http, trio.open_nursery() as nursery:
                began = [trio.Event(), trio.Event()]
                nursery.start_soon(nap, http, url, modern_nap(0.5 if grace > 1 else 60), began[0], replies)
                nursery.start_soon(older_nap, http, url, 0.5 if grace > 1 else 60, began[1], replies)
                for each in began:
                    await each.wait()
                process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        finally:
            process.kill()
            await process.wait()
            await process.stdout.aclose()

    assert len(replies) == 2
    assert all(told in text for text in replies)


async def test_a_process_that_ends_takes_the_answers_to_its_questions():
    with trio.fail_after(30):
        process = await trio.lowlevel.open_process(
            program("http_server.py", "20"), stdout=subprocess.PIPE, env={**os.environ, **STATE_KEY}
        )
        try:
            url = (await process.stdout.receive_some()).decode().strip()
            async with httpx.AsyncClient(timeout=None) as http:
                session = await opened(http, url, {"elicitation": {}})
                call = {"name": "ask", "arguments": {}}
                message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
                async with http.stream("POST", url, json=message, headers=session) as response:
                    events = Events(response)
                    question = await events.next()
                    process.send_signal(signal.SIGTERM)
                    await refusing(http, url.replace("/mcp", "/readyz"))
                    answer = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}
                    async with httpx.AsyncClient() as another:  # on a connection of its own
                        assert (await another.post(url, json=answer, headers=session)).status_code == 202
                    (reply,) = await events.rest()
            assert await process.wait() == 0
        finally:
            process.kill()
            await process.wait()
            await process.stdout.aclose()
    assert reply["result"]["structuredContent"] == {"result": "decline"}


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_process_that_gets_a_second_signal_tells_and_exits(at_once):
    """It told, and then accepted connections for ever; where both came at once, the second killed it."""
    replies = []
    with trio.fail_after(30):
        process = await trio.lowlevel.open_process(
            program("http_server.py", "1000"), stdout=subprocess.PIPE, env={**os.environ, **STATE_KEY}
        )
        try:
            url = (await process.stdout.receive_some()).decode().strip()
            async with httpx.AsyncClient(timeout=None) as http, trio.open_nursery() as nursery:
                began = trio.Event()
                nursery.start_soon(nap, http, url, modern_nap(1000), began, replies)
                await began.wait()
                process.send_signal(signal.SIGTERM)
                if not at_once:
                    await refusing(http, url.replace("/mcp", "/readyz"))
                process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
        finally:
            process.kill()
            await process.wait()
            await process.stdout.aclose()
    assert "the server is shutting down" in replies[0]


async def refusing(http, url):
    """Wait until a server says that it is ending."""
    while (await http.get(url)).status_code != 503:
        await trio.lowlevel.checkpoint()


def modern_nap(seconds):
    params = {"name": "nap", "arguments": {"seconds": seconds}}
    return modern("tools/call", params, name="nap", meta={"progressToken": "p"})


async def nap(http, url, request, began, replies):
    async with http.stream("POST", url, **request) as response:
        text = ""
        async for chunk in response.aiter_text():
            text += chunk
            if "notifications/progress" in text:
                began.set()
    replies.append(text)


async def opened(http, url, capabilities):
    """The headers of a new session."""
    hello = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
    reply = await http.post(url, json=message, headers=BOTH)
    return {**BOTH, "mcp-session-id": reply.headers["mcp-session-id"]}


async def older_nap(http, url, seconds, began, replies):
    headers = await opened(http, url, {})
    request = modern_nap(seconds)["json"]
    request["params"]["_meta"] = {"progressToken": "p"}
    await nap(http, url, {"json": request, "headers": headers}, began, replies)
