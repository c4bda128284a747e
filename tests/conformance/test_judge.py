"""The strict rule: what the suite lets pass and this does not."""

from __future__ import annotations

import pytest
from conformance.judge import Run, judged
from conformance.results import FINISHED, Broken, client_run, folder, read_list, server_runs
from conformance.scenarios import ELSEWHERE, LEGS, Scenario

TWO = Scenario("two-checks", 2)
NONE = Scenario("skipped", 0)


def checks(*statuses):
    return tuple({"id": f"check-{number}", "status": status} for number, status in enumerate(statuses))


def test_a_scenario_passes_when_every_known_check_succeeded():
    assert judged(TWO, Run(checks("INFO", "SUCCESS", "SUCCESS"))).passed


def test_a_check_more_than_is_known_does_not_hurt():
    assert judged(TWO, Run(checks("SUCCESS", "SUCCESS", "SUCCESS"))).passed


@pytest.mark.parametrize("status", ["FAILURE", "WARNING"])
def test_one_failure_or_warning_fails_a_scenario_and_is_told(status):
    verdict = judged(TWO, Run((*checks("SUCCESS", "SUCCESS"), {"id": "x", "status": status, "errorMessage": "why"})))

    assert verdict.reasons == (f"{status} x: why",)


@pytest.mark.parametrize("statuses", [(), ("INFO",), ("SKIPPED", "SKIPPED")])
def test_a_vacuous_pass_fails(statuses):
    assert judged(TWO, Run(checks(*statuses))).reasons == ("vacuous: no check succeeded",)


def test_a_scenario_that_the_suite_skips_is_shown_as_skipped_and_not_as_passed_by_us():
    verdict = judged(NONE, Run(checks("SKIPPED")))

    assert verdict.passed
    assert verdict.skipped
    assert not judged(TWO, Run(checks("SUCCESS", "SUCCESS"))).skipped


@pytest.mark.parametrize(
    ("statuses", "why"),
    [
        (("SUCCESS",), "1 checks succeeded of a scenario that the suite used to skip"),
        (("SKIPPED", "SUCCESS"), "1 checks succeeded of a scenario that the suite used to skip"),
        (("FAILURE",), "FAILURE check-0"),
        ((), "the suite did not even say that it skips this"),
    ],
)
def test_a_scenario_that_the_suite_used_to_skip_fails_when_it_does_anything_else(statuses, why):
    verdict = judged(NONE, Run(checks(*statuses)))

    assert verdict.reasons[0].startswith(why)
    assert not verdict.skipped


def test_a_check_that_was_skipped_is_missing():
    (reason,) = judged(TWO, Run(checks("SUCCESS", "SKIPPED"))).reasons

    assert reason == "1 of 2 checks succeeded, 1 were skipped"


def test_trouble_beside_the_checks_fails_a_scenario():
    assert judged(TWO, Run(checks("SUCCESS", "SUCCESS"), ("timed out",))).reasons == ("timed out",)


def test_many_failures_are_told_by_the_first_ones_and_their_number():
    reasons = judged(TWO, Run(checks("SUCCESS", "SUCCESS", *["FAILURE"] * 9))).reasons

    assert len(reasons) == 4
    assert reasons[-1] == "and 6 checks more"


def test_the_legs_are_as_long_as_the_specification_of_the_suite():
    """83 scenarios of the server, 13 of the client, nothing that is left out elsewhere."""
    assert {leg.name: len(leg.scenarios) for leg in LEGS} == {
        "server-2025-11-25": 33,
        "server-2026-07-28": 50,
        "client-2025-11-25": 5,
        "client-2026-07-28": 8,
    }
    assert not [each for leg in LEGS for each in leg.scenarios if each.name.startswith(ELSEWHERE)]


def test_the_suite_s_list_is_read_by_side():
    text = (
        "Required for 2025-11-25 (2 scenarios):\n\nServer scenarios (test against a server):\n  - ping\n\n"
        "Client scenarios (test against a client):\n  - auth/basic\n\n"
        "Run and reported, but never scored:\n  pending (2):\n    - polling [server]\n    - preservation [client]\n"
    )

    assert read_list(text) == {"server": ["ping", "polling"], "client": ["auth/basic", "preservation"]}


def results_in(place, checks_json, stdout=None):
    place.mkdir(parents=True)
    (place / "checks.json").write_text(checks_json)
    if stdout is not None:
        (place / "stdout.txt").write_text(stdout)


PASSED = '[{"id": "x", "status": "SUCCESS"}]'


def test_a_server_s_results_are_found_by_the_names_of_their_folders(tmp_path):
    results_in(tmp_path / "server-tools-call-2-2026-11-21T13-07-28-643Z", PASSED)

    runs = server_runs(tmp_path, 1)

    assert list(runs) == ["tools-call-2"]
    assert runs["tools-call-2"].trouble == ()
    assert server_runs(tmp_path, None)["tools-call-2"].trouble == ("the suite did not come to its end",)


def test_a_folder_that_is_named_otherwise_is_an_error(tmp_path):
    results_in(tmp_path / "tools-call", PASSED)

    with pytest.raises(Broken, match="not named as it used to be"):
        server_runs(tmp_path, 0)


@pytest.mark.parametrize(
    ("exit_code", "said", "trouble"),
    [
        (0, FINISHED, ()),
        (1, FINISHED, ("exit code 1",)),
        (None, FINISHED, ("timed out",)),
        (0, "", ("the client did not end in order",)),
    ],
)
def test_a_client_s_exit_counts(tmp_path, exit_code, said, trouble):
    """The suite takes a client that was killed for one that ended with 0."""
    results_in(tmp_path / "initialize-2026-11-21T13-07-28-643Z", PASSED, said)

    run = client_run(tmp_path, exit_code)

    assert run.trouble == trouble
    assert len(run.checks) == 1


def test_old_results_are_never_taken_for_new_ones(tmp_path):
    with pytest.raises(Broken, match="there already"):
        folder(tmp_path)
