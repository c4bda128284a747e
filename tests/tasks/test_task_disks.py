"""
A server whose disk fails it while it serves tasks: whoever waits is told, nothing hangs, and afterwards all goes on.

A disk is full for a process that may not make its files longer (`RLIMIT_FSIZE`), which can be said, and taken back,
from outside. Source: reliability, crash tests on real processes: disk full, read-only file.
"""

from __future__ import annotations

import resource
import sqlite3
import threading
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio
from raw_peer import STATEFUL, STATELESS
from session_world import both_eras
from task_servers import open_world, refusal

from zcp_actors import FastZCP, open_runtime
from zcp_actors.errors import INTERNAL_ERROR, RPCError, StartFailed
from zcp_actors.sessions import ServerHandle
from zcp_actors.tasks import SqliteTaskStore, Writer
from zcp_actors.tasks.requests import BAD_STORE
from zcp_actors.testing import scripted_client

LONG = 30.0
"""A lease that outlasts the trouble."""


@pytest.fixture
async def world(tmp_path):
    async with open_world(tmp_path) as world:
        yield world


@contextmanager
def full_disk(peer):
    """The process of this peer can make no file longer than a page."""
    pid = peer.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


async def held_task(world, peer, **arguments):
    """The id of a task that waits at its gate."""
    id = await peer.create("wait", name="g", **arguments)
    await world.deed("g", "waits")
    return id


@both_eras
async def test_a_full_disk_is_an_error_for_whoever_wants_a_task_made_or_ended_and_none_for_whoever_looks(world, era):
    peer = await world.server(era, lease=LONG)
    id = await held_task(world, peer)

    with full_disk(peer):
        told = await refusal(peer.create("quick", name="q"))
        assert (told.code, told.message) == (INTERNAL_ERROR, BAD_STORE)
        assert (await refusal(peer.cancel(id))).message == BAD_STORE
        assert (await peer.get(id))["status"] == "working", "nobody is told of what the disk does not have"
    again = await peer.create("quick", name="q")

    assert (await peer.result(again))["content"][0]["text"] == "q"
    assert (await peer.status(id, "cancelled"))["status"] == "cancelled"


@both_eras
async def test_a_result_waits_for_room_on_the_disk(world, era):
    peer = await world.server(era, lease=LONG)
    id = await held_task(world, peer, last=False)

    with full_disk(peer):
        world.open_gate("g")
        await world.deed("g", "done")
        assert (await refusal(peer.create("quick", name="q"))).code == INTERNAL_ERROR
        assert (await peer.get(id))["status"] == "working"

    assert (await peer.result(id))["content"][0]["text"] == "g through"
    assert len(world.deeds("g", "begun")) == 1


async def test_an_effect_whose_intent_the_disk_cannot_take_does_not_happen(world):
    peer = await world.server(STATEFUL, lease=LONG)
    id = await held_task(world, peer)

    with full_disk(peer):
        world.open_gate("g")
        await world.deed("g", "cut short")
    failed = await peer.status(id, "failed", "completed")

    assert failed["status"] == "failed"
    assert world.deeds("g", "after") == []


async def test_a_task_whose_lease_lapsed_for_want_of_room_is_run_again_when_there_is_some(world):
    peer = await world.server(STATELESS)
    id = await held_task(world, peer)

    with full_disk(peer):
        await world.deed("g", "cut short")
        world.open_gate("g")

    assert (await peer.result(id))["content"][0]["text"] == "g through"
    assert (len(world.deeds("g", "before")), len(world.deeds("g", "after"))) == (1, 1)


async def test_a_server_says_so_when_its_file_was_taken_away_and_goes_on_when_it_is_put_back(world):
    """What is written to a file without a name is lost with the process, so it is not acknowledged."""
    peer = await world.server(STATEFUL, lease=LONG)
    id = await held_task(world, peer)
    away = world.store.with_name("away")

    world.store.rename(away)
    assert (await refusal(peer.create("quick", name="q"))).message == BAD_STORE
    assert (await refusal(peer.get(id))).message == BAD_STORE
    away.rename(world.store)
    world.open_gate("g")

    assert (await peer.result(id))["content"][0]["text"] == "g through"
    assert (await peer.result(await peer.create("quick", name="q")))["content"][0]["text"] == "q"


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
async def test_a_writer_acknowledges_nothing_in_a_file_that_is_not_the_one_it_opened(tmp_path, replaced):
    async with Writer(tmp_path / "store") as writer:
        await writer.run(lambda connection: connection.execute("CREATE TABLE t (n)") and None)
        (tmp_path / "store").rename(tmp_path / "away")
        if replaced:
            (tmp_path / "store").touch()
        with pytest.raises(sqlite3.OperationalError, match="deleted, or replaced, while in use: put it back"):
            await writer.run(lambda connection: connection.execute("INSERT INTO t VALUES (1)") and None)

        (tmp_path / "away").replace(tmp_path / "store")
        await writer.run(lambda connection: connection.execute("INSERT INTO t VALUES (2)") and None)
        assert await writer.run(lambda connection: connection.execute("SELECT n FROM t").fetchall()) == [(2,)]


