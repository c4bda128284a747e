"""`ctx.once` with a store in a file, over lost replies and over the end of the process that served the first round."""

from __future__ import annotations

import pytest
import trio
from session_world import Line

from zcp_actors import Context, FastZCP, open_runtime
from zcp_actors.tasks import SqliteOnceStore

KEYS = ["k" * 32]


class Press:
    """A tool that presses once between two questions."""

    def __init__(self) -> None:
        self.presses = 0
        self.jammed = False

    def app(self) -> FastZCP:
        app = FastZCP("Press")

        @app.tool
        async def publish(ctx: Context) -> dict:
            await ctx.elicit("first?")
            number = await ctx.once("press", self.press)
            await ctx.elicit("second?")
            return {"number": number}

        return app

    async def press(self) -> int:
        if self.jammed:
            await trio.sleep_forever()
        self.presses += 1
        return self.presses


def retry_of(asked):
    given = {key: {"action": "accept", "content": {}} for key in asked.input_requests}
    return {"name": "publish", "arguments": {}, "inputResponses": given, "requestState": asked.request_state}


@pytest.mark.parametrize("again", ["the same process", "another process"])
async def test_a_lost_reply_presses_once_whoever_serves_the_retry(again, tmp_path):
    """DESIGN 3: what is recorded under (app, principal, nonce, key) is found by the next round, wherever it runs."""
    first, second = Press(), Press()
    with trio.fail_after(30):
        async with SqliteOnceStore(tmp_path / "once.db") as store, open_runtime(once_store=store) as runtime:
            line = Line(first.app(), keys=KEYS).host(runtime)
            retry = retry_of((await line.ask("tools/call", {"name": "publish", "arguments": {}})).result)
            await line.ask("tools/call", retry)  # its reply is lost
            if again == "the same process":
                last = retry_of((await line.ask("tools/call", retry)).result)
                found = await line.ask("tools/call", last)
        if again == "another process":
            async with SqliteOnceStore(tmp_path / "once.db") as store, open_runtime(once_store=store) as runtime:
                line = Line(second.app(), keys=KEYS).host(runtime)
                last = retry_of((await line.ask("tools/call", retry)).result)
                found = await line.ask("tools/call", last)

    assert found.result.structured_content == {"number": 1}
    assert first.presses + second.presses == 1


async def test_a_process_that_ended_in_the_middle_leaves_the_next_uncertain(tmp_path):
    first, second = Press(), Press()
    first.jammed = True
    with trio.fail_after(30):
        async with SqliteOnceStore(tmp_path / "once.db") as store, open_runtime(grace=1, once_store=store) as runtime:
            line = Line(first.app(), keys=KEYS).host(runtime)
            retry = retry_of((await line.ask("tools/call", {"name": "publish", "arguments": {}})).result)
            line.send("tools/call", retry)
            while not await store.writer.run(lambda connection: connection.execute("SELECT 1 FROM once").fetchone()):
                pass
        async with SqliteOnceStore(tmp_path / "once.db") as store, open_runtime(once_store=store) as runtime:
            reply = await Line(second.app(), keys=KEYS).host(runtime).ask("tools/call", retry)

    assert "OnceUncertain" in reply.message
    assert second.presses == 0
