"""The page about traces: its program runs, its commands and options are there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jaeger_model import checked
from pages import blocks, text_of

from zcp_actors.cli.commands import program
from zcp_actors.telemetry import Clock
from zcp_actors.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[2]
PAGE = text_of("tracing.md")


def test_the_program_of_the_page_writes_a_trace_in_which_its_own_span_is_on_top(tmp_path):
    (text,) = blocks("tracing.md", "python")
    subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=60
    )

    traces = checked((tmp_path / "my-agent.json").read_bytes())
    (trace,) = (t for t in traces if any(span["operationName"] == "my own span" for span in t["spans"]))
    names = [span["operationName"] for span in trace["spans"]]
    assert names.count("tools/call word_count") >= 2
    assert [span["operationName"] for span in trace["spans"] if not span["references"]] == ["my own span"]


def commands() -> list[str]:
    lines = "\n".join(blocks("tracing.md", "sh")).replace("\\\n", " ").splitlines()
    return [line.partition("#")[0] for line in lines if "zcp-actors " in line]


@pytest.mark.parametrize("line", commands())
def test_the_commands_of_the_page_have_the_options_that_it_gives_them(line):
    for words in re.findall(r"zcp-actors ([^\"]*)", line):
        command = program
        names = words.split()
        while names and names[0] in getattr(command, "commands", {}):
            command = command.commands[names.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        # What is quoted inside of a command is a command of its own, with options of its own.
        assert command is not program
        assert {word for word in names if word.startswith("--")} <= known


def test_every_link_of_the_page_to_a_file_leads_somewhere():
    files = [link for link in re.findall(r"\]\(([^)]+)\)", PAGE) if not link.startswith("http")]

    assert len(files) >= 2
    assert [link for link in files if not (ROOT / "docs" / link).exists()] == []


class Names:
    """A meter that remembers what was made."""

    def __init__(self):
        self.made = set()

    def __getattr__(self, name):
        return lambda instrument, *_, **__: self.made.add(instrument)


def test_every_metric_is_on_the_page_and_no_other():
    meter = Names()
    Metrics(meter, Clock(), live=True)

    rows = re.findall(r"^\| (`[^|]*`) \|", PAGE.partition("### Metrics")[2].partition("\n## ")[0], re.MULTILINE)
    assert set(re.findall(r"`([^`]+)`", " ".join(rows))) == meter.made
