"""Tasks in a file: what is on the disk, what it costs, what other processes see, and what a bad disk does."""

from __future__ import annotations

import gc
import os
import re
import sqlite3
import stat
import sys
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from queue import Empty
from types import SimpleNamespace

import attrs
import pytest
import trio
from task_worlds import DONE, MANY, NOW, QUESTION, SLOW, Clock, made, moved

from zcp_actors.actors import Reply
from zcp_actors.errors import StartFailed, UsageError
from zcp_actors.protocol import tasks
from zcp_actors.sessions.state_keys import STATE_DIR, key_file
from zcp_actors.tasks import SqliteOnceStore, SqliteTaskStore, Writer, default_task_file, task_tables
from zcp_actors.tasks.change_feed import POLL_SECONDS
from zcp_actors.tasks.shelf import Row, Shelf
from zcp_actors.tasks.task_json import FORMAT
from zcp_actors.tasks.task_rules import REMOVAL_SECONDS
from zcp_actors.tasks.task_tables import SCHEMA
from zcp_actors.tasks.writer import PATIENCE_SECONDS, Order

PLACE = made().place


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "tasks.sqlite3"


@pytest.fixture
async def opened(path, clock):
    """A factory of open stores of one file, each with a thread and a connection of its own, as in another process."""
    async with trio.open_nursery() as nursery:

        async def live(store, *, task_status=trio.TASK_STATUS_IGNORED):
            async with store:
                task_status.started(store)
                await trio.sleep_forever()

        async def open_store(**options):
            return await nursery.start(live, SqliteTaskStore(path, **({"now": clock, "lease": 10.0} | options)))

        with trio.fail_after(30):
            yield open_store
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def stalled(store):
    """The writer's thread of this store does nothing, as when its process is stopped; it holds no lock."""
    begun, go_on = threading.Event(), threading.Event()

    def stall(_):
        begun.set()
        assert go_on.wait(30)

    reply = store.writer.submit(stall, reads=True)
    try:
        assert await trio.to_thread.run_sync(begun.wait, 30)
        yield go_on
    finally:
        go_on.set()
        await reply.wait()


class Heard:
    """A watcher that can be waited for."""

    def __init__(self):
        self.news, self.more = [], trio.Event()

    def __call__(self, place, task):
        self.news.append((place.id, task and task.message))
        self.more.set()

    async def until(self, count):
        while len(self.news) < count:
            self.more = trio.Event()
            await self.more.wait()
        return self.news


