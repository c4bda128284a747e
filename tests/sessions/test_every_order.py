"""
One handler with two questions, a `once` and a `finally`, under every order of answer, cancel and lost response.

Source: DESIGN 3: with a store its effect happens once, its result is right, and nothing is asked twice.
"""

from __future__ import annotations

import itertools
from contextlib import nullcontext

import attrs
import pytest
import trio
from session_world import STATEFUL, Line, assert_empty
from trio.testing import wait_all_tasks_blocked

from zcp_actors import Context, FastZCP, open_runtime
from zcp_actors.tasks import MemoryOnceStore
from zcp_actors.testing import always_replay
from zcp_actors.wire import ErrorResponse, InputRequiredResult, Notification, Request, Response

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
CALL = {"name": "publish", "arguments": {}}
PRESSING = 0.01
"""Seconds that the effect takes."""

replaying = pytest.mark.parametrize("replay", [False, True], ids=["as it is", "always replayed"])


@attrs.define
class Press:
    """A tool that asks two people at once, and presses when the first has answered; it keeps account."""

    presses: int = 0
    runs: int = 0
    ended: int = 0

    def app(self) -> FastZCP:
        app = FastZCP("Press")

        @app.tool
        async def publish(ctx: Context) -> dict:
            self.runs += 1
            found = {}

            async def left():
                found["left"] = (await ctx.elicit("left", SCHEMA)).content["name"]
                found["number"] = await ctx.once("press", self.press)

            async def right():
                found["right"] = (await ctx.elicit("right", SCHEMA)).content["name"]

            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(left)
                    nursery.start_soon(right)
                return found
            finally:
                self.ended += 1

        return app

    async def press(self) -> int:
        await trio.sleep(PRESSING)
        self.presses += 1
        return self.presses


RIGHT = {"left": "Left", "right": "Right", "number": 1}


def answer(message: str) -> dict:
    return {"action": "accept", "content": {"name": message.capitalize()}}


# ---- 2026-07-28: what is asked rides in results, and a retry brings what was answered
MISHAPS = ("none", "lost", "cancelled at once", "cancelled while it presses")
BROUGHT = (("left", "right"), ("left",), ("right",), ())


@attrs.define
class Caller:
    """A client of one call, to which everything may happen on the way."""

    line: Line
    params: dict = attrs.Factory(lambda: dict(CALL))
    answered: set = attrs.Factory(set)

    async def round(self, mishap: str):
        """Send the request, once more after a mishap; the reply."""
        if mishap == "lost":
            await self.line.ask("tools/call", self.params)
        elif mishap != "none":
            id = self.line.send("tools/call", self.params)
            if mishap == "cancelled while it presses":
                await trio.sleep(PRESSING / 2)
            over = any(getattr(message, "id", None) == id for message in self.line.posted)
            self.line.session.feed(Notification("notifications/cancelled", {"requestId": id}))
            await trio.sleep(1)
            assert over == any(getattr(message, "id", None) == id for message in self.line.posted)
        return await self.line.ask("tools/call", self.params)

    def bring(self, asked: InputRequiredResult, wanted: tuple[str, ...]) -> None:
        """Put those answers into the next request that are asked for and wanted."""
        messages = {key: each.params.message for key, each in asked.input_requests.items()}
        assert not self.answered & set(messages.values()), "somebody was asked twice"
        given = {key: answer(message) for key, message in messages.items() if message in wanted}
        self.answered |= {messages[key] for key in given}
        self.params = {**CALL, "inputResponses": given, "requestState": asked.request_state}


@replaying
@pytest.mark.parametrize("first", MISHAPS[:3])
async def test_in_rounds_everything_happens_once_and_the_result_is_right(first, replay, autojump_clock):
    for second, third in itertools.product(itertools.product(BROUGHT, MISHAPS), repeat=2):
        with always_replay() if replay else nullcontext():
            await rounds([((), first), second, third])


