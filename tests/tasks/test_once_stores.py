"""Intents and outcomes of `ctx.once`, the same for every store (`ports.OnceStore`)."""

from __future__ import annotations

import os
import stat

import pytest
import trio

from zcp_actors.errors import NotJSON, OnceUncertain, Overloaded, StartFailed, StateTooLarge, UsageError
from zcp_actors.tasks import MemoryOnceStore, SqliteOnceStore, Writer
from zcp_actors.tasks.once_memory import MAX_OUTCOME_BYTES, SWEEP_EVERY
from zcp_actors.tasks.writer import MAX_GROUP

SCOPE = ("press", "ann", "nonce-1")


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
async def make(request, tmp_path, clock):
    """A factory of open stores, all of them over the same memory or file."""
    async with trio.open_nursery() as nursery:
        opened = []

        async def keep(store, *, task_status=trio.TASK_STATUS_IGNORED):
            async with store:
                task_status.started(store)
                await trio.sleep_forever()

        async def open_store(**options):
            if request.param == "memory":
                return MemoryOnceStore(now=clock, **options)
            store = SqliteOnceStore(tmp_path / "state" / "once.db", now=clock, **options)
            opened.append(store)
            return await nursery.start(keep, store)

        with trio.fail_after(30):
            yield open_store
        nursery.cancel_scope.cancel()


@pytest.fixture
async def store(make):
    return await make()


# ---- the life of an entry
async def test_the_first_intent_is_new_and_its_outcome_is_found_again(store):
    assert await store.begin(SCOPE, "press") == (False, None)

    await store.finish(SCOPE, "press", {"id": 7, "pages": [1, 2.5, None, "ü", True]})

    assert await store.begin(SCOPE, "press") == (True, {"id": 7, "pages": [1, 2.5, None, "ü", True]})


async def test_an_outcome_of_none_is_an_outcome(store):
    await store.begin(SCOPE, "press")
    await store.finish(SCOPE, "press", None)

    assert await store.begin(SCOPE, "press") == (True, None)


async def test_an_intent_without_an_outcome_is_uncertain(store):
    await store.begin(SCOPE, "press")

    with pytest.raises(OnceUncertain, match="'press' .* may or may not have happened.* retry_unfinished=True"):
        await store.begin(SCOPE, "press")


async def test_a_forgotten_intent_may_be_begun_again(store):
    await store.begin(SCOPE, "press")
    await store.forget(SCOPE, "press")

    assert await store.begin(SCOPE, "press") == (False, None)


async def test_a_recorded_outcome_cannot_be_forgotten(store):
    await store.begin(SCOPE, "press")
    await store.finish(SCOPE, "press", 7)
    await store.forget(SCOPE, "press")

    assert await store.begin(SCOPE, "press") == (True, 7)


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        (("other", "ann", "nonce-1"), "press"),
        (("press", "bob", "nonce-1"), "press"),
        (("press", "ann", "nonce-2"), "press"),
        (("press", "ann", "nonce-1"), "mail"),
        (("pressann", "", "nonce-1"), "press"),
    ],
)
async def test_an_entry_belongs_to_its_app_principal_call_and_key(store, scope, key):
    await store.begin(SCOPE, "press")
    await store.finish(SCOPE, "press", 7)

    assert await store.begin(scope, key) == (False, None)


async def test_an_outcome_is_a_copy_of_what_was_given_and_of_what_is_kept(store):
    outcome = {"pages": [1]}
    await store.begin(SCOPE, "press")
    await store.finish(SCOPE, "press", outcome)
    outcome["pages"].append(2)
    (_, read) = await store.begin(SCOPE, "press")
    read["pages"].append(3)

    assert await store.begin(SCOPE, "press") == (True, {"pages": [1]})