def on_the_side(path, statement, *values):
    """What somebody else does with the file."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(statement, values).fetchall()
    finally:
        connection.close()


# ---- the file
async def test_what_was_acknowledged_outlives_the_store(path, clock):
    async with SqliteTaskStore(path, now=clock) as store:
        lease = await store.create(made(), "one", max_open=MANY)
        await store.write(tasks.finish(attrs.evolve(made(), revision=1), DONE, NOW), lease, {"k": 1}).wait()
        await store.save_handle("host", {"id": "a"})

    async with SqliteTaskStore(path, now=clock) as store:
        assert (await store.read(PLACE)).outcome == DONE
        assert await store.entries(PLACE) == {"k": 1}
        assert await store.handles("host") == [{"id": "a"}]
        assert store.durable


async def test_closing_writes_what_was_queued_though_nobody_waits(path, clock):
    async with SqliteTaskStore(path, now=clock) as store:
        await store.create(made(), "one", max_open=MANY)
        store.write(moved(made(), message="last", revision=1))

    async with SqliteTaskStore(path, now=clock) as store:
        assert (await store.read(PLACE)).message == "last"


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
async def test_the_file_and_its_folder_are_the_owners_alone(path, clock):
    old = os.umask(0)
    try:
        async with SqliteTaskStore(path, now=clock) as store:
            await store.create(made(), "one", max_open=MANY)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(old)

    assert set(modes) >= {"tasks.sqlite3", "tasks.sqlite3-wal"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_served_app_keeps_its_tasks_beside_its_key_file(tmp_path):
    environ = {STATE_DIR: str(tmp_path)}

    assert default_task_file("My App", environ).parent == key_file("My App", environ).parent
    assert default_task_file("My App", environ).name == "tasks.sqlite3"


async def test_a_file_that_is_no_database_is_refused_by_name(path, clock):
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 100)
    path.chmod(0o600)

    with pytest.raises(StartFailed, match=r"tasks\.sqlite3.*not a database"):
        async with SqliteTaskStore(path, now=clock):
            pass


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(path, clock):
    async with SqliteTaskStore(path, now=clock):
        pass
    on_the_side(path, f"PRAGMA user_version={SCHEMA + 1}")

    with pytest.raises(StartFailed, match=f"tasks.sqlite3 has schema {SCHEMA + 1}.* run that version, or .* its own"):
        async with SqliteTaskStore(path, now=clock):
            pass
    assert on_the_side(path, "PRAGMA user_version") == [(SCHEMA + 1,)]


async def test_a_task_of_a_newer_format_is_refused_and_the_others_are_not(opened, path, clock):
    store = await opened()
    await store.create(made(), "one", max_open=MANY)
    await store.create(made("t2", "bob"), "one", max_open=MANY)
    on_the_side(path, "UPDATE tasks SET format = ? WHERE id = 't1'", FORMAT + 1)

    for use in (
        lambda: store.read(PLACE),
        lambda: store.page("app", "ann", None, 9),
        lambda: store.write(attrs.evolve(made(), revision=1)).wait(),
    ):
        with pytest.raises(UsageError, match=f"'t1' of 'app' in .*tasks.sqlite3 has format {FORMAT + 1}.* run that"):
            await use()
    assert (await store.read(made("t2", "bob").place)).id == "t2"
    clock.now += 10
    assert [task.id for task, _ in await store.claim("app", "two", [SLOW], 9)] == ["t2"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"status": "lost"}'])
async def test_a_damaged_task_is_refused_by_name_and_the_store_goes_on(opened, path, text):
    store = await opened()
    heard = Heard()
    store.watch("app", heard)
    await store.create(made(), "one", max_open=MANY)
    on_the_side(path, "UPDATE tasks SET record = ?, change = change + 1", text)

    with pytest.raises(UsageError, match=r"'t1' of 'app' in .*tasks.sqlite3 is damaged"):
        await store.read(PLACE)
    await store.create(made("t2"), "one", max_open=MANY)
    assert await heard.until(2) == [("t1", None), ("t2", None)]


async def test_a_file_may_be_shared_with_the_once_store(path, clock):
    async with Writer(path) as writer, SqliteOnceStore(writer) as once, SqliteTaskStore(writer, now=clock) as store:
        await once.begin(("app", "ann", "t1"), "press")
        await store.create(made(), "one", max_open=MANY)

        assert (await store.read(PLACE)).id == "t1"
        heard = Heard()
        async with SqliteTaskStore(writer, now=clock) as other:
            other.watch("app", heard)
            await store.create(made("t2"), "one", max_open=MANY)
            assert await heard.until(1) == [("t2", None)]


# ---- what it costs
async def test_no_statement_looks_at_all_tasks(opened):
    store = await opened()
    statements = [
        (value, name)
        for name, value in vars(task_tables).items()
        if isinstance(value, str) and re.match(r"SELECT|UPDATE|DELETE|INSERT|WITH", value) and "WHERE" in value
    ]
    assert len(statements) >= 10

    def plans(connection):
        return {name: plan_of(connection, text) for text, name in statements}

    for name, plan in (await store.writer.run(plans)).items():
        scans = [step for step in plan if re.match(r"SCAN (tasks|task_origins|task_entries|task_removals)\b", step)]
        assert scans == [], name
    assert any("tasks_open" in step for step in (await store.writer.run(plans))["FREE"])


def plan_of(connection, statement):
    named = re.findall(r"(?<!:):(\w+)", statement)
    values = dict.fromkeys(named, 0) if named else [0] * statement.count("?")
    return [step[-1] for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


async def steps_of(store, use):
    """How many steps of SQLite's machine this takes."""
    taken = 0

    def count():
        nonlocal taken
        taken += 1

    await store.writer.run(lambda connection: connection.set_progress_handler(count, 1))
    await use()
    await store.writer.run(lambda connection: connection.set_progress_handler(None, 1))
    return taken


