"""What we write, read by the models of somebody else."""

from __future__ import annotations

import json
from typing import Any

import oracle
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from wire.instances import V2025, V2026, definitions, instances

from zcp_actors import wire
from zcp_actors.wire import ErrorResponse, Notification, Request, Response

SETTINGS = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), database=None)


def rows(table: str) -> list[Any]:
    """(era, sender, method) of a table of both dialects, without the tasks extension and ZCP: unknown to the oracle."""
    found = []
    for era in (V2025, V2026):
        for sender in ("client", "server"):
            for method in getattr(wire.DIALECTS[era], f"{sender}_{table}"):
                known = method not in oracle.ZCP and (era == V2025 or "tasks" not in method)
                found += [pytest.param(era, sender, method, id=f"{era}-{sender}-{method}")] if known else []
    return found


def definition_of(era: str, method: str) -> tuple[str, dict[str, Any]]:
    for name, shape in definitions(era).items():
        if shape.get("properties", {}).get("method", {}).get("const") == method:
            return name, shape
    raise LookupError(method)


@pytest.mark.parametrize(("era", "sender", "method"), rows("requests"))
@SETTINGS
@given(choice=st.data())
def test_the_oracle_reads_every_request_we_write(era, sender, method, choice):
    dialect = wire.DIALECTS[era]
    sample = choice.draw(instances(era, definition_of(era, method)[0]))
    params = dialect.request_params(method, sample.get("params"), sender=sender)
    written = json.loads(wire.encode(Request(sample["id"], method, params), dialect))
    oracle.check(written, era=era, sender=sender)


@pytest.mark.parametrize(("era", "sender", "method"), rows("notifications"))
@SETTINGS
@given(choice=st.data())
def test_the_oracle_reads_every_notification_we_write(era, sender, method, choice):
    dialect = wire.DIALECTS[era]
    sample = choice.draw(instances(era, definition_of(era, method)[0]))
    params = dialect.notification_params(method, sample.get("params"), sender=sender)
    written = json.loads(wire.encode(Notification(method, params), dialect))
    oracle.check(written, era=era, sender=sender)


@pytest.mark.parametrize(("era", "asker", "method"), rows("requests"))
@SETTINGS
@given(choice=st.data())
def test_the_oracle_reads_every_result_we_write(era, asker, method, choice):
    dialect = wire.DIALECTS[era]
    answerer = "server" if asker == "client" else "client"
    definition = getattr(dialect, f"{asker}_requests")[method][1].__name__
    result = dialect.result(method, choice.draw(instances(era, definition)), sender=answerer)
    written = json.loads(wire.encode(Response(1, result), dialect))
    oracle.check(written, era=era, sender=answerer, method=method)


@SETTINGS
@given(choice=st.data())
def test_the_oracle_reads_the_questions_we_put_into_results(choice):
    sample = choice.draw(instances(V2026, "InputRequiredResult"))
    assume(sample.keys() & {"inputRequests", "requestState"})
    dialect = wire.DIALECTS[V2026]
    result = dialect.result("tools/call", sample, sender="server")
    assert isinstance(result, wire.InputRequiredResult)
    oracle.check(
        json.loads(wire.encode(Response("a", result), dialect)), era=V2026, sender="server", method="tools/call"
    )


@SETTINGS
@given(sample=instances(V2025, "CreateTaskResult"))
@pytest.mark.parametrize(
    ("method", "sender"),
    [("tools/call", "server"), ("sampling/createMessage", "client"), ("elicitation/create", "client")],
)
def test_the_oracle_reads_the_task_a_request_became(method, sender, sample):
    dialect = wire.DIALECTS[V2025]
    result = dialect.result(method, sample, sender=sender)
    assert isinstance(result, wire.v2025_11_25.CreateTaskResult)
    oracle.check(json.loads(wire.encode(Response("a", result), dialect)), era=V2025, sender=sender, method=method)


@pytest.mark.parametrize("error", [ErrorResponse(1, -32601, "no"), ErrorResponse(None, -32700, "what?", {"at": 3})])
@pytest.mark.parametrize("era", [V2025, V2026])
def test_the_oracle_reads_our_errors(era, error):
    oracle.check(json.loads(wire.encode(error, wire.DIALECTS[era])), era=era, sender="server")


@pytest.mark.parametrize(
    ("message", "sender", "method"),
    [
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, "client", None),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": 3}}, "client", None),
        ({"jsonrpc": "2.0", "id": 1, "method": "no/such"}, "client", None),
        ({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text"}]}}, "server", "tools/call"),
        ({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}, "server", None),
    ],
)
def test_the_oracle_does_refuse(message, sender, method):
    """An oracle that accepts everything would prove nothing."""
    with pytest.raises(AssertionError, match="the oracle"):
        oracle.check(message, era=V2025, sender=sender, method=method)