async def test_of_many_calls_at_once_one_begins(store):
    begun, uncertain = [], []

    async def call():
        try:
            begun.append(await store.begin(SCOPE, "press"))
        except OnceUncertain as error:
            uncertain.append(error)

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(call)

    assert begun == [(False, None)]
    assert len(uncertain) == 49


# ---- bounds
async def test_an_entry_expires_after_its_last_write(make, clock):
    store = await make(seconds=60)
    await store.begin(SCOPE, "press")
    clock.now += 59
    await store.finish(SCOPE, "press", 7)
    clock.now += 59
    assert await store.begin(SCOPE, "press") == (True, 7)

    clock.now += 1

    assert await store.begin(SCOPE, "press") == (False, None)


async def test_an_expired_intent_is_no_longer_uncertain(make, clock):
    store = await make(seconds=60)
    await store.begin(SCOPE, "press")
    clock.now += 60

    assert await store.begin(SCOPE, "press") == (False, None)


async def test_a_full_store_turns_new_side_effects_away_and_forgets_none(make):
    store = await make(max_entries=3)
    for number in range(3):
        await store.begin(SCOPE, f"press-{number}")
        await store.finish(SCOPE, f"press-{number}", number)

    with pytest.raises(Overloaded, match="3 entries"):
        await store.begin(SCOPE, "one-too-many")

    assert [await store.begin(SCOPE, f"press-{number}") for number in range(3)] == [(True, 0), (True, 1), (True, 2)]


async def test_what_has_expired_makes_room(make, clock):
    store = await make(max_entries=3, seconds=60)
    for number in range(3):
        await store.begin(SCOPE, f"press-{number}")
    clock.now += 60

    assert await store.begin(SCOPE, "another") == (False, None)


async def test_expired_entries_do_not_pile_up(make, clock):
    store = await make(seconds=60)
    for number in range(SWEEP_EVERY):
        await store.begin(SCOPE, f"old-{number}")
    clock.now += 60
    for number in range(SWEEP_EVERY):
        await store.begin(SCOPE, f"new-{number}")

    if isinstance(store, MemoryOnceStore):
        assert len(store) <= SWEEP_EVERY + 1
    else:
        (kept,) = await store.writer.run(lambda connection: connection.execute("SELECT count(*) FROM once").fetchone())
        assert kept <= SWEEP_EVERY + 1


async def test_an_outcome_too_large_to_travel_is_refused_and_leaves_the_intent(store):
    await store.begin(SCOPE, "press")

    with pytest.raises(StateTooLarge, match="return a reference"):
        await store.finish(SCOPE, "press", "x" * MAX_OUTCOME_BYTES)

    with pytest.raises(OnceUncertain):
        await store.begin(SCOPE, "press")


async def test_an_outcome_that_is_no_json_is_refused(store):
    await store.begin(SCOPE, "press")

    with pytest.raises(NotJSON):
        await store.finish(SCOPE, "press", {"when": object()})


# ---- cancelling
async def test_a_cancelled_begin_leaves_no_intent(store):
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.begin(SCOPE, "press")
    assert scope.cancelled_caught

    assert await store.begin(SCOPE, "press") == (False, None)


async def test_a_cancelled_begin_takes_back_no_intent_of_another(store):
    await store.begin(SCOPE, "press")
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.begin(SCOPE, "press")

    with pytest.raises(OnceUncertain):
        await store.begin(SCOPE, "press")


async def test_a_cancelled_finish_is_recorded_all_the_same(store):
    await store.begin(SCOPE, "press")
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.finish(SCOPE, "press", 7)
    assert scope.cancelled_caught

    assert await store.begin(SCOPE, "press") == (True, 7)


# ---- the file
@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
async def test_the_file_and_its_log_are_the_owners_alone(tmp_path):
    old = os.umask(0)
    try:
        async with SqliteOnceStore(tmp_path / "once.db") as store:
            await store.begin(SCOPE, "press")

            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(old)

    assert set(modes) >= {"once.db", "once.db-wal"}
    assert set(modes.values()) == {0o600}


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
async def test_a_file_that_others_can_read_is_refused(tmp_path):
    (tmp_path / "once.db").touch(mode=0o644)

    with pytest.raises(StartFailed, match="chmod 600"):
        async with SqliteOnceStore(tmp_path / "once.db"):
            pass


