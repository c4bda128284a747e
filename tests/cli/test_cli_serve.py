"""`zcp-actors serve` over real pipes: nothing but the wire on standard output, and a clean end however it comes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent.parent / "programs"
SECONDS = 30


@pytest.fixture
def server(tmp_path):
    """A served app in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def serve(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "zcp_actors.cli", "serve", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROGRAMS,
            env={"ZCP_ACTORS_STATE_DIR": str(tmp_path)},
        )
        started.append(process)
        return process

    yield serve
    for process in started:
        process.kill()
        process.communicate()


def asked(process: subprocess.Popen[str], id: int, method: str, **params: object) -> dict[str, object]:
    """Send a request of the 2025 era and read the next line, which must be its response."""
    process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    assert answer["id"] == id
    return answer


def initialize(process: subprocess.Popen[str]) -> dict[str, object]:
    me = {"name": "test", "version": "1"}
    return asked(process, 1, "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=me)


def test_the_first_line_is_an_answer_though_the_module_prints(server):
    process = server("asking_app.py:app")

    assert initialize(process)["result"]["serverInfo"]["name"] == "asker"
    _, err = process.communicate(timeout=SECONDS)
    assert "printed at import" in err


def test_what_a_tool_prints_goes_to_standard_error(server):
    process = server("asking_app:app", "--era", "2025-11-25")
    initialize(process)

    answer = asked(process, 2, "tools/call", name="speak", arguments={"text": "hello"})
    out, err = process.communicate(timeout=SECONDS)

    assert answer["result"]["content"][0]["text"] == "hello"
    assert out == ""
    assert "printed by a tool" in err


@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGINT], ids=["end of input", "SIGTERM", "SIGINT"])
def test_whatever_prints_and_whenever_the_wire_carries_messages_only(server, number):
    """From the import to `atexit`; also by a task, which ends later than its session, and by threads and children."""
    process = server("printing_app:app", "--store", ":memory:")
    initialize(process)
    for id, name in enumerate(("in_a_worker", "on_the_loop"), 2):
        assert asked(process, id, "tools/call", name=name, arguments={})["result"]["content"][0]["text"] == "done"
    assert "task" in asked(process, 4, "tools/call", name="for_ever", arguments={}, task={})["result"]

    if number is not None:
        process.send_signal(number)
        process.wait(SECONDS)
    out, err = process.communicate(timeout=SECONDS)

    assert [line for line in out.splitlines() if "jsonrpc" not in json.loads(line)] == []
    for where in ("at import", "in a worker", "on the loop", "in a thread", "at its end", "at exit"):
        assert f"stray {where}\n" in err
        assert f"stray {where}, child\n" in err
    assert "stray thread of the import" in err


def test_the_end_of_the_input_ends_it_with_0(server):
    process = server("asking_app:make")
    initialize(process)

    process.communicate(timeout=SECONDS)

    assert process.returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_cleanly(server, number, code):
    process = server("asking_app:app")
    initialize(process)

    process.send_signal(number)
    _, err = process.communicate(timeout=SECONDS)

    assert process.returncode == code
    assert "Traceback" not in err


def test_an_app_served_in_one_era_refuses_the_other(server):
    process = server("asking_app:app", "--era", "2026-07-28")

    assert "error" in initialize(process)


def test_the_log_goes_to_standard_error_from_the_level_that_is_asked_for(server):
    process = server("asking_app:app", "--log-level", "critical")
    initialize(process)
    asked(process, 2, "tools/call", name="fail", arguments={})
    _, err = process.communicate(timeout=SECONDS)

    assert "Traceback" not in err


def test_an_app_that_is_not_there_is_one_line_and_exit_code_2(server):
    process = server("asking_app:nope")
    out, err = process.communicate(timeout=SECONDS)

    assert (process.returncode, out) == (2, "")
    assert err.splitlines()[-1] == "zcp-actors: error: asking_app has no 'nope'; apps in it: app"
