"""
A trio run in a thread of its own, so that tests share what takes long to start: processes and their sessions.

Owns the thread and one async context. A test hands it async functions, one after the other.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

PROGRAMS = Path(__file__).parent.parent / "programs"
STATE_KEY = {"ZCP_ACTORS_STATE_KEYS": "a key that only tests would ever use"}
"""The environment of a served app of ours: it makes no key file in anybody's home."""
PATIENCE = 30.0
"""Seconds that anything may take; reached only when something hangs."""


def program(name: str, *words: str) -> list[str]:
    """The command line of a test program, run by this interpreter."""
    return [sys.executable, str(PROGRAMS / name), *words]


class Stage:
    """Where `scene` stands open. Made by `open_stage`."""

    def __init__(self, scene: Any, token: trio.lowlevel.TrioToken) -> None:
        self.scene, self._token = scene, token

    def run(self, act: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Run an async function there; its result, or its exception, is ours."""

        async def patient() -> Any:
            with trio.fail_after(PATIENCE):
                return await act(*arguments)

        return trio.from_thread.run(patient, trio_token=self._token)


@contextmanager
def open_stage(scene: Callable[[], AbstractAsyncContextManager[Any]]) -> Iterator[Stage]:
    """Keep an async context open in a thread while the block runs; raise what it raises."""
    stages: list[Stage] = []
    errors: list[BaseException] = []
    opened, closing = threading.Event(), trio.Event()

    async def main() -> None:
        async with scene() as found:
            stages.append(Stage(found, trio.lowlevel.current_trio_token()))
            opened.set()
            await closing.wait()

    def thread() -> None:
        try:
            trio.run(main)
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits
            errors.append(error)
        finally:
            opened.set()

    running = threading.Thread(target=thread, name="stage", daemon=True)
    running.start()
    assert opened.wait(PATIENCE), "the scene did not open in time"
    if stages:
        try:
            yield stages[0]
        finally:
            if not errors:
                trio.from_thread.run_sync(closing.set, trio_token=stages[0]._token)
            running.join(PATIENCE)
    if errors:
        raise errors[0]
    assert not running.is_alive(), "the scene did not close in time"
