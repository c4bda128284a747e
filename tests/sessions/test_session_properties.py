"""
Random handlers, random delays, random cancels, in both eras, against the promises of DESIGN 3 and 10.

A handler is a few branches at once; a branch is a few steps one after the other: ask the person, ask the model, do
something once, work. Whatever happens when: a call that is not cancelled ends with its own right answer, nobody is
asked the same thing twice, nothing is done twice, and nothing is left.
"""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext

import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from session_world import both_eras, opened
from trio.testing import MockClock

from zcp_actors import Context, FastZCP
from zcp_actors.tasks import MemoryOnceStore
from zcp_actors.testing import always_replay

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
SECONDS = [0.0, 0.001, 0.03, 0.049, 0.051, 0.2, 3.0]

seconds = st.sampled_from(SECONDS)
steps = st.tuples(st.sampled_from(["elicit", "sample", "once", "work"]), seconds)
branches = st.lists(st.lists(steps, min_size=1, max_size=3), min_size=1, max_size=3)
calls = st.lists(st.tuples(branches, seconds | st.none(), seconds), min_size=1, max_size=3)
"""Each: what it does, when its caller leaves (None: never), how long whoever it asks takes."""


class Stage:
    """The app, the providers, and their account."""

    def __init__(self, scripts) -> None:
        self.scripts = scripts
        self.asked: Counter[str] = Counter()
        self.done: Counter[str] = Counter()

    def app(self) -> FastZCP:
        app = FastZCP("Random")

        @app.tool
        async def play(number: int, ctx: Context) -> dict:
            found = {}

            async def branch(name, script):
                for place, (kind, delay) in enumerate(script):
                    step = f"{name}.{place}"
                    found[step] = await self.step(ctx, kind, step, delay)

            async with trio.open_nursery() as nursery:
                for place, script in enumerate(self.scripts[number][0]):
                    nursery.start_soon(branch, f"{number}.{place}", script)
            return found

        return app

    async def step(self, ctx, kind, step, delay):
        if kind == "elicit":
            return (await ctx.elicit(step, SCHEMA)).content["name"]
        if kind == "sample":
            return (await ctx.sample(step)).content.text
        if kind == "once":
            return await ctx.once(step, lambda: self.effect(step, delay))
        await trio.sleep(delay)
        return step

    async def effect(self, step, delay):
        await trio.sleep(delay)
        self.done[step] += 1
        return step

    async def answer(self, step):
        self.asked[step] += 1
        await trio.sleep(self.scripts[int(step.split(".")[0])][2])
        return step

    async def person(self, request):
        return {"action": "accept", "content": {"name": await self.answer(request.message)}}

    async def model(self, request):
        return await self.answer(request.messages[0].content.text)

    def expected(self, number):
        return {
            f"{number}.{place}.{index}": f"{number}.{place}.{index}"
            for place, script in enumerate(self.scripts[number][0])
            for index in range(len(script))
        }


@both_eras
@pytest.mark.parametrize("replay", [False, True], ids=["as it is", "always replayed"])
@example(scripts=[([[("elicit", 0.0)] * 2] * 2, None, 0.0)], with_store=False)
@given(scripts=calls, with_store=st.booleans())
@settings(max_examples=60, deadline=None)
def test_whatever_happens_when_calls_end_right_and_nothing_happens_twice(era, replay, scripts, with_store):
    stage, found = Stage(scripts), {}

    async def call(client, number):
        leaves = scripts[number][1]
        with trio.CancelScope(deadline=trio.current_time() + (1e9 if leaves is None else leaves)):
            found[number] = (await client.call_tool("play", {"number": number})).structured_content

    async def scenario():
        store = MemoryOnceStore() if with_store else None
        with always_replay() if replay else nullcontext():
            async with (
                opened(
                    stage.app(),
                    era,
                    elicitation_handler=stage.person,
                    sampling_handler=stage.model,
                    runtime={"once_store": store},
                ) as client,
                trio.open_nursery() as nursery,
            ):
                for number in range(len(scripts)):
                    nursery.start_soon(call, client, number)

    trio.run(scenario, clock=MockClock(autojump_threshold=0))

    for number, (_, leaves, _) in enumerate(scripts):
        if leaves is None or number in found:
            assert found[number] == stage.expected(number)
    assert max(stage.asked.values(), default=0) <= 1, "somebody was asked twice"
    assert max(stage.done.values(), default=0) <= 1, "something was done twice"
