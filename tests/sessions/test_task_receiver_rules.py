"""
A server's question that is sent as a task: the client is the receiver. What is told, listed, cancelled and bounded.

The numbers are those of the requirements of MCP 2025-11-25 basic/utilities/tasks in the order of its sections; up to 13
they are in `test_task_receiver`.
"""

from __future__ import annotations

import pytest
import trio
from receiver_world import FORM, PROMPT, Server, asked
from session_world import STATEFUL, assert_empty

from zcp_actors import Inbox, ZCPClientSession, open_runtime
from zcp_actors.errors import INVALID_PARAMS, OVERLOADED
from zcp_actors.ports import NullRecorder
from zcp_actors.protocol import client_tasks
from zcp_actors.protocol.client_tasks import PAGE
from zcp_actors.testing.scripted_server import ScriptedServer, scripted_server
from zcp_actors.wire.meta_keys import RELATED_TASK


class Transitions(NullRecorder):
    """Keeps what became of tasks."""

    enabled = True

    def __init__(self) -> None:
        self.heard = []

    def transition(self, subject, path, old, new, **facts):
        if subject in ("task", "task request"):
            self.heard.append((path.rpartition("/")[2], old, new, facts))


# ---- 15 to 18, 21: messages
async def test_a_result_blocks_until_the_end_while_others_are_answered(autojump_clock):
    """15, 16; and several may wait."""
    async with asked() as server:
        id = (await server.elicit())["taskId"]
        waiting = [server.peer.start("tasks/result", {"taskId": id}) for _ in range(3)]
        await trio.sleep(3600)
        assert (await server.get(id))["status"] == "working"
        assert await server.peer.ask("ping") == {}
        await server.peer.expect_none()

        server.answer({"n": 3})
        replies = [await server.peer.answer_to(each) for each in waiting]

    expected = {"action": "accept", "content": {"n": 3}, "_meta": {RELATED_TASK: {"taskId": id}}}
    assert [reply["result"] for reply in replies] == [expected] * 3


async def test_what_names_its_task_itself_has_no_related_task(autojump_clock):
    """18, 21: get, list, cancel and notifications; the create result has it, as every other message of the task."""
    async with asked() as server:
        created = await server.peer.ask("elicitation/create", {**FORM, "task": {}})
        id = created["task"]["taskId"]
        told = [await server.get(id), await server.peer.ask("tasks/list"), await server.cancel(id)]
        notice = (await server.peer.notification("notifications/tasks/status"))["params"]

    assert created["_meta"] == {RELATED_TASK: {"taskId": id}}
    assert [each for each in [*told, *told[1]["tasks"], notice] if "_meta" in each] == []


async def test_related_task_in_a_request_about_a_task_is_ignored(autojump_clock):
    """18: `taskId` is the source of truth."""
    async with asked() as server:
        first, second = (await server.elicit())["taskId"], (await server.elicit())["taskId"]
        meta = {"_meta": {RELATED_TASK: {"taskId": second}}}

        assert (await server.peer.ask("tasks/get", {"taskId": first, **meta}))["taskId"] == first
        assert (await server.peer.ask("tasks/cancel", {"taskId": first, **meta}))["taskId"] == first
        assert (await server.get(second))["status"] == "working"


async def test_an_answer_to_a_question_within_a_task_of_the_server_names_that_task(autojump_clock):
    """17: responses, too."""
    related = {RELATED_TASK: {"taskId": "theirs"}}
    async with asked(elicitation_handler=lambda _: {"n": 1}, sampling_handler=lambda _: "x") as server:
        answers = [
            await server.peer.ask("elicitation/create", {**FORM, "_meta": related}),
            await server.peer.ask("sampling/createMessage", {**PROMPT, "_meta": related}),
            await server.peer.ask("elicitation/create", FORM),
        ]

    assert [answer.get("_meta") for answer in answers] == [related, related, None]


