"""
The client of `mcp` 1.30.0, the last official release with the tasks of 2025-11-25, on our server, over stdio and HTTP.

It runs as a program in an environment of its own, and tells what it found; here that is compared.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import asynccontextmanager

import pytest
import trio
from interop.stage import open_stage
from peers import mcp1_program, needs_mcp1
from task_conformance.ours import SERVE, environment, served_over_http

pytestmark = needs_mcp1
SECONDS = 60

EXPECTED = {
    "quick": {"begins": "working", "ttl": 30_000, "ends": "completed", "text": "hello", "related": True, "same": True},
    "blocked": "cooked",
    "asked": {"text": "accept {'answer': 'yes'}", "asked": ["elicitation", "Shall we?"], "related": True},
    "sampled": {"text": "short", "asked": ["sampling", "Say something"], "related": True},
    "polled": {"ends": "completed"},
    "failed": {"is_error": True, "status": "failed", "message": True},
    "raised": {"error": -32050},
    "cancelled": {"answer": "cancelled", "status": "cancelled", "again": -32602},
    "required": {"error": -32601},
    "forbidden": {"error": -32601},
    "unknown": {"error": -32602},
    "progressed": {"increases": True},
}


@asynccontextmanager
async def findings(transport, variables):
    """What the client finds, by the name of its scenario."""
    with trio.fail_after(SECONDS):
        if transport == "stdio":
            yield await found_at(variables, "stdio", *SERVE)
        else:
            async with served_over_http(variables) as url:
                yield await found_at(variables, "http", url)


async def found_at(variables, *where):
    command = mcp1_program("mcp1_task_client.py", *where)
    done = await trio.run_process(command, env=variables, capture_stdout=True, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module", params=["stdio", "http"])
def found(request, tmp_path_factory):
    variables = environment(tmp_path_factory.mktemp("state"))
    with open_stage(lambda: findings(request.param, variables)) as stage:
        yield {**stage.scene, "transport": request.param}


@pytest.mark.parametrize("scenario", EXPECTED)
def test_a_task_of_ours_is_as_the_official_client_expects(found, scenario):
    assert found[scenario] == EXPECTED[scenario]


def test_what_tools_do_with_tasks_is_listed_for_it(found):
    support = found["support"]

    assert (support["quick"], support["required"]) == ("optional", "required")
    assert support["forbidden"] in (None, "forbidden")


def test_a_list_is_declared_where_requestors_can_be_told_apart(found):
    """Requirement 31: over HTTP nobody says who they are here, so there is none."""
    over_stdio = found["transport"] == "stdio"

    assert found["capabilities"]["requests"] == {"tools": {"call": {}}}
    assert ("list" in found["capabilities"]) is over_stdio
    assert found["listed"] == ({"all": True, "pages": True} if over_stdio else None)


def test_it_is_told_of_statuses(found):
    assert set(found["notified"]["statuses"]) >= {"completed", "failed", "cancelled", "input_required"}
