"""The command line where a standard stream is not what it usually is, and where Ctrl-C is pressed twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent.parent / "programs"
DESK = "zcp_actors.demo.desk:app"
SECONDS = 60
CALL = ["call", "asking_app.py:app", "speak", "--arg", "text=gr\u00fc\u00df \u2713"]


def ran(redirection: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What became of the command, started by a shell with this redirection."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", "zcp_actors.cli", *words],
        cwd=PROGRAMS,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env={**os.environ, **environment},
    )


def test_a_closed_standard_input_is_nobody_at_the_terminal():
    done = ran("<&-", *CALL)

    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (0, "gr\u00fc\u00df \u2713", "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", [CALL, ["tools", "asking_app.py:app"]])
def test_a_closed_output_is_no_error(closed, words):
    done = ran(closed, *words)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("closed", ["<&-", ">&- </dev/null"])
def test_serving_over_closed_streams_is_one_line(closed):
    done = ran(closed, "serve", "asking_app.py:app")

    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("zcp-actors: error: cannot serve over stdio: standard input or output was closed")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", [["call", DESK, "word_count", "--arg", "text=one"], ["tools", DESK], ["--help"]])
def test_a_full_disk_is_one_line(words):
    done = ran(">/dev/full", *words)

    assert (done.returncode, done.stderr) == (1, "zcp-actors: error: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("words", [CALL, ["tools", "asking_app.py:app"]])
def test_letters_that_the_terminal_does_not_know_are_escaped(words):
    done = ran("", *words, PYTHONIOENCODING="ascii")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert words is not CALL or done.stdout.splitlines()[-1] == r"gr\xfc\xdf \u2713"


def test_raw_output_is_json_whatever_letters_the_terminal_knows():
    done = ran("", *CALL, "--raw", PYTHONIOENCODING="ascii")

    found = json.loads(done.stdout[done.stdout.index("{") :])  # the app prints, too
    assert found["content"][0]["text"] == "gr\u00fc\u00df \u2713"


def test_a_second_ctrl_c_ends_a_call_whose_tool_never_yields():
    process = subprocess.Popen(
        [sys.executable, "-m", "zcp_actors.cli", "call", "blocking_app.py:app", "block"],
        cwd=PROGRAMS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one thread
    )
    try:
        for line in process.stdout:
            if "blocking" in line:
                break
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):  # two that come together are felt as one
                process.wait(0.1)
        _, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()

    assert (process.returncode, err) == (-signal.SIGINT, "")
