"""
One started process: its three pipes, its end, its group.

Owns the starting, the watching without reaping, the signalling of the group and the reaping. Refuses to know lines.
The rule: the leader is reaped only after its group has been told to end, because until then its number is its own.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import attrs
import trio

from zcp_actors.errors import StartFailed
from zcp_actors.transports import guardian_program

if TYPE_CHECKING:
    from zcp_actors.transports.command import Command
    from zcp_actors.transports.guardian import Guardian

_WATCHERS = trio.CapacityLimiter(10_000)
"""Threads that wait for exits where there is no pidfd: one per living child, so bounded by what a machine can run."""


@attrs.define(eq=False)
class Process:
    """A child that leads its own session and process group. Our ends of the pipes are non-blocking."""

    pid: int
    stdin: int
    stdout: int
    stderr: int
    _popen: subprocess.Popen[bytes]
    _pidfd: int | None

    async def exiting(self) -> int | None:
        """Wait for the end of the process and return its code (negative: the signal), leaving it unreaped on Linux.

        None if somebody else reaped it (a host that ignores SIGCHLD).
        """
        if self._pidfd is None:
            # Reaps; the group's number is then safe only while the group has members, which `group_is_left` checks.
            return await trio.to_thread.run_sync(self._popen.wait, abandon_on_cancel=True, limiter=_WATCHERS)
        await trio.lowlevel.wait_readable(self._pidfd)
        try:
            status = _peek(self.pid)
        except ChildProcessError:
            return None
        if status is None:
            return None
        return status.si_status if status.si_code == os.CLD_EXITED else -status.si_status

    def signal_group(self, number: signal.Signals) -> None:
        """Signal every process of the group; none left, or another user's, is not an error."""
        if self._popen.returncode is not None and self._number_is_a_strangers():
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def group_is_left(self) -> bool:
        """Tell whether processes of the group live on after its leader was reaped."""
        with suppress(ChildProcessError):
            # Members orphaned to us (we are PID 1, or a subreaper) are ours to reap.
            while os.waitpid(-self.pid, os.WNOHANG)[0]:
                pass
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return not self._number_is_a_strangers() and guardian_program.living(self.pid)

    def _number_is_a_strangers(self) -> bool:
        """After the reaping: tell whether a process has the leader's number. None does while the group lives."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    def reap(self) -> None:
        """Collect the process, which has ended: no zombie stays."""
        self._popen.wait()

    def close(self) -> None:
        """Close what is left of the pipes and the watch."""
        for fd in (self.stdin, self.stdout, self.stderr, self._pidfd):
            if fd is not None and fd >= 0:
                trio.lowlevel.notify_closing(fd)
                os.close(fd)
        self.stdin = self.stdout = self.stderr = -1
        self._pidfd = None

    def close_stdin(self) -> None:
        """End the child's input."""
        if self.stdin >= 0:
            trio.lowlevel.notify_closing(self.stdin)
            os.close(self.stdin)
            self.stdin = -1


async def start(command: Command, guardian: Guardian | None) -> Process:
    """Start the command in a worker thread (fork and exec may take long) and tell the guardian.

    Raises `StartFailed`. A cancel is felt before or after: a started process is always returned.
    """
    if os.name != "posix":
        message = f"cannot start {command}: servers over stdio need process groups, which this system does not have"
        raise StartFailed(message)
    return await trio.to_thread.run_sync(_start, command, guardian)


def _start(command: Command, guardian: Guardian | None) -> Process:
    try:
        with ExitStack() as ours, ExitStack() as theirs:
            stdin, stdout, stderr = (_pipe(ours, theirs, writes=writes) for writes in (True, False, False))
            inode = os.fstat(stdin[0]).st_ino
            if guardian is not None:
                guardian.announce(inode)
            popen = _popen(command, (stdin[1], stdout[1], stderr[1]), guardian, inode)
            process = Process(popen.pid, stdin[0], stdout[0], stderr[0], popen, _pidfd(popen.pid))
            ours.pop_all()
            return process
    except OSError as error:
        raise StartFailed(f"cannot start {command}: {_reason(command, error)}") from error


def _pipe(ours: ExitStack, theirs: ExitStack, *, writes: bool) -> tuple[int, int]:
    """Return (our end, non-blocking; the child's end)."""
    reading, writing = os.pipe()
    mine, its = (writing, reading) if writes else (reading, writing)
    ours.callback(os.close, mine)
    theirs.callback(os.close, its)
    os.set_blocking(mine, False)
    return mine, its


def _popen(
    command: Command, pipes: tuple[int, int, int], guardian: Guardian | None, inode: int
) -> subprocess.Popen[bytes]:
    try:
        popen = subprocess.Popen(  # noqa: S603  # the host chose the command; no shell is involved
            command.argv,
            stdin=pipes[0],
            stdout=pipes[1],
            stderr=pipes[2],
            cwd=command.cwd,
            env=command.environment(),
            start_new_session=True,
        )
    except BaseException:
        if guardian is not None:
            guardian.withdraw(inode)
        raise
    try:
        if guardian is not None:
            guardian.add(popen.pid, inode)
    except BaseException:
        os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()
        raise
    return popen


def _peek(pid: int) -> os.waitid_result | None:
    """Return how an ended child ended, without reaping it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _reason(command: Command, error: OSError) -> str:
    """Say what went wrong and who can mend it."""
    what = f"{error.strerror or error}"
    if command.cwd is not None and not os.path.isdir(command.cwd):  # noqa: PTH112  # cwd is a str
        return f"{what}: its directory {command.cwd!r} is not a directory. Create it, or correct cwd="
    program = command.argv[0]
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        if "/" in program and os.path.lexists(os.path.join(command.cwd or "", program)):  # noqa: PTH118  # str
            return f"{what}: {program!r} is there, but not its interpreter (see its first line). Install that"
        where = "" if "/" in program else " on the PATH the server would see"
        return f"{what}: there is no {program!r}{where}. Install it, give its full path, or set PATH in env="
    if isinstance(error, PermissionError):
        return (
            f"{what}: {program!r} may not be executed. Make it executable (chmod +x), or name its interpreter in argv"
        )
    if error.errno == errno.ENOEXEC:
        return (
            f"{what}: {program!r} is not for this machine, or a script without a first line that names its interpreter"
        )
    return f"{what} ({type(error).__name__}, errno {error.errno})"
