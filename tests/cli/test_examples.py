"""The programs of examples/ run, and do what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def ran(*words: str, **environment: str) -> str:
    """Run python with these words among the examples; return what it printed."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=EXAMPLES,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_a_host_answers_the_same_server_in_both_eras():
    old, new = ran("answer_a_server.py").splitlines()

    assert old.split(maxsplit=1) == ["2025-11-25", "line.] [Summarise bees in one line.]"]
    assert new.split(maxsplit=1) == ["2026-07-28", "line.] [Summarise bees in one line.]"]


def test_an_answer_completes_the_call_of_a_server_that_was_killed(tmp_path):
    out = ran("answer_from_elsewhere.py", XDG_STATE_HOME=str(tmp_path))

    assert out.splitlines()[-1] == "printed 'Worth the wait', by another process than began it"


def test_an_order_is_taken_by_the_command_line():
    words = ("ask_a_person.py:app", "order", "--arg", "dish=soup", "--answer", "size=large")
    out = ran("-m", "zcp_actors.cli", "call", *words)

    assert json.loads(out) == {"number": 1, "text": "large soup for you"}
