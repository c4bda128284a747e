"""The leak check names what is left by its path, and says nothing of what was there before."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from zcp_actors import Actor, Context, FastZCP, Inbox, memory_client, open_runtime
from zcp_actors.actors import Job
from zcp_actors.testing import LATER, no_leaks, open_probe, scripted_server

FORM = {"mode": "form", "message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}}


class Idle(Actor[str]):
    async def receive(self, message: str) -> None:
        await trio.sleep_forever()


class Sleeper(Job):
    __slots__ = ()

    async def run(self) -> None:
        await trio.sleep_forever()


async def test_a_block_that_cleans_up_passes():
    async with open_runtime() as runtime, no_leaks():
        ref = await runtime.start(Idle, "worker")
        ref.stop()
        await ref.stopped()
        async with memory_client(FastZCP("Demo")) as client:
            await client.list_tools()


async def test_what_was_there_before_is_no_leak():
    async with open_runtime() as runtime:
        await runtime.start(Idle, "old")
        runtime.timers.after(1000, lambda: None)
        runtime.submit(Sleeper())
        runtime.dead_letters.add(runtime.root, "old letter")
        async with memory_client(FastZCP("Demo")), no_leaks():
            pass


async def test_an_actor_and_a_cell_are_reported_with_their_paths():
    async with open_runtime() as runtime:
        with pytest.raises(AssertionError) as caught:
            async with no_leaks():
                await runtime.start(Idle, "worker")
                open_probe("left-probe")

    assert str(caught.value).splitlines() == [
        "left behind:",
        "  actor root/worker (running)",
        "  cell root/left-probe (running, probe · 0 messages)",
    ]


async def test_a_job_a_timer_and_unhandled_mail_are_reported(autojump_clock):
    def ring() -> None: ...

    async with open_runtime() as runtime:
        busy = await runtime.start(Idle, "busy")
        with pytest.raises(AssertionError) as caught:
            async with no_leaks():
                runtime.submit(Sleeper(), parent=busy)
                runtime.timers.after(90.0, ring)
                busy.tell("being handled")
                await trio.testing.wait_all_tasks_blocked()
                busy.tell("waiting")

    report = str(caught.value)
    assert "job root/busy/sleeper-0 (running)" in report
    assert "timer due in 90 s: " in report
    assert "ring" in report
    assert "a message unhandled in the mailbox of root/busy" in report
    assert "a message in the hands of root/busy" in report


async def test_an_answer_that_is_owed_is_reported(autojump_clock):
    async with open_runtime(), trio.open_nursery() as nursery:
        probe = open_probe(script=lambda _: LATER)
        with pytest.raises(AssertionError, match="root/probe, or an answer it owes"):
            async with no_leaks(tasks=False):
                nursery.start_soon(partial(probe.ref.ask, "question", timeout=60))
                await probe.expect("question")
        probe.reply("answer")


async def test_an_open_client_its_request_and_its_question_are_reported():
    async with (
        open_runtime(),
        scripted_server("2025-11-25", elicitation_handler=Inbox()) as (client, peer),
        trio.open_nursery() as nursery,
    ):
        with pytest.raises(AssertionError) as caught:
            async with no_leaks(tasks=False):
                nursery.start_soon(client.call_tool, "slow")
                await peer.request()
                peer.start("elicitation/create", FORM)
        nursery.cancel_scope.cancel()

    report = str(caught.value)
    assert "request tools/call in flight to scripted" in report
    assert "elicitation/create of root/scripted" in report
    assert "timer due in" in report


async def test_dead_letters_are_reported_unless_they_are_allowed():
    async with open_runtime() as runtime:
        gone = open_probe("gone").ref
        gone.stop()
        async with no_leaks(dead_letters=True):
            gone.tell("allowed")
        with pytest.raises(AssertionError, match="left behind:\n  dead letter: str to root/gone$"):
            async with no_leaks(runtime):
                gone.tell("lost")


async def test_a_task_is_reported_by_name_also_without_a_runtime():
    async def forgotten():
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        with pytest.raises(AssertionError, match="task .*forgotten"):
            async with no_leaks():
                nursery.start_soon(forgotten)
        async with no_leaks(tasks=False):
            nursery.start_soon(forgotten)
        nursery.cancel_scope.cancel()


async def test_parked_workers_are_no_leak():
    app = FastZCP("Demo")

    @app.tool
    async def nothing() -> None: ...

    async with open_runtime() as runtime, memory_client(app) as client:
        async with no_leaks():
            await client.call_tool("nothing")
        assert runtime.workers.parked > 0


async def test_a_suspended_call_leaves_no_timer():
    """A step of questions closes after 50 ms for branches at work; when the call has ended, nothing waits for that."""
    app = FastZCP("Demo")

    @app.tool
    async def ask(ctx: Context) -> str:
        return (await ctx.sample("q", max_tokens=5)).content.text

    async with (
        open_runtime(),
        memory_client(app, era="2026-07-28", sampling_handler=lambda _: "a") as client,
        no_leaks(),
    ):
        await client.call_tool("ask")


async def test_what_is_just_ending_may_end():
    async with open_runtime() as runtime, no_leaks():
        ref = await runtime.start(Idle, "worker")
        ref.stop()


async def test_an_error_of_the_block_is_raised_as_it_is():
    async with open_runtime():
        with pytest.raises(ValueError, match="mine"):
            async with no_leaks():
                open_probe("left")
                raise ValueError("mine")


async def test_a_long_report_is_cut():
    async with open_runtime():
        with pytest.raises(AssertionError, match="and 10 more"):
            async with no_leaks():
                for number in range(60):
                    open_probe(f"p{number}")
