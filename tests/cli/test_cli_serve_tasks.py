"""Tasks of a served app outlive the process: `zcp-actors serve` over pipes and HTTP, ended by signals, begun again."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trio

from zcp_actors.tasks import SqliteTaskStore, default_task_file

PROGRAMS = Path(__file__).parent.parent / "programs"
SECONDS = 30

ERA = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": ERA,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
}
TARGETS = [("tools/call", "last")]


class Pipe:
    """A served process and its one client."""

    def __init__(self, process):
        self.process = process

    def ask(self, method, params):
        """Ask, and read the next line, which must be the answer."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Web:
    """The same over HTTP."""

    def __init__(self, process):
        self.process = process
        for line in process.stderr:
            if found := re.search(r"serving lasting at (\S+)", line):
                self.url = found[1]
                break

    def ask(self, method, params):
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}
        name = params.get("name") or params["taskId"]
        headers = {"Mcp-Method": method, "Mcp-Name": name, "MCP-Protocol-Version": ERA}
        headers["Accept"] = "application/json, text/event-stream"
        return httpx.post(self.url, json=message, headers=headers, timeout=SECONDS).json()


WAYS = {"stdio": (Pipe, ()), "http": (Web, ("--http", ":0"))}


@pytest.fixture
def serve(tmp_path):
    """Serve the app, in a state directory of the test's own."""

    @contextmanager
    def serving(way, *words):
        client, more = WAYS[way]
        process = subprocess.Popen(
            [sys.executable, "-m", "zcp_actors.cli", "serve", "lasting_app.py:app", *more, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROGRAMS,
            env={"ZCP_ACTORS_STATE_DIR": str(tmp_path / "state")},
        )
        try:
            yield client(process)
        finally:
            process.kill()
            process.communicate()

    return serving


def kept_in(tmp_path):
    (file,) = (tmp_path / "state").rglob("tasks.sqlite3")
    return file


def until(said, wanted, met):
    """Look until it is so; a process elsewhere gets it done."""
    for _ in range(SECONDS * 50):
        if met(found := said()):
            return found
        trio.run(trio.sleep, 0.02)
    raise AssertionError(f"never {wanted}: {found}")


def begun(tmp_path):
    path = tmp_path / "begun"
    return len(path.read_text().splitlines()) if path.exists() else 0


def created(client, tmp_path):
    arguments = {"begun": str(tmp_path / "begun"), "gate": str(tmp_path / "gate")}
    id = client.ask("tools/call", {"name": "last", "arguments": arguments})["result"]["taskId"]
    until(lambda: begun(tmp_path), "begun", lambda times: times == 1)
    return id


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", ["default", "--store"])
def test_a_task_that_runs_at_sigterm_is_let_go_and_taken_up_by_the_next_process(way, where, serve, tmp_path):
    words = () if where == "default" else ("--store", str(tmp_path / "kept.sqlite3"))
    with serve(way, *words) as client:
        id = created(client, tmp_path)
        client.process.send_signal(signal.SIGTERM)
        _, err = client.process.communicate(timeout=SECONDS)
    assert client.process.returncode == 0, err
    assert "Traceback" not in err

    file = kept_in(tmp_path) if where == "default" else tmp_path / "kept.sqlite3"
    assert trio.run(free_tasks, file) == [(id, "working")], "it neither failed nor is anybody's until its lease lapses"

    with serve(way, *words) as client:
        until(lambda: begun(tmp_path), "begun again", lambda times: times == 2)
        (tmp_path / "gate").touch()
        task = until(lambda: client.ask("tasks/get", {"taskId": id})["result"], "ended", lambda it: "result" in it)
    assert task["status"] == "completed"
    assert task["result"]["content"][0]["text"] == "lasted"


async def free_tasks(file):
    """What another process could take up at once; it is given back."""
    async with SqliteTaskStore(file) as store:
        claimed = await store.claim("lasting", "test", TARGETS, 10)
        await store.let_go([lease for _, lease in claimed])
    return [(task.id, task.status.value) for task, _ in claimed]


@pytest.mark.parametrize("way", WAYS)
def test_without_a_store_nothing_is_kept(way, serve, tmp_path):
    with serve(way, "--store", ":memory:") as client:
        id = created(client, tmp_path)
        assert client.ask("tasks/get", {"taskId": id})["result"]["status"] == "working"
        client.process.send_signal(signal.SIGTERM)
        client.process.communicate(timeout=SECONDS)
    assert client.process.returncode == 0
    assert not list(tmp_path.rglob("tasks.sqlite3"))
    assert not list(PROGRAMS.glob(":memory:*"))

    with serve(way, "--store", ":memory:") as client:
        assert client.ask("tasks/get", {"taskId": id})["error"]["code"] == -32602


@pytest.mark.parametrize("words", [(), ("--http", ":0")])
@pytest.mark.parametrize("where", ["default", "--store"])
def test_a_store_that_cannot_be_opened_is_told_in_one_line(words, where, tmp_path):
    state = tmp_path / "state"
    if where == "default":
        file = default_task_file("lasting", {"ZCP_ACTORS_STATE_DIR": str(state)})
        file.parent.mkdir(parents=True, mode=0o700)
    else:
        file = tmp_path / "kept.sqlite3"
        words = (*words, "--store", str(file))
    file.write_text("this is no database, and was never meant to be one" * 100)
    file.chmod(0o600)

    done = subprocess.run(
        [sys.executable, "-m", "zcp_actors.cli", "serve", "lasting_app.py:app", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=PROGRAMS,
        env={"ZCP_ACTORS_STATE_DIR": str(state)},
        timeout=SECONDS,
        check=False,
    )

    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("zcp-actors: error: ")
    assert str(file) in line
