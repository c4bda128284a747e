"""The demo, whole; and that a step which is not as it should be fails it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
from jaeger_model import checked
from otlp_collector import Collector
from rich.console import Console

from zcp_actors import Command
from zcp_actors.cli.commands import run
from zcp_actors.cli.trace_sending import Complaints
from zcp_actors.cli.tracing import Tracing
from zcp_actors.demo.losses import kill_one_of_four, kill_while_asking
from zcp_actors.demo.person import Person
from zcp_actors.demo.program import STEPS, DemoOptions, console_of, perform, point_to
from zcp_actors.demo.questions import ask_in_both_eras
from zcp_actors.demo.report import Step
from zcp_actors.demo.repository import Repository, find_repository
from zcp_actors.demo.stage import GIT, NEW, OLD, TIME, Stage, commands_of
from zcp_actors.errors import Refused

SECONDS = 90
"""What the demo promises is a minute; a machine that does other work at the same time gets half as much again."""


@pytest.fixture(scope="module")
def performed(tmp_path_factory):
    """The demo as a person runs it, in a folder of its own, with a collector: what it printed, and what arrived."""
    folder = tmp_path_factory.mktemp("demo")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    with Collector() as collector:
        done = subprocess.run(
            [sys.executable, "-m", "zcp_actors.cli", "demo", "--no-color", "--otlp", collector.url],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            env={**environment, "COLUMNS": "160"},
        )
    return folder, done, collector


def test_the_demo_shows_every_step_and_ends_with_0(performed):
    _, done, _ = performed

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    table = done.stdout.partition("What this demo has shown")[2].splitlines()
    good = [line.split()[1] for line in table if "as it should be" in line]
    assert good == ["start", "discover", "call", "ask", "wait", "cancel", "survive", "restart", "leave"]
    assert "✗" not in done.stdout
    assert "\x1b" not in done.stdout


def test_the_demo_leaves_a_trace_file_of_jaegers_model_and_names_it(performed):
    folder, done, _ = performed
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    traces = checked((folder / "demo-trace.json").read_bytes())

    assert [path.name for path in folder.iterdir()] == ["demo-trace.json"]
    count = sum(len(trace["spans"]) for trace in traces)
    assert f"Traces of this run: demo-trace.json ({count} spans)" in done.stdout
    assert "zcp-actors trace show demo-trace.json" in done.stdout


@pytest.mark.parametrize("lost", ["", "nobody listened"])
def test_traces_are_said_to_be_sent_only_where_they_arrived(lost):
    told, complaints = io.StringIO(), Complaints()
    complaints.lost = lost

    point_to(Console(file=told), Tracing(url="http://127.0.0.1:9/v1/traces", complaints=complaints))

    assert ("sent" in told.getvalue()) == (not lost)


@pytest.mark.parametrize("era", ["2025", "2026"])
def test_a_publication_of_the_demo_is_one_trace_through_both_processes(performed, era):
    """The call, its serving in the other process, and both questions with the wait for the person's answer."""
    folder, _, _ = performed
    found = []
    for trace in checked((folder / "demo-trace.json").read_bytes()):
        services = {trace["processes"][span["processID"]]["serviceName"] for span in trace["spans"]}
        names = {span["operationName"] for span in trace["spans"]}
        if services == {"zcp-actors-demo", f"desk-{era}"} and "tools/call publish" in names:
            found.append(names)

    wanted = {"tools/call publish", "wait_for elicitation/create", "wait_for sampling/createMessage"}
    assert any(wanted <= names for names in found), found


def test_the_collector_of_a_demo_gets_what_stands_in_its_file(performed):
    """Of servers that were killed it lacks what they had not sent yet; the file does not."""
    folder, done, collector = performed
    written, of_the_demo = set(), set()
    for trace in checked((folder / "demo-trace.json").read_bytes()):
        for span in trace["spans"]:
            written.add((span["traceID"], span["spanID"]))
            if trace["processes"][span["processID"]]["serviceName"] == "zcp-actors-demo":
                of_the_demo.add((span["traceID"], span["spanID"]))
    arrived = {ids[:2] for ids in collector.ids}

    assert of_the_demo <= arrived <= written
    assert collector.services == {"zcp-actors-demo", OLD, NEW}
    assert f"Traces were sent to {collector.url}/v1/traces" in done.stdout


@pytest.fixture
def stage(tmp_path):
    console = Console(file=io.StringIO(), width=200)
    return Stage(console, commands_of(tmp_path, tmp_path), Repository(tmp_path, "0"))


def said(stage: Stage) -> str:
    return stage.console.file.getvalue()


CONNECT = STEPS[0]


def starting(name: str) -> Step:
    """The step that starts this backend alone."""

    async def show(stage: Stage) -> str:
        await stage.connect(name)
        return f"{name} started"

    return Step("start", "Start", show)


def script(text: str, **environment: str) -> Command:
    return Command([sys.executable, "-c", text], env=environment)


