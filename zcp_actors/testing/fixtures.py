"""
The tools as pytest fixtures: `pytest_plugins = ["zcp_actors.testing.fixtures"]` in a `conftest.py`.

Owns the fixtures; the only module of `testing` that needs pytest and pytest-trio. `virtual_clock` is also what
pytest-trio's own `autojump_clock` is: ask for either, and the test runs in virtual time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_trio  # type: ignore[import-untyped]

from zcp_actors.sessions import open_runtime
from zcp_actors.testing import leaks, replaying, virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from trio.testing import MockClock


@pytest.fixture
def virtual_clock() -> MockClock:
    """The test runs in virtual time: see `zcp_actors.testing.virtual_clock`."""
    return virtual_time.virtual_clock()


@pytest_trio.trio_fixture  # type: ignore[untyped-decorator]
async def runtime() -> AsyncIterator[Any]:
    """A runtime that lasts as long as the test."""
    async with open_runtime() as opened:
        yield opened


@pytest_trio.trio_fixture  # type: ignore[untyped-decorator]
async def no_leaks(runtime: Any) -> AsyncIterator[None]:
    """The test fails when it leaves something behind in the `runtime` fixture, or a task."""
    async with leaks.no_leaks(runtime):
        yield


@pytest.fixture
def always_replay() -> Iterator[None]:
    """Every question of the test's server sessions replays its handler: see `zcp_actors.testing.always_replay`."""
    with replaying.always_replay():
        yield
