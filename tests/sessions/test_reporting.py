"""What a recorder hears of sessions, requests, calls, questions and pending requests."""

from __future__ import annotations

import traceback

import attrs
import pytest
import trio
from session_world import STATEFUL, both_eras, opened
from span_world import Recorded

from zcp_actors import Context, FastZCP, Inbox, Timeouts
from zcp_actors.errors import RequestTimeout, RPCError
from zcp_actors.ports import NullRecorder


@attrs.define
class Heard(NullRecorder):
    """A recorder that keeps what it is told."""

    enabled: bool = True
    moves: list = attrs.Factory(list)
    waits: list = attrs.Factory(list)

    def transition(self, subject, path, old, new, **facts):
        self.moves.append((subject, path.rsplit("/", 1)[-1], old, new, facts))

    def wait(self, thing, path, began, ended, outcome, **facts):
        self.waits.append((thing, ended - began, outcome))

    def of(self, subject):
        return [(old, new) for each, _, old, new, _ in self.moves if each == subject]


app = FastZCP("desk")


@app.tool
async def ask(ctx: Context) -> str:
    return (await ctx.elicit("Go on?")).action


@app.tool
async def slow() -> None:
    await trio.sleep(3600)


@app.tool
async def failing() -> None:
    raise RPCError(-32050, "no")


@both_eras
async def test_a_call_that_asks_is_told_from_request_to_question_and_back(era, autojump_clock):
    heard = Heard()
    async with opened(app, era, runtime={"recorder": heard}, elicitation_handler=Inbox()) as client:
        heard.moves.clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call_tool, "ask")
            await trio.sleep(5)
            [pending] = client.runtime.pending()
            client.runtime.answer(pending.id, True)

    assert heard.of("request") == [("", "asked"), ("asked", "completed")]
    assert heard.of("pending") == [("received", "awaiting approval"), ("awaiting approval", "answered")]
    assert ("wait_for human", pytest.approx(5), "answered") in heard.waits
    # Where the handler is parked its question is answered; where it is suspended the run ends and asks again.
    rounds = ["completed"] if era == STATEFUL else ["cancelled", "completed"]
    assert [new for old, new in heard.of("question") if old] == rounds
    assert [move for move in heard.of("call") if move[1] == "ended"] == [("running", "ended")]


@pytest.mark.parametrize(
    ("tool", "timeouts", "outcome"),
    [("failing", None, "failed"), ("slow", Timeouts(idle=1, total=1), "timed out"), ("slow", None, "cancelled")],
)
@both_eras
async def test_what_ends_otherwise_never_looks_completed(era, tool, timeouts, outcome, autojump_clock):
    heard = Heard()
    async with opened(app, era, runtime={"recorder": heard}) as client:
        heard.moves.clear()
        with trio.move_on_after(5):
            with pytest.raises((RPCError, RequestTimeout)):
                await client.call_tool(tool, timeouts=timeouts)

    assert heard.of("request") == [("", "asked"), ("asked", outcome)]


@pytest.mark.parametrize("recorder", [Heard, lambda: Recorded().telemetry], ids=["transitions", "spans"])
@both_eras
async def test_an_error_that_is_told_of_is_raised_with_its_own_way(era, recorder):
    """Whoever reads a traceback is not led to what only looked at the error."""
    ways = []
    for listening in ({}, {"recorder": recorder()}):
        async with opened(app, era, runtime=listening) as client:
            with pytest.raises(RPCError) as caught:
                await client.call_tool("failing")
        ways.append([frame.name for frame in traceback.extract_tb(caught.value.__traceback__)])

    assert ways[0] == ways[1]
    assert ways[0][-1] == "wait"
