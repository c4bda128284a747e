"""The stream below hypercorn: what leaves together, and whom it waits for."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded
from h2.settings import SettingCodes, Settings
from network.http_site import Gates, stage

from zcp_actors import ServerHandle, open_runtime, streamable_http_client
from zcp_actors.sessions.state_keys import STATE_KEYS
from zcp_actors.transports.http import serve
from zcp_actors.transports.http.hypercorn_http import Idleness
from zcp_actors.transports.http.patience import PatientStream
from zcp_actors.transports.http.serve import serve_http

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(autouse=True)
def state_key(monkeypatch):
    monkeypatch.setenv(STATE_KEYS, "a key that only tests would ever use")


@asynccontextmanager
async def pair():
    ours, theirs = trio.socket.socketpair()
    with theirs, trio.fail_after(30):
        stream = PatientStream(trio.SocketStream(ours))
        yield stream, theirs
        await stream.aclose()


@asynccontextmanager
async def visit():
    """A connection to a server, and what comes on it."""
    with trio.fail_after(30):
        async with open_runtime(grace=1) as runtime, trio.open_nursery() as nursery:
            start = partial(serve_http, runtime, ServerHandle(stage(Gates())), port=0, signals=False)
            (url,) = await nursery.start(start)
            async with await trio.open_tcp_stream("127.0.0.1", int(url.split(":")[2].split("/")[0])) as stream:
                yield stream
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("body", [b"body", b""])
async def test_what_is_held_leaves_in_one_piece_with_what_follows_even_nothing(body):
    async with pair() as (stream, theirs):
        stream.hold()
        await stream.send_all(b"head ")
        stream.release()
        await stream.send_all(body)
        assert await theirs.recv(100) == b"head " + body


async def test_what_a_socket_has_no_room_for_is_sent_after_what_it_had_room_for():
    data = bytes(range(256)) * (1 << 14)
    received = bytearray()
    async with pair() as (stream, theirs), trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, data)
        while len(received) < len(data):
            received += await theirs.recv(1 << 16)
    assert received == data


async def test_who_writes_while_another_task_writes_or_closes_is_told_that_it_is_broken():
    """hypercorn does when a client leaves in the middle of a response, and knows no other error."""
    async with pair() as (stream, _), trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, b"x" * (1 << 24))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BrokenResourceError, match="another task"):
            await stream.send_all(b"x")
        nursery.cancel_scope.cancel()


async def test_nothing_is_written_into_the_middle_of_another_write():
    """Where the system has room again before the first task has its turn, the second would be the first to use it."""
    data = b"x" * (1 << 22)
    received = bytearray()
    async with pair() as (stream, theirs), trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, data)
        await trio.testing.wait_all_tasks_blocked()
        with theirs.dup() as peer:
            received += peer._sock.recv(1 << 20)
        with pytest.raises(trio.BrokenResourceError, match="another task"):
            await stream.send_all(b"y")
        while len(received) < len(data):
            received += await theirs.recv(1 << 16)
    assert received == data


async def test_nothing_is_written_after_a_write_that_was_cut_short():
    async with pair() as (stream, _):
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.send_all(b"x" * (1 << 24))
        assert scope.cancelled_caught
        with pytest.raises(trio.BrokenResourceError, match="cut short"):
            await stream.send_all(b"y")


async def test_a_peer_that_sends_but_asks_for_nothing_in_time_is_taken_for_gone():
    async with pair() as (stream, theirs):
        stream.ask_within(0.05)
        assert stream.idle
        await theirs.send(b"GE")
        assert await stream.receive_some() == b"GE"
        with pytest.raises(trio.BrokenResourceError, match="not heard of"):
            await stream.receive_some()


async def test_a_peer_that_has_asked_is_waited_for():
    async with pair() as (stream, theirs), trio.open_nursery() as nursery:
        stream.ask_within(30)
        nursery.start_soon(stream.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        stream.asked()
        assert not stream.idle
        assert stream._hearing.deadline == float("inf")
        await theirs.send(b"x")


async def test_the_head_of_a_response_and_its_body_arrive_in_one_piece():
    async with visit() as stream:
        for _ in range(20):
            await stream.send_all(REQUEST)
            assert (await stream.receive_some()).endswith(b'\r\n\r\n{"status":"ok"}')


async def test_a_head_of_http_2_waits_for_no_room_for_its_body():
    """RFC 9113, 6.9: flow control is of bodies alone; a client may open its windows when it has seen the head."""
    client = H2Connection(H2Configuration(client_side=True))
    client.local_settings = Settings(client=True, initial_values={SettingCodes.INITIAL_WINDOW_SIZE: 0})
    client.initiate_connection()
    names = [(":method", "GET"), (":path", "/healthz"), (":scheme", "http"), (":authority", "localhost")]
    client.send_headers(1, names, end_stream=True)
    seen = []
    async with visit() as stream:
        await stream.send_all(client.data_to_send())
        while not any(isinstance(event, ResponseReceived) for event in seen):
            seen += client.receive_data(await stream.receive_some())
            await stream.send_all(client.data_to_send())
        client.increment_flow_control_window(100, 1)
        await stream.send_all(client.data_to_send())
        while not any(isinstance(event, StreamEnded) for event in seen):
            seen += client.receive_data(await stream.receive_some())
    assert b"".join(event.data for event in seen if isinstance(event, DataReceived)) == b'{"status":"ok"}'


async def test_a_connection_is_kept_however_many_requests_it_carries():
    async with visit() as stream:
        for _ in range(1100):
            await stream.send_all(REQUEST)
            assert b"connection: close" not in (await stream.receive_some()).lower()


async def test_requests_that_come_in_one_piece_are_answered_one_after_the_other():
    async with visit() as stream:
        await stream.send_all(REQUEST * 3)
        answers = b""
        while answers.count(b'{"status":"ok"}') < 3:
            answers += await stream.receive_some()
        assert answers.count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
async def test_one_call_after_another_needs_one_connection(monkeypatch, era):
    """A connection is free again before the caller hears the answer, and asks for the next."""
    made = []

    class Counted(PatientStream):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(serve, "PatientStream", Counted)
    with trio.fail_after(30):
        async with open_runtime(grace=1) as runtime, trio.open_nursery() as nursery:
            start = partial(serve_http, runtime, ServerHandle(stage(Gates())), port=0, signals=False)
            (url,) = await nursery.start(start)
            async with streamable_http_client(url, era=era) as client:
                await client.call_tool("add", {"a": 1, "b": 2})
                before = len(made)
                for number in range(20):
                    assert (await client.call_tool("add", {"a": number, "b": 2})).content[0].text == str(number + 2)
                assert len(made) == before
            nursery.cancel_scope.cancel()


async def test_a_connection_that_begins_while_the_server_ends_is_closed_at_once():
    async with pair() as (stream, theirs):
        await Idleness(stream, 30, lambda: True).restart()
        assert await theirs.recv(1) == b""
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some()
