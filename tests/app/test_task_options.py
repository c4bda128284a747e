"""What an author says of a tool's tasks: the policy it becomes, where it shows, and the mistakes that are refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from app.app_calls import FakeContext

from zcp_actors.app import FastZCP
from zcp_actors.app.task_policy import TASK_AFTER
from zcp_actors.errors import SchemaError
from zcp_actors.protocol.tasks import TaskPolicy
from zcp_actors.wire import DIALECTS, V2025_11_25, V2026_07_28, PaginatedRequestParams


def policy_of(**options: Any) -> TaskPolicy | None:
    app = FastZCP("a")
    app.add_tool(lambda: None, name="t", **options)
    return app.task_policy("tools/call", "t")


def test_a_tool_whose_author_says_nothing_never_runs_as_a_task():
    """2025-11-25, basic/utilities/tasks: absent `taskSupport` means forbidden."""
    assert policy_of() == policy_of(task="forbidden") == policy_of(execution={}) == TaskPolicy(support="forbidden")
    assert policy_of() == TaskPolicy(after=None)


def test_an_optional_tool_becomes_a_task_when_it_takes_long():
    assert policy_of(task="optional") == TaskPolicy(support="optional", after=TASK_AFTER, on_restart="resume", ttl=None)
    assert TASK_AFTER == 1.0


def test_a_required_tool_is_a_task_at_once():
    assert policy_of(task="required") == TaskPolicy(support="required", after=0.0)
    assert policy_of(task="required", task_after=0) == TaskPolicy(support="required", after=0.0)


def test_execution_says_the_same_as_task():
    for support in ("forbidden", "optional", "required"):
        assert policy_of(execution={"taskSupport": support}) == policy_of(task=support)


@pytest.mark.parametrize(("after", "kept"), [(0, 0.0), (2, 2.0), (0.25, 0.25), (math.inf, None), (None, TASK_AFTER)])
def test_an_author_says_after_how_many_seconds_or_never(after, kept):
    policy = policy_of(task="optional", task_after=after)
    assert policy is not None
    assert policy.after == kept


def test_an_author_says_what_a_restart_does_and_how_long_a_task_is_kept():
    policy = policy_of(task="optional", on_restart="fail", task_ttl=90)
    assert policy == TaskPolicy(support="optional", after=TASK_AFTER, on_restart="fail", ttl=90.0)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"task_after": 1}, "task_after= is about tasks, which it does not allow; say task='optional'"),
        ({"task_after": 0, "task": "forbidden"}, "task_after= is about tasks"),
        ({"on_restart": "fail"}, "on_restart= is about tasks"),
        ({"task_ttl": 5, "execution": {"taskSupport": "forbidden"}}, "task_ttl= is about tasks"),
        ({"task": "required", "task_after": 1}, "task_after=1 with task='required', whose calls are tasks at once"),
        ({"task": "optional", "task_after": -1}, "task_after is seconds, 0 or more, math.inf for never; not -1"),
        ({"task": "optional", "task_after": math.nan}, "not nan"),
        ({"task": "optional", "task_after": True}, "not True"),
        ({"task": "optional", "task_after": "1"}, "not '1'"),
        ({"task": "optional", "task_ttl": 0}, "task_ttl is seconds, more than 0; not 0"),
        ({"task": "optional", "task_ttl": math.inf}, "not inf"),
        ({"task": "required", "task_ttl": "long"}, "not 'long'"),
        ({"task": "optional", "on_restart": "again"}, "on_restart is 'resume' or 'fail', not 'again'"),
        ({"task": "sometimes"}, "task"),
    ],
)
def test_what_can_have_no_effect_is_refused_at_registration_with_the_tool_s_name(options, why):
    with pytest.raises(SchemaError) as caught:
        policy_of(**options)
    assert why in str(caught.value)
    assert "tool 't'" in str(caught.value)


def test_a_refused_tool_is_not_registered():
    app = FastZCP("a")
    with pytest.raises(SchemaError):
        app.add_tool(lambda: None, name="t", task_after=1)
    assert not app.tools


async def test_a_tool_s_task_support_is_listed_to_2025_and_never_to_2026():
    """Both schemas: `Tool` has `execution` in 2025-11-25, and no such field in 2026-07-28."""
    app = FastZCP("a")
    app.add_tool(lambda: None, name="may", task="optional", task_after=2, on_restart="fail", task_ttl=3)
    app.add_tool(lambda: None, name="plain")
    page = await app.handle(FakeContext(), "tools/list", PaginatedRequestParams())
    may, plain = DIALECTS[V2025_11_25].to_wire(page)["tools"]
    assert may["execution"] == {"taskSupport": "optional"}
    assert "execution" not in plain
    for tool in DIALECTS[V2026_07_28].to_wire(page)["tools"]:
        assert set(tool) == {"name", "inputSchema"}


def test_only_what_is_there_has_a_policy():
    app = FastZCP("a")
    app.add_tool(lambda: None, name="t", task="optional")
    app.add_task(lambda payload: None, "k")
    assert app.task_policy("tools/call", "k") is None
    assert app.task_policy("tasks/create", "t") is None
    assert app.task_policy("prompts/get", "t") is None
    app.remove_tool("t")
    app.remove_task("k")
    assert app.task_policy("tools/call", "t") is None
    assert app.task_policy("tasks/create", "k") is None


def test_the_targets_are_what_may_run_as_a_task_tools_first():
    app = FastZCP("a")
    app.add_task(lambda payload: None, "k")
    app.add_tool(lambda: None, name="never")
    app.add_tool(lambda: None, name="must", task="required")
    app.add_tool(lambda: None, name="may", task="optional")
    assert list(app.task_targets()) == [("tools/call", "must"), ("tools/call", "may"), ("tasks/create", "k")]
    assert app.task_policy("tools/call", "never") == TaskPolicy()


# What is declared.
def declared(app: FastZCP, version: str) -> dict[str, Any]:
    return DIALECTS[version].to_wire(app.capabilities())


@pytest.mark.parametrize("version", [V2025_11_25, V2026_07_28])
def test_an_app_without_tasks_declares_none(version):
    app = FastZCP("a")
    app.add_tool(lambda: None, name="never")
    assert not declared(app, version).keys() & {"tasks", "extensions", "experimental"}


def test_a_tool_that_may_be_a_task_is_declared_to_each_revision_in_its_own_way():
    """2025-11-25, basic/utilities/tasks, Capabilities; SEP-2663. `list` is for the session to promise."""
    app = FastZCP("a")
    app.add_tool(lambda: None, name="may", task="optional")
    old, new = declared(app, V2025_11_25), declared(app, V2026_07_28)
    assert old["tasks"] == {"cancel": {}, "requests": {"tools": {"call": {}}}}
    assert new["extensions"] == {"io.modelcontextprotocol/tasks": {}}
    assert not old.keys() & {"extensions", "experimental"}
    assert not new.keys() & {"tasks", "experimental"}


def test_kinds_are_declared_by_name_in_both_revisions_and_promise_nothing_of_tools():
    app = FastZCP("a")
    app.add_task(lambda payload: None, "b.kind")
    app.add_task(lambda payload: None, "a.kind")
    kinds = {"zcp/tasks": {"create": {"kinds": ["a.kind", "b.kind"]}}}
    old, new = declared(app, V2025_11_25), declared(app, V2026_07_28)
    assert (old["tasks"], old["experimental"]) == ({"cancel": {}}, kinds)
    assert (new["extensions"], new["experimental"]) == ({"io.modelcontextprotocol/tasks": {}}, kinds)


def test_an_app_without_anything_that_may_be_a_task_has_nobody_to_run_tasks():
    app = FastZCP("a")
    app.add_tool(lambda: None, name="never")
    assert app.host_tasks(None, None, served=False) is None