async def test_what_a_task_costs_does_not_grow_with_the_tasks_that_are_kept(opened, clock):
    store = await opened()
    number = 0

    async def each_cost():
        nonlocal number
        number += 1
        task = made(f"x{number}", created=NOW + number, updated=NOW + number)
        lease = await store.create(task, "one", max_open=MANY)
        task = attrs.evolve(task, revision=1)
        costs = {
            "create": lambda: store.create(made(f"y{number}"), "one", max_open=MANY),
            "write": lambda: store.write(tasks.ask(task, "k", QUESTION, NOW), lease, {"k": 1}).wait(),
            "read": lambda: store.read(task.place),
            "entries": lambda: store.entries(task.place),
            "page": lambda: store.page("app", "ann", (task.created - 1, "z"), 5),
            "finish": lambda: store.write(tasks.finish(moved(task, revision=2), DONE, NOW), lease).wait(),
            "claim": lambda: store.claim("app", "two", [SLOW], 5),
            "sweep": lambda: store.sweep("app"),
        }
        taken = {name: await steps_of(store, use) for name, use in costs.items()}
        gone = await store.read(made(f"y{number}").place)
        await store.write(tasks.cancel(gone, "", NOW)).wait()
        return taken

    few = await each_cost()
    async with trio.open_nursery() as nursery:
        for other in range(3000):
            ended = made(f"t{other}", status=tasks.Status.COMPLETED, outcome=DONE, created=NOW - other, ttl=10**6)
            nursery.start_soon(lambda ended=ended: store.create(ended, "one", max_open=MANY))
    many = await each_cost()

    assert {name: many[name] for name in few if many[name] > few[name] * 1.2 + 20} == {}


async def test_a_write_does_not_write_what_made_the_task_again(opened):
    store = await opened()
    task = made()
    task = attrs.evolve(task, origin=attrs.evolve(task.origin, params={"big": "x" * 1_000_000}))
    lease = await store.create(task, "one", max_open=MANY)
    await store.write(attrs.evolve(task, revision=1), lease, {"big": "y" * 1_000_000}).wait()

    def log(connection):
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("SELECT 1")
        return Path(f"{store.writer.path}-wal").stat().st_size

    await store.writer.run(lambda connection: connection.execute("PRAGMA wal_autocheckpoint=0") and None)
    before = await store.writer.run(log)
    for revision in range(2, 12):
        await store.write(moved(task, message=str(revision), revision=revision), lease, {"small": revision}).wait()
    # Ten commits of some pages each: were origin or journal written again, it would be twenty megabytes.
    assert await store.writer.run(log) - before < 1_000_000


async def test_a_read_does_not_wait_for_the_disk_nor_for_another_process_that_writes(opened, path):
    store = await opened()
    await store.create(made(), "one", max_open=MANY)
    before = store.writer.commits
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        assert (await store.read(PLACE)).id == "t1"
        assert len(await store.page("app", "ann", None, 9)) == 1
        assert await store.entries(PLACE) == {}
        assert await store.handles("host") == []
    finally:
        other.close()

    assert store.writer.commits == before


async def test_reads_at_the_head_of_a_group_are_told_before_the_writes_behind_them_are_begun(opened):
    store = await opened()
    told = []
    async with stalled(store):
        read = store.writer.submit(lambda _: "read", reads=True)
        write = store.writer.submit(lambda _: store.writer.commits)
        read.then(lambda _: told.append("read"))
        write.then(lambda _: told.append("write"))
    await write.wait()

    assert told == ["read", "write"]


