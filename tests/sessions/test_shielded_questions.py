"""What a handler asks within a shield ends with its run, though no cancel reaches it. Claims: DESIGN §2, §5."""

from __future__ import annotations

import pytest
import trio
from session_world import STATELESS, both_eras, opened
from trio.testing import wait_all_tasks_blocked

from zcp_actors import Context, FastZCP
from zcp_actors.errors import CallEnding, SessionClosed

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def named(request):
    return {"accepted": True, "data": {"name": request.message}}


async def nobody(request):
    await trio.sleep_forever()


async def test_a_question_asked_within_a_shield_does_not_hold_its_suspended_run(autojump_clock):
    """Every ask ends: a suspension is a cancel, which a shield keeps out; the round goes on all the same."""
    app, ended = FastZCP("Shielded"), []

    @app.tool
    async def shielded(ctx: Context) -> list[str]:
        async def branch(key: str) -> None:
            with trio.CancelScope(shield=True):
                try:
                    found[key] = (await ctx.elicit("?", SCHEMA, key=key)).content["name"]
                except CallEnding:
                    ended.append(key)
                    raise

        found: dict[str, str] = {}
        await branch("alone")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(branch, "left")
            nursery.start_soon(branch, "right")
        return sorted(found)

    async with opened(app, STATELESS, elicitation_handler=named) as client:
        before = trio.current_time()
        assert (await client.call_tool("shielded")).structured_content == {"result": ["alone", "left", "right"]}
        assert trio.current_time() - before < 1
    assert sorted(ended) == ["alone", "left", "right"]


@both_eras
async def test_a_question_asked_within_a_shield_does_not_hold_a_cancelled_call(era, autojump_clock):
    app, ended = FastZCP("Shielded"), []

    @app.tool
    async def shielded(ctx: Context) -> str:
        try:
            with trio.CancelScope(shield=True):
                return (await ctx.elicit("?", SCHEMA)).action
        finally:
            ended.append(ctx.suspending)

    async with opened(app, era, elicitation_handler=nobody) as client:
        with trio.move_on_after(5) as scope:
            await client.call_tool("shielded")
        await wait_all_tasks_blocked()
        assert scope.cancelled_caught
        assert len(ended) == 1


@both_eras
async def test_questions_asked_within_a_shield_do_not_hold_the_end_of_a_session(era, autojump_clock):
    """The session says nothing more once it ends: neither an open question nor one asked then would be answered."""
    app, ended = FastZCP("Shielded"), []

    @app.tool
    async def shielded(ctx: Context) -> None:
        with trio.CancelScope(shield=True):
            for key in ("open", "late"):
                try:
                    await ctx.elicit("?", SCHEMA, key=key)
                except CallEnding:
                    ended.append((key, trio.current_time() - began))

    async def call():
        with pytest.raises(SessionClosed):
            await client.call_tool("shielded")

    began = trio.current_time()
    async with trio.open_nursery() as nursery, opened(app, era, elicitation_handler=nobody) as client:
        nursery.start_soon(call)
        await wait_all_tasks_blocked()
        await trio.sleep(1)
    assert [key for key, _ in ended] == ["open", "late"]
    assert max(seconds for _, seconds in ended) <= 1
