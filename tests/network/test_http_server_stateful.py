"""2025-11-25 over HTTP, through the ASGI code. Source: basic/transports of that revision, unless said otherwise."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from network.http_site import BOTH, Events, site

from zcp_actors.errors import HTTPRefused
from zcp_actors.transports.http.config import BODY_SECONDS, IDLE_SECONDS, RETRY_MS


async def test_a_session_has_an_id_that_cannot_be_guessed_and_is_visible_ascii():
    async with site() as server:
        ids = {(await server.session()).headers["mcp-session-id"] for _ in range(3)}

    assert len(ids) == 3
    assert all(len(id) >= 32 and all(0x21 <= ord(char) <= 0x7E for char in id) for id in ids)


async def test_a_reply_that_comes_at_once_is_one_json_object():
    async with site() as server:
        session = await server.session()
        reply = await session.call(1, "add", {"a": 1, "b": 2})

    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["result"]["structuredContent"] == {"result": 3}


async def test_a_stream_begins_with_an_id_to_come_back_with_and_when():
    async with site() as server:
        session = await server.session()
        async with session.stream(1, "report", {"count": 2}, progressToken="p") as response:
            text = (await response.aread()).decode()

    first, *others = text.strip().split("\n\n")
    assert first.split("\n") == ["id: 2-0", f"retry: {RETRY_MS}", "data: "]
    assert [each.split("\n")[0] for each in others] == ["id: 2-1", "id: 2-2", "id: 2-3"]


async def test_the_first_request_is_initialize_and_the_others_carry_the_session():
    async with site() as server:
        session = await server.session()
        del session.headers["mcp-session-id"]
        assert (await session.post(id=1, method="ping")).status_code == 400
        assert (await session.delete()).status_code == 400
        unknown = {"mcp-session-id": "unknown"}
        assert (await session.post(id=1, method="ping", headers=unknown)).status_code == 404


async def test_a_handshake_that_fails_begins_no_session():
    async with site() as server:
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        reply = await server.http.post("/mcp", json=message, headers=BOTH)

        assert reply.json()["error"]["code"] == -32602
        assert "mcp-session-id" not in reply.headers
        assert len(server.asgi.service.table) == 0


@pytest.mark.parametrize("version", ["1999-01-01", "2026-07-28"])
async def test_a_version_that_is_not_of_this_era_is_refused_on_a_session(version):
    async with site() as server:
        session = await server.session()
        reply = await session.post(id=1, method="ping", headers={"mcp-protocol-version": version})

    assert reply.status_code == 400


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_version_that_nobody_knows_is_refused_whatever_the_method(method):
    """Source: Protocol Version Header. A GET of the newer era is 405, one of no era is 400."""
    async with site() as server:
        session = await server.session()
        headers = {**session.headers, "mcp-protocol-version": "1999-01-01"}
        reply = await server.http.request(
            method, "/mcp", headers=headers, json={"jsonrpc": "2.0", "id": 1, "method": "ping"}
        )

        assert (await session.post(id=1, method="ping")).status_code == 200, "it was not deleted"
    assert reply.status_code == 400
    assert "1999-01-01" in reply.json()["error"]["message"]


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", None])
async def test_a_version_of_this_era_is_taken_and_so_is_none(version):
    async with site() as server:
        session = await server.session()
        headers = {"mcp-protocol-version": version} if version else {}

        assert (await session.post(id=1, method="ping", headers=headers)).json()["result"] == {}


# ------------------------------------------------------------------------------------------------ ids
async def test_the_same_id_twice_in_flight_is_refused_and_the_first_is_unharmed():
    """c06 of the peers' failures: the second got the first one's answer, and the first hung."""
    async with site() as server:
        session = await server.session()
        async with session.stream(5, "told_gate", progressToken="t") as response:
            events = Events(response)
            await events.next()
            second = await session.call(5, "add", {"a": 1, "b": 2})
            server.gates.go.set()
            (first,) = await events.rest()
        third = await session.call(5, "add", {"a": 1, "b": 2})

    assert second.json()["error"]["code"] == -32600
    assert second.json()["id"] == 5
    assert first["result"]["content"][0]["text"] == "gate passed"
    assert third.json()["result"]["structuredContent"] == {"result": 3}, "an id that was answered may come again"


async def test_one_and_the_text_one_are_two_ids():
    async with site() as server:
        session = await server.session()
        async with session.stream(1, "gate") as number, session.stream("1", "gate") as text:
            server.gates.go.set()
            answers = [(await Events(each).rest())[-1]["id"] for each in (number, text)]

    assert answers == [1, "1"]


# ------------------------------------------------------------------------------------------------ questions
async def test_a_question_goes_on_the_stream_of_its_call_and_its_answer_comes_by_another_post():
    """No GET stream is open: typical clients hang when the question goes there."""
    async with site() as server:
        session = await server.session({"elicitation": {}})
        async with session.stream(1, "approve") as response:
            events = Events(response)
            asked = await events.next()
            answer = {"action": "accept", "content": {"ok": True}}
            accepted = await session.post(id=asked["id"], result=answer)
            (reply,) = await events.rest()

    assert asked["method"] == "elicitation/create"
    assert (accepted.status_code, accepted.content) == (202, b"")
    assert reply["result"]["content"][0]["text"] == "accept True"


async def test_an_answer_that_cannot_be_read_ends_the_question():
    async with site() as server:
        session = await server.session({"sampling": {}})
        async with session.stream(1, "draft") as response:
            events = Events(response)
            asked = await events.next()
            spoilt = await session.post(id=asked["id"], result={}, error={"code": 1, "message": "both"})
            (reply,) = await events.rest()

    assert spoilt.status_code == 400
    assert "cannot be read" in reply["error"]["message"]


async def test_a_cancelled_call_ends_its_stream_without_a_reply():
    """A receiver of notifications/cancelled should not answer."""
    async with site() as server:
        session = await server.session()
        async with session.stream(1, "told_gate", progressToken="t") as response:
            events = Events(response)
            await events.next()
            await session.post(method="notifications/cancelled", params={"requestId": 1})
            rest = await events.rest()

        assert rest == []
        assert server.gates.ended == ["cancelled"]


async def test_a_client_that_leaves_has_cancelled_nothing():
    async with site() as server:
        session = await server.session()
        async with session.stream(1, "told_gate", progressToken="t") as response:
            await Events(response).next()
        await trio.testing.wait_all_tasks_blocked()
        server.gates.go.set()
        await trio.testing.wait_all_tasks_blocked()

        assert server.gates.ended == ["done"]


# ------------------------------------------------------------------------------------------------ resumption
async def test_a_broken_stream_is_taken_up_after_the_last_event_that_was_read():
    async with site() as server:
        session = await server.session()
        async with session.stream(1, "report", {"count": 3}, progressToken="p") as response:
            events = Events(response)
            assert (await events.next())["params"]["progress"] == 1
            last = events.last
        async with session.listen(last) as response:
            rest = await Events(response).rest()

    assert [each.get("params", {}).get("progress") for each in rest] == [2, 3, None]
    assert rest[-1]["id"] == 1


async def test_a_stream_that_is_cut_twice_loses_and_repeats_nothing():
    """R69 of the peers' failures: the second disconnect before any event lost the place."""
    async with site() as server:
        session = await server.session()
        async with session.stream(1, "told_gate", progressToken="p") as response:
            events = Events(response)
            await events.next()
            last = events.last
        for _ in range(2):
            async with session.listen(last) as response:
                chunk = await anext(aiter(response.stream._stream))
                assert f"id: {last}".encode() in chunk
        server.gates.go.set()
        async with session.listen(last) as response:
            (reply,) = await Events(response).rest()

    assert reply["id"] == 1