async def test_writes_that_come_together_share_commits(opened):
    store = await opened()
    before = store.writer.commits
    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(lambda number=number: store.create(made(f"t{number}"), "one", max_open=1000))

    assert 0 < store.writer.commits - before <= 4


async def test_a_work_that_does_not_hurry_shares_the_commit_of_the_next(opened, monkeypatch):
    """Handles: a task that is made, kept, ended and taken is two commits of its host and its server in one process."""
    monkeypatch.setattr("zcp_actors.tasks.writer.PATIENCE_SECONDS", 30.0)
    store = await opened()
    await store.save_handle("host", {"id": "a"})
    before = store.writer.commits
    store.drop_handle("host", "a")
    await store.save_handle("host", {"id": "b"})

    assert store.writer.commits == before + 1
    assert await store.handles("host") == [{"id": "b"}]


def test_works_that_do_not_hurry_and_trickle_in_wait_no_longer_for_being_many(path, monkeypatch):
    """What waits behind them are chores, too: a lease that is not renewed for ten seconds is lost."""
    writer, passed = Writer(path), [0.0]

    class Trickle:
        def get(self, timeout=None):
            pause = PATIENCE_SECONDS * 0.8
            passed[0] += pause if timeout is None else min(pause, timeout)
            if timeout is not None and timeout < pause:
                raise Empty
            return Order(lambda _: None, Reply(), hurries=False)

    monkeypatch.setattr("zcp_actors.tasks.writer.time", SimpleNamespace(monotonic=lambda: passed[0]))
    monkeypatch.setattr(writer, "_orders", Trickle())
    group, going_on = writer._gather()

    assert going_on
    assert (len(group), passed[0]) == (2, pytest.approx(PATIENCE_SECONDS * 1.8))


async def test_a_work_that_does_not_hurry_is_done_soon_though_nothing_follows(opened):
    store = await opened()
    await store.save_handle("host", {"id": "a"})
    await store.drop_handle("host", "a").wait()

    assert await store.handles("host") == []


async def test_whoever_asks_after_a_work_that_does_not_hurry_sees_it_done(opened):
    store = await opened()
    await store.save_handle("host", {"id": "a"})
    store.drop_handle("host", "a")

    assert await store.handles("host") == []


async def test_removals_are_forgotten_in_their_time(opened, path, clock):
    store = await opened()
    lease = await store.create(made(ttl=5.0), "one", max_open=MANY)
    await store.write(attrs.evolve(made(ttl=5.0), revision=1), lease, {"k": 1}).wait()
    clock.now += 5
    await store.sweep("app")
    assert on_the_side(path, "SELECT id FROM task_removals") == [("t1",)]

    clock.now += REMOVAL_SECONDS
    await store.sweep("app")

    assert on_the_side(path, "SELECT id FROM task_removals") == []
    assert [on_the_side(path, f"SELECT count(*) FROM {table}") for table in ("task_origins", "task_entries")] == [
        [(0,)],
        [(0,)],
    ]


# ---- what others write
async def test_what_another_process_writes_is_heard_of_in_order(opened, clock):
    mine, theirs = await opened(), await opened()
    heard = Heard()
    mine.watch("app", heard)
    await mine.read(PLACE)

    lease = await theirs.create(made(ttl=60.0), "one", max_open=MANY)
    assert await heard.until(1) == [("t1", None)]
    await theirs.write(attrs.evolve(made(message="on", ttl=60.0), revision=1), lease).wait()
    assert (await heard.until(2))[1:] == [("t1", "on")]
    await theirs.create(made("t2", message="new"), "one", max_open=MANY)
    clock.now += 60
    await theirs.sweep("app")
    assert sorted(set((await heard.until(4))[2:]), key=str) == [("t1", None), ("t2", "new")]
    assert POLL_SECONDS < 0.25


