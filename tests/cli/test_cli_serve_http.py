"""`zcp-actors serve --http`: both eras at one address, until a signal comes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import httpx
import pytest

from zcp_actors.cli.commands import run
from zcp_actors.cli.serving import read_address

PROGRAMS = Path(__file__).parent.parent / "programs"


def serve(tmp_path, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "zcp_actors.cli", "serve", "asking_app.py:app", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROGRAMS,
        env={"ZCP_ACTORS_STATE_DIR": str(tmp_path)},
    )


@pytest.mark.parametrize(("ended_by", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_an_app_is_served_at_an_address_until_a_signal_comes(tmp_path, ended_by, code):
    process = serve(tmp_path, "--http", ":0")
    try:
        for line in process.stderr:
            if found := re.search(r"serving asker at (http://127\.0\.0\.1:\d+/mcp)", line):
                break
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
        reply = httpx.post(found[1], json=message, headers={"accept": "application/json, text/event-stream"})
        process.send_signal(ended_by)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()

    assert reply.json()["result"]["serverInfo"]["name"] == "asker"
    assert process.returncode == code
    assert out == "printed at import\n"  # the app's own words: no wire is here that they could break


def test_an_address_that_others_reach_is_refused_in_one_line(tmp_path):
    process = serve(tmp_path, "--http", "0.0.0.0:0")
    _, err = process.communicate(timeout=30)

    assert process.returncode == 2
    assert "can be reached by others" in err
    assert err.endswith("or say --unprotected\n")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8000", ("127.0.0.1", 8000)),
        ("8000", ("127.0.0.1", 8000)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_an_address_without_a_host_is_this_machine_s(text, address):
    assert read_address(text) == address


@pytest.mark.parametrize("text", ["", ":", "host", ":70000", ":-1", "host:http"])
def test_what_is_no_address_is_told(text):
    with pytest.raises(click.ClickException, match="expected an address"):
        read_address(text)


def test_help_names_the_option(capsys):
    assert run(["serve", "--help"]) == 0
    assert "--http [HOST]:PORT" in capsys.readouterr().out
