"""Requirements 1 to 9: who declares what, and how a task begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from task_conformance.case import created, tools_capability
from task_conformance.requirement import check
from task_conformance.talk import Violation, shown

if TYPE_CHECKING:
    from task_conformance.case import Case
    from task_conformance.wires import JSON

METHOD_NOT_FOUND = -32601
MANY = 20


async def _support(case: Case) -> dict[str, str]:
    """What tools/list says of each tool."""
    tools: list[JSON] = []
    page = await case.talk.result("tools/list", {})
    tools += page["tools"]
    while "nextCursor" in page:
        page = await case.talk.result("tools/list", {"cursor": page["nextCursor"]})
        tools += page["tools"]
    return {tool["name"]: (tool.get("execution") or {}).get("taskSupport", "forbidden") for tool in tools}


@check(1, "MUST", "a server that runs tools as tasks declares tasks.requests.tools.call")
async def what_is_supported_is_declared(case: Case) -> str | None:
    """And each capability it declares is an object."""
    tasks = case.talk.capabilities.get("tasks")
    if not isinstance(tasks, dict) or not isinstance(tools_capability(case.talk.capabilities), dict):
        raise Violation(f"the server declares tasks: {shown(tasks)}")
    wrong = [name for name in ("list", "cancel", "requests") if name in tasks and not isinstance(tasks[name], dict)]
    if wrong:
        raise Violation(f"tasks.{wrong[0]} must be an object, is {shown(tasks[wrong[0]])}")
    support = await _support(case)
    for role, tool in case.manifest.tools.items():
        said = support.get(tool.name)
        if (said == "forbidden") != (role in ("forbidden", "running")):
            raise Violation(f"{tool.name}, which is {role}, is listed with taskSupport {said}")
    return None


@check(1, "MUST", "a request that is not listed under tasks.requests does not become a task")
async def the_declared_set_is_all_there_is(case: Case) -> str | None:
    """`ping` and `tools/list` can never be tasks of a server."""
    listed = await case.talk.result("tools/list", {"task": {"ttl": 1000}})
    if "task" in listed or "tools" not in listed:
        raise Violation(f"tools/list with `task` was answered with {shown(listed)}")
    return None


@check(2, "MUST", "`task` in a request that cannot be one is ignored, and the request processed as ever")
async def task_is_ignored_where_it_means_nothing(case: Case) -> str | None:
    """Even when it makes no sense."""
    if (pong := await case.talk.result("ping", {"task": {"ttl": 1000}})) not in ({}, {"_meta": {}}):
        raise Violation(f"ping with `task` was answered with {shown(pong)}")
    return None


@check(3, "SHOULD", "a client that declares no tasks is not asked to run any", "asks")
async def a_client_without_tasks_gets_none(case: Case) -> str | None:
    """The server is the requestor here, and the judge declares no tasks."""
    with case.talk.holding("elicitation/create") as questions:
        task = await case.create("asks")
        await case.asked_payload(task["taskId"])
        await case.talk.until(lambda: questions, "no elicitation/create came")
        asked_as_task = "task" in questions[0]["params"]
        await case.talk.answer(questions[0])
    await case.ended(task["taskId"])
    if asked_as_task:
        raise Violation(f"the server asked a client without tasks for one: {shown(questions[0])}")
    return None


@check(5, "SHOULD", "a tool that forbids tasks answers -32601 to a call as a task", "forbidden")
async def a_forbidden_tool_refuses_to_be_a_task(case: Case) -> str | None:
    """-32601, Method not found."""
    refused = await case.talk.refusal("tools/call", case.call_params("forbidden", task={"ttl": 60_000}))
    if refused.code != METHOD_NOT_FOUND:
        raise Violation(f"refused with {refused}")
    return None


@check(5, "MUST", "a tool that forbids tasks can be called without", "forbidden")
async def a_forbidden_tool_can_be_called(case: Case) -> str | None:
    """The plain way."""
    result = await case.plain("forbidden")
    if "content" not in result or "task" in result:
        raise Violation(f"answered with {shown(result)}")
    return None


@check(6, "MUST", "a tool that requires tasks answers -32601 to a plain call", "required")
async def a_required_tool_refuses_a_plain_call(case: Case) -> str | None:
    """-32601, Method not found."""
    refused = await case.talk.refusal("tools/call", case.call_params("required"))
    if refused.code != METHOD_NOT_FOUND:
        raise Violation(f"refused with {refused}")
    return None


@check(6, "MUST", "a tool that requires tasks can be called as one", "required")
async def a_required_tool_runs_as_a_task(case: Case) -> str | None:
    """To its end."""
    task = await case.create("required")
    if (ended := await case.ended(task["taskId"]))["status"] != "completed":
        raise Violation(f"the task ended {shown(ended)}")
    return None


@check(6, "MUST", "a tool with optional tasks can be called both ways", "quick")
async def an_optional_tool_runs_either_way(case: Case) -> str | None:
    """And gives a task only when it was asked for one."""
    if "content" not in (result := await case.plain("quick")) or "task" in result:
        raise Violation(f"a plain call was answered with {shown(result)}")
    await case.create("quick")
    return None


@check(7, "MUST", "a call as a task is answered with a CreateTaskResult")
async def a_call_as_a_task_gives_a_task(case: Case) -> str | None:
    """And with nothing of the tool's own result."""
    role = case.some("quick", "required", "brief")
    result = await case.talk.result("tools/call", case.call_params(role, task={}))
    created(result)
    if "content" in result:
        raise Violation(f"the CreateTaskResult has content: {shown(result)}")
    return None


@check(7, "SHOULD", "the CreateTaskResult comes at once, while the work goes on", "slow")
async def a_task_is_given_before_it_ends(case: Case) -> str | None:
    """The tool runs for twenty seconds, the check waits ten."""
    task = await case.create("slow")
    now = await case.get(task["taskId"])
    await case.tidy(task["taskId"])
    if now["status"] != "working":
        raise Violation(f"right after creation the task is {shown(now)}")
    return None


@check(8, "MUST", "each task has an id of its own, made by the server")
async def ids_are_the_servers_and_unique(case: Case) -> str | None:
    """Twenty calls at once, each suggesting the same id."""
    role = case.some("quick", "required", "brief")
    wish = {"ttl": 60_000, "taskId": "mine"}
    calls = [await case.talk.start("tools/call", case.call_params(role, task=wish)) for _ in range(MANY)]
    ids = [created(await case.talk.reply(call))["taskId"] for call in calls]
    if len(set(ids)) != MANY:
        raise Violation(f"{MANY} tasks have {len(set(ids))} ids: {shown(sorted(ids))}")
    if "mine" in ids:
        raise Violation("the server took the id that the requestor suggested")
    return None


@check(9, "MUST", "a task begins in `working`")
async def a_task_begins_working(case: Case) -> str | None:
    """Whatever it does then."""
    for role in ("quick", "required", "brief", "asks", "fails"):
        if role in case.manifest.tools:
            task = await case.create(role)
            if task["status"] != "working":
                raise Violation(f"the task of {role} began in {task['status']}")
            await case.tidy(task["taskId"])
    return None
