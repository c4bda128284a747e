"""`zcp-actors call --task`: a tool that runs as a task, as a person at a terminal sees it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from zcp_actors import FastZCP, memory_client, open_runtime
from zcp_actors.cli.bars import Bars
from zcp_actors.cli.commands import run
from zcp_actors.cli.task_call import call_as_task
from zcp_actors.errors import RequestTimeout
from zcp_actors.tasks import SqliteTaskStore

PROGRAMS = Path(__file__).parent.parent / "programs"
APP = "lasting_app.py:app"
SECONDS = 30

both_eras = pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])


@pytest.fixture
def outcome(capfd, monkeypatch):
    """Run the command line in this process: (exit code, standard output, standard error)."""
    monkeypatch.chdir(PROGRAMS)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def go(*words):
        code = run(words)
        said = capfd.readouterr()
        return code, said.out, said.err

    yield go
    sys.modules.pop("lasting_app", None)


@pytest.fixture
def files(tmp_path):
    """The arguments of `last`."""
    return "--arg", f"begun={tmp_path / 'begun'}", "--arg", f"gate={tmp_path / 'gate'}"


@both_eras
def test_a_task_is_told_of_until_its_result_is_printed(outcome, files, tmp_path, era):
    (tmp_path / "gate").touch()
    code, out, err = outcome("call", APP, "last", *files, "--task", "--era", era)

    assert (code, out) == (0, "lasted\n")
    assert err.splitlines() == ["last: working", "last: completed"]


@both_eras
def test_a_task_that_asks_is_answered_and_says_what_it_is_doing(outcome, era):
    words = ("--arg", "what=bees", "--answer", "sure=yes", "--task", "--era", era)
    code, out, err = outcome("call", APP, "confirm", *words)

    assert (code, out) == (0, "bees: sure\n")
    assert "confirm: working, asking about bees" in err
    assert "confirm: input_required, asking about bees" in err
    assert err.splitlines()[-1] == "confirm: completed, asking about bees"


@both_eras
def test_a_task_that_takes_too_long_is_given_up_in_one_line(outcome, files, era):
    code, out, err = outcome("call", APP, "last", *files, "--task", "--timeout", "1", "--era", era)

    assert (code, out) == (3, "")
    assert err.splitlines()[-1] == (
        "zcp-actors: error: tools/call got no answer within 1 s; --timeout SECONDS changes that"
    )


def test_a_tool_that_never_runs_as_a_task_says_so_where_the_caller_decides(outcome):
    assert outcome("call", APP, "plain", "--task", "--era", "2026-07-28")[:2] == (0, "plain\n")
    code, _, err = outcome("call", APP, "plain", "--task", "--era", "2025-11-25")

    assert code == 1
    assert "never runs as a task" in err


@both_eras
async def test_a_task_that_is_given_up_is_cancelled_at_its_server(era, autojump_clock):
    app, cancelled = FastZCP("endless"), trio.Event()

    @app.tool(task="optional", task_after=0)
    async def last() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            cancelled.set()
            raise

    async with open_runtime(), memory_client(app, era=era) as client:
        with pytest.raises(RequestTimeout):
            await call_as_task(client, "last", {}, Bars(), 5.0)
        # The server has agreed; its handler unwinds in a turn of its own.
        await cancelled.wait()
        assert trio.current_time() == 5.0


@both_eras
def test_ctrl_c_cancels_the_task_at_its_server(files, tmp_path, era):
    kept = tmp_path / "kept.sqlite3"
    server = shlex.join([sys.executable, "-m", "zcp_actors.cli", "serve", APP, "--store", str(kept)])
    process = subprocess.Popen(
        [sys.executable, "-m", "zcp_actors.cli", "call", server, "last", *files, "--task", "--era", era],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROGRAMS,
        env={**os.environ, "HOME": str(tmp_path)},  # of our variables the server is told none
    )
    try:
        assert process.stderr.readline() == "last: working\n"
        until((tmp_path / "begun").exists)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()

    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert trio.run(statuses_in, kept) == ["cancelled"]


def until(met):
    for _ in range(SECONDS * 50):
        if met():
            return
        time.sleep(0.02)
    raise AssertionError("it never was so")


async def statuses_in(file):
    async with SqliteTaskStore(file) as store:
        return [each.status.value for each in await store.page("lasting", "", None, 10)]