async def test_nothing_older_than_the_watcher_is_heard_of(opened):
    mine, theirs = await opened(), await opened()
    await theirs.create(made("old"), "one", max_open=MANY)
    early = Heard()
    mine.watch("app", early)()
    await theirs.create(made("while-nobody-watched"), "one", max_open=MANY)

    heard = Heard()
    mine.watch("app", heard)
    await mine.read(PLACE)
    await theirs.create(made("new"), "one", max_open=MANY)

    assert await heard.until(1) == [("new", None)]
    assert early.news == []


async def test_an_idle_store_polls_only_while_somebody_watches_or_keeps_leases(opened):
    store = await opened()
    pauses = [[chore.pause for chore in store.writer._chores]]
    leave, keeping = store.watch("app", print), store.keep("one", print)
    pauses.append([chore.pause for chore in store.writer._chores])
    leave()
    keeping.close()
    pauses.append([chore.pause for chore in store.writer._chores])

    assert pauses[0] == pauses[2] == [None, None]
    assert None not in pauses[1]


# ---- leases
async def test_leases_are_renewed_while_trios_thread_is_blocked(opened, clock):
    store, other = await opened(lease=0.6), await opened(lease=0.6)
    keeping = store.keep("one", lambda places: None)
    await store.create(made(), "one", max_open=MANY)
    renewed, woken = keeping.until, threading.Event()
    for _ in range(5):
        clock.now += 0.3
        blocked = 0
        while keeping.until == renewed:  # trio's thread does nothing else meanwhile
            assert blocked < 30 * 100
            blocked += not woken.wait(0.01)
        renewed = keeping.until

    assert keeping.until > clock.now
    assert await other.claim("app", "two", [SLOW], 9) == []
    keeping.close()


async def test_one_renewal_is_one_row_however_many_tasks_are_held(opened, clock, path):
    store = await opened()
    keeping = store.keep("one", lambda places: None)
    for number in range(20):
        await store.create(made(f"t{number}"), "one", max_open=MANY)
    rows = on_the_side(path, "SELECT id, until, change FROM tasks ORDER BY id")
    clock.now += 5
    await store.let_go([])

    assert keeping.until == clock.now + 10
    assert on_the_side(path, "SELECT id, until, change FROM tasks ORDER BY id") == rows
    assert on_the_side(path, "SELECT owner, until FROM task_owners") == [("one", clock.now + 10)]
    keeping.close()


async def test_an_owner_that_holds_nothing_writes_nothing(opened, clock):
    store = await opened()
    keeping = store.keep("one", lambda places: None)
    lease = await store.create(made(), "one", max_open=MANY)
    await store.write(tasks.finish(attrs.evolve(made(), revision=1), DONE, NOW), lease).wait()
    await store.let_go([])
    before = await store.writer.run(lambda connection: connection.total_changes)
    for _ in range(5):
        clock.now += 5
        await store.let_go([])

    assert await store.writer.run(lambda connection: connection.total_changes) == before
    assert keeping.until == clock.now + 10
    keeping.close()


async def test_a_renewal_that_comes_late_brings_back_what_nobody_took(opened, clock):
    store, other = await opened(), await opened()
    lost = []
    keeping = store.keep("one", lost.append)
    lease = await store.create(made(), "one", max_open=MANY)
    await store.let_go([])
    async with stalled(store):
        clock.now += 60
        assert keeping.until <= clock.now
    await store.let_go([])

    assert keeping.until == clock.now + 10
    assert await other.claim("app", "two", [SLOW], 9) == []
    assert await store.write(moved(made(), message="mine", revision=1), lease).wait() is True
    assert lost == []
    keeping.close()


