"""
What every test gets: the promise that it leaves no task behind, a second reader of what our sessions write, and a state
directory of its own, so that no test meets the keys and tasks of another, or of whoever runs the tests.

Structured concurrency makes most leaks impossible; what remains are system tasks and nurseries entered by hand.
A fixture's own tasks are the fixture's to end and are not counted.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import shutil
import tempfile
from pathlib import Path

import pytest
import trio
from oracle_tap import Overheard

from zcp_actors.sessions import link
from zcp_actors.sessions.state_keys import STATE_DIR

PLACES = (STATE_DIR, "XDG_STATE_HOME")
"""Where state is kept; of these a server that is started as a child is told the second alone."""

STATES = pytest.StashKey[Path]()
_numbers = itertools.count(1)


def system_tasks() -> set[trio.lowlevel.Task]:
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return {task for nursery in root.child_nurseries for task in nursery.child_tasks}


def leaves_nothing(test):
    """`test`, failing when it ends with a system task or an open nursery that was not there before."""

    @functools.wraps(test)
    async def guarded(**fixtures):
        tasks, nurseries = system_tasks(), list(trio.lowlevel.current_task().child_nurseries)
        await test(**fixtures)
        left = [task.name for task in system_tasks() - tasks]
        assert left == [], f"system tasks outlive the test: {left}"
        assert trio.lowlevel.current_task().child_nurseries == nurseries, "a nursery was entered and never left"

    return guarded


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item):
    """Wrap before pytest-trio does, so that the guard runs inside the test's own task."""
    property_test = getattr(getattr(item, "obj", None), "hypothesis", None)
    if property_test is not None and inspect.iscoroutinefunction(property_test.inner_test):
        property_test.inner_test = leaves_nothing(property_test.inner_test)
    elif inspect.iscoroutinefunction(getattr(item, "obj", None)):
        item.obj = leaves_nothing(item.obj)
    return (yield)


def pytest_configure(config):
    config.addinivalue_line("markers", "hostile: our own sessions write on purpose what the oracle must refuse")
    config.stash[STATES] = Path(tempfile.mkdtemp(prefix="zcp-actors-states-"))
    for name in PLACES:
        os.environ[name] = str(config.stash[STATES] / "shared")  # for fixtures that several tests share


def pytest_unconfigure(config):
    shutil.rmtree(config.stash[STATES], ignore_errors=True)


@pytest.fixture(autouse=True)
def own_state(request):
    """A state directory that is made when something is kept in it, and no memory of servers."""
    with pytest.MonkeyPatch.context() as patch:
        place = str(request.config.stash[STATES] / f"{next(_numbers)}")
        for name in PLACES:
            patch.setenv(name, place)
        # Servers of tests come back at the ports of others, and are not what those were.
        patch.setattr(link, "_eras", {})
        yield


@pytest.fixture(autouse=True)
def overheard(request):
    """Let the models of the `mcp` package read every message that a session of ours writes in this test."""
    heard = Overheard()
    with pytest.MonkeyPatch.context() as patch:
        heard.listen(patch)
        yield heard
    if request.node.get_closest_marker("hostile") is None:
        assert not heard.refusals, heard.verdict()
