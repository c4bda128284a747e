"""
Our server and every requirement of tasks in 2025-11-25, over stdio and HTTP, as processes; there are no exceptions.

`task_app.py` is what is served: by `zcp-actors serve` to whoever comes, and as a program to clients that say who they
are.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from interop.stage import open_stage
from peers import PROGRAMS
from served import serving
from task_conformance.judge import IN_ORDER, judged
from task_conformance.manifest import Manifest, read_manifest
from task_conformance.ours import APP, SERVE, environment, served_over_http
from task_conformance.target import open_target

MANIFESTS = Path(__file__).parent / "manifests"

FOR_HTTP = {check.name for check in IN_ORDER if check.transport == "http"}
FOR_THE_KNOWN = {"30-another-requestors-task-is-unknown", "30-a-requestor-finds-its-tasks-again"}
FOR_STRANGERS = {"31-strangers-do-not-see-each-others-tasks"}
FOR_A_LIST = {
    "22-every-page-is-reached-by-its-cursor",
    "22-a-long-list-has-pages",
    "22-a-bad-cursor-is-refused",
    "23-what-get-finds-list-shows",
}
OUT_OF_PLACE = {
    "stdio": FOR_HTTP,
    "http": FOR_THE_KNOWN | FOR_A_LIST,
    "http-to-the-known": FOR_STRANGERS,
}
"""Checks that say nothing of a server that is reached so. Where nobody says who they are, there is no list."""


@asynccontextmanager
async def over_stdio(variables):
    async with open_target(read_manifest(MANIFESTS / "ours.json"), command=SERVE, environment=variables) as target:
        yield target


@asynccontextmanager
async def over_http(variables):
    manifest = read_manifest(MANIFESTS / "ours.json")
    async with served_over_http(variables) as url, open_target(manifest, url=url) as target:
        yield target


@asynccontextmanager
async def over_http_to_the_known(variables):
    manifest = read_manifest(MANIFESTS / "ours_with_identities.json")
    async with serving([sys.executable, str(APP)], env=variables) as url, open_target(manifest, url=url) as target:
        yield target


SCENES = {"stdio": over_stdio, "http": over_http, "http-to-the-known": over_http_to_the_known}


@pytest.fixture(scope="module", params=SCENES)
def stage(request, tmp_path_factory):
    variables = environment(tmp_path_factory.mktemp("state"))
    with open_stage(lambda: SCENES[request.param](variables)) as stage:
        stage.reached = request.param
        yield stage


@pytest.mark.parametrize("check", IN_ORDER, ids=lambda check: check.name)
def test_our_server_does_what_is_required(stage, check):
    verdict = stage.run(lambda: judged(check, stage.scene))

    expected = "not applicable" if check.name in OUT_OF_PLACE[stage.reached] else "passed"
    assert (verdict.outcome, verdict.remark if verdict.outcome != expected else "") == (expected, "")


async def test_a_server_without_tasks_processes_a_call_as_ever_and_ignores_task(tmp_path):
    """Requirement 2, of a server that declares nothing."""
    command = (*SERVE[:-1], f"{PROGRAMS / 'asking_app.py'}:app")
    with trio.fail_after(30):
        async with open_target(Manifest(tools={}), command=command, environment=environment(tmp_path)) as target:
            talk = await target.talk()
            call = {"name": "speak", "arguments": {"text": "hello"}, "task": {"ttl": 1000}}
            result = await talk.result("tools/call", call)
            refused = await talk.refusal("tasks/get", {"taskId": "1"})

    assert "tasks" not in talk.capabilities
    assert result["content"][0]["text"] == "hello"
    assert refused.code == -32601
