"""
Several server processes on one file of tasks: whoever is asked answers, whoever runs a task obeys, and one runs it.

Real processes over stdio and HTTP (`programs/task_server.py`), spoken to in raw messages of either revision.
Sources: `ports.TaskStore`; MCP 2025-11-25 basic/utilities/tasks; SEP-2663.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time

import pytest
import trio
from raw_peer import PREFIX, STATEFUL, STATELESS
from task_servers import LEASE, UNCERTAIN, open_world, refusal

from zcp_actors.errors import INVALID_PARAMS

HEARD_SECONDS = 0.25
"""Within which another process hears of a write (`ports.TaskStore.watch`)."""

SCHEDULING_SECONDS = 1.0
"""What two shared cores may add to any measured time."""

BOTH = pytest.mark.parametrize("era", [STATEFUL, STATELESS])
WAYS = pytest.mark.parametrize("way", ["stdio", "http"])


@pytest.fixture
async def world(tmp_path):
    async with open_world(tmp_path) as world:
        yield world


async def questions(peer, id):
    """The open questions of a task as `tasks/get` of 2026 has them, when there are any."""
    return (await peer.status(id, "input_required"))["inputRequests"]


def said(word):
    return {"action": "accept", "content": {"word": word}}


# ---- whoever is asked answers
@WAYS
async def test_a_process_that_does_not_run_a_task_tells_of_it_and_wakes_who_waits_in_2025(world, way):
    holder, other = await world.servers(STATEFUL, STATEFUL, way=way)
    id = await holder.create("wait", name="g")

    assert (await other.get(id))["status"] == "working"
    assert [each["taskId"] for each in (await other.ask("tasks/list"))["tasks"]] == [id]
    await world.deed("g", "waits")
    waiter = await other.begin("tasks/result", {"taskId": id})
    world.open_gate("g")
    await other.until(lambda: waiter in other._replies)

    assert other._replies[waiter]["result"]["content"][0]["text"] == "g through"
    assert (await holder.get(id))["status"] == (await other.get(id))["status"] == "completed"
    assert (await holder.result(id))["content"] == (await other.result(id))["content"]
    assert len(world.deeds("g", "after")) == 1


@WAYS
async def test_a_process_that_does_not_run_a_task_tells_of_it_and_of_its_changes_in_2026(world, way):
    holder, other = await world.servers(STATELESS, STATELESS, way=way)
    id = await holder.create("wait", name="g")
    assert (await other.get(id))["status"] == "working"

    listening = await other.begin("subscriptions/listen", {"notifications": {"taskIds": [id, "nobody's"]}})
    await other.until(lambda: other.notifications)
    assert other.notifications[0]["params"]["notifications"]["taskIds"] == [id]
    assert await other.ask("tasks/update", {"taskId": id, "inputResponses": {}})
    await world.deed("g", "waits")
    world.open_gate("g")

    def told():
        return [each["params"] for each in other.notifications if each["method"] == "notifications/tasks"]

    await other.until(lambda: told() and told()[-1]["status"] == "completed")
    assert [(each["taskId"], each["status"]) for each in told()] == [(id, "working"), (id, "completed")]
    assert {each["_meta"][f"{PREFIX}subscriptionId"] for each in told()} == {listening}
    assert told()[-1]["result"]["content"][0]["text"] == "g through"
    assert (await holder.get(id))["result"] == (await other.get(id))["result"]


@BOTH
async def test_what_is_nowhere_in_the_file_is_unknown_everywhere(world, era):
    one, other = await world.server(era), await world.server(era, app="Elsewhere")
    id = await one.create("quick", name="q")
    await one.status(id, "completed")

    methods = ["tasks/get", "tasks/cancel"] + (["tasks/result"] if era == STATEFUL else [])
    for method in methods:
        assert (await refusal(one.ask(method, {"taskId": "nobody's"}))).code == INVALID_PARAMS
        assert (await refusal(other.ask(method, {"taskId": id}))).code == INVALID_PARAMS, "another app's task"


# ---- whoever runs a task obeys
@WAYS
@BOTH
async def test_a_cancel_at_another_process_stands_at_once_and_ends_the_handler(world, era, way):
    """2025-11-25: a receiver must set `cancelled` before it answers."""
    holder, other = await world.servers(era, era, way=way)
    id = await holder.create("wait", name="g")
    await world.deed("g", "waits")

    cancelled = await other.cancel(id)
    replied = time.monotonic()
    at_holder = await holder.get(id)
    ended = await world.deed("g", "cut short")
    world.open_gate("g")

    assert cancelled.get("status", "cancelled") == at_holder["status"] == (await other.get(id))["status"] == "cancelled"
    assert ended["at"] - replied < HEARD_SECONDS + SCHEDULING_SECONDS
    assert world.deeds("g", "after") == []


async def test_a_task_that_was_cancelled_at_one_process_cannot_be_cancelled_again_at_any(world):
    holder, other = await world.servers(STATEFUL, STATEFUL)
    id = await holder.create("wait", name="g")
    await world.deed("g", "waits")
    await other.cancel(id)

    assert (await refusal(holder.cancel(id))).code == INVALID_PARAMS
    assert (await refusal(other.cancel(id))).code == INVALID_PARAMS
    assert "cancelled" in (await refusal(holder.result(id))).message


async def test_cancels_reach_handlers_in_other_processes_within_what_is_promised(world):
    """Of ten cancels the median: 250 ms, and as much for the scheduling of a busy machine."""
    holder, other = await world.servers(STATEFUL, STATEFUL)
    ids = {f"g{n}": await holder.create("wait", name=f"g{n}") for n in range(10)}
    delays = []
    for name, id in ids.items():
        await world.deed(name, "waits")
        await other.cancel(id)
        replied = time.monotonic()
        delays.append((await world.deed(name, "cut short"))["at"] - replied)

    assert sorted(delays)[5] < 2 * HEARD_SECONDS, delays


@WAYS
async def test_questions_of_a_task_reach_a_client_at_another_process_and_its_answers_the_handler(world, way):
    holder, other = await world.servers(STATEFUL, STATEFUL, way=way)
    id = await holder.create("ask", name="x", count=2)
    waiter = await other.begin("tasks/result", {"taskId": id})

    for n in range(2):
        question = await other.until(lambda n=n: other.questions[n:] and other.questions[n])
        assert question["params"]["message"] == f"x {n}"
        assert question["params"]["_meta"][f"{PREFIX}related-task"] == {"taskId": id}
        await other.reply(question, said(f"word{n}"))
    await other.until(lambda: waiter in other._replies)

    assert other._replies[waiter]["result"]["content"][0]["text"] == "word0 word1"
    assert [(deed["what"], deed["n"]) for deed in world.deeds("x")] == [
        ("begun", 0),
        ("got", 0),
        ("effect", 0),
        ("got", 1),
        ("effect", 1),
        ("done", 0),
    ]
    if way == "stdio":  # where its own client was asked as well, what another process's client answered is withdrawn
        withdrawn = [
            each["params"]["requestId"] for each in holder.notifications if each["method"].endswith("cancelled")
        ]
        assert withdrawn == [each["id"] for each in holder.questions]


@WAYS
async def test_answers_that_are_written_at_another_process_reach_the_handler_and_are_asked_for_nowhere_again(
    world, way
):
    holder, other = await world.servers(STATELESS, STATELESS, way=way)
    id = await holder.create("ask", name="x", count=3)

    for n in range(3):
        asked = await questions(other, id)
        while f"question-{n}" not in asked:
            asked = await questions(other, id)
        assert asked[f"question-{n}"]["params"]["message"] == f"x {n}"
        await other.ask("tasks/update", {"taskId": id, "inputResponses": {f"question-{n}": said(f"word{n}")}})
        for peer in (holder, other):
            assert f"question-{n}" not in (await peer.get(id)).get("inputRequests", {})

    assert (await other.result(id))["content"][0]["text"] == "word0 word1 word2"
    assert len(world.deeds("x", "begun")) == 1


async def test_a_task_of_one_revision_is_answered_cancelled_and_read_in_the_other_at_another_process(world):
    older, newer = await world.servers(STATEFUL, STATELESS)
    asked, cancelled = await older.create("ask", name="x", count=1), await newer.create("wait", name="g")

    await questions(newer, asked)
    await newer.ask("tasks/update", {"taskId": asked, "inputResponses": {"question-0": said("yes")}})
    await older.cancel(cancelled)

    assert (await older.result(asked))["content"][0]["text"] == "yes"
    assert (await newer.get(asked))["result"]["content"][0]["text"] == "yes"
    assert (await newer.get(cancelled))["status"] == "cancelled"


# ---- one runs it at a time
async def test_a_process_takes_over_only_tasks_of_its_own_app_whose_handler_it_has(world):
    holder = await world.server(STATEFUL)
    gated, asking = await holder.create("wait", name="g"), await holder.create("ask", name="x", count=1)
    await world.deed("g", "waits")
    await world.deed("x", "begun")
    holder.process.kill()

    await world.server(STATEFUL, app="Elsewhere")
    asker = await world.server(STATEFUL, tools="ask")
    # Both leases lapse together, so whoever takes the one passes over the other.
    taken = await world.deed("x", "begun", count=2)
    assert taken["pid"] == asker.process.pid
    assert (await asker.get(gated))["status"] == "working"
    assert len(world.deeds("g", "begun")) == 1

    whole = await world.server(STATEFUL)
    world.open_gate("g")
    assert (await whole.result(gated))["content"][0]["text"] == "g through"
    assert [deed["pid"] for deed in world.deeds("g", "begun")] == [holder.process.pid, whole.process.pid]
    assert [deed["pid"] for deed in world.deeds("g", "before")] == [holder.process.pid], "recorded: done once"
    assert (await asker.get(asking))["status"] == "input_required"


@BOTH
async def test_a_task_of_a_killed_process_that_is_not_run_again_fails_and_says_why(world, era):
    """R85: an honest `failed`, never an unknown id; and never `working` for ever (R83)."""
    holder, other = await world.servers(era, era)
    id = await holder.create("brittle", name="b")
    await world.deed("b", "begun")
    holder.process.kill()
    killed = time.monotonic()
    failed = await other.status(id, "failed")

    assert time.monotonic() - killed < LEASE * 4 / 3 + SCHEDULING_SECONDS
    assert "server stopped" in failed["statusMessage"]
    assert len(world.deeds("b", "begun")) == 1


async def test_whoever_waits_at_another_process_is_told_of_a_failure_after_a_kill(world):
    holder, other = await world.servers(STATEFUL, STATEFUL)
    id = await holder.create("brittle", name="b")
    await world.deed("b", "begun")
    waiter = await other.begin("tasks/result", {"taskId": id})
    holder.process.kill()
    await other.until(lambda: waiter in other._replies)

    assert "server stopped" in other._replies[waiter]["error"]["message"]


class Stopped:
    """A process that does nothing inside the block, and does not know it."""

    def __init__(self, world, peer):
        self.store, self.pid = world.store, peer.process.pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        while self._holds_the_file():  # it would stop everybody who writes, which SQLite can do nothing about
            os.kill(self.pid, signal.SIGCONT)
            time.sleep(0.02)
            os.kill(self.pid, signal.SIGSTOP)

    def _holds_the_file(self):
        connection = sqlite3.connect(self.store, timeout=0.2, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
        finally:
            connection.close()
        return False

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


async def test_a_holder_that_was_stopped_past_its_lease_writes_nothing_and_does_nothing_more(world):
    holder, other = await world.servers(STATEFUL, STATEFUL)
    id = await holder.create("wait", name="g")
    await world.deed("g", "waits")

    with Stopped(world, holder):
        taken = await world.deed("g", "begun", count=2)
        assert taken["pid"] == other.process.pid
        before = world.row(id)
        world.open_gate("g")  # the stopped one finds it open, too, as soon as it goes on
        await world.deed("g", "done")
        assert (await other.result(id))["content"][0]["text"] == "g through"
        ended = world.row(id)
    await world.deed("g", "cut short")

    assert before[1] == 2
    assert world.row(id) == ended
    assert [deed["pid"] for deed in world.deeds("g", "after")] == [other.process.pid]
    assert [deed["pid"] for deed in world.deeds("g", "done")] == [other.process.pid]
    assert (await holder.get(id))["status"] == "completed"


async def test_a_holder_that_wakes_while_another_runs_its_task_leaves_it_to_that_one(world):
    holder, other = await world.servers(STATEFUL, STATEFUL)
    id = await holder.create("wait", name="g")
    await world.deed("g", "waits")

    with Stopped(world, holder):
        await world.deed("g", "begun", count=2)
        taken = world.row(id)
    assert (await world.deed("g", "cut short"))["pid"] == holder.process.pid
    assert (await holder.get(id))["status"] == "working"
    assert world.row(id) == taken

    world.open_gate("g")
    assert (await holder.result(id))["content"][0]["text"] == "g through"
    assert [deed["pid"] for deed in world.deeds("g", "after")] == [other.process.pid]


async def test_a_stopped_holder_whom_nobody_replaces_goes_on_with_its_task(world):
    """Its lease lapsed, and whatever it does about that, the task ends: nothing works for ever."""
    holder = await world.server(STATEFUL)
    id = await holder.create("wait", name="g")
    await world.deed("g", "waits")

    with Stopped(world, holder):
        await trio.sleep(2 * LEASE)
        world.open_gate("g")

    assert (await holder.result(id))["content"][0]["text"] == "g through"
    assert len(world.deeds("g", "before")) == len(world.deeds("g", "after")) == 1


@BOTH
async def test_an_effect_that_a_kill_cut_short_is_not_repeated_and_its_task_says_so(world, era):
    holder, other = await world.servers(era, era)
    id = await holder.create("press", name="p")
    await world.deed("p", "effect")
    holder.process.kill()
    world.open_gate("p")
    ended = await other.status(id, "failed")

    assert ended["status"] == "failed"
    told = ended["error"]["message"] if era == STATELESS else (await refusal(other.result(id))).message
    assert UNCERTAIN.search(told)
    assert len(world.deeds("p", "effect")) == 1


async def test_an_effect_that_outlasts_its_lease_is_not_recorded_by_the_one_who_lost_it(world):
    holder, other = await world.servers(STATEFUL, STATEFUL)
    id = await holder.create("press", name="p")
    await world.deed("p", "effect")
    with Stopped(world, holder):
        ended = await other.status(id, "failed")
        row = world.row(id)
    await world.deed("p", "cut short", count=2)
    world.open_gate("p")

    assert ended["status"] == "failed"
    assert UNCERTAIN.search((await refusal(holder.result(id))).message)
    assert world.row(id) == row
    assert [deed["pid"] for deed in world.deeds("p", "effect")] == [holder.process.pid]
    assert world.deeds("p", "effect over") == []


# ---- whose it is
async def test_a_task_is_its_requestors_at_every_process_and_to_others_not_there(world):
    """R87: another one's id is answered as an unknown one. The requestor is told by the transport, not by a session."""
    here, there = await world.http_server(), await world.http_server()
    ann, ann_there = await world.peer(here, STATEFUL), await world.peer(there, STATELESS)
    bob, bob_there = await world.peer(there, STATEFUL, "bob"), await world.peer(here, STATELESS, "bob")
    id = await ann.create("ask", name="x", count=1)
    asked = await questions(ann_there, id)

    for peer, method in [(bob, "tasks/get"), (bob, "tasks/cancel"), (bob, "tasks/result"), (bob_there, "tasks/cancel")]:
        known, unknown = [await refusal(peer.ask(method, {"taskId": each})) for each in (id, "nobody's")]
        assert (known.code, known.message) == (unknown.code, unknown.message.replace("nobody's", id).replace('"', "'"))
    answers = {"taskId": id, "inputResponses": {key: said("no") for key in asked}}
    assert (await refusal(bob_there.ask("tasks/update", answers))).code == INVALID_PARAMS
    assert (await bob.ask("tasks/list"))["tasks"] == []

    await ann_there.ask("tasks/update", {"taskId": id, "inputResponses": {key: said("yes") for key in asked}})
    assert (await ann.result(id))["content"][0]["text"] == "yes"