async def test_the_result_of_a_task_names_that_task_even_within_one_of_the_server(autojump_clock):
    """16."""
    async with asked(elicitation_handler=lambda _: {"n": 1}) as server:
        id = (await server.elicit(_meta={RELATED_TASK: {"taskId": "theirs"}}))["taskId"]
        result = await server.result(id)

    assert result["_meta"] == {RELATED_TASK: {"taskId": id}}


async def test_a_notification_is_the_whole_task(autojump_clock):
    """21."""
    async with asked() as server:
        id = (await server.elicit())["taskId"]
        server.answer({"n": 1})
        notice = (await server.peer.notification("notifications/tasks/status"))["params"]

        assert notice == await server.get(id)


# ---- 22, 23: the list
async def test_the_list_is_in_pages_each_task_once_in_the_order_of_creation(autojump_clock):
    """22, 23."""
    async with asked() as server:
        ids = [(await server.elicit())["taskId"] for _ in range(2 * PAGE + 1)]
        pages, cursor = [], {}
        while cursor is not None:
            page = await server.peer.ask("tasks/list", cursor)
            pages.append([task["taskId"] for task in page["tasks"]])
            cursor = {"cursor": page["nextCursor"]} if "nextCursor" in page else None

    assert [len(page) for page in pages] == [PAGE, PAGE, 1]
    assert [id for page in pages for id in page] == ids


async def test_a_page_that_is_exactly_full_is_the_last(autojump_clock):
    """22."""
    async with asked() as server:
        for _ in range(PAGE):
            await server.elicit()

        assert "nextCursor" not in await server.peer.ask("tasks/list")


async def test_a_cursor_outlives_the_task_that_it_was_given_after(autojump_clock):
    """22: what expires between two pages loses nothing else."""
    async with asked() as server:
        for _ in range(PAGE):
            await server.elicit({"ttl": 1000})
        last = (await server.elicit())["taskId"]
        cursor = (await server.peer.ask("tasks/list"))["nextCursor"]
        await trio.sleep(2)

        assert [task["taskId"] for task in (await server.peer.ask("tasks/list", {"cursor": cursor}))["tasks"]] == [last]


@pytest.mark.parametrize("bad", ["", "1", "x" * 16, "!" * 16, "\u00e9" * 16, "A" * 100_000])
async def test_a_cursor_that_was_not_given_is_refused(bad, autojump_clock):
    """22, 26."""
    async with asked() as server:
        for _ in range(PAGE + 1):
            await server.elicit()

        assert (await server.refusal("tasks/list", {"cursor": bad})).code == INVALID_PARAMS


async def test_a_cursor_with_one_character_changed_is_refused(autojump_clock):
    async with asked() as server:
        for _ in range(PAGE + 1):
            await server.elicit()
        cursor = (await server.peer.ask("tasks/list"))["nextCursor"]
        changed = [cursor[:i] + other + cursor[i + 1 :] for i in range(16) for other in "AZ-" if cursor[i] != other]

        assert {(await server.refusal("tasks/list", {"cursor": each})).code for each in changed} == {INVALID_PARAMS}


# ---- 24 to 27: cancelling
async def test_a_cancel_stops_the_work_before_it_is_answered(autojump_clock):
    """25."""
    stopped = []

    async def model(request):
        try:
            await trio.sleep_forever()
        finally:
            stopped.append(trio.current_time())

    async with asked(sampling_handler=model) as server:
        id = (await server.sample())["taskId"]
        await trio.sleep(1)
        answer = await server.cancel(id)

        assert (answer["taskId"], answer["status"]) == (id, "cancelled")
        assert await server.changes() == [(id, "cancelled")]
        assert stopped == [1]
        assert server.runtime.pending() == ()
        assert (await server.get(id))["status"] == "cancelled"


async def test_a_cancel_withdraws_the_question_with_its_reason(autojump_clock):
    async with asked() as server:
        id = (await server.elicit())["taskId"]
        (pending,) = server.runtime.pending()
        answer = await server.peer.ask("tasks/cancel", {"taskId": id, "reason": "no time"})

        assert answer["statusMessage"] == "cancelled by the server: no time"
        assert (pending.status.value, pending.decided_by) == ("cancelled", "server")
        assert pending.reason == "cancelled by the server: no time"


