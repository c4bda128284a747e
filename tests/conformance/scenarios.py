"""
What the conformance suite must find in order: the scenarios of every leg, and how many checks each has.

Owns the lists. Refuses to run and to judge. The rule: a leg names every scenario that the suite lists for its side and
revision but those of `ELSEWHERE`; the run compares the two, so nothing is forgotten when the suite changes.
"""

from __future__ import annotations

from typing import Final

import attrs

SUITE_VERSION: Final = "0.2.0-alpha.12"
"""The version of `package.json`. The one before misjudges what tasks answer, `latest` knows no requirement sets."""

ELSEWHERE: Final = ("auth/",)
"""Scenarios that these legs leave out: authorization needs a client that logs in."""


@attrs.frozen
class Scenario:
    """One scenario of the suite."""

    name: str
    checks: int
    """Checks that must succeed. The suite calls a scenario passed whose checks were skipped; this does not.

    0: the suite skips this scenario, whoever the server is. That is said in the table, and it is no pass for long: the
    leg fails as soon as the suite checks anything.
    """


@attrs.frozen
class Leg:
    """One side under test at one revision."""

    side: str
    """"server" or "client"."""
    revision: str
    scenarios: tuple[Scenario, ...]

    @property
    def name(self) -> str:
        """As the command line has it."""
        return f"{self.side}-{self.revision}"


_SERVER_2025 = {
    "server-initialize": 3,
    "logging-set-level": 2,
    "ping": 2,
    "completion-complete": 2,
    "tools-list": 3,
    "tools-call-simple-text": 2,
    "tools-call-image": 2,
    "tools-call-audio": 2,
    "tools-call-embedded-resource": 2,
    "tools-call-mixed-content": 2,
    "tools-call-with-logging": 2,
    "tools-call-error": 2,
    "tools-call-with-progress": 2,
    "tools-call-sampling": 2,
    "tools-call-elicitation": 2,
    "elicitation-sep1034-defaults": 6,
    "server-sse-multiple-streams": 1,  # one more for answers in streams; these come at once, as JSON
    "elicitation-sep1330-enums": 6,
    "resources-list": 2,
    "resources-read-text": 2,
    "resources-read-binary": 2,
    "resources-templates-read": 2,
    "resources-subscribe": 2,
    "resources-unsubscribe": 2,
    "prompts-list": 2,
    "prompts-get-simple": 2,
    "prompts-get-with-args": 2,
    "prompts-get-embedded-resource": 2,
    "prompts-get-with-image": 2,
    "dns-rebinding-protection": 2,
    "server-session-lifecycle": 3,
    "json-schema-2020-12": 8,
    "server-sse-polling": 3,
}

_SERVER_2026 = {
    "server-stateless": 30,
    "completion-complete": 2,
    "tools-list": 4,
    "tools-call-simple-text": 2,
    "tools-call-image": 2,
    "tools-call-audio": 2,
    "tools-call-embedded-resource": 2,
    "tools-call-mixed-content": 2,
    "tools-call-error": 2,
    "tools-call-with-progress": 2,
    "server-sse-multiple-streams": 1,
    "resources-list": 2,
    "resources-read-text": 2,
    "resources-read-binary": 2,
    "resources-templates-read": 2,
    "sep-2164-resource-not-found": 4,
    "prompts-list": 2,
    "prompts-get-simple": 2,
    "prompts-get-with-args": 2,
    "prompts-get-embedded-resource": 2,
    "prompts-get-with-image": 2,
    "dns-rebinding-protection": 2,
    "caching": 8,
    "input-required-result-basic-elicitation": 3,
    "input-required-result-basic-sampling": 3,
    "input-required-result-basic-list-roots": 3,
    "input-required-result-request-state": 3,
    "input-required-result-multiple-input-requests": 3,
    "input-required-result-multi-round": 4,
    "input-required-result-missing-input-response": 2,
    "input-required-result-non-tool-request": 3,
    "input-required-result-result-type": 2,
    "input-required-result-unsupported-methods": 2,
    "input-required-result-tampered-state": 2,
    "input-required-result-capability-check": 2,
    "input-required-result-ignore-extra-params": 2,
    "input-required-result-validate-input": 3,
    "json-schema-2020-12": 8,
    "http-header-validation": 14,
    "http-custom-header-server-validation": 10,
    "tasks-lifecycle": 9,
    "tasks-capability-negotiation": 5,
    "tasks-wire-fields": 4,
    "tasks-request-state-removal": 3,
    "tasks-mrtr-input": 4,
    "tasks-request-headers": 5,
    "tasks-dispatch-and-envelope": 9,
    "tasks-status-notifications": 0,
    "tasks-required-task-error": 3,
    "tasks-mrtr-composition": 2,
}

_CLIENT_2025 = {
    "initialize": 1,
    "tools_call": 2,
    "elicitation-sep1034-client-defaults": 5,
    "sse-retry": 3,
    "json-schema-2020-12-preservation": 9,
}

_CLIENT_2026 = {
    "tools_call": 2,
    "request-metadata": 8,
    "sep-2322-client-request-state": 5,
    "http-standard-headers": 9,
    "http-custom-headers": 18,
    "http-invalid-tool-headers": 12,
    "json-schema-ref-no-deref": 1,
    "json-schema-2020-12-preservation": 9,
}


def _leg(side: str, revision: str, checks: dict[str, int]) -> Leg:
    return Leg(side, revision, tuple(Scenario(name, number) for name, number in checks.items()))


LEGS: Final = (
    _leg("server", "2025-11-25", _SERVER_2025),
    _leg("server", "2026-07-28", _SERVER_2026),
    _leg("client", "2025-11-25", _CLIENT_2025),
    _leg("client", "2026-07-28", _CLIENT_2026),
)