@BOTH
async def test_after_a_restart_a_new_connection_of_the_same_requestor_finds_its_tasks(world, era):
    """R81, R82: by the requestor, not by the session; and what was acknowledged is there."""
    first = await world.peer(await world.http_server(), era)
    ended, gated = await first.create("quick", name="q"), await first.create("wait", name="g")
    result = await first.result(ended)
    os.kill((await world.deed("g", "waits"))["pid"], signal.SIGKILL)

    second = await world.peer(await world.http_server(), era)
    assert (await second.get(gated))["status"] == "working"
    world.open_gate("g")
    assert await second.result(ended) == result
    assert (await second.result(gated))["content"][0]["text"] == "g through"
    assert len(world.deeds("q", "done")) == len(world.deeds("g", "before")) == 1


async def test_a_process_that_ends_in_good_order_gives_its_tasks_back_before_their_lease_lapses(world):
    holder, other = await world.servers(STATEFUL, STATEFUL, lease=6)
    id = await holder.create("wait", name="g")
    await world.deed("g", "waits")
    left = time.monotonic()
    await holder.process.stdin.aclose()
    taken = await world.deed("g", "begun", count=2)
    world.open_gate("g")

    assert taken["pid"] == other.process.pid
    assert taken["at"] - left < 6 / 3 + SCHEDULING_SECONDS
    assert (await other.result(id))["content"][0]["text"] == "g through"