async def test_a_renewal_that_comes_late_tells_what_was_taken_and_leaves_it_to_its_taker(opened, clock):
    store, other = await opened(), await opened()
    lost = []
    keeping = store.keep("one", lost.append)
    taken = await store.create(made("taken"), "one", max_open=MANY)
    ended = await store.create(made("ended"), "one", max_open=MANY)
    kept = await store.create(made("kept", target="other"), "one", max_open=MANY)
    async with stalled(store):
        clock.now += 60
        [(first, lease), (second, second_lease)] = await other.claim("app", "two", [SLOW], 9)
        assert await other.write(tasks.finish(second, DONE, clock.now), second_lease).wait() is True
    await store.let_go([])

    assert [sorted(place.id for place in places) for places in lost] == [["ended", "taken"]]
    for stale, record in ((taken, first), (ended, second)):
        assert await store.write(moved(record, message="stale"), stale).wait() is False
    assert await other.write(moved(first, message="theirs"), lease).wait() is True
    assert await store.write(moved(made("kept", target="other"), revision=1), kept).wait() is True
    clock.now += 5
    await store.let_go([])
    assert len(lost) == 1
    keeping.close()


async def test_what_was_removed_by_others_while_the_process_slept_is_lost(opened, clock):
    store, other = await opened(), await opened()
    lost = []
    keeping = store.keep("one", lost.append)
    await store.create(made(ttl=20.0), "one", max_open=MANY)
    async with stalled(store):
        clock.now += 60
        assert await other.sweep("app") == 1
    await store.let_go([])

    assert lost == [[PLACE]]
    keeping.close()


async def test_what_ended_was_let_go_or_swept_here_is_not_lost(opened, clock):
    store = await opened()
    lost = []
    keeping = store.keep("one", lost.append)
    leases = {id: await store.create(made(id, ttl=5.0), "one", max_open=MANY) for id in ("ended", "let-go", "swept")}
    await store.create(made("cancelled"), "one", max_open=MANY)
    await store.let_go([leases["let-go"]])
    await store.write(tasks.finish(moved(made("ended", ttl=5.0), revision=1), DONE, NOW), leases["ended"]).wait()
    await store.write(tasks.cancel(moved(made("cancelled"), revision=1), "", NOW)).wait()
    clock.now += 5
    assert await store.sweep("app") == 3
    await store.let_go([])

    assert (keeping.until, lost) == (clock.now + 10, [])
    keeping.close()


async def test_nothing_is_told_to_whoever_keeps_no_longer(opened, clock):
    store, other = await opened(), await opened()
    lost = []
    keeping = store.keep("one", lost.append)
    await store.create(made(), "one", max_open=MANY)
    async with stalled(store):
        clock.now += 60
        await other.claim("app", "two", [SLOW], 9)
        keeping.close()
    await store.let_go([])

    assert lost == []


async def test_a_loss_that_was_on_its_way_is_not_told_to_whoever_keeps_no_longer(opened, clock):
    store, other = await opened(), await opened()
    lost = []
    keeping = store.keep("one", lost.append)
    await store.create(made(), "one", max_open=MANY)
    async with stalled(store) as go_on:
        clock.now += 60
        await other.claim("app", "two", [SLOW], 9)
        before = keeping.until
        go_on.set()
        while keeping.until == before:  # trio's thread hears nothing meanwhile
            threading.Event().wait(0.01)
        keeping.close()
    await store.let_go([])

    assert lost == []


async def test_a_clock_that_jumps_back_does_not_delay_the_renewal(opened, clock):
    store = await opened()
    keeping = store.keep("one", lambda places: None)
    await store.create(made(), "one", max_open=MANY)
    clock.now -= 500
    await store.let_go([])

    assert keeping.until == clock.now + 10
    keeping.close()


