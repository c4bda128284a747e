"""What waits to be written, against a pipe that the test reads or does not."""

from __future__ import annotations

import os

import pytest
import trio
import trio.testing

from zcp_actors.errors import ConnectionLost
from zcp_actors.transports.outbox import HARD_LIMIT_LINES, HIGH_WATER_LINES, Outbox


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(reading, "rb", buffering=0) as reader, open(writing, "wb", buffering=0) as writer:  # noqa: PTH123
        yield reader, writer


async def test_room_is_made_when_the_writer_has_written(pipe):
    reader, writer = pipe
    outbox = Outbox(writer.fileno(), "peer")
    for _ in range(HIGH_WATER_LINES):
        outbox.post(b"x")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.run)
            await outbox.room()
            nursery.cancel_scope.cancel()

    assert reader.read(1 << 16) == b"x\n" * HIGH_WATER_LINES


async def test_as_many_small_messages_as_the_limit_are_accepted_and_no_more(pipe):
    lost = []
    outbox = Outbox(pipe[1].fileno(), "peer", on_lost=lambda: lost.append(1))
    for _ in range(HARD_LIMIT_LINES):
        outbox.post(b"x")
    for _ in range(2):
        with pytest.raises(ConnectionLost, match="peer does not read: 100001 messages"):
            outbox.post(b"x")

    assert lost == [1]
    assert outbox.queued == 0


async def test_a_reader_that_leaves_is_told_to_everybody_who_waits(pipe):
    reader, writer = pipe
    lost, told = [], []
    outbox = Outbox(writer.fileno(), "peer", on_lost=lambda: lost.append(1))

    async def wait(thing):
        with pytest.raises(ConnectionLost, match="peer reads no more"):
            await thing()
        told.append(thing)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.run)
            for _ in range(2):
                outbox.post(b"x" * (1 << 20))
            nursery.start_soon(wait, outbox.room)
            nursery.start_soon(wait, outbox.flushed)
            await trio.testing.wait_all_tasks_blocked()
            reader.close()

    assert len(told) == 2
    assert lost == [1]


async def test_losing_the_peer_wakes_a_writer_that_waits_for_a_full_pipe(pipe):
    outbox = Outbox(pipe[1].fileno(), "peer")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.run)
            outbox.post(b"x" * (1 << 20))
            await trio.testing.wait_all_tasks_blocked()
            outbox.lose(ConnectionLost("it has ended"))

    with pytest.raises(ConnectionLost, match="it has ended"):
        outbox.post(b"late")


async def test_nothing_is_accepted_once_the_writer_was_cancelled(pipe):
    """Part of a line may have been written: whatever followed would be torn."""
    outbox = Outbox(pipe[1].fileno(), "peer")
    with trio.CancelScope() as scope:
        scope.cancel()
        await outbox.run()

    with pytest.raises(ConnectionLost, match="was closed"):
        outbox.post(b"late")


async def test_flushed_means_that_the_system_has_it(pipe):
    reader, writer = pipe
    outbox = Outbox(writer.fileno(), "peer")
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.run)
            outbox.post(b"one")
            await outbox.flushed()
            assert reader.read(100) == b"one\n"
            nursery.cancel_scope.cancel()


async def test_waiting_can_be_cancelled_without_harm(pipe):
    reader, writer = pipe
    outbox = Outbox(writer.fileno(), "peer")
    for _ in range(HIGH_WATER_LINES):
        outbox.post(b"x")
    with trio.move_on_after(0.01) as scope:
        await outbox.room()
    assert scope.cancelled_caught
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outbox.run)
            await outbox.flushed()
            nursery.cancel_scope.cancel()

    assert reader.read(1 << 16).count(b"\n") == HIGH_WATER_LINES


async def test_the_first_line_after_the_peer_was_heard_leaves_in_its_own_step_and_the_others_in_one_write(pipe):
    reader, writer = pipe
    os.set_blocking(reader.fileno(), False)
    outbox = Outbox(writer.fileno(), "peer")
    outbox.post(b"before")
    assert reader.read(1 << 16) is None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.run)
        with trio.fail_after(30):
            await outbox.flushed()
            assert reader.read(1 << 16) == b"before\n"
            outbox.heard()
            for line in (b"1", b"2", b"3"):
                outbox.post(line)
            assert reader.read(1 << 16) == b"1\n"
            assert outbox.queued == 4
            await outbox.flushed()
            assert reader.read(1 << 16) == b"2\n3\n"
            nursery.cancel_scope.cancel()


async def test_a_line_never_overtakes_those_that_wait(pipe):
    reader, writer = pipe
    os.set_blocking(reader.fileno(), False)
    outbox = Outbox(writer.fileno(), "peer")
    outbox.post(b"1")
    outbox.heard()
    outbox.post(b"2")
    assert reader.read(1 << 16) is None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.run)
        with trio.fail_after(30):
            await outbox.flushed()
        nursery.cancel_scope.cancel()
    assert reader.read(1 << 16) == b"1\n2\n"


@pytest.mark.parametrize("taken", range(1, 5))
async def test_what_a_socket_did_not_take_of_a_line_goes_before_the_next_one(pipe, monkeypatch, taken):
    reader, writer = pipe
    outbox = Outbox(writer.fileno(), "peer")
    with monkeypatch.context() as patch:
        write = os.write
        patch.setattr("os.write", lambda fd, data: write(fd, data[:taken]))
        outbox.heard()
        outbox.post(b"abc")
    outbox.post(b"d")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.run)
        with trio.fail_after(30):
            await outbox.flushed()
        nursery.cancel_scope.cancel()
    assert reader.read(1 << 16) == b"abc\nd\n"


async def test_a_reader_that_left_before_a_line_could_leave_at_once_is_told_by_the_writer(pipe):
    reader, writer = pipe
    lost = []
    outbox = Outbox(writer.fileno(), "peer", on_lost=lambda: lost.append(1))
    reader.close()
    outbox.heard()
    outbox.post(b"x")
    assert not lost
    with trio.fail_after(30):
        await outbox.run()
    assert lost == [1]
    assert "reads no more" in str(outbox.lost)
