"""The methods that only ZCP has: the same params in both revisions, each revision's own task as the result."""

from __future__ import annotations

import json

import oracle
import pytest
from wire.instances import V2025, V2026

from zcp_actors import wire
from zcp_actors.errors import InvalidParams, InvalidResult, MethodNotFound
from zcp_actors.wire import CreateTaskRequestParams, Request, TaskMetadata, meta_keys, tasks_extension, v2025_11_25

OLD, NEW = wire.DIALECTS[V2025], wire.DIALECTS[V2026]
BOTH = pytest.mark.parametrize("dialect", [OLD, NEW], ids=[V2025, V2026])
META = {"_meta": {meta_keys.PROTOCOL_VERSION: V2026, meta_keys.CLIENT_CAPABILITIES: {}}}
TASK = {"taskId": "t", "status": "working", "createdAt": "a", "lastUpdatedAt": "b"}


@BOTH
def test_the_params_of_tasks_create_read_and_write_the_same_in_both_revisions(dialect):
    raw = {"kind": "review.run", "input": {"topic": "x"}, "task": {"ttl": 30000, "pollInterval": 250}}
    params = dialect.request_params("tasks/create", {**raw, **META}, sender="client")
    assert (params.kind, params.input) == ("review.run", {"topic": "x"})
    assert params.task == TaskMetadata(ttl=30000, poll_interval=250)
    assert dialect.to_wire(params) == {**raw, **META}


@BOTH
def test_a_task_of_a_kind_needs_only_the_kind(dialect):
    params = dialect.request_params("tasks/create", {"kind": "k", **META}, sender="client")
    assert (params.input, params.task) == (None, None)


@BOTH
@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({}, r"params\.kind: missing"),
        ({"kind": 3}, r"params\.kind: expected string"),
        ({"kind": "k", "input": []}, r"params\.input: expected object"),
        ({"kind": "k", "task": {"pollInterval": "soon"}}, r"params\.task\.pollInterval: expected integer"),
    ],
)
def test_params_that_are_no_wish_for_a_task_are_refused_with_their_place(dialect, raw, why):
    with pytest.raises(InvalidParams, match=why):
        dialect.request_params("tasks/create", {**raw, **META}, sender="client")


@BOTH
def test_a_server_may_not_create_tasks_at_its_client(dialect):
    with pytest.raises(MethodNotFound):
        dialect.request_params("tasks/create", {"kind": "k", **META}, sender="server")


def test_each_revision_answers_tasks_create_with_its_own_task():
    nested = OLD.result("tasks/create", {"task": {**TASK, "ttl": None}}, sender="server")
    assert type(nested) is v2025_11_25.CreateTaskResult
    flat = {**TASK, "ttlMs": None, "resultType": "task"}
    read = NEW.result("tasks/create", flat, sender="server")
    assert type(read) is tasks_extension.CreateTaskResult
    assert NEW.to_wire(read) == flat


@pytest.mark.parametrize("kind", ["complete", "input_required", "other"])
def test_in_2026_the_answer_to_tasks_create_is_a_task_and_nothing_else(kind):
    with pytest.raises(InvalidResult, match="resultType"):
        NEW.result("tasks/create", {**TASK, "ttlMs": None, "resultType": kind}, sender="server")


def test_a_wish_for_polls_travels_with_a_tool_s_task_to_2025_and_is_read_by_the_oracle():
    params = wire.CallToolRequestParams(name="x", task=TaskMetadata(ttl=30000, poll_interval=250))
    written = json.loads(wire.encode(Request(1, "tools/call", params), OLD))
    assert written["params"]["task"] == {"ttl": 30000, "pollInterval": 250}
    oracle.check(written, era=V2025, sender="client")


@pytest.mark.parametrize("era", [V2025, V2026])
def test_the_oracle_passes_over_the_methods_of_zcp_and_no_others(era):
    message = {"jsonrpc": "2.0", "id": 1, "method": "tasks/create", "params": {"kind": "k"}}
    oracle.check(message, era=era, sender="client")
    oracle.check({"jsonrpc": "2.0", "id": 1, "result": {"task": 3}}, era=era, sender="server", method="tasks/create")
    assert {"tasks/create"} == oracle.ZCP
    with pytest.raises(AssertionError, match="the oracle"):
        oracle.check({**message, "method": "tasks/created"}, era=era, sender="client")
    with pytest.raises(AssertionError, match="the oracle"):
        oracle.check({**message, "jsonrpc": "1.0"}, era=era, sender="client")


def test_a_served_call_of_a_kind_is_known_by_it():
    from zcp_actors.protocol.serving import target_of

    assert target_of(CreateTaskRequestParams(kind="review.run")) == "review.run"