async def test_a_renewal_that_fails_says_so_by_its_time_and_is_tried_again(opened, clock):
    store = await opened()
    keeping = store.keep("one", lambda places: None)
    await store.create(made(), "one", max_open=MANY)
    await store.let_go([])
    until = keeping.until
    await store.writer.run(lambda connection: connection.execute("PRAGMA query_only=1") and None)
    clock.now += 5
    await store.read(PLACE)
    await store.read(PLACE)
    assert keeping.until == until

    await store.writer.submit(lambda connection: connection.execute("PRAGMA query_only=0") and None, reads=True).wait()
    await store.let_go([])
    assert keeping.until == clock.now + 10
    keeping.close()


# ---- a bad disk
async def test_a_full_disk_is_an_error_for_whoever_waits_and_the_store_lives_on(opened):
    store = await opened()
    lease = await store.create(made(), "one", max_open=MANY)
    heard = Heard()
    store.watch("app", heard)

    def shrink(connection):
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")

    await store.writer.run(shrink)
    big = {"big": "x" * 100_000}
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await store.write(attrs.evolve(made(), revision=1), lease, big).wait()
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await store.save_handle("host", {"id": "a"} | big)
    assert (await store.read(PLACE)).revision == 1
    assert (await store.entries(PLACE), heard.news) == ({}, [])

    await store.writer.run(lambda connection: connection.execute("PRAGMA max_page_count=1000000") and None)
    assert await store.write(attrs.evolve(made(), revision=1), lease, big).wait() is True
    assert await store.entries(PLACE) == big


async def test_a_disk_that_cannot_be_written_is_an_error_for_whoever_writes_and_none_for_whoever_reads(opened):
    store = await opened()
    await store.create(made(), "one", max_open=MANY)
    await store.writer.run(lambda connection: connection.execute("PRAGMA query_only=1") and None)

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await store.create(made("t2"), "one", max_open=MANY)
    assert (await store.read(PLACE)).id == "t1"


async def test_a_chore_that_fails_stops_neither_the_works_nor_the_other_chores(opened, caplog):
    store = await opened()
    heard = Heard()

    class Broken:
        pause = None

        def __call__(self, connection, wrote, /):
            raise RuntimeError("broken")

    store.writer._chores = (Broken(), *store.writer._chores)
    store.watch("app", heard)
    await store.create(made(), "one", max_open=MANY)

    assert heard.news == [("t1", None)]
    assert "it is tried again" in caplog.text


# ---- in memory: the indexes
def test_what_a_task_costs_in_memory_does_not_grow_with_the_tasks_that_are_kept():
    shelf = Shelf()
    number = 0

    def each_cost():
        nonlocal number
        number += 1
        task = made(f"x{number}", created=NOW + number)
        row = Row(task, "one", 1, NOW)
        return {
            "add": lines_of(lambda: shelf.add(row)),
            "replace": lines_of(lambda: shelf.replace(row, moved(task, message="on"))),
            "page": lines_of(lambda: list(shelf.after("app", "ann", (NOW + number - 1, "z")))),
            "open": lines_of(lambda: list(shelf.open("app"))),
            "count": lines_of(lambda: list(shelf.open_of("app", "ann"))),
            "expired": lines_of(lambda: list(shelf.expired("app", NOW))),
            "end": lines_of(lambda: shelf.replace(row, tasks.finish(task, DONE, NOW))),
            "remove": lines_of(lambda: shelf.remove(task.place)),
        }

    each_cost()
    shelf.add(Row(made("first", status=tasks.Status.COMPLETED, created=NOW, ttl=10**6), None, 1, NOW))
    few = each_cost()
    for other in range(3000):
        ended = made(f"t{other}", status=tasks.Status.COMPLETED, created=NOW - other, ttl=10**6)
        shelf.add(Row(ended, None, 1, NOW))
    assert each_cost() == few


def lines_of(use):
    """How many lines of Python this runs, and none of what the garbage collector would run in between."""
    run = 0

    def trace(frame, event, argument):
        nonlocal run
        run += event == "line"
        return trace

    before = sys.gettrace()
    gc.disable()
    sys.settrace(trace)
    try:
        use()
    finally:
        sys.settrace(before)
        gc.enable()
    return run
