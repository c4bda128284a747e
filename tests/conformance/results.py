"""
What the conformance suite left in a folder, as runs to be judged.

Owns the layout of its results. Refuses to start anything. The rule: a folder that looks otherwise than it used to is an
error, never an empty result.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from conformance.client_fixture import FINISHED
from conformance.judge import Run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Broken(Exception):
    """A leg could not be run, or its results not be read."""


def folder(path: Path) -> Path:
    """A new folder, and those above it. Raises `Broken` when it is there already: old results are not ours."""
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        raise Broken(f"{path} is there already: its results could be taken for new ones") from None
    return path


def server_runs(output: Path, exit_code: int | None) -> dict[str, Run]:
    """The runs of all scenarios against one server, by scenario. `exit_code` is None when the suite was stopped."""
    trouble = ("the suite did not come to its end",) if exit_code is None else ()
    found = {_scenario_of(path): _checks(path) for path in sorted(output.rglob("checks.json"))}
    return {scenario: Run(tuple(checks), trouble) for scenario, checks in found.items()}


def client_run(output: Path, exit_code: int | None) -> Run:
    """The run of one scenario of a client."""
    checks = [check for path in output.rglob("checks.json") for check in _checks(path)]
    said = "".join(path.read_text(encoding="utf-8") for path in output.rglob("stdout.txt"))
    return Run(tuple(checks), tuple(_client_trouble(exit_code, said)))


def _client_trouble(exit_code: int | None, said: str) -> Iterator[str]:
    """The suite's exit code tells of a client's, but not of one that was killed; its last word tells of that."""
    if exit_code is None:
        yield "timed out"
    elif exit_code:
        yield f"exit code {exit_code}"
    if FINISHED not in said:
        yield "the client did not end in order"


def _scenario_of(checks: Path) -> str:
    """The scenario of a result: its folder is `server-`, the scenario, and when it was run."""
    name = re.fullmatch(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z", checks.parent.name)
    if name is None:
        raise Broken(f"the suite wrote into a folder that is not named as it used to be: {checks.parent.name}")
    return name[1]


def _checks(path: Path) -> list[Any]:
    read: list[Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def read_list(text: str) -> dict[str, list[str]]:
    """Read what `list --requirements` prints, by side: two lists under headings, and one whose entries name theirs."""
    found: dict[str, list[str]] = {"server": [], "client": []}
    heading = ""
    for line in text.splitlines():
        if side := re.match(r"(Server|Client) scenarios", line):
            heading = side[1].lower()
        elif entry := re.match(r"\s+- (\S+)(?: \[(\w+)\])?", line):
            found[entry[2] or heading].append(entry[1])
    return found
