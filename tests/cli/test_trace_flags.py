"""`--trace-file` and `--otlp` of call and serve: what is written, also when the command ends by a signal."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from jaeger_model import checked
from otlp_collector import Collector

from zcp_actors.cli.commands import run

DESK = "zcp_actors.demo.desk:app"
CLI = (sys.executable, "-m", "zcp_actors.cli")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """In a folder of its own, and without variables that a developer's shell may have."""
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])


def spans_of(path: Path) -> list[dict]:
    return [span for trace in checked(path.read_bytes()) for span in trace["spans"]]


def names_in(path: Path) -> list[str]:
    return [span["operationName"] for span in spans_of(path)]


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
def test_a_call_writes_its_trace(era):
    words = ("call", DESK, "word_count", "--arg", "text=two words", "--era", era)

    assert run([*words, "--trace-file", "out.json"]) == 0
    assert names_in(Path("out.json")).count("tools/call word_count") >= 2


def test_a_call_that_fails_writes_its_trace_too(capsys):
    assert run(["call", shlex.join([sys.executable, "-c", "pass"]), "x", "--trace-file", "out.json"]) == 3
    assert any("error.type" in json.dumps(span["tags"]) for span in spans_of(Path("out.json")))


def test_a_call_sends_its_trace():
    with Collector() as collector:
        assert run(["call", DESK, "word_count", "--arg", "text=two words", "--otlp", collector.url]) == 0

        assert "tools/call word_count" in [span.name for span in collector.spans]


def test_without_the_options_nothing_is_written_or_sent():
    assert run(["call", DESK, "word_count", "--arg", "text=two words"]) == 0
    assert list(Path.cwd().iterdir()) == []


def test_a_folder_that_is_not_there_ends_the_command_before_it_begins(capsys):
    code = run(["call", DESK, "word_count", "--arg", "text=x", "--trace-file", "none/out.json"])

    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err == "zcp-actors: error: the trace file none/out.json cannot be made: No such file or directory\n"


def test_an_address_that_is_none_ends_the_command_before_it_begins(capsys):
    assert run(["call", DESK, "word_count", "--arg", "text=x", "--otlp", "localhost:4318"]) == 2
    assert "--otlp: expected an address such as http://localhost:4318" in capsys.readouterr().err


def test_both_ends_of_a_connection_are_one_trace():
    traces = str(Path.cwd() / "server.json")
    server = shlex.join([sys.executable, "-m", "zcp_actors.cli", "serve", DESK, "--trace-file", traces])

    assert run(["call", server, "word_count", "--arg", "text=two words", "--trace-file", "client.json"]) == 0

    ids = [
        {span["traceID"] for span in spans_of(Path(file)) if span["operationName"] == "tools/call word_count"}
        for file in ("client.json", "server.json")
    ]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_server_that_is_told_to_end_writes_its_trace(number, code):
    """Asked once over its standard streams, so that there is a span."""
    serving = subprocess.Popen(
        [*CLI, "serve", DESK, "--trace-file", "out.json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    serving.stdin.write(json.dumps(request).encode() + b"\n")
    serving.stdin.flush()
    answer = json.loads(serving.stdout.readline())
    serving.send_signal(number)
    serving.communicate(timeout=60)

    assert "result" in answer, answer
    assert serving.returncode == code
    assert "tools/list" in names_in(Path("out.json"))
    assert [path.name for path in Path.cwd().iterdir()] == ["out.json"]


def test_a_server_whose_collector_is_gone_answers_and_ends():
    serving = subprocess.run(
        [*CLI, "serve", DESK, "--log-level", "error"],
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        input=b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n',
        capture_output=True,
        check=True,
        timeout=60,
    )

    assert json.loads(serving.stdout)["id"] == 1
    lines = serving.stderr.decode().splitlines()
    assert [line for line in lines if not line.startswith("zcp-actors: traces did not all reach http://127")] == []
