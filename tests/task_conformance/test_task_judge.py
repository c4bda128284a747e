"""
Whether each check can fail: a server that makes exactly one mistake is caught by the check that is there for it.

And one that makes none passes them all. What is for HTTP only is seen to fail with the servers of others, or with a
manifest that is not true.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import attrs
import pytest
import trio
from click.testing import CliRunner
from peers import PROGRAMS
from served import serving
from task_conformance.__main__ import main
from task_conformance.judge import IN_ORDER, all_judged, judged
from task_conformance.manifest import BadManifest, read_manifest
from task_conformance.ours import APP, environment
from task_conformance.target import open_target

MANIFESTS = Path(__file__).parent / "manifests"
BY_NAME = {check.name: check for check in IN_ORDER}
MISTAKES = {
    "01-what-is-supported-is-declared": "nothing is declared",
    "01-the-declared-set-is-all-there-is": "anything becomes a task",
    "02-task-is-ignored-where-it-means-nothing": "anything becomes a task",
    "03-a-client-without-tasks-gets-none": "it asks by a task",
    "05-a-forbidden-tool-refuses-to-be-a-task": "what forbids tasks becomes one",
    "05-a-forbidden-tool-can-be-called": "what forbids tasks cannot be called",
    "06-a-required-tool-refuses-a-plain-call": "what requires a task runs without",
    "06-a-required-tool-runs-as-a-task": "what requires a task fails as one",
    "06-an-optional-tool-runs-either-way": "every call becomes a task",
    "07-a-call-as-a-task-gives-a-task": "no call becomes a task",
    "07-a-task-is-given-before-it-ends": "a task is given at its end",
    "08-ids-are-the-servers-and-unique": "ids are the same",
    "09-a-task-begins-working": "it begins otherwise",
    "10-only-allowed-transitions-are-seen": "the end is not the end",
    "10-a-terminal-status-is-final": "the end is not the end",
    "11-times-are-told-everywhere": "times are no times",
    "12-the-actual-ttl-is-told": "the ttl is not told",
    "13-a-task-is-kept-for-its-ttl": "a task is gone once its result was taken",
    "13-after-its-ttl-a-task-may-be-forgotten": "what has expired is half there",
    "14-the-result-is-that-of-a-plain-call": "results change",
    "14-the-result-can-be-fetched-again": "results differ each time",
    "14-the-result-of-a-failure-is-the-tools": "a failure is an error",
    "14-the-error-is-that-of-a-plain-call": "errors change",
    "15-a-result-waits-for-the-end": "a result does not wait",
    "15-a-waiting-result-ends-with-a-cancel": "a cancel leaves waiters alone",
    "15-all-who-wait-get-the-result": "only one waits",
    "16-the-result-names-its-task": "nothing names its task",
    "17-sampling-names-its-task": "nothing names its task",
    "17-progress-names-its-task": "nothing names its task",
    "18-answers-about-tasks-carry-none": "answers name the task",
    "18-the-id-in-params-counts": "related-task counts",
    "19-a-task-that-asks-is-input-required": "a task that asks is working",
    "19-a-question-names-its-task": "nothing names its task",
    "21-a-status-notification-is-a-whole-task": "news are not whole",
    "21-a-status-notification-needs-no-related-task": "news name the task twice",
    "22-every-page-is-reached-by-its-cursor": "pages have gaps",
    "22-a-long-list-has-pages": "everything is on one page",
    "22-a-bad-cursor-is-refused": "a cursor may be anything",
    "23-what-get-finds-list-shows": "a task that works is not listed",
    "24-what-has-ended-cannot-be-cancelled": "what has ended can be cancelled",
    "25-a-cancelled-task-is-cancelled-at-once": "a cancel comes later",
    "25-a-cancelled-task-stays-cancelled": "the end of the work undoes a cancel",
    "25-a-task-that-asks-can-be-cancelled": "a late answer undoes a cancel",
    "25-the-work-of-a-cancelled-task-stops": "the work goes on",
    "26-an-unknown-id-is-refused": "an unknown id is another error",
    "26-what-is-no-id-is-refused": "no id is another error",
    "26-refusals-harm-nobody": "a refusal forgets everything",
    "27-a-cancelled-notification-cancels-no-task": "a notification cancels a task",
    "28-progress-goes-on-and-increases": "progress ends with the call",
    "28-progress-stops-at-the-end": "progress goes on after the end",
    "28-nothing-comes-after-a-cancel": "progress goes on after a cancel",
    "29-a-tools-failure-fails-the-task": "a failure completes",
    "29-a-failed-task-says-why": "nobody says why",
    "31-ids-cannot-be-guessed": "ids can be guessed",
    "32-a-ttl-has-a-limit": "any ttl is granted",
    "32-tasks-at-work-have-a-limit": "there is no limit",
}
"""By the check that must notice."""
MORE = [
    ("08-ids-are-the-servers-and-unique", "ids are the requestor's"),
    ("28-progress-goes-on-and-increases", "progress stands still"),
    ("32-a-ttl-has-a-limit", "no call becomes a task"),
]
"""Other mistakes that the same checks must notice."""


def faulty(mistake, patience=2.0):
    command = (sys.executable, str(PROGRAMS / "faulty_task_server.py"), mistake)
    return open_target(read_manifest(MANIFESTS / "faulty.json"), command=command, patience=patience)


def test_there_is_a_mistake_for_every_check_that_is_not_for_http_only():
    assert MISTAKES.keys() == {check.name for check in IN_ORDER if check.transport != "http"}


@pytest.mark.parametrize(("check", "mistake"), [*MISTAKES.items(), *MORE])
async def test_a_check_notices_the_mistake_it_is_there_for(check, mistake):
    with trio.fail_after(30):
        async with faulty(mistake) as target:
            verdict = await judged(BY_NAME[check], target)

    assert verdict.outcome == "failed"
    assert not verdict.remark.startswith(("no conversation", "it took longer"))


async def test_a_server_that_makes_no_mistake_passes():
    with trio.fail_after(60):
        async with faulty("none", patience=10) as target:
            verdicts = await all_judged(target)

    assert [each for each in verdicts if each.outcome == "failed"] == []
    assert {each.check.name for each in verdicts if each.outcome == "passed"} == MISTAKES.keys()


async def test_a_server_that_takes_two_requestors_for_one_is_noticed(tmp_path):
    """The manifest is what is false here: it has one requestor twice."""
    ada = {"authorization": "ada"}
    manifest = attrs.evolve(read_manifest(MANIFESTS / "ours.json"), identities=(ada, ada))
    with trio.fail_after(30):
        async with (
            serving([sys.executable, str(APP)], env=environment(tmp_path)) as url,
            open_target(manifest, url=url) as target,
        ):
            verdict = await judged(BY_NAME["30-another-requestors-task-is-unknown"], target)

    assert verdict.outcome == "failed"


# The command
def judge(*words):
    return CliRunner().invoke(main, words)


@pytest.fixture
def small(tmp_path):
    """A manifest with few roles: most checks have nothing to say, at once."""
    path = tmp_path / "manifest.json"
    path.write_text('{"tools": {"quick": {"name": "quick"}, "raises": {"name": "raises"}}}')
    return str(path)


@pytest.mark.parametrize(
    ("mistake", "failed", "code"),
    [("none", 0, 0), ("errors change", 1, 1), ("answers name the task", 1, 0)],
    ids=["none", "a MUST", "a SHOULD"],
)
def test_the_command_prints_a_row_for_each_check_and_fails_for_a_must(small, mistake, failed, code):
    server = shlex.join([sys.executable, str(PROGRAMS / "faulty_task_server.py"), mistake])
    done = judge("--stdio", server, "--manifest", small)

    assert f"{failed} failed" in done.output
    assert done.output.count("│ MUST ") + done.output.count("│ SHOULD ") == len(IN_ORDER)
    assert done.exit_code == code


@pytest.mark.parametrize("words", [("--stdio", "false"), ("--stdio", "/no/such"), ("--http", "http://127.0.0.1:9/")])
def test_a_server_that_is_not_there_is_one_line(small, words):
    done = judge(*words, "--manifest", small)

    assert done.exit_code == 1
    assert done.output.startswith("Error: no conversation with the server")
    assert "Traceback" not in done.output


def test_a_command_needs_one_way_to_one_server(small):
    done = judge("--manifest", small)

    assert done.exit_code == 2
    assert "either --stdio or --http" in done.output


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("{", "is no manifest"),
        ('{"tools": {"fast": {"name": "x"}}}', "there is no role fast"),
        ("{}", "is no manifest"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(tmp_path, written, why):
    path = tmp_path / "manifest.json"
    path.write_text(written)

    with pytest.raises(BadManifest, match=why):
        read_manifest(path)
