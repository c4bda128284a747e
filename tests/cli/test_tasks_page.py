"""The page about tasks: its programs and commands run, its numbers are those of the code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pages import blocks, text_of

from zcp_actors.app.task_policy import TASK_AFTER
from zcp_actors.tasks import audience, change_feed, lease_keeper, limits, memory, service, sqlite

ROOT = Path(__file__).parents[2]
PAGE = text_of("tasks.md")


STUDIO, HOST = blocks("tasks.md", "python")
CALLS = [line.partition("#")[0].strip() for line in blocks("tasks.md", "sh")[0].splitlines()]


@pytest.fixture
def folder(tmp_path):
    """Where a reader would be: the app is there, the command is found."""
    (tmp_path / "studio.py").write_text(STUDIO, encoding="utf-8")
    return tmp_path


def ran(words, folder):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # A server that the program starts is told none of our variables; where a home is, it is.
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=60, shell=False
    )


def test_the_program_of_the_page_does_what_its_lines_say(folder):
    *lines, last = ran([sys.executable, "-c", HOST], folder).stdout.splitlines()

    assert lines[0] == "bees.mp4"
    assert lines[1].startswith("working ")
    assert lines[-3:] == ["completed scene 5 of 5", "ants.mp4", "120"]
    assert last in ("cancelled", "working")
    assert (folder / "studio.sqlite3").exists()


@pytest.mark.parametrize("line", CALLS)
def test_a_command_of_the_page_runs(line, folder):
    name, *words = line.split()
    assert name == "zcp-actors"
    done = ran([sys.executable, "-m", "zcp_actors.cli", *words], folder)

    assert done.stdout.strip() == ("bees.mp4" if "render" in line else "100008")
    assert ("completed" in done.stderr) == ("--task" in line)


def test_the_numbers_of_the_page_are_those_of_the_code():
    lease = audience.LEASE_SECONDS
    each = lease / lease_keeper.RENEWALS
    told = limits.TaskLimits()
    assert [
        f"{lease:g} s, renewed every {each:.1f} s",
        f"{lease + lease / 3 + 0.05:.1f} s, where another process",
        f"{told.ttl / 3600:g} h from its creation",
        f"{told.max_ttl / 86400:g} days at most",
        f"between polls | {told.poll:g} s",
        f"{told.max_running} in a process",
        f"{told.max_open} of a principal, {told.max_open_anonymous:,} where nobody",
        f"{told.polls_per_second:g} a second of a principal, {told.anonymous_polls_per_second:g} where nobody",
        f"{limits.BURST_SECONDS:g} seconds' worth",
        f"{sqlite.MAX_TASKS:,} in a file, {memory.MAX_TASKS:,} in memory",
        f"`task_after` seconds, {TASK_AFTER:g} unless",
        f"{service.ID_BYTES * 8} bits of chance",
    ] == [each for each in _said() if each in PAGE]
    assert change_feed.POLL_SECONDS <= 0.25 / 2


def _said():
    """The same words, written out: a number that changes in the code must be changed here and on the page."""
    return [
        "10 s, renewed every 3.3 s",
        "13.4 s, where another process",
        "1 h from its creation",
        "7 days at most",
        "between polls | 1 s",
        "256 in a process",
        "1000 of a principal, 10,000 where nobody",
        "200 a second of a principal, 5000 where nobody",
        "5 seconds' worth",
        "1,000,000 in a file, 50,000 in memory",
        "`task_after` seconds, 1 unless",
        "192 bits of chance",
    ]
