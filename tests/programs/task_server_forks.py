"""
Starts servers of `task_server.py` in milliseconds: everything is imported once, and each server is a fork of this.

What it is told, and what it answers, are the packets of a socket, whose number is its argument: `start`, the arguments
of `task_server.py` and two files, for the server's input and output, are answered with a process id; `kill PID` with
"gone", once that process was killed, by SIGKILL. It ends when the socket is closed, and its servers with it.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys

import task_server
import trio

MAX_PACKET = 4096
log = logging.getLogger("forks")


def start(door: socket.socket, words: list[str], files: list[int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        door.close()
        for standard, file in enumerate(files):
            os.dup2(file, standard)
            os.close(file)
        trio.run(task_server.main, *words)
    except BaseException:
        log.exception("a server ended")
    finally:
        os._exit(1)


def main(number: str) -> None:
    alive = set()
    with socket.socket(fileno=int(number)) as door:
        while True:
            packet, files, *_ = socket.recv_fds(door, MAX_PACKET, 2)
            if not packet:
                break
            what, *words = packet.decode().split("\0")
            if what == "start":
                pid = start(door, words, files)
                alive.add(pid)
                for file in files:
                    os.close(file)
                door.send(str(pid).encode())
            else:
                pid = int(words[0])
                if pid in alive:
                    alive.remove(pid)
                    end(pid)
                door.send(b"gone")
    for pid in alive:
        end(pid)


def end(pid: int) -> None:
    """It is our child and was not waited for, so its number is still its own."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    main(*sys.argv[1:])
