"""
What the steps of the demo share: the runtime, the backends, the person who is asked, and the paper they write on.

Owns the opening of backends, the waiting for something to come true, and the check mark. Refuses to know the steps.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio
from rich.text import Text

from zcp_actors.cli.failure import printable
from zcp_actors.demo.person import Person
from zcp_actors.sessions.state_keys import STATE_DIR
from zcp_actors.transports import Command, stdio_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console

    from zcp_actors.demo.repository import Repository
    from zcp_actors.sessions import PendingRequest, Runtime, ZCPClientSession

OLD, NEW = "desk-2025", "desk-2026"
"""The backends that are one program, served in one era each."""
TIME, GIT = "time", "git"

LOOK = 0.01
"""Seconds between two looks at what is waited for: shorter than anybody sees."""


def commands_of(folder: Path, repository: Path, more: Mapping[str, str] | None = None) -> dict[str, Command]:
    """Return the four backends' commands; what they keep stays in `folder`. `more` is environment for the desks."""
    environment = {STATE_DIR: str(folder), **(more or {})}

    def python(*words: str, **variables: str) -> Command:
        return Command([sys.executable, *words], env={**environment, **variables}, cwd=folder)

    desk = ("-m", "zcp_actors.cli", "serve", "zcp_actors.demo.desk:app", "--log-level", "error", "--era")
    return {
        TIME: python("-m", "mcp_server_time", "--local-timezone", "UTC"),
        GIT: python("-m", "mcp_server_git", "--repository", str(repository)),
        NEW: python(*desk, "2026-07-28", OTEL_SERVICE_NAME=NEW),
        OLD: python(*desk, "2025-11-25", OTEL_SERVICE_NAME=OLD),
    }


@attrs.define
class Stage:
    """One performance."""

    console: Console
    commands: Mapping[str, Command]
    repository: Repository
    person: Person = attrs.field(factory=Person)
    clients: dict[str, ZCPClientSession] = attrs.field(factory=dict)
    pids: set[int] = attrs.field(factory=set)
    """Every process that served us."""
    _runtime: Runtime | None = None

    @property
    def runtime(self) -> Runtime:
        """Where everything lives, while it does."""
        assert self._runtime is not None
        return self._runtime

    def enter(self, runtime: Runtime) -> None:
        """Perform in this runtime."""
        self._runtime = runtime

    async def connect(self, name: str) -> None:
        """Start one backend under supervision."""
        client = stdio_client(
            self.commands[name],
            name=name,
            sampling_handler=self.person.sample,
            elicitation_handler=self.person.elicit,
        )
        self.clients[name] = await self.runtime.connect(client)
        self.pid(name)

    def pid(self, name: str) -> int | None:
        """Return the process of a backend, None while there is none."""
        pid = self.clients[name].pid
        if pid is not None:
            self.pids.add(pid)
        return pid

    def restarts(self, name: str) -> int:
        """Return how often its supervisor brought the backend back."""
        tree = self.runtime.tree()
        link = tree.find(f"{tree.path}/{name}/link")
        return 0 if link is None else link.restarts

    async def call(self, backend: str, tool: str, **arguments: Any) -> Any:
        """Call a tool and return its structured content, or its text. Raises `AssertionError` when the tool failed."""
        result = await self.clients[backend].call_tool(tool, arguments)
        text = "\n".join(getattr(block, "text", "") for block in result.content)
        if result.is_error:
            raise AssertionError(f"{tool} of {backend} failed: {text}")
        return text if result.structured_content is None else result.structured_content

    async def question(self, backend: str) -> PendingRequest:
        """Wait until this backend asks the person something."""
        while True:
            for pending in self.runtime.pending():
                if pending.backend == backend and pending.human:
                    return pending
            await trio.sleep(LOOK)

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait until the claim is true; the step's own limit ends what never is."""
        # Looking is all that can be done: nothing tells a program of its pending list or of a process.
        while not claim():  # noqa: ASYNC110
            await trio.sleep(LOOK)

    def show(self, claim: bool, sentence: str, came: object = "") -> None:  # noqa: FBT001 - a claim reads as one
        """Print the sentence with a check mark. Raises `AssertionError` when the claim is not true."""
        if not claim:
            seen = f"; came: {came}" if came != "" else ""
            raise AssertionError(f"not so: {sentence}{seen}")
        self.console.print(Text("  ✓ ", style="green"), Text(printable(sentence)), sep="")