async def test_a_server_that_finds_a_folder_in_place_of_its_file_does_not_start(tmp_path):
    (tmp_path / "store").mkdir()
    with pytest.raises(StartFailed, match="not a regular file"):
        async with SqliteTaskStore(tmp_path / "store"):
            pass


async def test_reads_do_not_fail_with_the_writes_that_they_came_behind(tmp_path):
    async with Writer(tmp_path / "store") as writer:
        await writer.run(lambda connection: connection.execute("CREATE TABLE t (n)") and None)
        await writer.submit(lambda connection: connection.execute("PRAGMA query_only=1") and None, reads=True).wait()
        gate = threading.Event()
        writer.submit(lambda _: gate.wait(30), reads=True)  # so that those behind it make one group
        written = writer.submit(lambda connection: connection.execute("INSERT INTO t VALUES (1)") and None)
        read = writer.submit(lambda connection: connection.execute("SELECT n FROM t").fetchall(), reads=True)
        gate.set()

        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await written.wait()
        assert await read.wait() == []


# ---- a disk that cannot be written, in one process: whoever runs the tests may be one who can write everything
@asynccontextmanager
async def read_only(store):
    def turn(switch):
        return store.writer.submit(lambda c: c.execute(f"PRAGMA query_only={switch}") and None, reads=True).wait()

    await turn(1)
    try:
        yield
    finally:
        await turn(0)


@both_eras
async def test_a_disk_that_cannot_be_written_is_an_error_for_whoever_waits_and_the_task_goes_on_after(tmp_path, era):
    app, gate = FastZCP("Works"), trio.Event()

    @app.tool(task="required")
    async def work() -> str:
        await gate.wait()
        return "done"

    wish = {"name": "work", "arguments": {}} | ({"task": {}} if era == STATEFUL else {})
    capable = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    with trio.fail_after(30):
        async with SqliteTaskStore(tmp_path / "tasks", lease=LONG) as store, open_runtime():
            handle = ServerHandle(app, task_store=store)
            async with scripted_client(handle, era, capabilities=capable) as client:
                made = await client.ask("tools/call", wish)
                id = made.get("task", made)["taskId"]
                async with read_only(store):
                    with pytest.raises(RPCError, match=BAD_STORE):
                        await client.ask("tools/call", wish)
                    gate.set()
                    assert (await client.ask("tasks/get", {"taskId": id}))["status"] == "working"
                while (await client.ask("tasks/get", {"taskId": id}))["status"] != "completed":  # noqa: ASYNC110
                    await trio.sleep(0.05)


# ---- a file that is being made
def refusing(times, monkeypatch):
    """SQLite as it is when two processes make one file: busy at once, though it was told to wait. The calls so far."""
    connect, calls = sqlite3.connect, []

    def refused(*given, **options):
        calls.append(given)
        if len(calls) <= times:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY_SNAPSHOT
            raise error
        return connect(*given, **options)

    monkeypatch.setattr(sqlite3, "connect", refused)
    return calls


async def test_a_store_is_opened_though_another_process_is_just_making_its_file(tmp_path, monkeypatch):
    calls = refusing(3, monkeypatch)
    async with Writer(tmp_path / "store") as writer:
        assert await writer.run(lambda connection: connection.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    assert len(calls) == 4


async def test_a_file_that_stays_locked_is_a_store_that_cannot_be_opened(tmp_path, monkeypatch):
    monkeypatch.setattr("zcp_actors.tasks.writer.LOCK_SECONDS", 0.05)
    refusing(10_000, monkeypatch)
    with pytest.raises(StartFailed, match="cannot be opened: database is locked"):
        async with Writer(tmp_path / "store"):
            pass
