# ruff: noqa: T201  # programs print
"""
A server whose manners are chosen by its first argument. Speaks lines, knows no JSON.

It announces itself with the line `ready <pid> [<grandchild's pid>]`, then does what its name says.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SLEEPER = "import signal, time; signal.signal(signal.SIGHUP, signal.SIG_IGN); time.sleep(600)"


def say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def ready(*pids: int) -> None:
    say(" ".join(["ready", str(os.getpid()), *map(str, pids)]).encode())


def grandchild(**pipes) -> int:
    return subprocess.Popen([sys.executable, "-S", "-c", SLEEPER], **pipes).pid


def echo() -> None:
    ready()
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def deaf() -> None:
    """Heeds neither the end of its input nor SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready()
    time.sleep(600)


def deaf_family() -> None:
    """Deaf, with a deaf grandchild that holds its pipes."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready(grandchild())
    time.sleep(600)


def wrapper() -> None:
    """Leaves at the end of its input, and leaves a grandchild that holds no pipe behind."""
    pid = grandchild(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ready(pid)
    sys.stdin.buffer.read()


def dies_with_heir() -> None:
    """Dies on the first line; a grandchild keeps all its pipes open."""
    ready(grandchild())
    sys.stdin.buffer.readline()
    say(b"last line")
    print("last error", file=sys.stderr, flush=True)
    os._exit(7)


def dies_with_flooding_heir() -> None:
    """Dies on the first line; a grandchild goes on writing to both its outputs without end."""
    flood = "import os\nwhile True: os.write(1, b'x\\n' * 4096); os.write(2, b'y\\n' * 4096)"
    ready(subprocess.Popen([sys.executable, "-S", "-c", flood]).pid)
    sys.stdin.buffer.readline()
    os._exit(7)


def polite() -> None:
    """Ignores the end of its input, heeds SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
    ready()
    sys.stdin.buffer.read()
    while True:
        time.sleep(600)


def fails() -> None:
    print("first \x1b[31mline\x1b[0m", "API_KEY is not set", sep="\n", file=sys.stderr)
    sys.exit(4)


def floods_stderr() -> None:
    """Writes 2 MB of errors before it is ready."""
    for number in range(20_000):
        print(f"error {number} " + "x" * 90, file=sys.stderr)
    ready()
    sys.stdin.buffer.read()


def floods_stdout() -> None:
    """Never stops writing, not even at the end of its input, until a write fails or it is told to."""
    ready()
    while True:
        say(b"x" * 65536)


def endless_line() -> None:
    """64 MiB without a newline, then a good line."""
    ready()
    for _ in range(1024):
        sys.stdout.buffer.write(b"x" * 65536)
    say(b"")
    say(b"after")
    sys.stdin.buffer.read()


def bad_bytes() -> None:
    ready()
    say(b"\xff\xfe\x00 not text")
    say(b"after")
    sys.stdin.buffer.read()


def no_reader() -> None:
    """Lives on and reads nothing."""
    ready()
    time.sleep(600)


def closes_stdin() -> None:
    os.close(0)
    ready()
    time.sleep(600)


def closes_stdout() -> None:
    ready()
    os.close(1)
    os.close(2)
    sys.stdin.buffer.read()


def unfinished() -> None:
    """Its last line has no newline."""
    sys.stdout.buffer.write(b"whole\nrest")


def environment() -> None:
    for name in sorted(os.environ):
        say(f"{name}={os.environ[name]}".encode())
    say(f"cwd={Path.cwd()}".encode())


if __name__ == "__main__":
    globals()[sys.argv[1]]()
