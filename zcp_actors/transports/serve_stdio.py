"""
Serving one client over this process's standard streams.

Owns the life of a served process: from taking the streams to the end of the input, or to a signal.
Refuses to know the app. Source: MCP basic/transports, stdio: the client closes the input to end the server.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from zcp_actors.errors import ConnectionLost
from zcp_actors.sessions.handle import ServerHandle
from zcp_actors.transports.command import MAX_MESSAGE
from zcp_actors.transports.signals import ENDING, noted
from zcp_actors.transports.standard_streams import keep_standard_streams, open_standard_streams
from zcp_actors.transports.stdio import LineConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zcp_actors.ports import App
    from zcp_actors.sessions.server import ServerSession
    from zcp_actors.transports.standard_streams import StandardStreams

DRAIN_SECONDS = 5.0
"""What calls in flight get to finish after SIGTERM or SIGINT; half of what process managers commonly wait."""

LAST_ANSWERS = 1.0
"""Seconds for the answers, and the goodbyes, to reach a host that reads slowly."""


async def serve_stdio(
    runtime: Any, target: App | ServerHandle, *, drain: float = DRAIN_SECONDS, max_message: int = MAX_MESSAGE
) -> signal.Signals | None:
    """Serve the app to whoever started this process, until the input ends, or SIGTERM or SIGINT comes; return that one.

    At the end of the input every call is cancelled: nobody reads the answers. After a signal no more is read, calls in
    flight get `drain` seconds to be answered, and the rest are told that the server is going.
    From here to the end of the process `print` goes to standard error: what ends later than the session, such as the
    thread of a tool, must not speak to the host either.
    Tasks that an earlier process left are taken up first; those that run belong to the runtime, and end with it.
    Raises `UsageError` when this process serves its streams already, or the target is no app, `StartFailed` when one is
    closed, or the tasks' store cannot be opened.
    """
    handle = ServerHandle.of(target, served=True)
    keep_standard_streams()
    caught: list[signal.Signals] = []
    # Heard until all is closed: one that comes with the end of the input, or while we leave, must not kill us half way.
    async with noted(caught):
        with trio.open_signal_receiver(*ENDING) as signals:
            await _serve(runtime, handle, signals, caught, max_message=max_message, drain=drain)
    return caught[0] if caught else None


async def _serve(
    runtime: Any,
    handle: ServerHandle,
    signals: AsyncIterator[int],
    caught: list[signal.Signals],
    *,
    max_message: int,
    drain: float,
) -> None:
    await handle.recover(runtime)
    async with open_standard_streams(max_message) as streams:
        connection = LineConnection(streams, max_message)
        session = handle.host(runtime, connection)
        reading = trio.CancelScope()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_hear, signals, caught, reading)
            nursery.start_soon(_end_with, session, reading)
            with reading:
                await _feed(connection, session, streams)
            if reading.cancelled_caught and caught:
                await _drain(session, streams, drain)
            session.me.stop()
            await session.me.stopped()
            nursery.cancel_scope.cancel("the session was served")


async def _feed(connection: LineConnection, session: ServerSession, streams: StandardStreams) -> None:
    try:
        await connection.feed(session, streams.lines(), wait_for_room=True)
    except ConnectionLost:
        return  # the host reads no more, so its requests are void


async def _end_with(session: ServerSession, reading: trio.CancelScope) -> None:
    """A session that failed answers nobody: its client shall see the process end."""
    exit = await session.me.stopped()
    reading.cancel("the session ended")
    if isinstance(exit.error, Exception):
        raise exit.error


async def _hear(signals: AsyncIterator[int], caught: list[signal.Signals], reading: trio.CancelScope) -> None:
    """Note every signal; the first ends the reading."""
    async for number in signals:
        caught.append(signal.Signals(number))
        reading.cancel("a signal asked the server to end")


async def _drain(session: ServerSession, streams: StandardStreams, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await session.idle()
    session.say_goodbye("the server is shutting down")
    with trio.move_on_after(LAST_ANSWERS), suppress(ConnectionLost):
        await streams.flushed()
