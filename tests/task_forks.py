"""
Servers of tasks as processes of their own, started in milliseconds: forks of a program that has imported everything.

There is one such program (`programs/task_server_forks.py`) for each run of the tests, started when first needed.
"""

from __future__ import annotations

import atexit
import functools
import os
import socket
import subprocess
import sys
import threading
from contextlib import asynccontextmanager

import attrs
import trio
from peers import PROGRAMS

MAX_REPLY = 100


class Forks:
    """The program that starts and kills servers. Its methods block for some milliseconds, in any thread."""

    def __init__(self):
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        argv = [sys.executable, str(PROGRAMS / "task_server_forks.py"), str(theirs.fileno())]
        self._process = subprocess.Popen(argv, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self._in_turn = threading.Lock()

    def start(self, words, files):
        """The process id of a new server."""
        return int(self._told(["start", *words], files))

    def kill(self, pid):
        """SIGKILL; the process is gone afterwards. One that is gone already stays so."""
        self._told(["kill", str(pid)])

    def _told(self, words, files=()):
        with self._in_turn:
            socket.send_fds(self._door, ["\0".join(words).encode()], files)
            reply = self._door.recv(MAX_REPLY).decode()
            assert reply, "the program that starts servers has ended"
            return reply

    def close(self):
        self._door.close()
        self._process.wait(10)


@functools.cache
def forks():
    program = Forks()
    atexit.register(program.close)
    return program


@attrs.define(eq=False)
class Forked:
    """A server, and the streams to and from it."""

    pid: int
    stdin: trio.lowlevel.FdStream
    stdout: trio.lowlevel.FdStream

    def kill(self):
        forks().kill(self.pid)


@asynccontextmanager
async def forked(*words):
    """A server with these arguments of `task_server.py`; it is killed with the block, if it lives."""
    theirs_in, our_out = os.pipe()
    our_in, theirs_out = os.pipe()
    async with trio.lowlevel.FdStream(our_out) as writing, trio.lowlevel.FdStream(our_in) as reading:
        try:
            pid = await trio.to_thread.run_sync(forks().start, words, [theirs_in, theirs_out])
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        server = Forked(pid, writing, reading)
        try:
            yield server
        finally:
            server.kill()
