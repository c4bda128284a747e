"""
The server end of stdio: this process's own standard input and output, taken for the wire.

Owns file descriptors 0 and 1 while open. Refuses to know JSON, sessions and signals.
The rule: nothing but `post` reaches the wire. `print`, C code and subprocesses find descriptor 1 leading to standard
error, and descriptor 0 empty, so a tool can neither speak out of turn nor steal a message. Where a process only
serves, `keep_standard_streams` makes that last from before its app is imported until the process is gone.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING

import trio

from zcp_actors.errors import ConnectionLost, StartFailed, UsageError
from zcp_actors.transports.command import MAX_MESSAGE
from zcp_actors.transports.inlet import Inlet
from zcp_actors.transports.outbox import Outbox
from zcp_actors.transports.pipe import Pipe
from zcp_actors.transports.tending import Tending, tend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_LAST_WORDS = 1.0
"""Seconds for what is queued to reach a peer that may read slowly, or no more, when the block is left."""

_FIRST_PRIVATE = 3
"""Descriptors below are the standard ones, which C libraries write to by number."""

_taken = False

_kept: tuple[int, int] | None = None
"""The private descriptors of a process that gives its streams to the wire for good."""

_give_back = ExitStack()
"""What undoes the keeping."""


class StandardStreams(Pipe):
    """The wire to the process that started us. Made by `open_standard_streams`; the same shape as a `Child`'s."""

    def __init__(self, stdin: int, stdout: int, max_message: int) -> None:
        self._inlet = Inlet(stdin, max_message, pollable=_reads_when_ready(stdin))
        # A host that reads nothing can be told nothing: its requests are void, too.
        self._outbox = Outbox(stdout, "the host", pollable=_writes_when_ready(stdout), on_lost=self._inlet.end)

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Write what is posted for the time of the block; `open_standard_streams` does."""
        async with tend((self._outbox.run,), self._leave):
            yield

    async def _leave(self, tending: Tending) -> None:
        """Let what is queued leave, then end both directions before their descriptors are closed."""
        with trio.move_on_after(_LAST_WORDS, shield=True), suppress(ConnectionLost):
            await self.flushed()
        self._outbox.shut()
        self._inlet.end()


@asynccontextmanager
async def open_standard_streams(max_message: int = MAX_MESSAGE) -> AsyncIterator[StandardStreams]:
    """Take this process's standard input and output for the wire until the block is left, then give them back.

    What is queued then has one second to leave, also when cancelled. SIGTERM and SIGINT are the caller's to handle.
    After `keep_standard_streams` nothing is given back.
    Raises `UsageError` when they are taken already, `StartFailed` when one of them is closed.
    """
    with ExitStack() as undo:
        undo.enter_context(_marked())
        stdin, stdout = _kept or _take(undo)
        undo.enter_context(_not_waiting(stdout))
        streams = StandardStreams(stdin, stdout, max_message)
        async with streams.attended():
            yield streams


def keep_standard_streams() -> None:
    """Keep standard input and output for the wire until this process ends: for one whose only work is to serve.

    A thread that outlives its call, a task that ends with its runtime, and `atexit` print when the session is over, and
    its host still reads. Does nothing the second time. Raises `StartFailed` when one of the streams is closed.
    """
    global _kept  # noqa: PLW0603  # descriptors are the process's, so is this
    if _kept is None and not _taken:
        with ExitStack() as undo:
            _kept = _take(undo)
            _give_back.push(undo.pop_all())


@contextmanager
def standard_streams_kept() -> Iterator[None]:
    """Keep them as `keep_standard_streams` does; but give them back if the block raises, for then nothing is served."""
    global _kept  # noqa: PLW0603  # as above
    keep_standard_streams()
    try:
        yield
    except BaseException:
        _kept = None
        _give_back.close()
        raise


def _take(undo: ExitStack) -> tuple[int, int]:
    """Move descriptors 0 and 1 to private ones, until `undo`: return those."""
    if os.name != "posix":
        message = "cannot serve over stdio: this system is not supported; serve over HTTP or websocket instead"
        raise StartFailed(message)
    if sys.__stdin__ is None or sys.__stdout__ is None:
        # Their numbers may be anything's by now, even the event loop's.
        message = "cannot serve over stdio: standard input or output was closed when this process started. Open both"
        raise StartFailed(message)
    stdin = _private(0, "input", undo)
    stdout = _private(1, "output", undo)
    undo.callback(os.dup2, stdin, 0)
    undo.callback(os.dup2, stdout, 1)
    _print_to_stderr(undo)
    _point(0, os.devnull, os.O_RDONLY)
    if sys.__stderr__ is None:
        _point(1, os.devnull, os.O_WRONLY)
    else:
        os.dup2(2, 1)
    return stdin, stdout


def _private(fd: int, name: str, undo: ExitStack) -> int:
    """Return a copy of `fd` that no subprocess inherits."""
    import fcntl  # not on Windows, where this module must still import

    try:
        copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_PRIVATE)
    except OSError as error:
        message = f"cannot serve over stdio: standard {name} is closed. Start the server with both streams open"
        raise StartFailed(message) from error
    undo.callback(os.close, copy)
    return copy


@contextmanager
def _marked() -> Iterator[None]:
    global _taken  # noqa: PLW0603  # as above
    if _taken:
        message = "this process's standard streams are taken already: only one server per process can speak over stdio"
        raise UsageError(message)
    _taken = True
    try:
        yield
    finally:
        _taken = False


@contextmanager
def _not_waiting(stdout: int) -> Iterator[None]:
    """Make the descriptor non-blocking for a while: the flag is the open file's, which whoever started us may share."""
    blocking = os.get_blocking(stdout)
    if _writes_when_ready(stdout):
        os.set_blocking(stdout, False)
    try:
        yield
    finally:
        os.set_blocking(stdout, blocking)


def _print_to_stderr(undo: ExitStack) -> None:
    """Keep Python's own buffer of `sys.stdout` from carrying text across the moments the descriptor changes hands."""
    stdout = sys.stdout
    if stdout is not None:
        stdout.flush()
    if isinstance(stdout, TextIOWrapper):
        # Setting it back flushes: what was printed still goes to standard error.
        undo.callback(stdout.reconfigure, line_buffering=stdout.line_buffering)
        stdout.reconfigure(line_buffering=True)


def _point(fd: int, path: str, flags: int) -> None:
    opened = os.open(path, flags)
    if opened != fd:
        os.dup2(opened, fd)
        os.close(opened)


def _reads_when_ready(fd: int) -> bool:
    """Tell whether a read after "readable" never waits: then neither a thread nor the non-blocking flag is needed."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


def _writes_when_ready(fd: int) -> bool:
    """Tell whether the descriptor can be made non-blocking. A terminal would share that with our own stderr."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