async def test_a_cancelled_task_has_no_result_for_those_who_wait_and_those_who_ask_later(autojump_clock):
    async with asked() as server:
        id = (await server.elicit())["taskId"]
        waiting = server.peer.start("tasks/result", {"taskId": id})
        await server.cancel(id)
        error = (await server.peer.answer_to(waiting))["error"]
        later = await server.refusal("tasks/result", {"taskId": id})

    assert (later.code, later.message) == (error["code"], error["message"])
    assert "cancelled by the server" in later.message


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_what_has_ended_cannot_be_cancelled(end, autojump_clock):
    """10, 24."""
    async with asked() as server:
        id = (await server.sample())["taskId"]
        (pending,) = server.runtime.pending()
        if end == "cancelled":
            await server.cancel(id)
        elif end == "failed":
            server.runtime.decline(pending.id)
        else:
            server.answer("text")
        error = await server.refusal("tasks/cancel", {"taskId": id})

        assert (error.code, end in error.message) == (INVALID_PARAMS, True)
        assert (await server.get(id))["status"] == end
        assert await server.changes() == [(id, end)]


@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel"])
@pytest.mark.parametrize("params", [{"taskId": "x" * 32}, {"taskId": 7}, {}, None])
async def test_an_id_that_is_none_is_refused(method, params, autojump_clock):
    """26."""
    async with asked() as server:
        assert (await server.refusal(method, params)).code == INVALID_PARAMS


async def test_notifications_cancelled_ends_no_task(autojump_clock):
    """27: neither by the id of the question, nor by that of a request that waits for the result."""
    async with asked() as server:
        question = server.peer.start("elicitation/create", {**FORM, "task": {}})
        id = (await server.peer.answer_to(question))["result"]["task"]["taskId"]
        waiting = server.peer.start("tasks/result", {"taskId": id})
        server.peer.cancel(question)
        server.peer.cancel(waiting)
        await trio.sleep(1)

        assert (await server.get(id))["status"] == "working"
        server.answer({"n": 1})
        assert await server.changes() == [(id, "completed")]
        await server.peer.expect_none()
        assert (await server.result(id))["action"] == "accept"


# ---- 30, 32: whose, and how many
async def test_the_task_of_one_server_is_not_there_for_another(autojump_clock):
    """30: a session is with one server, and a task is bound to its session."""
    async with asked() as one, scripted_server(STATEFUL, elicitation_handler=Inbox()) as (client, peer):
        id = (await one.elicit())["taskId"]
        other = Server(client, peer, one.runtime)

        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            assert (await other.refusal(method, {"taskId": id})).code == INVALID_PARAMS
        assert (await peer.ask("tasks/list"))["tasks"] == []
        assert (await one.get(id))["status"] == "working"


async def test_too_many_tasks_are_refused_until_one_ends(autojump_clock, monkeypatch):
    """32."""
    monkeypatch.setattr(client_tasks, "MAX_TASKS", 3)
    async with asked() as server:
        ids = [(await server.elicit())["taskId"] for _ in range(3)]
        error = await server.refusal("elicitation/create", {**FORM, "task": {}})

        assert error.code == OVERLOADED
        assert len(server.runtime.pending()) == 3
        await server.cancel(ids[1])
        await server.elicit()
        assert (await server.refusal("tasks/get", {"taskId": ids[1]})).code == INVALID_PARAMS


async def test_a_result_that_was_not_fetched_is_not_forgotten_for_a_new_task(autojump_clock, monkeypatch):
    """32, 13."""
    monkeypatch.setattr(client_tasks, "MAX_TASKS", 2)
    async with asked(sampling_handler=lambda _: "short") as server:
        first, second = [(await server.sample())["taskId"] for _ in range(2)]
        assert (await server.refusal("sampling/createMessage", {**PROMPT, "task": {}})).code == OVERLOADED

        await server.result(second)
        await server.sample()
        assert (await server.result(first))["model"] == "unknown"
        assert (await server.refusal("tasks/get", {"taskId": second})).code == INVALID_PARAMS


