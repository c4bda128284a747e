"""
The judge of tasks and the servers of others: it finds in them what is known of them, and nothing else.

So a check that could not fail, or not pass, would be seen here.
"""

from __future__ import annotations

import os
from pathlib import Path

import trio
from peers import everything_server, mcp1_program, needs_everything, needs_mcp1
from served import serving
from task_conformance import deviations
from task_conformance.judge import IN_ORDER, all_judged
from task_conformance.manifest import read_manifest
from task_conformance.target import open_target

MANIFESTS = Path(__file__).parent / "manifests"
GUARD = 300
"""Seconds; reached only when something hangs. It takes a tenth of that."""
PATIENCE = 4.0
"""Seconds that what is known never to come is waited for; server-everything, whose tools take four, gets ten."""


async def differences(known, manifest, *, lanes, patience=PATIENCE, **server):
    """Where the verdicts are not what is known; and that enough was judged to say so."""
    environment = dict(os.environ)
    async with open_target(
        read_manifest(MANIFESTS / manifest), environment=environment, patience=patience, **server
    ) as target:
        verdicts = await all_judged(target, lanes)
    passed = sum(each.outcome == "passed" for each in verdicts)
    assert passed >= 30, verdicts
    return [each for each in verdicts if (each.outcome == "failed") != (each.check.name in known)]


def test_every_deviation_that_is_known_belongs_to_a_check():
    names = {check.name for check in IN_ORDER}
    known = deviations.EVERYTHING | deviations.MCP1_OVER_HTTP

    assert len(names) == len(IN_ORDER)
    assert set(known) <= names


@needs_everything
async def test_server_everything_is_found_to_deviate_where_it_is_known_to():
    with trio.fail_after(GUARD):
        found = await differences(
            deviations.EVERYTHING, "everything.json", lanes=6, patience=10, command=everything_server("stdio")
        )

    assert found == []


@needs_mcp1
async def test_mcp_1_30_over_stdio_is_found_to_deviate_where_it_is_known_to():
    with trio.fail_after(GUARD):
        found = await differences(deviations.MCP1, "mcp1.json", lanes=3, command=mcp1_program("mcp1_task_server.py"))

    assert found == []


@needs_mcp1
async def test_mcp_1_30_over_http_is_found_to_deviate_where_it_is_known_to():
    """One session at a time: the end of one takes the others' tasks away."""
    with trio.fail_after(GUARD):
        async with serving(mcp1_program("mcp1_task_server.py", "http")) as url:
            found = await differences(deviations.MCP1_OVER_HTTP, "mcp1.json", lanes=1, url=url)

    assert found == []