async def rounds(script):
    press = Press()
    async with open_runtime(once_store=MemoryOnceStore()) as runtime:
        caller = Caller(Line(press.app()).host(runtime))
        reply = await caller.round(script[0][1])
        for brought, mishap in [*script[1:], *[(BROUGHT[0], "none")] * 3]:
            if not isinstance(getattr(reply, "result", None), InputRequiredResult):
                break
            caller.bring(reply.result, brought)
            reply = await caller.round(mishap)
        caller.line.session.lost(None)
        await assert_empty(runtime)

    assert press.ended == press.runs
    if isinstance(reply, ErrorResponse):
        assert "OnceUncertain" in reply.message
        assert any(mishap == "cancelled while it presses" for _, mishap in script)
        assert press.presses == 0, "what was cut off is uncertain, what happened is known"
    else:
        assert reply.result.structured_content == RIGHT
        assert press.presses == 1


async def test_a_request_sent_anew_without_a_state_is_another_call(autojump_clock):
    """What it did before its first question it does again: nothing tells the two apart."""
    app, pressed = FastZCP("Early"), []

    @app.tool
    async def publish(ctx: Context) -> int:
        await ctx.once("press", lambda: pressed.append("early"))
        await ctx.elicit("left", SCHEMA)
        return len(pressed)

    async with open_runtime(once_store=MemoryOnceStore()) as runtime:
        caller = Caller(Line(app).host(runtime))
        caller.bring((await caller.round("lost")).result, ("left",))
        assert len(pressed) == 2
        assert (await caller.round("lost")).result.structured_content == {"result": 2}


# ---- 2025-11-25: what is asked is a request of the server, and the handler waits
HELLO = {
    "protocolVersion": STATEFUL,
    "capabilities": {"elicitation": {}},
    "clientInfo": {"name": "test", "version": "1"},
}
EVENTS = ("left", "right", "cancel", "left again", "right again")


@replaying
@pytest.mark.parametrize("breath", [None, 0.0, PRESSING / 2, 1.0], ids=["at once", "in turn", "soon", "late"])
async def test_in_a_session_everything_happens_once_and_the_result_is_right(breath, replay, autojump_clock):
    for order in itertools.permutations(EVENTS):
        with always_replay() if replay else nullcontext():
            await session(order, breath)


async def session(order, breath):
    press = Press()
    async with open_runtime(once_store=MemoryOnceStore()) as runtime:
        line = Line(press.app(), era=STATEFUL).host(runtime)
        line.session.feed(Request("hello", "initialize", HELLO))
        line.session.feed(Request("call", "tools/call", CALL))
        await wait_all_tasks_blocked()
        asked = {message.params.message: message.id for message in line.posted if isinstance(message, Request)}
        assert sorted(asked) == ["left", "right"]
        for event in order:
            if event == "cancel":
                line.session.feed(Notification("notifications/cancelled", {"requestId": "call"}))
            else:
                message = event.split()[0]
                line.session.feed(Response(asked[message], answer(message)))
            if breath is not None:
                await wait_all_tasks_blocked()
                await trio.sleep(breath)
        await trio.sleep(1)
        replies = [message.result for message in line.posted if getattr(message, "id", None) == "call"]
        withdrawn = [message.params.request_id for message in line.posted if isinstance(message, Notification)]
        line.session.lost(None)
        await assert_empty(runtime)

    before = {event.split()[0] for event in order[: order.index("cancel")]}
    assert sum(isinstance(message, Request) for message in line.posted) == len(asked), "somebody was asked twice"
    assert sorted(withdrawn) == sorted(asked[message] for message in asked if message not in before)
    assert press.ended == press.runs
    assert press.presses <= 1
    assert [each.structured_content for each in replies] in ([], [RIGHT])
    if withdrawn or breath is None:
        assert replies == []  # the cancel came before the second answer, or in the same breath
    elif breath == 1.0:
        assert replies != []
