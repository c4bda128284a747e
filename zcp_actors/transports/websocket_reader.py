"""
The reading task of a websocket, kept going until its owner has left in good order.

Owns that task's lifetime, the error that an upgrade ends with, and how much may come before it is done. Refuses to know
what is read.
The rule: a cancel from outside stops whoever uses the socket, never this task: the closing handshake needs it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Reader:
    """Stands for the nursery in which `trio_websocket` starts its task."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._shield = trio.CancelScope(shield=True, deadline=math.inf)
        self.ended = trio.Event()
        self.failure: Exception | None = None
        """What the upgrade was refused with, or failed by."""
        self._opened = False

    def start_soon(self, work: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        """Run it beside, until it ends or `stop`."""
        self._nursery.start_soon(self._run, work, *arguments)

    async def _run(self, work: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        from trio_websocket import HandshakeError

        try:
            with self._shield:
                await work(*arguments)
        except HandshakeError as error:
            self.failure = error
        except Exception as error:
            # An answer that is no upgrade makes the library trip over its own goodbye.
            if self._opened:
                raise
            self.failure = error
        finally:
            self.ended.set()

    async def first(self, opening: Callable[[], Awaitable[Any]]) -> Any:
        """The outcome of `opening`, or None when the reading ends before."""
        found: Any = None
        async with trio.open_nursery() as race:
            race.start_soon(self._call_off, race.cancel_scope)
            found = await opening()
            self._opened = True
            race.cancel_scope.cancel("opened")
        return found

    async def _call_off(self, scope: trio.CancelScope) -> None:
        await self.ended.wait()
        scope.cancel("the reading ended")

    def stop(self) -> None:
        """Read no more."""
        self._shield.cancel("the socket is closed")


class Limited(trio.abc.Stream):
    """A stream that breaks when more comes than there is room for, until it is `opened`."""

    def __init__(self, stream: trio.abc.Stream, room: int) -> None:
        self._stream, self._room = stream, room
        self._opened = False

    def opened(self) -> None:
        """From now on anything may come: messages have a limit of their own."""
        self._opened = True

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """See `trio.abc.ReceiveStream`."""
        data = await self._stream.receive_some(max_bytes)
        if not self._opened:
            self._room -= len(data)
            if self._room < 0:
                raise trio.BrokenResourceError("the answer to the upgrade does not end")
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """See `trio.abc.AsyncResource`."""
        await self._stream.aclose()
