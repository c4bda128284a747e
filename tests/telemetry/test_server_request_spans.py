"""What a server asks that is no question, in a trace of its client: looks at tasks, and pings."""

from __future__ import annotations

import trio
from receiver_world import asked
from span_world import Recorded, seconds


def served(recorded, method):
    return [span for span in recorded.named(method) if span.kind.name == "SERVER"]


async def test_what_a_server_asks_about_a_task_of_ours_is_drawn_as_a_request_that_we_serve(autojump_clock):
    recorded = Recorded()
    async with asked(recorded.telemetry) as server:
        task = await server.elicit()
        server.answer({"n": 3})
        await server.result(task["taskId"])
        await server.peer.ask("tasks/list")
        await server.peer.ask("ping")
        await server.refusal("tasks/cancel", {"taskId": task["taskId"]})

    (result,), (listed,), (ping,), (cancel,) = (
        served(recorded, method) for method in ("tasks/result", "tasks/list", "ping", "tasks/cancel")
    )
    assert result.attributes["mcp.method.name"] == "tasks/result"
    codes = [span.attributes.get("rpc.response.status_code") for span in (result, listed, ping, cancel)]
    assert codes == [None, None, None, "-32602"]


async def test_a_wait_for_a_result_lasts_in_the_trace_until_it_is_answered(autojump_clock):
    recorded = Recorded()
    async with asked(recorded.telemetry) as server:
        task = await server.elicit()
        id = server.peer.start("tasks/result", {"taskId": task["taskId"]})
        await trio.sleep(30)
        assert served(recorded, "tasks/result") == []
        server.answer({"n": 3})
        await server.peer.answer_to(id)

    (span,) = served(recorded, "tasks/result")
    assert seconds(span) == 30.0


async def test_a_wait_that_the_server_takes_back_is_cancelled(autojump_clock):
    recorded = Recorded()
    async with asked(recorded.telemetry) as server:
        task = await server.elicit()
        id = server.peer.start("tasks/result", {"taskId": task["taskId"]})
        await trio.sleep(5)
        server.peer.cancel(id)
        await trio.sleep(5)
        await server.cancel(task["taskId"])

    (span,) = served(recorded, "tasks/result")
    assert (span.attributes["error.type"], seconds(span)) == ("cancelled", 5.0)


async def test_a_wait_ends_with_the_session(autojump_clock):
    recorded = Recorded()
    async with asked(recorded.telemetry) as server:
        task = await server.elicit()
        server.peer.start("tasks/result", {"taskId": task["taskId"]})
        await trio.sleep(5)

    (span,) = served(recorded, "tasks/result")
    assert (span.attributes["error.type"], seconds(span)) == ("cancelled", 5.0)


async def test_of_many_looks_at_a_task_only_those_that_see_something_new_are_drawn(autojump_clock):
    recorded = Recorded()
    async with asked(recorded.telemetry) as server:
        task = await server.elicit()
        for _ in range(5):
            await server.get(task["taskId"])
        server.answer({"n": 3})
        await trio.sleep(1)
        await server.get(task["taskId"])

    assert len(served(recorded, "tasks/get")) == 2