async def test_streams_are_taken_up_apart():
    """Messages of one stream are never replayed on another."""
    async with site() as server:
        session = await server.session()
        lasts = {}
        for id in (1, 2, 3):
            async with session.stream(id, "report", {"count": 2}, progressToken=f"p{id}") as response:
                events = Events(response)
                await events.next()
                lasts[id] = events.last
        for id, last in lasts.items():
            async with session.listen(last) as response:
                rest = await Events(response).rest()
            assert [each.get("id") or each["params"]["progressToken"] for each in rest] == [f"p{id}", id]


async def test_a_gap_is_told():
    """R71: what is not kept any more is not passed over in silence."""
    async with site() as server:
        session = await server.session()
        async with session.stream(1, "report", {"count": 700}, progressToken="p") as response:
            events = Events(response)
            await events.next()
            first = events.last
            await events.rest()
        async with session.listen(first) as response:
            told, *rest = await Events(response).rest()

    assert told["method"] == "notifications/message"
    assert "lost" in told["params"]["data"]
    assert rest[-1]["id"] == 1
    assert len(rest) < 700


async def test_a_stream_that_is_not_kept_any_more_is_gone_and_an_id_of_nobody_is_refused():
    async with site() as server:
        session = await server.session()
        for last, status in (("99-3", 410), ("nonsense", 400), ("1-", 400), ("१-१", 400)):
            async with session.listen(last.encode()) as response:
                assert response.status_code == status


async def test_a_stream_that_is_let_go_is_polled(autojump_clock):
    """The server may close the connection, not the stream, and says when to come back."""
    async with site() as server:
        session = await server.session()
        async with session.stream(1, "let_go") as response:
            events = Events(response)
            assert await events.rest() == []
        async with session.listen(events.last) as response:
            server.gates.go.set()
            (reply,) = await Events(response).rest()

    assert events.retry == RETRY_MS / 1000
    assert reply["result"]["content"][0]["text"] == "after all"


async def test_streams_are_let_go_after_the_time_that_is_configured(autojump_clock):
    async with site(poll_seconds=5) as server:
        session = await server.session()
        async with session.stream(1, "gate") as response:
            events = Events(response)
            assert await events.rest() == []
        assert 5 <= trio.current_time() < 6
        server.gates.go.set()
        async with session.listen(events.last) as response:
            (reply,) = await Events(response).rest()

    assert reply["id"] == 1


