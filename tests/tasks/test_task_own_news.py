"""Who watches a file of tasks hears of this process's writes without their being read back, and of others' in turn."""

from __future__ import annotations

import trio
from task_worlds import DONE, Clock, made

from zcp_actors.protocol import tasks
from zcp_actors.protocol.tasks import stored
from zcp_actors.tasks import SqliteTaskStore, task_tables


async def test_what_this_process_wrote_is_told_as_the_file_has_it_and_not_read_back(tmp_path):
    heard, statements = [], []
    with trio.fail_after(30):
        async with SqliteTaskStore(tmp_path / "tasks", now=Clock()) as store:
            leave = store.watch("app", lambda _, task: heard.append(task))
            await store.writer.submit(lambda connection: connection.set_trace_callback(statements.append)).wait()
            new = made("t1", "ann", app="app")
            lease = await store.create(new, "me", max_open=5)
            ended = tasks.finish(stored(new), DONE, store.now())
            assert await store.write(ended, lease).wait()
            await store.writer.submit(lambda connection: connection.set_trace_callback(None)).wait()
            kept = await store.read(new.place)
            leave()

    assert heard == [stored(new), kept]
    assert kept == stored(ended)
    assert not [text for text in statements if text.startswith(task_tables.READ)]


async def test_what_others_wrote_in_between_is_told_in_the_order_in_which_it_was_written(tmp_path):
    heard = []
    with trio.fail_after(30):
        async with (
            SqliteTaskStore(tmp_path / "tasks", now=Clock()) as ours,
            SqliteTaskStore(tmp_path / "tasks", now=Clock()) as theirs,
        ):
            leave = ours.watch("app", lambda place, _: heard.append(place.id))
            await ours.create(made("a", "ann", app="app"), "me", max_open=5)
            await theirs.create(made("b", "ann", app="app"), "they", max_open=5)
            await ours.create(made("c", "ann", app="app"), "me", max_open=5)
            leave()

    assert heard == ["a", "b", "c"]


async def test_a_write_that_was_refused_is_no_news(tmp_path):
    heard = []
    with trio.fail_after(30):
        async with SqliteTaskStore(tmp_path / "tasks", now=Clock()) as store:
            leave = store.watch("app", lambda _, task: heard.append(task.revision))
            new = made("t1", "ann", app="app")
            lease = await store.create(new, "me", max_open=5)
            assert not await store.write(tasks.finish(new, DONE, store.now()), lease).wait()
            assert await store.write(tasks.finish(stored(new), DONE, store.now()), lease).wait()
            leave()

    assert heard == [1, 2]