async def test_requests_that_wait_are_bounded(autojump_clock, monkeypatch):
    """32."""
    monkeypatch.setattr(client_tasks, "MAX_WAITING", 2)
    async with asked() as server:
        id = (await server.elicit())["taskId"]
        waiting = [server.peer.start("tasks/result", {"taskId": id}) for _ in range(2)]
        assert (await server.refusal("tasks/result", {"taskId": id})).code == OVERLOADED

        server.peer.cancel(waiting[0])
        third = server.peer.start("tasks/result", {"taskId": id})
        server.answer({"n": 1})
        assert [(await server.peer.answer_to(each))["result"]["action"] for each in (waiting[1], third)] == [
            "accept"
        ] * 2


async def test_what_becomes_of_tasks_is_recorded(autojump_clock):
    """32: creation, retrieval and end, with whose they are; no contents."""
    heard = Transitions()
    async with asked(recorder=heard, name="desk") as server:
        first = (await server.elicit({"ttl": 5000}))["taskId"]
        second = (await server.sample({"ttl": 9000}))["taskId"]
        third = (await server.elicit({"ttl": 7000}))["taskId"]
        await server.cancel(second)
        server.runtime.answer(server.runtime.pending()[0].id, {"n": 1})
        await server.result(first)
        await trio.sleep(10)

    form = {"method": "elicitation/create", "target": "", "backend": "desk", "reason": "", "by": "task"}
    prompt = {**form, "method": "sampling/createMessage", "id": second, "ttl": 9.0}
    assert heard.heard == [
        ("task-1", "", "working", {**form, "id": first, "ttl": 5.0}),
        ("task-2", "", "working", prompt),
        ("task-3", "", "working", {**form, "id": third, "ttl": 7.0}),
        ("task-2", "working", "cancelled", {**prompt, "reason": "cancelled by the server", "by": "requestor"}),
        ("task-1", "working", "completed", {**form, "id": first, "ttl": 5.0}),
        ("task-1", "completed", "result asked for", {"id": first, "backend": "desk"}),
        (
            "task-3",
            "working",
            "cancelled",
            {**form, "id": third, "ttl": 7.0, "reason": "its task has expired", "by": "receiver"},
        ),
    ]


# ---- the end of the session
@pytest.mark.parametrize("how", ["we close", "it closes", "it breaks"])
async def test_the_end_of_the_session_withdraws_everything(how, autojump_clock):
    async with open_runtime(grace=1.0) as runtime:
        async with scripted_server(STATEFUL, elicitation_handler=Inbox(), sampling_handler=Inbox()) as (client, peer):
            server = Server(client, peer, runtime)
            await server.elicit()
            peer.start("tasks/result", {"taskId": (await server.sample())["taskId"]})
            pending = runtime.pending()
            {"we close": lambda: None, "it closes": peer.close, "it breaks": peer.drop}[how]()
            if how == "we close":
                await client.close()
            await trio.testing.wait_all_tasks_blocked()

            assert {each.status.value for each in pending} == {"cancelled"}
            assert {each.decided_by for each in pending} == {"server"}
            assert runtime.pending() == ()
        await assert_empty(runtime)


async def test_the_tasks_of_a_lost_connection_are_gone_from_the_next(autojump_clock):
    """A handshake begins another session; what the old one asked has nobody to go to."""
    async with open_runtime(grace=1.0) as runtime:
        peer = ScriptedServer(STATEFUL, reconnects=True)
        client = await runtime.connect(ZCPClientSession(peer, era=STATEFUL, elicitation_handler=Inbox()))
        server = Server(client, peer, runtime)
        id = (await server.elicit())["taskId"]
        (old,) = runtime.pending()
        peer.drop()
        await trio.sleep(30)

        assert peer.connections == 2
        assert old.status.value == "cancelled"
        assert (await server.refusal("tasks/get", {"taskId": id})).code == INVALID_PARAMS
        again = (await server.elicit())["taskId"]
        server.answer({"n": 1})
        assert (await server.result(again))["action"] == "accept"
        await client.close()
        await assert_empty(runtime)
