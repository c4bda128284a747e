"""
The guardian's own program: a process that outlives its host by two seconds at most, to end the host's children.

Owns the list of process groups that one host told it on its standard input. Refuses to know anything else: it is run by
path with `python -I -S`, imports nothing of the project and only what is cheap (it must stay small: about 8 MiB).
The rule: it acts once, at the end of its input, and only on groups that are still those it was told of.

Its input, one fact per line (each written in one piece, so never torn):

    expect <inode>         a child is about to start whose standard input is the pipe with this inode
    forget <inode>         that start failed, or its group has been added
    add <group> <time>     a child leads this process group; its start time in clock ticks, 0 where unknown
    remove <group>         that group is gone
"""

from __future__ import annotations

import os
import time

TERM, KILL = 15, 9
"""POSIX fixes the numbers; `signal` would import `enum`, the larger half of this process's memory."""

PATIENCE = 0.4
"""Seconds between SIGTERM and SIGKILL: well-behaved servers need less, and the promise is 2 s in all."""

LIMIT = 1.8
"""Seconds after which a group that SIGKILL could not end (a stuck system call) is given up."""

MOST_FILES = 65536
"""Descriptors are looked for up to here; what a supervisor left inheritable in the host is not ours to hold."""

READY = b"ready"
"""Said once on standard output."""

STEP = 0.02
"""Seconds between two looks: the guardian cannot wait for processes that are not its children."""


def stat(pid: int | str) -> tuple[str, int, int] | None:
    """Return (state, process group, start time) of a process, or None if it is gone or there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # pathlib is not cheap to import
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields[0].decode(), int(fields[2]), int(fields[19])


def processes() -> list[str]:
    """Return the pids of all visible processes; empty where there is no /proc."""
    try:
        return [name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  # as above
    except OSError:
        return []


def living(group: int) -> bool:
    """Tell whether the process group has a member that is more than a zombie."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    facts = [stat(pid) for pid in processes()]
    # Without /proc the zombies cannot be told apart; whoever waits for them has a limit.
    return not facts or any(fact and fact[1] == group and fact[0] not in "ZX" for fact in facts)


def ours(group: int, started: int) -> bool:
    """Tell whether the number still means the group we were told of.

    While a group has members the kernel gives its number to no process, so a leader that started at another time shows
    that the group ended and the number was used again.
    """
    leader = stat(group)
    return not started or leader is None or leader[2] == started


def expected(inodes: set[str]) -> dict[int, int]:
    """Find the children that started without being added: group leaders whose input is an expected pipe (Linux)."""
    found = {}
    for pid in processes() if inodes else ():
        try:
            pipe = os.readlink(f"/proc/{pid}/fd/0")  # noqa: PTH115  # as above
        except OSError:
            continue
        fact = stat(pid)
        if fact and fact[1] == int(pid) and pipe.removeprefix("pipe:[").removesuffix("]") in inodes:
            found[int(pid)] = fact[2]
    return found


def send(group: int, number: int) -> None:
    """Signal a group; one that has just ended, or that is another user's, is none of our business."""
    try:  # noqa: SIM105  # contextlib is not cheap to import
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass


def read(groups: dict[int, int], inodes: set[str]) -> None:
    """Follow what the host tells, until its end."""
    rest = b""
    while chunk := os.read(0, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            word, *facts = line.decode().split()
            if word == "add":
                groups[int(facts[0])] = int(facts[1])
            elif word == "remove":
                groups.pop(int(facts[0]), None)
            elif word == "expect":
                inodes.add(facts[0])
            elif word == "forget":
                inodes.discard(facts[0])


def finish(groups: dict[int, int], inodes: set[str]) -> None:
    """End every group: SIGTERM, patience, SIGKILL until nothing is left or the limit is reached."""
    began = time.monotonic()
    asked: set[int] = set()
    while (waited := time.monotonic() - began) < LIMIT:
        groups.update(expected(inodes))
        left = [group for group, started in groups.items() if ours(group, started) and living(group)]
        # A child caught between fork and exec shows its pipe only after a moment.
        if not left and (not inodes or waited > PATIENCE):
            return
        for group in left:
            if waited > PATIENCE:
                send(group, KILL)
            elif group not in asked:
                asked.add(group)
                send(group, TERM)
        time.sleep(STEP)


def main() -> None:
    """Leave the host's session, directory and files, say so, listen, and finish."""
    os.setsid()
    os.chdir("/")
    os.closerange(3, MOST_FILES)
    os.write(1, READY)
    os.dup2(2, 1)
    groups: dict[int, int] = {}
    inodes: set[str] = set()
    read(groups, inodes)
    finish(groups, inodes)


if __name__ == "__main__":
    main()
