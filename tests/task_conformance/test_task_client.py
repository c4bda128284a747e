"""
What MCP 2025-11-25 requires of the requestor of tasks, and our client, by the requirements' numbers.

The server is played by the test, in virtual time. (What it requires of a client that is a receiver: tests/sessions.)
"""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio

from zcp_actors.errors import CapabilityMissing, RequestCancelled
from zcp_actors.testing import scripted_server

ERA = "2025-11-25"
RELATED = "io.modelcontextprotocol/related-task"
TASKS = {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}
WITHOUT_TOOLS = {"list": {}, "cancel": {}, "requests": {}}
SUPPORT = {"never": "forbidden", "silent": None, "maybe": "optional", "must": "required"}
FORM = {"message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}}
DONE = {"content": [{"type": "text", "text": "done"}]}


def tool(name):
    support = SUPPORT[name]
    listed = {"name": name, "inputSchema": {"type": "object"}}
    return listed if support is None else {**listed, "execution": {"taskSupport": support}}


def server(tasks=TASKS, **options):
    capabilities = {"tools": {}} | ({} if tasks is None else {"tasks": tasks})
    automatic = {"tools/list": {"tools": [tool(name) for name in SUPPORT]}}
    return scripted_server(ERA, capabilities=capabilities, automatic=automatic, **options)


def task(status="working", poll=1000, **more):
    times = {"createdAt": "2025-11-25T10:00:00Z", "lastUpdatedAt": "2025-11-25T10:00:00Z"}
    return {"taskId": "t1", "status": status, "ttl": 60_000, "pollInterval": poll, **times, **more}


def result(**more):
    return {**DONE, "_meta": {RELATED: {"taskId": "t1"}}, **more}


def sent(peer, method):
    """How often the client has sent this."""
    return sum(line == f"client {method}" for line in peer.transcript.outline())


def given_up(peer):
    """Ids of the requests that the client has cancelled by a notification; one may be that of a `tasks/result`."""
    notices = [each for each in peer.untaken if each.get("method") == "notifications/cancelled"]
    return [each["params"]["requestId"] for each in notices]


class Running:
    """A call in a task of its own."""

    def __init__(self, nursery, function, *arguments, **options):
        self.scope, self.ended = trio.CancelScope(), trio.Event()
        self.value = self.error = None
        nursery.start_soon(self._run, function, arguments, options)

    async def _run(self, function, arguments, options):
        with self.scope:
            try:
                self.value = await function(*arguments, **options)
            except (RequestCancelled, CapabilityMissing) as error:
                self.error = error
        self.ended.set()


async def created(nursery, client, peer, **options):
    """A handle of the task that the server has made of a call."""
    call = Running(nursery, client.call_tool_as_task, "maybe", **options)
    request = await peer.request("tools/call")
    peer.reply(request, {"task": task()})
    await call.ended.wait()
    return call.value, request


# 1, 3, 4: only what the server has declared
@pytest.mark.parametrize("tasks", [None, {}, WITHOUT_TOOLS], ids=["no tasks", "nothing of tasks", "no tools/call"])
async def test_03_04_no_task_is_asked_for_where_the_server_has_declared_none(tasks, autojump_clock):
    """4: whatever its tools say of themselves."""
    async with server(tasks) as (client, peer):
        await client.list_tools()
        for name in SUPPORT:
            with pytest.raises(CapabilityMissing):
                await client.call_tool_as_task(name)

        assert sent(peer, "tools/call") == 0


async def test_04_a_tool_that_requires_tasks_is_called_without_where_the_server_has_declared_none(autojump_clock):
    """The server has contradicted itself; the capability counts."""
    async with server(WITHOUT_TOOLS) as (client, peer), trio.open_nursery() as nursery:
        await client.list_tools()
        call = Running(nursery, client.call_tool, "must")
        request = await peer.request("tools/call")
        peer.reply(request, DONE)
        await call.ended.wait()

        assert "task" not in request["params"]
        assert call.value.content[0].text == "done"


# 5, 6: what the tool says
@pytest.mark.parametrize("name", ["never", "silent"])
async def test_05_a_tool_that_forbids_tasks_is_never_asked_for_one(name, autojump_clock):
    async with server() as (client, peer), trio.open_nursery() as nursery:
        await client.list_tools()
        with pytest.raises(CapabilityMissing):
            await client.call_tool_as_task(name)
        call = Running(nursery, client.call_tool, name)
        request = await peer.request("tools/call")
        peer.reply(request, DONE)
        await call.ended.wait()

        assert sent(peer, "tools/call") == 1
        assert "task" not in request["params"]


async def test_06_a_tool_that_requires_tasks_is_always_called_as_one(autojump_clock):
    async with server() as (client, peer), trio.open_nursery() as nursery:
        await client.list_tools()
        call = Running(nursery, client.call_tool, "must")
        request = await peer.request("tools/call")
        peer.reply(request, {"task": task()})
        peer.reply(await peer.request("tasks/get"), task("completed"))
        peer.reply(await peer.request("tasks/result"), result())
        await call.ended.wait()

        assert request["params"]["task"].keys() <= {"ttl"}
        assert call.value.content[0].text == "done"


async def test_06_a_tool_with_optional_tasks_is_called_as_the_caller_says(autojump_clock):
    async with server() as (client, peer), trio.open_nursery() as nursery:
        await client.list_tools()
        plain = Running(nursery, client.call_tool, "maybe")
        request = await peer.request("tools/call")
        peer.reply(request, DONE)
        await plain.ended.wait()
        _, other = await created(nursery, client, peer, ttl=5000)
        nursery.cancel_scope.cancel()

        assert "task" not in request["params"]
        assert other["params"]["task"] == {"ttl": 5000}


# 13: the interval
async def test_13_polls_keep_the_interval_that_the_server_gave(autojump_clock):
    async with server() as (client, peer), trio.open_nursery() as nursery:
        await created(nursery, client, peer)
        times = []
        for _ in range(4):
            peer.reply(await peer.request("tasks/get", timeout=100), task(poll=7000))
            times.append(trio.current_time())
        nursery.cancel_scope.cancel()

        assert [later - earlier for earlier, later in pairwise(times)] == [7, 7, 7]


# 16, 17, 18: related-task
async def test_17_what_answers_a_question_of_a_task_is_told_which_task_it_is(autojump_clock):
    """A response has no params; its result may name the task, and our client lets the provider see who asks."""
    asked = []

    def person(request):
        asked.append(request)
        return {"accepted": True, "data": {}}

    async with server(elicitation_handler=person) as (client, peer), trio.open_nursery() as nursery:
        await created(nursery, client, peer)
        answer = await peer.ask("elicitation/create", {**FORM, "_meta": {RELATED: {"taskId": "t1"}}})
        nursery.cancel_scope.cancel()

    assert asked[0].meta[RELATED] == {"taskId": "t1"}
    assert answer["action"] == "accept"
    assert answer["_meta"][RELATED] == {"taskId": "t1"}


async def test_18_requests_about_a_task_carry_no_related_task(autojump_clock):
    async with server() as (client, peer), trio.open_nursery() as nursery:
        handle, _ = await created(nursery, client, peer)
        poll = await peer.request("tasks/get")
        peer.reply(poll, task())
        ending = Running(nursery, handle.cancel)
        cancel = await peer.request("tasks/cancel")
        peer.reply(cancel, task("cancelled"))
        await ending.ended.wait()
        listing = Running(nursery, client.list_tasks)
        listed = await peer.request("tasks/list")
        peer.reply(listed, {"tasks": [task("cancelled")]})
        await listing.ended.wait()

    for request in (poll, cancel, listed):
        assert RELATED not in (request.get("params") or {}).get("_meta", {})
    assert poll["params"]["taskId"] == cancel["params"]["taskId"] == "t1"


# 20: input is required
async def test_20_input_required_opens_tasks_result_once_and_polls_go_on(autojump_clock):
    """Although nobody has asked for the result yet: else a caller who only polls would wait for ever."""
    async with server(elicitation_handler=lambda _: {"accepted": True, "data": {}}) as (client, peer):
        async with trio.open_nursery() as nursery:
            await created(nursery, client, peer)
            for _ in range(3):
                peer.reply(await peer.request("tasks/get", timeout=100), task("input_required"))
            payload = await peer.request("tasks/result")
            await peer.ask("elicitation/create", {**FORM, "_meta": {RELATED: {"taskId": "t1"}}})
            peer.reply(payload, result())
            nursery.cancel_scope.cancel()

        assert sent(peer, "tasks/result") == 1


@pytest.mark.parametrize("learnt", ["by a poll", "by a notification"])
async def test_20_it_does_not_matter_how_the_client_learns_of_it(learnt, autojump_clock):
    async with server() as (client, peer), trio.open_nursery() as nursery:
        await created(nursery, client, peer)
        if learnt == "by a notification":
            peer.notify("notifications/tasks/status", task("input_required"))
        else:
            peer.reply(await peer.request("tasks/get"), task("input_required"))
        payload = await peer.request("tasks/result")
        nursery.cancel_scope.cancel()

    assert payload["params"]["taskId"] == "t1"


# 21: notifications are news, not the truth
async def test_21_a_task_is_followed_to_its_end_without_any_notification(autojump_clock):
    async with server() as (client, peer), trio.open_nursery() as nursery:
        handle, _ = await created(nursery, client, peer)
        peer.reply(await peer.request("tasks/get"), task())
        peer.reply(await peer.request("tasks/get", timeout=100), task("completed"))
        waiting = Running(nursery, handle.result)
        peer.reply(await peer.request("tasks/result"), result())
        await waiting.ended.wait()

    assert waiting.value.content[0].text == "done"


async def test_21_a_notification_of_a_task_nobody_knows_harms_nothing(autojump_clock):
    async with server() as (client, peer), trio.open_nursery() as nursery:
        handle, _ = await created(nursery, client, peer)
        peer.notify("notifications/tasks/status", {**task("completed"), "taskId": "another"})
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert handle.status == "working"


# 22: cursors are the server's
async def test_22_a_cursor_goes_back_as_it_came(autojump_clock):
    cursor = "eyJ0IjogIjEifQ=="
    async with server() as (client, peer), trio.open_nursery() as nursery:
        listing = Running(nursery, client.list_tasks)
        peer.reply(await peer.request("tasks/list"), {"tasks": [task()], "nextCursor": cursor})
        await listing.ended.wait()
        nursery.start_soon(lambda: client.list_tasks(cursor=listing.value.next_cursor))
        second = await peer.request("tasks/list")
        peer.reply(second, {"tasks": []})

    assert second["params"]["cursor"] == cursor


# 27: how a task is cancelled
async def test_27_a_task_is_cancelled_by_tasks_cancel_and_nothing_else(autojump_clock):
    async with server() as (client, peer), trio.open_nursery() as nursery:
        handle, request = await created(nursery, client, peer)
        waiting = Running(nursery, handle.result)
        ending = Running(nursery, handle.cancel)
        peer.reply(await peer.request("tasks/cancel"), task("cancelled"))
        await ending.ended.wait()
        await waiting.ended.wait()
        nursery.cancel_scope.cancel()

        assert (handle.status, type(waiting.error)) == ("cancelled", RequestCancelled)
        assert request["id"] not in given_up(peer)


async def test_27_a_call_that_waits_for_its_task_cancels_the_task_when_it_is_cancelled(autojump_clock):
    async with server() as (client, peer), trio.open_nursery() as nursery:
        await client.list_tools()
        call = Running(nursery, client.call_tool, "must")
        request = await peer.request("tools/call")
        peer.reply(request, {"task": task()})
        peer.reply(await peer.request("tasks/get"), task())
        call.scope.cancel()
        cancel = await peer.request("tasks/cancel")
        peer.reply(cancel, task("cancelled"))
        await call.ended.wait()

        assert cancel["params"]["taskId"] == "t1"
        assert request["id"] not in given_up(peer)


async def test_27_a_task_that_is_made_for_a_caller_who_left_is_cancelled(autojump_clock):
    """The request is in flight when its caller is cancelled, and the server had made the task already."""
    async with server() as (client, peer), trio.open_nursery() as nursery:
        call = Running(nursery, client.call_tool_as_task, "maybe")
        request = await peer.request("tools/call")
        call.scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        peer.reply(request, {"task": task()})
        cancel = await peer.request("tasks/cancel")
        peer.reply(cancel, task("cancelled"))
        await call.ended.wait()

    assert cancel["params"]["taskId"] == "t1"


# 28: progress
async def test_28_progress_is_heard_under_the_token_of_the_call_until_the_task_ends(autojump_clock):
    heard = []
    async with server() as (client, peer), trio.open_nursery() as nursery:
        handle, request = await created(nursery, client, peer, on_progress=heard.append)
        peer.progress(request, 1, 3)
        peer.progress(request, 2, 3)
        await trio.testing.wait_all_tasks_blocked()
        peer.reply(await peer.request("tasks/get"), task("completed"))
        await trio.testing.wait_all_tasks_blocked()
        peer.progress(request, 3, 3)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()

    assert [report.progress for report in heard] == [1, 2]
    assert handle.status == "completed"


async def test_28_two_tasks_have_two_tokens(autojump_clock):
    async with server() as (client, peer), trio.open_nursery() as nursery:
        _, first = await created(nursery, client, peer, on_progress=print)
        call = Running(nursery, client.call_tool_as_task, "maybe", on_progress=print)
        second = await peer.request("tools/call")
        peer.reply(second, {"task": {**task(), "taskId": "t2"}})
        await call.ended.wait()
        nursery.cancel_scope.cancel()

    tokens = {request["params"]["_meta"]["progressToken"] for request in (first, second)}
    assert len(tokens) == 2


# 14, 29: outcomes
async def test_29_a_failed_task_with_a_result_gives_the_tools_own_failure(autojump_clock):
    async with server() as (client, peer), trio.open_nursery() as nursery:
        handle, _ = await created(nursery, client, peer)
        peer.reply(await peer.request("tasks/get"), task("failed", statusMessage="cold"))
        waiting = Running(nursery, handle.result)
        peer.reply(await peer.request("tasks/result"), result(isError=True))
        await waiting.ended.wait()

    assert waiting.value.is_error
    assert handle.view.status_message == "cold"
