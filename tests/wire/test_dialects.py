"""What each revision may see, and which shape a method has in it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire.instances import V2025, V2026, definitions, instances, validator

from zcp_actors import wire
from zcp_actors.errors import InvalidParams, InvalidResult, MethodNotFound
from zcp_actors.wire import meta_keys, tasks_extension, v2025_11_25
from zcp_actors.wire.converter import structure

OLD, NEW = wire.DIALECTS[V2025], wire.DIALECTS[V2026]
META = {meta_keys.PROTOCOL_VERSION: V2026, meta_keys.CLIENT_CAPABILITIES: {}}
BASE = {"taskId": "t", "createdAt": "a", "lastUpdatedAt": "b"}


def test_fields_of_2026_never_reach_a_peer_of_2025():
    page = wire.ListToolsResult(tools=[], result_type="complete", ttl_ms=5, cache_scope="public")
    assert OLD.to_wire(page) == {"tools": []}
    params = wire.CallToolRequestParams(name="x", request_state="s", input_responses={})
    assert OLD.to_wire(params) == {"name": "x"}
    able = wire.ClientCapabilities(extensions={"e": {}}, tasks=wire.ClientTasksCapability(list={}))
    assert OLD.to_wire(able) == {"tasks": {"list": {}}}


def test_fields_of_2025_never_reach_a_peer_of_2026():
    tool = wire.Tool(name="x", input_schema={}, execution=wire.ToolExecution(task_support="optional"))
    assert NEW.to_wire(wire.ListToolsResult(tools=[tool]))["tools"] == [{"name": "x", "inputSchema": {}}]
    params = wire.CallToolRequestParams(name="x", task=wire.TaskMetadata(ttl=1))
    assert NEW.to_wire(params) == {"name": "x"}
    asked = wire.ElicitRequest(params=wire.ElicitRequestURLParams(message="?", url="u:v", elicitation_id="e"))
    needed = wire.InputRequiredResult(input_requests={"k": asked})
    assert NEW.to_wire(needed)["inputRequests"]["k"]["params"] == {"mode": "url", "message": "?", "url": "u:v"}
    able = wire.ClientCapabilities(roots=wire.RootsCapability(list_changed=True), tasks=wire.ClientTasksCapability())
    assert NEW.to_wire(able) == {"roots": {}}


INFO = {"name": "n", "version": "1"}
HELLO = {"protocolVersion": V2025, "capabilities": {"extensions": True}, "clientInfo": INFO}
ASKED = {"method": "elicitation/create", "params": {"mode": "url", "message": "?", "url": "u:v", "elicitationId": 5}}


@pytest.mark.parametrize(
    ("dialect", "method", "raw"),
    [
        (OLD, "initialize", HELLO),
        (OLD, "tools/call", {"name": "x", "requestState": {"a": 1}, "inputResponses": [1]}),
        (NEW, "tools/call", {"name": "x", "task": 5, "_meta": META}),
        (NEW, "tools/call", {"name": "x", "task": {"ttl": "long"}, "_meta": META}),
    ],
)
def test_params_may_mean_anything_by_a_word_of_the_other_revision(dialect, method, raw):
    assert dialect.to_wire(dialect.request_params(method, raw, sender="client")) == raw


@pytest.mark.parametrize(
    ("dialect", "method", "raw"),
    [
        (OLD, "tools/list", {"tools": [], "ttlMs": "soon", "cacheScope": 7, "resultType": 5}),
        (OLD, "initialize", {"protocolVersion": V2025, "capabilities": {"extensions": []}, "serverInfo": INFO}),
        (NEW, "tools/call", {"resultType": "input_required", "inputRequests": {"k": ASKED}}),
        (
            NEW,
            "tools/list",
            {
                "tools": [{"name": "x", "inputSchema": {}, "execution": "fast"}],
                "resultType": "complete",
                "ttlMs": 0,
                "cacheScope": "private",
            },
        ),
    ],
)
def test_results_may_mean_anything_by_a_word_of_the_other_revision(dialect, method, raw):
    assert dialect.to_wire(dialect.result(method, raw, sender="server")) == raw


def test_beside_a_word_of_the_other_revision_the_own_ones_are_still_judged():
    with pytest.raises(InvalidResult, match=r"result\.nextCursor: expected string, got integer"):
        OLD.result("tools/list", {"tools": [], "ttlMs": "soon", "nextCursor": 5}, sender="server")
    with pytest.raises(InvalidResult, match=r"result\.ttlMs: expected integer, got string"):
        NEW.result("tools/list", {"tools": [], "ttlMs": "soon"}, sender="server")


def test_contents_are_told_apart_by_what_is_there_and_not_by_a_null():
    raw = {"contents": [{"uri": "u:v", "text": None, "blob": "YQ=="}]}
    (contents,) = OLD.result("resources/read", raw, sender="server").contents
    assert contents == wire.BlobResourceContents(uri="u:v", blob="YQ==", extra={"text": None})


def test_what_2026_demands_of_a_result_is_written_when_nobody_said_it():
    assert NEW.to_wire(wire.CallToolResult(content=[])) == {"content": [], "resultType": "complete"}
    page = NEW.to_wire(wire.ListToolsResult(tools=[]))
    assert page == {"tools": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    assert NEW.to_wire(wire.ListToolsResult(tools=[], ttl_ms=7, cache_scope="public"))["ttlMs"] == 7


def test_an_answer_inside_params_gets_no_result_type():
    answers = {"k": wire.ElicitResult(action="decline"), "r": wire.ListRootsResult(roots=[])}
    written = NEW.to_wire(wire.CallToolRequestParams(name="x", input_responses=answers, request_state="s"))
    assert written["inputResponses"] == {"k": {"action": "decline"}, "r": {"roots": []}}


def test_what_2025_cannot_read_is_left_out_rather_than_break_the_message():
    tools = [wire.Tool(name="x", input_schema={"type": "object"}, output_schema={"type": "array"})]
    assert "outputSchema" not in OLD.to_wire(wire.ListToolsResult(tools=tools))["tools"][0]
    assert "outputSchema" in NEW.to_wire(wire.ListToolsResult(tools=tools))["tools"][0]
    for content in ([1], 3, wire.NULL):
        assert OLD.to_wire(wire.CallToolResult(content=[], structured_content=content)) == {"content": []}
    assert NEW.to_wire(wire.CallToolResult(content=[], structured_content=wire.NULL))["structuredContent"] is None


SHARED = sorted(
    name
    for name in definitions(V2025).keys() & definitions(V2026).keys()
    if isinstance(cls := getattr(wire, name, None), type) and issubclass(cls, wire.Model)
)
UNLIKE = {
    "ElicitRequestURLParams": "2025-11-25 demands an elicitationId that 2026-07-28 does not have",
    "ElicitRequest": "as above",
    "Tool": "JSON Schemas of 2026-07-28 are freer, and a tool without an object schema is the author's mistake",
    "ListToolsResult": "as above",
    "CreateMessageRequestParams": "as above",
    "CreateMessageRequest": "as above; and there it has an id",
    "ListRootsRequest": "there it has an id",
}
"""Shapes of 2026-07-28 that have no form in 2025-11-25."""


@pytest.mark.parametrize("name", [name for name in SHARED if name not in UNLIKE])
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(choice=st.data())
def test_any_model_of_2026_projects_to_what_the_schema_of_2025_allows(name, choice):
    model = wire.from_wire(getattr(wire, name), choice.draw(instances(V2026, name)))
    validator(V2025, name).validate(OLD.to_wire(model))


@pytest.mark.parametrize("dialect", [OLD, NEW])
@pytest.mark.parametrize("method", ["no/such", "notifications/progress", ""])
def test_an_unknown_method_is_not_found(dialect, method):
    with pytest.raises(MethodNotFound):
        dialect.request_params(method, {}, sender="client")


@pytest.mark.parametrize(
    ("dialect", "method", "sender"),
    [
        (OLD, "tools/call", "server"),
        (OLD, "sampling/createMessage", "client"),
        (OLD, "server/discover", "client"),
        (NEW, "initialize", "client"),
        (NEW, "ping", "client"),
        (NEW, "tasks/result", "client"),
        (NEW, "tasks/list", "client"),
        (NEW, "elicitation/create", "server"),
    ],
)
def test_a_method_of_another_direction_or_revision_is_not_found(dialect, method, sender):
    """Source: both schemas; SEP-2663 demands -32601 for tasks/result and tasks/list."""
    with pytest.raises(MethodNotFound):
        dialect.request_params(method, {}, sender=sender)


def test_bad_params_name_the_place():
    with pytest.raises(InvalidParams, match=r"^params\.arguments: expected object, got array") as caught:
        OLD.request_params("tools/call", {"name": "x", "arguments": []}, sender="client")
    assert caught.value.code == -32602


@pytest.mark.parametrize(
    ("params", "why"),
    [
        (None, "params._meta: missing"),
        ({"_meta": 3}, "params._meta: expected object, got integer"),
        ({"_meta": {}}, "params._meta.io.modelcontextprotocol/protocolVersion: missing"),
        ({"_meta": {**META, meta_keys.CLIENT_CAPABILITIES: []}}, "clientCapabilities: expected object, got array"),
    ],
)
def test_2026_demands_to_know_who_asks_and_what_they_can(params, why):
    """Source: 2026-07-28 `RequestMetaObject`; missing is -32602."""
    with pytest.raises(InvalidParams, match=why):
        NEW.request_params("tools/list", params, sender="client")


def test_params_may_be_absent_where_all_of_them_are_optional():
    assert OLD.request_params("tools/list", None, sender="client") == wire.PaginatedRequestParams()


def test_params_that_are_no_object_are_invalid():
    with pytest.raises(InvalidParams, match="params: expected object, got array"):
        OLD.request_params("elicitation/create", [], sender="server")  # type: ignore[arg-type]


def test_an_elicitation_is_read_by_its_mode():
    form = {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}
    assert isinstance(OLD.request_params("elicitation/create", form, sender="server"), wire.ElicitRequestFormParams)
    url = {"mode": "url", "message": "?", "url": "https://x.example", "elicitationId": "1"}
    assert isinstance(OLD.request_params("elicitation/create", url, sender="server"), wire.ElicitRequestURLParams)
    del url["elicitationId"]
    with pytest.raises(InvalidParams, match="params.elicitationId: missing"):
        OLD.request_params("elicitation/create", url, sender="server")


def test_2026_demands_the_id_of_what_is_cancelled_and_2025_does_not():
    OLD.notification_params("notifications/cancelled", {}, sender="client")
    with pytest.raises(InvalidParams, match="params.requestId: missing"):
        NEW.notification_params("notifications/cancelled", {}, sender="client")


@pytest.mark.parametrize("dialect", [OLD, NEW])
@pytest.mark.parametrize("id", [True, False, 1.0, 1.5, [], {}, [1]])
def test_an_id_or_a_token_of_another_type_is_none(dialect, id):
    """To Python `True == 1 == 1.0`, so such a name would find the request 1."""
    named = {
        "notifications/cancelled": {"requestId": id},
        "notifications/progress": {"progressToken": id, "progress": 1},
    }
    for method, params in named.items():
        with pytest.raises(InvalidParams, match="expected string or integer, got"):
            dialect.notification_params(method, params, sender="server")


def test_a_map_of_texts_to_integers_is_not_taken_for_an_id():
    assert structure(dict[str, int], {"a": 1}) == {"a": 1}


def test_a_model_passes_through_untouched():
    params, result = wire.CallToolRequestParams(name="x"), wire.CallToolResult(content=[])
    assert NEW.request_params("tools/call", params, sender="client") is params
    assert NEW.result("tools/call", result, sender="server") is result


@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "resources/read"])
def test_three_methods_may_need_input(method):
    """Source: 2026-07-28, multi-round-trip requests."""
    result = NEW.result(method, {"resultType": "input_required", "requestState": "s"}, sender="server")
    assert isinstance(result, wire.InputRequiredResult)
    assert result.request_state == "s"


@pytest.mark.parametrize(
    ("method", "raw"),
    [
        ("tools/list", {"resultType": "input_required", "requestState": "s"}),
        ("tools/call", {"resultType": "input_required"}),
        ("tools/call", {"resultType": "later", "content": []}),
        ("tools/call", {"resultType": None, "content": []}),
        ("prompts/get", {"resultType": "task", **BASE, "status": "working", "ttlMs": None}),
        ("tasks/get", {"resultType": "task", **BASE, "status": "working", "ttlMs": None}),
        ("tools/call", {"content": 3}),
        ("tools/call", {}),
    ],
)
def test_any_other_result_is_invalid(method, raw):
    """Source: 2026-07-28, an unknown resultType is invalid; SEP-2663, a task only of tools/call."""
    with pytest.raises(InvalidResult, match=method):
        NEW.result(method, raw, sender="server")


def test_an_absent_result_type_is_complete():
    assert isinstance(NEW.result("tools/call", {"content": []}, sender="server"), wire.CallToolResult)


def test_the_tasks_of_the_two_revisions_are_told_apart():
    flat = {"resultType": "task", **BASE, "status": "working", "ttlMs": None}
    assert type(NEW.result("tools/call", flat, sender="server")) is tasks_extension.CreateTaskResult
    nested = {"task": {**BASE, "status": "working", "ttl": None}}
    assert type(OLD.result("tools/call", nested, sender="server")) is v2025_11_25.CreateTaskResult
    assert type(OLD.result("elicitation/create", nested, sender="client")) is v2025_11_25.CreateTaskResult


def test_a_finished_task_carries_its_result_and_a_failed_one_its_error():
    done = {"resultType": "complete", **BASE, "ttlMs": 1, "status": "completed", "result": {"content": []}}
    task = NEW.result("tasks/get", done, sender="server")
    assert task.result == {"content": []}
    assert NEW.to_wire(task) == done
    inner = wire.CallToolResult(content=[])
    same = tasks_extension.GetTaskResult(
        task_id="t", created_at="a", last_updated_at="b", ttl_ms=1, status="completed", result=inner
    )
    assert NEW.to_wire(same) == {**done, "result": {"content": [], "resultType": "complete"}}


def test_the_result_of_a_task_is_read_by_the_method_that_began_it():
    payload = OLD.result("tasks/result", {"content": [{"type": "text", "text": "x"}]}, sender="server")
    assert OLD.result("tools/call", payload.to_dict(), sender="server").content == [wire.TextContent(text="x")]