async def test_a_file_that_is_no_store_is_refused_by_name(tmp_path):
    (tmp_path / "once.db").write_bytes(b"not a database at all" * 100)
    (tmp_path / "once.db").chmod(0o600)

    with pytest.raises(StartFailed, match="once.db"):
        async with SqliteOnceStore(tmp_path / "once.db"):
            pass


async def test_every_commit_waits_for_the_disk(tmp_path):
    async with SqliteOnceStore(tmp_path / "once.db") as store:
        modes = await store.writer.run(
            lambda connection: [
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
            ]
        )

    assert modes == ["wal", 2]  # 2 is FULL


async def test_an_outcome_outlives_its_store(tmp_path):
    async with SqliteOnceStore(tmp_path / "once.db") as store:
        await store.begin(SCOPE, "press")
        await store.finish(SCOPE, "press", 7)

    async with SqliteOnceStore(tmp_path / "once.db") as store:
        assert await store.begin(SCOPE, "press") == (True, 7)


async def test_a_store_that_is_not_open_says_so(tmp_path):
    store = SqliteOnceStore(tmp_path / "once.db")
    with pytest.raises(UsageError, match="async with"):
        await store.begin(SCOPE, "press")

    async with store:
        pass
    with pytest.raises(UsageError, match="async with"):
        await store.begin(SCOPE, "press")


async def test_closing_writes_what_was_queued_though_nobody_waits(tmp_path):
    async with SqliteOnceStore(tmp_path / "once.db") as store:
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.finish(SCOPE, "press", 7)

    async with SqliteOnceStore(tmp_path / "once.db") as store:
        assert await store.begin(SCOPE, "press") == (True, 7)


# ---- the writer
async def test_writes_that_come_together_share_commits(tmp_path):
    async with SqliteOnceStore(tmp_path / "once.db") as store:
        before = store.writer.commits
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(store.begin, SCOPE, f"press-{number}")

        assert 0 < store.writer.commits - before <= 200 // MAX_GROUP + 3


async def test_a_work_that_fails_is_undone_alone(tmp_path):
    def failing(connection):
        connection.execute("INSERT INTO numbers VALUES (2)")
        raise ValueError("no two")

    async with Writer(tmp_path / "numbers.db") as writer:
        await writer.run(lambda connection: connection.execute("CREATE TABLE numbers (n)") and None)
        writer.submit(lambda connection: connection.execute("INSERT INTO numbers VALUES (1)") and None)
        failed = writer.submit(failing)
        writer.submit(lambda connection: connection.execute("INSERT INTO numbers VALUES (3)") and None)
        with pytest.raises(ValueError, match="no two"):
            await failed.wait()

        kept = await writer.run(lambda connection: connection.execute("SELECT n FROM numbers").fetchall())

    assert kept == [(1,), (3,)]


async def test_writing_takes_none_of_trios_threads(tmp_path):
    limiter = trio.to_thread.current_default_thread_limiter()
    before = limiter.total_tokens
    async with SqliteOnceStore(tmp_path / "once.db") as store:
        limiter.total_tokens = 1
        try:
            async with limiter:
                with trio.fail_after(30):
                    assert await store.begin(SCOPE, "press") == (False, None)
        finally:
            limiter.total_tokens = before


async def test_two_stores_share_one_writer(tmp_path):
    async with Writer(tmp_path / "all.db") as writer, SqliteOnceStore(writer) as one, SqliteOnceStore(writer) as two:
        await one.begin(SCOPE, "press")
        await one.finish(SCOPE, "press", 7)

        assert await two.begin(SCOPE, "press") == (True, 7)
