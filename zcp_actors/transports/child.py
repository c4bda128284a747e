"""
A server's process as a session's transport sees it: lines in, lines out, and how it ended.

Owns the meeting of pipes, process and guardian, and the order of leaving. Refuses to know JSON and sessions.
The rules: the process is watched beside its pipes, so its death ends the lines whoever else holds them;
leaving closes the input, waits, TERM, waits, KILL, for the whole group, in a shield with a deadline; nothing stays.
"""

from __future__ import annotations

import logging
import signal
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trio

from zcp_actors.errors import ConnectionLost, ServerExited
from zcp_actors.transports import guardian as guardians
from zcp_actors.transports.inlet import Inlet
from zcp_actors.transports.outbox import Outbox
from zcp_actors.transports.pipe import Pipe
from zcp_actors.transports.process import Process, start
from zcp_actors.transports.stderr_tail import StderrTail
from zcp_actors.transports.tending import Tending, tend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from zcp_actors.transports.command import Command
    from zcp_actors.transports.guardian import Guardian

_log = logging.getLogger(__name__)

EXIT_SOON = 0.1
"""Seconds in which a server that closed its pipes is expected to end, so that its exit code can be told."""

STDERR_SOON = 0.1
"""Seconds for reading what a dead server left in its error pipe; it is there already, only a flood takes longer."""

LEFTOVER_GRACE = 0.5
"""Seconds that processes whose leader has left get between SIGTERM and SIGKILL."""

KILL_WAIT = 1.0
"""Seconds for SIGKILL to take effect. What takes longer hangs in the kernel, and no patience helps."""

_LOOK = 0.01
"""Seconds between two looks at a leaderless group, which no system call can wait for."""


class Child(Pipe):
    """A running server. Made by `open_child`. When its lines end, ask `lost` why."""

    def __init__(
        self, command: Command, process: Process, guardian: Guardian | None, on_stderr: Callable[[str], None] | None
    ) -> None:
        self.command = command
        self.pid = process.pid
        self._process, self._guardian = process, guardian
        self._inlet = Inlet(process.stdout, command.max_message)
        self._outbox = Outbox(process.stdin, f"server {str(command)!r}", on_lost=self._inlet.drain)
        self._stderr = StderrTail(process.stderr, on_stderr)
        self._exited = trio.Event()
        self._returncode: int | None = None

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while the process runs (or if somebody else reaped it)."""
        return self._returncode

    @property
    def stderr_tail(self) -> tuple[str, ...]:
        """The last lines the server wrote to its standard error: at most 20, each at most 500 characters."""
        return self._stderr.lines()

    async def exited(self) -> int | None:
        """Wait until the server's process has ended; return its exit code as `returncode` does."""
        await self._exited.wait()
        return self._returncode

    async def lost(self) -> ConnectionLost:
        """Build the error that says why the lines ended: `ServerExited` with exit code and last stderr lines.

        Takes at most 0.2 s, and never waits for processes that the server left behind.
        """
        with trio.move_on_after(EXIT_SOON):
            await self._exited.wait()
        if not self._exited.is_set():
            return self._outbox.lost or ConnectionLost(f"server {str(self.command)!r} closed its output and runs on")
        with trio.move_on_after(STDERR_SOON):
            await self._stderr.complete.wait()
        return ServerExited(str(self.command), self._returncode, self.stderr_tail)

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Own the process for the time of the block; `open_child` does."""
        try:
            async with tend((self._watch, self._outbox.run, self._stderr.run), self._leave):
                yield
        finally:
            self._process.close()

    async def _watch(self) -> None:
        self._returncode = await self._process.exiting()
        self._exited.set()
        self._stderr.drain()
        self._inlet.drain()
        # A grandchild may hold the reading end of its input, and then no write would ever fail.
        self._outbox.lose(ConnectionLost(f"server {str(self.command)!r} has ended"))

    async def _leave(self, tending: Tending) -> None:
        """End the process and its group, politely, then not."""
        grace = self.command.grace
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 2 * grace + KILL_WAIT) as leaving:
            tending.start(self._inlet.discard)
            tending.limit(leaving.deadline)
            with trio.move_on_after(grace):
                await self._say_goodbye()
                await self._exited.wait()
            self._close_input()
            if not self._exited.is_set():
                self._process.signal_group(signal.SIGTERM)
                # A stopped process feels SIGTERM only when it goes on.
                self._process.signal_group(signal.SIGCONT)
                with trio.move_on_after(grace):
                    await self._exited.wait()
            if not self._exited.is_set():
                self._process.signal_group(signal.SIGKILL)
                await self._exited.wait()

        await self._clear_group()

    async def _say_goodbye(self) -> None:
        with suppress(ConnectionLost):
            await self._outbox.flushed()
        self._close_input()

    def _close_input(self) -> None:
        self._outbox.shut()
        self._process.close_stdin()

    async def _clear_group(self) -> None:
        """End what the leader left in its group. Nothing to do is the rule, and costs two system calls."""
        if not self._exited.is_set():
            # Not even SIGKILL ended it: it stays the guardian's, who tries again when we end.
            _log.error("process %d of server %s hangs in the kernel and is left behind", self.pid, self.command)
            return
        with trio.CancelScope(shield=True, deadline=trio.current_time() + LEFTOVER_GRACE + KILL_WAIT):
            self._process.signal_group(signal.SIGTERM)
            self._process.reap()
            kill_at = trio.current_time() + LEFTOVER_GRACE
            while self._process.group_is_left():
                if trio.current_time() >= kill_at:
                    self._process.signal_group(signal.SIGKILL)
                await trio.sleep(_LOOK)
        if self._guardian is not None:
            self._guardian.remove(self.pid)


@asynccontextmanager
async def open_child(
    command: Command,
    *,
    guardian: Guardian | None = guardians.SHARED,
    on_stderr: Callable[[str], None] | None = None,
) -> AsyncIterator[Child]:
    """Start a server and own it until the block is left; then nothing of its process group is left either.

    `guardian` ends the group should this process be killed; None does without. `on_stderr` is called with each line of
    the server's standard error, and must not block.

    Raises `StartFailed`. An error of the body comes out as it is, not in a group. Leaving takes at most twice the
    command's grace and 2.5 s, also when cancelled; a server that leaves at the end of its input takes none of it.
    """
    process = await start(command, guardian)
    child = Child(command, process, guardian, on_stderr)
    async with child.attended():
        yield child