FORGETFUL = """
import secrets, trio
from zcp_actors import ServerHandle, open_runtime, serve_stdio
from zcp_actors.demo.desk import app
async def main():
    async with open_runtime() as runtime:
        await serve_stdio(runtime, ServerHandle(app, era="2026-07-28", keys=[secrets.token_bytes(32)]))
trio.run(main)
"""
"""The desk with a key that ends with its process: what it sealed before it was killed it cannot open afterwards."""


async def test_a_server_that_cannot_open_its_state_after_a_restart_fails_the_step(stage):
    survive = Step("survive", "Survive", kill_while_asking)

    with trio.fail_after(SECONDS):
        stage.commands = {NEW: script(FORGETFUL)}
        code = await perform(stage, [starting(NEW), survive])

    assert code == 1
    assert "The step 'survive' is not as it should be." in said(stage)
    assert "leave" in said(stage)


async def test_one_era_where_two_are_promised_fails_the_first_step_and_stops_there(stage):
    with trio.fail_after(SECONDS):
        stage.commands = {TIME: stage.commands[TIME], OLD: stage.commands[NEW], NEW: stage.commands[NEW]}
        code = await perform(stage, [CONNECT, Step("ask", "Ask", ask_in_both_eras)])

    assert code == 1
    assert "The step 'start' is not as it should be." in said(stage)
    assert "not reached" in said(stage)


async def test_a_server_that_cannot_be_restarted_fails_the_step(stage, tmp_path):
    once = tmp_path / "started"
    text = f"""
import os, sys
if os.path.exists({str(once)!r}):
    sys.exit("I start only once")
open({str(once)!r}, "w").close()
from mcp_server_git import main
sys.argv = ["mcp-server-git"]
main()
"""

    with trio.fail_after(SECONDS):
        stage.commands = {GIT: script(text)}
        code = await perform(stage, [starting(GIT), Step("restart", "Kill", kill_one_of_four)])

    assert code == 1
    assert "The step 'restart' is not as it should be." in said(stage)
    assert "I start only once" in said(stage)


async def test_a_step_that_hangs_ends_at_its_limit(stage, monkeypatch, autojump_clock):
    async def hang(stage: Stage) -> str:
        await trio.sleep_forever()

    code = await perform(stage, [Step("hang", "Hang", hang)])

    assert code == 1
    assert "not done within 30 s" in said(stage)


async def test_every_claim_is_checked_before_its_check_mark(stage):
    stage.show(True, "this is so")
    with pytest.raises(AssertionError, match="not so: this is not; came: 7"):
        stage.show(False, "this is not", 7)

    assert said(stage) == "  ✓ this is so\n"


def test_outside_of_a_checkout_a_small_repository_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("zcp_actors.demo.repository.__file__", str(tmp_path / "a" / "b" / "c.py"))

    made = find_repository(tmp_path)

    assert made.path == tmp_path / "repository"
    assert len(made.head) == 40


def test_a_commit_that_is_made_meanwhile_is_no_fault_of_a_checkout_only(tmp_path):
    head, later = "a" * 40, f"Commit: {'b' * 40}"

    assert Repository(tmp_path, head).is_logged(f"Commit: {head}")
    assert not Repository(tmp_path, head).is_logged(later)
    assert Repository(tmp_path, head, shared=True).is_logged(later)
    assert not Repository(tmp_path, head, shared=True).is_logged("fatal: not a repository")


@pytest.mark.skipif(not (Path(__file__).parents[2] / ".git").exists(), reason="needs to run from a checkout")
def test_in_a_checkout_its_own_repository_is_looked_at(tmp_path):
    assert find_repository(tmp_path).path == Path(__file__).resolve().parents[2]


def test_a_missing_server_is_named_with_what_installs_it(monkeypatch, capsys):
    monkeypatch.setattr("zcp_actors.demo.program.find_spec", lambda name: None)

    assert run(["demo"]) == 2
    assert 'pip install "zcp-actors[demo]"' in capsys.readouterr().err


def test_missing_git_is_named(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")

    assert run(["demo"]) == 2
    assert "git is not installed" in capsys.readouterr().err


def test_the_environment_can_take_the_colours_away(monkeypatch):
    """https://no-color.org"""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert not console_of(DemoOptions()).no_color
    assert console_of(DemoOptions(no_color=True)).no_color
    monkeypatch.setenv("NO_COLOR", "1")
    assert console_of(DemoOptions()).no_color


async def test_who_writes_nothing_for_the_model_leaves_it_to_the_demo(capsys):
    class Silent:
        async def sample(self, request, pending):
            raise Refused("they wrote nothing")

    topic = SimpleNamespace(content=SimpleNamespace(text="Summarise bees in one line."))
    person = Person(Silent())

    assert await person.sample(SimpleNamespace(messages=[topic]), None) == "All that need be said about bees."
    assert "the demo's own model answers" in capsys.readouterr().err


def test_interactive_needs_a_terminal(capsys):
    assert run(["demo", "--interactive"]) == 2
    assert "no terminal" in capsys.readouterr().err
