"""
The process that ends our children when we cannot: after SIGKILL, after a crash, when the power of `finally` is over.

Owns one guardian process per host process (`SHARED`), started at the first child, shared by all runtimes and threads.
Refuses to know what the children are; the program it runs is `guardian_program`.
The rules: the guardian holds the reading end of a pipe of which only this process holds the other end, so the end of
this process, however it comes, is the end of that file; and every child is announced before it exists.

Why not `PR_SET_PDEATHSIG`: it fires when the *thread* that started the child ends, and worker threads retire.

What is promised, and what is not:

* Linux: a child is announced by the inode of its input pipe, started, then added by its group; a host killed at any
  moment between leaves nothing. Only what left the group by `setsid` survives: such daemons are meant to.
* macOS and others without /proc: a host killed in the milliseconds between fork and `add` leaves a child, which sees
  its input end; and a group number is not checked against reuse (it cannot be reused while the group has members).
* Code that forks without exec and without Python's `os.fork` hooks keeps the pipe open: nothing ends until it does.
* Windows: not supported.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import sys
import threading
from pathlib import Path

from zcp_actors.errors import StartFailed
from zcp_actors.transports import guardian_program

_ATTEMPTS = 2
"""Guardians that are started for one fact: the first may have died since the last one, the second must not."""

_READY_WITHIN = 5.0
"""Seconds for a guardian to say it is there; 10 ms on a quiet machine. Without its word a wrong interpreter, or an
embedding program that Python takes for one, would pass for a guardian."""

_IGNORED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP", "SIGUSR1", "SIGUSR2")
"""Blocked from before the guardian's first instruction, so that no terminal and no process-group kill ends it early."""


class Guardian:
    """Tells one guardian process about child process groups. Every method is thread-safe and does not wait.

    The process is started when first needed, started again and told everything when it was found dead, and started anew
    in a forked process. `executable` is the Python that runs it.
    """

    def __init__(self, executable: str | None = None) -> None:
        self._executable = executable
        self._forget_parent()

    @property
    def pid(self) -> int | None:
        """The guardian's process id; None before the first child."""
        return self._pid

    def announce(self, inode: int) -> None:
        """A child whose standard input is the pipe with this inode is about to start.

        Raises `StartFailed` when there can be no guardian.
        """
        self._enter_process()
        with self._lock:
            self._tell(f"expect {inode}\n")
            self._expected.add(inode)

    def withdraw(self, inode: int) -> None:
        """The announced child did not start."""
        with self._lock:
            self._expected.discard(inode)
            with contextlib.suppress(OSError):
                self._write(f"forget {inode}\n")

    def add(self, group: int, inode: int) -> None:
        """The announced child started and leads this process group. Raises `StartFailed` as `announce` does."""
        fact = guardian_program.stat(group)
        with self._lock:
            self._expected.discard(inode)
            started = fact[2] if fact else 0
            self._tell(f"add {group} {started}\nforget {inode}\n")
            self._groups[group] = started

    def remove(self, group: int) -> None:
        """The group is gone. Say so before its number can be used again."""
        with self._lock:
            if self._groups.pop(group, None) is not None:
                # A guardian that is dead now is told the rest when it is started again.
                with contextlib.suppress(OSError):
                    self._write(f"remove {group}\n")

    def _forget_parent(self) -> None:
        """Begin anew: at the start, and in a forked process, whose parent's guardian and children are not its own."""
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._pipe: int | None = None
        self._groups: dict[int, int] = {}
        self._expected: set[int] = set()

    def _after_fork(self) -> None:
        pipe = self._pipe
        self._forget_parent()
        if pipe is not None:
            os.close(pipe)

    def _enter_process(self) -> None:
        if self._owner != os.getpid():
            self._after_fork()

    def _tell(self, facts: str) -> None:
        failure: OSError | None = None
        for _ in range(1 + _ATTEMPTS):
            try:
                if self._pipe is None:
                    self._start()
                self._write(facts)
            except OSError as error:
                failure = error
                self._bury()
            else:
                return
        raise StartFailed(
            f"no server can be started, because the guardian that would end it after our death cannot be: "
            f"{self._python()!r}: {failure}. Pass Guardian(executable=...) a Python interpreter, or guardian=None"
        ) from failure

    def _write(self, facts: str) -> None:
        if self._pipe is not None:
            # At most PIPE_BUF bytes, so written whole or (EAGAIN: the guardian is stuck) not at all.
            os.write(self._pipe, facts.encode())

    def _start(self) -> None:
        """Start the process, hear that it is there, and tell it everything."""
        with contextlib.ExitStack() as theirs:
            reading, self._pipe = os.pipe()
            theirs.callback(os.close, reading)
            ready, saying = os.pipe()
            theirs.callback(os.close, ready)
            try:
                self._pid = self._spawn(reading, saying)
            finally:
                os.close(saying)
            _await_ready(ready)
        for group, started in self._groups.items():
            self._write(f"add {group} {started}\n")
        for inode in self._expected:
            self._write(f"expect {inode}\n")
        os.set_blocking(self._pipe, False)

    def _spawn(self, reading: int, saying: int) -> int:
        python, program = self._python(), str(Path(guardian_program.__file__).resolve())
        return os.posix_spawn(
            python,
            [python, "-I", "-S", program],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reading, 0),
                (os.POSIX_SPAWN_DUP2, saying, 1),
                # The host's own output must end with the host, for whoever reads it.
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsigmask=[getattr(signal, name) for name in _IGNORED],
        )

    def _python(self) -> str:
        python = self._executable or sys.executable
        if not python or (self._executable is None and getattr(sys, "frozen", False)):
            message = "no Python interpreter to run the guardian with: pass Guardian(executable=...), or guardian=None"
            raise StartFailed(message)
        return python

    def _bury(self) -> None:
        """The guardian is dead, or as good as dead: a stopped one must not wake later and act on old facts."""
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
        if self._pipe is not None:
            os.close(self._pipe)
        self._pid = self._pipe = None


def _await_ready(fd: int) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    if not poll.poll(_READY_WITHIN * 1000) or os.read(fd, len(guardian_program.READY)) != guardian_program.READY:
        message = "it did not say that it was ready"
        raise OSError(errno.ETIMEDOUT, message)


SHARED = Guardian()
"""This process's guardian."""

if hasattr(os, "register_at_fork"):
    # Without this a forked process would hold the pipe open, and the guardian would outwait us for as long as it lives.
    os.register_at_fork(after_in_child=SHARED._after_fork)  # noqa: SLF001
