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
import signal
import sys
import threading
from pathlib import Path

from zcp_actors.transports import guardian_program

_RESTARTS = 3
"""Times a fact is offered to a fresh guardian: one death is bad luck, three are a machine without room."""

_BLOCKED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGTSTP,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
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

        Raises `OSError` when there can be no guardian.
        """
        with self._lock:
            self._enter_process()
            self._expected.add(inode)
            try:
                self._tell(f"expect {inode}\n")
            except OSError:
                self._expected.discard(inode)
                raise

    def withdraw(self, inode: int) -> None:
        """The announced child did not start."""
        with self._lock:
            self._expected.discard(inode)
            with contextlib.suppress(OSError):
                self._tell(f"forget {inode}\n")

    def add(self, group: int, inode: int) -> None:
        """The announced child started and leads this process group. Raises `OSError` as `announce` does."""
        fact = guardian_program.stat(group)
        with self._lock:
            self._expected.discard(inode)
            self._groups[group] = fact[2] if fact else 0
            self._tell(f"add {group} {self._groups[group]}\nforget {inode}\n")

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
        for _ in range(_RESTARTS):
            if self._pipe is None:
                self._start()
            try:
                self._write(facts)
            except OSError:
                self._bury()
            else:
                return
        message = f"the guardian process ({self._python()}) ended {_RESTARTS} times as soon as it was started"
        raise OSError(errno.ECHILD, message)

    def _write(self, facts: str) -> None:
        if self._pipe is not None:
            # At most PIPE_BUF bytes, so written whole or (EAGAIN: the guardian is stuck) not at all.
            os.write(self._pipe, facts.encode())

    def _start(self) -> None:
        reading, writing = os.pipe()
        try:
            os.set_blocking(writing, False)
            self._pid = self._spawn(reading)
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        self._pipe = writing
        for group, started in self._groups.items():
            self._write(f"add {group} {started}\n")
        for inode in self._expected:
            self._write(f"expect {inode}\n")

    def _spawn(self, reading: int) -> int:
        program = str(Path(guardian_program.__file__).resolve())
        python = self._python()
        return os.posix_spawn(
            python,
            [python, "-I", "-S", program],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reading, 0),
                # Its host's output must end with its host, for whoever reads it.
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsigmask=_BLOCKED,
        )

    def _python(self) -> str:
        python = self._executable or sys.executable
        if not python or (self._executable is None and getattr(sys, "frozen", False)):
            message = "no Python interpreter to run the guardian with: pass Guardian(executable=...), or guardian=None"
            raise OSError(errno.ENOENT, message)
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


SHARED = Guardian()
"""This process's guardian."""

if hasattr(os, "register_at_fork"):
    # Without this a forked process would hold the pipe open, and the guardian would outwait us for as long as it lives.
    os.register_at_fork(after_in_child=SHARED._after_fork)  # noqa: SLF001