# ------------------------------------------------------------------------------------------------ the GET stream
async def test_what_belongs_to_no_call_goes_on_the_stream_of_the_get():
    async with site() as server:
        session = await server.session()
        async with session.listen() as response, session.stream(1, "gate") as other:
            server.app.tool(lambda: 1, name="late")
            told = await Events(response).next()
            server.gates.go.set()
            (reply,) = await Events(other).rest()

    assert told["method"] == "notifications/tools/list_changed"
    assert reply["id"] == 1


async def test_what_came_while_no_get_was_open_is_told_when_one_is():
    async with site() as server:
        session = await server.session()
        server.app.tool(lambda: 1, name="late")
        async with session.listen() as response:
            told = await Events(response).next()

    assert told["method"] == "notifications/tools/list_changed"


async def test_the_newest_get_is_the_one_that_hears():
    """A message travels on one stream only; a client whose connection broke unseen is not locked out."""
    async with site() as server:
        session = await server.session()
        async with session.listen() as old:
            events = Events(old)
            async with session.listen() as new:
                assert await events.rest() == []
                server.app.tool(lambda: 1, name="late")
                assert (await Events(new).next())["method"] == "notifications/tools/list_changed"


async def test_a_get_must_take_events():
    async with site() as server:
        session = await server.session()
        reply = await server.http.get("/mcp", headers={**session.headers, "accept": "application/json"})

    assert reply.status_code == 406


# ------------------------------------------------------------------------------------------------ the end
async def test_a_deleted_session_is_unknown_and_its_calls_end():
    """R51: DELETE while a handler runs."""
    async with site() as server:
        session, other = await server.session(), await server.session()
        async with session.stream(1, "told_gate", progressToken="p") as response:
            events = Events(response)
            await events.next()
            assert (await session.delete()).status_code == 204
            (reply,) = await events.rest()
            assert (await session.post(id=2, method="ping")).status_code == 404
        assert (await other.post(id=2, method="ping")).json()["result"] == {}

        assert reply["error"]["message"] == "the session ended before this request was answered"
        assert server.gates.ended == ["cancelled"]


async def test_a_silent_session_expires(autojump_clock):
    async with site() as server:
        session = await server.session()
        await trio.sleep(IDLE_SECONDS - 1)
        assert (await session.post(id=1, method="ping")).status_code == 200
        await trio.sleep(IDLE_SECONDS - 1)
        assert (await session.post(id=1, method="ping")).status_code == 200
        await trio.sleep(IDLE_SECONDS + 1)
        assert (await session.post(id=1, method="ping")).status_code == 404

        assert server.runtime.tree().children[0].children == ()


@pytest.mark.parametrize("open_thing", ["call", "question", "stream"])
async def test_a_session_with_something_open_does_not_expire(autojump_clock, open_thing):
    async with site() as server:
        session = await server.session({"elicitation": {}})
        if open_thing == "stream":
            async with session.listen():
                await trio.sleep(3 * IDLE_SECONDS)
        else:
            async with session.stream(1, "gate" if open_thing == "call" else "approve"):
                pass
            await trio.sleep(3 * IDLE_SECONDS)

        assert (await session.post(id=2, method="ping")).status_code == 200


async def test_a_server_with_all_the_sessions_it_takes_says_so():
    async with site(max_sessions=2) as server:
        first, _ = await server.session(), await server.session()
        with pytest.raises(AssertionError, match="limit"):
            await server.session()
        assert (await server.http.get("/readyz")).status_code == 503
        await first.delete()
        await server.session()


# ------------------------------------------------------------------------------------------------ principals
async def by_header(scope):
    names = [value.decode() for name, value in scope["headers"] if name == b"x-user"]
    if not names:
        raise HTTPRefused(401, "who are you?", headers=[("WWW-Authenticate", "Test")])
    return names[0]


@pytest.mark.parametrize("named", [None, 7])
async def test_no_name_lets_nobody_in(named):
    """A function that finds nobody, and says so by returning nothing, must not let everybody in."""

    async def find(scope):
        return named

    async with site(authenticate=find) as server:
        assert (await server.call("who")).status_code == 401
        with pytest.raises(AssertionError, match="who you are"):
            await server.session()


async def test_who_somebody_is_must_be_found_out_in_time(autojump_clock):
    async def find(scope):
        await trio.sleep_forever()

    async with site(authenticate=find) as server:
        assert (await server.call("who")).status_code == 503
        assert trio.current_time() < BODY_SECONDS


async def test_a_session_belongs_to_whoever_began_it():
    """R90: another user's session id is as good as none, on POST, GET and DELETE."""
    async with site(authenticate=by_header) as server:
        mine = await server.session(headers={"x-user": "ada"})
        assert (await mine.call(1, "who")).json()["result"]["content"][0]["text"] == "ada"
        mine.headers["x-user"] = "eve"
        assert (await mine.post(id=1, method="ping")).status_code == 404
        assert (await mine.delete()).status_code == 404
        async with mine.listen() as response:
            assert response.status_code == 404
        del mine.headers["x-user"]
        refused = await mine.post(id=1, method="ping")

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Test"
